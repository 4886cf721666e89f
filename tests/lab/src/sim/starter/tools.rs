//! The starter's small commands: tokens, its version, and asking a running starter.

use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::bootstrap::fetch;
use super::options::Options;
use crate::sim::effects::eprint_line;
use crate::sim::jwt;
use crate::sim::paths::Paths;
use crate::sim::switches::Switches;

fn print(text: &str) -> u8 {
    u8::from(writeln!(io::stdout(), "{text}").is_err())
}

/// Prints the starter's version.
pub fn version() -> u8 {
    let switches = Switches::read(&Paths::of_this_host().switches(), "starter");
    let version = switches.unwrap_or_default().starter_version;
    print(&format!("Version {version}, build a18b27c, Go go1.11.2"))
}

/// Prints a token, or the header that carries it.
pub fn auth(what: &str, options: &Options) -> u8 {
    let Some(path) = options.text("auth.jwt-secret") else {
        eprint_line("A JWT secret file is required. Set --auth.jwt-secret option.");
        return 1;
    };
    let secret = match std::fs::read_to_string(path) {
        Ok(secret) => secret,
        Err(error) => {
            eprint_line(&format!("Failed to read JWT secret file '{path}': {error}"));
            return 1;
        }
    };
    let mut claims = json!({"iss": "arangodb", "server_id": "foo"});
    if let (Some(user), Value::Object(claims)) = (options.text("auth.user"), &mut claims) {
        claims.insert("preferred_username".to_owned(), json!(user));
    }
    let token = jwt::sign(secret.trim(), &claims);
    match what {
        "token" => print(&token),
        "header" => print(&format!("Authorization: bearer {token}")),
        other => {
            eprint_line(&format!(
                "Error: unknown command \"{other}\" for \"arangodb auth\""
            ));
            1
        }
    }
}

fn endpoint(options: &Options) -> String {
    let given = options.text("starter.endpoint");
    given
        .unwrap_or("http://localhost:8528")
        .trim_end_matches('/')
        .to_owned()
}

/// Starts the starters' own upgrade and follows it to its end.
///
/// As in the real one, a plan that failed or vanished is told and still ends with 0.
pub async fn upgrade(options: &Options) -> u8 {
    let code = ask_upgrade(options, "POST").await;
    if code != 0 {
        return code;
    }
    let url = format!("{}/database-auto-upgrade", endpoint(options));
    let mut last = String::new();
    loop {
        let Ok(reply) = fetch(&url, "GET", None).await else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let status = reply.json();
        if reply.status == 404 {
            eprint_line("There is no upgrade plan");
            return 0;
        }
        let flag = |name: &str| status.get(name).and_then(Value::as_bool).unwrap_or(false);
        if flag("failed") {
            let reason = status
                .get("reason")
                .and_then(Value::as_str)
                .unwrap_or_default();
            eprint_line(&format!("Database upgrade has failed: {reason}"));
            return 0;
        }
        let line = format!(
            "Servers upgraded: {}, remaining servers: {}",
            counted(status.get("servers_upgraded")),
            counted(status.get("servers_remaining"))
        );
        if line != last {
            eprint_line(&line);
            last = line;
        }
        if flag("ready") {
            eprint_line("Database upgrade has finished");
            return 0;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn counted(servers: Option<&Value>) -> String {
    let servers = servers
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let count = |kind: &str| {
        let of_kind = servers
            .iter()
            .filter(|server| server.get("type").is_some_and(|own| own == kind));
        of_kind.count()
    };
    let parts: Vec<String> = [
        "agent",
        "coordinator",
        "dbserver",
        "single",
        "syncmaster",
        "syncworker",
    ]
    .into_iter()
    .map(|kind| (kind, count(kind)))
    .filter(|(_, count)| *count > 0)
    .map(|(kind, count)| format!("{count} {kind}{}", if count == 1 { "" } else { "s" }))
    .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Asks a running starter to begin, retry or abort its upgrade.
pub async fn ask_upgrade(options: &Options, method: &str) -> u8 {
    let url = format!("{}/database-auto-upgrade", endpoint(options));
    match fetch(&url, method, None).await {
        Ok(reply) if reply.status == 200 => 0,
        Ok(reply) => {
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            eprint_line(&format!(
                "Failed to start database automatic upgrade: {text}"
            ));
            1
        }
        Err(why) => {
            eprint_line(&format!(
                "Failed to start database automatic upgrade: {why}"
            ));
            1
        }
    }
}

/// Asks a running starter to stop with all its servers, and waits until it is gone.
pub async fn stop(options: &Options) -> u8 {
    let base = endpoint(options);
    if let Err(why) = fetch(&format!("{base}/shutdown"), "POST", None).await {
        eprint_line(&format!("Failed to shutdown starter: {why}"));
        return 1;
    }
    while fetch(&format!("{base}/version"), "GET", None).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_counted_as_people_count() {
        let server = |kind: &str| json!({"type": kind});
        let some = json!([server("agent"), server("agent"), server("dbserver")]);
        assert_eq!(counted(Some(&some)), "2 agents, 1 dbserver");
        assert_eq!(counted(None), "none");
    }
}
