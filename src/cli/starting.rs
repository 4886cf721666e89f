//! From what was asked for to a run: prepared, its records opened, everything handed to the engine.
//!
//! `apply` and `preflight` begin a run here; `resume` and `recover` go on with one, from what the run kept of its files
//! and of its own command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser as _;
use serde_json::{Map, Value};

use super::args::{Apply, Cli, Command, Reaching, Selection, Showing, Sources};
use super::asking::{Terminal, password};
use super::failure::{ExitCode, Failure, draw_as};
use super::lines::{Lines, Wanted};
use super::machine::{Machine, MachineDesk};
use super::memory::{Answers, Memory};
use super::prepared::{Mode, Prepared, prepare};
use super::progress::LiveView;
use super::sessions::MachineConnector;
use super::{interrupt, output, plan_file, prompts, secret_vars, settings};
use crate::clock::{Clock, Stop, Timestamp};
use crate::events::{NdjsonSink, PlayOutline, Sink};
use crate::journal::{
    Durability, Frozen, Header, Journal, JournalError, Record, RunLock, Seal as _, SealError,
    Sealer, SqliteJournal, StateDirectory, content_digest,
};
use crate::modules::{self, Notes};
use crate::plan::Plan;
use crate::playbook::Files as _;
use crate::rollout::{
    BecomeDefaults, NothingBefore, Outside, Previously, Recollection, Rollout, Settings,
    Templaters as _, Wish,
};
use crate::secrets::{Masker, Secret};
use crate::template::Variables;
use crate::vars::Layers;

/// The names under which a run keeps what is no file of the operator's.
const ANSWERS: &str = "stagger:answers";
const PLAN: &str = "stagger:plan";
const PLACE: &str = "stagger:place";

/// What is asked for, whichever command asks.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) playbook: String,
    pub(super) sources: Sources,
    pub(super) selection: Selection,
    pub(super) reaching: Reaching,
    pub(super) showing: Showing,
    pub(super) mode: Mode,
    pub(super) step: bool,
    pub(super) approve: Vec<String>,
    pub(super) reason: Option<String>,
    pub(super) start_at: Option<String>,
    pub(super) state: Option<PathBuf>,
}

impl Request {
    /// Reads what `apply` was given.
    pub(super) fn of(arguments: &Apply) -> Self {
        Self {
            playbook: arguments.playbook.clone(),
            sources: arguments.sources.clone(),
            selection: arguments.selection.clone(),
            reaching: arguments.reaching.clone(),
            showing: arguments.showing.clone(),
            mode: Mode {
                check: arguments.check,
                diff: arguments.diff,
                verbosity: arguments.showing.verbose,
                forks: arguments.reaching.forks,
            },
            step: arguments.step,
            approve: arguments.approve.clone(),
            reason: arguments.reason.clone(),
            start_at: arguments.start_at_task.clone(),
            state: arguments.state.clone(),
        }
    }

    /// Loads and checks all that the request names.
    pub(super) fn prepare(&self, machine: &Machine) -> Result<Prepared, Failure> {
        prepare(
            &self.playbook,
            &self.sources,
            &self.selection,
            self.mode,
            machine,
        )
    }
}

/// Where a run was started, kept with it: relative paths are relative to it.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Place {
    directory: String,
    inventory: Vec<String>,
}

/// The secrets of a run, and what hides them.
#[derive(Debug)]
struct Hidden {
    masker: Masker,
    seal: Sealer,
}

impl Hidden {
    fn of(extra_vars: &[String]) -> Self {
        let masker = Masker::new();
        let seal = Sealer::new(masker.clone());
        for (name, secret) in secret_vars::find(extra_vars) {
            seal.name(&name, &secret);
        }
        Self { masker, seal }
    }
}

/// What a run is made of beside its request.
struct Parts {
    header: Header,
    journal: SqliteJournal,
    lock: RunLock,
    previously: Arc<dyn Previously>,
    hidden: Hidden,
    asked: Asked,
    recovers: bool,
    kept: PathBuf,
}

/// What the operator typed before the run.
struct Asked {
    login: Option<Secret>,
    become_password: Option<Secret>,
    answers: Map<String, Value>,
}

