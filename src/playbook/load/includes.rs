//! Dynamic includes: what they name is loaded when they run, and before the run where the name is no template.

use std::sync::Arc;

use super::actions::Written;
use super::place::Place;
use super::tasks::Own;
use super::{Load, Loader, in_order};
use crate::modules::spec::{builtin_name, is_template};
use crate::playbook::{
    Action, Block, BlockKind, Include, Included, Item, Keywords, Level, RoleFiles, RoleUse, Task,
};
use crate::yaml::{Data, Fields, Node, Problem, Source};

/// What Ansible lets pass through a dynamic include; all else goes under `apply`.
const KEYWORDS: &[&str] = &[
    "action",
    "local_action",
    "args",
    "collections",
    "debugger",
    "ignore_errors",
    "listen",
    "loop",
    "loop_control",
    "name",
    "no_log",
    "register",
    "run_once",
    "tags",
    "timeout",
    "vars",
    "when",
    "indivisible",
    "takes_down",
    "point_of_no_return",
];

/// What a dynamic include loaded.
#[derive(Debug)]
pub struct Loaded {
    /// Its tasks.
    pub block: Arc<Block>,
    /// Handlers that a role brought with it, to be added behind those of the play.
    pub handlers: Vec<Arc<Task>>,
    /// The use of the role, if it is one.
    pub role: Option<Arc<RoleUse>>,
    /// The files that were read for it.
    pub sources: Vec<Arc<Source>>,
}

/// A role and which of its files, with names that are known now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleChoice {
    /// Its name.
    pub name: String,
    /// `tasks_from`.
    pub tasks_from: Option<String>,
    /// `vars_from`.
    pub vars_from: Option<String>,
    /// `defaults_from`.
    pub defaults_from: Option<String>,
    /// `handlers_from`.
    pub handlers_from: Option<String>,
    /// Whether its variables are seen by the rest of the play.
    pub public: bool,
}

impl RoleChoice {
    /// Chooses a role with its main files, seen by the play.
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            public: true,
            ..Self::default()
        }
    }

    /// Chooses a role with files whose names are as written.
    pub(super) fn literal(name: &str, files: &RoleFiles, public: bool) -> Self {
        let text = |node: &Option<Node>| node.as_ref().and_then(Node::as_str).map(str::to_owned);
        Self {
            name: name.to_owned(),
            tasks_from: text(&files.tasks),
            vars_from: text(&files.vars),
            defaults_from: text(&files.defaults),
            handlers_from: text(&files.handlers),
            public,
        }
    }

    /// Returns the chosen files: tasks, vars, defaults, handlers.
    pub(super) fn files(&self) -> [Option<&str>; 4] {
        [
            self.tasks_from.as_deref(),
            self.vars_from.as_deref(),
            self.defaults_from.as_deref(),
            self.handlers_from.as_deref(),
        ]
    }
}

/// A dynamic include whose name is known before the run.
#[derive(Debug)]
pub(super) struct Waiting {
    task: Arc<Task>,
    place: Place,
}

impl Loader {
    /// Loads the file that an `include_tasks` names, rendered; `include` is the including task.
    pub fn load_tasks(&self, include: &Task, file: &str) -> Result<Loaded, Vec<Problem>> {
        self.loaded(include, |load, include, place| {
            load.tasks_of(include, file, place)
        })
    }

    /// Loads the role that an `include_role` names, rendered; `include` is the including task.
    pub fn load_role(&self, include: &Task, choice: &RoleChoice) -> Result<Loaded, Vec<Problem>> {
        self.loaded(include, |load, include, place| {
            load.role_included(include, choice, place)
        })
    }

    fn loaded(
        &self,
        include: &Task,
        read: impl FnOnce(&mut Load<'_>, &Task, &Place) -> Option<Loaded>,
    ) -> Result<Loaded, Vec<Problem>> {
        let mut load = Load::new(self);
        let place = Place {
            id: include.id.clone(),
            context: include.context.parent.clone(),
            directory: Arc::clone(&include.context.directory),
            playbook_directory: Arc::clone(&include.context.playbook_directory),
            handlers: include.is_handler,
            object: "a task",
            stack: Vec::new(),
        };
        let loaded = read(&mut load, include, &place);
        load.literal_includes();
        match loaded {
            Some(mut loaded) if load.problems.is_empty() => {
                loaded.sources = load.read;
                Ok(loaded)
            }
            Some(_) | None => Err(in_order(load.problems, &load.read)),
        }
    }
}

impl Load<'_> {
    /// Reads `include_tasks` or `include_role`.
    pub(super) fn include(
        &mut self,
        node: &Node,
        own: Own,
        indivisible: bool,
        written: &Written,
        place: &Place,
    ) -> Option<Item> {
        let others: Vec<&str> = node
            .as_map()
            .unwrap_or_default()
            .iter()
            .map(|(key, _)| key.name.as_str())
            .filter(|word| !KEYWORDS.contains(word) && !word.starts_with("with_"))
            .filter(|word| {
                super::words::NARROWER.contains(word) || super::words::SHARED.contains(word)
            })
            .collect();
        for (key, _) in node.as_map().unwrap_or_default() {
            if others.contains(&key.name.as_str()) {
                let message = format!("`{}` does not pass through `{}`", key.name, written.name);
                let problem = Problem::at(&key.loc, message).width(key.name.chars().count());
                self.problem(problem.hint(format!(
                    "write `apply: {{{}: ...}}` below `{}`",
                    key.name, written.name
                )));
            }
        }
        let (what, apply) = if builtin_name(&written.name) == "include_tasks" {
            let file = self.task_file_argument(written)?;
            let apply = written.entries.iter().find(|(key, _)| key.name == "apply");
            (
                Included::Tasks { file },
                apply.map(|(_, node)| node.clone()),
            )
        } else {
            if place.handlers {
                let problem = written.problem("a role cannot be a handler");
                self.problem(problem.hint("use `include_tasks`"));
                return None;
            }
            let asked = self.role_arguments(written)?;
            let what = Included::Role {
                name: asked.name,
                files: asked.files,
                public: asked.public,
                validate: asked.validate,
                allow_duplicates: asked.allow_duplicates,
            };
            (what, asked.apply)
        };
        let action = Action::Include(Include {
            what,
            apply,
            indivisible,
        });
        let task = own.task(place, action);
        self.waiting.push(Waiting {
            task: Arc::clone(&task),
            place: place.clone(),
        });
        Some(Item::Task(task))
    }

