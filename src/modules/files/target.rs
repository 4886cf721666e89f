//! Reading a file that may be replaced: where it really lies, what it is, its digest, and its content if wanted.

use super::state::{PathState, STATE, read_state};
use super::word::{Append as _, PRELUDE, Reply, path_word};
use super::write::sha256;
use crate::modules::{HostCx, ModuleError};
use crate::template::shell_quote;

/// The largest file that is edited on this side of the session.
const MOST: usize = 32 * 1024 * 1024;

/// What of a file's content is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Only its digest.
    Digest,
    /// All of it.
    Content,
    /// All of it up to so many bytes, unless it has this SHA-256: for showing a difference.
    Unless(&'a str, usize),
}

/// A path on the host that is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The path as it was written.
    pub path: &'a str,
    /// Whether a symbolic link stands for what it leads to.
    pub follow: bool,
    /// The name that a file gets if the path is a directory, or ends with a slash.
    pub into: Option<&'a str>,
}

/// What was found at a path.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The path, absolute if it was, with links followed if asked for.
    pub path: String,
    /// What is there; `None` if nothing.
    pub state: Option<PathState>,
    /// Whether the directory that it lies in exists.
    pub parent: bool,
    /// Its SHA-256, if it is a regular file.
    pub sha256: Option<String>,
    /// Its content, if it was wanted; cut at the limit that was given.
    pub content: Option<Vec<u8>>,
}

impl Target<'_> {
    /// Reads the path in one round trip.
    pub fn read(&self, cx: &mut HostCx<'_>, wanted: Wanted<'_>) -> Result<Found, ModuleError> {
        let reply = cx.script(self.script(wanted))?;
        let reply = Reply::of(&reply, &format!("cannot read {}", self.path))?;
        let state = read_state(&reply, "state")?;
        let content = match wanted {
            Wanted::Digest => None,
            Wanted::Content | Wanted::Unless(..) => reply.yes("content").then(|| reply.raw.clone()),
        };
        if wanted == Wanted::Content && content.as_ref().is_some_and(|raw| raw.len() > MOST) {
            return Err(ModuleError::failed(format!(
                "{} is larger than 32 MiB: too large to be edited",
                self.path
            )));
        }
        let digest = match wanted {
            Wanted::Content => content.as_deref().map(sha256),
            Wanted::Digest | Wanted::Unless(..) => reply.line("sha256").map(str::to_owned),
        };
        Ok(Found {
            path: reply.get("path").unwrap_or(self.path).to_owned(),
            state,
            parent: reply.yes("parent"),
            sha256: digest,
            content,
        })
    }

    fn script(&self, wanted: Wanted<'_>) -> String {
        let mut text = format!("{PRELUDE}{STATE}p={}\n", path_word(self.path));
        if let Some(name) = self.into {
            let name = shell_quote(name);
            text.append(format!(
                "case $p in */) p=${{p}}{name} ;; *) [ ! -d \"$p\" ] || p=$p/{name} ;; esac\n"
            ));
        }
        if self.follow {
            text.push_str("if [ -L \"$p\" ]; then q=$(readlink -f -- \"$p\") && p=$q; fi\n");
        }
        text.push_str(
            "printf 'path=%s\\0' \"$p\"\nst state \"$p\"\n\
             case $p in */*) d=${p%/*} ;; *) d=. ;; esac\n\
             [ ! -d \"${d:-/}\" ] || printf 'parent=yes\\0'\n",
        );
        let content = |most: usize| {
            format!("printf 'content=yes\\0raw\\0'; head -c {most} <\"$p\" || exit 1\n")
        };
        let digest =
            "h=$(sha256sum <\"$p\") || exit 1\nprintf 'sha256=%s\\0' \"${h%% *}\"\n".to_owned();
        let lines = match wanted {
            Wanted::Digest => digest,
            // Its digest is worked out here.
            Wanted::Content => content(MOST + 1),
            Wanted::Unless(known, most) => format!(
                "{digest}if [ \"${{h%% *}}\" != {} ]; then {}fi\n",
                shell_quote(known),
                content(most + 1)
            ),
        };
        text.append(format!(
            "if [ -f \"$p\" ] && [ ! -L \"$p\" ]; then\n{lines}fi\n:\n"
        ));
        text
    }
}
