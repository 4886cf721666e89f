//! Building a plan.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Value;

use super::digest::{of_bytes, of_parts};
use super::shown::Shown;
use super::steps::Steps;
use super::tags::{self, TagSelection};
use super::{Plan, PlannedAround, PlannedEntry, PlannedPlay, batch, ordered};
use crate::inventory::{HostName, Inventory, Limit};
use crate::modules::spec::is_template;
use crate::playbook::{
    Action, BracketEntry, Context, Entry, Files, Item, Order, Play, Playbook, Share, Strategy, Task,
};
use crate::yaml::{Loc, Node, Problem, flag_of};

/// The format of plans that are kept in files.
pub(super) const FORMAT: u32 = 1;

/// What is known before a run: the templates' room with the variables that no host's answer changes.
pub trait Known: Debug {
    /// Renders a value with the variables of a play, for no host in particular.
    fn value(&self, play: &Play, node: &Node) -> Result<Value, Problem>;

    /// Shows a text as it will be on every host of the play, if that is known and the same on all.
    fn shown(&self, play: Option<&Play>, context: &Arc<Context>, node: &Node) -> Option<String> {
        let _ = (play, context, node);
        None
    }
}

/// What a plan is made of.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The hosts.
    pub inventory: &'a Inventory,
    /// What restricts them.
    pub limit: Option<&'a Limit>,
    /// What is known.
    pub known: &'a dyn Known,
    /// Where the files come from that tasks name.
    pub files: &'a dyn Files,
    /// Which tasks take part.
    pub tags: &'a TagSelection,
    /// What decides a shuffle.
    pub seed: u64,
    /// What was asked for, as `cli` wants to see it again.
    pub request: Value,
    /// What else decides the run, each with its content: inventory, variables, versions.
    pub further: &'a [(String, Vec<u8>)],
}

impl Plan {
    /// Works out what a run will do.
    pub fn build(playbook: &Playbook, inputs: &Inputs<'_>) -> Result<Self, Vec<Problem>> {
        let shown = Shown::of(playbook, inputs.known);
        let mut build = Build {
            playbook,
            inputs,
            shown: &shown,
            problems: Vec::new(),
            left_out: 0,
            adds_hosts: None,
            parts: BTreeMap::new(),
        };
        build.tags_exist();
        build.files();
        let entries = build.entries(&playbook.entries);
        if build.problems.is_empty() && !entries.iter().any(has_hosts) {
            let problem = Problem::nowhere("nothing to do: no play has any hosts");
            build.problems.push(problem);
        }
        if !build.problems.is_empty() {
            return Err(build.problems);
        }
        let parts = build.parts;
        Ok(Self {
            format: FORMAT,
            playbook: playbook.source.name.clone(),
            request: inputs.request.clone(),
            entries,
            left_out: build.left_out,
            digest: of_parts(&parts),
            parts,
        })
    }
}

fn has_hosts(entry: &PlannedEntry) -> bool {
    match entry {
        // Hosts that are not known yet may come.
        PlannedEntry::Play(play) => !play.hosts.is_empty() || play.hosts_note.is_some(),
        PlannedEntry::Bracket(around) => around.entries.iter().any(has_hosts),
    }
}

/// A plan that is being built.
#[derive(Debug)]
struct Build<'a> {
    playbook: &'a Playbook,
    inputs: &'a Inputs<'a>,
    shown: &'a Shown<'a>,
    problems: Vec<Problem>,
    left_out: usize,
    /// The first task so far that adds hosts or groups while the run goes on.
    adds_hosts: Option<String>,
    parts: BTreeMap<String, String>,
}

