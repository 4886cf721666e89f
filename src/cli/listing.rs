//! `--list-hosts`, `--list-tasks`, `--list-tags`: what a playbook holds, in Ansible's form.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::failure::Failure;
use super::prepared::Prepared;
use crate::plan::{PlannedPlay, TagSelection};
use crate::playbook::{Context, Entry, Item, Play, Task};
use crate::yaml::nearest;

/// What is listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) hosts: bool,
    pub(super) tasks: bool,
    pub(super) tags: bool,
}

/// Lists a playbook.
pub(super) fn text(prepared: &Prepared, wanted: Wanted) -> String {
    let mut text = format!("\nplaybook: {}\n", prepared.plan.playbook);
    for (number, play) in (1..).zip(prepared.playbook.plays()) {
        let planned = prepared.plan.play(&play.id);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\n  play #{number} ({}): {}\tTAGS: [{}]",
            pattern(play),
            play.title(),
            tags(&play.context).join(", ")
        );
        if wanted.hosts {
            list_hosts(&mut text, play, planned);
        }
        let mut tasks = Vec::new();
        let parts = std::iter::once(play.gate.as_slice())
            .chain(play.sections().into_iter().map(|(_, items)| items));
        for items in parts {
            collect(items, &prepared.tags, &mut tasks);
        }
        if wanted.tasks {
            text.push_str("    tasks:\n");
            for (title, tags) in &tasks {
                let _ = writeln!(text, "      {title}\tTAGS: [{}]", tags.join(", "));
            }
        }
        if wanted.tags {
            let all: BTreeSet<&String> = tasks.iter().flat_map(|(_, tags)| tags).collect();
            let all: Vec<&str> = all.into_iter().map(String::as_str).collect();
            let _ = writeln!(text, "      TASK TAGS: [{}]", all.join(", "));
        }
    }
    text
}

/// Tells whether a run can start at a task: it is known before the run, and nothing that protects a cluster is passed over.
pub(super) fn startable(prepared: &Prepared, name: &str) -> Result<(), Failure> {
    let playbook = &prepared.playbook;
    let around = |entry: &Entry| matches!(entry, Entry::Bracket(_));
    let protects = playbook.plays().any(|play| play.is_protected())
        || playbook.entries.iter().any(around)
        || playbook.plays().any(|play| {
            let mut sections = play.sections().into_iter();
            sections.any(|(_, items)| protects(items))
        });
    if protects {
        return Err(Failure::usage(
            "`--start-at-task` would pass over gates, guards or brackets of this playbook",
        )
        .hint("a run that is started again goes on from what it observes; `stagger resume` goes on with one that stopped"));
    }
    let mut titles = Vec::new();
    for play in playbook.plays() {
        for (_, items) in play.sections() {
            if each(items, &mut |task| {
                titles.push(task.title().to_owned());
                let role = task.context.role().map(|role| role.role.name.as_str());
                titles.extend(role.map(|role| format!("{role} : {}", task.title())));
                task.is_called(name)
            }) {
                return Ok(());
            }
        }
    }
    let failure = Failure::usage(format!("there is no task `{name}`"));
    Err(match nearest(name, titles.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => {
            failure.hint("--list-tasks lists them; those of dynamic includes cannot be started at")
        }
    })
}

fn protects(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Task(_) => false,
        Item::Block(block) => {
            !(block.guards.is_empty() && block.brackets.is_empty())
                || protects(&block.block)
                || protects(&block.rescue)
                || protects(&block.always)
        }
    })
}

/// Shows every task until one is the wanted one; tells whether it came to it.
fn each(items: &[Item], is_it: &mut dyn FnMut(&Task) -> bool) -> bool {
    items.iter().any(|item| match item {
        Item::Task(task) => is_it(task),
        Item::Block(block) => [&block.block, &block.rescue, &block.always]
            .into_iter()
            .any(|items| each(items, is_it)),
    })
}

fn list_hosts(text: &mut String, play: &Play, planned: Option<&PlannedPlay>) {
    let hosts = planned
        .map(|play| play.hosts.as_slice())
        .unwrap_or_default();
    let _ = writeln!(
        text,
        "    pattern: ['{}']\n    hosts ({}):",
        pattern(play),
        hosts.len()
    );
    for host in hosts {
        let _ = writeln!(text, "      {host}");
    }
}

fn pattern(play: &Play) -> String {
    match (play.hosts.as_str(), play.hosts.as_seq()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(items)) => {
            let texts: Vec<&str> = items.iter().filter_map(|item| item.as_str()).collect();
            texts.join(",")
        }
        (None, None) => String::new(),
    }
}

fn tags(context: &Context) -> Vec<String> {
    let own: BTreeSet<&str> = context
        .tags()
        .into_iter()
        .filter_map(|node| node.as_str())
        .collect();
    own.into_iter().map(str::to_owned).collect()
}

fn collect(items: &[Item], selection: &TagSelection, tasks: &mut Vec<(String, Vec<String>)>) {
    for item in items {
        match item {
            Item::Task(task) => {
                if selection.takes_context(&task.context) {
                    let role = task.context.role().map(|role| role.role.name.as_str());
                    let title = match role {
                        Some(role) => format!("{role} : {}", task.title()),
                        None => task.title().to_owned(),
                    };
                    tasks.push((title, tags(&task.context)));
                }
            }
            Item::Block(block) => {
                for items in [&block.block, &block.rescue, &block.always] {
                    collect(items, selection, tasks);
                }
            }
        }
    }
}
