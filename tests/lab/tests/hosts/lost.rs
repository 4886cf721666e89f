//! The bastion is gone in the middle of a rolling restart, with all its records: another one puts back what the hosts say
//! is owed, once nothing of the lost run goes on, and the next run finds a cluster that is as it was.

use std::time::Duration;

use lab::clock::{self, Look};
use lab::cluster::Options as ClusterOptions;
use lab::command::{Command, Output};
use lab::files;
use lab::fleet::{Error, Fleet, Options};
use rustix::process::Signal;

use crate::back::{clusters_of, ends, run};
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "lost::another_bastion_puts_back_what_the_hosts_say",
            another_bastion,
        )
        .heavy(),
        case(
            "lost::another_bastion_ends_maintenance_mode_of_one_dbserver",
            of_one_dbserver,
        )
        .heavy(),
    ]
}

/// What is entered when the bastion goes, beside the lock and the starters.
const INSIDE: &str = "the supervision is in maintenance mode";

fn typed(line: &str) -> Command {
    let command = Command::line("stagger").args(line.split(' '));
    command
        .args(["-i", "inventory.yml"])
        .within(Duration::from_mins(5))
}

/// Restarts until a DB-Server's bracket is entered; then nothing is left of the run but what is on the hosts.
fn lose(fleet: &Fleet) -> Outcome {
    let bastion = fleet.bastion();
    let restart = typed("apply roles/arangodb/restart.yml --state state --events events")
        .args(["--reason", "new limits"])
        .args(["-e", "arangodb_agency_settle=1"])
        .args(["-e", "arangodb_leader_settle=5"]);
    let mut running = bastion.command(restart).start()?;
    let found = clock::wait(Duration::from_mins(3), || {
        let events = files::read_if_there(&bastion.home().join("events"));
        let events = events
            .map_err(|error| Error::Unknown(error.to_string()))?
            .unwrap_or_default();
        let mut lines = events.lines();
        let entered = lines.any(|line| line.contains("bracket_entered") && line.contains(INSIDE));
        Ok::<_, Error>(if entered {
            Look::Done(())
        } else {
            Look::NotYet(format!("{} events", events.lines().count()))
        })
    })?;
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10))?;
    found.map_err(|seen| Failure(format!("never `{INSIDE}`: {seen}, {:?}", running.said())))?;
    std::fs::remove_dir_all(bastion.home().join("state"))?;
    Ok(())
}

/// What lies on the hosts of runs that are not over.
fn left(fleet: &Fleet) -> Result<Vec<String>, Failure> {
    let look = "find /var/lib/stagger/owed /etc/systemd/system/arangodb.service.d /var/lib/stagger/hold -type f 2>/dev/null || :";
    let hosts = fleet.hosts().iter();
    let said = hosts.map(|host| Ok::<_, Failure>(host.must(look)?.trim().to_owned()));
    said.collect()
}

fn asked(fleet: &Fleet, line: &str, more: &[&str]) -> Result<Output, Failure> {
    let command = typed(line).args(more);
    Ok(fleet.bastion().command(command).output()?)
}

fn another_bastion(lab: &Lab) -> Outcome {
    goes_on(lab, "a lost bastion", ClusterOptions::default())
}

/// From 3.10 on the supervision looks after all but one; the next run would be refused if that were left.
fn of_one_dbserver(lab: &Lab) -> Outcome {
    let later = ClusterOptions {
        from: "3.11.8".to_owned(),
        to: "3.12.4".to_owned(),
        ..ClusterOptions::default()
    };
    goes_on(lab, "a lost bastion of 3.11", later)
}

fn goes_on(lab: &Lab, name: &str, wanted: ClusterOptions) -> Outcome {
    let fleet = lab.fleet(&Options::new(&format!("test: {name}"), 3))?;
    clusters_of(lab, &fleet, wanted)?;
    lose(&fleet)?;
    let status = asked(
        &fleet,
        "status --from-hosts roles/arangodb/restart.yml",
        &[],
    )?;
    ends(&status, 0)?;
    for owed in [
        INSIDE,
        "no other run works on this cluster",
        "the starters are in stagger's hands",
    ] {
        let line = format!("owed: {owed}");
        check(
            status.out.contains(&line),
            format!("not `{line}`: {}", status.out),
        )?;
    }
    let back = asked(
        &fleet,
        "recover --from-hosts roles/arangodb/restart.yml --state elsewhere",
        &["--reason", "the bastion is gone"],
    )?;
    ends(&back, 0)?;
    same(left(&fleet)?, vec![String::new(); 3], "left on the hosts")?;
    let lock = asked(&fleet, "lock status arangodb", &[])?;
    ends(&lock, 0)?;
    check(
        lock.out.starts_with("free"),
        format!("the lock: {}", lock.out),
    )?;
    let again = ["-e".to_owned(), "arangodb_leader_settle=5".to_owned()];
    ends(&run(&fleet, "restart.yml", &again)?, 0)?;
    same(
        left(&fleet)?,
        vec![String::new(); 3],
        "left by the next run",
    )
}
