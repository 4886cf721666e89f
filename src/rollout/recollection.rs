//! What a journal tells of the earlier parts of a run, for the part that goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::events::{BracketRef, StepId, StepOutcome};
use crate::journal::{BracketChange, Entry, Header, Intent, Outcome, Record, RecordedEffect, Seal};
use crate::vars::World;

use super::decide::InDoubt;
use super::ended::object;
use super::previously::{EnteredAt, Known, KnownBracket, Previously, Taken, Volatile};

/// Why a journal cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It holds no run.
    #[error("the journal does not say what the run is")]
    NoHeader,
    /// A newer stagger wrote something that must not be passed over.
    #[error("record {seq} is of a kind that this stagger does not know: `{kind}`")]
    UnknownRecord {
        /// Its number.
        seq: u64,
        /// Its kind.
        kind: String,
    },
}

/// The earlier parts of a run.
#[derive(Debug, Default)]
pub struct Recollection {
    header: Header,
    parts: u32,
    last_event: u64,
    steps: HashMap<StepId, Known>,
    batches: BTreeMap<(String, u32), Vec<String>>,
    done: BTreeSet<(String, u32, String)>,
    brackets: BTreeMap<BracketRef, KnownBracket>,
    /// The brackets that are open, in the order in which they were entered.
    entered: Vec<BracketRef>,
    /// The indivisible blocks that were begun and not ended: play, batch, id, and whether a step of theirs was begun.
    stretches: BTreeMap<(String, u32, String), bool>,
    /// The dynamic includes that were begun and not ended: play, batch, path, host.
    taken: BTreeMap<(String, u32, String, String), Vec<Taken>>,
    approved: BTreeSet<String>,
    answers: BTreeMap<String, Value>,
    in_doubt: Option<InDoubt>,
    memory: Vec<Remembered>,
}

/// Something that hosts came to know.
#[derive(Debug)]
enum Remembered {
    Variables {
        hosts: Vec<String>,
        facts: bool,
        variables: Map<String, Value>,
        step: Option<StepId>,
    },
    Effect {
        host: String,
        effect: RecordedEffect,
    },
}

impl Recollection {
    /// Reads a journal.
    pub fn of(entries: &[Entry]) -> Result<Self, Unreadable> {
        let mut all = Self::default();
        let mut opened = false;
        for entry in entries {
            if let Record::Unknown { kind, .. } = &entry.record {
                return Err(Unreadable::UnknownRecord {
                    seq: entry.seq,
                    kind: kind.clone(),
                });
            }
            opened |= matches!(entry.record, Record::Opened(_));
            all.take(&entry.record);
        }
        if opened {
            Ok(all)
        } else {
            Err(Unreadable::NoHeader)
        }
    }

    /// Sets what the operator says of steps in doubt that nothing else can tell about.
    #[must_use]
    pub fn answering(mut self, in_doubt: Option<InDoubt>) -> Self {
        self.in_doubt = in_doubt;
        self
    }

