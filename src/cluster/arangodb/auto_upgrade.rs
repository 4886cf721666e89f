//! What a starter tells of the upgrade that the starters do themselves: `GET /database-auto-upgrade`.
//!
//! The program that asks for that upgrade ends with 0 although it has failed (starter 0.13.10, `upgrade.go`), so that
//! only this answer counts. Called by the module that asks a host.

use serde_json::{Value, json};

/// Reads a status, or why there is none, into what templates see: `state`, `reason`, `to`, `servers`, `upgraded`.
///
/// `state` is `none` without a plan, `runs`, `failed` as soon as one server has, `done` when none remains, and `unknown`
/// where the starter or the agency behind it does not say. `servers` are all of the plan, in its order; the first
/// `upgraded` of them are done.
pub fn auto_upgrade(answer: Result<(u16, &Value), &str>) -> Value {
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(why) => return told("unknown", why),
    };
    let said = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let is = |name: &str| body.get(name).and_then(Value::as_bool) == Some(true);
    match status {
        200 if body.get("servers_remaining").is_some() || is("ready") => {
            let state = match (is("failed"), is("ready")) {
                (true, _) => "failed",
                (false, true) => "done",
                (false, false) => "runs",
            };
            let mut value = told(state, said("reason"));
            let upgraded = servers(body, "servers_upgraded");
            if let Value::Object(fields) = &mut value {
                fields.insert("to".into(), json!(said("to_version")));
                fields.insert("upgraded".into(), json!(upgraded.len()));
                let all = [upgraded, servers(body, "servers_remaining")].concat();
                fields.insert("servers".into(), json!(all));
            }
            value
        }
        // Without a plan the starter says so; a path that it does not know is no JSON.
        404 if body.get("Error").is_some() => told("none", said("Error")),
        status => {
            let why = format!("status {status} {}", said("Error"));
            told("unknown", why.trim_end())
        }
    }
}

fn told(state: &str, reason: &str) -> Value {
    json!({"state": state, "reason": reason, "to": "", "upgraded": 0, "servers": []})
}

fn servers(body: &Value, name: &str) -> Vec<Value> {
    let listed = body.get(name).and_then(Value::as_array);
    let read = |server: &Value| {
        let role = server.get("type")?.as_str()?;
        let address = server.get("address")?.as_str()?;
        let port = server.get("port")?.as_u64()?;
        Some(
            json!({"role": role, "address": address, "port": port, "title": format!("{role} on {address}, port {port}")}),
        )
    };
    listed.into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_whatever_the_starter_says() {
        let agent = json!({"type": "agent", "port": 8531, "address": "10.0.0.1"});
        let dbserver = json!({"type": "dbserver", "port": 8530, "address": "10.0.0.1"});
        let plan = |ready: bool, failed: bool, upgraded: &Value, remaining: &Value| {
            json!({"ready": ready, "failed": failed, "reason": "why", "from_versions": ["3.3.20"],
                "to_version": "3.4.0", "servers_upgraded": upgraded, "servers_remaining": remaining})
        };
        let one = json!([agent]);
        let both = json!([agent, dbserver]);
        let cases = [
            (
                200,
                plan(false, false, &one, &json!([dbserver])),
                "runs",
                1,
                2,
            ),
            // What is null in Go's JSON is an empty list.
            (200, plan(false, false, &Value::Null, &both), "runs", 0, 2),
            (
                200,
                plan(false, true, &one, &json!([dbserver])),
                "failed",
                1,
                2,
            ),
            (200, plan(true, false, &both, &json!([])), "done", 2, 2),
            (200, json!({"ready": true}), "done", 0, 0),
            (200, json!({"unexpected": 1}), "unknown", 0, 0),
            (200, Value::Null, "unknown", 0, 0),
            (
                404,
                json!({"Error": "There is no upgrade plan"}),
                "none",
                0,
                0,
            ),
            (404, Value::Null, "unknown", 0, 0),
            (500, json!({"Error": "no agent"}), "unknown", 0, 0),
        ];
        for (status, body, state, upgraded, all) in cases {
            let read = auto_upgrade(Ok((status, &body)));
            assert_eq!(read["state"], json!(state), "{status} {body}");
            assert_eq!(read["upgraded"], json!(upgraded), "{status} {body}");
            let servers = read["servers"].as_array().unwrap();
            assert_eq!(servers.len(), all, "{status} {body}");
        }
        let failed = plan(false, true, &one, &json!([dbserver]));
        let failed = auto_upgrade(Ok((200, &failed)));
        assert_eq!(failed["reason"], json!("why"));
        assert_eq!(
            failed["servers"][1]["title"],
            json!("dbserver on 10.0.0.1, port 8530")
        );
        let silent = auto_upgrade(Err("connection refused"));
        assert_eq!(
            (&silent["state"], &silent["reason"]),
            (&json!("unknown"), &json!("connection refused"))
        );
        let refused = auto_upgrade(Ok((500, &json!({"Error": "no agent"}))));
        assert_eq!(refused["reason"], json!("status 500 no agent"));
    }
}
