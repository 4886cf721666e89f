//! The cluster's lock: on a majority of machines, renewed, and held against every step of a run that lost it.

mod kept;

use crate::rollout::testing::{Fault, Kit, OnCall, Ran};

const LOCK: &str = "/lock/x";

/// A run on `a` alone, of a cluster of more machines.
fn kit(machines: &str) -> Kit {
    with_steps(
        machines,
        "    - act: one\n    - pause: {seconds: 30}\n    - act: two\n    - act: three\n",
    )
}

fn with_steps(machines: &str, steps: &str) -> Kit {
    let listed = machines.split_whitespace().collect::<Vec<_>>().join(", ");
    Kit::new(
        &format!("{machines} other"),
        &format!(
            "
- hosts: a
  gather_facts: false
  brackets:
    - name: the lock
      enter:
        - cluster_lock: &lock
            action: take
            directory: {LOCK}
            machines: [{listed}]
            holder: \"{{{{ stagger_machine }}}} {{{{ stagger_run_id }}}}\"
            replaces: \"{{{{ stagger_stopped_runs }}}}\"
            take_over: \"{{{{ over | default('') }}}}\"
            reason: new indexes
            hint: 'take it over: HOLDER'
      renew:
        - name: the lock is this run's
          cluster_lock: {{action: renew}}
          every: 10s
          until: result.held
          unknown_grace: 30s
      leave:
        - cluster_lock: {{<<: *lock, action: give_back}}
  tasks:
{steps}"
        ),
    )
}

/// Somebody else has it there.
fn held(kit: &Kit, hosts: &str, owner: &str, token: &str) {
    for host in hosts.split_whitespace() {
        kit.fleet.writes(host, "/lock/x/owner", owner);
        kit.fleet.writes(
            host,
            "/lock/x/about",
            "every 20\nsince 2026-01-02T03:04:05Z\nreason disk swap\n",
        );
        kit.fleet.writes(host, "/lock/x.token", token);
    }
}

