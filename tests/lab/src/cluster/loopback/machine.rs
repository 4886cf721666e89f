//! One of the hosts of a cluster on loopback: a directory, an address, and the agent of Ops.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Error, Host, PASSWORD, not_up, usual};
use crate::command::{Command, Running};
use crate::files;
use crate::sim::owned;

/// One of the two hosts.
#[derive(Debug)]
pub struct Machine {
    /// The directory that its servers take for `/`.
    pub root: PathBuf,
    /// Its address.
    pub address: String,
    owned: [(&'static str, String); 2],
    /// What the cluster calls it: its address, or a name.
    pub host: String,
    agent: Option<Running>,
}

impl Machine {
    /// Makes a host's files and starts its agent.
    pub(super) fn start(
        directory: &Path,
        hosts: &[Host; 2],
        number: usize,
        lab: &Path,
    ) -> Result<Self, Error> {
        let root = directory.join(format!("m{}", number + 1));
        let [first, second] = hosts;
        let Host { address, called } = if number == 0 { first } else { second };
        let settings = json!({"host": called, "primary": first.called, "agents": [first.called, second.called],
            "password": PASSWORD});
        let put = |place: &str, text: String| files::write(&root.join(place), text, 0o755);
        put("etc/memsql-ops/settings.json", settings.to_string())?;
        let names = hosts
            .iter()
            .map(|host| format!("{} {}\n", host.address, host.called));
        put("etc/hosts", names.collect())?;
        put("etc/lab/memsql.json", Value::Object(usual()).to_string())?;
        let program = root.join("usr/bin/memsql-ops");
        files::make_directory(&root.join("usr/bin"))?;
        std::os::unix::fs::symlink(lab, &program).map_err(not_up)?;
        let (lab_root, program) = (root.display(), program.display());
        put(
            "memsql-ops",
            format!("#!/bin/sh\nLAB_ROOT={lab_root} exec {program} \"$@\"\n"),
        )?;
        let mut machine = Self {
            address: address.clone(),
            owned: owned::by_this_process(directory)?,
            host: called.clone(),
            agent: None,
            root,
        };
        machine.serve()?;
        Ok(machine)
    }

    /// Starts the agent.
    fn serve(&mut self) -> Result<(), Error> {
        // By the shell: a script that was just written may still be open in a process that another thread is starting.
        let script = self.root.join("memsql-ops");
        let agent = Command::new("sh").arg(script).arg("agent-run");
        // Its servers have its environment, and end like it should this process be killed.
        let own = self.owned.iter();
        let agent = own.fold(agent, |agent, (name, value)| agent.env(name, value));
        self.agent = Some(agent.start()?);
        Ok(())
    }

    /// Ends the agent; its servers go on.
    pub(super) fn lose_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.signal(Signal::KILL);
        }
    }

    /// Ends all that runs on the host.
    pub(super) fn end(&mut self) {
        self.lose_agent();
        for (_, pid) in self.servers() {
            // It may have ended meanwhile.
            kill_process(pid, Signal::KILL).ok();
        }
    }

    /// Returns the servers that run: the directory and the process of each.
    pub fn servers(&self) -> Vec<(PathBuf, Pid)> {
        let place = self.root.join("var/lib/memsql");
        let names = files::names(&place).unwrap_or_default();
        let servers = names.into_iter().filter_map(|name| {
            let directory = place.join(name);
            let pid = files::read_if_there(&directory.join("memsqld.pid")).ok()??;
            let pid = Pid::from_raw(pid.trim().parse().ok()?)?;
            let line = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
            let line = files::read_bytes(Path::new(&line)).ok()?;
            let is_it = String::from_utf8_lossy(&line).contains(&directory.display().to_string());
            is_it.then_some((directory, pid))
        });
        servers.collect()
    }

    /// Returns what the servers and Ops of this host have counted.
    pub fn effects(&self) -> Result<Vec<Value>, Error> {
        let text = files::read_if_there(&self.root.join("var/lib/lab/effects.log"))?;
        let text = text.unwrap_or_default();
        let lines = text.lines();
        Ok(lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }
}
