//! `slurp`: a file's content, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::files::{Target, Wanted};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "slurp",
    summary: "Reads a file of the host into a variable",
    notes: &["Files of up to 32 MiB; for larger ones use `fetch`."],
    arguments: &[Argument::new("src", Kind::Path, "The file.")
        .aliases(&["path"])
        .required()],
    safety: Safety::ReadOnly,
    example: "- slurp:\n    src: /etc/machine-id\n  register: id\n- debug:\n    msg: \"{{ id.content | b64decode }}\"\n",
    returns: &[
        ("content", "the content in base64"),
        ("encoding", "base64"),
        ("source", "the path"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Slurp;

impl Module for Slurp {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Reading {
            path: arguments.str("src").unwrap_or_default().to_owned(),
        }))
    }
}

#[derive(Debug)]
struct Reading {
    path: String,
}

/// Reads a whole regular file, with failures in Ansible's words.
pub(super) fn content(cx: &mut HostCx<'_>, path: &str) -> Result<(String, Vec<u8>), ModuleError> {
    let target = Target {
        path,
        follow: true,
        into: None,
    };
    let found = target.read(cx, Wanted::Content)?;
    match (found.state, found.content) {
        (None, _) => Err(ModuleError::failed(format!("file not found: {path}"))),
        (Some(state), _) if state.is_directory() => Err(ModuleError::failed(format!(
            "source is a directory and must be a file: {path}"
        ))),
        (Some(_), None) => Err(ModuleError::failed(format!("{path} is no regular file"))),
        (Some(_), Some(content)) => Ok((found.path, content)),
    }
}

impl Action for Reading {
    fn describe(&self) -> String {
        format!("read {}", self.path)
    }

    fn by_hand(&self) -> Option<String> {
        Some(format!("cat {}", crate::template::shell_quote(&self.path)))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let (_, content) = content(cx, &self.path)?;
        Ok(Observed::Same(Outcome {
            result: fields([
                ("content", json!(STANDARD.encode(content))),
                ("encoding", json!("base64")),
                ("source", json!(self.path)),
            ]),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
