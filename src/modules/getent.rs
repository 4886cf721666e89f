//! `getent`: entries of the host's databases (passwd, group, hosts ...).

use serde_json::{Map, Value, json};

use super::files::{NO, PRELUDE, Reply};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "getent",
    summary: "Reads entries of the host's databases with getent",
    arguments: &[
        Argument::new("database", Kind::Str, "passwd, group, hosts, services ...").required(),
        Argument::new("key", Kind::Str, "One entry; without it all are read.").default(""),
        Argument::new(
            "service",
            Kind::Str,
            "Only from this source, such as `files`.",
        ),
        Argument::new(
            "split",
            Kind::Str,
            "What divides the fields; without it `:` for files of accounts, else blanks.",
        ),
        Argument::new(
            "fail_key",
            Kind::Flag,
            "Whether an entry that is not there is a failure.",
        )
        .default("true"),
    ],
    safety: Safety::ReadOnly,
    example: "- getent:\n    database: passwd\n    key: arangodb\n",
    returns: &[(
        "ansible_facts",
        "getent_DATABASE: for each entry the list of its fields",
    )],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Getent;

impl Module for Getent {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        Ok(Box::new(Reading {
            database: text("database").unwrap_or_default(),
            key: text("key").filter(|key| !key.is_empty()),
            service: text("service"),
            split: text("split"),
            must: arguments.get("fail_key") != Some(&json!(false)),
        }))
    }
}

#[derive(Debug)]
struct Reading {
    database: String,
    key: Option<String>,
    service: Option<String>,
    split: Option<String>,
    must: bool,
}

impl Reading {
    fn command(&self) -> String {
        let mut words = vec!["getent".to_owned()];
        if let Some(service) = &self.service {
            words.extend(["-s".to_owned(), shell_quote(service)]);
        }
        words.push(shell_quote(&self.database));
        words.extend(self.key.as_deref().map(shell_quote));
        words.join(" ")
    }

    fn entries(&self, text: &str) -> Map<String, Value> {
        let colons = ["passwd", "shadow", "group", "gshadow"].contains(&self.database.as_str());
        let mut entries = Map::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let mut parts: Vec<&str> = match (&self.split, colons) {
                (Some(split), _) => line.split(split.as_str()).collect(),
                (None, true) => line.split(':').collect(),
                (None, false) => line.split_whitespace().collect(),
            };
            if parts.is_empty() {
                continue;
            }
            let key = parts.remove(0);
            // A name that has several entries (hosts) gets a list of their fields.
            match entries.get_mut(key) {
                Some(Value::Array(known)) => known.push(json!(parts)),
                _ => {
                    entries.insert(key.to_owned(), json!(parts));
                }
            }
        }
        entries
    }
}

impl Action for Reading {
    fn describe(&self) -> String {
        format!("read {}", self.command())
    }

    fn by_hand(&self) -> Option<String> {
        Some(self.command())
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let script = format!(
            "{PRELUDE}{NO}command -v getent >/dev/null || no 'the host has no getent'\n\
             o=$({} 2>&1); printf 'rc=%s\\0text=%s\\0' $? \"$o\"\n",
            self.command()
        );
        let reply = Reply::of(&cx.script(script)?, "cannot read the database")?;
        let name = format!("getent_{}", self.database);
        let entries = match (reply.line("rc").unwrap_or_default(), &self.key) {
            ("0", _) => self.entries(reply.get("text").unwrap_or_default()),
            ("2", Some(key)) if !self.must => fields([(key.as_str(), Value::Null)]),
            ("2", _) => {
                return Err(ModuleError::failed(
                    "One or more supplied key could not be found in the database.",
                ));
            }
            ("1", _) => {
                return Err(ModuleError::failed(
                    "Missing arguments, or database unknown.",
                ));
            }
            ("3", _) => {
                return Err(ModuleError::failed(
                    "Enumeration not supported on this database.",
                ));
            }
            (code, _) => return Err(ModuleError::failed(format!("getent ended with {code}"))),
        };
        let facts = fields([(name.as_str(), Value::Object(entries))]);
        Ok(Observed::Same(Outcome {
            result: fields([("ansible_facts", json!(facts))]),
            effects: vec![Effect::SetFact {
                variables: facts,
                facts: true,
            }],
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
