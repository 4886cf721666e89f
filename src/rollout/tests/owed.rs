//! What is owed, noted on the hosts: written before, removed after, inherited, refused, and put back without a journal.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::events::BracketRef;
use crate::inventory::HostName;
use crate::journal::Journal as _;
use crate::rollout::owed::file_name;
use crate::rollout::testing::{Fault, Kit};
use crate::rollout::{FromHosts, Note, Recollection};

use super::protect::{BRACKET, changes, kit};

fn maintenance() -> BracketRef {
    BracketRef {
        name: "maintenance".to_owned(),
        object: String::new(),
    }
}

fn named(run: &str) -> String {
    file_name(&maintenance(), run)
}

/// Returns what a note on a host says.
pub(super) fn note(kit: &Kit, host: &str) -> Value {
    let notes = kit.fleet.notes(host);
    assert_eq!(notes.len(), 1, "{notes:?}");
    let mut lines: Vec<&str> = notes[0].1.lines().collect();
    lines.remove(0);
    lines.pop();
    serde_json::from_str(&lines.join("\n")).unwrap()
}

/// A run that could not leave its bracket, on its hosts.
fn left_behind() -> Kit {
    let mut bad = kit();
    for _ in 0..3 {
        bad = bad.fault("a job back-normal", Fault::Fails);
    }
    assert_eq!(bad.run().exit(), 7);
    bad
}

/// A further run on the first of these hosts, which would find maintenance mode switched on.
fn next(earlier: &Kit) -> Kit {
    let mut next = Kit::new("a", BRACKET);
    next.settings.leave.truncate(2);
    next.follows(earlier, "run-2");
    next.fleet.finds("mode", &[json!("maintenance")]);
    next
}

#[test]
fn a_note_is_written_before_the_first_change_and_removed_when_it_was_left() {
    let whole = kit();
    let ran = whole.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
    let of_a: Vec<String> = ran
        .log
        .iter()
        .filter(|call| call.starts_with("a : ") || call.starts_with("a job "))
        .cloned()
        .collect();
    let name = named("run-1");
    assert_eq!(
        of_a,
        [
            format!("a : see to the note {name}"),
            "a job on".to_owned(),
            "a job stop".to_owned(),
            "a job upgrade".to_owned(),
            "a job start".to_owned(),
            "a job back-normal".to_owned(),
            format!("a : see the notes gone {name}"),
        ]
    );
    assert!(whole.fleet.notes("a").is_empty() && whole.fleet.notes("b").is_empty());
}

#[test]
fn a_note_that_cannot_be_removed_is_tried_again_and_then_told() {
    let name = named("run-1");
    let call = format!("a : see the notes gone {name}");
    let once = kit().fault(&call, Fault::Fails);
    assert_eq!(once.run().exit(), 0);
    assert!(once.fleet.notes("a").is_empty());
    let twice = kit().fault(&call, Fault::Fails).fault(&call, Fault::Fails);
    let ran = twice.run();
    assert_eq!(twice.fleet.notes("a").len(), 1);
    let told = ran
        .events
        .iter()
        .any(|event| format!("{event:?}").contains(&format!("remove it there: owed/{name}")));
    assert!(told, "{:?}", ran.events);
}

#[test]
fn what_could_not_be_left_stays_noted_with_all_that_is_needed() {
    let bad = left_behind();
    let note = note(&bad, "a");
    assert_eq!(note["found"], json!("normal"));
    assert_eq!(note["run"], json!("run-1"));
    assert_eq!(note["operator"], json!("alice"));
    assert_eq!(note["hosts"], json!(["a"]));
    assert_eq!(note["by_hand"][0]["command"], json!("do-it back-normal"));
    assert!(bad.fleet.notes("b").is_empty(), "its batch never began");
}

#[test]
fn the_next_run_puts_back_what_the_first_one_found() {
    let bad = left_behind();
    let next = next(&bad);
    let ran = next.run();
    assert_eq!(ran.exit(), 0, "{:?} {:?}", ran.ended, ran.warnings());
    let backs: Vec<&str> = ran
        .did()
        .into_iter()
        .filter(|call| call.contains("back-"))
        .collect();
    assert_eq!(backs[0], "a job back-normal");
    let told = ran.warnings().join("\n");
    for part in ["run run-1 of alice", "did not leave it", "\"normal\""] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(
        next.fleet.notes("a").is_empty(),
        "{:?}",
        next.fleet.notes("a")
    );
}

