//! Lists of tasks and blocks, and one task.

use std::sync::Arc;

use super::Load;
use super::actions::Written;
use super::blocks::Scope;
use super::place::Place;
use super::typed::Entry;
use crate::modules::spec::builtin_name;
use crate::playbook::{
    Action, Context, Item, Keywords, Level, Loop, Meta, OnDeadline, Probed, TakesDown, Task,
};
use crate::yaml::{Data, Fields, Key, Loc, Node, Problem};

/// What a task says beside what it inherits and what it does.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) loc: Loc,
    pub(super) name: Option<Node>,
    pub(super) keywords: Keywords,
    pub(super) takes_down: Option<TakesDown>,
    pub(super) point_of_no_return: Option<Node>,
    repetition: Option<Loop>,
    register: Option<String>,
    until: Vec<Node>,
    retries: Option<Node>,
    delay: Option<Node>,
    changed_when: Vec<Node>,
    failed_when: Vec<Node>,
    listen: Vec<Node>,
    background: Option<Node>,
    poll: Option<Node>,
    done_when: Option<Probed>,
    on_deadline: Option<OnDeadline>,
    finds_lock: bool,
}

/// Keywords that say something about one step, and so nothing about what is imported or included.
const OF_STEPS: &[&str] = &[
    "until",
    "retries",
    "delay",
    "changed_when",
    "failed_when",
    "async",
    "poll",
    "done_when",
    "on_deadline",
    "failure_is",
];

