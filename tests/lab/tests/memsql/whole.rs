//! What must be so behind every upgrade: all is on the new version and as it was before, and what is never done was not.

use lab::load::memsql::never::never;
use lab::sim::memsql::Address;
use serde_json::{Value, json};

use crate::servers::NEW;
use crate::stack::Stack;

pub(crate) const OLD_ONLINE: &str = "online 5.5.12";
pub(crate) const NEW_ONLINE: &str = "online 5.7.2";

/// I7: what is never done, whatever fails; and I3: whoever is stopped was detached.
pub(crate) fn assert_never(stack: &Stack, what: &str) {
    let effects = stack.effects();
    let mut done = never(&effects);
    done.extend(stopped_too_early(stack, &effects));
    assert!(done.is_empty(), "{what}: {done:?}");
}

/// Tells the leaves that Ops was told to stop while they took part.
fn stopped_too_early(stack: &Stack, effects: &[Value]) -> Vec<String> {
    // What it shows may go by other names.
    let known = stack.machines[0].root.join("var/lib/memsql-ops/data/state");
    let known: Value = serde_json::from_str(&lab::files::read(&known).unwrap()).unwrap();
    let servers = known["servers"].as_array().unwrap().iter();
    let leaves = servers
        .filter(|one| one["role"] == json!("LEAF"))
        .map(|one| {
            let port = one["port"].as_u64().unwrap().try_into().unwrap();
            let at = Address::new(one["host"].as_str().unwrap(), port);
            (one["memsql_id"].clone(), json!(at.to_string()))
        });
    let leaves: Vec<(Value, Value)> = leaves.collect();
    let mut detached: Vec<&Value> = Vec::new();
    let mut early = Vec::new();
    for effect in effects {
        let leaf = &effect["detail"]["leaf"];
        match effect["what"].as_str().unwrap_or_default() {
            "detach" => detached.push(leaf),
            "attach" => detached.retain(|one| *one != leaf),
            "memsql-stop" => {
                let id = &effect["detail"]["rest"][0];
                let own = leaves.iter().find(|(own, _)| own == id);
                if own.is_some_and(|(_, at)| !detached.contains(&at)) {
                    early.push(format!("I3: {effect}"));
                }
            }
            _ => {}
        }
    }
    early
}

/// All is on the new version, and as it was before.
pub(crate) fn assert_done(stack: &Stack, what: &str) {
    assert_upgraded(stack, what);
    assert_never(stack, what);
}

/// The same, whoever else has done what in between.
pub(crate) fn assert_upgraded(stack: &Stack, what: &str) {
    for number in 0..stack.leaves.len() {
        assert_eq!(stack.leaf(number), NEW_ONLINE, "{what}: leaf {number}");
    }
    for at in stack.aggregators() {
        assert_eq!(stack.version(at), NEW, "{what}: {at}");
    }
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{what}"
    );
    // What is in the file holds after the next start.
    let off = stack.off_in_files().unwrap();
    assert_eq!(off, Vec::<String>::new(), "{what}: in memsql.cnf");
}

/// Snapshots come first. The brackets of each group stand in each other: manual control of Ops around attaching around the detection of failures, and
/// all of them around whatever is detached; aggregators have the first and the last of them.
pub(crate) fn assert_nested(effects: &[Value], what: &str) {
    const ATTACH: &str = "auto_attach";
    let mut open: Vec<&str> = Vec::new();
    let (mut snapshots, mut detaches) = (0, 0);
    for effect in effects {
        let detail = &effect["detail"];
        let value = |name: &str| detail["values"][name][0].as_str().unwrap_or_default();
        let says = |flag: &str| {
            let mut flags = detail["flags"].as_array().into_iter().flatten();
            flags.any(|one| one == flag)
        };
        let (name, enters) = match effect["what"].as_str().unwrap_or_default() {
            "cluster-manual-control" => ("manual", says("enable")),
            "memsql-update-config" if value("key") == ATTACH => (ATTACH, value("value") == "OFF"),
            "memsql-update-config" => ("detection", value("value") == "OFF"),
            "snapshot" => {
                assert_eq!(detaches, 0, "{what}: a snapshot behind a detach");
                snapshots += 1;
                continue;
            }
            "detach" => {
                detaches += 1;
                assert!(snapshots > 0, "{what}: no snapshot before a detach");
                assert_eq!(open, ["manual", ATTACH, "detection"], "{what}: at a detach");
                continue;
            }
            _ => continue,
        };
        // One switch of several, on one server of several.
        if enters && open.last() != Some(&name) {
            open.push(name);
        } else if !enters && open.contains(&name) {
            assert_eq!(open.pop(), Some(name), "{what}: left in another order");
        }
        let order = ["manual", ATTACH, "detection"];
        let places = open
            .iter()
            .map(|one| order.iter().position(|own| own == one));
        assert!(places.is_sorted(), "{what}: {open:?}");
    }
    assert!(
        open.is_empty() && detaches > 0,
        "{what}: {open:?}, {detaches}"
    );
}