#[test]
fn who_cannot_enter_takes_nothing_away_from_who_did() {
    let bad = left_behind();
    let next = next(&bad).fault("a job on", Fault::Fails);
    let ran = next.run();
    assert_eq!(ran.exit(), 2);
    assert_eq!(ran.did(), ["a job on", "a job back-normal"]);
    assert_eq!(note(&next, "a")["run"], json!("run-1"));
}

#[test]
fn a_host_that_takes_no_note_is_said_before_anything_is_switched() {
    let call = format!("a : see to the note {}", named("run-1"));
    for fault in [Fault::Fails, Fault::DiskFull] {
        let ran = kit().fault(&call, fault).run();
        assert_eq!((ran.exit(), ran.did().len()), (2, 0), "{fault:?}");
        let (_, why) = ran.ended.stopped.clone().unwrap();
        assert!(
            why.contains("cannot be written down on a") && why.contains("not entered"),
            "{why}"
        );
        assert!(changes(&ran).is_empty(), "nothing is owed");
    }
    let full = kit().fault(&call, Fault::DiskFull).run();
    let (_, why) = full.ended.stopped.clone().unwrap();
    assert!(why.contains("No space left on device"), "{why}");
    let lost = kit().fault(&call, Fault::LostAfter).run();
    assert_eq!(lost.exit(), 0, "it is sent again: {:?}", lost.ended);
}

#[test]
fn one_host_of_many_that_cannot_be_reached_does_not_keep_it_from_being_noted() {
    let text = BRACKET.replace("per: batch", "per: play");
    let mut gone = Kit::new("a b", &text).finds("mode", &[json!("normal")]);
    gone.settings.leave.clear();
    gone.settings.connect.clear();
    gone.settings.reconnect.clear();
    let call = format!("b : see to the note {}", named("run-1"));
    let ran = gone
        .fault(&call, Fault::GoneForGood)
        .fault("a job upgrade", Fault::Fails)
        .run();
    assert!(ran.did().contains(&"a job on"), "{:?}", ran.ended);
    assert!(ran.did().contains(&"a job back-normal"));
}

#[test]
fn notes_that_cannot_be_relied_on_are_refused_before_anything_is_switched() {
    let other = |found: &str, run: &str| {
        let bad = left_behind();
        let text = &bad.fleet.notes("a")[0].1;
        let body: Vec<&str> = text.lines().collect();
        let mut value: Note = serde_json::from_str(&body[1..body.len() - 1].join("\n")).unwrap();
        value.found = json!(found);
        run.clone_into(&mut value.run);
        value.to_text()
    };
    let newer = "stagger owed 2.0\nwho knows\n".to_owned();
    let cases = [
        ("torn", vec!["stagger owed 1.0\n{".to_owned()], "is torn"),
        ("newer", vec![newer], "of format 2.0"),
        (
            "changed",
            vec![other("x", "run-0").replace("\"x\"", "\"y\"")],
            "is torn",
        ),
        (
            "two",
            vec![other("x", "run-0"), other("y", "run-00")],
            "contradict each other",
        ),
    ];
    for (case, notes, part) in cases {
        let kit = kit();
        for (number, text) in notes.iter().enumerate() {
            kit.fleet.puts_note("a", &format!("m.{number}"), text);
        }
        let ran = kit.run();
        assert_eq!(
            (ran.exit(), ran.did().len()),
            (2, 0),
            "{case}: {:?}",
            ran.ended
        );
        let (_, why) = ran.ended.stopped.clone().unwrap();
        assert!(
            why.contains(part) && why.contains("by hand"),
            "{case}: {why}"
        );
        assert_eq!(kit.fleet.notes("a").len(), notes.len(), "{case}");
    }
}