    /// Returns what the run is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn take(&mut self, record: &Record) {
        match record {
            Record::Opened(header) => self.header = header.clone(),
            Record::PartStarted { answers, .. } => {
                self.parts += 1;
                self.answers.extend(answers.clone());
            }
            Record::Batch { play, batch, hosts } => {
                self.batches.insert((play.clone(), *batch), hosts.clone());
            }
            Record::Done { play, batch, path } => {
                self.done.insert((play.clone(), *batch, path.clone()));
                self.end_stretch(play, *batch, path);
            }
            Record::PutRight { play, batch, path } => self.end_stretch(play, *batch, path),
            Record::Included { .. } => self.take_include(record),
            Record::RestPoint {
                play,
                batch,
                before,
            } => {
                let stretch = (play.clone(), *batch, before.clone());
                self.stretches.entry(stretch).or_default();
            }
            Record::Intent(intent) => {
                self.begin_stretch(&intent.step);
                let known = self.steps.entry(intent.step.clone()).or_default();
                known.intent = Some(intent.clone());
                known.outcome = None;
            }
            Record::Outcome(outcome) => self.take_outcome(outcome),
            Record::Registered {
                hosts,
                name,
                value,
                step,
            } => {
                let mut variables = Map::new();
                variables.insert(name.clone(), value.clone());
                self.remember(hosts, false, variables, step.clone());
            }
            Record::Shared {
                hosts,
                facts,
                variables,
            } => self.remember(hosts, *facts, variables.clone(), None),
            Record::Bracket { bracket, change } => self.take_bracket(bracket, change),
            Record::Approval { name, given, .. } => {
                if *given {
                    self.approved.insert(name.clone());
                }
            }
            Record::Event(event) => self.last_event = self.last_event.max(event.seq),
            Record::Learned { .. }
            | Record::Rescued { .. }
            | Record::HostLeft { .. }
            | Record::Stopped { .. }
            | Record::Finished { .. }
            | Record::Unknown { .. } => {}
        }
    }

    /// A step is begun; where it is one of an indivisible block, all that is entered then stands around that.
    fn begin_stretch(&mut self, step: &StepId) {
        // What is asked or switched anew each time is of a bracket.
        if step.turn > 0 {
            return;
        }
        let mut begun = false;
        for ((play, batch, block), of_it) in &mut self.stretches {
            let rest = step.task.strip_prefix(block.as_str());
            let inside = rest.is_some_and(|rest| rest.starts_with('.'));
            if inside && *play == step.play && *batch == step.batch {
                *of_it = true;
                begun = true;
            }
        }
        if begun {
            self.stand_around(true);
        }
    }

    /// A block, or a play, came to its end.
    fn end_stretch(&mut self, play: &str, batch: u32, path: &str) {
        self.stretches.retain(|(of, number, block), _| {
            let rest = path.strip_prefix(block.as_str());
            let is_it = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'));
            let whole_play = batch == 0 && path.is_empty();
            of != play || !(whole_play || *number == batch && (path.is_empty() || is_it))
        });
        if !self.stretches.values().any(|begun| *begun) {
            self.stand_around(false);
        }
    }

    fn take_include(&mut self, record: &Record) {
        let Record::Included {
            play,
            batch,
            path,
            item,
            hosts,
            file,
            variables,
            over,
        } = record
        else {
            return;
        };
        for host in hosts {
            let key = (play.clone(), *batch, path.clone(), host.clone());
            let known = self.taken.entry(key).or_default();
            known.retain(|other| other.item != *item);
            if !over {
                known.push(Taken {
                    item: *item,
                    file: file.clone(),
                    variables: variables.clone(),
                });
            }
        }
    }

    fn stand_around(&mut self, inside: bool) {
        for reference in &self.entered {
            if let Some(known) = self.brackets.get_mut(reference) {
                known.inside = inside;
            }
        }
    }

    fn remember(
        &mut self,
        hosts: &[String],
        facts: bool,
        variables: Map<String, Value>,
        step: Option<StepId>,
    ) {
        self.memory.push(Remembered::Variables {
            hosts: hosts.to_vec(),
            facts,
            variables,
            step,
        });
    }

    fn take_outcome(&mut self, outcome: &Outcome) {
        for effect in &outcome.effects {
            self.memory.push(Remembered::Effect {
                host: outcome.owner.clone(),
                effect: effect.clone(),
            });
        }
        let known = self.steps.entry(outcome.step.clone()).or_default();
        known.outcome = Some(outcome.clone());
    }

    fn take_bracket(&mut self, bracket: &BracketRef, change: &BracketChange) {
        let known = self.brackets.entry(bracket.clone()).or_default();
        match change {
            BracketChange::Found { found } => known.found = Some(found.clone()),
            BracketChange::Entering {
                by_hand,
                play,
                batch,
                hosts,
                top,
            } => {
                known.open = true;
                known.entered = EnteredAt {
                    play: play.clone(),
                    batch: *batch,
                    hosts: hosts.clone(),
                    top: top.clone(),
                    by_hand: by_hand.clone(),
                };
                if !self.entered.contains(bracket) {
                    self.entered.push(bracket.clone());
                }
            }
            BracketChange::Left => {
                *known = KnownBracket::default();
                self.entered.retain(|other| other != bracket);
            }
            BracketChange::Entered
            | BracketChange::Leaving { .. }
            | BracketChange::Owed { .. }
            | BracketChange::Held { .. } => {}
        }
    }
}

impl Previously for Recollection {
    fn part(&self) -> u32 {
        self.parts + 1
    }

    fn last_event(&self) -> u64 {
        self.last_event
    }

    fn step(&self, step: &StepId) -> Option<Known> {
        self.steps.get(step).cloned()
    }

    fn begun(&self) -> Vec<Intent> {
        let open = self.steps.values().filter(|known| {
            let outcome = known.outcome.as_ref().map(|outcome| &outcome.outcome);
            outcome.is_none_or(|outcome| *outcome == StepOutcome::InDoubt)
        });
        let intents = open.filter_map(|known| known.intent.clone());
        let mut begun: Vec<Intent> = intents
            .filter(|intent| intent.job.is_some() || intent.asked_with.is_some())
            .collect();
        begun.sort_by(|a, b| a.step.cmp(&b.step));
        begun
    }

