//! A bracket that is entered, and the level that it is written in.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::events::BracketRef;
use crate::inventory::HostName;
use crate::journal::{BracketChange, Record};
use crate::playbook::{Bracket, Context, Item, Keywords, Level};

use super::place::Place;

/// A bracket that is entered.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) bracket: Arc<Bracket>,
    pub(super) reference: BracketRef,
    pub(super) place: Place,
    pub(super) hosts: Vec<HostName>,
}

/// The level of what is written nowhere.
pub(super) fn nothing_around() -> Arc<Context> {
    Arc::new(Context {
        level: Level::Playbook,
        keywords: Keywords::default(),
        parent: None,
        directory: Arc::from("."),
        playbook_directory: Arc::from("."),
    })
}

/// Returns the level that a bracket's tasks are written in.
pub(super) fn context_of(bracket: &Bracket) -> Option<Arc<Context>> {
    let items = bracket.leave.iter().chain(&bracket.enter);
    let mut own = items.map(|item| match item {
        Item::Task(task) => Arc::clone(&task.context),
        Item::Block(block) => Arc::clone(&block.context),
    });
    own.find_map(|context| context.parent.clone())
}

impl Open {
    pub(super) fn record(&self, change: BracketChange) -> Record {
        Record::Bracket {
            bracket: self.reference.clone(),
            change,
        }
    }

    /// Returns the level that the bracket is written in.
    pub(super) fn context(&self) -> Arc<Context> {
        context_of(&self.bracket)
            .or_else(|| self.place.play.play().map(|play| Arc::clone(&play.context)))
            .unwrap_or_else(nothing_around)
    }

    /// Goes on with what was found.
    pub(super) fn finds(&mut self, found: Value) {
        self.place = self.place.with([("found".to_owned(), found)]);
    }

    /// Returns what was found.
    pub(super) fn found(&self) -> Value {
        self.place.top.get("found").cloned().unwrap_or(json!(null))
    }
}
