//! A run that stopped goes on: its records are opened, and it is prepared again from what it kept.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::Value;

use super::frozen::{
    ANSWERS, PLACE, PLAN, Place, freeze, kept_value, learned, named, sealed_answers,
};
use super::records::{records_directory, say_changes, say_debts, state};
use super::{
    Asked, Hidden, Parts, Request, connector, operator, planned_hosts, recorded_words, run,
    says_what_ends_it, stranded,
};
use crate::cli::args::{Again, Cli, Command, Pausing};
use crate::cli::commands::runs::stopped;
use crate::cli::failure::{ExitCode, Failure, draw_as};
use crate::cli::machine::Machine;
use crate::cli::memory::{Answers, Memory, Unsealed};
use crate::cli::prepared::Prepared;
use crate::cli::{output, pausing, plan_file, secret_vars, vaults};
use crate::clock::Clock as _;
use crate::events::EventKind;
use crate::inventory::{Files, HostName};
use crate::journal::{
    Durability, Entry, Header, Journal as _, Record, RunLock, Seal as _, SealError, Sealer,
    SqliteJournal, StateDirectory,
};
use crate::plan::Plan;
use crate::rollout::{InDoubt, Pauses, Previously as _, Recollection};
use crate::yaml::Problem;

/// A run that is about to go on.
#[derive(Debug)]
pub(in crate::cli) struct Reopened {
    /// What it was asked to do at first.
    pub(in crate::cli) request: Request,
    directory: StateDirectory,
    kept: PathBuf,
    lock: RunLock,
    journal: SqliteJournal,
    recollection: Recollection,
    hidden: Hidden,
    answers: Answers,
    /// The secrets that are not where they stood, with their places.
    missing: Vec<(String, String)>,
    /// The members that earlier parts left down, with their hosts.
    down: Vec<(String, HostName)>,
}

/// What the operator says when a run goes on.
#[derive(Debug, Clone)]
pub(in crate::cli) struct GoingOn {
    pub(in crate::cli) in_doubt: Option<InDoubt>,
    pub(in crate::cli) accept_changes: bool,
    pub(in crate::cli) recovers: bool,
    /// Why hosts are skipped, or forgiven.
    pub(in crate::cli) reason: Option<String>,
    /// The hosts that are gone for good.
    pub(in crate::cli) forgive: Vec<String>,
}

