//! Replacing a file as a whole: temporary name beside it, checked, synced, owner and mode set, renamed.

use sha2::{Digest as _, Sha256};

use super::attributes::Attributes;
use super::state::{FORMAT, PathState, STATE, read_state};
use super::word::{Append as _, PRELUDE, Reply, argument_words};
use crate::connection::{Upload, printf_word, random_hex};
use crate::modules::{HostCx, ModuleError};
use crate::template::shell_quote;

/// What fits into the script itself; more goes over a channel of its own.
pub(super) const IN_SCRIPT: usize = 64 * 1024;

/// A file to be written.
#[derive(Debug)]
pub struct Write<'a> {
    /// Its path, links followed already.
    pub path: &'a str,
    /// What shall be in it.
    pub content: &'a [u8],
    /// Owner, group and mode that were asked for.
    pub attributes: &'a Attributes,
    /// What is there now.
    pub old: Option<&'a PathState>,
    /// The SHA-256 that the file must still have, or, with `Some(None)`, that it must still not be there.
    pub unchanged: Option<Option<&'a str>>,
    /// Whether the old file is kept under another name.
    pub backup: bool,
    /// A command that must accept the new file before it gets its place; `%s` is its path.
    pub validate: Option<&'a str>,
    /// Whether the directories above it are made if they are missing.
    pub parents: bool,
}

/// What writing left.
#[derive(Debug)]
pub struct Written {
    /// The file as it is now.
    pub state: PathState,
    /// Where the old one is kept.
    pub backup_file: Option<String>,
}

/// The shell function that fails with a word; what the program said is on the error output.
pub const NO: &str = "no() { printf 'error=%s\\0' \"$1\"; exit 9; }\n";

/// Shell lines that keep the file `$p` under another name, if it is there.
pub const BACKUP: &str = "if [ -e \"$p\" ]; then\n\
    b=$p.$$.$(date +%Y-%m-%d@%H:%M:%S)~\n\
    cp -p -- \"$p\" \"$b\" || no 'cannot keep a backup'\n\
    printf 'backup_file=%s\\0' \"$b\"\nfi\n";

