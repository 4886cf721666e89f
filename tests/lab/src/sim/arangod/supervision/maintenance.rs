//! Maintenance mode: keys in the agency, for all servers or for one, and what supervision says of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::sim::time;

/// Tells whether the key in the agency switches maintenance on now.
///
/// Up to 3.8 any value does; later a text that is a time does until then.
pub fn is_on(key: Option<&Value>, knows_ends: bool, now_ms: u64) -> bool {
    let Some(key) = key else { return false };
    match key.as_str() {
        // Times of one form compare as texts do.
        Some(end) if knows_ends && end.len() >= 18 => end >= time::iso(now_ms).as_str(),
        _ => true,
    }
}

/// Returns the DB-Servers that are in maintenance mode alone: those of `Target` whose time has not run out.
pub fn alone(target: Option<&Value>, now_ms: u64) -> BTreeMap<String, Value> {
    let now = time::iso(now_ms);
    let entries = target.and_then(Value::as_object).into_iter().flatten();
    let text = |entry: &Value, name: &str| {
        let text = entry.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    entries
        .filter(|(_, entry)| text(entry, "Mode") == "maintenance" && text(entry, "Until") >= now)
        .map(|(id, entry)| (id.clone(), entry.clone()))
        .collect()
}

/// Returns what must be written so that `Current` says which DB-Servers are in maintenance mode. What is there already
/// stays as it is: after a renewal `Current` still tells the earlier end.
pub fn say(alone: &BTreeMap<String, Value>, current: Option<&Value>) -> Map<String, Value> {
    let said: BTreeSet<&String> = current
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .collect();
    let path = |id: &String| format!("/arango/Current/MaintenanceDBServers/{id}");
    let new = alone.iter().filter(|(id, _)| !said.contains(id));
    let new = new.map(|(id, entry)| (path(id), json!({"op": "set", "new": entry})));
    let gone = said.iter().filter(|id| !alone.contains_key(**id));
    let gone = gone.map(|id| (path(id), json!({"op": "delete"})));
    new.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_value_counts_and_an_end_only_where_it_is_known() {
        let now = 1_544_090_400_000;
        for (key, knows_ends, on) in [
            (None, false, false),
            (Some(json!(true)), false, true),
            (Some(json!("on")), true, true),
            (Some(json!("2018-12-06T09:59:59Z")), true, false),
            (Some(json!("2018-12-06T10:59:59Z")), true, true),
            (Some(json!("2018-12-06T09:59:59Z")), false, true),
        ] {
            assert_eq!(is_on(key.as_ref(), knows_ends, now), on, "{key:?}");
        }
    }

    #[test]
    fn one_server_is_in_maintenance_until_its_time_and_current_follows() {
        let now = 1_544_090_400_000;
        let entry = |until: &str| json!({"Mode": "maintenance", "Until": until});
        let target = json!({"PRMR-1": entry("2018-12-06T10:59:59Z"), "PRMR-2": entry("2018-12-06T09:59:59Z"),
            "PRMR-3": {"Mode": "normal", "Until": "2018-12-06T10:59:59Z"}});
        let alone = alone(Some(&target), now);
        assert_eq!(alone.keys().collect::<Vec<_>>(), ["PRMR-1"]);
        let said = say(
            &alone,
            Some(&json!({"PRMR-2": entry("2018-12-06T09:59:59Z")})),
        );
        let paths: Vec<&String> = said.keys().collect();
        assert_eq!(
            paths,
            [
                "/arango/Current/MaintenanceDBServers/PRMR-1",
                "/arango/Current/MaintenanceDBServers/PRMR-2"
            ]
        );
        let told = json!({"PRMR-1": entry("2018-12-06T10:00:01Z")});
        assert!(say(&alone, Some(&told)).is_empty(), "the earlier end stays");
    }
}
