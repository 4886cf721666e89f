//! The oracle is not blind: with a part of the role taken away, the detector that is named
//! here sees it. The role is changed as an operator could change it, in a copy on the bastion.

use lab::demo::{Change, Options};
use serde_json::{Value, json};

use crate::harness::{Case, Lab, Outcome, case};
use crate::upgrade::{self, Seen, UNPROVED, variant};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "oracle::sees_leaders_that_were_not_moved_away",
            leaders_stay,
        ),
        case("oracle::sees_a_missing_maintenance_mode", no_maintenance),
        case("oracle::sees_a_missing_sync_gate", no_sync_gate),
    ];
    let unproved = |case: Case| case.alone().unproved(UNPROVED);
    cases.into_iter().map(unproved).collect()
}

/// Runs a variant that must not be well, and returns what was seen.
fn sees(lab: &Lab, options: &Options, invariant: &str) -> Outcome {
    let seen = upgrade::run(lab, options)?;
    seen.check(seen.report.get("ok") == Some(&json!(false)), "it is ok")?;
    seen.check(has(&seen, invariant), &format!("not seen: {invariant}"))
}

fn has(seen: &Seen, invariant: &str) -> bool {
    let breaches = seen.report.get("breaches").and_then(Value::as_array);
    let mut breaches = breaches.into_iter().flatten();
    breaches.any(|breach| breach.get("invariant") == Some(&json!(invariant)))
}

fn leaders_stay(lab: &Lab) -> Outcome {
    let mut options = variant("leaders stay", 3);
    options.changes = vec![Change {
        file: "roles/arangodb/tasks/leaders_away.yml",
        from: "  when: arangodb_dbserver.version != arangodb_version",
        to: "  when: false",
    }];
    sees(lab, &options, "I3 every shard's leader is up")
}

fn no_maintenance(lab: &Lab) -> Outcome {
    let mut options = variant("no maintenance", 3);
    let file = "roles/arangodb/tasks/maintenance.yml";
    options.changes = vec![
        Change {
            file,
            from: r#"body: "\"{{ arangodb_mode }}\"""#,
            to: r#"body: "\"off\"""#,
        },
        Change {
            file,
            from: "  when: not ansible_check_mode",
            to: "  when: false",
        },
    ];
    // Longer than supervision waits for a server that is away.
    let switches = &mut options.cluster.switches;
    switches.insert("upgrade_ms".to_owned(), json!(60_000));
    sees(lab, &options, "I5 no failover")
}

fn no_sync_gate(lab: &Lab) -> Outcome {
    let mut options = variant("no sync gate", 3);
    let gate = |file| Change {
        file,
        from: "    - arangodb_cluster.shards.ok\n",
        to: "",
    };
    options.changes = vec![
        gate("roles/arangodb/tasks/wait_shards.yml"),
        gate("roles/arangodb/tasks/wait_health.yml"),
        Change {
            file: "roles/arangodb/tasks/dbserver_upgrade.yml",
            from: "    that: arangodb_cluster.stop[item.id].ok",
            to: "    that: true",
        },
    ];
    // Leaders stay where they are, and a server that was away stays behind.
    options.cluster.leaders = "wait".to_owned();
    options.announced_gap = true;
    let switches = &mut options.cluster.switches;
    switches.insert("resync".to_owned(), json!(false));
    sees(lab, &options, "I3 a copy in sync is up")
}