impl Build<'_> {
    fn part(&mut self, name: String, content: &[u8]) {
        self.parts.insert(name, of_bytes(content));
    }

    /// Takes the digests of all files, of the variables and versions, and of the choice of tasks.
    fn files(&mut self) {
        for source in &self.playbook.sources {
            self.part(format!("file {}", source.name), source.text.as_bytes());
        }
        for path in self.playbook.named_files(self.inputs.files) {
            if let Ok(bytes) = self.inputs.files.read(&path) {
                self.part(format!("file {path}"), &bytes);
            }
        }
        for (name, content) in self.inputs.further {
            let others = self
                .parts
                .keys()
                .filter(|part| part.starts_with(name.as_str()));
            let name = match others.count() {
                0 => name.clone(),
                count => format!("{name} ({})", count + 1),
            };
            self.part(name, content);
        }
        let tags = format!("{:?}", self.inputs.tags);
        self.part("choice of tags".to_owned(), tags.as_bytes());
    }

    /// A tag that no task has selects nothing: that is never meant.
    fn tags_exist(&mut self) {
        let mut own: Vec<String> = tags::SPECIAL.map(str::to_owned).to_vec();
        let mut contexts: Vec<&Context> = Vec::new();
        // What some includes load is known only when they run, and so are its tags.
        let unknown = self.unknown_includes();
        for play in self.playbook.plays() {
            contexts.push(&play.context);
            for (_, items) in play.sections() {
                contexts_of(items, &mut contexts);
            }
        }
        for loaded in self.playbook.includes.values() {
            contexts_of(&loaded.block.block, &mut contexts);
        }
        for context in &contexts {
            own.extend(tags::literal(context).map(str::to_owned));
        }
        let is_open = contexts.iter().any(|context| {
            let tags = context.tags();
            tags.iter()
                .any(|node| node.as_str().is_some_and(is_template))
        }) || unknown > 0;
        for tag in self.inputs.tags.named() {
            if !is_open && !own.iter().any(|known| known == tag) {
                let problem = Problem::nowhere(format!("no task has the tag `{tag}`"));
                let known = own.iter().map(String::as_str);
                self.problems.push(problem.did_you_mean(tag, known));
            }
        }
    }

    /// Counts the includes of which it is not known what they load.
    fn unknown_includes(&self) -> usize {
        let includes = &self.playbook.includes;
        let of_plays = self.playbook.plays().flat_map(|play| play.sections());
        let lists = of_plays.map(|(_, items)| items).chain(
            includes
                .values()
                .map(|loaded| loaded.block.block.as_slice()),
        );
        let mut tasks = Vec::new();
        lists.for_each(|items| tasks_of(items, &mut tasks));
        tasks
            .iter()
            .filter(|task| matches!(task.action, Action::Include(_)))
            .filter(|task| !includes.contains_key(&task.id))
            .count()
    }

    fn entries(&mut self, entries: &[Entry]) -> Vec<PlannedEntry> {
        entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Play(play) => {
                    let planned = self.play(play)?;
                    Some(PlannedEntry::Play(Box::new(planned)))
                }
                Entry::Bracket(around) => {
                    Some(PlannedEntry::Bracket(Box::new(self.around(around))))
                }
            })
            .collect()
    }

    fn around(&mut self, around: &BracketEntry) -> PlannedAround {
        let mut steps = self.steps(None);
        let bracket = steps.bracket(&around.bracket);
        let guards = around
            .guards
            .iter()
            .map(|guard| steps.guard(guard))
            .collect();
        PlannedAround {
            bracket,
            guards,
            entries: self.entries(&around.entries),
        }
    }

    fn steps<'s>(&'s self, play: Option<&'s Play>) -> Steps<'s> {
        Steps {
            playbook: self.playbook,
            play,
            shown: self.shown,
            tags: self.inputs.tags,
            left_out: 0,
        }
    }

    fn play(&mut self, play: &Play) -> Option<PlannedPlay> {
        if self.names_nobody(play) {
            return None;
        }
        let before = self.problems.len();
        let (hosts, hosts_note) = self.hosts(play);
        let order = self.word(play, play.order.as_ref(), Order::parse);
        let strategy = self.word(play, play.strategy.as_ref(), Strategy::parse);
        let gather_facts = self.flag(play, play.gather_facts.as_ref());
        let (shares, serial) = self.shares(play);
        let hosts = ordered(hosts, order, self.inputs.seed);
        let batches = batch::sizes(&shares, hosts.len());
        let mut steps = self.steps(Some(play));
        let gate = steps.items(&play.gate, false);
        let brackets = steps.brackets(&play.brackets);
        let mut items = Vec::new();
        for (_, section) in play.sections() {
            items.extend(steps.items(section, true));
        }
        let guards = play.guards.iter().map(|guard| steps.guard(guard)).collect();
        let left_out = steps.left_out;
        self.left_out += left_out;
        self.learn_added_hosts(play);
        if self.problems.len() > before {
            return None;
        }
        let show = |node: &Node| self.shown.value(node, Some(play), &play.context);
        let mut handlers: Vec<String> = Vec::new();
        for handler in &play.handlers {
            if !handlers.iter().any(|name| name == handler.title()) {
                handlers.push(handler.title().to_owned());
            }
        }
        let planned = PlannedPlay {
            id: play.id.clone(),
            title: play.name.as_ref().map_or_else(|| play.title(), show),
            place: format!("{}:{}", play.loc.source.name, play.loc.line),
            when: play.context.conditions().into_iter().map(show).collect(),
            hosts,
            hosts_note,
            order,
            order_by: play.order_by.as_ref().map(rule),
            batches,
            serial,
            strategy,
            gather_facts,
            on_failure: play.on_failure,
            point_of_no_return: play.point_of_no_return.as_ref().map(show),
            gate,
            guards,
            brackets,
            items,
            handlers,
        };
        self.rules(&planned);
        Some(planned)
    }

    /// Takes the digest of a play's members and of the rules that order them; not of an order that chance decides.
    fn rules(&mut self, play: &PlannedPlay) {
        let mut members = play.hosts.clone();
        if play.order == Order::Shuffle {
            members.sort();
        }
        let names: Vec<&str> = members.iter().map(HostName::as_str).collect();
        self.part(
            format!("members of play {}", play.id),
            names.join("\n").as_bytes(),
        );
        let rules = format!(
            "{:?} {:?} {:?} {:?}",
            play.order, play.order_by, play.serial, play.strategy
        );
        self.part(format!("order of play {}", play.id), rules.as_bytes());
    }

    /// Tells whether a play's pattern is a template that gives an empty list: on purpose, so that the play takes no part.
    ///
    /// An empty text is a variable that nobody has filled: a mistake.
    fn names_nobody(&self, play: &Play) -> bool {
        let template = play.hosts.as_str().is_some_and(is_template);
        let value = || self.inputs.known.value(play, &play.hosts);
        let is_empty_list = |value: Value| value.as_array().is_some_and(Vec::is_empty);
        template && value().is_ok_and(is_empty_list)
    }

    /// Returns a play's hosts in the inventory's order, and why there are none.
    fn hosts(&mut self, play: &Play) -> (Vec<HostName>, Option<String>) {
        let value = match self.inputs.known.value(play, &play.hosts) {
            Ok(value) => value,
            Err(problem) => {
                self.problems.push(problem);
                return (Vec::new(), None);
            }
        };
        let pattern = pattern_of(&value);
        let is_literal = play.hosts.as_str() == Some(pattern.as_str());
        let at: Loc = if is_literal {
            play.hosts.inside(1, 1)
        } else {
            play.hosts.loc.clone()
        };
        let selected = if is_literal {
            self.inputs.inventory.select(&pattern, Some(&at))
        } else {
            self.inputs.inventory.select(&pattern, None)
        };
        let hosts = match (selected, &self.adds_hosts) {
            (Ok(hosts), _) => hosts,
            (Err(_), Some(task)) => {
                return (Vec::new(), Some(format!("hosts are known <after: {task}>")));
            }
            (Err(mut problem), None) => {
                problem.loc.get_or_insert(at);
                if pattern.trim().is_empty() && !is_literal {
                    problem = problem.hint(
                        "it is rendered to nothing; a play that is to take no part has an empty list, `[]`",
                    );
                }
                self.problems.push(problem);
                return (Vec::new(), None);
            }
        };
        let Some(limit) = self.inputs.limit else {
            return (hosts, None);
        };
        let left = limit.apply(self.inputs.inventory, &hosts);
        let note = match (left.is_empty(), &self.adds_hosts) {
            (true, Some(task)) => Some(format!("hosts are known <after: {task}>")),
            (true, None) | (false, _) => None,
        };
        (left, note)
    }

    /// Renders a keyword that is one of some words.
    fn word<T: Default>(
        &mut self,
        play: &Play,
        node: Option<&Node>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(node) = node else {
            return T::default();
        };
        match self.inputs.known.value(play, node) {
            Ok(value) => {
                let word = value.as_str().unwrap_or_default();
                parse(word).unwrap_or_else(|| {
                    let message = format!("`{word}` is not one of the words that are known here");
                    self.problems.push(Problem::at(&node.loc, message));
                    T::default()
                })
            }
            Err(problem) => {
                self.problems.push(problem);
                T::default()
            }
        }
    }

    /// Renders a flag; yes if it is absent.
    fn flag(&mut self, play: &Play, node: Option<&Node>) -> bool {
        let Some(node) = node else { return true };
        let value = self.inputs.known.value(play, node);
        let read = value
            .and_then(|value| flag_of(&value).map_err(|message| Problem::at(&node.loc, message)));
        read.unwrap_or_else(|problem| {
            self.problems.push(problem);
            true
        })
    }

    /// Renders `serial`.
    fn shares(&mut self, play: &Play) -> (Vec<Share>, Vec<String>) {
        let (mut shares, mut texts) = (Vec::new(), Vec::new());
        for node in &play.serial {
            let rendered = self.inputs.known.value(play, node).and_then(|value| {
                let shares = Share::of(&value).ok_or_else(|| {
                    Problem::at(&node.loc, format!("{value} is no size of a batch"))
                })?;
                Ok((shares, value))
            });
            match rendered {
                Ok((found, value)) => {
                    shares.extend(found);
                    texts.push(
                        value
                            .as_str()
                            .map_or_else(|| value.to_string(), str::to_owned),
                    );
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        (shares, texts)
    }

    /// Remembers a task that adds hosts or groups: patterns of later plays may name what it adds.
    fn learn_added_hosts(&mut self, play: &Play) {
        if self.adds_hosts.is_some() {
            return;
        }
        for (_, items) in play.sections() {
            self.adds_hosts = self.adds_hosts.take().or_else(|| adds_hosts(items));
        }
        let mut loaded = self.playbook.includes.iter();
        let inside = loaded.find_map(|(id, loaded)| {
            let is_here = id.is_within(&play.id);
            is_here.then(|| adds_hosts(&loaded.block.block)).flatten()
        });
        self.adds_hosts = self.adds_hosts.take().or(inside);
    }
}

/// Returns the name of the first task that adds hosts or groups.
fn adds_hosts(items: &[Item]) -> Option<String> {
    items.iter().find_map(|item| match item {
        Item::Task(task) => match &task.action {
            Action::Module { spec, .. } if matches!(spec.name, "add_host" | "group_by") => {
                Some(task.title().to_owned())
            }
            Action::Module { .. }
            | Action::Include(_)
            | Action::Meta(_)
            | Action::RoleArguments(_) => None,
        },
        Item::Block(block) => [&block.block, &block.rescue, &block.always]
            .into_iter()
            .find_map(|items| adds_hosts(items)),
    })
}

fn contexts_of<'a>(items: &'a [Item], contexts: &mut Vec<&'a Context>) {
    let mut tasks = Vec::new();
    tasks_of(items, &mut tasks);
    contexts.extend(tasks.iter().map(|task| task.context.as_ref()));
}

fn tasks_of<'a>(items: &'a [Item], tasks: &mut Vec<&'a Task>) {
    for item in items {
        match item {
            Item::Task(task) => tasks.push(task),
            Item::Block(block) => {
                for items in [&block.block, &block.rescue, &block.always] {
                    tasks_of(items, tasks);
                }
            }
        }
    }
}

/// Shows a rule as it is written: what it is made of changes, the rule does not.
fn rule(node: &Node) -> String {
    let text = node
        .as_str()
        .map_or_else(|| node.to_value().to_string(), str::to_owned);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Joins a pattern, or a list of patterns.
fn pattern_of(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(pattern_of).collect::<Vec<_>>().join(","),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
