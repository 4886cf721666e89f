//! What every demonstration does on the bastion, whatever cluster it is of: the operator's files, the clients, the one
//! command, and names in the report.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{APPLY_LOG, Change, Error};
use crate::clock;
use crate::command::{Command, Exit};
use crate::files;
use crate::fleet::{Fleet, Host};
use crate::load::beside::Beside;

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
    pub(super) fn begin_load(&self, load: Command) -> Result<Beside, Error> {
        let bastion = self.fleet.bastion();
        Ok(Beside::begin(bastion.command(load), bastion.home())?)
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
