//! `stagger apply` and `stagger preflight`: a playbook on an inventory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Map;

use super::super::args::{Apply, Preflight, Reaching, Selection, Showing, Sources};
use super::super::asking::{Terminal, password};
use super::super::failure::{ExitCode, Failure};
use super::super::lines::{Lines, Wanted};
use super::super::machine::{Machine, MachineDesk};
use super::super::prepared::{Mode, Prepared, prepare};
use super::super::progress::LiveView;
use super::super::sessions::MachineConnector;
use super::super::{interrupt, output};
use crate::clock::{Clock, Stop, Timestamp};
use crate::events::{NdjsonSink, PlayOutline, Sink};
use crate::journal::{
    Frozen, Header, Journal, JournalError, Sealer, StateDirectory, content_digest,
};
use crate::modules;
use crate::playbook::Files as _;
use crate::rollout::{BecomeDefaults, NothingBefore, Outside, Rollout, Settings, Templaters as _};
use crate::secrets::{Masker, Secret};

/// What is asked for, whichever command asks.
#[derive(Debug)]
struct Request<'a> {
    playbook: &'a str,
    sources: &'a Sources,
    selection: Selection,
    reaching: &'a Reaching,
    showing: &'a Showing,
    mode: Mode,
    step: bool,
    approve: Vec<String>,
    reason: Option<String>,
    state: Option<PathBuf>,
}

/// Applies a playbook.
pub(in crate::cli) fn run(arguments: &Apply, machine: &Machine) -> Result<ExitCode, Failure> {
    let request = Request {
        playbook: &arguments.playbook,
        sources: &arguments.sources,
        selection: arguments.selection.clone(),
        reaching: &arguments.reaching,
        showing: &arguments.showing,
        mode: Mode {
            check: arguments.check,
            diff: arguments.diff,
            verbosity: arguments.showing.verbose,
            forks: arguments.reaching.forks,
        },
        step: arguments.step,
        approve: arguments.approve.clone(),
        reason: arguments.reason.clone(),
        state: arguments.state.clone(),
    };
    if arguments.start_at_task.is_some() {
        return Err(
            Failure::usage("`--start-at-task` is not supported by this version").hint(
                "a run that is started again goes on from what it observes; `--tags` chooses tasks",
            ),
        );
    }
    let prepared = load(&request, machine)?;
    if arguments.syntax_check {
        return Ok(ExitCode::Done);
    }
    if arguments.list_hosts || arguments.list_tasks || arguments.list_tags {
        let text = prepared.plan.text();
        output::data(&text).map_err(|error| Failure::usage(format!("cannot print: {error}")))?;
        return Ok(ExitCode::Done);
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
    start(&request, prepared, machine)
}

/// Asks every host whether a run could go through: the parts tagged `preflight`, in check mode.
pub(in crate::cli) fn preflight(
    arguments: &Preflight,
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let request = Request {
        playbook: &arguments.playbook,
        sources: &arguments.sources,
        selection: Selection {
            tags: vec!["preflight".to_owned()],
            skip_tags: Vec::new(),
        },
        reaching: &arguments.reaching,
        showing: &arguments.showing,
        mode: Mode {
            check: true,
            diff: false,
            verbosity: arguments.showing.verbose,
            forks: arguments.reaching.forks,
        },
        step: false,
        approve: Vec::new(),
        reason: None,
        state: arguments.state.clone(),
    };
    let prepared = load(&request, machine)?;
    start(&request, prepared, machine)
}

fn load(request: &Request<'_>, machine: &Machine) -> Result<Prepared, Failure> {
    prepare(
        request.playbook,
        request.sources,
        &request.selection,
        request.mode,
        machine,
    )
}

fn start(
    request: &Request<'_>,
    prepared: Prepared,
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let masker = Masker::new();
    let login = asked(request.reaching.ask_pass, "Login password:", &masker)?;
    let become_password = asked(
        request.reaching.ask_become_pass,
        "Password to become another user:",
        &masker,
    )?;
    let header = header(request, &prepared, machine);
    let kept = state_directory(request, machine);
    let directory = StateDirectory::prepare(&kept).map_err(|error| state(&error))?;
    let (lock, mut journal) = directory
        .create(&header.run, &header.operator)
        .map_err(|error| state(&error))?;
    for source in &prepared.playbook.sources {
        journal
            .keep(source.text.as_bytes())
            .map_err(|error| state(&error))?;
    }
    let sinks = sinks(request, machine)?;
    let stop = Stop::new();
    let watching = interrupt::watch(&stop)?;
    let clock: Arc<dyn Clock> = Arc::<crate::clock::SystemClock>::clone(&prepared.clock);
    let connector = MachineConnector::new(
        machine,
        prepared.templaters.searching(&[]),
        request.reaching,
        login,
    );
    let outside = Outside {
        clock,
        stop,
        connector: Arc::new(connector),
        asker: Arc::new(Terminal::new()),
        desk: Arc::new(MachineDesk::new(machine, request.sources)),
        world: Arc::clone(&prepared.world),
        templaters: Arc::<super::super::prepared::MachineTemplaters>::clone(&prepared.templaters),
        loader: Arc::clone(&prepared.loader),
        modules: modules::find,
        seal: Arc::new(Sealer::new(masker.clone())),
        masker,
        previously: Arc::new(NothingBefore),
    };
    let settings = settings(request, &prepared, become_password);
    let run = header.run.clone();
    let rollout = Rollout {
        header,
        settings,
        outside,
        outline: outline(&prepared),
        playbook: prepared.playbook,
        answers: Map::new(),
    };
    let ended = rollout.run(Box::new(journal), sinks);
    drop(watching);
    drop(lock);
    output::message(&format!(
        "run {run}: its records are in {}\n",
        kept.display()
    ));
    Ok(ExitCode::from_number(ended.exit_code))
}

/// Asks for a password, if it is wanted.
fn asked(wanted: bool, prompt: &str, masker: &Masker) -> Result<Option<Secret>, Failure> {
    if !wanted {
        return Ok(None);
    }
    let secret = password(prompt).ok_or_else(|| {
        Failure::usage("a password is to be typed, and there is no terminal")
            .hint("set ansible_password or ansible_become_password instead")
    })?;
    masker.add(&secret);
    Ok(Some(secret))
}

fn settings(
    request: &Request<'_>,
    prepared: &Prepared,
    become_password: Option<Secret>,
) -> Settings {
    let reaching = request.reaching;
    Settings {
        forks: reaching.forks.max(1),
        check: request.mode.check,
        diff: request.mode.diff,
        step: request.step,
        tags: prepared.tags.clone(),
        limit: prepared.limit.clone(),
        approved: request.approve.clone(),
        r#become: BecomeDefaults {
            wanted: reaching.become_user_wanted,
            user: reaching.become_user.clone(),
            method: reaching.become_method.clone(),
            password: become_password,
        },
        ..Settings::default()
    }
}

