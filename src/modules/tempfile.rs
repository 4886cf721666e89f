//! `tempfile`: a new temporary file or directory.

use serde_json::json;

use super::files::{NO, PRELUDE, PathState, Reply, STATE, path_word, read_state};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "tempfile",
    summary: "Makes a temporary file or directory that only its owner can read",
    notes: &["Nothing removes it: do so with `file: state=absent`."],
    arguments: &[
        Argument::new("state", Kind::Str, "What is made.")
            .choices(&["directory", "file"])
            .default("file"),
        Argument::new(
            "path",
            Kind::Path,
            "Where; without it where the host keeps such files.",
        ),
        Argument::new("prefix", Kind::Str, "How its name starts.").default("ansible."),
        Argument::new("suffix", Kind::Str, "How its name ends.").default(""),
    ],
    safety: Safety::Once,
    example: "- tempfile:\n    state: directory\n    suffix: upgrade\n  register: work\n",
    returns: &[("path", "its path")],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct TempFile;

impl Module for TempFile {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let text = |name: &str| arguments.str(name).unwrap_or_default().to_owned();
        let making = Making {
            directory: arguments.str("state") == Some("directory"),
            path: arguments.str("path").map(str::to_owned),
            prefix: text("prefix"),
            suffix: text("suffix"),
        };
        if making.prefix.contains('/') || making.suffix.contains('/') {
            return Err(
                ModuleError::failed("prefix and suffix are parts of a name: no slash")
                    .in_task(arguments),
            );
        }
        Ok(Box::new(making))
    }
}

#[derive(Debug)]
struct Making {
    directory: bool,
    path: Option<String>,
    prefix: String,
    suffix: String,
}

impl Action for Making {
    fn describe(&self) -> String {
        format!(
            "a new temporary {}",
            if self.directory { "directory" } else { "file" }
        )
    }

    fn observe(&self, _cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        Ok(Observed::Unknown(Change::new(self.describe())))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        let place = self
            .path
            .as_deref()
            .map_or("${TMPDIR:-/tmp}".to_owned(), path_word);
        let option = if self.directory { "-d" } else { "" };
        // Not every `mktemp` takes a suffix, so the name is made in two steps; `ln` and `mkdir` never replace anything.
        let finish = if self.directory {
            "mkdir -m 0700 -- \"$q\" && rmdir -- \"$t\""
        } else {
            "ln -- \"$t\" \"$q\" && rm -f -- \"$t\""
        };
        let script = format!(
            "{PRELUDE}{STATE}{NO}umask 077\nd={place}\nt=$(mktemp {option} \"$d\"/{}XXXXXXXX) || no 'cannot make it'\nq=$t{}\n\
             [ \"$q\" = \"$t\" ] || {{ {finish}; }} || no 'cannot name it'\nprintf 'path=%s\\0' \"$q\"\nst state \"$q\"\n",
            shell_quote(&self.prefix),
            shell_quote(&self.suffix)
        );
        let reply = Reply::of(&cx.script(script)?, "cannot make a temporary file")?;
        let mut result = read_state(&reply, "state")?
            .as_ref()
            .map(PathState::fields)
            .unwrap_or_default();
        result.insert("path".into(), json!(reply.get("path")));
        Ok(Outcome {
            changed: true,
            result,
            ..Outcome::default()
        })
    }
}
