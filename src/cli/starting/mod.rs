//! From what was asked for to a run: prepared, its records opened, everything handed to the engine.
//!
//! `apply` and `preflight` begin a run here; `resume` and `recover` go on with one, from what the run kept of its files
//! and of its own command line (`going_on`, `frozen`). Knows no command's text and prints only what a run owes or where
//! its records are.

mod from_hosts;
mod frozen;
mod going_on;
mod handing;
mod records;
mod stranded;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::args::{Apply, Pausing, Plan, Reaching, Selection, Showing, Sources};
use super::asking::{Terminal, password};
use super::failure::{ExitCode, Failure, draw_as};
use super::machine::{Machine, MachineDesk};
use super::prepared::{Mode, Prepared, prepare};
use super::sessions::MachineConnector;
use super::{background, interrupt, notify, output, pausing, prompts, secret_vars, surviving};
use crate::clock::{Clock, Stop};
use crate::journal::{Header, RunLock, Seal as _, Sealer, SqliteJournal, StateDirectory};
use crate::modules::{self, Notes};
use crate::playbook::Entry;
use crate::rollout::{NothingBefore, Outside, Pauses, Previously, Rollout, Settings};
use crate::secrets::{Masker, Secret, Vault};
use crate::template::Variables as _;
use crate::vars::Layers;
use crate::yaml::Problem;

use frozen::{SharedJournal, freeze, sealed_answers};
use handing::{header, sinks};
use records::say_debts;

pub(in crate::cli) use from_hosts::{ask_hosts, put_back};
pub(in crate::cli) use going_on::{GoingOn, Reopened};
pub(in crate::cli) use handing::{
    connector, engine_settings, machine_name, outline, run_id, screen, views,
};
pub(in crate::cli) use records::{records_directory, state};

/// What is asked for, whichever command asks.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Request {
    pub(in crate::cli) playbook: String,
    pub(in crate::cli) sources: Sources,
    pub(in crate::cli) selection: Selection,
    pub(in crate::cli) reaching: Reaching,
    pub(in crate::cli) showing: Showing,
    pub(in crate::cli) mode: Mode,
    pub(in crate::cli) step: bool,
    pub(in crate::cli) approve: Vec<String>,
    pub(in crate::cli) reason: Option<String>,
    pub(in crate::cli) start_at: Option<String>,
    pub(in crate::cli) state: Option<PathBuf>,
    pub(in crate::cli) pausing: Pausing,
    /// What the records say was typed, where that is not what was typed.
    pub(in crate::cli) words: Option<Vec<String>>,
}

impl Request {
    /// Reads what `apply` was given.
    pub(in crate::cli) fn of(arguments: &Apply) -> Self {
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
            pausing: arguments.pausing.clone(),
            words: None,
        }
    }

    /// Reads what `plan` was given.
    pub(in crate::cli) fn planned(arguments: &Plan, mode: Mode) -> Self {
        Self {
            playbook: arguments.playbook.clone(),
            sources: arguments.sources.clone(),
            selection: arguments.selection.clone(),
            reaching: arguments.reaching.clone(),
            showing: Showing {
                verbose: 0,
                events: None,
                plain: true,
            },
            mode,
            step: false,
            approve: Vec::new(),
            reason: None,
            start_at: None,
            state: None,
            pausing: Pausing::default(),
            words: None,
        }
    }

    /// Loads and checks all that the request names.
    pub(in crate::cli) fn prepare(&self, machine: &Machine) -> Result<Prepared, Failure> {
        let prepared = prepare(
            &self.playbook,
            &self.sources,
            &self.selection,
            self.mode,
            machine,
        )?;
        self.approves_what_is_there(&prepared)?;
        Ok(prepared)
    }

    /// Finds a mistyped `--approve` now: it would be noticed only where the run stops for the approval. A name that is
    /// like none may be that of a point in a file that is included later.
    fn approves_what_is_there(&self, prepared: &Prepared) -> Result<(), Failure> {
        let known = prepared.plan.points_of_no_return();
        for name in self.approve.iter().filter(|name| !known.contains(name)) {
            let message = format!("no point of no return is called `{name}`");
            let problem = Problem::nowhere(message);
            let problem = problem.did_you_mean(name, known.iter().map(String::as_str));
            if problem.hint.is_some() {
                return Err(problem.into());
            }
            output::message(&draw_as("warning", &problem));
        }
        Ok(())
    }
}

/// The secrets of a run, and what hides them.
#[derive(Debug)]
struct Hidden {
    masker: Masker,
    seal: Arc<Sealer>,
}

