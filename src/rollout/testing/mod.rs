//! The engine whole, on scripted hosts and a simulated clock: a playbook and an inventory in, events and records out.
//!
//! Hosts are a [`Fleet`] of scripted ones: modules made for tests (`look`, `act`, `launch`) speak to it, every call is
//! logged, and any call can be made to fail in any way.

mod answers;
mod arangodb;
mod disks;
mod fleet;
mod locks;
mod memsql;
mod model;
mod modules;
mod mortal;
mod notes;
mod shipped;
mod watched;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Map;

use crate::clock::{Clock, SimulatedClock, Stop};
use crate::events::{Event, EventKind, StepOutcome};
use crate::journal::{Durability, Header, Journal, MemoryJournal, Record, Sealer};
use crate::modules::spec::Specs;
use crate::playbook::Loader;
use crate::secrets::Masker;
use crate::vars::{RunMagic, World};

use super::run::{Ended, Rollout};
use super::{GuardMode, NothingBefore, OnHosts, Outside, Previously, Settings};

pub(super) use answers::Answers;
pub(super) use arangodb::Arangodb;
pub(super) use fleet::{Fault, Fleet, OnCall};
pub(super) use memsql::Memsql;
pub(super) use model::Model;
pub(super) use shipped::{Stage, Upgrade};
pub(super) use watched::{AtWrite, Watched};

/// A run to be tested.
pub(super) struct Kit {
    playbook: String,
    inventory: String,
    files: BTreeMap<String, String>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) answers: Arc<Answers>,
    pub(super) settings: Settings,
    pub(super) stop: Stop,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) journal: MemoryJournal,
    pub(super) previously: Arc<dyn Previously>,
    /// Its id.
    pub(super) run: String,
    /// Whether it only puts back what earlier parts left.
    pub(super) recovers: bool,
    mortal: Mutex<Option<Box<dyn Journal>>>,
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) events: Vec<Event>,
    pub(super) records: Vec<(Record, Durability)>,
    pub(super) log: Vec<String>,
    pub(super) elapsed_s: u64,
}

impl Kit {
    /// Makes a run of a playbook on hosts `a`, `b`, ... in the group `all`.
    pub(super) fn new(hosts: &str, playbook: &str) -> Self {
        let mut inventory = String::from("all:\n  hosts:\n");
        for host in hosts.split_whitespace() {
            inventory = inventory + "    " + host + ":\n";
        }
        let stop = Stop::new();
        let clock = Arc::new(SimulatedClock::new());
        Self {
            playbook: playbook.to_owned(),
            inventory,
            files: BTreeMap::new(),
            fleet: Fleet::new(clock.clone(), stop.clone()),
            answers: Arc::default(),
            settings: Settings {
                guards: GuardMode::Inline,
                ..Settings::default()
            },
            stop,
            clock,
            journal: MemoryJournal::new(),
            previously: Arc::new(NothingBefore),
            run: "run-1".to_owned(),
            recovers: false,
            mortal: Mutex::new(None),
        }
    }

    /// Replaces the inventory.
    pub(super) fn inventory(mut self, text: &str) -> Self {
        text.clone_into(&mut self.inventory);
        self
    }

    /// Adds a file beside the playbook.
    pub(super) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// Lets a call fail: `"a do x"`; the next such call, or the one after as many as were given before.
    pub(super) fn fault(self, call: &str, fault: Fault) -> Self {
        self.fleet.fault(call, fault);
        self
    }

    /// Says what `look` finds, one after another; the last one stays.
    pub(super) fn finds(self, what: &str, values: &[serde_json::Value]) -> Self {
        self.fleet.finds(what, values);
        self
    }

    /// Changes the settings.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes the answers of the operator.
    pub(super) fn answering(self, change: impl FnOnce(&Answers)) -> Self {
        change(&self.answers);
        self
    }

    /// Lets the process die when it has written this many records: as soon as the last one is written, or only when it
    /// would write the next one.
    pub(super) fn dies(&self, after: usize, at_once: bool) {
        *self.mortal.lock().unwrap() = Some(Box::new(mortal::Mortal {
            inner: self.journal.clone(),
            fleet: self.fleet.clone(),
            left: after,
            at_once,
        }));
    }

    /// Lets this be a further part of another kit's run: on the same hosts, with the same journal.
    pub(super) fn goes_on(&mut self, earlier: &Self, previously: Arc<dyn Previously>) {
        self.fleet = earlier.fleet.clone();
        self.fleet.revive();
        self.journal = earlier.journal.clone();
        self.previously = previously;
    }

    /// Lets this be a run of its own on another kit's hosts.
    pub(super) fn follows(&mut self, earlier: &Self, run: &str) {
        self.fleet = earlier.fleet.clone();
        self.fleet.revive();
        self.fleet.heal();
        self.fleet.clear_log();
        self.clock = earlier.clock.clone();
        self.stop = earlier.stop.clone();
        run.clone_into(&mut self.run);
    }

    /// Asks the hosts what runs left there.
    pub(super) fn asks_hosts(&self) -> OnHosts {
        self.rollout().told_by_hosts()
    }