impl Reopened {
    /// Opens the records of a run and reads what it was asked to do.
    pub(in crate::cli) fn open(
        again: &Again,
        accept_changes: bool,
        machine: &Machine,
    ) -> Result<Self, Failure> {
        // Before the directory is changed: its paths are relative to where the operator is.
        vaults::unlock(&again.unlocking, machine)?;
        let kept = records_directory(again.state.as_deref(), machine);
        let directory = StateDirectory::at(&kept);
        let run = stopped(&directory, again.run.as_deref())?;
        let directory = StateDirectory::prepare(&kept).map_err(|error| state(&error))?;
        let (lock, journal) = directory
            .open(&run, operator(machine))
            .map_err(|error| state(&error))?;
        let entries = journal.entries().map_err(|error| state(&error))?;
        let down = still_down(&entries);
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
        let mut answers = thawed(&journal, header, &entries)?;
        let unsealed = unsealed(&mut answers, machine);
        named(&hidden.seal, &unsealed.secrets);
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
        // Where the first part was to stop, and whom it told, is said anew; who is left out stays so.
        request.pausing = Pausing {
            skip: std::mem::take(&mut request.pausing.skip),
            ..Pausing::default()
        };
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
            missing: unsealed.missing,
            down,
        })
    }

    /// Returns the request for a run of its own that upgrades the stranded servers of a host; the records of this one are
    /// closed, as it does not go on.
    pub(in crate::cli) fn upgrades_stranded(
        self,
        host: &str,
        again: &Again,
    ) -> Result<Request, Failure> {
        let typed = typed_words(self.recollection.header(), &self.hidden.seal)?;
        let words = stranded::words(&typed, &self.request.playbook, host, &again.extra_vars)
            .ok_or_else(|| {
                Failure::usage("the run was started from a plan that was kept".to_owned()).hint(
                    "stagger apply roles/arangodb/stranded.yml -i INVENTORY -e arangodb_stranded=HOST --reason \"...\"",
                )
            })?;
        let line = ["stagger".to_owned()].into_iter().chain(words.clone());
        let Command::Apply(apply) = parsed(line, self.recollection.header())? else {
            return Err(only_looked(&self.recollection.header().run));
        };
        let mut request = Request::of(&apply);
        // Where the other run was to stop, and how, was said of its own plays.
        request.pausing = Pausing::default();
        request.sources.inventory = self.request.sources.inventory;
        request.showing = again.showing.clone();
        request.mode.verbosity = again.showing.verbose;
        request.state.clone_from(&again.state);
        request.reaching.ask_pass |= again.ask_pass;
        request.reaching.ask_become_pass |= again.ask_become_pass;
        request.words = Some(words);
        Ok(request)
    }

    /// Goes on with the run.
    pub(in crate::cli) fn go_on(
        self,
        how: GoingOn,
        machine: &Machine,
    ) -> Result<ExitCode, Failure> {
        let machine = machine.with(if how.accept_changes {
            Memory::writing()
        } else {
            Memory::reading(self.answers)
        });
        if !how.accept_changes {
            say_missing(&self.missing, how.recovers)?;
        }
        let prepared = self.request.prepare(&machine)?;
        let now = prepared.clock.now();
        let reason = how.reason.as_deref().or(self.request.reason.as_deref());
        let pauses = Pauses {
            down: self.down,
            forgiven: pausing::hosts(&how.forgive, &prepared)?,
            forgiven_because: how.reason.clone().unwrap_or_default(),
            ..pausing::pauses(&self.request.pausing, reason, &prepared, now)?
        };
        says_what_ends_it(&self.request, &prepared, &machine)?;
        self.hidden.hears(&machine.vault);
        vaults::reopen(machine.memory.answers().read_files(), &machine);
        let earlier = self.recollection.answers();
        let mut asked = Asked::of(&self.request, &prepared, &self.hidden, &earlier)?;
        let connector = connector(&self.request, &prepared, &machine, asked.login.take())?;
        let mut journal = self.journal;
        let old = self.recollection.header().clone();
        let mut header = Header {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            operator: operator(&machine).to_owned(),
            ..old.clone()
        };
        if how.accept_changes {
            let (request, hidden) = (&self.request, &self.hidden);
            freeze_anew(
                &mut journal,
                &mut header,
                (request, hidden),
                &prepared,
                &machine,
            )?;
        }
        header.args = recorded_words(&self.request, &self.hidden);
        say_debts(&self.directory, Some(&header.run));
        let parts = Parts {
            header,
            journal,
            lock: self.lock,
            previously: Arc::new(self.recollection.answering(how.in_doubt)),
            hidden: self.hidden,
            asked,
            connector: Arc::new(connector),
            recovers: how.recovers,
            stopped_runs: self
                .directory
                .stopped_runs(&old.run, &planned_hosts(&prepared)),
            pauses,
            kept: self.kept,
        };
        run(&self.request, prepared, parts, &machine)
    }
}

/// Keeps the files as they are now, and says what changed since the run was planned.
fn freeze_anew(
    journal: &mut SqliteJournal,
    header: &mut Header,
    (request, hidden): (&Request, &Hidden),
    prepared: &Prepared,
    machine: &Machine,
) -> Result<(), Failure> {
    let before: Plan = kept_value(journal, header, PLAN)?;
    say_changes(&before.differs(&prepared.plan));
    let answers = sealed_answers(&machine.memory.answers(), &hidden.seal);
    let kept = (&answers, &*hidden.seal);
    header.frozen = freeze(journal, kept, &prepared.plan, request, machine)?;
    header.plan_digest.clone_from(&prepared.plan.digest);
    let record = Record::Opened(header.clone());
    journal
        .append(prepared.clock.now(), &[record], Durability::Synced)
        .map_err(|error| state(&error))
}

