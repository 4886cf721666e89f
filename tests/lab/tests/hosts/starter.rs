//! The starters' own upgrade, driven by stagger: a run that died while it went on is resumed and watches on; a server that
//! refuses its data ends it, and is helped; then it goes through, with every server upgraded and nothing left of the run.

use std::time::Duration;

use lab::clock;
use lab::command::{Command, Output};
use lab::fleet::{Fleet, Options};
use rustix::process::Signal;
use serde_json::json;

use crate::armed::{self, arm, begin, disarm, meanwhile, says, upgrading};
use crate::back::{cluster, ends};
use crate::counted::Counted;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "starter::a_run_that_died_watches_on_and_what_is_refused_is_helped",
            goes_through,
        ),
        case(
            "starter::what_stands_still_is_ended_and_begun_again",
            stands_still,
        ),
    ];
    cases.into_iter().map(Case::heavy).collect()
}

/// How long the starters may take for nine servers.
const AT_MOST: Duration = Duration::from_mins(5);

/// What an operator types who wants the starters to upgrade, and has seen what that gives up.
fn typed() -> Vec<String> {
    let words = [
        "--approve",
        "gap",
        "--approve",
        "upgrade-data",
        "-e",
        "arangodb_method=starter",
        "-e",
        "arangodb_leaders=wait",
        "-e",
        "arangodb_leader_settle=5",
        "-e",
        "arangodb_starter_down_timeout=5",
    ];
    words.map(str::to_owned).to_vec()
}

/// What must be so on each host: every server on the new version, nothing left of the run.
fn is_done(fleet: &Fleet) -> Outcome {
    for host in fleet.hosts() {
        let look = "cd /var/lib/arangodb/cluster; grep -ho '\"version\":[0-9]*' */data/VERSION* | sort -u; \
            ls /etc/systemd/system/arangodb.service.d /var/lib/stagger/hold/arangodb 2>/dev/null; \
            systemctl show -p KillMode -p Restart arangodb | sort; pgrep -xc arangod";
        let shown = host.must(look)?;
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        same(
            lines,
            vec![
                "\"version\":30400",
                "KillMode=control-group",
                "Restart=on-failure",
                "3",
            ],
            host.name(),
        )?;
    }
    Ok(())
}

/// How the starters say that their upgrade stands.
fn status(fleet: &Fleet) -> Result<String, Failure> {
    let address = fleet.host("node1")?.address();
    let url = format!("http://{address}:8528/database-auto-upgrade");
    let asked = Command::line("curl -s").arg(url);
    Ok(fleet
        .bastion()
        .command(asked)
        .output()?
        .out
        .replace(' ', ""))
}

fn goes_through(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: the starters upgrade", 3))?;
    cluster(lab, &fleet)?;
    let host = fleet.host("node2")?;
    let file = "/etc/lab/sim.json";
    let as_usual = host.read(file)?.unwrap_or_default();
    let mut switches: serde_json::Value = serde_json::from_str(&as_usual)?;
    if let Some(fields) = switches.as_object_mut() {
        let fails = serde_json::json!({"upgrade_outcome": "fail"});
        fields.insert("dbserver".to_owned(), fails);
    }
    host.write(file, switches.to_string(), 0o644)?;
    dies_at_the_second_server(&fleet)?;
    is_ended_by_a_server_that_refuses_its_data(&fleet)?;

    host.write(file, as_usual, 0o644)?;
    let recover = Command::line("stagger recover --state state --upgrade-stranded node2");
    let recover = recover.within(Duration::from_mins(10));
    ends(&fleet.bastion().command(recover).output()?, 0)?;
    let resumed = resume(&fleet)?;
    ends(&resumed, 0)?;
    let said = format!("{}{}", resumed.out, resumed.err);
    check(
        said.contains("(9 of 9)"),
        format!("not watched to its end: {said}"),
    )?;
    is_done(&fleet)?;
    check(status(&fleet)?.contains("\"ready\":true"), "not ready")
}

