//! The same templates, here and under ansible-core.
//!
//! `tests/fixtures/template/*.yml` hold templates with what ansible-core 2.19.14 made of them. Where this room differs
//! on purpose a case says so: `ansible` is what Ansible gives, `why` the reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{ErrorKind, Origin, Outside, Raw, TemplateError, Templater, Variables};
use crate::clock::SimulatedClock;
use crate::yaml::{self, Source};

const FIXTURES: [(&str, &str); 8] = [
    (
        "conditions",
        include_str!("../../tests/fixtures/template/conditions.yml"),
    ),
    (
        "filters",
        include_str!("../../tests/fixtures/template/filters.yml"),
    ),
    (
        "lists",
        include_str!("../../tests/fixtures/template/lists.yml"),
    ),
    (
        "lookups",
        include_str!("../../tests/fixtures/template/lookups.yml"),
    ),
    (
        "statements",
        include_str!("../../tests/fixtures/template/statements.yml"),
    ),
    (
        "tests",
        include_str!("../../tests/fixtures/template/tests.yml"),
    ),
    (
        "undefined",
        include_str!("../../tests/fixtures/template/undefined.yml"),
    ),
    (
        "values",
        include_str!("../../tests/fixtures/template/values.yml"),
    ),
];

/// Variables of a test.
#[derive(Debug, Default)]
pub(super) struct Given(pub(super) BTreeMap<String, Raw>);

impl Given {
    fn add(&mut self, values: &Value, templated: bool) {
        for (name, value) in values.as_object().into_iter().flatten() {
            let raw = Raw {
                value: value.clone(),
                templated,
                origin: None,
            };
            self.0.insert(name.clone(), raw);
        }
    }
}

impl Variables for Given {
    fn lookup(&self, name: &str) -> Option<Raw> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// A machine that holds some files.
#[derive(Debug, Default)]
pub(super) struct Files(pub(super) BTreeMap<String, String>);

impl Outside for Files {
    fn read(&self, _kind: &str, path: &str) -> Result<String, String> {
        let own = path.trim_start_matches("./");
        self.0
            .get(own)
            .cloned()
            .ok_or_else(|| format!("{path} does not exist"))
    }

    fn find(&self, kind: &str, path: &str) -> Option<String> {
        self.read(kind, path).ok().map(|_| path.to_owned())
    }

    fn glob(&self, _kind: &str, pattern: &str) -> Vec<String> {
        let end = pattern.trim_start_matches('*');
        self.0
            .keys()
            .filter(|name| name.ends_with(end))
            .cloned()
            .collect()
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "STAGGER_FIXTURE").then(|| "from outside".to_owned())
    }

    fn pipe(&self, command: &str) -> Result<String, String> {
        match command.strip_prefix("echo a; echo b") {
            Some(_) => Ok("a\nb\n".to_owned()),
            None => Err(format!("`{command}` failed")),
        }
    }
}

fn merged(first: Option<&Value>, second: Option<&Value>) -> Value {
    let mut all = Map::new();
    for values in [first, second].into_iter().flatten() {
        all.extend(values.as_object().cloned().unwrap_or_default());
    }
    Value::Object(all)
}

fn class(error: &TemplateError) -> &'static str {
    match error.kind {
        ErrorKind::Undefined => "undefined",
        ErrorKind::Condition => "condition",
        ErrorKind::Syntax => "syntax",
        ErrorKind::Unknown | ErrorKind::Cycle | ErrorKind::Lookup | ErrorKind::Failed => "failed",
    }
}

fn run(head: &Value, case: &Value) -> Result<Value, TemplateError> {
    let mut given = Given::default();
    given.add(&merged(head.get("vars"), case.get("vars")), true);
    given.add(&merged(head.get("facts"), case.get("facts")), false);
    let files = merged(head.get("files"), case.get("files"));
    let files = files.as_object().unwrap().iter();
    let files = files.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()));
    let outside = Arc::new(Files(files.collect()));
    let templater = Templater::new(outside, Arc::new(SimulatedClock::new()));
    let variables: Arc<dyn Variables> = Arc::new(given);
    if let Some(text) = case.get("file") {
        let source = Source::new("file.j2", text.as_str().unwrap());
        return templater.render(&source, &variables).map(Value::from);
    }
    if let Some(condition) = case.get("condition") {
        return match condition.as_bool() {
            Some(flag) => Ok(Value::from(flag)),
            None => templater
                .condition(condition.as_str().unwrap(), Origin::Nowhere, &variables)
                .map(Value::from),
        };
    }
    templater.value(case.get("template").unwrap(), Origin::Nowhere, &variables)
}

#[test]
fn templates_give_what_ansible_gives() {
    let (mut cases, mut wrong) = (0, String::new());
    for (name, text) in FIXTURES {
        let document = yaml::parse(&Source::new(name, text)).unwrap().to_value();
        for case in document.get("cases").unwrap().as_array().unwrap() {
            cases += 1;
            let found = match run(&document, case) {
                Ok(Value::String(text)) if text == super::OMIT => ("error", Value::from("omitted")),
                Ok(value) => ("value", value),
                Err(error) => {
                    let class = match (class(&error), case.get("error").and_then(Value::as_str)) {
                        // Ansible finds a filter or a test that does not exist when it reads the template.
                        ("failed", Some("syntax")) if error.kind == ErrorKind::Unknown => "syntax",
                        (class, _) => class,
                    };
                    ("error", Value::from(class))
                }
            };
            let wanted = ["value", "error"]
                .into_iter()
                .find_map(|key| Some((key, case.get(key)?.clone())))
                .unwrap();
            if found != wanted {
                let message = run(&document, case).err().map(|error| error.message);
                let _ = writeln!(
                    wrong,
                    "{name}: {}\n   wanted {} {}\n   found  {} {} {}",
                    case,
                    wanted.0,
                    wanted.1,
                    found.0,
                    found.1,
                    message.unwrap_or_default()
                );
            }
        }
    }
    assert!(cases > 800, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{wrong}");
}
