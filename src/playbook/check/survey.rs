//! The whole tree as lists: each task, block, bracket and guard, with what it stands in.

use std::sync::Arc;

use crate::playbook::{
    Block, Bracket, BracketEntry, Entry, Guard, Item, Loaded, Play, Playbook, Probed, Task,
};

/// What a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The sections of a play.
    Section,
    /// Its handlers.
    Handler,
    /// Its gate.
    Gate,
    /// A bracket.
    Bracket,
    /// A guard, `done_when` or `hold_while`: only reads.
    Probe,
}

/// Where something stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// The play, if inside one.
    pub(super) play: Option<&'a Arc<Play>>,
    /// What it belongs to.
    pub(super) part: Part,
    /// The innermost indivisible block around it.
    pub(super) indivisible: Option<&'a Block>,
}

/// The whole tree as lists.
#[derive(Debug, Default)]
pub(super) struct Survey<'a> {
    pub(super) plays: Vec<&'a Arc<Play>>,
    pub(super) tasks: Vec<(&'a Task, Around<'a>)>,
    pub(super) blocks: Vec<(&'a Block, Around<'a>)>,
    pub(super) guards: Vec<(&'a Guard, Around<'a>)>,
    pub(super) brackets: Vec<(&'a Bracket, Around<'a>)>,
    pub(super) probes: Vec<(&'a Probed, Around<'a>)>,
    pub(super) arounds: Vec<&'a BracketEntry>,
}

impl<'a> Survey<'a> {
    /// Walks a playbook, also what dynamic includes with known names load.
    pub(super) fn of(playbook: &'a Playbook) -> Self {
        let mut survey = Self::default();
        survey.entries(&playbook.entries, playbook);
        survey
    }

    fn entries(&mut self, entries: &'a [Entry], playbook: &'a Playbook) {
        for entry in entries {
            match entry {
                Entry::Play(play) => self.play(play, playbook),
                Entry::Bracket(entry) => {
                    let around = Around {
                        play: None,
                        part: Part::Bracket,
                        indivisible: None,
                    };
                    self.arounds.push(entry);
                    self.bracket(&entry.bracket, around, playbook);
                    self.guards(&entry.guards, around, playbook);
                    self.entries(&entry.entries, playbook);
                }
            }
        }
    }

    fn play(&mut self, play: &'a Arc<Play>, playbook: &'a Playbook) {
        self.plays.push(play);
        let at = |part| Around {
            play: Some(play),
            part,
            indivisible: None,
        };
        self.items(&play.gate, at(Part::Gate), playbook);
        self.guards(&play.guards, at(Part::Section), playbook);
        for bracket in &play.brackets {
            self.bracket(bracket, at(Part::Section), playbook);
        }
        for (_, items) in play.sections() {
            self.items(items, at(Part::Section), playbook);
        }
        for handler in &play.handlers {
            self.task(handler, at(Part::Handler), playbook);
        }
    }

    fn items(&mut self, items: &'a [Item], around: Around<'a>, playbook: &'a Playbook) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task, around, playbook),
                Item::Block(block) => self.block(block, around, playbook),
            }
        }
    }

    fn block(&mut self, block: &'a Block, around: Around<'a>, playbook: &'a Playbook) {
        self.blocks.push((block, around));
        self.guards(&block.guards, around, playbook);
        for bracket in &block.brackets {
            self.bracket(bracket, around, playbook);
        }
        let inner = Around {
            indivisible: if block.indivisible {
                Some(block)
            } else {
                around.indivisible
            },
            ..around
        };
        for items in [&block.block, &block.rescue, &block.always] {
            self.items(items, inner, playbook);
        }
    }

    fn task(&mut self, task: &'a Task, around: Around<'a>, playbook: &'a Playbook) {
        self.tasks.push((task, around));
        if let Some(probed) = &task.done_when {
            self.probed(probed, around, playbook);
        }
        if let Some(loaded) = playbook.includes.get(&task.id) {
            self.loaded(loaded, around, playbook);
        }
    }

    fn loaded(&mut self, loaded: &'a Loaded, around: Around<'a>, playbook: &'a Playbook) {
        self.block(&loaded.block, around, playbook);
        let handlers = Around {
            part: Part::Handler,
            indivisible: None,
            ..around
        };
        for handler in &loaded.handlers {
            self.task(handler, handlers, playbook);
        }
    }

    fn guards(&mut self, guards: &'a [Arc<Guard>], around: Around<'a>, playbook: &'a Playbook) {
        let inner = Around {
            part: Part::Probe,
            ..around
        };
        for guard in guards {
            self.guards.push((guard, around));
            self.task(&guard.probe, inner, playbook);
        }
    }

    fn probed(&mut self, probed: &'a Probed, around: Around<'a>, playbook: &'a Playbook) {
        let around = Around {
            part: Part::Probe,
            ..around
        };
        self.probes.push((probed, around));
        if let Some(probe) = &probed.probe {
            self.task(probe, around, playbook);
        }
    }

    fn bracket(&mut self, bracket: &'a Bracket, around: Around<'a>, playbook: &'a Playbook) {
        self.brackets.push((bracket, around));
        let inner = Around {
            part: Part::Bracket,
            ..around
        };
        for items in [
            &bracket.read,
            &bracket.enter,
            &bracket.settle,
            &bracket.leave,
            &bracket.after,
        ] {
            self.items(items, inner, playbook);
        }
        self.guards(&bracket.renew, inner, playbook);
        if let Some(probed) = &bracket.hold_while {
            self.probed(probed, inner, playbook);
        }
    }
}
