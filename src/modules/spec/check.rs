//! Arguments against their table: as written when a playbook is checked, and rendered when the task runs.

use serde_json::{Map, Value};

use super::{Argument, Arguments, Kind, ModuleSpec};
use crate::template::OMIT;
use crate::yaml::{Data, Key, Node, Problem, nearest};

/// Says whether a text holds a template, so that its value is known only when it is rendered.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Says whether anything in a value is known only when it is rendered.
fn is_templated(node: &Node) -> bool {
    match &node.data {
        Data::Str(text) => is_template(text),
        Data::Seq(items) => items.iter().any(is_templated),
        Data::Map(entries) => entries.iter().any(|(_, value)| is_templated(value)),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => false,
    }
}

/// Checks arguments as written, a map: their names, what is missing, what excludes each other, and the values that are
/// no templates.
pub fn check_arguments(spec: &ModuleSpec, written: &Node, problems: &mut Vec<Problem>) {
    let entries = written.as_map().unwrap_or_default();
    for (index, (key, value)) in entries.iter().enumerate() {
        let Some(argument) = spec.argument(&key.name) else {
            if !spec.open {
                problems.push(unknown(spec, key));
            }
            continue;
        };
        let same = |(other, _): &&(Key, Node)| {
            spec.argument(&other.name)
                .is_some_and(|other| other.name == argument.name)
        };
        if let Some((first, _)) = entries.iter().take(index).find(same) {
            problems.push(at_key(
                key,
                format!(
                    "`{}` is the same as `{}`, given above",
                    key.name, first.name
                ),
            ));
        }
        check_value(spec, argument, value, problems);
    }
    let given = |name: &str| {
        let is_it = |key: &Key| {
            spec.argument(&key.name)
                .is_some_and(|found| found.name == name)
        };
        entries
            .iter()
            .find(|(key, value)| is_it(key) && value.data != Data::Null)
            .map(|(key, _)| key)
    };
    problems.extend(
        missing(spec, |name| given(name).is_some())
            .map(|message| Problem::at(&written.loc, message)),
    );
    for set in spec.exclusive {
        let both: Vec<&Key> = set.iter().filter_map(|name| given(name)).collect();
        if let [first, second, ..] = both.as_slice() {
            problems.push(at_key(
                second,
                format!("`{}` and `{}` exclude each other", first.name, second.name),
            ));
        }
    }
}

/// Checks a value as written, as far as it is no template.
fn check_value(spec: &ModuleSpec, argument: &Argument, value: &Node, problems: &mut Vec<Problem>) {
    let items = value.as_seq().filter(|_| takes_list(argument.kind));
    let kind = match (items, argument.kind) {
        (Some(_), Kind::List) => Kind::Str,
        (_, kind) => kind,
    };
    let argument = &Argument { kind, ..*argument };
    for part in items.unwrap_or(std::slice::from_ref(value)) {
        if is_templated(part) || part.tag.is_some() || matches!(part.data, Data::Null) {
            continue;
        }
        if let Err(message) = argument.coerce(&part.to_value()) {
            problems.push(wrong_value(spec, argument, part, &message));
        }
    }
}

fn takes_list(kind: Kind) -> bool {
    matches!(kind, Kind::List | Kind::Values | Kind::Conditions)
}

fn wrong_value(spec: &ModuleSpec, argument: &Argument, value: &Node, message: &str) -> Problem {
    let text = value.as_str().unwrap_or_default();
    Problem::at(
        &value.loc,
        format!("argument `{}` of `{}`: {message}", argument.name, spec.name),
    )
    .width(text.lines().next().unwrap_or_default().chars().count())
    .did_you_mean(text, argument.choices.iter().copied())
}

fn at_key(key: &Key, message: String) -> Problem {
    Problem::at(&key.loc, message).width(key.name.chars().count())
}

fn unknown(spec: &ModuleSpec, key: &Key) -> Problem {
    let problem = at_key(
        key,
        format!("unknown argument `{}` of `{}`", key.name, spec.name),
    );
    let names = spec
        .arguments
        .iter()
        .flat_map(|argument| std::iter::once(&argument.name).chain(argument.aliases))
        .copied();
    match nearest(&key.name, names) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None if spec.arguments.is_empty() => problem.hint("it takes no arguments"),
        None => problem.hint(format!("`stagger modules {}` lists them", spec.name)),
    }
}

/// Returns what is said about arguments that must be given and are not.
fn missing<'a>(
    spec: &'a ModuleSpec,
    given: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = String> + 'a {
    let mut messages = Vec::new();
    for argument in spec.arguments {
        if argument.required && !given(argument.name) {
            messages.push(format!("`{}` needs `{}`", spec.name, argument.name));
        }
    }
    for set in spec.one_of {
        if !set.iter().any(|name| given(name)) {
            let names: Vec<String> = set.iter().map(|name| format!("`{name}`")).collect();
            messages.push(format!("`{}` needs one of {}", spec.name, names.join(", ")));
        }
    }
    messages.into_iter()
}

