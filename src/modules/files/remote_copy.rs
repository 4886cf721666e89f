//! Copying on the host itself, a file or a directory: `copy` with `remote_src`.

use std::collections::HashSet;

use serde_json::json;

use super::attributes::Attributes;
use super::mode::Mode;
use super::place::Place;
use super::state::{FileKind, PathState, STATE, read_state};
use super::word::{Append as _, PRELUDE, Reply, path_word};
use super::write::{BACKUP, NO, validate_lines};
use crate::modules::{Action, Change, HostCx, ModuleError, Observed, Outcome, fields};
use crate::template::shell_quote;

/// A path of the host to be copied on it.
#[derive(Debug)]
pub struct RemoteCopy {
    /// The source.
    pub src: String,
    /// Where it goes, and how.
    pub place: Place,
    /// The SHA-1 that the source must have.
    pub checksum: Option<String>,
    /// Whether the source's permissions are kept even where others could be.
    pub preserve: bool,
    /// Whether links inside a directory are followed.
    pub follow_inside: bool,
}

/// Prints all below a directory, one line each, with the digests of contents.
const LIST: &str = "ls_tree() { ( cd -- \"$1\" && { find . -type d; find . -type f -exec sha256sum {} +; \
    find . -type l -exec sh -c 'for l; do printf \"%s -> %s\\n\" \"$l\" \"$(readlink \"$l\")\"; done' x {} +; } ); }\n";

/// What was found on the host.
#[derive(Debug)]
struct Found {
    path: String,
    directory: bool,
    source: PathState,
    state: Option<PathState>,
    same: bool,
    checksum: Option<String>,
    md5sum: Option<String>,
}

impl RemoteCopy {
    fn read(&self, cx: &mut HostCx<'_>) -> Result<Found, ModuleError> {
        let what = format!("cannot copy {}", self.src);
        let reply = Reply::of(&cx.script(self.question())?, &what)?;
        let source = read_state(&reply, "source")?
            .ok_or_else(|| ModuleError::failed(format!("Source {} not found", self.src)))?;
        let state = read_state(&reply, "state")?;
        let directory = reply.yes("tree");
        let same = if directory {
            let there: HashSet<&str> = reply.get("to").unwrap_or_default().lines().collect();
            let mut wanted = reply.get("from").unwrap_or_default().lines();
            state.is_some() && wanted.all(|line| there.contains(line))
        } else {
            reply.line("to").is_some() && reply.line("to") == reply.line("from")
        };
        let checksum = reply.line("checksum").map(str::to_owned);
        if let (Some(wanted), Some(found)) = (&self.checksum, &checksum)
            && wanted != found
        {
            return Err(ModuleError::failed(format!(
                "{} has the checksum {found}, not {wanted}",
                self.src
            )));
        }
        if !directory && !reply.yes("parent") && !self.place.dest.ends_with('/') && !cx.check {
            return Err(ModuleError::failed(format!(
                "the directory of {} does not exist",
                self.place.dest
            )));
        }
        Ok(Found {
            path: reply.get("path").unwrap_or(&self.place.dest).to_owned(),
            directory,
            source,
            state,
            same,
            checksum,
            md5sum: reply.line("md5sum").map(str::to_owned),
        })
    }

    fn question(&self) -> String {
        let mut text = format!(
            "{PRELUDE}{STATE}{NO}{LIST}s={}\np={}\n[ -e \"$s\" ] || no 'the source does not exist'\n\
             [ -r \"$s\" ] || no 'the source is not readable'\nb=${{s%/}}; b=${{b##*/}}\n",
            path_word(&self.src),
            path_word(&self.place.dest)
        );
        text.push_str(
            "if [ -d \"$s\" ]; then\n\
             case $s in */) p=${p%/} ;; *) p=${p%/}/$b ;; esac\n\
             printf 'path=%s\\0tree=yes\\0' \"$p\"\nst source \"$s\" -L\nst state \"$p\" -L\n\
             printf 'from='; ls_tree \"$s\" || no 'cannot read the source'\nprintf '\\0'\n\
             printf 'to='; [ ! -d \"$p\" ] || ls_tree \"$p\"\nprintf '\\0'\nexit 0\nfi\n\
             case $p in */) p=$p$b ;; *) [ ! -d \"$p\" ] || p=$p/$b ;; esac\n",
        );
        if self.place.follow {
            text.push_str("if [ -L \"$p\" ]; then q=$(readlink -f -- \"$p\") && p=$q; fi\n");
        }
        text.push_str(
            "printf 'path=%s\\0' \"$p\"\nst source \"$s\" -L\nst state \"$p\"\n\
             h=$(sha256sum <\"$s\") || exit 1; printf 'from=%s\\0' \"${h%% *}\"\n\
             h=$(sha1sum <\"$s\") && printf 'checksum=%s\\0' \"${h%% *}\"\n\
             h=$(md5sum <\"$s\") && printf 'md5sum=%s\\0' \"${h%% *}\"\n\
             if [ -f \"$p\" ] && [ ! -L \"$p\" ]; then h=$(sha256sum <\"$p\") || exit 1; printf 'to=%s\\0' \"${h%% *}\"; fi\n\
             case $p in */*) d=${p%/*} ;; *) d=. ;; esac\n[ ! -d \"${d:-/}\" ] || printf 'parent=yes\\0'\n:\n",
        );
        text
    }