impl Asked {
    fn of(
        request: &Request,
        prepared: &Prepared,
        hidden: &Hidden,
        earlier: &BTreeMap<String, Value>,
    ) -> Result<Self, Failure> {
        let reaching = &request.reaching;
        let prompt = "Password to become another user:";
        Ok(Self {
            login: asked(reaching.ask_pass, "Login password:", &hidden.masker)?,
            become_password: asked(reaching.ask_become_pass, prompt, &hidden.masker)?,
            answers: prompts::answers(
                &prepared.playbook,
                &prompts::given(&request.sources.extra_vars),
                earlier,
                &hidden.seal,
            )?,
        })
    }
}

/// Begins a run.
pub(super) fn begin(
    request: &Request,
    prepared: Prepared,
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let hidden = Hidden::of(&request.sources.extra_vars);
    let asked = Asked::of(request, &prepared, &hidden, &BTreeMap::new())?;
    let answers = machine.memory.take();
    let mut header = header(request, &prepared, machine);
    let typed = std::env::args().skip(1);
    header.args = typed.map(|word| sealed(&hidden.seal, &word)).collect();
    let kept = records_directory(request.state.as_deref(), machine);
    let directory = StateDirectory::prepare(&kept).map_err(|error| state(&error))?;
    say_debts(&directory, None);
    let (lock, mut journal) = directory
        .create(&header.run, &header.operator)
        .map_err(|error| state(&error))?;
    header.frozen = freeze(&mut journal, &answers, &prepared.plan, request, machine)?;
    let parts = Parts {
        header,
        journal,
        lock,
        previously: Arc::new(NothingBefore),
        hidden,
        asked,
        recovers: false,
        kept,
    };
    run(request, prepared, parts, machine)
}

/// A run that is about to go on.
#[derive(Debug)]
pub(super) struct Reopened {
    /// What it was asked to do at first.
    pub(super) request: Request,
    directory: StateDirectory,
    kept: PathBuf,
    lock: RunLock,
    journal: SqliteJournal,
    recollection: Recollection,
    hidden: Hidden,
    answers: Answers,
}

/// What the operator says when a run goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct GoingOn {
    pub(super) in_doubt: Option<crate::rollout::InDoubt>,
    pub(super) accept_changes: bool,
    pub(super) recovers: bool,
}

impl Reopened {
    /// Opens the records of a run and reads what it was asked to do.
    pub(super) fn open(
        again: &super::args::Again,
        accept_changes: bool,
        machine: &Machine,
    ) -> Result<Self, Failure> {
        let kept = records_directory(again.state.as_deref(), machine);
        let directory = StateDirectory::at(&kept);
        let run = super::commands::runs::stopped(&directory, again.run.as_deref())?;
        let directory = StateDirectory::prepare(&kept).map_err(|error| state(&error))?;
        let (lock, journal) = directory
            .open(&run, operator(machine))
            .map_err(|error| state(&error))?;
        let entries = journal.entries().map_err(|error| state(&error))?;
        let recollection = Recollection::of(&entries)
            .map_err(|error| Failure::usage(format!("run {run} cannot go on: {error}")))?;
        let header = recollection.header();
        let hidden = Hidden::of(&again.extra_vars);
        let place: Place = kept_value(&journal, header, PLACE)?;
        std::env::set_current_dir(&place.directory).map_err(|error| {
            Failure::usage(format!(
                "the run was started in {}, which cannot be entered: {error}",
                place.directory
            ))
        })?;
        let mut answers: Answers = kept_value(&journal, header, ANSWERS)?;
        let digests: Vec<String> = answers
            .files()
            .map(|(_, digest)| digest.to_owned())
            .collect();
        for digest in digests {
            if let Some(content) = journal.kept(&digest).map_err(|error| state(&error))? {
                answers.give(&digest, content);
            }
        }
        let then = machine.with(Memory::reading(answers.clone()));
        let mut request = typed(header, &hidden.seal, &then)?;
        request.sources.inventory = place.inventory;
        request.showing = again.showing.clone();
        request.mode.verbosity = again.showing.verbose;
        request.state.clone_from(&again.state);
        request.reaching.ask_pass |= again.ask_pass;
        request.reaching.ask_become_pass |= again.ask_become_pass;
        let names = |vars: &[String]| secret_vars::names(vars);
        let (old, new) = (names(&request.sources.extra_vars), names(&again.extra_vars));
        if !accept_changes && let Some(other) = new.iter().find(|name| !old.contains(name)) {
            return Err(Failure::usage(format!(
                "`{other}` was no variable of this run's command line"
            ))
            .hint("--accept-changes plans what is left anew"));
        }
        request.sources.extra_vars.extend(again.extra_vars.clone());
        Ok(Self {
            request,
            directory,
            kept,
            lock,
            journal,
            recollection,
            hidden,
            answers,
        })
    }

