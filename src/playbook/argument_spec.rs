//! The arguments that a role takes, from its `meta/argument_specs.yml`, and values against them.
//!
//! Judges values as ansible-core's `ArgumentSpecValidator` does: names, types, choices, elements and options of options;
//! defaults are documentation only. Used for literals when a playbook is checked, and for a host's variables when the
//! role runs.

use serde_json::{Map, Value};

use crate::modules::spec::{Kind, coerce};
use crate::yaml::{Data, Fields, Key, Loc, Node, Problem, flag};

/// The arguments of one entry point of a role.
#[derive(Debug)]
pub struct ArgumentSpec {
    /// The entry point: `main`, or what `tasks_from` names.
    pub entry_point: String,
    /// What the entry point is for, in one line.
    pub short_description: Option<String>,
    /// The arguments.
    pub options: Vec<RoleOption>,
}

/// One argument of a role.
#[derive(Debug)]
pub struct RoleOption {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub loc: Loc,
    /// Its other names, as part of another argument.
    pub aliases: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// The type as written.
    pub kind_name: String,
    kind: Kind,
    elements: Option<Kind>,
    choices: Vec<Value>,
    /// Its own arguments, of a map or of each map of a list; nothing if any are taken.
    pub options: Option<Vec<RoleOption>>,
}

/// The types that Ansible knows and what they take.
const KINDS: &[(&str, Kind)] = &[
    ("str", Kind::Str),
    ("path", Kind::Path),
    ("int", Kind::Int),
    ("float", Kind::Float),
    ("bool", Kind::Flag),
    ("list", Kind::Values),
    ("dict", Kind::Map),
    ("raw", Kind::Any),
    ("json", Kind::Any),
    ("jsonarg", Kind::Any),
    ("bytes", Kind::Any),
    ("bits", Kind::Any),
];

const ENTRY_POINT: &[&str] = &[
    "short_description",
    "description",
    "author",
    "version_added",
    "options",
    "seealso",
    "examples",
    "deprecated",
];

const OPTION: &[&str] = &[
    "description",
    "type",
    "required",
    "default",
    "choices",
    "elements",
    "options",
    "aliases",
    "no_log",
    "version_added",
    "apply_defaults",
    "deprecated",
];

impl ArgumentSpec {
    /// Reads an entry point.
    pub(super) fn read(name: &str, node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = fields(node, "an entry point", problems)?;
        let short_description = fields
            .take("short_description")
            .and_then(|(_, node)| text(node));
        let options = fields.take("options");
        for word in ENTRY_POINT {
            fields.take(word);
        }
        fields.finish("key of an entry point", ENTRY_POINT, problems);
        Some(Self {
            entry_point: name.to_owned(),
            short_description,
            options: options.map_or_else(Vec::new, |(_, node)| read_options(node, problems)),
        })
    }

    /// Says what is wrong with the rendered values of the role's arguments; names that are no arguments are left alone.
    pub fn validate(&self, values: &Map<String, Value>) -> Vec<String> {
        let mut wrong = Vec::new();
        check_all(&self.options, values, "", &mut wrong);
        wrong
    }
}

impl RoleOption {
    /// Says what is wrong with a value.
    pub fn check(&self, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check_at(value, &self.name, &mut wrong);
        wrong
    }

    fn check_at(&self, value: &Value, path: &str, wrong: &mut Vec<String>) {
        if value.is_null() {
            return;
        }
        let value = match coerce(self.kind, value) {
            Ok(value) => value,
            Err(message) => {
                wrong.push(format!("`{path}`: {message}"));
                return;
            }
        };
        if !self.choices.is_empty() {
            self.check_choices(&value, path, wrong);
        }
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        for (item, number) in items.iter().zip(0..) {
            let path = format!("{path}[{number}]");
            if let Some(Err(message)) = self.elements.map(|kind| coerce(kind, item)) {
                wrong.push(format!("`{path}`: {message}"));
            }
            self.check_inside(item, &path, wrong);
        }
        self.check_inside(&value, path, wrong);
    }

    fn check_choices(&self, value: &Value, path: &str, wrong: &mut Vec<String>) {
        let single = std::slice::from_ref(value);
        for item in value.as_array().map_or(single, Vec::as_slice) {
            if self
                .choices
                .iter()
                .all(|choice| plain(choice) != plain(item))
            {
                let choices: Vec<String> = self.choices.iter().map(plain).collect();
                wrong.push(format!(
                    "`{path}`: `{}` is none of {}",
                    plain(item),
                    choices.join(", ")
                ));
            }
        }
    }

