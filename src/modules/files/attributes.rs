//! Owner, group and permissions that a path shall have, and the shell lines that give them to it.

use serde_json::Value;

use super::mode::Mode;
use super::state::{PathState, STATE, read_state};
use super::word::{Append as _, PRELUDE, Reply};
use super::write::NO;
use crate::modules::spec::{Argument, Arguments, Kind};
use crate::modules::{HostCx, ModuleError};
use crate::template::shell_quote;

/// The argument `mode`.
pub const MODE: Argument = Argument::new(
    "mode",
    Kind::Mode,
    "Permissions: \"0644\" or \"u=rw,g=r\". Without it an existing path keeps its own, a new file gets 0644, a new directory 0755.",
);

/// The argument `owner`.
pub const OWNER: Argument = Argument::new(
    "owner",
    Kind::Str,
    "The user, by name or number, that shall own it.",
);

/// The argument `group`.
pub const GROUP: Argument = Argument::new(
    "group",
    Kind::Str,
    "The group, by name or number, that shall own it.",
);

/// What Ansible's file modules have beside these, and what to do instead.
pub const FILE_ARGUMENTS: [(&str, &str); 7] = [
    ("attributes", "run `chattr` with `command`"),
    ("attr", "run `chattr` with `command`"),
    (
        "seuser",
        "the context of a file that is replaced is kept; set another one with `command: chcon`",
    ),
    (
        "serole",
        "the context of a file that is replaced is kept; set another one with `command: chcon`",
    ),
    (
        "setype",
        "the context of a file that is replaced is kept; set another one with `command: chcon`",
    ),
    (
        "selevel",
        "the context of a file that is replaced is kept; set another one with `command: chcon`",
    ),
    ("unsafe_writes", "files are only ever replaced as a whole"),
];

/// The permission bits of a new file, and of a new directory.
const NEW: (u32, u32) = (0o644, 0o755);

/// Owner, group and permissions, each only if it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// The owner, by name or number.
    pub owner: Option<String>,
    /// The group, by name or number.
    pub group: Option<String>,
    /// The permissions.
    pub mode: Option<Mode>,
}

impl Attributes {
    /// Reads them from a module's arguments.
    pub fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let mode = match arguments.get("mode") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text == "preserve" => None,
            Some(value) => Some(Mode::parse(value)?),
        };
        let text = |name: &str| match arguments.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        Ok(Self {
            owner: text("owner"),
            group: text("group"),
            mode,
        })
    }

    /// Tells whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.owner.is_none() && self.group.is_none() && self.mode.is_none()
    }

    /// Names what of a path is not as asked: "owner root -> db", "mode 0644 -> 0600".
    pub fn differences(&self, now: &PathState) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(owner) = &self.owner
            && !same_owner(owner, now.user.as_deref(), now.uid)
        {
            found.push(format!(
                "owner {} -> {owner}",
                named(now.user.as_deref(), now.uid)
            ));
        }
        if let Some(group) = &self.group
            && !same_owner(group, now.group.as_deref(), now.gid)
        {
            found.push(format!(
                "group {} -> {group}",
                named(now.group.as_deref(), now.gid)
            ));
        }
        if let Some(mode) = &self.mode {
            let bits = mode.bits(now.bits, now.is_directory());
            if bits != now.bits && now.kind != super::FileKind::Link {
                found.push(format!("mode {:04o} -> {bits:04o}", now.bits));
            }
        }
        found
    }

    /// Returns the bits that it gets, being new or having these bits now.
    pub fn bits(&self, now: Option<u32>, directory: bool) -> u32 {
        let new = if directory { NEW.1 } else { NEW.0 };
        let base = now.unwrap_or(new);
        self.mode
            .as_ref()
            .map_or(base, |mode| mode.bits(base, directory))
    }

    /// Says owner, group and mode in a few words: " (0644 root:root)".
    pub fn describe(&self) -> String {
        let owner = match (&self.owner, &self.group) {
            (Some(owner), Some(group)) => format!("{owner}:{group}"),
            (Some(owner), None) => owner.clone(),
            (None, Some(group)) => format!(":{group}"),
            (None, None) => String::new(),
        };
        let mode = self.mode.as_ref().map(Mode::words).unwrap_or_default();
        match (mode.is_empty(), owner.is_empty()) {
            (true, true) => String::new(),
            (false, false) => format!(" ({mode} {owner})"),
            _ => format!(" ({mode}{owner})"),
        }
    }

    /// Returns shell lines that give a new file beside its place the owner, group and bits it shall have, keeping what
    /// `old` had where nothing was asked for. `path` is a shell word; `no` is the script's way to fail.
    pub fn lines_for_new(&self, path: &str, old: Option<&PathState>) -> String {
        let mut lines = String::new();
        let wanted = self.owner_word(None);
        let whole = self.owner_word(old);
        if let Some(whole) = whole.filter(|whole| Some(whole) != wanted.as_ref()) {
            lines.append(format!("chown -- {whole} {path} 2>/dev/null || "));
            lines.push_str(&match &wanted {
                Some(_) => owner_line(path, wanted.as_deref(), ""),
                None => ":\n".to_owned(),
            });
        } else {
            lines.push_str(&owner_line(path, wanted.as_deref(), ""));
        }
        let bits = self.bits(old.map(|old| old.bits), false);
        lines.append(format!(
            "chmod -- {bits:04o} {path} || no 'cannot set the mode'\n"
        ));
        lines
    }

    /// Returns shell lines that give an existing path what was asked for; `options` are for both programs ("-R", "-h").
    pub fn lines(&self, path: &str, owner_options: &str, mode_options: &str) -> String {
        let mut lines = owner_line(path, self.owner_word(None).as_deref(), owner_options);
        if let Some(mode) = &self.mode {
            let words = shell_quote(&mode.words());
            lines.append(format!(
                "chmod {mode_options} -- {words} {path} || no 'cannot set the mode'\n"
            ));
        }
        lines
    }

    /// Gives an existing path what was asked for, and returns its state after that.
    pub fn set(&self, cx: &mut HostCx<'_>, path: &str) -> Result<PathState, ModuleError> {
        let script = format!(
            "{PRELUDE}{STATE}{NO}p={}\n{}st state \"$p\"\n",
            shell_quote(path),
            self.lines("\"$p\"", "", "")
        );
        let reply = Reply::of(&cx.script(script)?, &format!("cannot change {path}"))?;
        read_state(&reply, "state")?.ok_or_else(|| ModuleError::failed(format!("{path} is gone")))
    }

    /// Returns `owner:group` as a shell word, with the numbers of `old` where nothing was asked for.
    fn owner_word(&self, old: Option<&PathState>) -> Option<String> {
        let owner = self.owner.clone().or(old.map(|old| old.uid.to_string()));
        let group = self.group.clone().or(old.map(|old| old.gid.to_string()));
        match (owner, group) {
            (Some(owner), Some(group)) => Some(shell_quote(&format!("{owner}:{group}"))),
            (Some(owner), None) => Some(shell_quote(&owner)),
            (None, Some(group)) => Some(shell_quote(&format!(":{group}"))),
            (None, None) => None,
        }
    }
}