    fn attributes(&self, found: &Found) -> Attributes {
        let mut attributes = self.place.attributes.clone();
        // As Ansible: an existing file gets the source's permissions, a new one those of any new file.
        let replaces = attributes.mode.is_none() && found.state.is_some();
        if self.preserve || (replaces && !found.directory && !found.same) {
            attributes.mode = Some(Mode::Bits(found.source.bits));
        }
        attributes
    }

    fn result(&self, found: &Found, state: Option<&PathState>) -> Outcome {
        let mut result = state.map(PathState::fields).unwrap_or_default();
        result.extend(fields([
            (
                "dest",
                json!(if found.directory && self.src.ends_with('/') {
                    format!("{}/", found.path)
                } else {
                    found.path.clone()
                }),
            ),
            ("md5sum", json!(found.md5sum)),
            ("src", json!(self.src)),
            ("checksum", json!(found.checksum)),
        ]));
        Outcome {
            result,
            ..Outcome::default()
        }
    }

    fn work(&self, found: &Found) -> Result<String, ModuleError> {
        let mut text = format!(
            "{PRELUDE}{STATE}{NO}s={}\np={}\n",
            path_word(&self.src),
            shell_quote(&found.path)
        );
        let attributes = self.attributes(found);
        if found.directory {
            let links = if self.follow_inside { "-L" } else { "-P" };
            text.append(format!(
                "mkdir -p -- \"$p\" || no 'cannot make the directory'\n\
                 cp -R {links} -f -- \"${{s%/}}\"/. \"$p\"/ || no 'cannot copy'\n{}st state \"$p\"\n",
                attributes.lines("\"$p\"", "-R", "")
            ));
            return Ok(text);
        }
        text.push_str("case $p in */*) d=${p%/*} ;; *) d=. ;; esac\nd=${d:-/}\nmkdir -p -- \"$d\" || no 'cannot make the directory'\n");
        if found.same {
            text.push_str(&attributes.lines("\"$p\"", "", ""));
        } else {
            text.push_str(
                "t=$(mktemp \"$d/.stagger.XXXXXX\") || no 'cannot make a file beside it'\ntrap 'rm -f -- \"$t\"' 0\n\
                 cat <\"$s\" >\"$t\" || no 'cannot write the content'\n\
                 dd if=/dev/null of=\"$t\" conv=notrunc,fsync 2>/dev/null || no 'cannot sync the content'\n",
            );
            if self.place.backup {
                text.push_str(BACKUP);
            }
            if let Some(command) = &self.place.validate {
                text.push_str(&validate_lines(command)?);
            }
            let old = found
                .state
                .as_ref()
                .filter(|old| old.kind != FileKind::Link);
            text.push_str(&attributes.lines_for_new("\"$t\"", old));
            text.push_str(
                "mv -f -- \"$t\" \"$p\" || no 'cannot rename it to its place'\ntrap - 0\n",
            );
        }
        text.push_str("st state \"$p\"\n");
        Ok(text)
    }
}

impl Action for RemoteCopy {
    fn describe(&self) -> String {
        let attributes = self.place.attributes.describe();
        format!(
            "copy {} to {} on the host{attributes}",
            self.src, self.place.dest
        )
    }

    fn by_hand(&self) -> Option<String> {
        Some(format!(
            "cp -R {} {}",
            shell_quote(&self.src),
            shell_quote(&self.place.dest)
        ))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let found = self.read(cx)?;
        let kept = self.place.keep && found.state.is_some() && !found.directory;
        let differences = found
            .state
            .as_ref()
            .map(|state| self.attributes(&found).differences(state))
            .unwrap_or_default();
        if kept || (found.same && differences.is_empty()) {
            return Ok(Observed::Same(self.result(&found, found.state.as_ref())));
        }
        let mut parts = differences;
        if !found.same {
            parts.insert(0, "content".to_owned());
        }
        let mut change = Change::new(format!("{}: {}", found.path, parts.join(", ")));
        change.result = self.result(&found, found.state.as_ref()).result;
        Ok(Observed::Differs(change))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        let found = self.read(cx)?;
        let what = format!("cannot copy {}", self.src);
        let reply = Reply::of(&cx.script(self.work(&found)?)?, &what)?;
        let state = read_state(&reply, "state")?;
        let mut outcome = self.result(&found, state.as_ref());
        outcome.changed = true;
        if let Some(file) = reply.get("backup_file") {
            outcome.result.insert("backup_file".into(), json!(file));
        }
        Ok(outcome)
    }
}
