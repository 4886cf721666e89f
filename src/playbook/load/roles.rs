//! Uses of roles: what asks for one, its dependencies, and its tasks in their place.

use std::sync::Arc;

use super::Load;
use super::actions::Written;
use super::includes::RoleChoice;
use super::place::Place;
use super::typed::shown;
use crate::modules::spec::is_template;
use crate::playbook::{
    Action, Block, BlockKind, Item, Keywords, Level, RoleFiles, RoleUse, Task, TaskId,
};
use crate::yaml::{Data, Fields, Key, Loc, Node, Problem};

/// The arguments of `include_role` and `import_role`.
const ARGUMENTS: &[&str] = &[
    "name",
    "role",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "apply",
    "public",
    "allow_duplicates",
    "rolespec_validate",
];

/// What asks for a role.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: Node,
    pub(super) files: RoleFiles,
    pub(super) public: Option<Node>,
    pub(super) apply: Option<Node>,
    pub(super) validate: bool,
    pub(super) allow_duplicates: bool,
}

/// A use of a role with those of its dependencies, before its tasks are put in their place.
#[derive(Debug)]
struct Tree {
    used: Arc<RoleUse>,
    keywords: Keywords,
    validate: bool,
    dependencies: Vec<Tree>,
}

/// An entry of `roles` or of `dependencies`.
#[derive(Debug)]
struct RoleEntry {
    name: String,
    loc: Loc,
    params: Vec<(Key, Node)>,
    keywords: Keywords,
    /// Its text, to tell it from other entries.
    text: String,
}

