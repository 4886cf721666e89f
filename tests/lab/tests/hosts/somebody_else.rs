//! A colleague at work in the middle of a run: it stops at the next server, says what was changed, and goes on when the
//! colleague is done; what a reboot has started anew is told, and done.

use std::time::Duration;

use lab::clock;
use lab::cluster::Options as ClusterOptions;
use lab::command::{Command, Running};
use lab::files;
use lab::fleet::{Fleet, Options};
use rustix::process::Signal;
use serde_json::json;

use crate::armed::{self, RESUME, begin, meanwhile, says};
use crate::back::{clusters_of, ends, run};
use crate::counted::Counted;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "somebody_else::an_upgrade_by_the_starters_stops_the_run",
            begins_an_upgrade,
        ),
        case(
            "somebody_else::maintenance_mode_that_is_switched_off_and_a_host_that_is_rebooted",
            switches_and_reboots,
        ),
    ];
    cases.into_iter().map(Case::heavy).collect()
}

/// How long the starters may take for nine servers.
const AT_MOST: Duration = Duration::from_mins(3);

/// A load balancer's hook, in which a colleague types `arangodb upgrade` on the first machine, once.
fn hook(fleet: &Fleet) -> Result<String, Failure> {
    let once = fleet.bastion().home().join("typed");
    let once = once.display();
    Ok(format!(
        "test -e {once} || {{ touch {once}; curl -s -X POST {}; }}",
        plan(fleet)?
    ))
}

fn plan(fleet: &Fleet) -> Result<String, Failure> {
    let address = fleet.host("node1")?.address();
    Ok(format!("http://{address}:8528/database-auto-upgrade"))
}

fn begins_an_upgrade(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: somebody else", 3))?;
    let clusters = clusters_of(lab, &fleet, ClusterOptions::default())?;
    // Between two servers the starters wait for long, while all of the cluster answers: the run gets as far as its script.
    let slowly = [("starter".to_owned(), json!({"time_factor": 3.0}))];
    clusters.main().switch(&slowly.into_iter().collect())?;
    let typed = [
        "-e".to_owned(),
        "arangodb_leader_settle=5".to_owned(),
        "-e".to_owned(),
        // So long the starters take for their first agent, which is not told from a crash.
        format!(
            "{{\"arangodb_drain\": \"{}\", \"arangodb_drain_wait\": 2}}",
            hook(&fleet)?
        ),
    ];
    let stopped = run(&fleet, "restart.yml", &typed)?;
    ends(&stopped, 2)?;
    let said = format!("{}{}", stopped.out, stopped.err);
    let why = "changed by someone else: the starters have begun an upgrade of their own";
    check(
        said.contains(why),
        format!("it does not say `{why}`: {said}"),
    )?;

    clusters.main().switch(&serde_json::Map::new())?;
    let began = clock::now();
    loop {
        let asked = Command::line("curl -s").arg(plan(&fleet)?);
        let told = fleet.bastion().command(asked).output()?.out;
        if told.replace(' ', "").contains("\"ready\":true") {
            break;
        }
        check(began.elapsed() < AT_MOST, format!("the starters: {told}"))?;
        clock::pause(Duration::from_millis(500));
    }
    let resume = Command::line("stagger resume --state state").within(Duration::from_mins(10));
    ends(&fleet.bastion().command(resume).output()?, 0)
}

/// Before a DB-Server stops, somebody ends the maintenance mode that the run has asked for; before a coordinator does, the
/// power of another host goes for a moment.
fn switches_and_reboots(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: somebody switches", 3))?;
    clusters_of(lab, &fleet, ClusterOptions::default())?;
    let hook = "test -e drained || { touch drained; sleep 10; }";
    let hooks = json!({"arangodb_drain": hook, "arangodb_undrain": "true"});
    let hooks = hooks.to_string();
    let apply = "stagger apply roles/arangodb/restart.yml -i inventory.yml --reason test --state state --events events";
    let more = [
        "-e",
        "arangodb_leader_settle=5",
        "-e",
        "arangodb_agency_settle=1",
        "-e",
        "arangodb_health_timeout=20",
        "-e",
        "arangodb_leaders=wait",
        "--approve",
        "gap",
        "-e",
        &hooks,
    ];
    let mut running = begin(&fleet, apply, &more)?;
    switch_off(&fleet, &mut running)?;
    let said = armed::ends(running, 2)?;
    says(
        &said,
        &["every shard is in sync, and maintenance mode is on"],
    )?;
    let stopped = Counted::of(&fleet)?;
    same(
        stopped.of_role("dbserver", "stop").count(),
        0,
        "DB-Servers that were stopped",
    )?;

    let mut running = begin(&fleet, RESUME, &[])?;
    let drained = fleet.bastion().home().join("drained");
    meanwhile(&mut running, "the first coordinator's turn", || {
        Ok(drained.exists().then_some(()))
    })?;
    let host = fleet.host("node3")?;
    host.power_cut()?;
    host.power_back()?;
    let said = armed::ends(running, 0)?;
    says(
        &said,
        &["Changed by someone else, or by a crash, since this run looked last"],
    )?;
    // Nothing of that host is restarted once more: all of it runs anew.
    let counted = Counted::on(host)?;
    let stopped = counted.of_role("coordinator", "stop").count();
    same(stopped, 0, "coordinators of node3 that were stopped")
}

/// Directly before a DB-Server stops, between the two looks that must show the same, while the run stands still. Before
/// that the run itself asks once more, as it does all the time.
fn switch_off(fleet: &Fleet, running: &mut Running) -> Outcome {
    let events = fleet.bastion().home().join("events");
    let asked = "maintenance mode is still asked for";
    let began = clock::now();
    loop {
        let seen = files::read_if_there(&events)?.unwrap_or_default();
        let looked = |line: &str| line.contains("step_finished") && line.contains(asked);
        if seen.lines().any(looked) {
            break;
        }
        let goes_on = running.ended()?.is_none() && began.elapsed() < AT_MOST;
        check(goes_on, format!("it never looked: {:?}", running.said()))?;
        clock::pause(Duration::from_millis(1));
    }
    running.signal(Signal::STOP);
    let address = fleet.host("node1")?.address();
    let off = Command::line("curl -s -X PUT -d")
        .arg("\"off\"")
        .arg(format!("http://{address}:8529/_admin/cluster/maintenance"));
    let said = fleet.bastion().command(off).output();
    running.signal(Signal::CONT);
    let said = said?.out;
    check(
        said.contains("reactivated"),
        format!("maintenance mode: {said}"),
    )
}
