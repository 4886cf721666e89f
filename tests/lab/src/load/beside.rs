//! Clients and oracle that run beside something else: begun, ended by a word, and asked for their report.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::clock::{self, Look};
use crate::command::{self, Command, Exit, Running};
use crate::files;

const BEGIN_LIMIT: Duration = Duration::from_mins(2);
const END_LIMIT: Duration = Duration::from_mins(5);

/// Why clients gave no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Their program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file failed.
    #[error(transparent)]
    File(#[from] files::Error),
    /// They did not begin, or ended without a verdict.
    #[error("the load {0}")]
    Load(String),
}

/// Clients at work.
#[derive(Debug)]
pub struct Beside {
    running: Running,
    directory: PathBuf,
}

impl Beside {
    /// Starts `load` in a directory, and waits until the clients are at work.
    pub fn begin(load: Command, directory: &Path) -> Result<Self, Error> {
        let load = load
            .args(["--stop-file", "stop", "--ready-file", "ready"])
            .args(["--json", "load.json"]);
        let mut running = load.start()?;
        let begun = clock::wait(BEGIN_LIMIT, || {
            if directory.join("ready").exists() {
                return Ok::<_, Error>(Look::Done(()));
            }
            Ok(match running.ended()? {
                Some(exit) => return Err(Error::Load(format!("{exit}: {}", running.said().1))),
                None => Look::NotYet("has not begun".to_owned()),
            })
        })?;
        begun.map_err(Error::Load)?;
        let directory = directory.to_owned();
        Ok(Self { running, directory })
    }

    /// Ends the clients and returns their report.
    pub fn end(mut self) -> Result<Value, Error> {
        files::write(&self.directory.join("stop"), "", 0o644)?;
        let exit = self.running.wait(END_LIMIT)?;
        // 0 and 2 are its verdicts; anything else is no verdict.
        if !matches!(exit, Exit::Code(0 | 2)) {
            let said = self.running.said().1;
            return Err(Error::Load(format!("ended with {exit}: {said}")));
        }
        let report = files::read(&self.directory.join("load.json"))?;
        serde_json::from_str(&report).map_err(|error| Error::Load(format!("reported {error}")))
    }
}
