//! What a task does: the module among its keys, and its arguments in all forms in which they can be written.

use super::typed::shown;
use super::{Load, short, words};
use crate::modules::spec::{ModuleSpec, Safety, builtin_name, check_arguments, is_template};
use crate::playbook::Context;
use crate::yaml::{Data, Fields, Key, Loc, Node, Problem, nearest};

/// What is no module, but part of the language.
const LANGUAGE: &[&str] = &[
    "include_tasks",
    "import_tasks",
    "include_role",
    "import_role",
    "import_playbook",
    "meta",
];

/// The arguments of commands that may stand among bare text.
const COMMAND_OPTIONS: &[&str] = &[
    "creates",
    "removes",
    "chdir",
    "executable",
    "warn",
    "stdin",
    "stdin_add_newline",
    "strip_empty_ends",
];

/// An action as written.
#[derive(Debug)]
pub(super) struct Written {
    /// The module's name.
    pub(super) name: String,
    /// Where the name stands.
    pub(super) loc: Loc,
    /// The arguments that have names.
    pub(super) entries: Vec<(Key, Node)>,
    /// The text that stands instead of arguments.
    pub(super) bare: Option<Node>,
    /// Whether it is to run on the controller (`local_action`).
    pub(super) local: bool,
}

impl Written {
    /// Returns a problem at the module's name.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(&self.loc, message).width(self.name.chars().count())
    }
}

