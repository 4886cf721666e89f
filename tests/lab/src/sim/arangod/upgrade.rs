//! The version check of a start, and the upgrade of a data directory.
//!
//! An upgrade opens no port and asks no other server, whatever the role; only a coordinator from 3.5 on upgrades with
//! the cluster, and does not look at the version of its directory.

use std::time::Duration;

use serde_json::json;

use super::data::{DataError, Fit, TASKS};

use super::server::{Role, Server};
use crate::sim::switches::Outcome;

/// What a start may do after the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Start,
    /// It ends with this exit code.
    Exit(u8),
}

/// Tells whether this server has nothing of its own to upgrade: a coordinator from 3.5 on.
pub fn is_of_the_cluster(server: &Server) -> bool {
    server.role == Role::Coordinator && server.version.at_least(3, 5, 0)
}

/// Checks the directory's version for an ordinary start.
pub fn check(server: &Server) -> Result<Verdict, DataError> {
    let data = &server.data;
    Ok(match data.fit(&server.version)? {
        Fit::Same => Verdict::Start,
        Fit::Older(_) if is_of_the_cluster(server) => Verdict::Start,
        Fit::Fresh => {
            data.initialize(&server.version)?;
            Verdict::Start
        }
        Fit::Older(held) => {
            refuse_older(server, held);
            Verdict::Exit(server.live.now().old_directory_exit)
        }
        Fit::Newer(held) => {
            let current = server.version.number();
            server.log.error(&format!(
                "{{startup}} Database directory version ({held}) is higher than current version ({current})."
            ));
            server.log.error(
                "{startup} It seems like you are running ArangoDB on a database directory that was created with a newer version of ArangoDB. Maybe this is what you wanted but it is not supported by ArangoDB.",
            );
            fail_upgrade(server);
            Verdict::Exit(1)
        }
    })
}

/// Only checks, as `--database.check-version` does.
pub fn check_only(server: &Server) -> Result<Verdict, DataError> {
    Ok(Verdict::Exit(match server.data.fit(&server.version)? {
        Fit::Fresh | Fit::Same => 0,
        Fit::Older(_) => 11,
        Fit::Newer(_) => 12,
    }))
}

fn refuse_older(server: &Server, held: u32) {
    let current = server.version.number();
    let log = &server.log;
    log.error(&format!(
        "{{startup}} Database directory version ({held}) is lower than current version ({current})."
    ));
    log.error("{startup} ----------------------------------------------------------------------");
    log.error("{startup} It seems like you have upgraded the ArangoDB binary.");
    log.error("{startup} If this is what you wanted to do, please restart with the");
    log.error("{startup}   --database.auto-upgrade true");
    log.error("{startup} option to upgrade the data in the database directory.");
    log.error("{startup} ----------------------------------------------------------------------");
    log.error(
        "{startup} Database '_system' needs upgrade. Please start the server with --database.auto-upgrade",
    );
    fail_upgrade(server);
}

fn fail_upgrade(server: &Server) {
    server.log.fatal(
        "{startup} Database '_system' upgrade failed (bad parameter). Please inspect the logs from the upgrade procedure and try starting the server again.",
    );
}

/// Upgrades the directory and returns the exit code; `stopped` ends when a signal says so.
pub async fn run(server: &Server, stopped: impl Future<Output = ()>) -> Result<u8, DataError> {
    let from = server.data.fit(&server.version)?;
    let detail = json!({"from": format!("{from:?}"), "to": server.version.number()});
    server.count("auto-upgrade-begin", &detail);
    server
        .log
        .info("executing upgrade procedure: disabling server features");
    let code = tokio::select! {
        code = work(server, from) => code?,
        () = stopped => {
            server.log.info("{startup} received signal, upgrade aborted");
            1
        }
    };
    server.count("auto-upgrade-end", &json!({"exit": code}));
    Ok(code)
}

async fn work(server: &Server, from: Fit) -> Result<u8, DataError> {
    let switches = server.live.now();
    if let Fit::Newer(_) = from {
        fail_upgrade(server);
        return Ok(1);
    }
    if from == Fit::Fresh {
        server.data.initialize(&server.version)?;
    }
    let databases = server.data.version_files()?;
    let steps = u32::try_from(TASKS.len() * databases.len().max(1)).unwrap_or(1);
    let pause: Duration = switches.timer(switches.upgrade_ms) / steps;
    for (done, task) in (0..TASKS.len()).enumerate() {
        for file in &databases {
            tokio::time::sleep(pause).await;
            match switches.upgrade_outcome {
                Outcome::Ok => server.data.upgrade_task(file, task, &server.version)?,
                Outcome::Lie => {}
                Outcome::Hang if done > 0 => std::future::pending::<()>().await,
                Outcome::Fail if done > 0 => {
                    let name = TASKS.get(task).copied().unwrap_or_default();
                    server.log.error(&format!(
                        "{{startup}} Executing {name} (upgrade task) failed with error: out of memory"
                    ));
                    fail_upgrade(server);
                    return Ok(1);
                }
                Outcome::Hang | Outcome::Fail => {
                    server.data.upgrade_task(file, task, &server.version)?;
                }
            }
        }
    }
    server.log.info("database upgrade passed");
    server.log.info(
        "{startup} server will now shut down due to upgrade, database initialization or admin restoration.",
    );
    Ok(0)
}
