//! Upgrades of later versions: in the order that their versions ask for, with maintenance mode for one DB-Server alone, with
//! coordinators that end when nothing is in hand. Judged by what the servers counted.

use std::cell::RefCell;

use lab::demo::{APPLY_LOG, Change, Options};
use serde_json::json;

use crate::counted::Counted;
use crate::fingerprint::Fingerprint;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};
use crate::upgrade::{Seen, on, variant};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "later::from_3_11_dbservers_alone_and_coordinators_softly",
            usual,
        ),
        case(
            "later::from_3_12_3_coordinators_before_any_dbserver",
            coordinators_first,
        ),
        case(
            "later::the_wrong_order_is_seen_by_the_coordinators",
            wrong_order,
        ),
        case("later::a_way_that_is_refused_touches_nothing", refused),
    ];
    cases.into_iter().map(Case::heavy).collect()
}

fn between(name: &str, from: &str, to: &str) -> Options {
    let mut options = variant(name, 3);
    options.cluster.from = from.to_owned();
    options.cluster.to = to.to_owned();
    options
}

fn upgraded(lab: &Lab, options: &Options) -> Result<(Seen, Counted), Failure> {
    let fleet = lab.fleet(&options.fleet)?;
    let seen = on(lab, &fleet, options)?;
    let counted = Counted::of(&fleet)?;
    Ok((seen, counted))
}

/// The first ones are all done before the others begin.
fn in_order(
    seen: &Seen,
    counted: &Counted,
    first: &str,
    then: &str,
    versions: [&str; 2],
) -> Outcome {
    let [from, to] = versions;
    let ready = counted.ready(first, to);
    let begun = counted.ended(then, from);
    seen.check(ready.len() >= 3, &format!("{first}: {ready:?}"))?;
    seen.check(begun.len() >= 3, &format!("{then}: {begun:?}"))?;
    let (last, next) = (ready.iter().max(), begun.iter().min());
    seen.check(
        last < next,
        &format!("{first} ready at {last:?}, {then} began at {next:?}"),
    )
}

fn usual(lab: &Lab) -> Outcome {
    let mut options = between("from 3.11", "3.11.8", "3.12.4");
    // Clients take a while to read their cursors to the end.
    let open = json!({"running_cursors": 2, "running_transactions": 1, "running_ends_ms": 20_000});
    let switches = &mut options.cluster.switches;
    switches.insert("coordinator".to_owned(), open);
    // From 3.5 or a later version on; which one is not known.
    switches.insert("old_directory_exit".to_owned(), json!(11));
    let (seen, counted) = upgraded(lab, &options)?;
    seen.is_clean()?;
    let versions = ["3.11.8", "3.12.4"];
    in_order(&seen, &counted, "agent", "dbserver", versions)?;
    in_order(&seen, &counted, "dbserver", "coordinator", versions)?;
    // Each DB-Server alone, on and off, and never all of them.
    seen.check(
        seen.number("maintenance_ms") == 0,
        "all were in maintenance mode",
    )?;
    let switched: Vec<_> = counted.what("maintenance").collect();
    let all = switched
        .iter()
        .filter(|effect| effect.pointer("/detail/server").is_none());
    seen.check(all.count() == 0, "the whole supervision was switched")?;
    for mode in ["maintenance", "normal"] {
        let mut servers: Vec<String> = switched
            .iter()
            .filter(|effect| effect.pointer("/detail/mode") == Some(&json!(mode)))
            .filter(|effect| effect.pointer("/detail/done") == Some(&json!(true)))
            .filter_map(|effect| Some(effect.pointer("/detail/server")?.as_str()?.to_owned()))
            .collect();
        servers.sort();
        servers.dedup();
        seen.check(servers.len() == 3, &format!("{mode}: {servers:?}"))?;
    }
    // Nothing that clients had in hand was lost: three coordinators ended by themselves.
    same(counted.what("soft-begin").count(), 3, "asked to end softly")?;
    same(counted.what("soft-end").count(), 3, "ended softly")?;
    let lost: Vec<_> = counted.what("lost").collect();
    seen.check(lost.is_empty(), &format!("{lost:?}"))
}

fn coordinators_first(lab: &Lab) -> Outcome {
    let mut options = between("from 3.12.3", "3.12.3", "3.12.4");
    // Clients that never finish: the time for it runs out, which is told, and the upgrade goes on.
    let open = json!({"running_cursors": 1, "running_ends_ms": null});
    let switches = &mut options.cluster.switches;
    switches.insert("coordinator".to_owned(), open);
    options
        .extra
        .push("arangodb_soft_shutdown_timeout=4".to_owned());
    let (seen, counted) = upgraded(lab, &options)?;
    seen.is_clean()?;
    let versions = ["3.12.3", "3.12.4"];
    in_order(&seen, &counted, "agent", "coordinator", versions)?;
    in_order(&seen, &counted, "coordinator", "dbserver", versions)?;
    same(counted.what("misreads-order").count(), 0, "misread orders")?;
    seen.check(
        counted.what("lost").count() == 3,
        "what clients had is not lost",
    )?;
    let told = seen.said.matches("soft shutdown: after 4 s").count();
    seen.check(told >= 3, "it is not told that the time ran out")
}

/// The order as it was for all versions before.
pub(crate) const CHANGES: &[Change] = &[
    Change {
        file: "roles/arangodb/vars/main.yml",
        from: "'before' if arangodb_cluster.path.coordinators_first else 'after'",
        to: "'after'",
    },
    Change {
        file: "roles/arangodb/tasks/dbserver.yml",
        from: "    that: not arangodb_cluster.path.coordinators_first or waiting | length == 0",
        to: "    that: true",
    },
];

fn wrong_order(lab: &Lab) -> Outcome {
    let mut options = between("the wrong order", "3.12.3", "3.12.4");
    options.changes = CHANGES.to_vec();
    let (seen, counted) = upgraded(lab, &options)?;
    seen.check(
        counted.what("misreads-order").count() > 0,
        "no coordinator saw it",
    )
}

fn refused(lab: &Lab) -> Outcome {
    let options = between("a refused way", "3.11.8", "3.12.3");
    let fleet = lab.fleet(&options.fleet)?;
    let before = RefCell::new(None);
    let tell = |_: &str| {
        let mut before = before.borrow_mut();
        if before.is_none() {
            *before = Some(Fingerprint::of(&fleet));
        }
    };
    let product = lab.product()?;
    let report = lab::demo::upgrade(&fleet, lab.place()?, product, &options, &tell)?;
    let log = fleet.bastion().home().join(APPLY_LOG);
    let said = lab::files::read_if_there(&log)?.unwrap_or_default();
    let seen = Seen { report, said };
    seen.check(
        seen.report.get("stagger_exit") == Some(&json!("exit code 2")),
        "the exit code",
    )?;
    seen.check(seen.said.contains("use 3.12.4 or later"), "the reason")?;
    let before = before.into_inner();
    let before = before.ok_or_else(|| Failure("no look".to_owned()))??;
    let changes = before.changes(&Fingerprint::of(&fleet)?);
    check(changes.is_empty(), format!("it touched {changes:?}"))
}
