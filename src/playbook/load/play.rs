//! One play.

use std::sync::Arc;

use super::place::Place;
use super::playbooks::Over;
use super::protection::Around;
use super::roles::flat;
use super::typed::{Entry, shown};
use super::{Load, PlayParts, words};
use crate::modules::spec::is_template;
use crate::playbook::{Item, Level, OnFailure, Play, Prompt, RoleUse, Task};
use crate::yaml::{Data, Fields, Key, Node, Problem};

const ORDERS: &[&str] = &[
    "inventory",
    "reverse_inventory",
    "sorted",
    "reverse_sorted",
    "shuffle",
];
const STRATEGIES: &[&str] = &["linear", "free"];
const PROMPT: &[&str] = &["name", "prompt", "default", "private", "confirm", "unsafe"];

/// A play's tasks, and what its roles bring.
#[derive(Debug)]
struct Sections {
    gate: Vec<Item>,
    roles: Vec<Item>,
    pre_tasks: Vec<Item>,
    tasks: Vec<Item>,
    post_tasks: Vec<Item>,
    handlers: Vec<Arc<Task>>,
    uses: Vec<Arc<RoleUse>>,
}

impl Load<'_> {
    /// Reads a play.
    pub(super) fn play(
        &mut self,
        mut fields: Fields<'_>,
        over: &Over,
        place: &Place,
    ) -> Option<Arc<Play>> {
        let fields = &mut fields;
        let loc = fields.node().loc.clone();
        let name = self.text(fields.take("name"));
        let hosts = self.hosts(fields);
        let mut keywords = self.shared_keywords(fields);
        if let Some(user) = fields.take("user") {
            keywords.remote_user = self.text(Some(user));
        }
        over.put_on(&mut keywords);
        let context = place.level(Level::Play, keywords);
        let inner = place.within(&context);
        self.play = PlayParts::default();
        let serial = self.serial(fields.take("serial"));
        let order = self.choice(fields.take("order"), ORDERS);
        let order_by = self.text(fields.take("order_by"));
        let strategy = self.strategy(fields.take("strategy"));
        let gather_facts = self.flag(fields.take("gather_facts"));
        let vars_files = self.vars_files(fields.take("vars_files"));
        let vars_prompt = self.vars_prompt(fields.take("vars_prompt"));
        let max_fail_percentage = self.percentage(fields.take("max_fail_percentage"));
        let force_handlers = self.flag(fields.take("force_handlers"));
        let on_failure = self.on_failure(fields);
        let point_of_no_return = self.text(fields.take("point_of_no_return"));
        let guards = self.guards(fields.take("guards"), &inner);
        let brackets = self.brackets(fields, &inner, Around::Play);
        let sections = self.sections(fields, &inner);
        let known = [words::SHARED, words::PLAY];
        self.unknown_keywords(fields.left(), "a play", &known);
        Some(Arc::new(Play {
            id: place.id.clone(),
            loc,
            name,
            hosts: hosts?,
            context,
            serial,
            order,
            order_by,
            strategy,
            gather_facts,
            vars_files,
            vars_prompt,
            pre_tasks: sections.pre_tasks,
            roles: sections.roles,
            tasks: sections.tasks,
            post_tasks: sections.post_tasks,
            handlers: sections.handlers,
            role_uses: sections.uses,
            gate: sections.gate,
            guards,
            brackets,
            max_fail_percentage,
            on_failure,
            force_handlers,
            point_of_no_return,
        }))
    }

    /// Takes a play's tasks. What gate and brackets bring comes first, then the roles, so that what the play says itself
    /// and what its tasks import stand behind them.
    fn sections(&mut self, fields: &mut Fields<'_>, inner: &Place) -> Sections {
        let list = self.list(fields.take("gate"));
        let gate = self.items(list, &inner.child("gate").protected());
        let brought = std::mem::take(&mut self.play.handlers);
        let list = self.list(fields.take("roles"));
        let roles = self.roles(list, &inner.child("roles"));
        let mut handlers = std::mem::replace(&mut self.play.handlers, brought);
        let list = self.list(fields.take("handlers"));
        let mut at_handlers = inner.child("handlers");
        at_handlers.handlers = true;
        at_handlers.object = "a handler";
        handlers.extend(flat(&self.items(list, &at_handlers)));
        let mut section = |load: &mut Self, name: &'static str| {
            let list = load.list(fields.take(name));
            load.items(list, &inner.child(name))
        };
        let pre_tasks = section(self, "pre_tasks");
        let tasks = section(self, "tasks");
        let post_tasks = section(self, "post_tasks");
        let parts = std::mem::take(&mut self.play);
        handlers.extend(parts.handlers);
        Sections {
            gate,
            roles,
            pre_tasks,
            tasks,
            post_tasks,
            handlers,
            uses: parts.uses,
        }
    }

    /// Takes the pattern of a play's hosts.
    fn hosts(&mut self, fields: &mut Fields<'_>) -> Option<Node> {
        let Some((key, node)) = fields.take("hosts") else {
            let problem = Problem::at(&fields.node().loc, "this play has no `hosts`");
            self.problem(problem);
            return None;
        };
        let before = self.problems.len();
        let texts = self.texts(Some((key, node)));
        let is_empty = |text: &Node| text.as_str().is_some_and(|text| text.trim().is_empty());
        if self.problems.len() == before && (texts.is_empty() || texts.iter().any(is_empty)) {
            let problem = Problem::at(&key.loc, "`hosts` is empty");
            self.problem(problem.width(key.name.chars().count()));
        }
        Some(node.clone())
    }

    fn serial(&mut self, entry: Entry<'_>) -> Vec<Node> {
        let Some((_, node)) = entry.filter(|(_, node)| node.data != Data::Null) else {
            return Vec::new();
        };
        let items = node.as_seq().unwrap_or(std::slice::from_ref(node));
        for item in items {
            let is_right = match &item.data {
                Data::Int(number) => *number >= 0,
                Data::Str(text) => {
                    is_template(text) || crate::playbook::Share::parse(text).is_some()
                }
                Data::Null | Data::Bool(_) | Data::Float(_) | Data::Seq(_) | Data::Map(_) => false,
            };
            if !is_right {
                let message = format!("{} is no size of a batch", shown(item));
                let problem = Problem::at(&item.loc, message);
                self.problem(problem.hint("write a number of hosts, or a share such as \"25%\""));
            }
        }
        items.to_vec()
    }

    fn strategy(&mut self, entry: Entry<'_>) -> Option<Node> {
        let (key, node) = entry?;
        let bare = node.as_str().map(crate::modules::spec::builtin_name);
        if bare == Some("host_pinned") {
            let message = "the strategy `host_pinned` is outside the subset";
            let problem = Problem::at(&node.loc, message).width("host_pinned".len());
            self.problem(problem.hint("use `free`"));
            return None;
        }
        let node = match bare {
            Some(word) if STRATEGIES.contains(&word) => {
                Node::new(Data::Str(word.to_owned()), node.loc.clone())
            }
            Some(_) | None => node.clone(),
        };
        self.choice(Some((key, &node)), STRATEGIES)
    }

    fn on_failure(&mut self, fields: &mut Fields<'_>) -> OnFailure {
        let entry = fields.take("on_failure");
        let word = self.literal_choice(entry, &["stop", "continue"]);
        if word.as_deref() != Some("continue") {
            return OnFailure::Stop;
        }
        let protections = ["gate", "guards", "bracket", "brackets"];
        let given = protections
            .iter()
            .find(|word| fields.node().entry(word).is_some());
        if let (Some(word), Some((_, node))) = (given, entry) {
            let message = format!("a play with `{word}` cannot go on after a failure");
            self.problem(Problem::at(&node.loc, message).width("continue".len()));
        }
        OnFailure::Continue
    }

    fn percentage(&mut self, entry: Entry<'_>) -> Option<Node> {
        let (key, node) = entry?;
        let number = match &node.data {
            Data::Int(number) => Some(number.to_string()),
            Data::Float(number) => Some(number.to_string()),
            Data::Str(text) if is_template(text) => return Some(node.clone()),
            Data::Str(text) => Some(text.trim().trim_end_matches('%').to_owned()),
            Data::Null => return None,
            Data::Bool(_) | Data::Seq(_) | Data::Map(_) => None,
        };
        let share: Option<f64> = number.and_then(|text| text.parse().ok());
        if share.is_some_and(|share| (0.0..=100.0).contains(&share)) {
            return Some(node.clone());
        }
        let message = format!("`{}` must be from 0 to 100, not {}", key.name, shown(node));
        self.problem(Problem::at(&node.loc, message));
        None
    }

    fn vars_files(&mut self, entry: Entry<'_>) -> Vec<Node> {
        let Some((key, node)) = entry.filter(|(_, node)| node.data != Data::Null) else {
            return Vec::new();
        };
        let items = node.as_seq().unwrap_or(std::slice::from_ref(node));
        for item in items {
            self.texts(Some((key, item)));
        }
        items.to_vec()
    }

    fn vars_prompt(&mut self, entry: Entry<'_>) -> Vec<Prompt> {
        let list = self.list(entry);
        list.iter().filter_map(|node| self.prompt(node)).collect()
    }

    fn prompt(&mut self, node: &Node) -> Option<Prompt> {
        let mut fields = self.fields(node, "an entry of `vars_prompt`")?;
        for word in ["encrypt", "salt", "salt_size"] {
            if let Some((key, _)) = fields.take(word) {
                let message = format!("`{word}` of `vars_prompt` is outside the subset");
                let problem = Problem::at(&key.loc, message).width(word.len());
                self.problem(problem.hint("ask for the encrypted value"));
            }
        }
        fields.take("unsafe");
        let name = fields.take("name");
        if name.is_none() {
            let message = "this entry of `vars_prompt` has no `name`";
            self.problem(Problem::at(&node.loc, message));
        }
        let text = self.literal_text(name);
        if let (Some(name), Some((_, node))) = (&text, name) {
            let loc = node.loc.clone();
            self.variable_name(&Key {
                name: name.clone(),
                loc,
            });
        }
        let prompt = self.text(fields.take("prompt"));
        let default = fields.take("default").map(|(_, node)| node.clone());
        let private = self.literal_flag(fields.take("private"), true);
        let confirm = self.literal_flag(fields.take("confirm"), false);
        self.unknown_keywords(fields.left(), "`vars_prompt`", &[PROMPT]);
        Some(Prompt {
            name: text?,
            loc: node.loc.clone(),
            prompt: prompt.and_then(|node| node.as_str().map(str::to_owned)),
            default,
            private,
            confirm,
        })
    }
}
