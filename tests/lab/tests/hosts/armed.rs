//! Faults that are armed in the middle of an upgrade, one after the other on one fleet: each ends the run as the table says,
//! nothing more is touched, and the run goes on when the fault is over.

use std::collections::BTreeSet;
use std::time::Duration;

use lab::clock;
use lab::command::{Command, Exit, Running};
use lab::files;
use lab::fleet::{Fleet, Host, Options};
use rustix::process::Signal;
use serde_json::{Map, Value, json};

use crate::back::cluster;
use crate::counted::{Counted, text};
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "armed::an_agency_that_does_not_settle_stops_before_the_next_agent",
            agency,
        ),
        case(
            "armed::data_that_cannot_be_upgraded_holds_its_host_and_the_others_serve",
            data,
        ),
    ];
    cases.into_iter().map(Case::heavy).collect()
}

/// Where a host's simulated servers look how they are to behave.
const SWITCHES: &str = "/etc/lab/sim.json";
/// While it is there nobody may start the starter.
const HOLD: &str = "/var/lib/stagger/hold/arangodb";
/// How long a run may take until what is waited for.
const AT_MOST: Duration = Duration::from_mins(5);

/// Lets the servers of a role behave otherwise on one host, from now on.
pub(crate) fn arm(host: &Host, role: &str, fault: &Value) -> Outcome {
    let mut switches = switches(host)?;
    switches.insert(role.to_owned(), fault.clone());
    host.write(SWITCHES, Value::Object(switches).to_string(), 0o644)?;
    Ok(())
}

/// Lets them behave as usual again.
pub(crate) fn disarm(host: &Host, role: &str) -> Outcome {
    let mut switches = switches(host)?;
    switches.shift_remove(role);
    host.write(SWITCHES, Value::Object(switches).to_string(), 0o644)?;
    // They look at it five times a second.
    clock::pause(Duration::from_millis(500));
    Ok(())
}

fn switches(host: &Host) -> Result<Map<String, Value>, Failure> {
    let text = host.read(SWITCHES)?.unwrap_or_default();
    Ok(serde_json::from_str(&text)?)
}

/// Starts stagger on the bastion and does not wait.
pub(crate) fn begin(fleet: &Fleet, line: &str, more: &[&str]) -> Result<Running, Failure> {
    let command = Command::line(line).args(more);
    Ok(fleet.bastion().command(command).start()?)
}

/// Waits while a run goes on until something is seen; the run must not end before.
pub(crate) fn meanwhile<T>(
    running: &mut Running,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let began = clock::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        let ended = running.ended()?;
        let late = began.elapsed() >= AT_MOST;
        if ended.is_some() || late {
            running.signal(Signal::KILL);
            let how = ended.map_or("still runs".to_owned(), |exit| exit.to_string());
            return Err(Failure(format!(
                "not seen: {what}; {how}: {}",
                end(running)
            )));
        }
        clock::pause(Duration::from_millis(50));
    }
}

/// Waits for the end of a run, which must be this one; returns what it said.
pub(crate) fn ends(mut running: Running, code: i32) -> Result<String, Failure> {
    let exit = running.wait(AT_MOST)?;
    let (out, err) = running.said();
    check(
        exit == Exit::Code(code),
        format!("{exit}, not exit code {code}: {}", end(&running)),
    )?;
    Ok(format!("{out}{err}"))
}

/// What a run said of what went wrong, and the last that it said.
fn end(running: &Running) -> String {
    let (out, err) = running.said();
    let said = format!("{out}\n{err}");
    let lines: Vec<&str> = said.lines().collect();
    let is_bad = |line: &str| {
        let outcome = line.split_whitespace().nth(1);
        matches!(outcome, Some("failed" | "unreachable" | "in-doubt"))
    };
    // The command that failed follows, and may be long.
    let bad = lines.iter().enumerate().filter(|(_, line)| is_bad(line));
    let bad = bad.map(|(at, _)| lines.get(at..(at + 8).min(lines.len())));
    let bad: Vec<&str> = bad.flatten().flatten().copied().collect();
    let last = lines.get(lines.len().saturating_sub(25)..);
    let last = last.unwrap_or_default();
    format!("{}\n...\n{}", bad.join("\n"), last.join("\n"))
}