/// Reads what a run keeps of its files, as it keeps it: without secrets.
fn thawed(journal: &SqliteJournal, header: &Header, entries: &[Entry]) -> Result<Answers, Failure> {
    let mut answers: Answers = kept_value(journal, header, ANSWERS)?;
    learned(entries, &mut answers);
    let digests: Vec<String> = answers
        .files()
        .map(|(_, digest)| digest.to_owned())
        .collect();
    for digest in digests {
        if let Some(content) = journal.kept(&digest).map_err(|error| state(&error))? {
            answers.give(&digest, content);
        }
    }
    Ok(answers)
}

/// Puts the secrets back that stood openly in the run's files, from the files as they are now.
fn unsealed(answers: &mut Answers, machine: &Machine) -> Unsealed {
    let file = |path: &str| Machine::read_file(path).ok();
    let program = |asked: &str| {
        let mut words = asked.split_whitespace();
        let program = words.next()?;
        let arguments: Vec<&str> = words.collect();
        let output = Files::run(machine, program, &arguments).ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(Value::from(text))
    };
    answers.unseal(&file, &program)
}

/// Says which secrets are not where they stood: going on stops there; what only puts things back is not kept from what it
/// can do without them.
fn say_missing(missing: &[(String, String)], recovers: bool) -> Result<(), Failure> {
    let said = |(name, place): &(String, String)| {
        format!(
            "the secret `{name}` of {place} is needed again: the run's records do not hold it, and it does not stand there any more"
        )
    };
    if recovers {
        for one in missing {
            let problem = Problem::nowhere(said(one));
            output::message(&draw_as("warning", &problem));
        }
        return Ok(());
    }
    match missing.first() {
        None => Ok(()),
        Some(first) => Err(Failure::usage(said(first))
            .hint("put it back, or plan what is left anew: --accept-changes")),
    }
}

/// Returns the members that were taken down and not brought up again, with their hosts.
fn still_down(entries: &[Entry]) -> Vec<(String, HostName)> {
    let mut down: Vec<(String, HostName)> = Vec::new();
    for entry in entries {
        let Record::Event(event) = &entry.record else {
            continue;
        };
        if let EventKind::MemberDown { member, host, .. } = &event.kind {
            down.push((member.clone(), HostName::new(host)));
        }
        if let EventKind::MemberUp { member, .. } = &event.kind {
            down.retain(|(other, _)| other != member);
        }
    }
    down
}

/// Returns the words that a run was started with, without the program's name.
fn typed_words(header: &Header, seal: &Sealer) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
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
    Ok(words)
}

fn parsed(line: impl IntoIterator<Item = String>, header: &Header) -> Result<Command, Failure> {
    let parsed = Cli::try_parse_from(line).map(|cli| cli.command);
    parsed.map_err(|error| {
        Failure::usage(format!(
            "the command line of run {} is not understood: {error}",
            header.run
        ))
    })
}

fn only_looked(run: &str) -> Failure {
    Failure::usage(format!(
        "run {run} only looked; there is nothing to go on with"
    ))
    .hint("run it again")
}

/// Reads the command line that a run was started with.
fn typed(header: &Header, seal: &Sealer, machine: &Machine) -> Result<Request, Failure> {
    let words = typed_words(header, seal)?;
    let line = ["stagger".to_owned()].into_iter().chain(words);
    match parsed(line, header)? {
        Command::Apply(apply) => {
            let kept = plan_file::read(&apply, machine)?;
            Ok(Request::of(
                kept.as_ref().map_or(&apply, |(apply, _)| apply),
            ))
        }
        Command::Recover(recover) if recover.hosts.from_hosts => Err(Failure::usage(format!(
            "run {} put back what hosts say is owed: they know what still is",
            header.run
        ))
        .hint("type it again: stagger recover --from-hosts ...")),
        Command::Resume(_)
        | Command::Recover(_)
        | Command::Runs(_)
        | Command::Status(_)
        | Command::Report(_)
        | Command::Attach(_)
        | Command::Stop(_)
        | Command::Plan(_)
        | Command::Preflight(_)
        | Command::Check(_)
        | Command::Inventory(_)
        | Command::Vault(_)
        | Command::Lock(_)
        | Command::Exec(_)
        | Command::Init(_)
        | Command::Modules(_)
        | Command::Completions(_)
        | Command::Man(_) => Err(only_looked(&header.run)),
    }
}
