//! A host's link made slow or lossy, by a process that hands its frames on.
//!
//! The process outlives the lab, as the host does, and ends with the fleet or when the link
//! is calmed.

use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use super::host::Host;
use crate::clock::{self, Look};
use crate::command::Command;
use crate::files;

/// How a link is disturbed, each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disturbance {
    /// How late every frame is.
    pub delay: Duration,
    /// How much later it may be, by chance; frames stay in order.
    pub jitter: Duration,
    /// How many frames of a hundred are lost, by chance.
    pub loss_percent: u8,
}

const START_LIMIT: Duration = Duration::from_secs(10);

impl Host {
    /// Disturbs the host's link, each way, until it is calmed.
    pub fn disturb_link(&self, disturbance: Disturbance) -> Result<(), Error> {
        self.calm_link()?;
        let (near, far) = self.relay_ends();
        let mut relay = Command::line("ip netns exec")
            .arg(&self.fleet)
            .arg(&self.program)
            .args(["relay", &near, &far]);
        for (name, value) in [
            ("--delay-ms", disturbance.delay.as_millis().to_string()),
            ("--jitter-ms", disturbance.jitter.as_millis().to_string()),
            ("--loss-percent", disturbance.loss_percent.to_string()),
        ] {
            relay = relay.args([name, value.as_str()]);
        }
        // `ip netns exec` becomes the program: the number is the relay's own.
        let script = "echo $$ >\"$1\"; log=$1.log; shift; exec \"$@\" </dev/null >>\"$log\" 2>&1";
        let shell = Command::line("setsid --fork sh -c")
            .args([script, "relay"])
            .arg(self.relay_file());
        relay.under(shell).run()?;
        let ready = clock::wait(START_LIMIT, || {
            let links = self.network.on_bastion().args(["ip", "-o", "link"]).run()?;
            let is_there = |name: &String| links.contains(&format!(": {name}: "));
            Ok::<_, Error>(if is_there(&near) && is_there(&far) {
                Look::Done(())
            } else {
                let said = files::read_if_there(&self.relay_file().with_extension("pid.log"))?;
                Look::NotYet(said.unwrap_or_default())
            })
        })?;
        ready.map_err(|said| Error::Host {
            host: self.name.clone(),
            said: format!("its link cannot be disturbed: {said}"),
        })?;
        self.network.lead_through(self.port(), &near, &far)
    }

    /// Ends what disturbs the host's link, if anything does.
    pub fn calm_link(&self) -> Result<(), Error> {
        let Some(pid) = files::read_if_there(&self.relay_file())? else {
            return Ok(());
        };
        self.network.lead_straight(self.port())?;
        // It may have been ended by somebody else.
        let _gone = Command::line("kill").arg(pid.trim()).output()?;
        files::remove(&self.relay_file())?;
        let (near, _) = self.relay_ends();
        let gone = clock::wait(START_LIMIT, || {
            let links = self.network.on_bastion().args(["ip", "-o", "link"]).run()?;
            Ok::<_, Error>(if links.contains(&format!(": {near}: ")) {
                Look::NotYet(links)
            } else {
                Look::Done(())
            })
        })?;
        gone.map_err(|left| Error::NotGone {
            what: format!("what disturbs {}'s link", self.name),
            left,
        })
    }

    fn relay_file(&self) -> PathBuf {
        self.directory.join("relay.pid")
    }

    fn relay_ends(&self) -> (String, String) {
        (format!("near{}", self.index), format!("far{}", self.index))
    }
}
