//! What runs left whose records are not here: the hosts are asked, and what they say is owed is put back.
//!
//! It is a run of its own, with records here. What it cannot put back either stays noted on the hosts, which alone count:
//! the same can be typed again, here or elsewhere.

use std::sync::Arc;

use super::records::records_directory;
use super::{Ready, Request, ready, started};
use crate::cli::failure::{ExitCode, Failure};
use crate::cli::machine::Machine;
use crate::cli::memory::Memory;
use crate::cli::prepared::Prepared;
use crate::cli::{interrupt, output, owing, surveying};
use crate::clock::Stop;
use crate::journal::Header;
use crate::plan::TagSelection;
use crate::rollout::{Connector, FromHosts, OnHosts, Previously, Rollout, Settings, Survey};

use super::handing::{engine_settings, machine_name, outline};

/// Asks the hosts of a playbook what runs left there.
pub(in crate::cli) fn ask_hosts(request: &Request, machine: &Machine) -> Result<OnHosts, Failure> {
    let machine = machine.with(Memory::writing());
    let prepared = request.prepare(&machine)?;
    let ready = ready(request, &prepared, &machine)?;
    told(request, &prepared, &ready, &machine)
}

/// Asks them, shows what they say, and puts it back, if a reason was given.
pub(in crate::cli) fn put_back(request: &Request, machine: &Machine) -> Result<ExitCode, Failure> {
    let machine = machine.with(Memory::writing());
    let prepared = request.prepare(&machine)?;
    let ready = ready(request, &prepared, &machine)?;
    let told = told(request, &prepared, &ready, &machine)?;
    output::message(&owing::text(&told));
    if !told.gathered.refused.is_empty() {
        return Err(Failure::new(
            ExitCode::Owed,
            "nothing was put back: not all notes can be relied on",
        )
        .hint("what to do by hand stands at each of them"));
    }
    if told.owes_nothing() {
        return Ok(if told.silent.is_empty() {
            ExitCode::Done
        } else {
            ExitCode::Unreachable
        });
    }
    if request.reason.is_none() {
        return Err(Failure::new(
            ExitCode::Owed,
            "nothing was put back yet: say why this machine does it in place of the one named above",
        )
        .hint(
            "if that run is certainly gone: --reason \"...\"; where its records are, `stagger recover` knows more",
        ));
    }
    let kept = records_directory(request.state.as_deref(), &machine);
    if let Some(debt) = told.gathered.debts.iter().find(|debt| {
        let run = kept.join("runs").join(&debt.note.run);
        run.join("journal").exists()
    }) {
        let run = &debt.note.run;
        return Err(Failure::usage(format!(
            "the records of run {run} are here, in {}: they know more than its notes",
            kept.display()
        ))
        .hint(format!("stagger recover {run}")));
    }
    let previously: Arc<dyn Previously> = Arc::new(FromHosts::of(&told));
    learns(request, &prepared, &ready, &machine)?;
    let code = started(request, prepared, ready, (previously, true), &machine)?;
    if code == ExitCode::Owed {
        output::message("what is still owed stays noted on the hosts: type the same again\n");
    }
    Ok(if code == ExitCode::Done && !told.silent.is_empty() {
        ExitCode::Unreachable
    } else {
        code
    })
}

/// Lets the playbook's tasks tagged `preflight` read what the lost run had read there: what puts things back may need it.
fn learns(
    request: &Request,
    prepared: &Prepared,
    ready: &Ready,
    machine: &Machine,
) -> Result<(), Failure> {
    let (rollout, watching) = asking(request, prepared, ready, machine)?;
    let tags = TagSelection::new(["preflight".to_owned()], []);
    let rollout = Rollout {
        settings: Settings {
            tags,
            ..rollout.settings
        },
        ..rollout
    };
    let wanted = Survey {
        live: true,
        commands: false,
    };
    // What it could not read is told where it is needed.
    drop(rollout.survey(wanted, Vec::new()));
    drop(watching);
    Ok(())
}

fn told(
    request: &Request,
    prepared: &Prepared,
    ready: &Ready,
    machine: &Machine,
) -> Result<OnHosts, Failure> {
    let (rollout, watching) = asking(request, prepared, ready, machine)?;
    let told = rollout.told_by_hosts();
    drop(watching);
    Ok(told)
}

/// Makes a run that only asks hosts, and what hears the operator meanwhile.
fn asking(
    request: &Request,
    prepared: &Prepared,
    ready: &Ready,
    machine: &Machine,
) -> Result<(Rollout, interrupt::Watching), Failure> {
    let stop = Stop::new();
    let watching = interrupt::watch(&stop)?;
    let connector: Arc<dyn Connector> =
        Arc::<crate::cli::sessions::MachineConnector>::clone(&ready.connector);
    let masker = ready.hidden.masker.clone();
    let rollout = Rollout {
        header: Header {
            run: "from-hosts".to_owned(),
            playbook: request.playbook.clone(),
            machine: machine_name(),
            check: true,
            ..Header::default()
        },
        settings: Settings {
            pauses: ready.pauses.clone(),
            ..engine_settings(request, prepared, ready.asked.become_password.clone())
        },
        outside: surveying::outside(request, prepared, (connector, stop), masker, machine),
        outline: outline(prepared),
        playbook: Arc::clone(&prepared.playbook),
        answers: ready.asked.answers.clone(),
    };
    Ok((rollout, watching))
}
