//! `script`: a script of the controller, run on the host.

use std::sync::OnceLock;

use serde_json::json;

use super::files::argument_words;
use super::program::{CHDIR, CREATES, Program, REMOVES, RETURNS};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::connection::JobCommand;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "script",
    summary: "Runs a script of the controller on the host",
    notes: &[
        "The script is run by the interpreter of its first line, else by /bin/sh; nothing of it stays on the host.",
        "Templates in the script are not rendered.",
    ],
    arguments: &[
        Argument::new(
            "cmd",
            Kind::Str,
            "The script's path on the controller, and its arguments.",
        )
        .aliases(&["_raw_params"])
        .required(),
        Argument::new(
            "executable",
            Kind::Str,
            "The interpreter, instead of that of the script's first line.",
        ),
        CHDIR,
        CREATES,
        REMOVES,
    ],
    absent: &[(
        "decrypt",
        "files of the controller are decrypted if they are vaulted",
    )],
    free_form: Some("cmd"),
    safety: Safety::Once,
    example: "- script: check-disks.sh --warn 80\n  register: disks\n  changed_when: false\n",
    returns: RETURNS,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Script;

impl Module for Script {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let line = arguments.str("cmd").unwrap_or_default();
        let words = argument_words(line).map_err(|error| error.in_task(arguments))?;
        let Some((path, script_arguments)) = words.split_first() else {
            return Err(ModuleError::failed("no script given").in_task(arguments));
        };
        Ok(Box::new(Running {
            path: path.clone(),
            line: line.to_owned(),
            script_arguments: script_arguments.to_vec(),
            interpreter: arguments.str("executable").map(str::to_owned),
            arguments: arguments.clone(),
            text: OnceLock::new(),
        }))
    }
}

#[derive(Debug)]
struct Running {
    path: String,
    line: String,
    script_arguments: Vec<String>,
    interpreter: Option<String>,
    arguments: Arguments,
    text: OnceLock<Vec<u8>>,
}

impl Running {
    fn program(&self, text: &[u8]) -> Program {
        let mut whole = Vec::new();
        if let Some(interpreter) = &self.interpreter {
            whole.extend_from_slice(format!("#!{interpreter}\n").as_bytes());
        }
        whole.extend_from_slice(text);
        let command = JobCommand::Script {
            text: whole,
            arguments: self.script_arguments.clone(),
        };
        Program::of(command, json!(self.line), &self.arguments)
    }

    fn text(&self, cx: &HostCx<'_>) -> Result<&[u8], ModuleError> {
        if let Some(text) = self.text.get() {
            return Ok(text);
        }
        let read = cx
            .controller
            .read("files", &self.path)
            .map_err(ModuleError::Argument)?;
        Ok(self.text.get_or_init(|| read))
    }
}

impl Action for Running {
    fn describe(&self) -> String {
        format!("run the script {}", self.line)
    }

    fn safety(&self) -> Option<Safety> {
        self.program(b"").can_be_asked().then_some(Safety::State)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let program = self.program(self.text(cx)?);
        program.observe(cx)
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        let program = self.program(self.text(cx)?);
        program.apply(cx)
    }
}