fn resume(fleet: &Fleet) -> Result<Output, Failure> {
    let resume = Command::line("stagger resume --state state").within(Duration::from_mins(10));
    Ok(fleet.bastion().command(resume).output()?)
}

/// The starters go on, when nobody watches them.
fn dies_at_the_second_server(fleet: &Fleet) -> Outcome {
    let apply = Command::line("stagger apply roles/arangodb/upgrade.yml -i inventory.yml")
        .args(["--reason", "a test", "--state", "state"])
        .args(["-e", "arangodb_agency_settle=1"])
        .args(typed());
    let mut running = fleet.bastion().command(apply).start()?;
    let began = clock::now();
    // The second server's turn.
    while !status(fleet)?.contains("\"servers_upgraded\":[{") {
        let ended = running.ended()?;
        check(
            ended.is_none(),
            format!("it ended too early: {:?}", running.said()),
        )?;
        check(
            began.elapsed() < AT_MOST,
            format!("never begun: {:?}", running.said()),
        )?;
        clock::pause(Duration::from_millis(200));
    }
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10))?;
    check(
        !status(fleet)?.contains("\"ready\":true"),
        "it was over already",
    )
}

/// The run that goes on finds the plan of its own and does not ask for another one.
fn is_ended_by_a_server_that_refuses_its_data(fleet: &Fleet) -> Outcome {
    let stopped = resume(fleet)?;
    let said = format!("{}{}", stopped.out, stopped.err);
    // The unit of that host stays in stagger's hands.
    ends(&stopped, 7)?;
    for word in [
        "(5 of 9)",
        "refuses its data",
        "stagger recover --upgrade-stranded node2",
    ] {
        check(
            said.contains(word),
            format!("it does not say `{word}`: {said}"),
        )?;
    }
    check(
        !said.contains("ask the starters to upgrade"),
        format!("they were asked once more: {said}"),
    )?;
    check(
        status(fleet)?.contains("Thereisnoupgradeplan"),
        "the plan is still there",
    )?;
    // Its starter is out and stays out, whatever systemd does with one that ends.
    let host = fleet.host("node2")?;
    let others = host.must("sleep 1; pgrep -xc arangod; pgrep -xc arangodb || :")?;
    let others: Vec<&str> = others.split_whitespace().collect();
    same(others, vec!["2", "0"], "servers and starters of that host")
}

/// The starters wait without an end for an agent that hears nobody: their plan is ended and begun again, once.
fn stands_still(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: the starters stand still", 3))?;
    cluster(lab, &fleet)?;
    let apply =
        "stagger apply roles/arangodb/upgrade.yml -i inventory.yml --reason test --state state";
    let typed = typed();
    let mut more: Vec<&str> = typed.iter().map(String::as_str).collect();
    more.extend([
        "-e",
        "arangodb_agency_settle=1",
        "-e",
        "arangodb_starter_step_timeout=8",
    ]);
    let mut running = begin(&fleet, apply, &more)?;
    let first = upgrading(&fleet, &mut running, "agent", 1)?;
    let host = fleet.host(&first)?;
    arm(host, "agent", &json!({"agent_catches_up": false}))?;
    meanwhile(&mut running, "the end of the starters' plan", || {
        let gone = status(&fleet)?.contains("Thereisnoupgradeplan");
        Ok(gone.then_some(()))
    })?;
    disarm(host, "agent")?;
    let said = armed::ends(running, 0)?;
    says(&said, &["stands still", "(9 of 9)"])?;
    // All again, from the beginning: it was upgraded by the first plan, and once more by the second one.
    let counted = Counted::of(&fleet)?;
    for (role, count) in [("agent", 4), ("dbserver", 3), ("coordinator", 3)] {
        let begun = counted.of_role(role, "auto-upgrade-begin").count();
        same(begun, count, role)?;
    }
    is_done(&fleet)
}