pub(crate) fn says(said: &str, words: &[&str]) -> Outcome {
    for word in words {
        check(
            said.contains(word),
            format!("it does not say `{word}`: {said}"),
        )?;
    }
    Ok(())
}

/// Waits until so many servers of a role have begun to upgrade their data; returns the last one's host.
pub(crate) fn upgrading(
    fleet: &Fleet,
    running: &mut Running,
    role: &str,
    count: usize,
) -> Result<String, Failure> {
    let what = format!("the upgrade of the {role} number {count}");
    meanwhile(running, &what, || {
        let counted = Counted::of(fleet)?;
        let mut begun = counted.of_role(role, "auto-upgrade-begin");
        Ok(begun.nth(count - 1).map(|one| text(one, "host").to_owned()))
    })
}

fn counts(fleet: &Fleet, role: &str, what: &str, count: usize) -> Outcome {
    let counted = Counted::of(fleet)?;
    same(
        counted.of_role(role, what).count(),
        count,
        &format!("{what} of the role {role}"),
    )
}

const APPLY: &str = "stagger apply roles/arangodb/upgrade.yml -i inventory.yml --reason test --state state \
    --approve upgrade-data -e arangodb_leader_settle=5";
pub(crate) const RESUME: &str = "stagger resume --state state";

/// An agent that hears nobody, then one that lets the agency elect all the time: no further agent is stopped. Then a host
/// that cannot be reached while its DB-Server is upgraded.
fn agency(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: an agency that does not settle", 3))?;
    cluster(lab, &fleet)?;
    let waits = [
        "-e",
        "arangodb_agency_settle=2",
        "-e",
        "arangodb_agency_timeout=10",
    ];
    let mut running = begin(&fleet, APPLY, &waits)?;
    let first = upgrading(&fleet, &mut running, "agent", 1)?;
    arm(
        fleet.host(&first)?,
        "agent",
        &json!({"agent_catches_up": false}),
    )?;
    let said = ends(running, 3)?;
    says(&said, &["the agency works with all its agents"])?;
    counts(&fleet, "agent", "stop", 1)?;
    disarm(fleet.host(&first)?, "agent")?;

    let mut running = begin(&fleet, RESUME, &[])?;
    let second = upgrading(&fleet, &mut running, "agent", 2)?;
    // Scaled: an election each second.
    arm(
        fleet.host(&second)?,
        "agent",
        &json!({"term_flap_ms": 10_000}),
    )?;
    let said = ends(running, 3)?;
    says(&said, &["the agency works with all its agents"])?;
    counts(&fleet, "agent", "stop", 2)?;
    disarm(fleet.host(&second)?, "agent")?;

    is_out_of_reach(&fleet)?;
    for role in ["agent", "dbserver", "coordinator"] {
        counts(&fleet, role, "auto-upgrade-begin", 3)?;
    }
    is_done(&fleet)
}

