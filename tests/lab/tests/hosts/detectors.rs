//! Gates taken away, with the fault that arms them: whoever the table says would notice does notice. Each is the second half
//! of a row whose first half, the gate in its place, is a case elsewhere.

use lab::command::Command;
use lab::demo::Change;
use lab::fleet::{Fleet, Options};
use serde_json::json;

use crate::armed::{self, arm, begin, meanwhile, says, upgrading};
use crate::back::cluster;
use crate::counted::{Counted, text};
use crate::harness::{Case, Failure, Lab, Outcome, case, check};
use crate::oracle::sees;
use crate::upgrade::{on, variant};

pub(crate) fn cases() -> Vec<Case> {
    let why = "the gates in their places are tried each time";
    let cases = [
        case(
            "detectors::g4_servers_that_went_with_their_starter_are_seen_by_the_oracle",
            with_the_starter,
        ),
        case(
            "detectors::g7_the_starter_ends_a_slow_server",
            slow_at_adoption,
        ),
        case(
            "detectors::g8_the_guard_sees_an_agency_without_majority",
            deaf_agent,
        ),
        case(
            "detectors::g10_clients_read_what_nobody_has_written",
            misreads,
        ),
    ];
    let cases = cases.into_iter().map(|case| case.heavy().on_demand(why));
    cases.collect()
}

/// All that these cases change, to be held against the role as it is.
pub(crate) fn changes() -> impl Iterator<Item = &'static Change> {
    let all = [NO_G4, NO_G7, NO_G8, NO_G10];
    all.into_iter().flatten()
}

const SCRIPT: &str = "templates/arangodb/upgrade_server.sh.j2";

/// The unit is as it was before, and nobody looks at it, nor at what the starter's end has taken along.
const NO_G4: &[Change] = &[
    Change {
        file: "templates/arangodb/unit_drop_in.conf.j2",
        from: "KillMode=process",
        to: "KillMode=control-group",
    },
    Change {
        file: "roles/arangodb/tasks/unit_hold_it.yml",
        from: "      - arangodb_host.unit.kill_mode == 'process'\n",
        to: "",
    },
    Change {
        file: SCRIPT,
        from: "[ \"$(property KillMode)\" = process ] && [ \"$(property Restart)\" = no ] || fail 10",
        to: ": || fail 10",
    },
    Change {
        file: SCRIPT,
        from: "if ! last=$(all_live 2>&1) || ! last=$(sync_alive 2>&1)\
               {% if not arangodb_is_stranded %} || ! alive \"$server_pid\" \"$server_start\"{% endif %}; then",
        to: "if false; then",
    },
];

fn with_the_starter(lab: &Lab) -> Outcome {
    let mut options = variant("no look after the starter", 3);
    options.changes = NO_G4.to_vec();
    options
        .extra
        .push("arangodb_survivor_timeout=10".to_owned());
    sees(lab, &options, "I1 one server down at most")
}

/// Nobody asks the other servers before the starter is started.
const NO_G7: &[Change] = &[Change {
    file: SCRIPT,
    from: "within {{ arangodb_survivor_timeout }} survivors answers_thrice \\\n",
    to: ": \\\n",
}];

/// Boots a cluster, and writes the role out with changes of it.
fn changed(lab: &Lab, name: &str, changes: &[Change]) -> Result<Fleet, Failure> {
    let fleet = lab.fleet(&Options::new(&format!("test: {name}"), 3))?;
    cluster(lab, &fleet)?;
    let bastion = fleet.bastion();
    bastion
        .command(Command::line("stagger init arangodb"))
        .run()?;
    for change in changes {
        change.make(&bastion.home().join(change.file))?;
    }
    Ok(fleet)
}

const APPLY: &str = "stagger apply roles/arangodb/upgrade.yml -i inventory.yml --reason test --state state \
    --approve upgrade-data -e arangodb_leader_settle=5";

fn slow_at_adoption(lab: &Lab) -> Outcome {
    let fleet = changed(lab, "no look at slow servers", NO_G7)?;
    for host in fleet.hosts() {
        // Scaled: two seconds, in which the coordinator becomes slow.
        arm(host, "agent", &json!({"upgrade_ms": 20_000}))?;
    }
    let mut running = begin(&fleet, APPLY, &["-e", "arangodb_agency_settle=1"])?;
    let first = upgrading(&fleet, &mut running, "agent", 1)?;
    let host = fleet.host(&first)?;
    arm(
        host,
        "coordinator",
        &json!({"version_answer_delay_ms": 300_000}),
    )?;
    let ended = meanwhile(&mut running, "a server that the starter ends", || {
        let counted = Counted::on(host)?;
        let mut ended = counted.of_role("starter", "terminate");
        Ok(ended.next().map(ToString::to_string))
    })?;
    check(ended.contains("coordinator"), ended)?;
    // And starts the new program on its old data.
    meanwhile(&mut running, "a start that refuses old data", || {
        let counted = Counted::on(host)?;
        let mut refused = counted.of_role("coordinator", "exit").filter(|exit| {
            text(exit, "version") == "3.4.0" && exit.pointer("/detail/code") == Some(&json!(1))
        });
        Ok(refused.next().map(drop))
    })?;
    running.signal(rustix::process::Signal::KILL);
    Ok(())
}

/// The next agent is stopped whatever the agency says.
const NO_G8: &[Change] = &[Change {
    file: "roles/arangodb/tasks/wait_agency.yml",
    from: "    - arangodb_cluster.agency.ok\n",
    to: "",
}];

fn deaf_agent(lab: &Lab) -> Outcome {
    let fleet = changed(lab, "no look at the agency", NO_G8)?;
    let mut running = begin(&fleet, APPLY, &["-e", "arangodb_agency_settle=1"])?;
    let first = upgrading(&fleet, &mut running, "agent", 1)?;
    arm(
        fleet.host(&first)?,
        "agent",
        &json!({"agent_catches_up": false}),
    )?;
    for host in fleet.hosts().iter().filter(|host| host.name() != first) {
        // Scaled: longer than the guard's grace.
        arm(host, "agent", &json!({"upgrade_ms": 450_000}))?;
    }
    let said = armed::ends(running, 3)?;
    says(&said, &["the agency has a leader and a majority"])
}

/// What is read back is not looked at.
const NO_G10: &[Change] = &[Change {
    file: "roles/arangodb/tasks/canary.yml",
    from: "  failed_when: arangodb_read.json.version | default('') != arangodb_version",
    to: "  failed_when: false",
}];

fn misreads(lab: &Lab) -> Outcome {
    let mut options = variant("no look at what is read back", 3);
    options.changes = NO_G10.to_vec();
    let new = json!({"misreads_as": options.cluster.to});
    let switches = &mut options.cluster.switches;
    switches.insert("coordinator".to_owned(), new);
    let fleet = lab.fleet(&options.fleet)?;
    let seen = on(lab, &fleet, &options)?;
    seen.check(
        seen.report.get("stagger_exit") == Some(&json!("exit code 0")),
        "the exit code",
    )?;
    seen.check(seen.number("stale_reads") > 0, "no client has noticed")
}
