//! What every demonstration does on the bastion, whatever cluster it is of: the operator's files, the clients, the one
//! command, and names in the report.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{APPLY_LOG, Change, Error};
use crate::clock::{self, Look};
use crate::command::{Command, Exit, Running};
use crate::files;
use crate::fleet::{Fleet, Host};

const LOAD_BEGIN_LIMIT: Duration = Duration::from_mins(2);
const LOAD_END_LIMIT: Duration = Duration::from_mins(5);

/// The bastion, and who types there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) fleet: &'a Fleet,
    /// Whether what the product says goes to the terminal.
    pub(super) shows: bool,
}

impl Stage<'_> {
    /// Returns where a file of the operator's is.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.fleet.bastion().home().join(name)
    }

    /// Writes a role's files out, and makes the operator's changes in them.
    pub(super) fn change(&self, role: &str, changes: &[Change]) -> Result<(), Error> {
        if !changes.is_empty() {
            let init = Command::line("stagger init").arg(role);
            self.fleet.bastion().command(init).run()?;
        }
        for change in changes {
            change.make(&self.file(change.file))?;
        }
        Ok(())
    }

    /// Starts clients, and waits until their load has begun.
    pub(super) fn begin_load(&self, load: Command) -> Result<Running, Error> {
        let load = load.args(["--stop-file", "stop"]).args([
            "--ready-file",
            "ready",
            "--json",
            "load.json",
        ]);
        let mut running = self.fleet.bastion().command(load).start()?;
        let begun = clock::wait(LOAD_BEGIN_LIMIT, || {
            if self.file("ready").exists() {
                return Ok::<_, Error>(Look::Done(()));
            }
            Ok(match running.ended()? {
                Some(exit) => return Err(Error::Load(format!("{exit}: {}", running.said().1))),
                None => Look::NotYet("has not begun".to_owned()),
            })
        })?;
        begun.map_err(Error::Load)?;
        Ok(running)
    }

    /// Ends the clients and returns their report.
    pub(super) fn end_load(&self, load: &mut Running) -> Result<Value, Error> {
        files::write(&self.file("stop"), "", 0o644)?;
        let exit = load.wait(LOAD_END_LIMIT)?;
        // 0 and 2 are its verdicts; anything else is no verdict.
        if !matches!(exit, Exit::Code(0 | 2)) {
            return Err(Error::Load(format!("ended with {exit}: {}", load.said().1)));
        }
        let report = files::read(&self.file("load.json"))?;
        serde_json::from_str(&report).map_err(|error| Error::Load(format!("reported {error}")))
    }

    /// Types the one command: a playbook, points of no return that are approved, variables.
    pub(super) fn apply(
        &self,
        playbook: &str,
        approvals: &[String],
        variables: Vec<String>,
    ) -> Result<(Exit, Duration), Error> {
        let approvals = approvals.iter();
        let approvals = approvals.flat_map(|name| ["--approve".to_owned(), name.clone()]);
        let variables = variables
            .into_iter()
            .flat_map(|pair| ["-e".to_owned(), pair]);
        let apply = Command::new("stagger")
            .args(["apply", playbook, "-i", "inventory.yml"])
            .args(["--reason", "a demonstration", "--state", "state"])
            .args(["--events", "events.ndjson"])
            .args(approvals)
            .args(variables);
        let apply = self.fleet.bastion().command(apply);
        let begin = clock::now();
        let exit = if self.shows {
            apply.on_terminal()?
        } else {
            let output = apply.within(Duration::from_hours(1)).output()?;
            let said = format!("{}\n{}", output.out, output.err);
            files::write(&self.file(APPLY_LOG), said, 0o644)?;
            output.exit
        };
        Ok((exit, begin.elapsed()))
    }
}

/// Puts the hosts' names where the load knows their addresses.
pub(super) fn name_hosts(report: &mut Value, hosts: &[&Host]) {
    let servers = report.get_mut("servers").and_then(Value::as_array_mut);
    for server in servers.into_iter().flatten() {
        let address = server.get("host").cloned();
        let mut hosts = hosts.iter();
        let host = hosts.find(|host| Some(json!(host.address())) == address);
        if let (Some(host), Some(server)) = (host, server.as_object_mut()) {
            server.insert("host".to_owned(), json!(host.name()));
        }
    }
}
