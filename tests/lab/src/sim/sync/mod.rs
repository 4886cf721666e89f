//! `arangosync`: replication between two clusters.
//!
//! - [`server`]: `run master` and `run worker`, as processes with a port each;
//! - [`state`]: what a cluster knows of its replications, kept in the cluster itself, so that
//!   every master of it tells the same;
//! - [`tool`]: `configure sync`, `stop sync`, `abort sync`, `get status`, `check sync`.
//!
//! No document is copied: what an upgrade can see of a replication is whether it runs, that
//! stopping it makes the source read-only for a while, and that its processes come and go.

pub mod options;
pub mod server;
pub mod state;
pub mod tool;

use options::Options;

use super::effects::eprint_line;

/// Runs `arangosync` with the arguments after its name; returns its exit code.
pub fn main(_program: &str, args: &[String]) -> u8 {
    let (words, options) = match Options::parse(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprint_line(&format!("Error: {error}"));
            return 1;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprint_line(&format!("cannot start: {error}"));
            return 1;
        }
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    runtime.block_on(async {
        match words.as_slice() {
            ["run", "master"] => server::run("syncmaster", options).await,
            ["run", "worker"] => server::run("syncworker", options).await,
            ["version"] => tool::version(),
            ["configure", "sync"] => tool::configure(&options).await,
            ["stop", "sync"] => tool::stop(&options).await,
            ["abort", "sync"] => tool::abort(&options).await,
            ["get", "status"] => tool::status(&options).await,
            ["check", "sync"] => tool::check(&options).await,
            other => {
                eprint_line(&format!(
                    "Error: unknown command {other:?} for \"arangosync\""
                ));
                1
            }
        }
    })
}
