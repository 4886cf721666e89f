//! What a person can type to do by hand what the run could not do any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::events::ByHand;
use crate::inventory::HostName;
use crate::playbook::{Action, Block, Include, Included, Item, Task};

use super::engine::{Engine, FailedAt};
use super::loops::Items;
use super::place::{Place, Walked};
use super::step::TaskRun;

impl Engine {
    /// Returns the commands that do the same as items do on a host, in order, as far as they can be known now.
    pub(super) fn by_hand(&self, place: &Place, items: &[Item], host: &HostName) -> Vec<ByHand> {
        let mut tasks = Vec::new();
        flatten(items, &mut tasks);
        let lines = tasks
            .into_iter()
            .flat_map(|task| self.lines_by_hand(place, task, host));
        lines.collect()
    }

    /// Returns the lines of a task, one for each of its items; where those are not known yet one for all of them.
    fn lines_by_hand(&self, place: &Place, task: &Arc<Task>, host: &HostName) -> Vec<ByHand> {
        let scope = self.scope(host.as_str(), &self.around(place, &task.context));
        let Ok(Some(items)) = Items::of(task, &scope) else {
            return self.line_by_hand(place, task, host).into_iter().collect();
        };
        let each = (0..items.len()).map(|index| place.with(items.variables(index)));
        each.filter_map(|place| self.line_by_hand(&place, task, host))
            .collect()
    }

    pub(super) fn line_by_hand(
        &self,
        place: &Place,
        task: &Arc<Task>,
        host: &HostName,
    ) -> Option<ByHand> {
        let line = |host: &str, what: String, command: String| {
            Some(ByHand {
                host: host.to_owned(),
                what: self.outside.masker.mask(&what),
                command: self.outside.masker.mask(&command),
            })
        };
        match &task.action {
            Action::Module {
                spec, arguments, ..
            } => {
                let module = (self.outside.modules)(spec.name)?;
                let run = TaskRun {
                    place,
                    task,
                    around: self.around(place, &task.context),
                    module,
                    arguments,
                };
                let scope = self.scope(host.as_str(), &run.around);
                let title = self.task_name(task, &scope);
                if let Ok(step) = self.step(&run, host, scope, None) {
                    let runs_on = if step.spec.needs_host {
                        step.runs_on.as_str()
                    } else {
                        ""
                    };
                    let what = format!("{title}: {}", step.action.describe());
                    line(runs_on, what, step.action.by_hand().unwrap_or_default())
                } else {
                    let what = format!("{title} ({}, see {})", spec.name, task.loc);
                    line(host.as_str(), what, String::new())
                }
            }
            Action::Include(include) => {
                let what = format!("do what {} says ({})", named(include), task.loc);
                line(host.as_str(), what, String::new())
            }
            Action::Meta(_) | Action::RoleArguments(_) => None,
        }
    }

    /// Notes what an indivisible block has left to do on hosts that are lost inside of it: from the step at which each
    /// failed, and its `always` where that could not be done.
    pub(super) fn note_unfinished(
        &self,
        place: &Place,
        block: &Arc<Block>,
        walked: &Walked,
        failed_at: &BTreeMap<HostName, FailedAt>,
        undone: &[HostName],
    ) {
        let mut tasks = Vec::new();
        flatten(&block.block, &mut tasks);
        for (host, left) in &walked.left {
            if !left.is_lost() {
                continue;
            }
            let failed = failed_at.get(host);
            let from = tasks
                .iter()
                .position(|task| Some(&task.id) == failed.map(|failed| &failed.task));
            let mut rest: Vec<&Arc<Task>> =
                tasks.get(from.unwrap_or(0)..).unwrap_or_default().to_vec();
            if undone.contains(host) {
                flatten(&block.always, &mut rest);
            }
            let lines: Vec<(HostName, ByHand)> = rest
                .iter()
                .flat_map(|task| self.lines_by_hand(place, task, host))
                .map(|line| (host.clone(), line))
                .collect();
            self.state().unfinished.extend(lines);
        }
    }
}

/// Collects the tasks that are known before they run.
fn flatten<'a>(items: &'a [Item], tasks: &mut Vec<&'a Arc<Task>>) {
    for item in items {
        match item {
            Item::Task(task) => tasks.push(task),
            Item::Block(block) => {
                flatten(&block.block, tasks);
                flatten(&block.always, tasks);
            }
        }
    }
}

fn named(include: &Include) -> String {
    let node = match &include.what {
        Included::Tasks { file } => file,
        Included::Role { name, .. } => name,
    };
    node.as_str().unwrap_or_default().to_owned()
}
