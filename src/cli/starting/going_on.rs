//! A run that stopped goes on: its records are opened, and it is prepared again from what it kept.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::Value;

use super::frozen::{ANSWERS, PLACE, PLAN, Place, freeze, kept_value, learned};
use super::records::{records_directory, say_changes, say_debts, state};
use super::{
    Asked, Hidden, Parts, Request, connector, operator, planned_hosts, run, sealed, stranded,
};
use crate::cli::args::{Again, Cli, Command};
use crate::cli::commands::runs::stopped;
use crate::cli::failure::{ExitCode, Failure};
use crate::cli::machine::Machine;
use crate::cli::memory::{Answers, Memory};
use crate::cli::{plan_file, secret_vars, vaults};
use crate::clock::Clock as _;
use crate::journal::{
    Durability, Header, Journal as _, Record, RunLock, Seal as _, SealError, Sealer, SqliteJournal,
    StateDirectory,
};
use crate::plan::Plan;
use crate::rollout::{InDoubt, Previously as _, Recollection};

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
}

/// What the operator says when a run goes on.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct GoingOn {
    pub(in crate::cli) in_doubt: Option<InDoubt>,
    pub(in crate::cli) accept_changes: bool,
    pub(in crate::cli) recovers: bool,
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
        learned(&entries, &mut answers);
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
        let prepared = self.request.prepare(&machine)?;
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
            let before: Plan = kept_value(&journal, &old, PLAN)?;
            say_changes(&before.differs(&prepared.plan));
            let answers = machine.memory.answers();
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
            connector,
            recovers: how.recovers,
            stopped_runs: self
                .directory
                .stopped_runs(&old.run, &planned_hosts(&prepared)),
            kept: self.kept,
        };
        run(&self.request, prepared, parts, &machine)
    }
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
        Command::Resume(_)
        | Command::Recover(_)
        | Command::Runs(_)
        | Command::Status(_)
        | Command::Report(_)
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