fn owner_line(path: &str, word: Option<&str>, options: &str) -> String {
    word.map_or_else(String::new, |word| {
        format!("chown {options} -- {word} {path} || no 'cannot change the owner'\n")
    })
}

fn same_owner(wanted: &str, name: Option<&str>, number: u32) -> bool {
    Some(wanted) == name || wanted == number.to_string()
}

fn named(name: Option<&str>, number: u32) -> String {
    name.map_or_else(|| number.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> PathState {
        PathState::parse("81a4 1 0 7 1 1 1 1.0 1.0 1.0 1 1 0 0 root UNKNOWN").unwrap()
    }

    #[test]
    fn only_what_is_asked_for_and_not_so_differs() {
        let attributes = |owner: &str, group: &str, bits| Attributes {
            owner: Some(owner.into()),
            group: Some(group.into()),
            mode: Some(Mode::Bits(bits)),
        };
        assert!(
            attributes("root", "7", 0o644)
                .differences(&state())
                .is_empty()
        );
        assert!(attributes("0", "7", 0o644).differences(&state()).is_empty());
        assert_eq!(
            attributes("db", "db", 0o600).differences(&state()),
            ["owner root -> db", "group 7 -> db", "mode 0644 -> 0600"]
        );
        assert!(Attributes::default().differences(&state()).is_empty());
    }

    #[test]
    fn a_new_file_keeps_what_the_old_one_had() {
        let none = Attributes::default();
        assert_eq!(
            none.lines_for_new("x", Some(&state())),
            "chown -- 0:7 x 2>/dev/null || :\nchmod -- 0644 x || no 'cannot set the mode'\n"
        );
        let owner = Attributes {
            owner: Some("a b".into()),
            ..Attributes::default()
        };
        assert_eq!(
            owner.lines_for_new("x", None),
            "chown  -- 'a b' x || no 'cannot change the owner'\nchmod -- 0644 x || no 'cannot set the mode'\n"
        );
        assert!(
            owner
                .lines_for_new("x", Some(&state()))
                .starts_with("chown -- 'a b:7' x 2>/dev/null || chown  -- 'a b' x || no")
        );
    }
}