/// The job on the host goes on to its end, and is found again: nothing of it is done twice.
fn is_out_of_reach(fleet: &Fleet) -> Outcome {
    let config = fleet.bastion().ssh_config();
    let lines = "Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n";
    let known = files::read(&config)?;
    files::write(&config, format!("{known}{lines}"), 0o600)?;
    for host in fleet.hosts() {
        arm(host, "dbserver", &json!({"upgrade_ms": 100_000}))?;
    }
    let mut running = begin(fleet, RESUME, &[])?;
    let name = upgrading(fleet, &mut running, "dbserver", 1)?;
    let host = fleet.host(&name)?;
    check(host.read(HOLD)?.is_some(), "the starter is not held back")?;
    let before = sessions(fleet, host)?;
    host.part_from_bastion()?;
    let ready = |counted: &Counted| counted.ready("dbserver", "3.4.0").len() == 1;
    let back = clock::wait(AT_MOST, || {
        Ok::<_, Failure>(
            if ready(&Counted::on(host)?) && host.read(HOLD)?.is_none() {
                clock::Look::Done(())
            } else {
                clock::Look::NotYet("the DB-Server is not back".to_owned())
            },
        )
    })?;
    let exit = running.ended()?;
    let sessions = sessions(fleet, host);
    host.rejoin_bastion()?;
    // The one by which the job is followed is given up; one that nobody uses just now may stay.
    let after = sessions?;
    check(
        after.len() < before.len() && after.is_subset(&before),
        format!("sessions before: {before:?}, and while the host is out of reach: {after:?}"),
    )?;
    back.map_err(|last| Failure(format!("{last}: {exit:?} {}", end(&running))))?;
    for host in fleet.hosts() {
        disarm(host, "dbserver")?;
    }
    counts(fleet, "dbserver", "stop", 1)?;
    ends(running, 0)?;
    Ok(())
}

/// The bastion's connections to a host's sshd that nobody has given up yet, by their near end.
fn sessions(fleet: &Fleet, host: &Host) -> Result<BTreeSet<String>, Failure> {
    let look = Command::line("ss -Htn state established dport = :22 and dst")
        .arg(host.address().to_string());
    let shown = fleet.bastion().command(look).run()?;
    let ends = shown
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    Ok(ends.map(str::to_owned).collect())
}

/// Everything runs on the new version, and nothing of the run is left.
pub(crate) fn is_done(fleet: &Fleet) -> Outcome {
    for host in fleet.hosts() {
        let look = "cd /var/lib/arangodb/cluster; grep -ho '\"version\":[0-9]*' */data/VERSION* | sort -u; \
            ls /etc/systemd/system/arangodb.service.d /var/lib/stagger/hold/arangodb 2>/dev/null; pgrep -xc arangod";
        let shown = host.must(look)?;
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        same(lines, vec!["\"version\":30400", "3"], host.name())?;
    }
    Ok(())
}

/// The servers of a host that run, its starters, and whether it is held back.
fn runs(host: &Host) -> Result<(String, bool), Failure> {
    let shown = host.must("pgrep -xc arangod || :; pgrep -xc arangodb || :")?;
    let shown: Vec<&str> = shown.split_whitespace().collect();
    Ok((shown.join(" "), host.read(HOLD)?.is_some()))
}

