//! `file`: what is at a path (a file, a directory, a link, nothing), its owner, mode and times.

mod look;
mod make;

use serde_json::{Map, Value, json};

use super::files::{Attributes, FILE_ARGUMENTS, FileKind, GROUP, MODE, OWNER, PathState};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, Diff, HostCx, Module, ModuleError, Observed, Outcome};
use crate::template::shell_quote;
use crate::yaml::Problem;
use look::Seen;

static SPEC: ModuleSpec = ModuleSpec {
    name: "file",
    summary: "Makes sure that a path is a file, a directory, a link or nothing, with owner, mode and times",
    notes: &[
        "`state: file` never makes a file; use `touch` or `copy`.",
        "`state: absent` removes a directory with all that is in it.",
    ],
    arguments: &[
        Argument::new("path", Kind::Path, "The path.").aliases(&["dest", "name"]).required(),
        Argument::new("state", Kind::Str, "What it shall be. Without it: what it is, a directory with `recurse`, else a file.")
            .choices(&["absent", "directory", "file", "hard", "link", "touch"]),
        Argument::new("src", Kind::Path, "What a link leads to."),
        Argument::new("recurse", Kind::Flag, "Whether owner and mode also go to all that is in the directory.").default("false"),
        Argument::new("force", Kind::Flag, "Whether a link is made even if what it leads to is missing, or a file or an empty directory is in its place.").default("false"),
        Argument::new("follow", Kind::Flag, "Whether a link at the path is followed.").default("true"),
        Argument::new("modification_time", Kind::Str, "`preserve`, `now`, or a time of the host's clock."),
        Argument::new("modification_time_format", Kind::Str, "How that time is written.").default("%Y%m%d%H%M.%S"),
        Argument::new("access_time", Kind::Str, "`preserve`, `now`, or a time of the host's clock."),
        Argument::new("access_time_format", Kind::Str, "How that time is written.").default("%Y%m%d%H%M.%S"),
        MODE,
        OWNER,
        GROUP,
    ],
    absent: &FILE_ARGUMENTS,
    example: "- file:\n    path: /var/lib/demo\n    state: directory\n    owner: demo\n    mode: \"0750\"\n",
    returns: &[
        ("path", "the path"),
        ("dest", "the path, of a link and with `touch`"),
        ("src", "what a link leads to"),
        ("state", "what it is now"),
        ("mode", "the permissions"),
        ("owner", "the owner's name"),
        ("group", "the group's name"),
        ("uid", "the owner's number"),
        ("gid", "the group's number"),
        ("size", "the size in bytes"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct File;

impl Module for File {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Wanted::of(arguments)
            .map(|wanted| Box::new(wanted) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

/// What a path shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Directory,
    File,
    Hard,
    Link,
    Touch,
}

/// What a time shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Time {
    Preserve,
    Now,
    /// As `touch -t` and `date -d` take it.
    At {
        touch: String,
        date: String,
    },
}

#[derive(Debug)]
struct Wanted {
    path: String,
    state: Option<State>,
    src: Option<String>,
    recurse: bool,
    force: bool,
    follow: bool,
    times: [Option<Time>; 2],
    attributes: Attributes,
}

impl Wanted {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let state = match arguments.str("state") {
            Some("absent") => Some(State::Absent),
            Some("directory") => Some(State::Directory),
            Some("file") => Some(State::File),
            Some("hard") => Some(State::Hard),
            Some("link") => Some(State::Link),
            Some("touch") => Some(State::Touch),
            _ => None,
        };
        let recurse = arguments.flag("recurse");
        if recurse && state.is_some_and(|state| state != State::Directory) {
            return Err(ModuleError::failed(
                "recurse option requires state to be 'directory'",
            ));
        }
        Ok(Self {
            path: arguments.str("path").unwrap_or_default().to_owned(),
            state,
            src: arguments.str("src").map(str::to_owned),
            recurse,
            force: arguments.flag("force"),
            follow: arguments.get("follow") != Some(&json!(false)),
            times: [
                time(arguments, "access_time")?,
                time(arguments, "modification_time")?,
            ],
            attributes: Attributes::of(arguments)?,
        })
    }

    /// Returns what the path shall be, now that it is known what it is.
    fn state(&self, seen: &Seen) -> State {
        self.state.unwrap_or(match &seen.itself {
            Some(state) => match state.kind {
                FileKind::Directory => State::Directory,
                FileKind::Link => State::Link,
                FileKind::File
                | FileKind::Character
                | FileKind::Block
                | FileKind::Pipe
                | FileKind::Socket => State::File,
            },
            None if self.recurse => State::Directory,
            None => State::File,
        })
    }
}

fn time(arguments: &Arguments, name: &str) -> Result<Option<Time>, ModuleError> {
    let Some(text) = arguments.str(name) else {
        return Ok(None);
    };
    let format = arguments
        .str(&format!("{name}_format"))
        .unwrap_or("%Y%m%d%H%M.%S");
    Ok(Some(match text {
        "preserve" => Time::Preserve,
        "now" => Time::Now,
        other => {
            let parsed = jiff::civil::DateTime::strptime(format, other).map_err(|error| {
                ModuleError::failed(format!(
                    "{name} `{other}` is not written as {format}: {error}"
                ))
            })?;
            Time::At {
                touch: parsed.strftime("%Y%m%d%H%M.%S").to_string(),
                date: parsed.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            }
        }
    }))
}

impl Action for Wanted {
    fn describe(&self) -> String {
        let attributes = self.attributes.describe();
        let src = self.src.as_deref().unwrap_or("?");
        match self.state {
            Some(State::Absent) => format!("remove {}", self.path),
            Some(State::Directory) => format!("directory {}{attributes}", self.path),
            Some(State::Link) => format!("link {} -> {src}", self.path),
            Some(State::Hard) => format!("hard link {} = {src}", self.path),
            Some(State::Touch) => format!("touch {}{attributes}", self.path),
            Some(State::File) | None => format!("attributes of {}{attributes}", self.path),
        }
    }

    fn by_hand(&self) -> Option<String> {
        let path = shell_quote(&self.path);
        match self.state {
            Some(State::Absent) => Some(format!("rm -rf -- {path}")),
            Some(State::Directory) => Some(format!("mkdir -p -- {path}")),
            Some(State::Link) => Some(format!(
                "ln -sfn -- {} {path}",
                shell_quote(self.src.as_deref().unwrap_or_default())
            )),
            Some(State::Touch) => Some(format!("touch -- {path}")),
            Some(State::Hard | State::File) | None => None,
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let seen = self.look(cx)?;
        let differences = self.judge(&seen)?;
        let described = match self.state(&seen) {
            State::Link => seen.itself.as_ref(),
            State::Absent | State::Directory | State::File | State::Hard | State::Touch => {
                seen.standing()
            }
        };
        let result = self.result(&seen, described);
        if differences.is_empty() {
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        let summary = format!("{}: {}", self.path, differences.join(", "));
        let diff = cx.diff.then(|| self.shown(&seen, &differences));
        Ok(Observed::Differs(Change {
            summary,
            diff,
            data: json!(seen),
            result,
            ..Change::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let seen: Seen = serde_json::from_value(change.data.clone()).map_err(|error| {
            ModuleError::failed(format!("cannot read the change that was observed: {error}"))
        })?;
        let state = self.make(cx, &seen)?;
        Ok(Outcome {
            changed: true,
            result: self.result(&seen, state.as_ref()),
            diff: change.diff.clone(),
            ..Outcome::default()
        })
    }
}

impl Wanted {
    fn result(&self, seen: &Seen, state: Option<&PathState>) -> Map<String, Value> {
        let mut result = state.map(PathState::fields).unwrap_or_default();
        let wanted = self.state(seen);
        let name = match wanted {
            State::Link | State::Hard | State::Touch => "dest",
            State::Absent | State::Directory | State::File => "path",
        };
        result.insert(name.into(), json!(seen.path));
        if let (State::Link | State::Hard, Some(src)) = (wanted, &self.src) {
            result.insert("src".into(), json!(src));
        }
        if wanted == State::Absent {
            result.retain(|name, _| name == "path");
            result.insert("state".into(), json!("absent"));
        }
        result
    }

    fn shown(&self, seen: &Seen, differences: &[String]) -> Diff {
        let before = seen.itself.as_ref().map_or("absent", PathState::state);
        let after = match self.state(seen) {
            State::Absent => "absent",
            State::Directory => "directory",
            State::Link => "link",
            State::Hard => "hard",
            State::File | State::Touch => "file",
        };
        let part = |text: &String, index: usize| {
            let mut sides = text.splitn(2, " -> ");
            let first = sides.next().unwrap_or_default();
            let (name, old) = first.split_once(' ').unwrap_or((first, ""));
            match (index, sides.next()) {
                (0, Some(_)) => format!("{name}: {old}\n"),
                (_, Some(new)) => format!("{name}: {new}\n"),
                (_, None) => String::new(),
            }
        };
        let side = |state: &str, index: usize| {
            let parts: String = differences.iter().map(|text| part(text, index)).collect();
            format!("state: {state}\n{parts}")
        };
        Diff {
            title: self.path.clone(),
            before: side(before, 0),
            after: side(after, 1),
        }
    }
}
