//! Many files that shall have known contents below one directory: copying a directory of the controller.

use std::collections::BTreeSet;

use serde_json::json;

use super::attributes::Attributes;
use super::mode::Mode;
use super::state::{FileKind, PathState, STATE, read_state};
use super::word::{Append as _, PRELUDE, Reply, path_word};
use super::write::{IN_SCRIPT, NO, Write, sha256};
use crate::modules::{Change, HostCx, ModuleError, Observed, Outcome};
use crate::template::shell_quote;

/// One file of a tree.
#[derive(Debug, Clone)]
pub struct TreeFile {
    /// Its path below the tree's directory.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Its own permissions, instead of the tree's.
    pub mode: Option<u32>,
}

/// A directory's files, and how they shall be on the host.
#[derive(Debug)]
pub struct Tree {
    /// The directory on the host.
    pub dest: String,
    /// The files.
    pub files: Vec<TreeFile>,
    /// Owner, group and mode of the files.
    pub attributes: Attributes,
    /// The mode of directories that are made.
    pub directory_mode: Option<Mode>,
    /// Whether files that are there already are left alone.
    pub keep: bool,
    /// Whether old files are kept under other names.
    pub backup: bool,
    /// A command that must accept each file.
    pub validate: Option<String>,
}

/// What was found of one file.
#[derive(Debug)]
struct Standing {
    state: Option<PathState>,
    content: bool,
    attributes: bool,
}

impl Tree {
    /// Compares the host with the files, in one round trip.
    pub fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let (root, standing) = self.read(cx)?;
        let differing: Vec<&str> = self
            .files
            .iter()
            .zip(&standing)
            .filter(|(_, standing)| standing.content || standing.attributes)
            .map(|(file, _)| file.path.as_str())
            .collect();
        let result = super::super::fields([("dest", json!(root))]);
        if differing.is_empty() {
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        let shown = differing
            .iter()
            .take(3)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match differing.len() {
            0..=3 => String::new(),
            count => format!(" and {} more", count - 3),
        };
        let mut change = Change::new(format!(
            "{root}: {} of {} files: {shown}{more}",
            differing.len(),
            self.files.len()
        ));
        change.result = result;
        Ok(Observed::Differs(change))
    }

    /// Writes what differs; several small files in one round trip.
    pub fn apply(&self, cx: &mut HostCx<'_>) -> Result<Outcome, ModuleError> {
        let (root, standing) = self.read(cx)?;
        self.make_directories(cx, &root)?;
        let mut batch = String::new();
        let mut waiting = 0;
        for (file, standing) in self.files.iter().zip(&standing) {
            let path = format!("{root}/{}", file.path);
            let attributes = self.attributes_of(file);
            if standing.content {
                let write = Write {
                    path: &path,
                    content: &file.content,
                    attributes: &attributes,
                    old: standing
                        .state
                        .as_ref()
                        .filter(|old| old.kind != FileKind::Link),
                    unchanged: None,
                    backup: self.backup && standing.state.is_some(),
                    validate: self.validate.as_deref(),
                    parents: false,
                };
                if file.content.len() > IN_SCRIPT {
                    write.run(cx)?;
                    continue;
                }
                waiting += file.content.len();
                batch.append(format!("(\n{}) || exit 1\n", write.script_in_one()?));
            } else if standing.attributes {
                let lines = attributes.lines("\"$p\"", "", "");
                batch.append(format!(
                    "(\n{NO}p={}\n{lines}) || exit 1\n",
                    shell_quote(&path)
                ));
            }
            if waiting > IN_SCRIPT {
                Reply::of(
                    &cx.script(std::mem::take(&mut batch))?,
                    "cannot write the files",
                )?;
                waiting = 0;
            }
        }
        if !batch.is_empty() {
            Reply::of(&cx.script(batch)?, "cannot write the files")?;
        }
        Ok(Outcome {
            changed: true,
            result: super::super::fields([("dest", json!(root))]),
            ..Outcome::default()
        })
    }

    fn attributes_of(&self, file: &TreeFile) -> Attributes {
        let mut attributes = self.attributes.clone();
        if let Some(bits) = file.mode {
            attributes.mode = Some(Mode::Bits(bits));
        }
        attributes
    }

    /// Returns the directory as the host names it, and what is known of each file.
    fn read(&self, cx: &mut HostCx<'_>) -> Result<(String, Vec<Standing>), ModuleError> {
        let mut text = format!(
            "{PRELUDE}{STATE}r={}\nr=${{r%/}}\nprintf 'root=%s\\0' \"$r\"\n\
             f() {{ st \"s$1\" \"$2\"; if [ -f \"$2\" ] && [ ! -L \"$2\" ]; then h=$(sha256sum <\"$2\") || exit 1; printf 'h%s=%s\\0' \"$1\" \"${{h%% *}}\"; fi; }}\n",
            path_word(&self.dest)
        );
        for (index, file) in self.files.iter().enumerate() {
            text.append(format!("f {index} \"$r\"/{}\n", shell_quote(&file.path)));
        }
        let reply = Reply::of(&cx.script(text)?, &format!("cannot read {}", self.dest))?;
        let root = reply.get("root").unwrap_or(&self.dest).to_owned();
        let mut standing = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            let state = read_state(&reply, &format!("s{index}"))?;
            let same = reply.line(&format!("h{index}")) == Some(&sha256(&file.content));
            let attributes = state
                .as_ref()
                .filter(|state| state.kind == FileKind::File)
                .is_some_and(|state| !self.attributes_of(file).differences(state).is_empty());
            let kept = self.keep && state.is_some();
            standing.push(Standing {
                content: !same && !kept,
                attributes: attributes && !kept,
                state,
            });
        }
        Ok((root, standing))
    }

    fn make_directories(&self, cx: &mut HostCx<'_>, root: &str) -> Result<(), ModuleError> {
        let mut directories = BTreeSet::from([root.to_owned()]);
        for file in &self.files {
            let mut inner = file.path.as_str();
            while let Some((above, _)) = inner.rsplit_once('/') {
                directories.insert(format!("{root}/{above}"));
                inner = above;
            }
        }
        let attributes = Attributes {
            mode: self.directory_mode.clone(),
            ..self.attributes.clone()
        };
        let lines = attributes.lines("\"$1\"", "", "");
        let mut text = format!(
            "{PRELUDE}{NO}d() {{ [ -d \"$1\" ] || {{ mkdir -p -- \"$1\" || no 'cannot make the directory'\n{lines}}}; }}\n"
        );
        for directory in directories {
            text.append(format!("d {}\n", shell_quote(&directory)));
        }
        Reply::of(&cx.script(text)?, "cannot make the directories")?;
        Ok(())
    }
}
