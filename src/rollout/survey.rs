//! A look ahead: the playbook walked as in check mode, without waiting, asking or stopping at what is not so yet; and the
//! commands that a person would type instead of the run.
//!
//! Reads hosts if that is wanted, never changes one, and keeps no records. Called by `cli` for `plan --live` and
//! `plan --commands`.

use std::sync::{Arc, Mutex, PoisonError};

use crate::events::{ByHand, Sink};
use crate::inventory::HostName;
use crate::journal::{Entry, Journal as _, MemoryJournal};
use crate::playbook::{Action, Bracket, Entry as PlaybookEntry, Item, Play, Playbook, Task};

use super::engine::Engine;
use super::loops::Items;
use super::place::Place;
use super::run::{Ended, Rollout};
use super::scope::text_of;

/// How many items of a loop are shown one by one.
const FEW: usize = 50;

/// What a look ahead is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Whether hosts are asked.
    pub live: bool,
    /// Whether the commands are wanted.
    pub commands: bool,
}

/// Something to do by hand, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandLine {
    /// The play, or the bracket around plays.
    pub stretch: String,
    /// The batch, from 1; 0 outside of batches.
    pub batch: u32,
    /// The hosts of the batch.
    pub hosts: Vec<String>,
    /// The host for which it is done.
    pub host: String,
    /// What, where and how; the command is empty where none says it.
    pub line: ByHand,
    /// The condition that cannot be judged before the run.
    pub only_when: Option<String>,
}

/// What a look ahead saw.
#[derive(Debug)]
pub struct Surveyed {
    /// How it ended: unreachable hosts and bugs count, what is not so yet does not.
    pub ended: Ended,
    /// What was seen, as records.
    pub records: Vec<Entry>,
    /// What to type, in order.
    pub by_hand: Vec<HandLine>,
}

impl Rollout {
    /// Looks at what the run would do.
    pub fn survey(mut self, wanted: Survey, sinks: Vec<Box<dyn Sink>>) -> Surveyed {
        self.settings.check = true;
        self.settings.survey = true;
        let journal = MemoryJournal::new();
        let lines = Mutex::new(Vec::new());
        let ended = self.go(Box::new(journal.clone()), sinks, |engine, playbook| {
            if wanted.live {
                engine.run_entries(&playbook.entries);
            }
            if wanted.commands {
                let mut hand = Hand {
                    engine,
                    playbook,
                    stretch: String::new(),
                    lines: Vec::new(),
                };
                hand.entries(&playbook.entries);
                *lines.lock().unwrap_or_else(PoisonError::into_inner) = hand.lines;
            }
        });
        Surveyed {
            ended,
            records: journal.entries().unwrap_or_default(),
            by_hand: lines.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Gathers what to type.
struct Hand<'e> {
    engine: &'e Engine,
    playbook: &'e Playbook,
    stretch: String,
    lines: Vec<HandLine>,
}

/// Where a line stands.
#[derive(Debug)]
struct At<'a> {
    place: &'a Place,
    host: &'a HostName,
    /// Whether it is the first host of its batch, which alone does what is done once.
    first: bool,
}

impl Hand<'_> {
    fn entries(&mut self, entries: &[PlaybookEntry]) {
        for entry in entries {
            match entry {
                PlaybookEntry::Play(play) => self.play(play),
                PlaybookEntry::Bracket(around) => {
                    let Some(place) = self.engine.place_around(around) else {
                        self.entries(&around.entries);
                        continue;
                    };
                    let name = format!("bracket {}", around.bracket.name);
                    self.stretch.clone_from(&name);
                    let hosts = place.play.hosts().to_vec();
                    self.enter(&place, &around.bracket, &hosts);
                    self.entries(&around.entries);
                    self.stretch = name;
                    self.leave(&place, &around.bracket, &hosts);
                }
            }
        }
    }

    fn play(&mut self, play: &Arc<Play>) {
        let engine = self.engine;
        let Ok(Some(whole)) = engine.begin_play(play) else {
            return;
        };
        self.stretch = format!("play {}: {}", play.id, play.title());
        let hosts = whole.play.hosts().to_vec();
        for bracket in &play.brackets {
            self.enter(&whole, bracket, &hosts);
        }
        for (batch, number) in engine.cut(play, &whole).into_iter().zip(1_u32..) {
            let mut place = whole.clone();
            place.batch = number;
            place.batch_hosts = batch.clone().into();
            for (host, index) in batch.iter().zip(0..) {
                let first = index == 0;
                let at = At {
                    place: &place,
                    host,
                    first,
                };
                for (_, items) in play.sections() {
                    self.items(&at, items);
                }
            }
        }
        for bracket in play.brackets.iter().rev() {
            self.leave(&whole, bracket, &hosts);
        }
    }

    fn enter(&mut self, place: &Place, bracket: &Bracket, hosts: &[HostName]) {
        if let Some(host) = hosts.first() {
            self.items(
                &At {
                    place,
                    host,
                    first: true,
                },
                &bracket.enter,
            );
        }
    }

    fn leave(&mut self, place: &Place, bracket: &Bracket, hosts: &[HostName]) {
        if let Some(host) = hosts.first() {
            self.items(
                &At {
                    place,
                    host,
                    first: true,
                },
                &bracket.leave,
            );
        }
    }

    fn items(&mut self, at: &At<'_>, items: &[Item]) {
        for item in items {
            match item {
                Item::Task(task) => self.task(at, task),
                Item::Block(block) => {
                    let hosts = std::slice::from_ref(at.host);
                    for bracket in &block.brackets {
                        self.enter(at.place, bracket, hosts);
                    }
                    self.items(at, &block.block);
                    self.items(at, &block.always);
                    for bracket in block.brackets.iter().rev() {
                        self.leave(at.place, bracket, hosts);
                    }
                }
            }
        }
    }

    fn task(&mut self, at: &At<'_>, task: &Arc<Task>) {
        let engine = self.engine;
        let (place, host) = (at.place, at.host);
        if !engine.is_selected(task) {
            return;
        }
        let scope = engine.scope(host.as_str(), &engine.around(place, &task.context));
        let once = task.context.nearest(|keywords| keywords.run_once.as_ref());
        if !at.first && scope.flag(once, false).unwrap_or(false) {
            return;
        }
        let mut only_when = None;
        for condition in task.context.conditions() {
            match scope.first_false([condition]) {
                Ok(Some(_)) => return,
                Ok(None) => {}
                Err(_) => {
                    only_when.get_or_insert_with(|| text_of(condition.to_value()));
                }
            }
        }
        if let (Action::Include(_), Some(loaded)) =
            (&task.action, self.playbook.includes.get(&task.id))
        {
            self.items(at, &loaded.block.block);
            return;
        }
        let items = Items::of(task, &scope).ok().flatten();
        let count = items.as_ref().map_or(1, Items::len).min(FEW);
        for index in 0..count {
            let mut place = place.clone();
            if let Some(items) = &items {
                place = place.with(items.variables(index));
            }
            if let Some(line) = engine.line_by_hand(&place, task, host) {
                self.lines.push(HandLine {
                    stretch: self.stretch.clone(),
                    batch: place.batch,
                    hosts: place.batch_hosts.iter().map(ToString::to_string).collect(),
                    host: host.to_string(),
                    line,
                    only_when: only_when.clone(),
                });
            }
        }
    }
}