    /// Loads the includes whose names are no templates, also those inside of them, so that their mistakes are found.
    pub(super) fn literal_includes(&mut self) {
        while let Some(Waiting { task, place }) = self.waiting.pop() {
            let Action::Include(include) = &task.action else {
                continue;
            };
            let loaded = match &include.what {
                Included::Tasks { file } => match literal(file) {
                    Some(name) => self.tasks_of(&task, name, &place),
                    None => continue,
                },
                Included::Role { name, files, .. } => {
                    let parts = [&files.tasks, &files.vars, &files.defaults, &files.handlers];
                    let is_known = parts
                        .into_iter()
                        .flatten()
                        .all(|file| literal(file).is_some());
                    match literal(name).filter(|_| is_known) {
                        Some(name) => {
                            let choice = RoleChoice::literal(name, files, false);
                            self.role_included(&task, &choice, &place)
                        }
                        None => continue,
                    }
                }
            };
            if let Some(loaded) = loaded {
                self.includes.insert(task.id.clone(), Arc::new(loaded));
            }
        }
    }

    /// Returns the place of what an include loads: below the include's own keywords that pass, and `apply`.
    fn included_place(
        &mut self,
        task: &Task,
        include: &Include,
        name: &str,
        place: &Place,
    ) -> Place {
        let own = &task.context.keywords;
        let keywords = Keywords {
            vars: own.vars.clone(),
            ..Keywords::default()
        };
        let context = place.level(Level::Include, keywords);
        let mut inner = place.within(&context).child(name);
        if let Some(apply) = &include.apply {
            let keywords = self.applied(apply);
            let context = inner.level(Level::Block, keywords);
            inner = inner.within(&context);
        }
        inner
    }

    fn applied(&mut self, apply: &Node) -> Keywords {
        if apply.data == Data::Null {
            return Keywords::default();
        }
        match Fields::new(apply, "`apply`") {
            Ok(mut fields) => {
                let keywords = self.keywords(&mut fields);
                let known = [super::words::SHARED, super::words::NARROWER];
                self.unknown_keywords(fields.left(), "`apply`", &known);
                keywords
            }
            Err(problem) => {
                self.problem(problem);
                Keywords::default()
            }
        }
    }

    fn tasks_of(&mut self, task: &Task, name: &str, place: &Place) -> Option<Loaded> {
        let Action::Include(include) = &task.action else {
            return None;
        };
        let at = match &include.what {
            Included::Tasks { file } => file.loc.clone(),
            Included::Role { name, .. } => name.loc.clone(),
        };
        let path = self.find_tasks(name.trim(), &at, place)?;
        let inner = self.included_place(task, include, name, place);
        if place.stack.contains(&path) {
            // A file may include itself: it ends when a condition says so.
            return None;
        }
        let items = self.task_file(&path, &at, &inner);
        Some(Loaded {
            block: Arc::new(included_block(
                task,
                include,
                BlockKind::Tasks,
                items,
                &inner,
            )),
            handlers: Vec::new(),
            role: None,
            sources: Vec::new(),
        })
    }

    fn role_included(&mut self, task: &Task, choice: &RoleChoice, place: &Place) -> Option<Loaded> {
        let Action::Include(include) = &task.action else {
            return None;
        };
        let Included::Role { name, validate, .. } = &include.what else {
            return None;
        };
        let mut inner = self.included_place(task, include, &choice.name, place);
        let role = self.role(choice, &name.loc, place)?;
        if inner.stack.contains(&format!("role {}", role.path)) {
            // A role may include itself: it ends when a condition says so.
            return None;
        }
        inner.handlers = false;
        let outer = std::mem::take(&mut self.play);
        let placed = self.included_role(choice, &name.loc, *validate, &inner);
        let parts = std::mem::replace(&mut self.play, outer);
        let (block, role) = placed?;
        let items = vec![Item::Block(block)];
        Some(Loaded {
            block: Arc::new(included_block(
                task,
                include,
                BlockKind::Role,
                items,
                &inner,
            )),
            handlers: parts.handlers,
            role: Some(role),
            sources: Vec::new(),
        })
    }
}

fn included_block(
    task: &Task,
    include: &Include,
    kind: BlockKind,
    block: Vec<Item>,
    place: &Place,
) -> Block {
    let context = place
        .context
        .clone()
        .unwrap_or_else(|| Arc::clone(&task.context));
    Block {
        id: place.id.clone(),
        loc: task.loc.clone(),
        name: task.name.clone(),
        kind,
        context,
        block,
        rescue: Vec::new(),
        always: Vec::new(),
        indivisible: include.indivisible,
        takes_down: task.takes_down.clone(),
        guards: Vec::new(),
        brackets: Vec::new(),
        point_of_no_return: None,
    }
}

fn literal(node: &Node) -> Option<&str> {
    node.as_str().filter(|text| !is_template(text))
}