#[test]
fn a_look_ahead_says_what_is_owed_and_writes_nothing() {
    let bad = left_behind();
    let before = bad.fleet.notes("a");
    let look = next(&bad).with(|settings| settings.check = true);
    let ran = look.run();
    let told = ran.warnings().join("\n");
    assert!(
        told.contains("`maintenance` is owed on a: run run-1 of alice"),
        "{told}"
    );
    assert!(told.contains("recover --from-hosts"), "{told}");
    assert_eq!(look.fleet.notes("a"), before);
    assert!(!ran.log.iter().any(|call| call.contains("see to the note")));

    let clean = kit().with(|settings| settings.check = true);
    let ran = clean.run();
    assert!(!ran.log.iter().any(|call| call.contains("see to the note")));
    assert!(clean.fleet.notes("a").is_empty());
    assert!(!ran.warnings().join("").contains("owed"));
}

/// Puts back what is noted, without a journal; the mode is read as `now` afterwards.
fn from_hosts(bad: &Kit, now: &str) -> Kit {
    let mut second = next(bad);
    second.fleet.finds("mode", &[json!(now)]);
    let told = second.asks_hosts();
    assert_eq!(told.gathered.debts.len(), 1, "{told:?}");
    second.previously = Arc::new(FromHosts::of(&told));
    second.recovers = true;
    second.fleet.clear_log();
    second
}

#[test]
fn a_second_bastion_puts_back_what_notes_say_and_reads_it_back() {
    let bad = left_behind();
    let second = from_hosts(&bad, "normal");
    let ran = second.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
    assert_eq!(ran.did(), ["a job back-normal"]);
    assert!(
        ran.log.iter().any(|call| call == "a look mode"),
        "{:?}",
        ran.log
    );
    assert_eq!(changes(&ran), ["leaving", "left"]);
    assert!(second.fleet.notes("a").is_empty());

    let bad = left_behind();
    let second = from_hosts(&bad, "maintenance");
    let ran = second.run();
    assert_eq!(ran.exit(), 7);
    let debt = &ran.ended.debts[0];
    assert!(
        debt.reason
            .contains("reads \"maintenance\" instead of \"normal\""),
        "{debt:?}"
    );
    assert_eq!(second.fleet.notes("a").len(), 1, "still owed, still noted");
}

#[test]
fn while_a_job_runs_on_a_host_what_is_noted_there_is_held() {
    let bad = left_behind();
    let mut second = next(&bad);
    second.fleet.runs("a", &["run-1-0123-1"]);
    let told = second.asks_hosts();
    assert_eq!(told.jobs, [("a".to_owned(), "run-1-0123-1".to_owned())]);
    second.previously = Arc::new(FromHosts::of(&told));
    second.recovers = true;
    second.fleet.clear_log();
    let ran = second.run();
    assert_eq!((ran.exit(), ran.did().len()), (7, 0));
    let debt = &ran.ended.debts[0];
    assert!(
        debt.held && debt.reason.contains("run-1-0123-1 still runs on a"),
        "{debt:?}"
    );
    assert_eq!(second.fleet.notes("a").len(), 1);
}

#[test]
fn asking_the_hosts_changes_nothing_and_says_who_did_not_answer() {
    let bad = left_behind();
    let mut second = kit();
    second.follows(&bad, "run-2");
    second.settings.connect.clear();
    second.settings.reconnect.clear();
    let second = second.fault("b connect", Fault::GoneForGood);
    let told = second.asks_hosts();
    assert_eq!(told.asked, ["a", "b"]);
    assert_eq!(told.silent.len(), 1, "{told:?}");
    assert_eq!(told.silent[0].0, "b");
    assert!(!told.owes_nothing());
    assert_eq!(second.fleet.log(), ["a : see the notes"]);
}

/// Puts back what the journal of a run says.
fn by_its_journal(first: &Kit) -> Kit {
    let recollection = Recollection::of(&first.journal.entries().unwrap()).unwrap();
    let mut again = kit();
    again.goes_on(first, Arc::new(recollection));
    again.fleet.heal();
    again.fleet.clear_log();
    again.recovers = true;
    again
}

