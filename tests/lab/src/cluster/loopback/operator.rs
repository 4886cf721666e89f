//! What the operator of a cluster on loopback has and types.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, Loopback, NEW, PASSWORD};
use crate::command::Command;
use crate::files;

/// Variables that shorten waits to what scaled servers need, also on a machine that is busy; a case in which one has to run
/// out has its own, shorter one.
pub const WAITS: &str = r#"{"memsql_poll": 0.3, "memsql_second_look": 0.3, "memsql_hold_wait": 1, "memsql_gate_timeout": 30, "memsql_caught_up_timeout": 30,
    "memsql_settle_timeout": 30, "memsql_attach_timeout": 30, "memsql_start_timeout": 30, "memsql_stop_timeout": 30,
    "memsql_upgrade_timeout": 60, "memsql_detach_timeout": 30, "memsql_restore_timeout": 60}"#;

impl Loopback {
    pub(super) fn inventory(&self) -> String {
        let hosts: Vec<String> = (self.machines.iter().enumerate())
            .map(|(number, machine)| {
                let (address, root) = (&machine.address, machine.root.display());
                let number = number + 1;
                format!(
                    "        m{number}: {{ ansible_host: \"{address}\", memsql_addresses: [db{number}.example, db{number}.lab], \
                     memsql_data_dir: {root}/var/lib/memsql }}\n"
                )
            })
            .collect();
        let [primary, _] = &self.machines;
        let root = primary.root.display();
        format!(
            "all:\n  vars:\n    ansible_connection: local\n    ansible_become: false\n  children:\n    memsql:\n      hosts:\n{}      vars:\n        memsql_version: \"{NEW}\"\n        \
             memsql_password: {PASSWORD}\n        memsql_backup: none\n        memsql_ops_program: {root}/memsql-ops\n        \
             memsql_lock_dir: {root}/lock/memsql\n    memsql_ops:\n      hosts:\n        m1:\n",
            hosts.concat()
        )
    }

    /// Says where a file of the operator's is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Says where the lab's own program is.
    pub fn lab(&self) -> &Path {
        &self.programs.lab
    }

    /// Says where the lock is.
    pub fn lock(&self) -> PathBuf {
        let [primary, _] = &self.machines;
        primary.root.join("lock/memsql")
    }

    /// Returns the notes of what is owed that lie on the hosts.
    pub fn notes(&self) -> Result<Vec<String>, Error> {
        let user = rustix::process::geteuid().as_raw().to_string();
        let owed = self.file("hosts").join(user).join("owed");
        Ok(files::names(&owed)?)
    }

    /// Makes the command that a person types, in his directory.
    pub fn command(&self, line: &str) -> Command {
        Command::new(&self.programs.stagger)
            .args(line.split_whitespace())
            .directory(&self.home)
            .env("HOME", &self.home)
            // All clusters are on this one machine: each has its own place for its hosts' jobs and notes.
            .env("STAGGER_HOST_STATE", self.file("hosts"))
            .within(Duration::from_mins(5))
    }

    /// Returns the hooks of a load balancer that is a file.
    pub fn balancer(&self) -> Value {
        let drained = self.file("drained");
        let drained = drained.display();
        json!({
            "memsql_drain": format!("echo {{{{ (memsql_aggregator | default({{}})).address | default('') }}}} >>{drained}"),
            "memsql_undrain": format!(": >{drained}"),
        })
    }

    /// Upgrades as a person would, with shortened waits, more variables as JSON, and more arguments.
    pub fn upgrading(&self, variables: &Value, more: &str) -> Command {
        self.command(
            "apply roles/memsql/upgrade.yml -i inventory.yml --reason trying --state state",
        )
        .args(more.split_whitespace())
        .args([
            "-e",
            WAITS,
            "-e",
            &self.balancer().to_string(),
            "-e",
            &variables.to_string(),
        ])
    }

    /// Goes on with the last run, as a person would, with more arguments.
    pub fn resuming(&self, more: &str) -> Command {
        self.command("resume --state state --approve second-group")
            .args(more.split_whitespace())
    }
}