impl Hidden {
    fn of(extra_vars: &[String]) -> Self {
        let masker = Masker::new();
        let seal = Arc::new(Sealer::new(masker.clone()));
        for (name, secret) in secret_vars::find(extra_vars) {
            seal.name(&name, &secret);
        }
        Self { masker, seal }
    }

    /// From here on everything that a vault held is hidden, under the name by which a resumed run knows it again.
    fn hears(&self, vault: &Vault) {
        let seal = Arc::clone(&self.seal);
        vault.listen(move |name, secret| {
            if secret.is_long_enough() {
                seal.name(name, secret);
            }
        });
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
    connector: Arc<MachineConnector>,
    recovers: bool,
    stopped_runs: Vec<String>,
    pauses: Pauses,
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
        let (login, become_password) = asked_passwords(&request.reaching, &hidden.masker)?;
        Ok(Self {
            login,
            become_password,
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
pub(in crate::cli) fn begin(
    request: &Request,
    prepared: Prepared,
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let ready = ready(request, &prepared, machine)?;
    let before = (Arc::new(NothingBefore) as Arc<dyn Previously>, false);
    started(request, prepared, ready, before, machine)
}

/// What a run that can begin is handed before anything is recorded of it.
struct Ready {
    hidden: Hidden,
    asked: Asked,
    pauses: Pauses,
    connector: Arc<MachineConnector>,
}

/// Asks and looks at what a run needs: nothing is recorded of one that cannot begin.
fn ready(request: &Request, prepared: &Prepared, machine: &Machine) -> Result<Ready, Failure> {
    let hidden = Hidden::of(&request.sources.extra_vars);
    hidden.hears(&machine.vault);
    let mut asked = Asked::of(request, prepared, &hidden, &BTreeMap::new())?;
    let now = prepared.clock.now();
    let pauses = pausing::pauses(&request.pausing, request.reason.as_deref(), prepared, now)?;
    says_what_ends_it(request, prepared, machine)?;
    let connector = connector(request, prepared, machine, asked.login.take())?;
    Ok(Ready {
        hidden,
        asked,
        pauses,
        connector: Arc::new(connector),
    })
}

/// Begins a run that knows this of what was before it, and perhaps only puts that back.
fn started(
    request: &Request,
    prepared: Prepared,
    ready: Ready,
    (previously, recovers): (Arc<dyn Previously>, bool),
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let Ready {
        hidden,
        asked,
        pauses,
        connector,
    } = ready;
    // What the operator typed may hold secrets of the files: these must be known before it is kept.
    let answers = sealed_answers(&machine.memory.answers(), &hidden.seal);
    let mut header = header(request, &prepared, machine);
    header.args = recorded_words(request, &hidden);
    header.reason = header.reason.map(|reason| hidden.masker.mask(&reason));
    let kept = records_directory(request.state.as_deref(), machine);
    let directory = StateDirectory::prepare(&kept).map_err(|error| state(&error))?;
    say_debts(&directory, None);
    let hosts = planned_hosts(&prepared);
    let protects = if request.mode.check || !protects_a_cluster(&prepared) {
        &[][..]
    } else {
        hosts.as_slice()
    };
    let (lock, mut journal) = directory
        .create(&header.run, &header.operator, protects)
        .map_err(|error| state(&error))?;
    header.frozen = freeze(
        &mut journal,
        (&answers, &hidden.seal),
        &prepared.plan,
        request,
        machine,
    )?;
    let run_id = header.run.clone();
    let parts = Parts {
        header,
        journal,
        lock,
        previously,
        hidden,
        asked,
        connector,
        recovers,
        stopped_runs: directory.stopped_runs(&run_id, &hosts),
        pauses,
        kept,
    };
    run(request, prepared, parts, machine)
}

/// Returns what was typed, without what is secret in it and without whom the run tells.
fn recorded_words(request: &Request, hidden: &Hidden) -> Vec<String> {
    for secret in notify::secrets(&request.pausing.notify) {
        hidden.masker.add(&secret);
    }
    let typed = || std::env::args().skip(1).collect();
    let words: Vec<String> = request.words.clone().unwrap_or_else(typed);
    let words = notify::without(words.into_iter()).into_iter();
    words.map(|word| sealed(&hidden.seal, &word)).collect()
}

/// Says before anything starts whether the run would end with the operator's session; one that is to go on without it is
/// refused where that cannot be.
fn says_what_ends_it(
    request: &Request,
    prepared: &Prepared,
    machine: &Machine,
) -> Result<(), Failure> {
    if request.mode.check {
        return Ok(());
    }
    if !machine.detached {
        let ends = surviving::Session::read(operator(machine)).ends_what_it_started();
        if let Some(why) = ends.filter(|_| protects_a_cluster(prepared)) {
            let problem = Problem::nowhere(format!("the run ends with your session: {why}"));
            output::message(&draw_as("warning", &problem));
        }
        return Ok(());
    }
    let reaches = request.reaching.private_key.is_none() && !all_local(prepared, &request.playbook);
    if let Some(why) = surviving::keys_go_with_the_session(machine).filter(|_| reaches) {
        return Err(
            Failure::usage(format!("the run would not outlive your session: {why}")).hint(
                "name a key file of this machine (--private-key), or start an agent here; \
                 `env -u SSH_AUTH_SOCK stagger ...` where the keys that ~/.ssh names are enough",
            ),
        );
    }
    let known = prepared.plan.points_of_no_return();
    let unasked = known.iter().filter(|name| !request.approve.contains(name));
    for name in unasked {
        output::message(&format!(
            "warning: nobody can be asked about `{name}`: the run stops there (--approve '{name}' approves it now)\n"
        ));
    }
    Ok(())
}

/// Tells whether no host of the plan is reached over the network.
fn all_local(prepared: &Prepared, playbook: &str) -> bool {
    let (layers, magic) = (Arc::new(Layers::default()), Arc::new(Map::new()));
    let directory = crate::playbook::directory_of(playbook);
    planned_hosts(prepared).iter().all(|host| {
        let scope = prepared.world.scope(host, directory, &layers, &magic);
        let connection = scope.lookup("ansible_connection");
        let connection = connection.as_ref().and_then(|raw| raw.value.as_str());
        connection == Some("local")
    })
}

/// Returns the names of the hosts that the plan concerns.
fn planned_hosts(prepared: &Prepared) -> Vec<String> {
    let mut hosts: Vec<String> = prepared
        .plan
        .plays()
        .iter()
        .flat_map(|play| play.hosts.iter().map(ToString::to_string))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Tells whether the playbook protects a cluster.
fn protects_a_cluster(prepared: &Prepared) -> bool {
    let around = |entry: &Entry| matches!(entry, Entry::Bracket(_));
    prepared.playbook.entries.iter().any(around)
        || prepared.playbook.plays().any(|play| play.is_protected())
}

fn run(
    request: &Request,
    prepared: Prepared,
    parts: Parts,
    machine: &Machine,
) -> Result<ExitCode, Failure> {
    let Hidden { masker, seal } = parts.hidden;
    let Asked {
        become_password,
        answers,
        ..
    } = parts.asked;
    let stop = Stop::new();
    let watching = interrupt::watch(&stop)?;
    let run = parts.header.run.clone();
    if machine.detached {
        let lines = StateDirectory::at(&parts.kept).lines_of(&run);
        background::leave_terminal(&run, &lines)?;
    }
    let screen = screen(&request.showing);
    let sinks = sinks(request, screen.as_ref(), machine)?;
    let clock: Arc<dyn Clock> = Arc::<crate::clock::SystemClock>::clone(&prepared.clock);
    let journal = SharedJournal::new(parts.journal, &clock, &seal);
    machine.memory.goes_on(journal.keeper());
    let outside = Outside {
        clock,
        stop,
        connector: parts.connector,
        asker: Arc::new(Terminal::new(screen)),
        desk: Arc::new(MachineDesk::new(machine, &request.sources)),
        world: Arc::clone(&prepared.world),
        templaters: Arc::<super::prepared::MachineTemplaters>::clone(&prepared.templaters),
        loader: Arc::clone(&prepared.loader),
        modules: modules::find,
        seal,
        masker,
        notes: Notes::new(),
        previously: parts.previously,
    };
    let rollout = Rollout {
        header: parts.header,
        settings: Settings {
            stopped_runs: parts.stopped_runs,
            pauses: parts.pauses,
            ..engine_settings(request, &prepared, become_password)
        },
        outside,
        outline: outline(&prepared),
        playbook: prepared.playbook,
        answers,
    };
    let journal = Box::new(journal);
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

/// Asks for the passwords that are wanted: to log in, and to become another user.
pub(in crate::cli) fn asked_passwords(
    reaching: &Reaching,
    masker: &Masker,
) -> Result<(Option<Secret>, Option<Secret>), Failure> {
    let prompt = "Password to become another user:";
    Ok((
        asked(reaching.ask_pass, "Login password:", masker)?,
        asked(reaching.ask_become_pass, prompt, masker)?,
    ))
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

pub(in crate::cli) fn operator(machine: &Machine) -> &str {
    let environment = &machine.environment;
    let user = environment
        .get("USER")
        .or_else(|| environment.get("LOGNAME"));
    user.unwrap_or("root")
}

fn sealed(seal: &Sealer, word: &str) -> String {
    match seal.seal(&Value::String(word.to_owned())) {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            word.to_owned()
        }
    }
}