impl Load<'_> {
    /// Reads a list of tasks and blocks.
    pub(super) fn items(&mut self, list: &[Node], place: &Place) -> Vec<Item> {
        list.iter()
            .zip(1..)
            .filter_map(|(node, number)| self.item(node, &place.child(number)))
            .collect()
    }

    fn item(&mut self, node: &Node, place: &Place) -> Option<Item> {
        match Fields::new(node, "a task") {
            Ok(fields) if node.entry("block").is_some() => self.block(fields, place),
            Ok(mut fields) => self.task(&mut fields, place),
            Err(problem) => {
                self.problem(problem);
                None
            }
        }
    }

    /// Reads a task.
    pub(super) fn task(&mut self, fields: &mut Fields<'_>, place: &Place) -> Option<Item> {
        let node = fields.node();
        let mut own = self.own(fields, place);
        let scope = self.scope_of_task(fields, &own, place);
        let written = self.written(fields, place.object)?;
        if written.local {
            let text = Data::Str("localhost".to_owned());
            own.keywords.delegate_to = Some(Node::new(text, written.loc.clone()));
        }
        match builtin_name(&written.name) {
            "import_tasks" | "import_role" => {
                self.refuse(node, OF_STEPS, &written);
                self.refuse(node, &["loop", "register", "listen"], &written);
                self.import(own, scope, &written, place)
            }
            "include_tasks" | "include_role" => {
                self.refuse(node, OF_STEPS, &written);
                self.refuse_scope(node, &written, &["guards", "bracket", "brackets"]);
                self.include(node, own, scope.indivisible, &written, place)
            }
            "import_playbook" => {
                let problem = written.problem("a playbook is imported beside plays, not by a task");
                self.problem(problem.hint("use `import_tasks`"));
                None
            }
            "meta" => {
                self.refuse_scope(
                    node,
                    &written,
                    &["indivisible", "guards", "bracket", "brackets"],
                );
                let action = Action::Meta(self.meta(&written, place)?);
                Some(Item::Task(own.task(place, action)))
            }
            _ => {
                self.refuse_scope(
                    node,
                    &written,
                    &["indivisible", "guards", "bracket", "brackets"],
                );
                self.module(own, &written, place)
            }
        }
    }

    /// Takes what may go around an import: inside of the import's own keywords.
    fn scope_of_task(&mut self, fields: &mut Fields<'_>, own: &Own, place: &Place) -> Scope {
        let words = ["indivisible", "guards", "bracket", "brackets"];
        if !words.iter().any(|word| fields.node().entry(word).is_some()) {
            return Scope::default();
        }
        let context = place.level(Level::Block, own.keywords.clone());
        self.taken_scope(fields, &place.within(&context))
    }

    fn module(&mut self, own: Own, written: &Written, place: &Place) -> Option<Item> {
        let spec = self.loader.specs.find(&written.name)?;
        let name = written.name.clone();
        let context = place.level(Level::Task, own.keywords.clone());
        let arguments = self.module_arguments(spec, written, &context);
        let action = Action::Module {
            spec,
            name,
            arguments,
        };
        Some(Item::Task(own.with_context(place, context, action)))
    }

    fn meta(&mut self, written: &Written, place: &Place) -> Option<Meta> {
        let word = written
            .bare
            .as_ref()
            .or_else(|| Some(&written.entries.first()?.1))
            .and_then(Node::as_str)
            .map(str::trim);
        let Some(word) = word else {
            let problem = written.problem("`meta` needs a word: what the engine shall do");
            self.problem(problem);
            return None;
        };
        let Some(meta) = Meta::ALL.into_iter().find(|meta| meta.name() == word) else {
            let problem = written
                .problem(format!("`meta` knows no `{word}`"))
                .did_you_mean(word, Meta::ALL.map(Meta::name));
            self.problem(problem);
            return None;
        };
        let in_role = place
            .context
            .as_ref()
            .is_some_and(|context| context.role().is_some());
        if meta == Meta::EndRole && (!in_role || place.handlers) {
            let problem = written.problem("`end_role` works only in the tasks of a role");
            self.problem(problem);
        }
        Some(meta)
    }

    /// Takes all keywords of a task.
    fn own(&mut self, fields: &mut Fields<'_>, place: &Place) -> Own {
        let listen = if place.handlers {
            self.texts(fields.take("listen"))
        } else {
            Vec::new()
        };
        Own {
            loc: fields.node().loc.clone(),
            name: self.text(fields.take("name")),
            keywords: self.keywords(fields),
            takes_down: self.takes_down(fields.take("takes_down")),
            point_of_no_return: self.text(fields.take("point_of_no_return")),
            repetition: self.repetition(fields),
            register: self.register(fields.take("register")),
            until: self.conditions(fields.take("until")),
            retries: self.whole_number(fields.take("retries"), 0),
            delay: self.time_span(fields.take("delay")),
            changed_when: self.conditions(fields.take("changed_when")),
            failed_when: self.conditions(fields.take("failed_when")),
            listen,
            background: self.time_span(fields.take("async")),
            poll: self.time_span(fields.take("poll")),
            done_when: self.probed(fields.take("done_when"), &place.child("done_when")),
            on_deadline: self.on_deadline(fields.take("on_deadline")),
            finds_lock: self
                .literal_choice(fields.take("failure_is"), &["locked"])
                .is_some(),
        }
    }

    fn register(&mut self, entry: Entry<'_>) -> Option<String> {
        let (key, node) = entry?;
        let name = self.literal_text(Some((key, node)))?;
        let loc = node.loc.clone();
        self.variable_name(&Key {
            name: name.clone(),
            loc,
        });
        Some(name)
    }

    fn on_deadline(&mut self, entry: Entry<'_>) -> Option<OnDeadline> {
        match self
            .literal_choice(entry, &["leave", "term", "kill"])?
            .as_str()
        {
            "term" => Some(OnDeadline::Term),
            "kill" => Some(OnDeadline::Kill),
            _ => Some(OnDeadline::Leave),
        }
    }

    /// Reports keywords that say nothing about what this action does.
    pub(super) fn refuse(&mut self, node: &Node, words: &[&str], written: &Written) {
        let given = node.as_map().unwrap_or_default().iter().filter(|(key, _)| {
            words.contains(&key.name.as_str())
                || (key.name.starts_with("with_") && words.contains(&"loop"))
        });
        for (key, _) in given {
            let message = format!("`{}` has no meaning for `{}`", key.name, written.name);
            let mut problem = Problem::at(&key.loc, message).width(key.name.chars().count());
            if words.contains(&"loop") && (key.name == "loop" || key.name.starts_with("with_")) {
                let dynamic = written.name.replace("import", "include");
                problem = problem.hint(format!("use `{dynamic}`"));
            }
            self.problem(problem);
        }
    }

    /// Reports keywords that belong to a block.
    fn refuse_scope(&mut self, node: &Node, written: &Written, words: &[&str]) {
        let given = node.as_map().unwrap_or_default().iter();
        for (key, _) in given.filter(|(key, _)| words.contains(&key.name.as_str())) {
            let message = format!("`{}` does not belong to `{}`", key.name, written.name);
            let hint = if key.name == "indivisible" {
                "one task is never divided; a block can be"
            } else {
                "put the task into a block"
            };
            let problem = Problem::at(&key.loc, message).width(key.name.chars().count());
            self.problem(problem.hint(hint));
        }
    }
}

impl Own {
    /// Makes the task.
    pub(super) fn task(self, place: &Place, action: Action) -> Arc<Task> {
        let context = place.level(Level::Task, self.keywords.clone());
        self.with_context(place, context, action)
    }

    fn with_context(self, place: &Place, context: Arc<Context>, action: Action) -> Arc<Task> {
        Arc::new(Task {
            id: place.id.clone(),
            loc: self.loc,
            name: self.name,
            context,
            action,
            r#loop: self.repetition,
            register: self.register,
            until: self.until,
            retries: self.retries,
            delay: self.delay,
            changed_when: self.changed_when,
            failed_when: self.failed_when,
            is_handler: place.handlers,
            listen: self.listen,
            r#async: self.background,
            poll: self.poll,
            done_when: self.done_when,
            takes_down: self.takes_down,
            point_of_no_return: self.point_of_no_return,
            on_deadline: self.on_deadline,
            finds_lock: self.finds_lock,
        })
    }
}