#[test]
fn who_recovers_by_the_journal_removes_the_note() {
    let bad = left_behind();
    let again = by_its_journal(&bad);
    let ran = again.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
    assert_eq!(ran.did(), ["a job back-normal"]);
    assert!(again.fleet.notes("a").is_empty());
}

#[test]
fn a_note_that_was_written_before_a_bracket_that_was_never_entered_goes_with_recover() {
    let first = kit().fault("a look mode", Fault::Fails);
    assert_ne!(first.run().exit(), 0);
    let mine = named("run-1");
    for name in [mine.as_str(), "other.run-2"] {
        first.fleet.puts_note("b", name, "torn");
    }
    let again = by_its_journal(&first);
    let ran = again.run();
    assert!(ran.did().is_empty(), "{:?}", ran.log);
    let left: Vec<String> = again
        .fleet
        .notes("b")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(left, ["other.run-2"]);
}

#[test]
fn what_another_run_has_taken_over_is_that_runs_to_put_back() {
    let bad = left_behind();
    let mut second = next(&bad);
    for _ in 0..3 {
        second = second.fault("a job back-normal", Fault::Fails);
    }
    assert_eq!(second.run().exit(), 7);
    assert_eq!(note(&second, "a")["run"], json!("run-2"));
    let again = by_its_journal(&bad);
    let ran = again.run();
    assert!(ran.did().is_empty(), "{:?}", ran.log);
    assert!(
        ran.warnings().join("").contains("run run-2 of alice"),
        "{:?}",
        ran.warnings()
    );
    assert_eq!(changes(&ran).last(), Some(&"left"));
    assert_eq!(note(&again, "a")["run"], json!("run-2"), "it stays noted");
}

#[test]
fn a_bracket_costs_each_host_one_exchange_to_enter_and_one_to_leave() {
    let text = BRACKET.replace("per: batch", "per: play");
    let hosts = "a b c d";
    let kit = Kit::new(hosts, &text).finds("mode", &[json!("normal")]);
    let ran = kit.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
    for host in hosts.split(' ') {
        let about = format!("{host} : see ");
        let asked = ran.log.iter().filter(|call| call.starts_with(&about));
        assert_eq!(asked.count(), 2, "{host}: {:?}", ran.log);
    }
}

#[test]
fn a_host_that_does_not_answer_holds_what_is_noted_for_it_until_it_is_given_up() {
    let text = BRACKET.replace("per: batch", "per: play");
    let mut bad = Kit::new("a b", &text).finds("mode", &[json!("normal")]);
    bad.settings.leave.truncate(2);
    for _ in 0..3 {
        bad = bad.fault("a job back-normal", Fault::Fails);
    }
    assert_eq!(bad.run().exit(), 7);
    let second = |skipped: &[&str]| {
        let mut second = Kit::new("a b", &text).finds("mode", &[json!("normal")]);
        second.follows(&bad, "run-2");
        second.settings.leave.truncate(2);
        second.settings.connect.clear();
        second.settings.reconnect.clear();
        second.settings.pauses.skipped = skipped.iter().map(|host| HostName::new(host)).collect();
        let second = (0..9).fold(second, |kit, _| kit.fault("b connect", Fault::GoneForGood));
        let told = second.asks_hosts();
        (second, told)
    };
    let (mut holds, told) = second(&[]);
    assert_eq!(told.silent.len(), 1, "{told:?}");
    holds.previously = Arc::new(FromHosts::of(&told));
    holds.recovers = true;
    let ran = holds.run();
    assert_eq!((ran.exit(), ran.did().len()), (7, 0), "{:?}", ran.ended);
    let debt = &ran.ended.debts[0];
    assert!(
        debt.held && debt.reason.contains("still runs on b cannot be asked"),
        "{debt:?}"
    );

    let (mut given_up, told) = second(&["b"]);
    assert!(told.silent.is_empty(), "{told:?}");
    given_up.previously = Arc::new(FromHosts::of(&told));
    given_up.recovers = true;
    let ran = given_up.run();
    assert_eq!(ran.did(), ["a job back-normal"], "{:?}", ran.ended);
    assert!(ran.ended.debts.is_empty(), "{:?}", ran.ended.debts);
}