fn owner(kit: &Kit, host: &str) -> String {
    kit.fleet
        .reads(host, "/lock/x/owner")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn token(kit: &Kit, host: &str) -> String {
    kit.fleet
        .reads(host, "/lock/x.token")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// At a call somebody takes the lock over on these machines.
fn taken_over_at(kit: &Kit, call: &str, hosts: &str, token: Option<&str>) {
    for host in hosts.split_whitespace() {
        let writes = |path: &str, text: &str| {
            let (host, path, text) = (host.to_owned(), path.to_owned(), text.to_owned());
            kit.fleet.when(call, OnCall::Writes(host, path, text));
        };
        writes("/lock/x/owner", "b9 r-9");
        if let Some(token) = token {
            writes("/lock/x.token", token);
        }
    }
}

fn did(ran: &Ran) -> Vec<&str> {
    let mut did = ran.did();
    did.retain(|call| call.contains(" do ") || call.contains(" job "));
    did
}

#[test]
fn it_is_taken_on_all_machines_kept_and_given_back() {
    let kit = kit("a b c");
    let ran = kit.run();
    assert_eq!(
        (ran.exit(), did(&ran).len()),
        (0, 3),
        "{:?}",
        ran.failures("a")
    );
    for host in ["a", "b", "c"] {
        assert_eq!(
            (owner(&kit, host), token(&kit, host)),
            (String::new(), "1".to_owned()),
            "{host}"
        );
    }
    let renewed = |ran: &Ran| {
        ran.log
            .iter()
            .filter(|call| call.as_str() == "b : see to the lock: renew")
            .count()
    };
    assert!(renewed(&ran) >= 3, "{:?}", ran.log);
    let mut second = self::kit("a b c");
    second.follows(&kit, "run-2");
    assert_eq!(second.run().exit(), 0);
    assert_eq!(token(&kit, "b"), "2", "tokens grow from run to run");
}

#[test]
fn a_majority_is_enough_and_nothing_less_is() {
    let most = kit("a b c").fault("c connect", Fault::GoneForGood);
    assert_eq!(most.run().exit(), 0);
    assert_eq!(token(&most, "b"), "1");
    let ran = kit("a b c d")
        .fault("c connect", Fault::GoneForGood)
        .fault("d connect", Fault::GoneForGood)
        .run();
    assert_eq!((ran.exit(), did(&ran).len()), (4, 0), "half is no majority");
    let failures = ran.failures("a").join(" ");
    assert!(
        failures.contains("2 of the cluster's 4 machines") && failures.contains("d: "),
        "{failures}"
    );
}

#[test]
fn a_machine_with_two_names_counts_once() {
    let named_twice = || {
        let kit = kit("a a2 c");
        kit.fleet.is_machine("a2", "machine-a");
        kit
    };
    let both = named_twice();
    assert_eq!(both.run().exit(), 0);
    assert_eq!(token(&both, "a2"), "", "it is asked by one of its names");
    // Of two machines one is no majority, though two of three names answer.
    let one = named_twice().fault("c connect", Fault::GoneForGood);
    assert_eq!(one.run().exit(), 4);
}

#[test]
fn who_finds_it_held_is_refused_and_told_by_whom() {
    let kit = kit("a b c");
    held(&kit, "b c", "b9 r-9", "5");
    let ran = kit.run();
    assert_eq!((ran.exit(), did(&ran).len()), (5, 0));
    let failures = ran.failures("a").join(" ");
    for part in [
        "b9 r-9 works on this cluster",
        "since 2026-01-02",
        "disk swap",
        "on 2 of 3 machines",
        "take it over: b9 r-9",
    ] {
        assert!(failures.contains(part), "{part}: {failures}");
    }
    assert_eq!(
        (owner(&kit, "a").as_str(), owner(&kit, "b").as_str()),
        ("", "b9 r-9")
    );
}

#[test]
fn what_ended_on_this_machine_is_replaced_and_a_minority_is_passed_over() {
    let left = kit("a b c").with(|settings| settings.stopped_runs = vec!["b9 r-9".to_owned()]);
    held(&left, "a b c", "b9 r-9", "5");
    assert_eq!(left.run().exit(), 0);
    assert_eq!(
        (owner(&left, "a"), token(&left, "a")),
        (String::new(), "6".to_owned())
    );
    let minority = kit("a b c");
    held(&minority, "c", "b9 r-9", "5");
    assert_eq!(minority.run().exit(), 0);
    assert_eq!(
        (
            owner(&minority, "c").as_str(),
            token(&minority, "a").as_str()
        ),
        ("b9 r-9", "6")
    );
}

#[test]
fn who_gets_no_majority_gives_back_what_it_took_and_tries_again() {
    let kit = kit("a b c d");
    held(&kit, "b", "b9 r-9", "5");
    // Between the look and the taking the other one gets a second machine: nobody has three of four.
    taken_over_at(&kit, "a : see to the lock: take", "c", Some("5"));
    let ran = kit.run();
    assert_eq!(
        (ran.exit(), did(&ran).len()),
        (5, 0),
        "{:?}",
        ran.failures("a")
    );
    assert_eq!(
        (owner(&kit, "a").as_str(), owner(&kit, "d").as_str()),
        ("", ""),
        "given back"
    );
    let gives = ran
        .log
        .iter()
        .filter(|call| call.as_str() == "d : see to the lock: give back")
        .count();
    let looks = ran
        .log
        .iter()
        .filter(|call| call.as_str() == "d : see to the lock: look")
        .count();
    let of_d = ran
        .log
        .iter()
        .filter(|call| call.starts_with("d : see to the lock"));
    let words: Vec<&str> = of_d.map(|call| call.rsplit(' ').next().unwrap()).collect();
    let taken = words.iter().position(|word| *word == "take").unwrap();
    assert_eq!(
        words[taken + 1],
        "back",
        "given back before anything else: {words:?}"
    );
    assert!(gives >= 1 && looks >= 5, "{:?}", ran.log);
    let waited = kit.clock.clone();
    assert!(
        crate::clock::Clock::elapsed(&*waited).as_millis() > 0,
        "a random time lies between two tries"
    );
}

#[test]
fn it_is_taken_over_by_name_and_only_from_who_does_not_renew() {
    let over = |alive: bool, name: &str| {
        let text = format!(
            "all:\n  hosts: {{a: {{}}, b: {{}}, c: {{}}, other: {{}}}}\n  vars: {{over: {name}}}\n"
        );
        let kit = kit("a b c").inventory(&text);
        held(&kit, "a b c", "b9 r-9", "5");
        if alive {
            kit.fleet.beats("/lock/x/renewals");
        }
        let ran = kit.run();
        (
            ran.exit(),
            ran.elapsed_s,
            token(&kit, "a"),
            ran.failures("a").join(" "),
        )
    };
    let (exit, elapsed, token, failures) = over(false, "b9 r-9");
    assert_eq!((exit, token.as_str()), (0, "6"), "{failures}");
    assert!(
        elapsed >= 60,
        "three intervals of 20 s, by the contender's own clock: {elapsed}"
    );
    let (exit, elapsed, token, failures) = over(true, "b9 r-9");
    assert_eq!((exit, token.as_str()), (5, "5"), "{failures}");
    assert!(
        elapsed <= 60 && failures.contains("it renews its lock"),
        "{elapsed}: {failures}"
    );
    let (exit, elapsed, ..) = over(false, "b8 r-8");
    assert_eq!((exit, elapsed), (5, 0), "another name is nobody's leave");
}

#[test]
fn a_step_of_a_run_that_was_taken_over_is_refused_on_the_host() {
    // It is taken over between the look and the change, before any renewal.
    let kit = kit("a b c");
    taken_over_at(&kit, "a see two", "a", Some("9"));
    let ran = kit.run();
    let failures = ran.failures("a").join(" ");
    assert!(
        failures.contains("b9 r-9 has the cluster's lock by now: nothing was done"),
        "{failures}"
    );
    assert_eq!(ran.exit(), 5, "{failures}");
    assert!(
        !kit.fleet.effects().contains_key("a do two"),
        "{:?}",
        ran.log
    );
    assert!(kit.fleet.effects().contains_key("a do one"));

    let jobs = with_steps(
        "a b c",
        "    - launch: one\n    - launch: {what: two, creates: done}\n",
    );
    taken_over_at(&jobs, "a see done", "a", Some("9"));
    let ran = jobs.run();
    assert_eq!(
        (ran.exit(), did(&ran)),
        (5, vec!["a job one"]),
        "{:?}",
        ran.log
    );
}

#[test]
fn before_what_no_host_can_compare_the_token_is_read() {
    for (task, name) in [
        (
            "post: {what: two, creates: done}",
            "it is spoken by stagger itself",
        ),
        (
            "{act: two, delegate_to: other}",
            "its host is none of the cluster's",
        ),
        (
            "{act: two, become: true}",
            "another user than the lock's does it",
        ),
    ] {
        let kit = with_steps("a b c", &format!("    - act: one\n    - {task}\n"));
        let fine = kit.run();
        assert_eq!(fine.exit(), 0, "{name}: {:?}", fine.failures("a"));

        let kit = with_steps("a b c", &format!("    - act: one\n    - {task}\n"));
        let host = if task.contains("other") { "other" } else { "a" };
        let call = if task.contains("post") {
            "a see done".to_owned()
        } else {
            format!("{host} see two")
        };
        taken_over_at(&kit, &call, "a", Some("9"));
        let ran = kit.run();
        assert_eq!(
            (ran.exit(), did(&ran)),
            (5, vec!["a do one"]),
            "{name}: {:?}",
            ran.log
        );
    }
}

#[test]
fn the_token_is_read_where_somebody_answers_and_without_anybody_nothing_is_sent() {
    let steps = "    - act: one\n    - post: {what: two, creates: done}\n";
    let without = |gone: &[&str]| {
        let kit =
            with_steps("b c d", steps).inventory("all: {hosts: {a: {}, b: {}, c: {}, d: {}}}\n");
        for host in gone {
            kit.fleet
                .when("a see done", OnCall::Goes((*host).to_owned()));
        }
        kit.run()
    };
    assert_eq!(without(&["b"]).exit(), 0);
    let ran = without(&["b", "c", "d"]);
    assert_ne!(ran.exit(), 0);
    assert_eq!(did(&ran), ["a do one"], "{:?}", ran.failures("a"));
}
