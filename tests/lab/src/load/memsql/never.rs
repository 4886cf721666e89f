//! I7: what an upgrade never does, whatever fails, told by what servers and Ops have counted. Pure.

use serde_json::{Value, json};

fn word<'a>(effect: &'a Value, pointer: &str) -> &'a str {
    let word = effect.pointer(pointer).and_then(Value::as_str);
    word.unwrap_or_default()
}

/// Returns what was done that is never done: nothing is forced or removed, no command means all nodes, nothing acts by itself.
pub fn never(effects: &[Value]) -> Vec<String> {
    let is_forced = |effect: &Value| effect.pointer("/detail/force") == Some(&json!(true));
    let flags = |effect: &Value| {
        let flags = effect.pointer("/detail/flags").and_then(Value::as_array);
        let mut flags = flags.into_iter().flatten().filter_map(Value::as_str);
        flags.any(|flag| flag == "all" || flag == "hard-stop")
    };
    let is = |effect: &&Value| match word(effect, "/what") {
        "attach" | "rebalance" => is_forced(effect),
        // I4: a leaf went before its slaves had what it had.
        "detach" => effect.pointer("/detail/behind").and_then(Value::as_u64) > Some(0),
        "remove" | "attach-all" | "clear-orphans" | "offline-upgrade" => true,
        "memsql-stop" | "memsql-start" | "memsql-restart" | "memsql-update-config" => flags(effect),
        "ops-started" | "ops-attached" | "auto-attach" => true,
        "offline" | "aggregator-offline" | "failover" => true,
        _ => false,
    };
    let told = effects.iter().filter(is);
    told.map(|effect| format!("I7: {effect}")).collect()
}
