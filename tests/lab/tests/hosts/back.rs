//! The way back before the point of no return, and a second run on a cluster that is done: both leave what serves alone.

use std::path::PathBuf;
use std::time::Duration;

use lab::clock;
use lab::cluster::{Clusters, Options as ClusterOptions};
use lab::command::{Command, Exit, Output};
use lab::files;
use lab::fleet::{Fleet, Host, Login, Options};
use rustix::process::Signal;
use serde_json::json;

use crate::armed::{begin, meanwhile};
use crate::counted::Counted;
use crate::fingerprint::Fingerprint;
use crate::harness::{Case, Failure, Lab, Outcome, case, check};
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
    let (old, package) = cluster(lab, &fleet)?;
    let packages = json!({"arangodb_packages": [package]});
    let version = format!("arangodb_version={old}");
    let old = [
        "-e".to_owned(),
        version,
        "-e".to_owned(),
        packages.to_string(),
    ];
    the_packages_go_back(&fleet, &old)?;
    from_inside_of_the_bracket(&fleet, &old)?;
    a_second_run(&fleet, &old)
}

/// Boots a cluster, with all on the bastion that an upgrade needs; tells its version and the package of it.
pub(crate) fn cluster(lab: &Lab, fleet: &Fleet) -> Result<(String, PathBuf), Failure> {
    let wanted = ClusterOptions::default();
    let from = wanted.from.clone();
    let package = clusters_of(lab, fleet, wanted)?.main().package(&from);
    Ok((from, package))
}

/// The same with a cluster that is wanted, whose servers may be told to behave otherwise later.
pub(crate) fn clusters_of<'a>(
    lab: &Lab,
    fleet: &'a Fleet,
    mut wanted: ClusterOptions,
) -> Result<Clusters<'a>, Failure> {
    wanted
        .switches
        .insert("time_factor".to_owned(), json!(FACTOR));
    let clusters = Clusters::up(fleet, &lab.place()?.program, &wanted)?;
    let bastion = fleet.bastion();
    bastion.provide("stagger", &lab.product()?.program)?;
    let inventory = clusters.inventory(Login::Root);
    files::write(&bastion.home().join("inventory.yml"), inventory, 0o600)?;
    Ok(clusters)
}

/// Nobody has approved: the new packages are there, and no data was touched; then they go back, and once more nothing.
fn the_packages_go_back(fleet: &Fleet, old: &[String]) -> Outcome {
    let before = Fingerprint::of(fleet)?;
    ends(&run(fleet, "upgrade.yml", &[])?, 3)?;
    let stopped = before.changes(&Fingerprint::of(fleet)?);
    let packaged = stopped.iter().any(|line| line.contains("new: package"));
    check(packaged, format!("no new package: {stopped:#?}"))?;
    for _ in 0..2 {
        ends(&run(fleet, "rollback.yml", old)?, 0)?;
        let mut changes = before.changes(&Fingerprint::of(fleet)?);
        changes.retain(|line| !line.contains(STAYS));
        let told = format!("not as it was: {changes:#?}, stopped with {stopped:#?}");
        check(changes.is_empty(), told)?;
    }
    Ok(())
}

/// The run is killed with the units in its hands, and a host is stranded: its old program comes back, and its servers too.
fn from_inside_of_the_bracket(fleet: &Fleet, old: &[String]) -> Outcome {
    let before = Fingerprint::of(fleet)?;
    let apply =
        "stagger apply roles/arangodb/upgrade.yml -i inventory.yml --reason test --state state";
    let mut running = begin(fleet, apply, &["-e", "arangodb_agency_settle=1"])?;
    meanwhile(&mut running, "the new package on every host", || {
        let mut there = true;
        for host in fleet.hosts() {
            let look = "dpkg-query -W -f '${db:Status-Abbrev}${Version}' arangodb3; ls /etc/systemd/system/arangodb.service.d 2>/dev/null";
            let shown = host.run(look)?.out;
            there &= shown.contains("ii 3.4.0") && shown.contains("90-stagger.conf");
        }
        Ok(there.then_some(()))
    })?;
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10))?;
    let host = fleet.host("node3")?;
    host.power_cut()?;
    host.power_back()?;
    ends(&run(fleet, "rollback.yml", old)?, 0)?;
    // What the killed run owed is paid by now; its notes go once somebody says so.
    let recover = Command::line("stagger recover --state state");
    ends(&fleet.bastion().command(recover).output()?, 0)?;
    let mut changes = before.changes(&Fingerprint::of(fleet)?);
    // Where the power was away every process is another one.
    let is_new = |line: &str| line.contains("node3") && line.contains("process ");
    changes.retain(|line| !(line.contains(STAYS) || is_new(line)));
    check(changes.is_empty(), format!("not as it was: {changes:#?}"))?;
    let shown = host.must("pgrep -xc arangod; pgrep -xc arangodb")?;
    check(
        shown.split_whitespace().eq(["3", "1"]),
        format!("on node3: {shown}"),
    )
}

