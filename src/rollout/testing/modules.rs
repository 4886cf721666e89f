//! Modules for tests: one that reads, one that brings about a state, one that runs a job once, one that
//! sends something once, one that asks for something over HTTP; and the real ones
//! that only concern the engine.

use serde_json::{Map, Value, json};

use crate::connection::{End, Job, JobCommand, OnDeadline};
use crate::modules::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use crate::modules::{self, Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::yaml::Problem;

const WHAT: &[Argument] = &[
    Argument::new("what", Kind::Str, "What.").required(),
    Argument::new("creates", Kind::Str, "What is there when it was done."),
    Argument::new("secret", Kind::Str, "A secret.").secret(),
];

const fn table(name: &'static str, safety: Safety) -> ModuleSpec {
    ModuleSpec {
        name,
        arguments: WHAT,
        free_form: Some("what"),
        safety,
        ..ModuleSpec::EMPTY
    }
}

static LOOK: ModuleSpec = table("look", Safety::ReadOnly);
static ACT: ModuleSpec = table("act", Safety::State);
static LAUNCH: ModuleSpec = table("launch", Safety::Once);
static SEND: ModuleSpec = table("send", Safety::Once);
static POST: ModuleSpec = ModuleSpec {
    speaks_itself: true,
    ..table("post", Safety::Once)
};
static SETUP: ModuleSpec = ModuleSpec {
    name: "setup",
    safety: Safety::ReadOnly,
    ..ModuleSpec::EMPTY
};

#[derive(Debug)]
struct Scripted(&'static ModuleSpec);

static SCRIPTED: [Scripted; 6] = [
    Scripted(&LOOK),
    Scripted(&ACT),
    Scripted(&LAUNCH),
    Scripted(&SEND),
    Scripted(&POST),
    Scripted(&SETUP),
];

/// All modules that tests may use.
pub(super) static ALL: std::sync::LazyLock<Vec<&'static dyn Module>> =
    std::sync::LazyLock::new(|| {
        let real = [
            "add_host",
            "assert",
            "cluster_lock",
            "debug",
            "fail",
            "group_by",
            "include_vars",
            "meta",
            "pause",
            "set_fact",
        ];
        let mut all: Vec<&'static dyn Module> = Vec::new();
        for module in &SCRIPTED {
            all.push(module);
        }
        all.extend(real.iter().map(|name| modules::find(name).unwrap()));
        all
    });

/// Finds a module.
pub(super) fn find(name: &str) -> Option<&'static dyn Module> {
    ALL.iter()
        .copied()
        .find(|module| module.spec().name == name)
}

impl Module for Scripted {
    fn spec(&self) -> &'static ModuleSpec {
        self.0
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(ScriptedAction {
            name: self.0.name,
            what: arguments.str("what").unwrap_or_default().to_owned(),
            creates: arguments.str("creates").map(str::to_owned),
        }))
    }
}

#[derive(Debug)]
struct ScriptedAction {
    name: &'static str,
    what: String,
    creates: Option<String>,
}

impl ScriptedAction {
    fn ask(&self, cx: &mut HostCx<'_>, verb: &str) -> Result<Value, ModuleError> {
        let reply = cx.script(format!("{verb} {}", self.what))?;
        if reply.code != 0 {
            let mut result = Map::new();
            result.insert("rc".to_owned(), json!(reply.code));
            return Err(ModuleError::Failed {
                message: format!("{} failed", self.what),
                result,
            });
        }
        Ok(serde_json::from_slice(&reply.out).unwrap())
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn outcome(changed: bool, value: Value) -> Outcome {
    let mut result = Map::new();
    match value {
        Value::Object(fields) => result.extend(fields),
        other => {
            result.insert("value".to_owned(), other);
        }
    }
    Outcome {
        changed,
        result,
        ..Outcome::default()
    }
}

impl Action for ScriptedAction {
    fn describe(&self) -> String {
        format!("{} {}", self.name, self.what)
    }

    fn by_hand(&self) -> Option<String> {
        (self.name != "look").then(|| format!("do-it {}", self.what))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        match self.name {
            "setup" => {
                let mut facts = Map::new();
                facts.insert("ansible_hostname".to_owned(), json!(cx.host));
                let mut outcome = outcome(false, json!({"ansible_facts": facts}));
                outcome.effects.push(modules::Effect::SetFact {
                    variables: facts,
                    facts: true,
                });
                Ok(Observed::Same(outcome))
            }
            "look" => {
                let value = self.ask(cx, "look")?;
                Ok(Observed::Same(outcome(false, value)))
            }
            "act" => {
                let done = self.ask(cx, "see")? == json!(true);
                if done {
                    Ok(Observed::Same(outcome(false, json!({}))))
                } else {
                    Ok(Observed::Differs(Change::new(format!(
                        "would do {}",
                        self.what
                    ))))
                }
            }
            _ => {
                if let Some(creates) = &self.creates {
                    let reply = cx.script(format!("see {creates}"))?;
                    if reply.out == b"true" {
                        return Ok(Observed::Skip(format!("{creates} exists")));
                    }
                }
                Ok(Observed::Unknown(Change::new(format!("run {}", self.what))))
            }
        }
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        if self.name == "post" {
            // As a request over HTTP: it was sent, and nobody answered.
            return match self.ask(cx, "do") {
                Ok(_) => Ok(outcome(true, json!({}))),
                Err(ModuleError::Connection(error)) => Err(ModuleError::InDoubt {
                    message: error.to_string(),
                    result: Map::new(),
                }),
                Err(error) => Err(error),
            };
        }
        if matches!(self.name, "act" | "send") {
            self.ask(cx, "do")?;
            return Ok(outcome(true, json!({})));
        }
        let job = Job {
            id: cx.job.clone(),
            command: JobCommand::Shell {
                text: self.what.clone(),
                shell: None,
            },
            input: None,
            directory: None,
            environment: Vec::new(),
            on_deadline: OnDeadline::Leave,
            outlives_session: cx.indivisible,
        };
        let end = cx.run(&job)?;
        let code = match end.end {
            End::Code(code) => code,
            End::Signal(signal) => 128 + signal,
        };
        if code != 0 {
            return Err(ModuleError::failed(format!(
                "{} ended with {code}",
                self.what
            )));
        }
        Ok(outcome(true, json!({"rc": code, "stdout": "out"})))
    }
}
