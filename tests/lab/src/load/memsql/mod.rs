//! The load and the oracle for a MemSQL cluster.
//!
//! [`client`] reads and writes through the aggregators, [`watch`] looks into every server,
//! [`invariants`] judges what it sees and [`mod@never`] what was counted (pure), [`verdict`] compares at the end.

pub mod client;
pub mod invariants;
pub mod never;
pub mod options;
pub mod verdict;
pub mod watch;

use std::sync::Arc;

use serde_json::{Value, json};

pub use self::options::Options;
use self::watch::Watch;
use crate::sim::memsql::Address;
use crate::sim::{files, time};

/// Runs load and oracle as a command; returns its exit code: 0 if all is well, 2 if not.
pub fn main(options: Options) -> u8 {
    super::as_command(run(options))
}

/// Runs load and oracle until a signal, the stop file or the time ends them.
async fn run(options: Options) -> Result<bool, String> {
    let (stop_file, seconds) = (options.stop_file.clone(), options.seconds);
    let report = judge(options, super::until(stop_file, seconds)).await?;
    let Some(report) = report else {
        return Ok(true);
    };
    super::tell(&report)?;
    Ok(report.get("ok") == Some(&Value::Bool(true)))
}

/// Runs load and oracle until told to stop and returns the report; none if only to prepare.
pub async fn judge(
    options: Options,
    until: impl Future<Output = ()>,
) -> Result<Option<Value>, String> {
    let options = Arc::new(options);
    let watch = Arc::new(Watch::find(&options).await?);
    let master = watch
        .meta()
        .master()
        .cloned()
        .ok_or("there is no master aggregator")?;
    client::prepare(&options, &master).await?;
    if options.prepare_only {
        return Ok(None);
    }
    watch.refresh().await;
    let meta = watch.meta();
    let databases: Vec<(String, usize)> = options
        .databases
        .iter()
        .filter_map(|name| Some((name.clone(), meta.databases.get(name)?.partitions.len())))
        .collect();
    let (masters, children): (Vec<_>, Vec<_>) = meta.aggregators.iter().partition(|one| one.master);
    let at = |all: Vec<&crate::sim::memsql::meta::Aggregator>| -> Vec<Address> {
        all.into_iter().map(|one| one.at.clone()).collect()
    };
    let client = client::Client::new(
        Arc::clone(&options),
        (at(children), at(masters)),
        &databases,
    )?;
    let watching = tokio::spawn(watch::live(Arc::clone(&watch)));
    if let Some(path) = &options.ready_file {
        files::replace(path, b"ready\n", 0o644).map_err(|error| error.to_string())?;
    }
    let began = time::mono_ms();
    let client = client.run(until).await;
    let ended = time::mono_ms();
    watch.stop();
    watching.await.map_err(|error| error.to_string())?;
    let mut report = verdict::reach(&options, &watch, &client).await;
    if let Value::Object(report) = &mut report {
        report.insert("load_ms".to_owned(), json!(ended - began));
    }
    if let Some(path) = &options.json {
        let text = format!("{report:#}\n");
        files::replace(path, text.as_bytes(), 0o644).map_err(|error| error.to_string())?;
    }
    Ok(Some(report))
}