impl Write<'_> {
    /// Writes the file: one round trip, or two if it is large.
    pub fn run(&self, cx: &mut HostCx<'_>) -> Result<Written, ModuleError> {
        let sent_before = if self.content.len() > IN_SCRIPT {
            Some(self.send(cx)?)
        } else {
            None
        };
        let script = self.script(sent_before.as_deref())?;
        let reply = Reply::of(&cx.script(script)?, &format!("cannot write {}", self.path))?;
        let state = read_state(&reply, "state")?.ok_or_else(|| {
            ModuleError::failed(format!("{} is gone after writing it", self.path))
        })?;
        Ok(Written {
            state,
            backup_file: reply.get("backup_file").map(str::to_owned),
        })
    }

    /// Returns the whole work as one shell text that ends its shell; for several files in one round trip.
    pub fn script_in_one(&self) -> Result<String, ModuleError> {
        self.script(None)
    }

    /// Puts the content beside the file's place and returns that path.
    fn send(&self, cx: &mut HostCx<'_>) -> Result<String, ModuleError> {
        let directory = self.path.rfind('/').and_then(|at| self.path.get(..=at));
        let path = format!("{}.stagger.{}", directory.unwrap_or(""), cx.job);
        let upload = Upload {
            path: &path,
            content: self.content,
            mode: Some(0o600),
            owner: None,
            group: None,
        };
        cx.put(&upload)?;
        Ok(path)
    }

    fn script(&self, sent: Option<&str>) -> Result<String, ModuleError> {
        let mut text = format!("{PRELUDE}{STATE}{NO}p={}\n", shell_quote(self.path));
        text.push_str("[ ! -d \"$p\" ] || no 'it is a directory'\n");
        if self.parents {
            text.push_str("mkdir -p -- \"${p%/*}\" || no 'cannot make the directory'\n");
        }
        match sent {
            Some(path) => text.append(format!(
                "t={}\nw=\ntrap 'rm -f -- \"$t\"' 0\n",
                shell_quote(path)
            )),
            None => text.push_str(&self.content_lines()?),
        }
        text.push_str(&self.check_lines());
        if self.backup {
            text.push_str(BACKUP);
        }
        if let Some(command) = self.validate {
            text.push_str(&validate_lines(command)?);
        }
        text.push_str(&self.attribute_lines());
        text.push_str(
            "e=; [ ! -e \"$p\" ] || e=1\n\
             if [ -e /sys/fs/selinux/enforce ] && [ -n \"$e\" ]; then chcon --reference=\"$p\" -- \"$t\" 2>/dev/null; fi\n\
             mv -f -- \"$t\" \"$p\" || no 'cannot rename it to its place'\n\
             trap - 0\n\
             if [ -e /sys/fs/selinux/enforce ] && [ -z \"$e\" ]; then restorecon -- \"$p\" 2>/dev/null; fi\n\
             printf 'state=%s\\0' \"$s\"\n",
        );
        Ok(text)
    }

    /// Returns the bits that the file gets.
    fn bits(&self) -> u32 {
        self.attributes.bits(self.old.map(|old| old.bits), false)
    }

    /// Returns the lines that make the temporary file with its content, synced. It sets `w` if the file was made with
    /// the owner and the bits that it gets; else nobody but its owner can read it yet.
    ///
    /// Each program that a script starts takes longer than all else in it, so that the shell does what it can by itself.
    fn content_lines(&self) -> Result<String, ModuleError> {
        let token = random_hex::<8>().map_err(|error| {
            ModuleError::failed(format!("no random numbers for a file's name: {error}"))
        })?;
        let mut text =
            format!("case $p in */*) d=${{p%/*}}/ ;; *) d= ;; esac\nt=$d.stagger.{token}\nw=\n");
        let bits = self.bits();
        let plain = bits & !0o666 == 0;
        if plain && self.attributes.owner.is_none() && self.attributes.group.is_none() {
            text.push_str(
                "if [ ! -e \"$p\" ] || { [ -O \"$p\" ] && [ -G \"$p\" ]; }; then w=1; fi\n",
            );
        }
        text.append(format!(
            "(if [ -n \"$w\" ]; then umask {:03o}; else umask 077; fi; set -C; : >\"$t\") || no 'cannot make a file beside it'\n\
             trap 'rm -f -- \"$t\"' 0\n",
            0o666 & !bits
        ));
        // In a directory that gives its group to its files, it may be another one.
        text.push_str("[ -G \"$t\" ] || w=\n");
        if !self.content.is_empty() {
            text.append(format!(
                "printf {} >>\"$t\" || no 'cannot write the content'\n\
                 dd if=/dev/null of=\"$t\" conv=notrunc,fsync 2>/dev/null || no 'cannot sync the content'\n",
                printf_word(self.content)
            ));
        }
        Ok(text)
    }

    /// Returns the lines that give the temporary file its owner and bits, and look whether all of it has arrived.
    fn attribute_lines(&self) -> String {
        let look = format!("s=$(stat -c {FORMAT} -- \"$t\") || no 'cannot look at the new file'\n");
        let bits = self.bits();
        format!(
            "if [ -z \"$w\" ]; then\n{}fi\n{look}\
             if [ \"${{s%% *}}\" != {:x} ]; then\nchmod -- {bits:04o} \"$t\" || no 'cannot set the mode'\n{look}fi\n\
             n=${{s#* }}; [ \"${{n%% *}}\" -eq {} ] || no 'the content did not arrive whole: is the disk full?'\n",
            self.attributes.lines_for_new("\"$t\"", self.old),
            0o100_000 | bits,
            self.content.len(),
        )
    }

    fn check_lines(&self) -> String {
        match self.unchanged {
            None => String::new(),
            Some(None) => {
                "[ ! -e \"$p\" ] || no 'changed by someone else: it was not there, now it is'\n"
                    .to_owned()
            }
            Some(Some(digest)) => format!(
                "h=$(sha256sum <\"$p\"); [ \"${{h%% *}}\" = {} ] || no 'changed by someone else while it was being edited'\n",
                shell_quote(digest)
            ),
        }
    }
}

/// Returns the lines that ask a command to accept the file `$t`; the command is split into words, never evaluated.
pub fn validate_lines(command: &str) -> Result<String, ModuleError> {
    if !command.contains("%s") {
        return Err(ModuleError::failed(
            "validate must contain %s, where the new file's path goes",
        ));
    }
    let words: Vec<String> = argument_words(command)?
        .iter()
        .map(|word| {
            if word.is_empty() {
                return shell_quote(word);
            }
            let parts: Vec<String> = word.split("%s").map(shell_quote_part).collect();
            parts.join("\"$t\"")
        })
        .collect();
    Ok(format!(
        "{} >&2 || no 'failed to validate'\n",
        words.join(" ")
    ))
}

fn shell_quote_part(part: &str) -> String {
    if part.is_empty() {
        String::new()
    } else {
        shell_quote(part)
    }
}

/// Returns the SHA-256 of bytes in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_gets_words_and_the_path() {
        assert_eq!(
            validate_lines("/usr/sbin/visudo -cf %s").unwrap(),
            "/usr/sbin/visudo -cf \"$t\" >&2 || no 'failed to validate'\n"
        );
        assert_eq!(
            validate_lines("x 'a;b' --f=%s.z").unwrap(),
            "x 'a;b' --f=\"$t\".z >&2 || no 'failed to validate'\n"
        );
        assert!(validate_lines("true").is_err());
    }

    #[test]
    fn digests_are_hexadecimal() {
        assert!(sha256(b"").starts_with("e3b0c44298fc1c14"));
    }
}