    fn check_inside(&self, value: &Value, path: &str, wrong: &mut Vec<String>) {
        let (Some(options), Some(entries)) = (&self.options, value.as_object()) else {
            return;
        };
        for name in entries.keys() {
            if !options.iter().any(|option| option.is_called(name)) {
                wrong.push(format!("`{path}` has no `{name}`"));
            }
        }
        check_all(options, entries, &format!("{path}."), wrong);
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

fn check_all(
    options: &[RoleOption],
    values: &Map<String, Value>,
    prefix: &str,
    wrong: &mut Vec<String>,
) {
    for option in options {
        let path = format!("{prefix}{}", option.name);
        let value = values
            .iter()
            .find(|(name, _)| option.is_called(name))
            .map(|(_, value)| value)
            .filter(|value| !value.is_null());
        match value {
            Some(value) => option.check_at(value, &path, wrong),
            None if option.required => wrong.push(format!("`{path}` is required")),
            None => {}
        }
    }
}

/// Returns a value as it is compared with choices, and shown.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn read_options(node: &Node, problems: &mut Vec<Problem>) -> Vec<RoleOption> {
    match &node.data {
        Data::Map(entries) => entries
            .iter()
            .filter_map(|(key, node)| read_option(key, node, problems))
            .collect(),
        Data::Null => Vec::new(),
        Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Seq(_) => {
            let message = format!("`options` must be a map, not {}", node.kind());
            problems.push(Problem::at(&node.loc, message));
            Vec::new()
        }
    }
}

fn read_option(key: &Key, node: &Node, problems: &mut Vec<Problem>) -> Option<RoleOption> {
    let mut fields = fields(node, "an argument of a role", problems)?;
    let kind_node = fields.take("type").map(|(_, node)| node);
    let elements_node = fields.take("elements").map(|(_, node)| node);
    let kind_name = kind_node.and_then(text).unwrap_or_else(|| "str".to_owned());
    let list = |node: Option<(&Key, &Node)>| {
        let items = node.and_then(|(_, node)| node.as_seq());
        items
            .unwrap_or_default()
            .iter()
            .map(Node::to_value)
            .collect::<Vec<_>>()
    };
    let option = RoleOption {
        name: key.name.clone(),
        loc: key.loc.clone(),
        description: fields.take("description").and_then(|(_, node)| text(node)),
        required: match fields.take("required").map(|(_, node)| flag(node)) {
            Some(Ok(required)) => required,
            Some(Err(problem)) => {
                problems.push(problem);
                false
            }
            None => false,
        },
        kind: kind_node.map_or(Some(Kind::Str), |node| kind(node, problems))?,
        elements: match elements_node {
            Some(node) => Some(kind(node, problems)?),
            None => None,
        },
        kind_name,
        choices: list(fields.take("choices")),
        aliases: list(fields.take("aliases")).iter().map(plain).collect(),
        options: fields
            .take("options")
            .map(|(_, node)| read_options(node, problems)),
    };
    for word in OPTION {
        fields.take(word);
    }
    fields.finish("key of an argument", OPTION, problems);
    Some(option)
}

fn kind(node: &Node, problems: &mut Vec<Problem>) -> Option<Kind> {
    let word = node.as_str().unwrap_or_default();
    let found = KINDS.iter().find(|(name, _)| *name == word);
    if found.is_none() {
        let problem = Problem::at(&node.loc, format!("unknown type `{word}`"))
            .width(word.chars().count())
            .did_you_mean(word, KINDS.iter().map(|(name, _)| *name));
        problems.push(problem);
    }
    found.map(|(_, kind)| *kind)
}

fn fields<'n>(node: &'n Node, what: &str, problems: &mut Vec<Problem>) -> Option<Fields<'n>> {
    Fields::new(node, what)
        .map_err(|problem| problems.push(problem))
        .ok()
}

/// Returns a text, or the lines of a list of texts.
fn text(node: &Node) -> Option<String> {
    let lines: Vec<&str> = match node.as_seq() {
        Some(items) => items.iter().filter_map(Node::as_str).collect(),
        None => vec![node.as_str()?],
    };
    Some(lines.join("\n").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Source, parse};
    use serde_json::json;

    const SPEC: &str = "
short_description: upgrades
options:
  version: { type: str, required: true, description: The version. }
  leaders: { type: str, choices: [move, wait] }
  ports: { type: list, elements: int }
  limits:
    type: dict
    options:
      soft: { type: int, required: true }
      hard: { type: int, aliases: [max] }
  force: { type: bool, default: false }
";

    fn spec(text: &str) -> (Option<ArgumentSpec>, Vec<Problem>) {
        let node = parse(&Source::new("meta/argument_specs.yml", text)).unwrap();
        let mut problems = Vec::new();
        let spec = ArgumentSpec::read("main", &node, &mut problems);
        (spec, problems)
    }

    #[test]
    fn values_are_judged_as_ansible_does() {
        let (spec, problems) = spec(SPEC);
        assert_eq!(problems, []);
        let spec = spec.unwrap();
        let cases = [
            (
                json!({"version": "3.4", "leaders": "move", "ports": [1, "2"], "other": 1}),
                vec![],
            ),
            (json!({}), vec!["`version` is required"]),
            (json!({"version": null}), vec!["`version` is required"]),
            (
                json!({"version": 3.4, "leaders": "stay"}),
                vec!["`leaders`: `stay` is none of move, wait"],
            ),
            (
                json!({"version": "3", "ports": [1, "x"]}),
                vec!["`ports[1]`: must be a whole number, not \"x\""],
            ),
            (
                json!({"version": "3", "limits": {"max": 1}}),
                vec!["`limits.soft` is required"],
            ),
            (
                json!({"version": "3", "limits": {"soft": 1, "harder": 1}}),
                vec!["`limits` has no `harder`"],
            ),
            (
                json!({"version": "3", "force": "maybe"}),
                vec!["`force`: \"maybe\" is no flag: write true or false"],
            ),
            (
                json!({"version": {"a": 1}}),
                vec!["`version`: must be text, not a map"],
            ),
        ];
        for (values, expected) in cases {
            assert_eq!(
                spec.validate(values.as_object().unwrap()),
                expected,
                "{values}"
            );
        }
    }

    #[test]
    fn a_table_with_mistakes_is_a_problem() {
        let (_, problems) = spec("options: { a: { type: sting, requird: true } }\n");
        let texts: Vec<String> = problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect();
        assert_eq!(texts, ["unknown type `sting`"]);
        let (_, problems) = spec("options: { a: { requird: true } }\nopt: 1\n");
        let texts: Vec<String> = problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect();
        assert_eq!(
            texts,
            [
                "unknown key of an entry point `opt`",
                "unknown key of an argument `requird`"
            ]
        );
    }
}
