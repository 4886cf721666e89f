//! `meta`: what the engine itself does between tasks. Only its table is here; the engine carries it out.

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Module, ModuleError};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "meta",
    summary: "Tells the engine to do something between tasks",
    notes: &[
        "flush_handlers runs the handlers that were notified; end_host, end_batch and end_play stop there; end_role leaves the role; clear_host_errors lets failed hosts go on; clear_facts forgets gathered facts; reset_connection opens a new session; refresh_inventory reads the inventory again.",
    ],
    arguments: &[Argument::new("free_form", Kind::Str, "What is to be done.")
        .choices(&[
            "clear_facts",
            "clear_host_errors",
            "end_batch",
            "end_host",
            "end_play",
            "end_role",
            "flush_handlers",
            "noop",
            "refresh_inventory",
            "reset_connection",
        ])
        .required()],
    free_form: Some("free_form"),
    safety: Safety::Engine,
    needs_host: false,
    example: "- meta: flush_handlers\n",
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Meta;

impl Module for Meta {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Err(ModuleError::failed(
            "`meta` works only as a task of its own, not with loops or as a handler's module",
        )
        .in_task(arguments))
    }
}
