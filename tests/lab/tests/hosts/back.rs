//! The way back before the point of no return, and a second run on a cluster that is done: both leave what serves alone.

use std::time::Duration;

use lab::clock;
use lab::cluster::{Clusters, Options as ClusterOptions};
use lab::command::{Command, Exit, Output};
use lab::files;
use lab::fleet::{Fleet, Login, Options};
use serde_json::json;

use crate::fingerprint::Fingerprint;
use crate::harness::{Case, Lab, Outcome, case, check};
use crate::upgrade::FACTOR;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "back::packages_go_back_and_a_second_run_changes_nothing",
            back,
        )
        .heavy(),
    ]
}

/// What `rollback.yml` leaves otherwise than it was: the standalone server is masked for good.
const STAYS: &str = "arangodb3.service";

/// No wait of the upgrade may be met by a run that has nothing to do.
const AT_MOST: Duration = Duration::from_secs(30);

fn back(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: the way back", 3))?;
    let mut wanted = ClusterOptions::default();
    wanted
        .switches
        .insert("time_factor".to_owned(), json!(FACTOR));
    let clusters = Clusters::up(&fleet, &lab.place()?.program, &wanted)?;
    let home = fleet.bastion().home();
    fleet
        .bastion()
        .provide("stagger", &lab.product()?.program)?;
    files::write(
        &home.join("inventory.yml"),
        clusters.inventory(Login::Root),
        0o600,
    )?;
    let before = Fingerprint::of(&fleet)?;

    // Nobody has approved: the new packages are there, and no data was touched.
    ends(&run(&fleet, "upgrade.yml", &[])?, 3)?;
    let stopped = before.changes(&Fingerprint::of(&fleet)?);
    let packaged = stopped.iter().any(|line| line.contains("new: package"));
    check(packaged, format!("no new package: {stopped:#?}"))?;

    let old = wanted.from.clone();
    let package = clusters.main().package(&old);
    let old = [
        "-e".to_owned(),
        format!("arangodb_version={old}"),
        "-e".to_owned(),
        json!({"arangodb_packages": [package]}).to_string(),
    ];
    for _twice in 0..2 {
        ends(&run(&fleet, "rollback.yml", &old)?, 0)?;
        let changes = before.changes(&Fingerprint::of(&fleet)?);
        let changes: Vec<_> = changes
            .iter()
            .filter(|line| !line.contains(STAYS))
            .collect();
        check(
            changes.is_empty(),
            format!("not as it was: {changes:#?}, stopped with {stopped:#?}"),
        )?;
    }

    let drain =
        json!({"arangodb_drain": "echo out >>drained", "arangodb_undrain": "echo in >>drained"});
    let mut typed = vec!["--approve".to_owned(), "upgrade-data".to_owned()];
    typed.extend(["-e".to_owned(), drain.to_string()]);
    let mut quick = typed.clone();
    quick.extend(["-e".to_owned(), "arangodb_leader_settle=5".to_owned()]);
    ends(&run(&fleet, "upgrade.yml", &quick)?, 0)?;
    let drained = files::read(&home.join("drained"))?;
    check(
        drained == "out\nin\n".repeat(3),
        format!("the load balancer was told: {drained}"),
    )?;
    let done = Fingerprint::of(&fleet)?;
    ends(&run(&fleet, "rollback.yml", &old)?, 2)?;

    let begin = clock::now();
    ends(&run(&fleet, "upgrade.yml", &typed)?, 0)?;
    let took = begin.elapsed();
    let changes = done.changes(&Fingerprint::of(&fleet)?);
    check(changes.is_empty(), format!("changed: {changes:#?}"))?;
    check(
        files::read(&home.join("drained"))? == drained,
        "the load balancer was told again",
    )?;
    check(
        took < AT_MOST,
        format!("with nothing to do it took {took:?}"),
    )
}

fn ends(output: &Output, code: i32) -> Outcome {
    let said = format!("{}\n{}", output.out, output.err);
    let end: Vec<_> = said.lines().rev().take(60).collect();
    let end: Vec<_> = end.into_iter().rev().collect();
    check(
        output.exit == Exit::Code(code),
        format!("{}, not exit code {code}\n{}", output.exit, end.join("\n")),
    )
}

fn run(fleet: &Fleet, playbook: &str, more: &[String]) -> Result<Output, crate::harness::Failure> {
    let apply = Command::line("stagger apply")
        .arg(format!("roles/arangodb/{playbook}"))
        .args([
            "-i",
            "inventory.yml",
            "--reason",
            "a test",
            "--state",
            "state",
        ])
        .args(["-e", "arangodb_agency_settle=1"])
        .args(more)
        .within(Duration::from_mins(10));
    Ok(fleet.bastion().command(apply).output()?)
}
