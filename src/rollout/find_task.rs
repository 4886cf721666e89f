//! Finds a task of the playbook by the path under which the journal knows it.

use std::sync::Arc;

use crate::playbook::{Block, Bracket, Entry, Item, Playbook, Task};

/// Finds a task by a step's path, which may end in the items of the looping includes around it. A task in a file whose
/// name is a template is not found: nobody knows which file it was.
pub(super) fn find_task(playbook: &Playbook, path: &str) -> Option<Arc<Task>> {
    let id = path.split('@').next().unwrap_or(path);
    let mut includes = playbook.includes.values();
    in_entries(&playbook.entries, id).or_else(|| {
        includes.find_map(|loaded| {
            let handlers = loaded.handlers.iter();
            in_block(&loaded.block, id).or_else(|| among(handlers, id))
        })
    })
}

fn in_entries(entries: &[Entry], id: &str) -> Option<Arc<Task>> {
    entries.iter().find_map(|entry| match entry {
        Entry::Bracket(around) => {
            in_bracket(&around.bracket, id).or_else(|| in_entries(&around.entries, id))
        }
        Entry::Play(play) => play
            .sections()
            .into_iter()
            .find_map(|(_, items)| in_items(items, id))
            .or_else(|| in_items(&play.gate, id))
            .or_else(|| in_brackets(&play.brackets, id))
            .or_else(|| among(play.handlers.iter(), id)),
    })
}

fn in_brackets(brackets: &[Arc<Bracket>], id: &str) -> Option<Arc<Task>> {
    brackets.iter().find_map(|bracket| in_bracket(bracket, id))
}

fn in_bracket(bracket: &Bracket, id: &str) -> Option<Arc<Task>> {
    let parts = [
        &bracket.read,
        &bracket.enter,
        &bracket.settle,
        &bracket.leave,
        &bracket.after,
    ];
    parts.into_iter().find_map(|items| in_items(items, id))
}

fn in_items(items: &[Item], id: &str) -> Option<Arc<Task>> {
    items.iter().find_map(|item| match item {
        Item::Task(task) => (task.id.as_str() == id).then(|| Arc::clone(task)),
        Item::Block(block) => in_block(block, id),
    })
}

fn in_block(block: &Block, id: &str) -> Option<Arc<Task>> {
    in_items(&block.block, id)
        .or_else(|| in_items(&block.rescue, id))
        .or_else(|| in_items(&block.always, id))
        .or_else(|| in_brackets(&block.brackets, id))
}

fn among<'t>(mut tasks: impl Iterator<Item = &'t Arc<Task>>, id: &str) -> Option<Arc<Task>> {
    tasks.find(|task| task.id.as_str() == id).map(Arc::clone)
}