impl Load<'_> {
    /// Reads a play's `roles`.
    pub(super) fn roles(&mut self, list: &[Node], place: &Place) -> Vec<Item> {
        let mut items = Vec::new();
        for (node, number) in list.iter().zip(1..) {
            let place = place.child(number);
            let Some(entry) = self.role_entry(node) else {
                continue;
            };
            if let Some(tree) = self.tree_of_entry(entry, &place, &mut Vec::new())
                && let Some(block) = self.placed(&tree, &place)
            {
                items.push(Item::Block(block));
            }
        }
        items
    }

    /// Reads the arguments of `include_role` and `import_role`.
    pub(super) fn role_arguments(&mut self, written: &Written) -> Option<Asked> {
        let get = |name: &str| {
            let found = written.entries.iter().find(|(key, _)| key.name == name);
            found.map(|(key, node)| (key, node))
        };
        for (key, _) in &written.entries {
            let word = key.name.as_str();
            let is_apply = word == "apply" && written.name.ends_with("import_role");
            if !ARGUMENTS.contains(&word) || is_apply {
                let message = format!("unknown argument `{word}` of `{}`", written.name);
                let problem = Problem::at(&key.loc, message).width(word.chars().count());
                self.problem(problem.did_you_mean(word, ARGUMENTS.iter().copied()));
            }
        }
        let name = self.text(get("name").or_else(|| get("role")));
        let Some(name) = name else {
            let message = format!("`{}` needs the `name` of a role", written.name);
            self.problem(written.problem(message));
            return None;
        };
        Some(Asked {
            name,
            files: RoleFiles {
                tasks: self.text(get("tasks_from")),
                vars: self.text(get("vars_from")),
                defaults: self.text(get("defaults_from")),
                handlers: self.text(get("handlers_from")),
            },
            public: self.flag(get("public")),
            apply: get("apply").map(|(_, node)| node.clone()),
            validate: self.literal_flag(get("rolespec_validate"), true),
            allow_duplicates: self.literal_flag(get("allow_duplicates"), true),
        })
    }

    /// Puts the tasks of an imported role in their place.
    pub(super) fn role_of(
        &mut self,
        name: &str,
        asked: &Asked,
        public: bool,
        place: &Place,
    ) -> Option<Arc<Block>> {
        let choice = RoleChoice::literal(name, &asked.files, public);
        let tree = self.tree_of_choice(&choice, &asked.name.loc, asked, place)?;
        self.placed(&tree, place)
    }

    /// Makes a use of a role that a task asks for.
    pub(super) fn included_role(
        &mut self,
        choice: &RoleChoice,
        at: &Loc,
        validate: bool,
        place: &Place,
    ) -> Option<(Arc<Block>, Arc<RoleUse>)> {
        let name = Node::new(Data::Str(choice.name.clone()), at.clone());
        let asked = Asked {
            name,
            files: RoleFiles::default(),
            public: None,
            apply: None,
            validate,
            allow_duplicates: true,
        };
        let tree = self.tree_of_choice(choice, at, &asked, place)?;
        let used = Arc::clone(&tree.used);
        Some((self.placed(&tree, place)?, used))
    }

    fn tree_of_choice(
        &mut self,
        choice: &RoleChoice,
        at: &Loc,
        asked: &Asked,
        place: &Place,
    ) -> Option<Tree> {
        let role = self.role(choice, at, place)?;
        let mut chain = vec![role.path.clone()];
        let dependencies = self.dependencies(&role.dependencies, place, &mut chain);
        let once = (!asked.allow_duplicates).then(|| format!("task {} {choice:?}", role.path));
        Some(Tree {
            used: Arc::new(RoleUse {
                dependencies: dependencies
                    .iter()
                    .map(|tree| Arc::clone(&tree.used))
                    .collect(),
                role,
                loc: at.clone(),
                params: Vec::new(),
                once,
                public: choice.public,
            }),
            keywords: Keywords::default(),
            validate: asked.validate,
            dependencies,
        })
    }

    fn tree_of_entry(
        &mut self,
        entry: RoleEntry,
        place: &Place,
        chain: &mut Vec<String>,
    ) -> Option<Tree> {
        let choice = RoleChoice::named(&entry.name);
        let role = self.role(&choice, &entry.loc, place)?;
        if chain.contains(&role.path) {
            chain.push(role.path.clone());
            let message = format!(
                "roles depend on each other in a circle: {}",
                chain.join(" -> ")
            );
            self.problem(Problem::at(&entry.loc, message));
            chain.pop();
            return None;
        }
        chain.push(role.path.clone());
        let dependencies = self.dependencies(&role.dependencies, place, chain);
        chain.pop();
        let once = (!role.allow_duplicates).then(|| format!("{} {}", role.path, entry.text));
        Some(Tree {
            used: Arc::new(RoleUse {
                dependencies: dependencies
                    .iter()
                    .map(|tree| Arc::clone(&tree.used))
                    .collect(),
                role,
                loc: entry.loc,
                params: entry.params,
                once,
                public: true,
            }),
            keywords: entry.keywords,
            validate: true,
            dependencies,
        })
    }

    fn dependencies(&mut self, list: &[Node], place: &Place, chain: &mut Vec<String>) -> Vec<Tree> {
        // Roles beside the one that asks are found too.
        let mut place = place.clone();
        if let Some(path) = chain.last() {
            place.directory = Arc::from(path.as_str());
        }
        list.iter()
            .filter_map(|node| {
                let entry = self.role_entry(node)?;
                self.tree_of_entry(entry, &place, chain)
            })
            .collect()
    }

    fn role_entry(&mut self, node: &Node) -> Option<RoleEntry> {
        let text = node.to_value().to_string();
        let bare = |name: &Node| RoleEntry {
            name: name.as_str().unwrap_or(text.as_str()).to_owned(),
            loc: node.loc.clone(),
            params: Vec::new(),
            keywords: Keywords::default(),
            text: text.clone(),
        };
        match &node.data {
            Data::Str(name) if is_template(name) => {
                let message = "the name of a role must not be a template here";
                let problem = Problem::at(&node.loc, message);
                self.problem(problem.hint("use `include_role`"));
                None
            }
            Data::Str(_) | Data::Int(_) => Some(bare(node)),
            Data::Map(_) => self.role_entry_map(node, text),
            Data::Null | Data::Bool(_) | Data::Float(_) | Data::Seq(_) => {
                let message = format!("a role must be a name or a map, not {}", shown(node));
                self.problem(Problem::at(&node.loc, message));
                None
            }
        }
    }

    fn role_entry_map(&mut self, node: &Node, text: String) -> Option<RoleEntry> {
        let mut fields = match Fields::new(node, "a role") {
            Ok(fields) => fields,
            Err(problem) => {
                self.problem(problem);
                return None;
            }
        };
        let name = fields.take("role").or_else(|| fields.take("name"));
        let Some(name) = name else {
            let problem = Problem::at(&node.loc, "this entry has no `role`");
            self.problem(problem);
            return None;
        };
        let name = self.literal_text(Some(name))?;
        let keywords = self.keywords(&mut fields);
        let mut params = Vec::new();
        for (key, value) in fields.left() {
            self.variable_name(key);
            params.push((key.clone(), value.clone()));
        }
        Some(RoleEntry {
            name,
            loc: node.loc.clone(),
            params,
            keywords,
            text,
        })
    }

    /// Puts a role's tasks, behind those of its dependencies, in their place; nothing if it ran before and runs once.
    fn placed(&mut self, tree: &Tree, place: &Place) -> Option<Arc<Block>> {
        if let Some(once) = &tree.used.once {
            if self.play.ran.contains(once) {
                return None;
            }
            self.play.ran.push(once.clone());
        }
        let role = Arc::clone(&tree.used.role);
        let mark = format!("role {}", role.path);
        if place.stack.contains(&mark) {
            let message = format!("the role `{}` imports itself", role.name);
            self.problem(Problem::at(&tree.used.loc, message));
            return None;
        }
        let level = Level::Role(Arc::clone(&tree.used));
        let context = place.level(level, tree.keywords.clone());
        let mut inner = place.within(&context);
        inner.stack.push(mark);
        let mut block = Vec::new();
        let dependencies = inner.child("dependencies");
        for (tree, number) in tree.dependencies.iter().zip(1..) {
            let placed = self.placed(tree, &dependencies.child(number));
            block.extend(placed.map(Item::Block));
        }
        if tree.validate {
            block.extend(validation(&tree.used, &inner).map(Item::Task));
        }
        if tree.used.public {
            self.play.uses.push(Arc::clone(&tree.used));
        }
        if let Some(file) = &role.handlers {
            let mut place = inner.child("handlers");
            place.handlers = true;
            let items = self.task_file(file, &tree.used.loc, &place);
            let handlers = flat(&items);
            self.play.handlers.extend(handlers);
        }
        if let Some(file) = &role.tasks {
            block.extend(self.task_file(file, &tree.used.loc, &inner.child("tasks")));
        }
        Some(Arc::new(Block {
            id: place.id.clone(),
            loc: tree.used.loc.clone(),
            name: None,
            kind: BlockKind::Role,
            context,
            block,
            rescue: Vec::new(),
            always: Vec::new(),
            indivisible: false,
            takes_down: None,
            guards: Vec::new(),
            brackets: Vec::new(),
            point_of_no_return: None,
        }))
    }
}

/// Returns the handlers in a list; static imports dissolve.
pub(super) fn flat(items: &[Item]) -> Vec<Arc<Task>> {
    let mut handlers = Vec::new();
    for item in items {
        match item {
            Item::Task(task) => handlers.push(Arc::clone(task)),
            Item::Block(block) => handlers.extend(flat(&block.block)),
        }
    }
    handlers
}

/// Makes the step that checks a role's arguments, if it has a table of them.
fn validation(used: &Arc<RoleUse>, place: &Place) -> Option<Arc<Task>> {
    let spec = used.role.argument_spec.as_ref()?;
    let text = |text: String| Node::new(Data::Str(text), used.loc.clone());
    let mut name = format!(
        "Validating arguments against arg spec '{}'",
        spec.entry_point
    );
    if let Some(description) = &spec.short_description {
        name.push_str(" - ");
        name.push_str(description);
    }
    let keywords = Keywords {
        tags: vec![text("always".to_owned())],
        ..Keywords::default()
    };
    let action = Action::RoleArguments(Arc::clone(used));
    let id: TaskId = place.id.child("arguments");
    Some(Task::plain(
        id,
        used.loc.clone(),
        text(name),
        place.level(Level::Task, keywords),
        action,
    ))
}