    fn batch(&self, play: &str, batch: u32) -> Option<Vec<String>> {
        self.batches.get(&(play.to_owned(), batch)).cloned()
    }

    fn done(&self, play: &str, batch: u32, path: &str) -> bool {
        let key = (play.to_owned(), batch, path.to_owned());
        self.done.contains(&key)
    }

    fn half_done(&self, play: &str) -> Vec<u32> {
        let begun = self.stretches.iter().filter(|(_, begun)| **begun);
        let blocks = begun.map(|((of, batch, _), _)| (of, *batch));
        let open = self.entered.iter().filter_map(|of| self.brackets.get(of));
        let brackets = open.map(|known| (&known.entered.play, known.entered.batch));
        let of_play = blocks.chain(brackets).filter(|(of, _)| *of == play);
        let batches: BTreeSet<u32> = of_play.map(|(_, batch)| batch).collect();
        batches.into_iter().filter(|batch| *batch > 0).collect()
    }

    fn in_block(&self, play: &str, batch: u32) -> bool {
        let mut begun = self.stretches.iter().filter(|(_, begun)| **begun);
        begun.any(|((of, number, _), _)| of == play && *number == batch)
    }

    fn taken(&self, play: &str, batch: u32, path: &str, host: &str) -> Vec<Taken> {
        let key = (play.to_owned(), batch, path.to_owned(), host.to_owned());
        self.taken.get(&key).cloned().unwrap_or_default()
    }

    fn bracket(&self, bracket: &BracketRef) -> Option<KnownBracket> {
        self.brackets.get(bracket).cloned()
    }

    fn open_brackets(&self) -> Vec<BracketRef> {
        self.entered.clone()
    }

    fn approved(&self, name: &str) -> bool {
        self.approved.contains(name)
    }

    fn answers(&self) -> BTreeMap<String, Value> {
        self.answers.clone()
    }

    fn in_doubt(&self) -> Option<InDoubt> {
        self.in_doubt
    }

    fn restore(&self, world: &World, seal: &dyn Seal) {
        let open = |variables: &Map<String, Value>| {
            object(seal.unseal_known(&Value::Object(variables.clone())))
        };
        for remembered in &self.memory {
            match remembered {
                Remembered::Variables {
                    hosts,
                    facts,
                    variables,
                    ..
                } => {
                    let variables = open(variables);
                    for host in hosts {
                        set(world, host, *facts, variables.clone());
                    }
                }
                Remembered::Effect { host, effect } => match effect {
                    RecordedEffect::SetFact { variables, facts } => {
                        set(world, host, *facts, open(variables));
                    }
                    RecordedEffect::IncludeVars { variables, source } => {
                        world.include_vars(host, source, open(variables));
                    }
                    RecordedEffect::AddHost {
                        name,
                        groups,
                        variables,
                    } => {
                        // What was added once cannot be wrong now, unless the inventory has it by itself.
                        drop(world.add_host(name, groups, &open(variables)));
                    }
                    RecordedEffect::GroupBy { group, parents } => {
                        drop(world.group_by(host, group, parents));
                    }
                },
            }
        }
    }

    fn volatile(&self, seal: &dyn Seal) -> Vec<Volatile> {
        let mut last: BTreeMap<(&str, &str), (usize, &Value, Option<&StepId>)> = BTreeMap::new();
        for (number, remembered) in self.memory.iter().enumerate() {
            let Remembered::Variables {
                hosts,
                variables,
                step,
                ..
            } = remembered
            else {
                continue;
            };
            for host in hosts {
                for (name, value) in variables {
                    last.insert((host, name), (number, value, step.as_ref()));
                }
            }
        }
        let mut found: BTreeMap<usize, Volatile> = BTreeMap::new();
        for ((host, name), (number, value, step)) in last {
            if let Some(step) = step.filter(|_| seal.is_volatile(value)) {
                let volatile = found.entry(number).or_insert_with(|| Volatile {
                    step: step.clone(),
                    name: name.to_owned(),
                    hosts: Vec::new(),
                });
                volatile.hosts.push(host.to_owned());
            }
        }
        found.into_values().collect()
    }
}

fn set(world: &World, host: &str, facts: bool, variables: Map<String, Value>) {
    if facts {
        world.set_facts(host, variables);
    } else {
        world.set_variables(host, variables);
    }
}