fn outline(prepared: &Prepared) -> Vec<PlayOutline> {
    let play = |play: &&crate::plan::PlannedPlay| PlayOutline {
        id: play.id.as_str().to_owned(),
        name: play.title.clone(),
        batches: play
            .batches()
            .map(|batch| batch.iter().map(ToString::to_string).collect())
            .collect(),
    };
    prepared.plan.plays().iter().map(play).collect()
}

fn header(request: &Request<'_>, prepared: &Prepared, machine: &Machine) -> Header {
    let sources = prepared.playbook.sources.iter();
    let frozen = sources.map(|source| Frozen {
        name: source.name.clone(),
        digest: content_digest(source.text.as_bytes()),
    });
    let user = machine
        .environment
        .get("USER")
        .or_else(|| machine.environment.get("LOGNAME"));
    let bastion = machine
        .read("/proc/sys/kernel/hostname")
        .unwrap_or_default();
    let inventory = prepared
        .world
        .inventory()
        .to_list_json(None, &prepared.world.inventory().hosts());
    Header {
        run: run_id(prepared.clock.now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        playbook: request.playbook.to_owned(),
        plan_digest: prepared.plan.digest.clone(),
        inventory_digest: content_digest(inventory.to_string().as_bytes()),
        frozen: frozen.collect(),
        args: Vec::new(),
        reason: request.reason.clone(),
        operator: user.unwrap_or("root").to_owned(),
        bastion: String::from_utf8_lossy(&bastion).trim().to_owned(),
        check: request.mode.check,
    }
}

/// Names a run by its time and some chance: sorted by time, unique on this machine.
fn run_id(now: Timestamp) -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let chance = std::hash::RandomState::new().build_hasher().finish();
    format!("{}-{:04x}", now.strftime("%Y%m%d-%H%M%S"), chance & 0xffff)
}

/// Returns where runs are kept: as asked, `/var/lib/stagger` for root, else below the home directory.
fn state_directory(request: &Request<'_>, machine: &Machine) -> PathBuf {
    if let Some(directory) = &request.state {
        return directory.clone();
    }
    let root = rustix::process::geteuid().is_root();
    match machine.environment.home() {
        Some(home) if !root => home.join(".local/state/stagger"),
        _ => PathBuf::from("/var/lib/stagger"),
    }
}

fn state(error: &JournalError) -> Failure {
    Failure::usage(error.to_string()).hint("--state DIR keeps the records elsewhere")
}

/// Returns what is typed to find records that are not kept where they are looked for.
fn records(state: Option<&Path>) -> String {
    state.map_or_else(String::new, |path| format!(" --state {}", path.display()))
}

fn sinks(request: &Request<'_>, machine: &Machine) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let showing = request.showing;
    let live = output::is_terminal() && !showing.plain;
    let wanted = Wanted {
        verbosity: showing.verbose,
        diff: request.mode.diff,
        color: live && machine.environment.get("NO_COLOR").is_none(),
        records: records(request.state.as_deref()),
    };
    let mut sinks: Vec<Box<dyn Sink>> = if live {
        vec![Box::new(LiveView::new(wanted))]
    } else {
        vec![Box::new(Lines::new(std::io::stderr(), wanted))]
    };
    if let Some(path) = &showing.events {
        let file = std::fs::File::create(path)
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
        sinks.push(Box::new(NdjsonSink::new(file)));
    }
    Ok(sinks)
}