    /// Goes on with the run.
    pub(super) fn go_on(self, how: GoingOn, machine: &Machine) -> Result<ExitCode, Failure> {
        let machine = machine.with(if how.accept_changes {
            Memory::writing()
        } else {
            Memory::reading(self.answers)
        });
        let prepared = self.request.prepare(&machine)?;
        let earlier = self.recollection.answers();
        let asked = Asked::of(&self.request, &prepared, &self.hidden, &earlier)?;
        let mut journal = self.journal;
        let old = self.recollection.header().clone();
        let mut header = Header {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            operator: operator(&machine).to_owned(),
            ..old.clone()
        };
        if how.accept_changes {
            let before: Plan = kept_value(&journal, &old, PLAN)?;
            say_changes(&before.differs(&prepared.plan));
            let answers = machine.memory.take();
            header.frozen = freeze(
                &mut journal,
                &answers,
                &prepared.plan,
                &self.request,
                &machine,
            )?;
            header.plan_digest.clone_from(&prepared.plan.digest);
            let record = Record::Opened(header.clone());
            journal
                .append(prepared.clock.now(), &[record], Durability::Synced)
                .map_err(|error| state(&error))?;
        }
        let typed = std::env::args().skip(1);
        header.args = typed.map(|word| sealed(&self.hidden.seal, &word)).collect();
        say_debts(&self.directory, Some(&header.run));
        let parts = Parts {
            header,
            journal,
            lock: self.lock,
            previously: Arc::new(self.recollection.answering(how.in_doubt)),
            hidden: self.hidden,
            asked,
            recovers: how.recovers,
            kept: self.kept,
        };
        run(&self.request, prepared, parts, &machine)
    }
}

/// Reads the command line that a run was started with.
fn typed(header: &Header, seal: &Sealer, machine: &Machine) -> Result<Request, Failure> {
    let mut words = vec!["stagger".to_owned()];
    for word in &header.args {
        match seal.unseal(&Value::String(word.clone())) {
            Ok(value) => words.push(value.as_str().unwrap_or_default().to_owned()),
            Err(SealError::Missing { name }) => {
                return Err(Failure::usage(format!(
                    "the run was given the secret variable `{name}`, which its records do not hold"
                ))
                .hint(format!("give it again: -e {name}=...")));
            }
            Err(error @ SealError::Nameless) => return Err(Failure::usage(error.to_string())),
        }
    }
    let run = &header.run;
    let cli = Cli::try_parse_from(words).map_err(|error| {
        Failure::usage(format!(
            "the command line of run {run} is not understood: {error}"
        ))
    })?;
    match cli.command {
        Command::Apply(apply) => {
            let kept = plan_file::read(&apply, machine)?;
            Ok(Request::of(
                kept.as_ref().map_or(&apply, |(apply, _)| apply),
            ))
        }
        Command::Resume(_)
        | Command::Recover(_)
        | Command::Runs(_)
        | Command::Report(_)
        | Command::Plan(_)
        | Command::Preflight(_)
        | Command::Check(_)
        | Command::Inventory(_)
        | Command::Exec(_)
        | Command::Init(_)
        | Command::Modules(_)
        | Command::Completions(_)
        | Command::Man => Err(Failure::usage(format!(
            "run {run} only looked; there is nothing to go on with"
        ))
        .hint("run it again")),
    }
}

