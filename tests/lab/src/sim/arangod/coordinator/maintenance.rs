//! Switching supervision's maintenance mode, and asking for it, as each version can.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Coordinator, one_server};
use crate::sim::http::{Request, Response};
use crate::sim::time;

const KEY: &str = "/arango/Supervision/Maintenance";
const MODE: &str = "/arango/Supervision/State/Mode";
pub(super) const AN_HOUR_S: u64 = 3600;

/// Answers one request.
pub async fn answer(coordinator: &Coordinator, request: &Request) -> Response {
    let version = &coordinator.server.version;
    let segments = request.segments();
    let answered = match (request.method.as_str(), segments.get(3)) {
        ("PUT", None) => {
            let begun = time::unix_ms();
            let answered = switch(coordinator, request).await;
            let took_ms = time::unix_ms().saturating_sub(begun);
            let detail = json!({"took_ms": took_ms});
            coordinator.server.count("maintenance", &detail);
            answered
        }
        ("GET", None) if version.at_least(3, 7, 0) => show(coordinator).await,
        (_, Some(server)) if version.maintains_one() => {
            one_server::answer(coordinator, server, request).await
        }
        (_, Some(_)) => Ok(Response::unknown_path(&request.path)),
        _ => Ok(Response::error(403, 403, "only PUT requests are allowed")),
    };
    answered.unwrap_or_else(|response| response)
}

pub(super) type Answered = Result<Response, Response>;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Maintenance, for so many seconds.
    On(u64),
    /// None.
    Off,
}

fn wanted(body: &Value, knows_seconds: bool) -> Option<Wanted> {
    match body.as_str()? {
        "on" => Some(Wanted::On(AN_HOUR_S)),
        "off" => Some(Wanted::Off),
        seconds if knows_seconds => seconds.parse().ok().map(Wanted::On),
        _ => None,
    }
}

async fn switch(coordinator: &Coordinator, request: &Request) -> Answered {
    let knows_seconds = coordinator.server.version.at_least(3, 8, 3);
    let body = request.json().unwrap_or_default();
    let Some(wanted) = wanted(&body, knows_seconds) else {
        return Err(Response::error(
            400,
            400,
            "state string must be \"on\" or \"off\"",
        ));
    };
    let (operations, mode) = match wanted {
        Wanted::On(seconds) if knows_seconds => {
            let lasts = time::ms(coordinator.server.timer(seconds * 1000));
            let end = time::iso(time::unix_ms() + lasts);
            (json!({KEY: {"op": "set", "new": end}}), "Maintenance")
        }
        Wanted::On(seconds) => {
            let on = json!({"op": "set", "new": true, "ttl": seconds});
            (json!({KEY: on}), "Maintenance")
        }
        Wanted::Off => (json!({KEY: {"op": "delete"}}), "Normal"),
    };
    coordinator.agency_write(&operations, &json!({})).await?;
    wait_for(coordinator, mode).await?;
    let warning = match wanted {
        Wanted::Off => "Cluster supervision reactivated.".to_owned(),
        Wanted::On(seconds) => format!(
            "Cluster supervision deactivated. It will be reactivated automatically in {} minutes unless this call is repeated until then.",
            seconds / 60
        ),
    };
    Ok(Response::json(
        200,
        &json!({"error": false, "warning": warning}),
    ))
}

async fn wait_for(coordinator: &Coordinator, mode: &str) -> Result<(), Response> {
    let end = tokio::time::Instant::now() + coordinator.server.timer(120_000);
    while tokio::time::Instant::now() < end {
        // An agency that is between two leaders is asked again, as long as there is time.
        if let Ok(Some(found)) = coordinator.agency_read(MODE).await
            && found == mode
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let what = if mode == "Normal" { "out of" } else { "into" };
    Err(Response::error(
        504,
        504,
        &format!("timed out while waiting for supervision to go {what} maintenance mode"),
    ))
}

async fn show(coordinator: &Coordinator) -> Answered {
    let mode = coordinator
        .agency_read(MODE)
        .await?
        .unwrap_or(json!("Normal"));
    Ok(Response::json(
        200,
        &json!({"error": false, "code": 200, "result": mode}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_and_later_also_seconds_are_understood() {
        for (body, knows_seconds, expected) in [
            (json!("on"), false, Some(Wanted::On(3600))),
            (json!("off"), false, Some(Wanted::Off)),
            (json!("7200"), true, Some(Wanted::On(7200))),
            (json!("7200"), false, None),
            (json!(true), true, None),
            (Value::Null, true, None),
        ] {
            assert_eq!(wanted(&body, knows_seconds), expected, "{body}");
        }
    }
}