    fn rollout(&self) -> Rollout {
        let mut files = self.files.clone();
        files.insert("site.yml".to_owned(), self.playbook.clone());
        let files = Arc::new(answers::MemoryDesk::new(files, self.inventory.clone()));
        let tables = modules::ALL.iter().map(|module| module.spec());
        let specs = Arc::new(tables.collect::<Specs>());
        let loader = Arc::new(Loader::new(files.clone(), specs, Vec::new()));
        let playbook = loader.load("site.yml").unwrap_or_else(|problems| {
            panic!("the playbook is wrong: {problems:#?}");
        });
        let masker = Masker::new();
        let inventory = files.inventory_now();
        Rollout {
            header: Header {
                run: self.run.clone(),
                operator: "alice".to_owned(),
                machine: format!("machine-of-{}", self.run),
                ..Header::default()
            },
            settings: self.settings.clone(),
            outside: Outside {
                clock: self.clock.clone(),
                stop: self.stop.clone(),
                connector: Arc::new(self.fleet.clone()),
                asker: self.answers.clone(),
                desk: files,
                world: World::new(inventory, Vec::new(), RunMagic::default()),
                templaters: Arc::new(answers::PlainTemplaters(self.clock.clone())),
                loader,
                modules: modules::find,
                seal: Arc::new(Sealer::new(masker.clone())),
                masker,
                notes: crate::modules::Notes::new(),
                previously: self.previously.clone(),
            },
            playbook: Arc::new(playbook),
            outline: Vec::new(),
            answers: Map::new(),
        }
    }

    /// Runs it.
    pub(super) fn run(&self) -> Ran {
        let journal = self.journal.clone();
        self.fleet.count_records_of(&journal);
        let rollout = self.rollout();
        let writes_to = self
            .mortal
            .lock()
            .unwrap()
            .take()
            .unwrap_or_else(|| Box::new(journal.clone()));
        let ended = if self.recovers {
            rollout.recover(writes_to, Vec::new())
        } else {
            rollout.run(writes_to, Vec::new())
        };
        Ran {
            ended,
            events: events(&journal),
            records: journal.written(),
            log: self.fleet.log(),
            elapsed_s: self.clock.elapsed().as_secs(),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn events(journal: &MemoryJournal) -> Vec<Event> {
    let entries = journal.entries().unwrap();
    let events = entries.iter().filter_map(|entry| match &entry.record {
        Record::Event(event) => Some(event.clone()),
        _ => None,
    });
    events.collect()
}

impl Ran {
    /// Returns what was changed on hosts, in order: `a do x`, `a job y`.
    pub(super) fn did(&self) -> Vec<&str> {
        let calls = self.log.iter().map(String::as_str);
        calls
            .filter(|call| !call.contains(" see ") && !call.contains(" look "))
            .collect()
    }

    /// Returns how the steps of a host ended: name and outcome.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds matter here; the others are passed over on purpose"
    )]
    pub(super) fn steps(&self, host: &str) -> Vec<String> {
        let told = |event: &Event| match &event.kind {
            EventKind::StepFinished {
                step,
                name,
                outcome,
                ignored,
                ..
            } if step.host == host => {
                let word = match outcome {
                    StepOutcome::Ok => "ok",
                    StepOutcome::Changed => "changed",
                    StepOutcome::Skipped { .. } => "skipped",
                    StepOutcome::Failed | StepOutcome::Unreachable if *ignored => "ignored",
                    StepOutcome::Failed => "failed",
                    StepOutcome::Unreachable => "unreachable",
                    StepOutcome::InDoubt => "in doubt",
                };
                Some(format!("{name}: {word}"))
            }
            _ => None,
        };
        self.events.iter().filter_map(told).collect()
    }

    /// Returns the messages of the failed steps of a host.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds matter here; the others are passed over on purpose"
    )]
    pub(super) fn failures(&self, host: &str) -> Vec<String> {
        let told = |event: &Event| match &event.kind {
            EventKind::StepFinished {
                step,
                outcome,
                result,
                ..
            } if step.host == host && !outcome.is_good() => Some(result.message.clone()),
            _ => None,
        };
        self.events.iter().filter_map(told).collect()
    }

    /// Returns the names of the events of some kinds, as they stand in NDJSON.
    pub(super) fn told(&self, kinds: &[&str]) -> Vec<String> {
        let name = |event: &Event| {
            let value = serde_json::to_value(&event.kind).unwrap();
            value["event"].as_str().unwrap().to_owned()
        };
        let names = self.events.iter().map(name);
        names
            .filter(|name| kinds.contains(&name.as_str()))
            .collect()
    }

    /// Returns the warnings, in order.
    pub(super) fn warnings(&self) -> Vec<&str> {
        let mut warnings = Vec::new();
        for event in &self.events {
            if let EventKind::Warned { message, .. } = &event.kind {
                warnings.push(message.as_str());
            }
        }
        warnings
    }

    /// Returns the exit code.
    pub(super) fn exit(&self) -> u8 {
        self.ended.exit_code
    }
}