fn run(
    request: &Request,
    prepared: Prepared,
    parts: Parts,
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let Hidden { masker, seal } = parts.hidden;
    let Asked {
        login,
        become_password,
        answers,
    } = parts.asked;
    let sinks = sinks(request, machine)?;
    let stop = Stop::new();
    let watching = interrupt::watch(&stop)?;
    let clock: Arc<dyn Clock> = Arc::<crate::clock::SystemClock>::clone(&prepared.clock);
    let connector = connector(request, &prepared, machine, login)?;
    let fresh = machine.with(Memory::default());
    let outside = Outside {
        clock,
        stop,
        connector: Arc::new(connector),
        asker: Arc::new(Terminal::new()),
        desk: Arc::new(MachineDesk::new(&fresh, &request.sources)),
        world: Arc::clone(&prepared.world),
        templaters: Arc::<super::prepared::MachineTemplaters>::clone(&prepared.templaters),
        loader: Arc::clone(&prepared.loader),
        modules: modules::find,
        seal: Arc::new(seal),
        masker,
        notes: Notes::new(),
        previously: parts.previously,
    };
    let run = parts.header.run.clone();
    let rollout = Rollout {
        header: parts.header,
        settings: engine_settings(request, &prepared, become_password),
        outside,
        outline: outline(&prepared),
        playbook: prepared.playbook,
        answers,
    };
    let journal = Box::new(parts.journal);
    let ended = if parts.recovers {
        rollout.recover(journal, sinks)
    } else {
        rollout.run(journal, sinks)
    };
    drop(watching);
    drop(parts.lock);
    output::message(&format!(
        "run {run}: its records are in {}\n",
        parts.kept.display()
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

fn engine_settings(
    request: &Request,
    prepared: &Prepared,
    become_password: Option<Secret>,
) -> Settings {
    let reaching = &request.reaching;
    Settings {
        forks: reaching.forks.max(1),
        check: request.mode.check,
        diff: request.mode.diff,
        step: request.step,
        tags: prepared.tags.clone(),
        limit: prepared.limit.clone(),
        approved: request.approve.clone(),
        start_at: request.start_at.clone(),
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

fn header(request: &Request, prepared: &Prepared, machine: &Machine) -> Header {
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
        playbook: request.playbook.clone(),
        plan_digest: prepared.plan.digest.clone(),
        inventory_digest: content_digest(inventory.to_string().as_bytes()),
        frozen: Vec::new(),
        args: Vec::new(),
        reason: request.reason.clone(),
        operator: operator(machine).to_owned(),
        bastion: String::from_utf8_lossy(&bastion).trim().to_owned(),
        check: request.mode.check,
    }
}

fn operator(machine: &Machine) -> &str {
    let environment = &machine.environment;
    let user = environment
        .get("USER")
        .or_else(|| environment.get("LOGNAME"));
    user.unwrap_or("root")
}

/// Keeps everything that the run loaded, its plan, and where it was started.
fn freeze(
    journal: &mut SqliteJournal,
    answers: &Answers,
    plan: &Plan,
    request: &Request,
    machine: &Machine,
) -> Result<Vec<Frozen>, Failure> {
    let mut frozen: Vec<Frozen> = answers
        .files()
        .map(|(name, digest)| Frozen {
            name: name.to_owned(),
            digest: digest.to_owned(),
        })
        .collect();
    for content in answers.contents() {
        journal.keep(content).map_err(|error| state(&error))?;
    }
    let place = Place {
        directory: std::env::current_dir()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        inventory: settings::sources(&request.sources, machine)?,
    };
    let text = |value: serde_json::Result<String>| {
        value.map_err(|error| Failure::usage(format!("the run cannot be kept: {error}")))
    };
    let own = [
        (ANSWERS, text(serde_json::to_string(answers))?),
        (PLAN, text(serde_json::to_string(plan))?),
        (PLACE, text(serde_json::to_string(&place))?),
    ];
    for (name, value) in own {
        let digest = journal
            .keep(value.as_bytes())
            .map_err(|error| state(&error))?;
        frozen.push(Frozen {
            name: name.to_owned(),
            digest,
        });
    }
    Ok(frozen)
}

/// Reads back what a run keeps under a name.
fn kept_value<T: serde::de::DeserializeOwned>(
    journal: &SqliteJournal,
    header: &Header,
    name: &str,
) -> Result<T, Failure> {
    let missing = || {
        Failure::usage(format!(
            "run {} does not keep what it was made of ({name}); it was made by stagger {}",
            header.run, header.version
        ))
    };
    let mut frozen = header.frozen.iter();
    let found = frozen
        .find(|frozen| frozen.name == name)
        .ok_or_else(missing)?;
    let content = journal
        .kept(&found.digest)
        .map_err(|error| state(&error))?
        .ok_or_else(missing)?;
    serde_json::from_slice(&content).map_err(|_| missing())
}

fn sealed(seal: &Sealer, word: &str) -> String {
    match seal.seal(&Value::String(word.to_owned())) {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            word.to_owned()
        }
    }
}

/// Names a run by its time and some chance: sorted by time, unique on this machine.
fn run_id(now: Timestamp) -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let chance = std::hash::RandomState::new().build_hasher().finish();
    format!("{}-{:04x}", now.strftime("%Y%m%d-%H%M%S"), chance & 0xffff)
}

/// Returns where runs are kept: as asked, `/var/lib/stagger` for root, else below the home directory.
pub(super) fn records_directory(asked: Option<&Path>, machine: &Machine) -> PathBuf {
    if let Some(directory) = asked {
        return directory.to_owned();
    }
    let root = rustix::process::geteuid().is_root();
    match machine.environment.home() {
        Some(home) if !root => home.join(".local/state/stagger"),
        _ => PathBuf::from("/var/lib/stagger"),
    }
}

/// Says why records cannot be had.
pub(super) fn state(error: &JournalError) -> Failure {
    match error {
        JournalError::Locked { .. } => Failure::new(ExitCode::Locked, error.to_string()),
        JournalError::NoRun { .. } => {
            Failure::usage(error.to_string()).hint("`stagger runs` lists them")
        }
        JournalError::Full { .. }
        | JournalError::NotWritable { .. }
        | JournalError::Io { .. }
        | JournalError::Database { .. }
        | JournalError::Newer { .. }
        | JournalError::Record { .. } => {
            Failure::usage(error.to_string()).hint("--state DIR keeps the records elsewhere")
        }
    }
}

/// Says what earlier runs still owe: whatever is done next, that comes first.
fn say_debts(directory: &StateDirectory, but: Option<&str>) {
    for run in directory.runs().unwrap_or_default() {
        if run.open.is_empty() || but == Some(run.run.as_str()) {
            continue;
        }
        if matches!(run.state, crate::journal::RunState::Running { .. }) {
            continue;
        }
        let names: Vec<&str> = run.open.iter().map(|open| open.name.as_str()).collect();
        output::message(&format!(
            "warning: run {} of {} still owes: {}\n  = hint: `stagger recover {}` puts it back\n",
            run.run,
            run.header.playbook,
            names.join(", "),
            run.run
        ));
    }
}

fn say_changes(changes: &[String]) {
    if changes.is_empty() {
        output::message("nothing changed since the run was planned\n");
    }
    for change in changes {
        output::message(&format!("changed since the run was planned: {change}\n"));
    }
}

/// Returns what is typed to find records that are not kept where they are looked for.
fn records(state: Option<&Path>) -> String {
    state.map_or_else(String::new, |path| format!(" --state {}", path.display()))
}

fn sinks(request: &Request, machine: &Machine) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let showing = &request.showing;
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

/// Makes what opens the sessions, and looks at how every host of the plan is to be reached before any of them is.
fn connector(
    request: &Request,
    prepared: &Prepared,
    machine: &Machine,
    login: Option<Secret>,
) -> Result<MachineConnector, Failure> {
    let templater = prepared.templaters.searching(&[]);
    let connector = MachineConnector::new(machine, templater, &request.reaching, login)?;
    let directory = crate::playbook::directory_of(&request.playbook);
    let mut hosts = Vec::new();
    for play in prepared.playbook.plays() {
        let planned = prepared.plan.play(&play.id);
        let said = play.context.nearest(|k| k.connection.as_ref());
        let connection = said.and_then(crate::yaml::Node::as_str);
        if connection.is_some_and(|text| text.contains("{{")) {
            continue;
        }
        for host in planned.iter().flat_map(|planned| &planned.hosts) {
            hosts.push((host, connection));
        }
    }
    let variables: Vec<Arc<dyn Variables>> = hosts
        .iter()
        .map(|(host, _)| {
            let (layers, task) = (Arc::new(Layers::default()), Arc::new(Map::new()));
            let scope = prepared
                .world
                .scope(host.as_str(), directory, &layers, &task);
            Arc::new(scope) as Arc<dyn Variables>
        })
        .collect();
    let wishes = hosts
        .iter()
        .zip(&variables)
        .map(|((host, connection), variables)| Wish {
            host: host.as_str(),
            variables,
            remote_user: None,
            port: None,
            connection: *connection,
        });
    for warning in connector.check(wishes)? {
        output::message(&draw_as("warning", &warning));
    }
    Ok(connector)
}
