//! Tasks, blocks, brackets and guards -> what a plan shows of them.

use super::shown::Shown;
use super::{PlannedBlock, PlannedBracket, PlannedGuard, PlannedItem, PlannedStep, TagSelection};
use crate::playbook::{
    Action, Block, BlockKind, Bracket, Context, Guard, Included, Item, Level, LoopOver, Play,
    Playbook, TakesDown, Task,
};
use crate::yaml::Node;

/// The arguments that tell best what a module does, the best first.
const TELLING: &[&str] = &[
    "cmd",
    "argv",
    "dest",
    "path",
    "name",
    "url",
    "src",
    "file",
    "that",
    "msg",
    "var",
    "endpoints",
    "prompt",
    "key",
    "host",
    "port",
];

/// Returns the name of the role whose tasks a block holds: itself, or as what it imports.
fn role_of(block: &Block) -> Option<&str> {
    match (block.kind, &block.context.level, block.block.first()) {
        (BlockKind::Role, Level::Role(used), _) => Some(&used.role.name),
        (BlockKind::Role, _, Some(Item::Block(inner))) => role_of(inner),
        (_, _, _) => None,
    }
}

/// Plans the items of one play, or of a bracket around plays.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    pub(super) playbook: &'a Playbook,
    pub(super) play: Option<&'a Play>,
    pub(super) shown: &'a Shown<'a>,
    pub(super) tags: &'a TagSelection,
    /// How many tasks the tags left out.
    pub(super) left_out: usize,
}

