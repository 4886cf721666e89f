//! The oracle is not blind: with a part of the role taken away, the detector that is named
//! here sees it. The role is changed as an operator could change it, in a copy on the bastion.

use lab::demo::{Change, Options};
use serde_json::{Value, json};

use crate::harness::{Case, Lab, Outcome, case, same};
use crate::upgrade::{self, Seen, variant};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "oracle::sees_leaders_that_were_not_moved_away",
            leaders_stay,
        ),
        case("oracle::sees_a_missing_maintenance_mode", no_maintenance),
        case("oracle::sees_a_missing_sync_gate", no_sync_gate),
    ];
    let changes = case(
        "oracle::changes_meet_the_role_as_it_is",
        changes_meet_the_role,
    );
    let cases = cases.into_iter().map(Case::heavy);
    cases.chain([changes]).collect()
}

/// Runs a variant that must not be well, and returns what was seen.
pub(crate) fn sees(lab: &Lab, options: &Options, invariant: &str) -> Outcome {
    let seen = upgrade::run(lab, options)?;
    seen.check(seen.report.get("ok") == Some(&json!(false)), "it is ok")?;
    seen.check(has(&seen, invariant), &format!("not seen: {invariant}"))
}

fn has(seen: &Seen, invariant: &str) -> bool {
    let breaches = seen.report.get("breaches").and_then(Value::as_array);
    let mut breaches = breaches.into_iter().flatten();
    breaches.any(|breach| breach.get("invariant") == Some(&json!(invariant)))
}

/// Leadership stays where it is.
const LEADERS_STAY: &[Change] = &[
    Change {
        file: "roles/arangodb/tasks/leaders_away.yml",
        from: "  when: arangodb_dbserver.endpoint in arangodb_pending and",
        to: "  when: false and",
    },
    Change {
        file: "roles/arangodb/tasks/before_dbserver.yml",
        from: "led if arangodb_way in ['resign', 'move'] else []",
        to: "[]",
    },
];

fn leaders_stay(lab: &Lab) -> Outcome {
    let mut options = variant("leaders stay", 3);
    options.changes = LEADERS_STAY.to_vec();
    sees(lab, &options, "I3 every shard's leader is up")
}

/// Maintenance mode is never on, and nobody looks whether it is.
const NO_MAINTENANCE: &[Change] = &[
    Change {
        file: "roles/arangodb/tasks/maintenance.yml",
        from: "{{ arangodb_maintenance_on if arangodb_mode == 'on' else 'off' }}",
        to: "off",
    },
    Change {
        file: "roles/arangodb/tasks/maintenance.yml",
        from: "  when: not ansible_check_mode",
        to: "  when: false",
    },
    Change {
        file: "roles/arangodb/tasks/dbserver_upgrade.yml",
        from: " ~ arangodb_maintenance_on ~ ",
        to: " ~ 'off' ~ ",
    },
    Change {
        file: "roles/arangodb/tasks/before_dbserver.yml",
        from: "      else arangodb_cluster.supervision.maintenance is not none",
        to: "      else true",
    },
    Change {
        file: "roles/arangodb/tasks/before_dbserver.yml",
        from: "    - arangodb_alone or arangodb_cluster.supervision.mode == 'Maintenance'\n",
        to: "",
    },
    Change {
        file: "roles/arangodb/tasks/before_dbserver.yml",
        from: "    - arangodb_alone or arangodb_cluster.supervision.maintenance is not none\n",
        to: "",
    },
];

fn no_maintenance(lab: &Lab) -> Outcome {
    let mut options = variant("no maintenance", 3);
    options.changes = NO_MAINTENANCE.to_vec();
    // Longer than supervision waits for a server that is away.
    let switches = &mut options.cluster.switches;
    switches.insert("dbserver".to_owned(), json!({"upgrade_ms": 60_000}));
    sees(lab, &options, "I5 no failover")
}

/// A line of a gate that is taken out.
const fn without(file: &'static str, from: &'static str) -> Change {
    Change { file, from, to: "" }
}

/// Nobody looks at copies while DB-Servers are upgraded.
const NO_SYNC_GATE: &[Change] = &[
    without(
        "roles/arangodb/tasks/wait_shards.yml",
        "    - arangodb_cluster.shards.ok\n",
    ),
    without(
        "roles/arangodb/tasks/wait_health.yml",
        "    - arangodb_cluster.shards.ok\n",
    ),
    without(
        "roles/arangodb/tasks/before_dbserver.yml",
        "    - arangodb_cluster.shards.ok\n",
    ),
    Change {
        file: "roles/arangodb/tasks/before_dbserver.yml",
        from: "    that: arangodb_cluster.stop[item.id].ok",
        to: "    that: true",
    },
    Change {
        file: "roles/arangodb/tasks/dbserver_upgrade.yml",
        from: "    that: arangodb_cluster.stop[item.id].ok",
        to: "    that: true",
    },
];

fn no_sync_gate(lab: &Lab) -> Outcome {
    let mut options = variant("no sync gate", 3);
    options.changes = NO_SYNC_GATE.to_vec();
    // Leaders stay where they are, and a server that was away stays behind.
    options.cluster.leaders = "wait".to_owned();
    options.announced_gap = true;
    options.later.insert("resync".to_owned(), json!(false));
    // The coordinators' own gate ends the run.
    let extra = "arangodb_health_timeout=30".to_owned();
    options.extra.push(extra);
    sees(lab, &options, "I3 a copy in sync is up")
}

/// Every change of a case must meet the role as it is now; no host is needed to know that.
fn changes_meet_the_role(_lab: &Lab) -> Outcome {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let own = [
        LEADERS_STAY,
        NO_MAINTENANCE,
        NO_SYNC_GATE,
        crate::later::CHANGES,
    ]
    .concat();
    let others: Vec<Change> = crate::detectors::changes().cloned().collect();
    for change in own.iter().chain(&others) {
        let text = lab::files::read(&root.join(change.file))?;
        let count = text.matches(change.from).count();
        same(count, 1, &format!("{}: {}", change.file, change.from))?;
    }
    Ok(())
}
