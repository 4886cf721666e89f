//! The keywords that are inherited.

use super::typed::Entry;
use super::{Load, words};
use crate::modules::spec::{builtin_name, is_template};
use crate::playbook::Keywords;
use crate::yaml::{Data, Fields, Key, Node, Problem};

/// The programs that change the user.
const BECOME_METHODS: &[&str] = &["sudo", "su", "doas"];
/// The ways to reach a host.
const CONNECTIONS: &[&str] = &["ssh", "local", "openssh", "smart"];

impl Load<'_> {
    /// Takes the keywords that plays, blocks, roles' entries and tasks share, but for `name`.
    pub(super) fn shared_keywords(&mut self, fields: &mut Fields<'_>) -> Keywords {
        fields.take("collections");
        Keywords {
            tags: self.tags(fields.take("tags")),
            vars: self.vars(fields.take("vars")),
            environment: self.environment(fields.take("environment")),
            module_defaults: self.module_defaults(fields.take("module_defaults")),
            r#become: self.flag(fields.take("become")),
            become_user: self.text(fields.take("become_user")),
            become_method: self.choice(fields.take("become_method"), BECOME_METHODS),
            become_flags: self.text(fields.take("become_flags")),
            become_exe: self.text(fields.take("become_exe")),
            remote_user: self.text(fields.take("remote_user")),
            port: self.whole_number(fields.take("port"), 1),
            connection: self.choice(fields.take("connection"), CONNECTIONS),
            check_mode: self.flag(fields.take("check_mode")),
            diff: self.flag(fields.take("diff")),
            no_log: self.flag(fields.take("no_log")),
            run_once: self.flag(fields.take("run_once")),
            throttle: self.whole_number(fields.take("throttle"), 0),
            timeout: self.time_span(fields.take("timeout")),
            any_errors_fatal: self.flag(fields.take("any_errors_fatal")),
            ignore_errors: self.flag(fields.take("ignore_errors")),
            ignore_unreachable: self.flag(fields.take("ignore_unreachable")),
            ..Keywords::default()
        }
    }

    /// Takes the keywords that blocks, roles' entries and tasks share, but for `name`.
    pub(super) fn keywords(&mut self, fields: &mut Fields<'_>) -> Keywords {
        Keywords {
            when: self.conditions(fields.take("when")),
            delegate_to: self.text(fields.take("delegate_to")),
            delegate_facts: self.flag(fields.take("delegate_facts")),
            notify: self.texts(fields.take("notify")),
            ..self.shared_keywords(fields)
        }
    }

    /// Takes tags: a list, or a text with commas.
    pub(super) fn tags(&mut self, entry: Entry<'_>) -> Vec<Node> {
        self.texts(entry)
            .into_iter()
            .flat_map(|node| match node.as_str() {
                Some(text) if text.contains(',') && !is_template(text) => text
                    .split(',')
                    .map(|tag| Node::new(Data::Str(tag.trim().to_owned()), node.loc.clone()))
                    .collect(),
                Some(_) => vec![node],
                None => {
                    let text = node.to_value().to_string();
                    vec![Node::new(Data::Str(text), node.loc)]
                }
            })
            .collect()
    }

    /// Takes a map of variables.
    pub(super) fn vars(&mut self, entry: Entry<'_>) -> Option<Node> {
        let (key, node) = entry?;
        match &node.data {
            Data::Map(_) => Some(self.variables(node)),
            Data::Null => None,
            Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Seq(_) => {
                let message = format!(
                    "`{}` must be a map of variables, not {}",
                    key.name,
                    node.kind()
                );
                self.problem(Problem::at(&node.loc, message));
                None
            }
        }
    }

    /// Checks the names in a map of variables.
    pub(super) fn variables(&mut self, node: &Node) -> Node {
        for (key, _) in node.as_map().unwrap_or_default() {
            self.variable_name(key);
        }
        node.clone()
    }

    /// Checks the name of a variable.
    pub(super) fn variable_name(&mut self, key: &Key) {
        if !is_variable_name(&key.name) {
            let message = format!("`{}` is no name for a variable", key.name);
            self.problem(
                Problem::at(&key.loc, message)
                    .width(key.name.chars().count())
                    .hint("letters, digits and underscores, not a digit first, no word of Jinja"),
            );
        }
    }

    fn environment(&mut self, entry: Entry<'_>) -> Vec<Node> {
        let Some((_, node)) = entry else {
            return Vec::new();
        };
        let mut kept = Vec::new();
        for item in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
            match &item.data {
                Data::Map(_) => kept.push(item.clone()),
                Data::Str(text) if is_template(text) => kept.push(item.clone()),
                Data::Null => {}
                Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Seq(_) => {
                    let message = format!("`environment` must be a map, not {}", item.kind());
                    self.problem(Problem::at(&item.loc, message));
                }
            }
        }
        kept
    }

    fn module_defaults(&mut self, entry: Entry<'_>) -> Vec<Node> {
        let Some((_, node)) = entry else {
            return Vec::new();
        };
        let mut kept = Vec::new();
        for item in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
            let Some(entries) = item.as_map() else {
                let message = format!("`module_defaults` must be a map, not {}", item.kind());
                self.problem(Problem::at(&item.loc, message));
                continue;
            };
            for (key, value) in entries {
                self.module_default(key, value);
            }
            kept.push(item.clone());
        }
        kept
    }

    fn module_default(&mut self, key: &Key, value: &Node) {
        let name = key.name.as_str();
        let width = name.chars().count();
        if name.starts_with("group/") {
            let problem = Problem::at(&key.loc, "groups of modules are outside the subset");
            self.problem(problem.width(width).hint("name each module"));
        } else if self.loader.specs.find(name).is_none() {
            let problem = Problem::at(&key.loc, format!("unknown module `{name}`"))
                .width(width)
                .did_you_mean(builtin_name(name), self.loader.specs.names());
            self.problem(problem);
        } else if value.as_map().is_none() {
            let message = format!(
                "the defaults of a module must be a map, not {}",
                value.kind()
            );
            self.problem(Problem::at(&value.loc, message));
        }
    }

    /// Reports the keys that nobody took.
    pub(super) fn unknown_keywords<'n>(
        &mut self,
        left: impl Iterator<Item = (&'n Key, &'n Node)>,
        object: &str,
        known: &[&[&str]],
    ) {
        for (key, _) in left {
            let word = key.name.as_str();
            let width = word.chars().count();
            let instead = words::instead(word);
            let message = match instead {
                Some(_) => format!("the keyword `{word}` is outside the subset"),
                None => format!("unknown keyword `{word}` of {object}"),
            };
            let mut problem = Problem::at(&key.loc, message).width(width);
            problem.hint = instead
                .map(str::to_owned)
                .or_else(|| words::hint(word, &known.concat()));
            self.problem(problem);
        }
    }
}

/// Says whether a text can be the name of a variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next();
    first.is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && letters.all(|c| c == '_' || c.is_ascii_alphanumeric())
        && ![
            "and", "or", "not", "in", "is", "if", "else", "True", "False", "None", "true", "false",
            "none",
        ]
        .contains(&name)
}
