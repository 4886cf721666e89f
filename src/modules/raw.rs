//! `raw`: a text run as it is, with nothing around it.

use super::program::RETURNS;
use super::shell::Running;
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Module};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "raw",
    summary: "Runs a text with a shell, as `shell` does without its further arguments",
    notes: &[
        "No module needs more than a shell here, so `raw` is only for playbooks that have it.",
    ],
    arguments: &[
        Argument::new("cmd", Kind::Str, "The text, as the shell gets it.")
            .aliases(&["_raw_params"])
            .required(),
        Argument::new("executable", Kind::Path, "The shell's path.").default("/bin/sh"),
    ],
    free_form: Some("cmd"),
    safety: Safety::Once,
    example: "- raw: uname -a\n  changed_when: false\n",
    returns: RETURNS,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Raw;

impl Module for Raw {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Running::of(arguments)))
    }
}