/// What the supervision says that it does.
fn mode(fleet: &Fleet) -> Result<String, Failure> {
    let address = fleet.host("node3")?.address();
    let asked = Command::line("curl -s -L -X POST -d")
        .arg("[[\"/arango/Supervision/State/Mode\"]]")
        .arg(format!("http://{address}:8531/_api/agency/read"));
    let said = fleet.bastion().command(asked).output()?.out;
    let answer: Value = serde_json::from_str(&said)?;
    let mode = answer.pointer("/0/arango/Supervision/State/Mode");
    Ok(mode.and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// An upgrade of data that fails, one that hangs, and a coordinator that is new and reads what nobody has written.
fn data(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: data that cannot be upgraded", 3))?;
    cluster(lab, &fleet)?;
    let balancer = json!({"arangodb_drain": "echo out {{ inventory_hostname }} >>drained",
        "arangodb_undrain": "echo in {{ inventory_hostname }} >>drained"});
    let balancer = balancer.to_string();
    let more = [
        "-e",
        &balancer,
        "-e",
        "arangodb_agency_settle=1",
        "-e",
        "arangodb_upgrade_timeout=20",
    ];
    fails(&fleet, &more)?;
    hangs(&fleet)?;
    reads_what_nobody_wrote(&fleet)?;
    is_done(&fleet)
}

fn fails(fleet: &Fleet, more: &[&str]) -> Outcome {
    for host in fleet.hosts() {
        arm(host, "dbserver", &json!({"upgrade_outcome": "fail"}))?;
    }
    let said = ends(begin(fleet, APPLY, more)?, 7)?;
    says(
        &said,
        &[
            "the data of the dbserver could not be upgraded",
            "the other servers of this host serve on, without starter",
        ],
    )?;
    // Once more, and no other DB-Server.
    counts(fleet, "dbserver", "auto-upgrade-begin", 2)?;
    counts(fleet, "dbserver", "stop", 1)?;
    same(
        runs(fleet.host("node1")?)?,
        ("2 0".to_owned(), true),
        "node1",
    )?;
    for name in ["node2", "node3"] {
        same(runs(fleet.host(name)?)?, ("3 1".to_owned(), false), name)?;
    }
    // One that has failed holds nothing: the supervision finds new leaders.
    same(mode(fleet)?.as_str(), "Normal", "the supervision")?;
    for host in fleet.hosts() {
        disarm(host, "dbserver")?;
    }
    let recover = "stagger recover --state state --upgrade-stranded node1";
    ends(begin(fleet, recover, &[])?, 0)?;
    Ok(())
}

fn hangs(fleet: &Fleet) -> Outcome {
    let host = fleet.host("node2")?;
    arm(host, "dbserver", &json!({"upgrade_outcome": "hang"}))?;
    let said = ends(begin(fleet, RESUME, &[])?, 7)?;
    says(&said, &["stop, upgrade and start the dbserver"])?;
    // It is not ended: its process lives, and maintenance mode lasts for as long.
    same(runs(host)?, ("3 0".to_owned(), true), "node2")?;
    same(
        runs(fleet.host("node3")?)?,
        ("3 1".to_owned(), false),
        "node3",
    )?;
    same(mode(fleet)?.as_str(), "Maintenance", "the supervision")?;
    disarm(host, "dbserver")?;
    // The operator ends it; the job on the host tries once more, and goes on to its end.
    host.must(
        "for p in $(pgrep -x arangod); do \
            grep -qz -- --database.auto-upgrade=true /proc/$p/cmdline && kill -9 $p; done; true",
    )?;
    let back = clock::wait(AT_MOST, || {
        Ok::<_, Failure>(match runs(host)? {
            (servers, false) if servers == "3 1" => clock::Look::Done(()),
            other => clock::Look::NotYet(format!("{other:?}")),
        })
    })?;
    back.map_err(|last| Failure(format!("the job did not end: {last}")))?;
    // Maintenance mode is still held: the gates of a run that goes on would wait for its end.
    let owed = "stagger recover --state state";
    ends(begin(fleet, owed, &[])?, 0)?;
    same(mode(fleet)?.as_str(), "Normal", "the supervision")
}

fn reads_what_nobody_wrote(fleet: &Fleet) -> Outcome {
    let host = fleet.host("node1")?;
    arm(host, "coordinator", &json!({"misreads_as": "3.4.0"}))?;
    let said = ends(begin(fleet, RESUME, &[])?, 7)?;
    says(&said, &["read it back through tcp://", ":8529"])?;
    let drained = fleet.bastion().home().join("drained");
    same(files::read(&drained)?.as_str(), "out node1\n", "drained")?;
    counts(fleet, "coordinator", "stop", 1)?;
    disarm(host, "coordinator")?;
    ends(begin(fleet, RESUME, &[])?, 0)?;
    let told = files::read(&drained)?;
    let count = |word: &str| told.lines().filter(|line| line.starts_with(word)).count();
    check(
        count("in ") >= 3 && told.ends_with("in node3\n"),
        format!("the load balancer was told: {told}"),
    )
}