impl Arguments {
    /// Makes the arguments of a step of rendered values: names as in the table, values as their kind says, defaults
    /// filled in; what is null or was omitted counts as not given. Problems stand where `written` has the argument.
    pub fn of(
        spec: &ModuleSpec,
        rendered: &Map<String, Value>,
        written: &Node,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut values = Map::new();
        let place = |name: &str| written.entry(name).unwrap_or(written);
        for (name, value) in rendered {
            if value.is_null() || value.as_str() == Some(OMIT) {
                continue;
            }
            let Some(argument) = spec.argument(name) else {
                if spec.open {
                    values.insert(name.clone(), value.clone());
                } else {
                    let loc = place(name).loc.clone();
                    let key = Key {
                        name: name.clone(),
                        loc,
                    };
                    problems.push(unknown(spec, &key));
                }
                continue;
            };
            match argument.coerce(value) {
                Ok(value) => {
                    values.insert(argument.name.to_owned(), value);
                }
                Err(message) => {
                    problems.push(wrong_value(spec, argument, place(name), &message));
                }
            }
        }
        let is_given = |name: &str| values.contains_key(name);
        problems.extend(missing(spec, is_given).map(|message| Problem::at(&written.loc, message)));
        for set in spec.exclusive {
            let both: Vec<&&str> = set
                .iter()
                .filter(|name| values.contains_key(**name))
                .collect();
            if let [first, second, ..] = both.as_slice() {
                let message = format!("`{first}` and `{second}` exclude each other");
                problems.push(Problem::at(&place(second).loc, message));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        for argument in spec.arguments {
            let Some(default) = argument.default else {
                continue;
            };
            if let (false, Ok(value)) = (
                values.contains_key(argument.name),
                argument.coerce(&Value::from(default)),
            ) {
                values.insert(argument.name.to_owned(), value);
            }
        }
        Ok(Self {
            values,
            loc: written.loc.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::spec::Safety;
    use crate::yaml::{Source, parse};
    use serde_json::json;

    static COPY: ModuleSpec = ModuleSpec {
        name: "copy",
        arguments: &[
            Argument::new("dest", Kind::Path, "")
                .required()
                .aliases(&["path"]),
            Argument::new("src", Kind::Str, ""),
            Argument::new("content", Kind::Any, ""),
            Argument::new("mode", Kind::Mode, "").choices(&["preserve"]),
            Argument::new("force", Kind::Flag, "").default("yes"),
            Argument::new("owners", Kind::List, ""),
            Argument::new("state", Kind::Str, "").choices(&["present", "absent"]),
        ],
        exclusive: &[&["src", "content"]],
        one_of: &[&["src", "content"]],
        safety: Safety::State,
        ..ModuleSpec::EMPTY
    };

    fn written(text: &str) -> Node {
        parse(&Source::new("x.yml", text)).unwrap()
    }

    fn shown(problems: &[Problem]) -> Vec<String> {
        problems
            .iter()
            .map(|problem| {
                let place = problem
                    .loc
                    .as_ref()
                    .map_or(String::new(), |loc| format!("{}:{} ", loc.line, loc.column));
                let hint = problem
                    .hint
                    .as_ref()
                    .map_or(String::new(), |hint| format!(" ({hint})"));
                format!("{place}{}{hint}", problem.message)
            })
            .collect()
    }

    #[test]
    fn arguments_as_written_are_checked_without_rendering() {
        let cases: [(&str, &[&str]); 9] = [
            ("{dest: /x, src: a, mode: '0644'}", &[]),
            (
                "{dest: '{{ d }}', src: a, force: '{{ f }}', mode: '{{ m }}'}",
                &[],
            ),
            (
                "{dest: /x, srcc: a}",
                &[
                    "1:12 unknown argument `srcc` of `copy` (did you mean `src`?)",
                    "1:1 `copy` needs one of `src`, `content`",
                ],
            ),
            ("{src: a}", &["1:1 `copy` needs `dest`"]),
            (
                "{path: /x, dest: /y, src: a}",
                &["1:12 `dest` is the same as `path`, given above"],
            ),
            (
                "{dest: /x, src: a, content: b}",
                &["1:20 `src` and `content` exclude each other"],
            ),
            (
                "{dest: /x, src: a, mode: 644}",
                &[
                    "1:26 argument `mode` of `copy`: a mode must be text, so that 644 is not read as a decimal number",
                ],
            ),
            (
                "{dest: /x, src: a, state: presnet}",
                &[
                    "1:27 argument `state` of `copy`: `presnet` is none of `present`, `absent` (did you mean `present`?)",
                ],
            ),
            (
                "{dest: /x, src: a, owners: [a, {b: c}]}",
                &["1:32 argument `owners` of `copy`: must be text, not a map"],
            ),
        ];
        for (text, expected) in cases {
            let mut problems = Vec::new();
            check_arguments(&COPY, &written(text), &mut problems);
            assert_eq!(shown(&problems), expected, "{text}");
        }
    }

    #[test]
    fn rendered_arguments_get_their_kinds_names_and_defaults() {
        let node =
            written("{path: '{{ p }}', src: '{{ s }}', mode: '{{ m }}', content: '{{ omit }}'}");
        let rendered =
            json!({"path": "/x", "src": 1, "mode": "0600", "content": OMIT, "owners": null});
        let arguments = Arguments::of(&COPY, rendered.as_object().unwrap(), &node).unwrap();
        assert_eq!(
            Value::Object(arguments.values),
            json!({"dest": "/x", "src": "1", "mode": 0o600, "force": true})
        );
    }

    #[test]
    fn rendered_arguments_that_are_wrong_point_at_what_was_written() {
        let node = written("{dest: /x, src: '{{ omit }}', state: '{{ s }}'}");
        let rendered = json!({"dest": "/x", "src": OMIT, "state": "gone"});
        let problems = Arguments::of(&COPY, rendered.as_object().unwrap(), &node).unwrap_err();
        assert_eq!(
            shown(&problems),
            [
                "1:38 argument `state` of `copy`: `gone` is none of `present`, `absent`",
                "1:1 `copy` needs one of `src`, `content`",
            ]
        );
    }
}
