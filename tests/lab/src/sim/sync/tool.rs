//! The commands with which a person starts, stops and looks at a replication.

use std::io::{self, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::options::Options;
use super::server::VERSION;
use crate::sim::effects::eprint_line;
use crate::sim::http::{Call, Reply, call};

fn print(text: &str) -> u8 {
    u8::from(writeln!(io::stdout(), "{text}").is_err())
}

/// Prints the version.
pub fn version() -> u8 {
    print(&format!("Version {VERSION}, build lab"))
}

fn authorization(options: &Options) -> String {
    let user = options.text("auth.user").unwrap_or("sync");
    let password = options.text("auth.password").unwrap_or_default();
    format!("basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Asks the masters in turn until one answers.
async fn ask(
    options: &Options,
    method: &str,
    path: &str,
    body: &Value,
    limit: Duration,
) -> Result<Reply, String> {
    let authorization = authorization(options);
    let mut last = "no --master.endpoint is given".to_owned();
    for master in options.targets("master.endpoint") {
        let request = Call::new(&master, method, path, limit)
            .authorized(Some(&authorization))
            .json(body);
        match call(request).await {
            Ok(reply) if reply.status < 300 => return Ok(reply),
            Ok(reply) => {
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                return Err(format!("{master} answers {}: {body}", reply.status));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

fn done(result: Result<Reply, String>, what: &str) -> u8 {
    match result {
        Ok(_) => print(what),
        Err(why) => {
            eprint_line(&format!("Error: {why}"));
            1
        }
    }
}

/// Starts a replication from a source to the cluster of the master.
pub async fn configure(options: &Options) -> u8 {
    let sources: Vec<String> = options
        .targets("source.endpoint")
        .iter()
        .map(crate::sim::http::Target::url)
        .collect();
    if sources.is_empty() {
        eprint_line("Error: --source.endpoint must name the masters of the source");
        return 1;
    }
    let body = json!({"source": sources});
    let asked = ask(options, "PUT", "/_api/sync", &body, Duration::from_mins(1)).await;
    done(asked, "Synchronization activated.")
}

/// Stops the replication into the cluster of the master.
pub async fn stop(options: &Options) -> u8 {
    let ensure = options.text("ensure-in-sync") != Some("false");
    let body = json!({"ensureInSync": ensure});
    let limit = Duration::from_mins(3);
    let asked = ask(options, "POST", "/_api/sync/stop", &body, limit).await;
    done(asked, "Synchronization deactivated.")
}

/// Ends the replication on the master's side alone.
pub async fn abort(options: &Options) -> u8 {
    let limit = Duration::from_mins(1);
    let asked = ask(options, "POST", "/_api/sync/abort", &Value::Null, limit).await;
    done(asked, "Synchronization aborted.")
}

async fn read(options: &Options) -> Result<Value, String> {
    let limit = Duration::from_secs(30);
    let reply = ask(options, "GET", "/_api/sync", &Value::Null, limit).await?;
    Ok(reply.json())
}

/// Prints how the replications of the master's cluster stand.
pub async fn status(options: &Options) -> u8 {
    match read(options).await {
        Ok(state) => {
            let word = |value: Option<&Value>| {
                value
                    .and_then(Value::as_str)
                    .unwrap_or("inactive")
                    .to_owned()
            };
            let incoming = word(state.get("status"));
            let outgoing = word(state.pointer("/outgoing/0/status"));
            print(&format!(
                "Direction   Status\nincoming    {incoming}\noutgoing    {outgoing}"
            ))
        }
        Err(why) => {
            eprint_line(&format!("Error: {why}"));
            1
        }
    }
}

/// Tells whether both sides are equal.
pub async fn check(options: &Options) -> u8 {
    match read(options).await {
        Ok(state) if state.get("status") == Some(&json!("running")) => {
            print("The whole data is the same")
        }
        Ok(_) => {
            eprint_line("Error: no synchronization is running");
            1
        }
        Err(why) => {
            eprint_line(&format!("Error: {why}"));
            1
        }
    }
}