impl Load<'_> {
    /// Takes the action out of a task's keys, and reports all keys that nobody knows.
    pub(super) fn written(&mut self, fields: &mut Fields<'_>, object: &str) -> Option<Written> {
        let arguments = fields.take("args");
        let old = [fields.take("action"), fields.take("local_action")];
        let is_action = |name: &str| self.is_action(name);
        let found = fields.take_where(is_action);
        if let (Some((key, _)), Some((first, _))) = (fields.take_where(is_action), found) {
            let message = format!(
                "two modules in one task: `{}` and `{}`",
                first.name, key.name
            );
            self.problem(Problem::at(&key.loc, message).width(key.name.chars().count()));
        }
        let mut written = match (old, found) {
            ([Some((key, node)), _] | [None, Some((key, node))], None) => self.old_form(key, node),
            ([Some((key, _)), _] | [None, Some((key, _))], Some((first, _))) => {
                let message = format!("`{}` and `{}` are both modules", key.name, first.name);
                self.problem(Problem::at(&key.loc, message));
                None
            }
            ([None, None], Some((key, node))) => self.new_form(key, node),
            ([None, None], None) => {
                self.no_module(fields, object);
                return None;
            }
        };
        self.unknown_keywords(fields.left(), object, &words::of(object));
        if let (Some(written), Some((key, node))) = (&mut written, arguments) {
            self.further(written, key, node);
        }
        written
    }

    fn is_action(&self, name: &str) -> bool {
        LANGUAGE.contains(&builtin_name(name))
            || (!words::is_keyword(name) && self.loader.specs.find(name).is_some())
    }

    /// Reports that no key of a task is a module.
    fn no_module(&mut self, fields: &Fields<'_>, object: &str) {
        let candidate = fields.left().find(|(key, _)| !words::is_keyword(&key.name));
        let Some((key, _)) = candidate else {
            let is_named = fields
                .left()
                .any(|(key, _)| words::instead(&key.name).is_some());
            if !is_named {
                let message = format!("{object} needs a module");
                self.problem(Problem::at(&fields.node().loc, message));
            }
            self.unknown_keywords(fields.left(), object, &words::of(object));
            return;
        };
        let name = key.name.as_str();
        let own = self.loader.specs.names().chain(LANGUAGE.iter().copied());
        let bare = name.rsplit('.').next().unwrap_or(name);
        let hint = match (
            words::module_instead(name),
            nearest(builtin_name(name), own),
        ) {
            (_, Some(near)) => Some(format!("did you mean `{near}`?")),
            (Some(hint), None) => Some(hint.to_owned()),
            (None, None) if bare != name && self.loader.specs.find(bare).is_some() => {
                Some(format!("collections are outside the subset; use `{bare}`"))
            }
            (None, None) => nearest(name, words::TASK.iter().chain(words::SHARED).copied())
                .map(|near| format!("did you mean the keyword `{near}`?"))
                .or_else(|| {
                    Some("`stagger modules` lists them; `command` runs any program".into())
                }),
        };
        let mut problem =
            Problem::at(&key.loc, format!("unknown module `{name}`")).width(name.chars().count());
        problem.hint = hint;
        self.problem(problem);
    }

    /// Reads `copy: ...`.
    fn new_form(&mut self, key: &Key, node: &Node) -> Option<Written> {
        let mut written = Written {
            name: key.name.clone(),
            loc: key.loc.clone(),
            entries: Vec::new(),
            bare: None,
            local: false,
        };
        match &node.data {
            Data::Map(entries) => written.entries.clone_from(entries),
            Data::Null => {}
            Data::Str(_) => self.text_form(&mut written, node)?,
            Data::Int(_) | Data::Float(_) | Data::Bool(_) => {
                // `command: true` would run a program that is called True.
                let (name, kind) = (&key.name, node.kind());
                let message = format!("`{name}` takes text or a map, not {kind}");
                let problem = Problem::at(&node.loc, message);
                self.problem(problem.hint(format!("quote it: `{name}: \"{}\"`", node.to_value())));
                return None;
            }
            Data::Seq(_) => {
                let message = format!("the arguments of `{}` must be a map, not a list", key.name);
                self.problem(Problem::at(&node.loc, message));
                return None;
            }
        }
        Some(written)
    }

    /// Reads `action: copy src=a` and `action: {module: copy, src: a}`, and the same after `local_action`.
    fn old_form(&mut self, key: &Key, node: &Node) -> Option<Written> {
        let (module, map) = match (&node.data, node.entry("module")) {
            (Data::Str(_), _) => (node, None),
            (Data::Map(entries), Some(module)) => (module, Some(entries)),
            (_, _) => {
                let message = format!("`{}` must name a module, not {}", key.name, node.kind());
                self.problem(Problem::at(&node.loc, message));
                return None;
            }
        };
        let text = module.as_str().unwrap_or_default().trim();
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let mut written = Written {
            name: name.to_owned(),
            loc: module.loc.clone(),
            entries: Vec::new(),
            bare: None,
            local: key.name == "local_action",
        };
        if !self.is_action(name) {
            let own = self.loader.specs.names().chain(LANGUAGE.iter().copied());
            let problem = written
                .problem(format!(
                    "unknown module {}",
                    shown(&Node::new(Data::Str(name.to_owned()), module.loc.clone(),))
                ))
                .did_you_mean(builtin_name(name), own);
            self.problem(problem);
            return None;
        }
        if !rest.is_empty() {
            let rest = Node::new(Data::Str(rest.to_owned()), module.loc.clone());
            self.text_form(&mut written, &rest)?;
        }
        for (key, value) in map.into_iter().flatten() {
            match (key.name.as_str(), value.as_map()) {
                ("module", _) => {}
                ("args", Some(entries)) => written.entries.extend(entries.iter().cloned()),
                (_, _) => written.entries.push((key.clone(), value.clone())),
            }
        }
        Some(written)
    }

    /// Reads arguments in one line.
    fn text_form(&mut self, written: &mut Written, node: &Node) -> Option<()> {
        let text = node.as_str().unwrap_or_default();
        let name = builtin_name(&written.name);
        let spec = self.loader.specs.find(name);
        let whole = matches!(name, "include_tasks" | "import_tasks" | "meta");
        let is_command =
            spec.is_some_and(|spec| spec.free_form.is_some() && spec.safety == Safety::Once);
        let takes = |key: &str| match spec {
            Some(spec) if is_command => {
                COMMAND_OPTIONS.contains(&key) && spec.argument(key).is_some()
            }
            Some(_) | None => !whole && super::keywords::is_variable_name(key),
        };
        let (pairs, bare) = match short::pairs(text, takes) {
            Ok(parts) => parts,
            Err(reason) => {
                let problem = Problem::at(&node.loc, reason);
                self.problem(problem.hint("write the arguments as a map"));
                return None;
            }
        };
        if pairs.is_empty() {
            // The text as it was written, so that positions inside it stay true.
            written.bare = bare.map(|bare| {
                if bare.trim() == text.trim() {
                    node.clone()
                } else {
                    Node::new(Data::Str(bare), node.loc.clone())
                }
            });
            return Some(());
        }
        written.bare = bare.map(|bare| Node::new(Data::Str(bare), node.loc.clone()));
        written.entries = pairs
            .into_iter()
            .map(|(name, value)| {
                let loc = node.loc.clone();
                let key = Key {
                    name,
                    loc: loc.clone(),
                };
                (key, Node::new(Data::Str(value), loc))
            })
            .collect();
        Some(())
    }

    /// Adds what stands under `args`; what is said beside the module wins.
    fn further(&mut self, written: &mut Written, key: &Key, node: &Node) {
        let Some(entries) = node.as_map() else {
            if node.data != Data::Null {
                let message = format!("`{}` must be a map, not {}", key.name, shown(node));
                let problem = Problem::at(&node.loc, message);
                self.problem(problem.hint("write the arguments out, so that they can be checked"));
            }
            return;
        };
        for (key, value) in entries {
            if !written.entries.iter().any(|(own, _)| own.name == key.name) {
                written.entries.push((key.clone(), value.clone()));
            }
        }
    }

    /// Turns an action into a module's checked arguments, with the defaults of everything around it.
    pub(super) fn module_arguments(
        &mut self,
        spec: &'static ModuleSpec,
        written: &Written,
        context: &Context,
    ) -> Node {
        let mut entries = written.entries.clone();
        if let Some(bare) = &written.bare {
            match spec.free_form {
                Some(argument) => {
                    let loc = bare.loc.clone();
                    let name = argument.to_owned();
                    entries.insert(0, (Key { name, loc }, bare.clone()));
                }
                None => self.bare_text(written, bare),
            }
        }
        for (key, value) in module_defaults(spec, context) {
            let argument = spec.argument(&key.name);
            let is_same = |own: &Key| match (argument, spec.argument(&own.name)) {
                (Some(one), Some(other)) => one.name == other.name,
                (_, _) => own.name == key.name,
            };
            if !entries.iter().any(|(own, _)| is_same(own)) {
                entries.push((key.clone(), value.clone()));
            }
        }
        let arguments = Node::new(Data::Map(entries), written.loc.clone());
        let before = self.problems.len();
        check_arguments(spec, &arguments, &mut self.problems);
        for problem in self.problems.iter_mut().skip(before) {
            if problem.loc.as_ref() == Some(&written.loc) {
                *problem = problem.clone().width(written.name.chars().count());
            }
        }
        arguments
    }

    fn bare_text(&mut self, written: &Written, bare: &Node) {
        let problem = match bare.as_str() {
            Some(text) if is_template(text) && text.trim_start().starts_with("{{") => {
                let message = format!("the arguments of `{}` must not be a template", written.name);
                Problem::at(&bare.loc, message)
                    .hint("write the arguments out, so that they can be checked")
            }
            Some(_) | None => {
                let message = format!(
                    "`{}` takes no bare text: {}",
                    written.name,
                    shown(bare).replace('\n', " ")
                );
                Problem::at(&bare.loc, message)
            }
        };
        self.problem(problem);
    }
}

/// Returns the defaults of a module: those of the innermost level that has any.
fn module_defaults<'c>(spec: &ModuleSpec, context: &'c Context) -> &'c [(Key, Node)] {
    let is_it = |key: &Key| {
        let name = builtin_name(&key.name);
        name == spec.name || spec.aliases.contains(&name)
    };
    context
        .levels()
        .flat_map(|level| level.keywords.module_defaults.iter().rev())
        .filter_map(Node::as_map)
        .find_map(|entries| entries.iter().find(|(key, _)| is_it(key)))
        .and_then(|(_, defaults)| defaults.as_map())
        .unwrap_or_default()
}
