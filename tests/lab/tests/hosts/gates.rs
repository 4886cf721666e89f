//! Gates with the fault that arms them, under load: the run stops as the table says, and the clients and the servers' own
//! state show that nothing unsafe was done.

use lab::demo::Options;
use lab::fleet::Fleet;
use serde_json::json;

use crate::counted::Counted;
use crate::harness::{Case, Lab, Outcome, case, same};
use crate::upgrade::{Seen, on, variant};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "gates::copies_that_wait_for_the_supervision_catch_up_after_the_stop",
            after_maintenance,
        ),
        case(
            "gates::a_copy_that_stays_behind_stops_the_run",
            stays_behind,
        )
        .on_demand("it differs little from a copy that waits for the supervision"),
        case(
            "gates::maintenance_mode_lasts_for_longer_than_its_time",
            renewed,
        ),
    ];
    cases.into_iter().map(Case::heavy).collect()
}

/// Leaders stay where they are, so that the first DB-Server's stop leaves copies behind.
fn behind(name: &str) -> Options {
    let mut options = variant(name, 3);
    options.cluster.leaders = "wait".to_owned();
    options.announced_gap = true;
    for wait in ["arangodb_shards_timeout=10", "arangodb_health_timeout=30"] {
        options.extra.push(wait.to_owned());
    }
    options
}

/// One DB-Server was stopped, and the run ended there with this code.
fn stopped(fleet: &Fleet, seen: &Seen, code: u8) -> Outcome {
    let exit = json!(format!("exit code {code}"));
    seen.check(
        seen.report.get("stagger_exit") == Some(&exit),
        "the exit code",
    )?;
    let counted = Counted::of(fleet)?;
    let stopped = counted.of_role("dbserver", "stop").count();
    seen.check(stopped == 1, &format!("{stopped} DB-Servers were stopped"))?;
    for name in ["lost_writes", "invariant_breaches", "failed_elsewhere"] {
        seen.check(seen.number(name) == 0, name)?;
    }
    seen.check(
        seen.report.get("maintenance_left_on") == Some(&json!(false)),
        "maintenance mode is left on",
    )
}

/// Followers are let in only when the supervision is on again: the wait inside ends, and then they are.
fn after_maintenance(lab: &Lab) -> Outcome {
    let mut options = behind("copies wait for the supervision");
    options
        .later
        .insert("resync_in_maintenance".to_owned(), json!(false));
    let fleet = lab.fleet(&options.fleet)?;
    let seen = on(lab, &fleet, &options)?;
    stopped(&fleet, &seen, 3)?;
    seen.check(
        seen.report.get("settled") == Some(&json!(true)),
        "copies are not in sync",
    )
}

fn stays_behind(lab: &Lab) -> Outcome {
    let mut options = behind("a copy stays behind");
    options.later.insert("resync".to_owned(), json!(false));
    let fleet = lab.fleet(&options.fleet)?;
    let seen = on(lab, &fleet, &options)?;
    stopped(&fleet, &seen, 3)?;
    seen.check(
        seen.report.get("settled") == Some(&json!(false)),
        "the fault was not there",
    )
}

/// A DB-Server is away for longer than maintenance mode was asked for, and for much longer than the supervision waits for one.
fn renewed(lab: &Lab) -> Outcome {
    let mut options = variant("a long upgrade", 3);
    options.cluster.from = "3.8.6".to_owned();
    options.cluster.to = "3.9.2".to_owned();
    let switches = &mut options.cluster.switches;
    // Scaled: four seconds of maintenance mode, and eight for the upgrade.
    switches.insert("dbserver".to_owned(), json!({"upgrade_ms": 80_000}));
    for variable in [
        "arangodb_maintenance_ttl=40",
        "arangodb_maintenance_renew=1",
    ] {
        options.extra.push(variable.to_owned());
    }
    let fleet = lab.fleet(&options.fleet)?;
    let seen = on(lab, &fleet, &options)?;
    seen.is_clean()?;
    let counted = Counted::of(&fleet)?;
    let asked = counted.what("maintenance").count();
    same(asked >= 12, true, &format!("asked for {asked} times"))
}
