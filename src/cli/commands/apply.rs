//! `stagger apply` and `stagger preflight`: a playbook on an inventory.

use super::super::args::{Apply, Pausing, Preflight, Selection};
use super::super::failure::{ExitCode, Failure};
use super::super::machine::Machine;
use super::super::memory::Memory;
use super::super::prepared::Mode;
use super::super::starting::{Request, begin};
use super::super::{background, listing, output, plan_file};

/// Applies a playbook.
pub(in crate::cli) fn run(arguments: &Apply, machine: &Machine) -> Result<ExitCode, Failure> {
    if arguments.pausing.detach && !machine.detached {
        return background::start(machine);
    }
    let machine = remembering(machine);
    let kept = plan_file::read(arguments, &machine)?;
    let arguments = kept.as_ref().map_or(arguments, |(applied, _)| applied);
    let request = Request::of(arguments);
    let prepared = request.prepare(&machine)?;
    if let Some((_, plan)) = &kept {
        plan_file::holds(plan, &prepared.plan)?;
    }
    if arguments.syntax_check {
        return Ok(ExitCode::Done);
    }
    if arguments.list_hosts || arguments.list_tasks || arguments.list_tags {
        let wanted = listing::Wanted {
            hosts: arguments.list_hosts,
            tasks: arguments.list_tasks,
            tags: arguments.list_tags,
        };
        let text = listing::text(&prepared, wanted);
        output::data(&text).map_err(|error| Failure::usage(format!("cannot print: {error}")))?;
        return Ok(ExitCode::Done);
    }
    if let Some(name) = &request.start_at {
        listing::startable(&prepared, name)?;
    }
    if prepared.playbook.plays().any(|play| play.is_protected())
        && request.reason.is_none()
        && !request.mode.check
    {
        return Err(Failure::usage(format!(
            "{} protects a cluster: say why it is applied",
            arguments.playbook
        ))
        .hint("--reason \"...\"; it goes to the journal, the report and the hosts' log"));
    }
    begin(&request, prepared, &machine)
}

/// Begins a run of its own that another one was the reason for.
pub(super) fn begins(request: &Request, machine: &Machine) -> Result<ExitCode, Failure> {
    let machine = remembering(machine);
    let prepared = request.prepare(&machine)?;
    begin(request, prepared, &machine)
}

/// Asks every host whether a run could go through: the parts tagged `preflight`, in check mode.
pub(in crate::cli) fn preflight(
    arguments: &Preflight,
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let request = Request {
        playbook: arguments.playbook.clone(),
        sources: arguments.sources.clone(),
        selection: Selection {
            tags: vec!["preflight".to_owned()],
            skip_tags: Vec::new(),
        },
        reaching: arguments.reaching.clone(),
        showing: arguments.showing.clone(),
        mode: Mode {
            check: true,
            diff: false,
            verbosity: arguments.showing.verbose,
            forks: arguments.reaching.forks,
        },
        step: false,
        approve: Vec::new(),
        reason: None,
        start_at: None,
        state: arguments.state.clone(),
        pausing: Pausing::default(),
        words: None,
    };
    let machine = remembering(machine);
    let prepared = request.prepare(&machine)?;
    begin(&request, prepared, &machine)
}

/// Returns the machine with a memory of what it is asked from here on.
fn remembering(machine: &Machine) -> Machine {
    machine.with(Memory::writing())
}
