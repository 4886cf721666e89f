//! Editing a file's text: read, changed on this side, written back only if the file is still what was read.

use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::attributes::Attributes;
use super::target::{Found, Target, Wanted};
use super::write::Write;
use crate::modules::spec::{Argument, Arguments, Kind};
use crate::modules::{Change, Diff, HostCx, ModuleError, Observed, Outcome};

/// The argument `path`.
pub const PATH: Argument =
    Argument::new("path", Kind::Path, "The file to edit; links are followed.")
        .required()
        .aliases(&["dest", "destfile", "name"]);

/// The argument `backup`.
pub const BACKUP: Argument = Argument::new(
    "backup",
    Kind::Flag,
    "Keep the old file under another name, with the time in it.",
)
.default("false");

/// The argument `validate`.
pub const VALIDATE: Argument = Argument::new(
    "validate",
    Kind::Str,
    "A command that must accept the new file before it replaces the old one; `%s` is the new file's path. No shell runs it.",
);

/// The most that is shown of a file as a difference.
const MOST_SHOWN: usize = 104_448;

/// What editing made of a content.
#[derive(Debug, Clone, Default)]
pub struct Edited {
    /// The new content.
    pub content: Vec<u8>,
    /// What was done, in Ansible's words; empty if nothing.
    pub message: String,
    /// Further fields of the result.
    pub result: Map<String, Value>,
    /// Whether the file stays missing.
    pub absent: bool,
}

/// A file that is edited.
#[derive(Debug)]
pub struct Edit {
    path: String,
    backup: bool,
    validate: Option<String>,
    attributes: Attributes,
    read: Mutex<Option<(Found, Edited)>>,
}

/// How a content is edited; it gets `None` if the file does not exist.
pub type Editor<'a> = &'a dyn Fn(Option<&[u8]>) -> Result<Edited, ModuleError>;

impl Edit {
    /// Reads the arguments that all editing modules share.
    pub fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        Ok(Self {
            path: arguments.str("path").unwrap_or_default().to_owned(),
            backup: arguments.flag("backup"),
            validate: arguments.str("validate").map(str::to_owned),
            attributes: Attributes::of(arguments)?,
            read: Mutex::new(None),
        })
    }

    /// Returns the path as it was written.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reads the file and edits it, changing nothing.
    pub fn observe(
        &self,
        cx: &mut HostCx<'_>,
        editor: Editor<'_>,
    ) -> Result<Observed, ModuleError> {
        let (found, edited) = self.edited(cx, editor)?;
        let differences = found
            .state
            .as_ref()
            .map(|state| self.attributes.differences(state))
            .unwrap_or_default();
        let content = Self::content_differs(&found, &edited);
        let mut result = edited.result.clone();
        let mut message = edited.message.clone();
        if !differences.is_empty() {
            if content {
                message.push_str(" and ");
            }
            message.push_str("ownership, perms or SE linux context changed");
        }
        result.insert("msg".into(), json!(message));
        if !content && differences.is_empty() {
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        let mut parts = differences;
        if content {
            parts.insert(0, edited.message.clone());
        }
        let diff = (cx.diff && content).then(|| difference(&found, &edited.content));
        let change = Change {
            summary: format!("{}: {}", self.path, parts.join(", ")),
            diff,
            result,
            ..Change::default()
        };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((found, edited));
        Ok(Observed::Differs(change))
    }

    /// Writes what `observe` worked out, or works it out again if another action did.
    pub fn apply(
        &self,
        cx: &mut HostCx<'_>,
        change: &Change,
        editor: Editor<'_>,
    ) -> Result<Outcome, ModuleError> {
        let read = self
            .read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (found, edited) = match read {
            Some(read) => read,
            None => self.edited(cx, editor)?,
        };
        let mut outcome = Outcome {
            changed: true,
            result: change.result.clone(),
            diff: change.diff.clone(),
            ..Outcome::default()
        };
        if Self::content_differs(&found, &edited) {
            let write = Write {
                path: &found.path,
                content: &edited.content,
                attributes: &self.attributes,
                old: found.state.as_ref(),
                unchanged: Some(found.sha256.as_deref()),
                backup: self.backup && found.state.is_some(),
                validate: self.validate.as_deref(),
                parents: !found.parent,
            };
            if let Some(file) = write.run(cx)?.backup_file {
                // `lineinfile` names it otherwise than its brothers.
                let name = if edited.result.contains_key("backup") {
                    "backup"
                } else {
                    "backup_file"
                };
                outcome.result.insert(name.into(), json!(file));
            }
        } else {
            self.attributes.set(cx, &found.path)?;
        }
        Ok(outcome)
    }

    fn edited(
        &self,
        cx: &mut HostCx<'_>,
        editor: Editor<'_>,
    ) -> Result<(Found, Edited), ModuleError> {
        let target = Target {
            path: &self.path,
            follow: true,
            into: None,
        };
        let found = target.read(cx, Wanted::Content)?;
        if found
            .state
            .as_ref()
            .is_some_and(super::PathState::is_directory)
        {
            return Err(missing(256, format!("Path {} is a directory !", self.path)));
        }
        if found.state.is_some() && found.content.is_none() {
            return Err(ModuleError::failed(format!(
                "{} is no regular file",
                self.path
            )));
        }
        let edited = editor(found.content.as_deref())?;
        Ok((found, edited))
    }

    fn content_differs(found: &Found, edited: &Edited) -> bool {
        match &found.content {
            Some(content) => *content != edited.content,
            None => !edited.message.is_empty() && !edited.absent,
        }
    }
}

/// Makes the failure of a path that cannot be edited, with Ansible's code in `rc`.
pub fn missing(code: i32, message: String) -> ModuleError {
    let mut result = Map::new();
    result.insert("rc".into(), json!(code));
    ModuleError::Failed { message, result }
}

/// Makes the difference between what was found and what shall be there.
pub fn difference(found: &Found, after: &[u8]) -> Diff {
    let text = |bytes: &[u8]| {
        if bytes.len() > MOST_SHOWN {
            return format!("({} bytes, too large to be shown)\n", bytes.len());
        }
        if bytes.contains(&0) {
            return format!("({} bytes, not text)\n", bytes.len());
        }
        String::from_utf8_lossy(bytes).into_owned()
    };
    Diff {
        title: found.path.clone(),
        before: found.content.as_deref().map(text).unwrap_or_default(),
        after: text(after),
    }
}

/// How much of a file is fetched to show a difference, if one is wanted.
pub fn wanted_for_difference<'a>(cx: &HostCx<'_>, digest: &'a str) -> Wanted<'a> {
    if cx.diff {
        Wanted::Unless(digest, MOST_SHOWN)
    } else {
        Wanted::Digest
    }
}
