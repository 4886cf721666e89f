//! `stagger resume` and `stagger recover`: a run that stopped goes on, or puts back what it left switched off.

use super::super::args::{InDoubt, Recover, Resume};
use super::super::background;
use super::super::failure::{ExitCode, Failure};
use super::super::machine::Machine;
use super::super::starting::{GoingOn, Reopened};
use super::from_hosts;
use crate::rollout;

/// Goes on with a run.
pub(in crate::cli) fn run(arguments: &Resume, machine: &Machine) -> Result<ExitCode, Failure> {
    if arguments.pausing.detach && !machine.detached {
        return background::start(machine);
    }
    let mut reopened = Reopened::open(&arguments.again, arguments.accept_changes, machine)?;
    let request = &mut reopened.request;
    request.approve.extend(arguments.approve.clone());
    let earlier = std::mem::take(&mut request.pausing.skip);
    request.pausing = arguments.pausing.clone();
    request.pausing.skip.extend(earlier);
    let how = GoingOn {
        in_doubt: match arguments.in_doubt {
            Some(InDoubt::Rerun) => Some(rollout::InDoubt::Rerun),
            Some(InDoubt::Skip) => Some(rollout::InDoubt::Skip),
            Some(InDoubt::Abort) | None => None,
        },
        accept_changes: arguments.accept_changes,
        recovers: false,
        reason: arguments.reason.clone(),
        forgive: Vec::new(),
    };
    reopened.go_on(how, machine)
}

/// Puts back what a run owes.
pub(in crate::cli) fn recover(arguments: &Recover, machine: &Machine) -> Result<ExitCode, Failure> {
    if arguments.hosts.from_hosts {
        return from_hosts::recover(machine);
    }
    let reopened = Reopened::open(&arguments.again, false, machine)?;
    if let Some(host) = &arguments.upgrade_stranded {
        let request = reopened.upgrades_stranded(host, &arguments.again)?;
        return super::apply::begins(&request, machine);
    }
    let how = GoingOn {
        in_doubt: None,
        accept_changes: false,
        recovers: true,
        reason: arguments.reason.clone(),
        forgive: arguments.forgive.clone(),
    };
    reopened.go_on(how, machine)
}