impl Steps<'_> {
    /// Plans a list of tasks and blocks; `rest` says whether the run may stop between them.
    pub(super) fn items(&mut self, items: &[Item], rest: bool) -> Vec<PlannedItem> {
        items
            .iter()
            .filter_map(|item| self.item(item, rest))
            .collect()
    }

    fn item(&mut self, item: &Item, rest: bool) -> Option<PlannedItem> {
        match item {
            Item::Task(task) => self.task(task, rest),
            Item::Block(block) => self.block(block, rest),
        }
    }

    fn task(&mut self, task: &Task, rest: bool) -> Option<PlannedItem> {
        if !self.tags.takes_context(&task.context) {
            self.left_out += 1;
            return None;
        }
        let show = |node: &Node| self.shown.value(node, self.play, &task.context);
        let texts = |nodes: &[Node]| nodes.iter().map(show).collect::<Vec<_>>();
        let mut step = PlannedStep {
            id: task.id.to_string(),
            title: task
                .name
                .as_ref()
                .map_or_else(|| task.title().to_owned(), show),
            action: task.action.name().to_owned(),
            detail: self.detail(task),
            when: texts(&task.context.keywords.when),
            repeated: task
                .r#loop
                .as_ref()
                .map(|repetition| match &repetition.over {
                    LoopOver::Items(node) => show(node),
                    LoopOver::With { lookup, terms } => format!("{lookup}: {}", show(terms)),
                }),
            waits: self.waits(task),
            once: task
                .context
                .nearest(|keywords| keywords.run_once.as_ref())
                .is_some_and(|node| crate::yaml::flag(node) == Ok(true)),
            delegated: task
                .context
                .nearest(|keywords| keywords.delegate_to.as_ref())
                .map(show),
            takes_down: self.members(task.takes_down.as_ref(), &task.context),
            point_of_no_return: task.point_of_no_return.as_ref().map(show),
            rest_point: rest,
            items: Vec::new(),
        };
        if let Some(loaded) = self.playbook.includes.get(&task.id) {
            let inner = rest && !loaded.block.indivisible;
            step.items = self.items(&loaded.block.block, inner);
        }
        Some(PlannedItem::Step(Box::new(step)))
    }

    fn waits(&self, task: &Task) -> Option<String> {
        if task.until.is_empty() {
            return None;
        }
        let show = |node: &Node| self.shown.value(node, self.play, &task.context);
        let conditions: Vec<String> = task.until.iter().map(show).collect();
        let limit = task
            .context
            .nearest(|keywords| keywords.timeout.as_ref())
            .map(|node| format!(", at most {}", show(node)));
        let tries = task
            .retries
            .as_ref()
            .filter(|_| limit.is_none())
            .map(|node| format!(", {} tries", show(node)));
        let limit = limit.or(tries).unwrap_or_default();
        Some(format!("{}{limit}", conditions.join(" and ")))
    }

    fn detail(&self, task: &Task) -> String {
        let show = |node: &Node| self.shown.value(node, self.play, &task.context);
        match &task.action {
            Action::Module { arguments, .. } => TELLING
                .iter()
                .find_map(|name| arguments.entry(name))
                .map(show)
                .unwrap_or_default(),
            Action::Include(include) => match &include.what {
                Included::Tasks { file } => show(file),
                Included::Role { name, files, .. } => match &files.tasks {
                    Some(tasks) => format!("{} ({})", show(name), show(tasks)),
                    None => show(name),
                },
            },
            Action::Meta(meta) => meta.name().to_owned(),
            Action::RoleArguments(used) => used.role.name.clone(),
        }
    }

    fn block(&mut self, block: &Block, rest: bool) -> Option<PlannedItem> {
        let inner = rest && !block.indivisible;
        let brackets = self.brackets(&block.brackets);
        let items = self.items(&block.block, inner);
        let rescue = self.items(&block.rescue, inner);
        let always = self.items(&block.always, inner);
        if items.is_empty() && rescue.is_empty() && always.is_empty() && brackets.is_empty() {
            return None;
        }
        let show = |node: &Node| self.shown.value(node, self.play, &block.context);
        let role = role_of(block).map(str::to_owned);
        Some(PlannedItem::Block(Box::new(PlannedBlock {
            id: block.id.to_string(),
            title: block.name.as_ref().map(show),
            role,
            when: block.context.keywords.when.iter().map(show).collect(),
            indivisible: block.indivisible,
            takes_down: self.members(block.takes_down.as_ref(), &block.context),
            point_of_no_return: block.point_of_no_return.as_ref().map(show),
            rest_point: rest,
            guards: block.guards.iter().map(|guard| self.guard(guard)).collect(),
            brackets,
            items,
            rescue,
            always,
        })))
    }

    fn members(
        &self,
        taken: Option<&TakesDown>,
        context: &std::sync::Arc<Context>,
    ) -> Option<String> {
        let taken = taken?;
        let members = self.shown.value(&taken.members, self.play, context);
        let within = taken.within.as_ref().map(|node| {
            format!(
                " for at most {}",
                self.shown.value(node, self.play, context)
            )
        });
        Some(format!("{members}{}", within.unwrap_or_default()))
    }

    /// Plans a guard.
    pub(super) fn guard(&self, guard: &Guard) -> PlannedGuard {
        let show = |node: &Node| self.shown.value(node, self.play, &guard.probe.context);
        PlannedGuard {
            id: guard.id.clone(),
            name: guard.name.clone(),
            until: guard.until.iter().map(show).collect(),
            every: guard
                .every
                .as_ref()
                .map_or_else(|| format!("{}s", Guard::EVERY_SECONDS), show),
            grace: guard.grace.as_ref().map_or_else(|| "0s".to_owned(), show),
        }
    }

    /// Plans brackets.
    pub(super) fn brackets(&mut self, brackets: &[std::sync::Arc<Bracket>]) -> Vec<PlannedBracket> {
        brackets
            .iter()
            .map(|bracket| self.bracket(bracket))
            .collect()
    }

    /// Plans a bracket.
    pub(super) fn bracket(&mut self, bracket: &Bracket) -> PlannedBracket {
        let expect = bracket
            .expect
            .as_ref()
            .map(|node| self.shown.value(node, self.play, &bracket.context));
        PlannedBracket {
            id: bracket.id.clone(),
            name: bracket.name.clone(),
            per: bracket.per,
            expect,
            read: self.items(&bracket.read, false),
            enter: self.items(&bracket.enter, false),
            renew: bracket.renew.iter().map(|one| self.guard(one)).collect(),
            settle: self.items(&bracket.settle, false),
            leave: self.items(&bracket.leave, false),
            after: self.items(&bracket.after, false),
        }
    }
}
