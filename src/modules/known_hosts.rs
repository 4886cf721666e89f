//! `known_hosts`: a host's key in a file of known keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha1::{Digest as _, Sha1};

use super::files::{Edit, Edited};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "known_hosts",
    summary: "Makes sure that a host's key is in a file of known keys, or that none is",
    notes: &["`~/.ssh/known_hosts` is that of the user whom the task runs as."],
    arguments: &[
        Argument::new(
            "name",
            Kind::Str,
            "The host, as it is logged in to; `[name]:port` for another port.",
        )
        .aliases(&["host"])
        .required(),
        Argument::new("key", Kind::Str, "The line of its key: names, kind, key."),
        Argument::new("path", Kind::Path, "The file.").default("~/.ssh/known_hosts"),
        Argument::new("hash_host", Kind::Flag, "Whether the name is hashed.").default("false"),
        Argument::new("state", Kind::Str, "Whether it shall be there.")
            .choices(&["absent", "present"])
            .default("present"),
    ],
    example: "- known_hosts:\n    name: db1\n    key: \"db1 ssh-ed25519 AAAAC3Nza...\"\n",
    returns: &[
        ("name", "the host"),
        ("key", "the key"),
        ("hash_host", "whether the name is hashed"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct KnownHosts;

impl Module for KnownHosts {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let how = How {
            name: arguments.str("name").unwrap_or_default().to_lowercase(),
            key: arguments.str("key").map(|key| key.trim().to_owned()),
            present: arguments.str("state") != Some("absent"),
            hashed: arguments.flag("hash_host"),
        };
        how.check().map_err(|error| error.in_task(arguments))?;
        let mut for_edit = arguments.clone();
        for_edit.values.insert("mode".to_owned(), json!(0o600));
        let edit = Edit::of(&for_edit).map_err(|error| error.in_task(arguments))?;
        Ok(Box::new(Knowing { edit, how }))
    }
}

#[derive(Debug)]
struct Knowing {
    edit: Edit,
    how: How,
}

#[derive(Debug)]
struct How {
    name: String,
    key: Option<String>,
    present: bool,
    hashed: bool,
}

/// Kind and key of a line, with its mark (`@revoked`), if it has one.
fn parts(line: &str) -> Option<(&str, &str, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut words = line.split_whitespace();
    let mut names = words.next()?;
    let mut kind = String::new();
    if names.starts_with('@') {
        kind = format!("{names} ");
        names = words.next()?;
    }
    let algorithm = words.next()?;
    let key = words.next()?;
    Some((names, key, kind + algorithm))
}

impl How {
    fn check(&self) -> Result<(), ModuleError> {
        let Some(key) = &self.key else {
            return if self.present {
                Err(ModuleError::failed("No key specified when adding a host"))
            } else {
                Ok(())
            };
        };
        let names = parts(key).map(|(names, _, _)| names);
        if !names.is_some_and(|names| self.is_named(names)) {
            return Err(ModuleError::failed(format!(
                "the key's line must start with the host `{}`",
                self.name
            )));
        }
        Ok(())
    }

    /// Tells whether a line's names hold the host.
    fn is_named(&self, names: &str) -> bool {
        if let Some(hash) = names.strip_prefix("|1|") {
            return hash.split_once('|').is_some_and(|(salt, hash)| {
                STANDARD
                    .decode(salt)
                    .is_ok_and(|salt| hashed(&salt, &self.name) == hash)
            });
        }
        names
            .split(',')
            .any(|name| name.eq_ignore_ascii_case(&self.name))
    }

    fn line(&self) -> Option<String> {
        let (_, key, kind) = parts(self.key.as_deref()?)?;
        let name = if self.hashed {
            // The salt is made of the key: adding the same key again gives the same line.
            let salt = Sha1::digest(format!("{}{key}", self.name).as_bytes());
            format!("|1|{}|{}", STANDARD.encode(salt), hashed(&salt, &self.name))
        } else {
            self.name.clone()
        };
        Some(match kind.split_once(' ') {
            Some((mark, kind)) => format!("{mark} {name} {kind} {key}\n"),
            None => format!("{name} {kind} {key}\n"),
        })
    }

    fn edit(&self, content: Option<&[u8]>) -> Edited {
        if content.is_none() && !self.present {
            return Edited {
                absent: true,
                ..Edited::default()
            };
        }
        let text = String::from_utf8_lossy(content.unwrap_or_default()).into_owned();
        let wanted = self.key.as_deref().and_then(parts);
        let (mut kept, mut there) = (Vec::new(), false);
        for line in text.split_inclusive('\n') {
            let found = parts(line).filter(|(names, _, _)| self.is_named(names));
            let Some((names, key, kind)) = found else {
                kept.push(line.to_owned());
                continue;
            };
            let same_kind = wanted.as_ref().is_none_or(|(_, _, wanted)| *wanted == kind);
            let same_key = wanted.as_ref().is_none_or(|(_, wanted, _)| *wanted == key);
            let drops = if self.present {
                // Another key of the same kind is replaced, and so is one whose name is hidden otherwise than asked.
                let right = same_key && names.starts_with("|1|") == self.hashed;
                there = there || (same_kind && right);
                same_kind && !right
            } else {
                same_kind && same_key
            };
            if !drops {
                kept.push(line.to_owned());
            }
        }
        if self.present && !there {
            if let Some(last) = kept.last_mut().filter(|line| !line.ends_with('\n')) {
                last.push('\n');
            }
            kept.extend(self.line());
        }
        let result = kept.concat().into_bytes();
        let changed = content != Some(&result);
        Edited {
            content: result,
            message: match (changed, self.present) {
                (false, _) => String::new(),
                (true, true) => "key added".to_owned(),
                (true, false) => "key removed".to_owned(),
            },
            result: super::fields([
                ("name", json!(self.name)),
                ("key", json!(self.key)),
                ("hash_host", json!(self.hashed)),
            ]),
            ..Edited::default()
        }
    }
}

/// Hashes a name as OpenSSH does.
fn hashed(salt: &[u8], name: &str) -> String {
    match Hmac::<Sha1>::new_from_slice(salt) {
        Ok(mut mac) => {
            mac.update(name.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        }
        Err(_) => String::new(),
    }
}

impl Action for Knowing {
    fn describe(&self) -> String {
        if self.how.present {
            format!("know the key of {}", self.how.name)
        } else {
            format!("know no key of {}", self.how.name)
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        self.edit.observe(cx, &|content| Ok(self.how.edit(content)))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        self.edit
            .apply(cx, change, &|content| Ok(self.how.edit(content)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(name: &str, key: Option<&str>, present: bool) -> How {
        How {
            name: name.into(),
            key: key.map(str::to_owned),
            present,
            hashed: false,
        }
    }

    fn edit(how: &How, content: &str) -> String {
        let edited = how.edit(Some(content.as_bytes()));
        String::from_utf8(edited.content).unwrap()
    }

    #[test]
    fn keys_are_added_replaced_and_removed() {
        let add = how("db1", Some("db1 ssh-ed25519 AAA"), true);
        assert_eq!(
            edit(&add, "x ssh-rsa Z"),
            "x ssh-rsa Z\ndb1 ssh-ed25519 AAA\n"
        );
        assert_eq!(edit(&add, "db1 ssh-ed25519 AAA\n"), "db1 ssh-ed25519 AAA\n");
        assert_eq!(
            edit(&add, "db1 ssh-ed25519 OLD\ndb1 ssh-rsa R\n"),
            "db1 ssh-rsa R\ndb1 ssh-ed25519 AAA\n"
        );
        let remove = how("db1", None, false);
        assert_eq!(
            edit(&remove, "db1,db2 ssh-rsa R\n# c\ny ssh-rsa Q\n"),
            "# c\ny ssh-rsa Q\n"
        );
        assert!(how("db1", Some("db2 ssh-rsa R"), true).check().is_err());
    }

    #[test]
    fn hashed_names_are_known() {
        // Made with `ssh-keygen -H`.
        let line = "|1|Hv9TYBaCr5RFZbVYRZ4sYp2OIVA=|";
        let salt = STANDARD.decode("Hv9TYBaCr5RFZbVYRZ4sYp2OIVA=").unwrap();
        let names = format!("{line}{}", hashed(&salt, "db1"));
        assert!(how("db1", None, false).is_named(&names));
        assert!(!how("db2", None, false).is_named(&names));
        let mut hidden = how("db1", Some("db1 ssh-rsa R"), true);
        hidden.hashed = true;
        let once = edit(&hidden, "");
        assert!(once.starts_with("|1|") && once.ends_with(" ssh-rsa R\n"));
        assert_eq!(edit(&hidden, &once), once);
    }
}
