//! One file that shall have a known content: what `copy`, `template`, `get_url` and `assemble` have in common.

use md5::Md5;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::attributes::Attributes;
use super::edit::{difference, wanted_for_difference};
use super::state::{FileKind, PathState};
use super::target::{Found, Target};
use super::write::{Write, hex, sha256};
use crate::modules::{Change, HostCx, ModuleError, Observed, Outcome};

/// Where and how a content is placed.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The path as it was written; with a slash at its end, or naming a directory, the file goes into it.
    pub dest: String,
    /// The file's name in a directory.
    pub name: Option<String>,
    /// Whether a link at the path is followed; else it is replaced.
    pub follow: bool,
    /// Whether a file that is there already is left alone.
    pub keep: bool,
    /// Whether the old file is kept under another name.
    pub backup: bool,
    /// A command that must accept the new file.
    pub validate: Option<String>,
    /// Owner, group and mode.
    pub attributes: Attributes,
}

/// What `apply` needs of what was observed.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    path: String,
    old: Option<PathState>,
    content: bool,
    parent: bool,
}

impl Place {
    /// Compares the host with the content.
    pub fn observe(&self, cx: &mut HostCx<'_>, content: &[u8]) -> Result<Observed, ModuleError> {
        let target = Target {
            path: &self.dest,
            follow: self.follow,
            into: self.name.as_deref(),
        };
        let digest = sha256(content);
        let wanted = wanted_for_difference(cx, &digest);
        let found = target.read(cx, wanted)?;
        let old = found.state.clone();
        if old.as_ref().is_some_and(PathState::is_directory) {
            return Err(ModuleError::failed(format!(
                "{} is a directory: end it with a slash and name the file, or give another path",
                found.path
            )));
        }
        if !found.parent && !cx.check && !self.dest.ends_with('/') {
            let directory = found
                .path
                .rsplit_once('/')
                .map_or(".", |(directory, _)| directory);
            return Err(ModuleError::failed(format!(
                "Destination directory {directory} does not exist"
            )));
        }
        if self.keep && old.is_some() {
            let mut result = result(&found.path, old.as_ref(), content);
            result.insert("msg".into(), json!("file already exists"));
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        Ok(self.judged(cx, &found, content, &digest))
    }

    fn judged(&self, cx: &HostCx<'_>, found: &Found, content: &[u8], digest: &str) -> Observed {
        let differs = found.sha256.as_deref() != Some(digest);
        let differences = found
            .state
            .as_ref()
            .filter(|old| old.kind != FileKind::Link)
            .map(|old| self.attributes.differences(old))
            .unwrap_or_default();
        let result = result(&found.path, found.state.as_ref(), content);
        if !differs && differences.is_empty() {
            return Observed::Same(Outcome {
                result,
                ..Outcome::default()
            });
        }
        let mut parts = differences;
        if differs {
            let what = if found.state.is_some() {
                "content"
            } else {
                "a new file"
            };
            parts.insert(0, format!("{what}, {} bytes", content.len()));
        }
        let plan = Plan {
            path: found.path.clone(),
            old: found.state.clone(),
            content: differs,
            parent: found.parent,
        };
        Observed::Differs(Change {
            summary: format!("{}: {}", found.path, parts.join(", ")),
            diff: (cx.diff && differs).then(|| difference(found, content)),
            data: json!(plan),
            result,
            ..Change::default()
        })
    }

    /// Writes the content, or only sets owner and mode, as was observed.
    pub fn apply(
        &self,
        cx: &mut HostCx<'_>,
        content: &[u8],
        change: &Change,
    ) -> Result<Outcome, ModuleError> {
        let plan: Plan = serde_json::from_value(change.data.clone()).map_err(|error| {
            ModuleError::failed(format!("cannot read the change that was observed: {error}"))
        })?;
        let mut outcome = Outcome {
            changed: true,
            diff: change.diff.clone(),
            ..Outcome::default()
        };
        if !plan.content {
            let state = self.attributes.set(cx, &plan.path)?;
            outcome.result = result(&plan.path, Some(&state), content);
            return Ok(outcome);
        }
        let write = Write {
            path: &plan.path,
            content,
            attributes: &self.attributes,
            old: plan.old.as_ref().filter(|old| old.kind != FileKind::Link),
            unchanged: None,
            backup: self.backup && plan.old.is_some(),
            validate: self.validate.as_deref(),
            parents: !plan.parent,
        };
        let written = write.run(cx)?;
        outcome.result = result(&plan.path, Some(&written.state), content);
        outcome
            .result
            .insert("md5sum".into(), json!(hex(&Md5::digest(content))));
        if let Some(file) = written.backup_file {
            outcome.result.insert("backup_file".into(), json!(file));
        }
        Ok(outcome)
    }
}

fn result(path: &str, state: Option<&PathState>, content: &[u8]) -> Map<String, Value> {
    let mut result = state.map(PathState::fields).unwrap_or_default();
    result.insert("dest".into(), json!(path));
    result.insert("checksum".into(), json!(hex(&Sha1::digest(content))));
    result
}