/// Of another cluster, from long ago: whoever started by it would not find its peers.
fn make_stale(host: &Host) -> Outcome {
    let file = "/var/lib/arangodb/cluster/dbserver8530/arangod_command.txt";
    host.must(&format!(
        "sed -i 's,^tcp://.*:8531,{STALE},' {file}; grep -c {STALE} {file}"
    ))?;
    Ok(())
}

const STALE: &str = "tcp://10.1.2.3:8531";

/// The words of the process won: those of the file reached nobody.
fn stale_words_reach_nobody(host: &Host, said: &str) -> Outcome {
    check(said.contains(STALE), "the difference is not told")?;
    let counted = Counted::on(host)?;
    let begun: Vec<_> = counted.of_role("dbserver", "start-auto-upgrade").collect();
    check(begun.len() == 1, format!("upgrades: {begun:?}"))?;
    let words = format!("{begun:?}");
    check(!words.contains(STALE) && words.contains(":8531"), words)
}

/// Once the upgrade is done there is no way back, and it has nothing more to do.
fn a_second_run(fleet: &Fleet, old: &[String]) -> Outcome {
    let drain =
        json!({"arangodb_drain": "echo out >>drained", "arangodb_undrain": "echo in >>drained"});
    let typed = ["--approve", "upgrade-data", "-e", &drain.to_string()].map(str::to_owned);
    let quick = ["-e".to_owned(), "arangodb_leader_settle=5".to_owned()];
    let host = fleet.host("node2")?;
    make_stale(host)?;
    let upgraded = run(fleet, "upgrade.yml", &[&typed[..], &quick[..]].concat())?;
    ends(&upgraded, 0)?;
    stale_words_reach_nobody(host, &format!("{}{}", upgraded.out, upgraded.err))?;
    for host in fleet.hosts() {
        let enabled = host.run("systemctl is-enabled arangodb3")?.out;
        check(
            enabled.trim() == "masked",
            format!("the standalone server is {enabled}"),
        )?;
    }
    let file = fleet.bastion().home().join("drained");
    let drained = files::read(&file)?;
    let told = format!("the load balancer was told: {drained}");
    check(drained == "out\nin\n".repeat(3), told)?;
    let done = Fingerprint::of(fleet)?;
    let refused = run(fleet, "rollback.yml", old)?;
    ends(&refused, 2)?;
    let said = format!("{}{}", refused.out, refused.err);
    check(
        said.contains("There is no way back"),
        format!("not why: {said}"),
    )?;

    let begin = clock::now();
    ends(&run(fleet, "upgrade.yml", &typed)?, 0)?;
    let took = begin.elapsed();
    let changes = done.changes(&Fingerprint::of(fleet)?);
    check(changes.is_empty(), format!("changed: {changes:#?}"))?;
    let again = files::read(&file)?;
    check(again == drained, "the load balancer was told again")?;
    check(
        took < AT_MOST,
        format!("with nothing to do it took {took:?}"),
    )
}

/// Fails with the last that was said, unless it ended so.
pub(crate) fn ends(output: &Output, code: i32) -> Outcome {
    let said = format!("{}\n{}", output.out, output.err);
    let end: Vec<_> = said.lines().rev().take(60).collect();
    let end: Vec<_> = end.into_iter().rev().collect();
    check(
        output.exit == Exit::Code(code),
        format!("{}, not exit code {code}\n{}", output.exit, end.join("\n")),
    )
}

/// Applies a playbook of the role from the bastion.
pub(crate) fn run(fleet: &Fleet, playbook: &str, more: &[String]) -> Result<Output, Failure> {
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
