//! `shell`: a text that a shell on the host runs.

use serde_json::json;

use super::program::{
    CHDIR, CREATES, Program, REMOVES, RETURNS, STDIN, STDIN_ADD_NEWLINE, STRIP_EMPTY_ENDS,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::connection::JobCommand;
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "shell",
    summary: "Runs a text with a shell",
    notes: &[
        "It runs detached from the session and never twice. With `creates` or `removes` the host can be asked whether it is done.",
        "What a variable puts into the text is run too: pass it through the filter `quote`.",
    ],
    arguments: &[
        Argument::new("cmd", Kind::Str, "The text, as the shell gets it.")
            .aliases(&["_raw_params"]),
        Argument::new("executable", Kind::Path, "The shell's path.").default("/bin/sh"),
        CHDIR,
        CREATES,
        REMOVES,
        STDIN,
        STDIN_ADD_NEWLINE,
        STRIP_EMPTY_ENDS,
    ],
    free_form: Some("cmd"),
    one_of: &[&["cmd"]],
    safety: Safety::Once,
    example: "- name: how full the data directory is\n  shell: df -P /var/lib/db | awk 'NR == 2 { print $5 }'\n  register: used\n  changed_when: false\n",
    returns: RETURNS,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Shell;

impl Module for Shell {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Running::of(arguments)))
    }
}

/// A text to be run by a shell; `raw` runs the same.
#[derive(Debug)]
pub(super) struct Running {
    program: Program,
    text: String,
}

impl Running {
    /// Reads the arguments.
    pub(super) fn of(arguments: &Arguments) -> Self {
        let text = arguments.str("cmd").unwrap_or_default().to_owned();
        let shell = arguments
            .str("executable")
            .filter(|shell| *shell != "/bin/sh");
        let command = JobCommand::Shell {
            text: text.clone(),
            shell: shell.map(str::to_owned),
        };
        Self {
            program: Program::of(command, json!(text), arguments),
            text,
        }
    }
}

impl Action for Running {
    fn describe(&self) -> String {
        let mut lines = self.text.trim().lines();
        let first = lines.next().unwrap_or_default();
        match lines.count() {
            0 => format!("run {first}"),
            more => format!("run {first} (and {more} more lines)"),
        }
    }

    fn by_hand(&self) -> Option<String> {
        Some(match &self.program.directory {
            Some(directory) => format!("cd {} && {}", shell_quote(directory), self.text),
            None => self.text.clone(),
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
