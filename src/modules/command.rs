//! `command`: a program with its arguments, run without a shell.

use serde_json::json;

use super::files::argument_words;
use super::program::{
    CHDIR, CREATES, Program, REMOVES, RETURNS, STDIN, STDIN_ADD_NEWLINE, STRIP_EMPTY_ENDS,
    expanded_line,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::connection::JobCommand;
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "command",
    summary: "Runs a program, without a shell",
    notes: &[
        "It runs detached from the session and never twice. With `creates` or `removes` the host can be asked whether it is done.",
        "`$NAME` and a leading `~` are expanded on the host; nothing else is. For pipes and the like use `shell`.",
    ],
    arguments: &[
        Argument::new(
            "cmd",
            Kind::Str,
            "The program and its arguments in one line, split as a shell splits words.",
        )
        .aliases(&["_raw_params"]),
        Argument::new(
            "argv",
            Kind::Values,
            "The program and its arguments, one a list item.",
        ),
        CHDIR,
        CREATES,
        REMOVES,
        STDIN,
        STDIN_ADD_NEWLINE,
        STRIP_EMPTY_ENDS,
        Argument::new(
            "expand_argument_vars",
            Kind::Flag,
            "Whether `$NAME` and `~` in the arguments are expanded.",
        )
        .default("true"),
    ],
    absent: &[("executable", "`command` uses no shell; use `shell`")],
    free_form: Some("cmd"),
    exclusive: &[&["cmd", "argv"]],
    one_of: &[&["cmd", "argv"]],
    safety: Safety::Once,
    example: "- name: the version that runs\n  command: arangod --version\n  register: version\n  changed_when: false\n",
    returns: RETURNS,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Command;

impl Module for Command {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let words = words(arguments).map_err(|error| error.in_task(arguments))?;
        let expands = arguments.get("expand_argument_vars") != Some(&json!(false));
        let command = match expanded_line(&words).filter(|_| expands) {
            Some(text) => JobCommand::Shell { text, shell: None },
            None => JobCommand::Argv(words.iter().map(|word| word.clone().into_bytes()).collect()),
        };
        let line: Vec<String> = words.iter().map(|word| shell_quote(word)).collect();
        Ok(Box::new(Running {
            program: Program::of(command, json!(words), arguments),
            line: line.join(" "),
        }))
    }
}

fn words(arguments: &Arguments) -> Result<Vec<String>, ModuleError> {
    let words = match arguments.get("argv") {
        Some(value) => value
            .as_array()
            .map(|items| items.iter().map(text).collect())
            .unwrap_or_default(),
        None => argument_words(arguments.str("cmd").unwrap_or_default())?,
    };
    if words.is_empty() {
        return Err(ModuleError::failed("no command given"));
    }
    Ok(words)
}

fn text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[derive(Debug)]
struct Running {
    program: Program,
    line: String,
}

impl Action for Running {
    fn describe(&self) -> String {
        format!("run {}", self.line)
    }

    fn by_hand(&self) -> Option<String> {
        Some(match &self.program.directory {
            Some(directory) => format!("cd {} && {}", shell_quote(directory), self.line),
            None => self.line.clone(),
        })
    }

    fn safety(&self) -> Option<Safety> {
        self.program.can_be_asked().then_some(Safety::State)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        self.program.observe(cx)
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        self.program.apply(cx)
    }
}
