//! Simulated programs that belong to a process: they end with it, however it ends, and take their cluster's files with them.
//!
//! Only those of a cluster on loopback do: a host's are ended with their host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;
use crate::fleet::Owner;

/// The variable of the environment that names the owner.
const OWNER: &str = "LAB_OWNER";
/// The variable that names the directory of the cluster.
const DIRECTORY: &str = "LAB_OWNED";

/// How often a program looks whether its owner is there.
const EVERY: Duration = Duration::from_secs(1);
/// How long the others of the cluster may take to see it too, before files are taken from under them.
const OTHERS: Duration = Duration::from_secs(2);

/// Returns the variables that make a program this process's own.
pub fn by_this_process(
    directory: &Path,
) -> Result<[(&'static str, String); 2], crate::files::Error> {
    let owner = serde_json::to_string(&Owner::here(false)?).unwrap_or_default();
    Ok([(OWNER, owner), (DIRECTORY, directory.display().to_string())])
}

/// Ends this process when its owner is gone; does nothing where it has none.
#[expect(
    clippy::disallowed_methods,
    reason = "it is told by its environment, and ends wherever it is"
)]
#[expect(
    clippy::exit,
    reason = "nobody is left to whom a code could be returned"
)]
pub(super) fn end_with_owner() {
    let text = std::env::var(OWNER).unwrap_or_default();
    let Ok(owner) = serde_json::from_str::<Owner>(&text) else {
        return;
    };
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from);
    std::thread::spawn(move || {
        while !matches!(owner.is_alive(), Ok(false)) {
            clock::pause(EVERY);
        }
        clock::pause(OTHERS);
        if let Some(directory) = directory {
            // Another one of the cluster may be at it.
            std::fs::remove_dir_all(directory).ok();
        }
        std::process::exit(1);
    });
}
