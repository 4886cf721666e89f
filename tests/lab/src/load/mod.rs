//! The load client and the oracle: what an upgrade looks like to the people who use the cluster.
//!
//! - [`client`]: an open loop of reads and writes through all coordinators, without retries;
//!   [`keys`] knows which write of which key was acknowledged, [`drain`] which coordinators
//!   are to be left alone;
//! - [`watch`]: looks at every server several times a second, at the servers themselves;
//!   [`invariants`] judges what it sees; pure;
//! - [`tally`]: latencies, failures and gaps; pure;
//! - [`verdict`]: at the end, what the servers really hold against what was acknowledged;
//! - [`replication`]: does a second cluster take this one's changes, and when;
//! - [`effects`]: what the simulators counted, summed up;
//! - [`mod@memsql`]: the same for a MemSQL cluster, over keys, drain and tally.
//!
//! Nothing in here asks the tool under test anything.

pub mod beside;
pub mod client;
pub mod drain;
pub mod effects;
pub mod invariants;
pub mod keys;
pub mod memsql;
pub mod options;
pub mod replication;
pub mod tally;
pub mod verdict;
pub mod watch;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

pub use self::options::Options;
use self::watch::Watch;
use crate::sim::effects::eprint_line;
use crate::sim::{files, time};

/// Runs load and oracle as a command; returns its exit code: 0 if all is well, 2 if not.
pub fn main(options: Options) -> u8 {
    as_command(run(options))
}

/// Runs something that finds out whether all is well, as a command.
fn as_command(work: impl Future<Output = Result<bool, String>>) -> u8 {
    crate::sim::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(true) => 0,
        Ok(false) => 2,
        Err(why) => {
            eprint_line(&format!("lab load: {why}"));
            1
        }
    }
}

/// Writes a report to standard output.
fn tell(report: &Value) -> Result<(), String> {
    let text = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    drop(std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("{text}\n").as_bytes(),
    ));
    Ok(())
}

/// Runs load and oracle until a signal, the stop file or the time ends them.
async fn run(options: Options) -> Result<bool, String> {
    let options = Arc::new(options);
    let watch = Arc::new(Watch::find(Arc::clone(&options)).await?);
    client::prepare(&options, &watch).await?;
    if options.prepare_only {
        return Ok(true);
    }
    let watching = tokio::spawn(watch::live(Arc::clone(&watch)));
    let began = time::mono_ms();
    let client = client::Client::new(Arc::clone(&options), &watch)?;
    if let Some(path) = &options.ready_file {
        files::replace(path, b"ready\n", 0o644).map_err(|error| error.to_string())?;
    }
    let until = until(options.stop_file.clone(), options.seconds);
    let client = client.run(until).await;
    let ended = time::mono_ms();
    watch.stop();
    watching.await.map_err(|error| error.to_string())?;
    let mut report = verdict::reach(&options, &watch, &client).await;
    if let Value::Object(report) = &mut report {
        report.insert("load_ms".to_owned(), json!(ended - began));
    }
    let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
    if let Some(path) = &options.json {
        files::replace(path, text.as_bytes(), 0o644).map_err(|error| error.to_string())?;
    }
    tell(&report)?;
    Ok(report.get("ok") == Some(&Value::Bool(true)))
}

/// Ends when the load is to end.
async fn until(stop_file: Option<std::path::PathBuf>, seconds: Option<u64>) {
    let streams = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut term), Ok(mut int)) = streams else {
        return;
    };
    let file = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            if stop_file.as_ref().is_some_and(|path| path.exists()) {
                return;
            }
        }
    };
    let enough = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(std::time::Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = file => {}
        () = enough => {}
    }
}
