//! `group`: a group of the host.

use serde_json::json;

use super::files::{Append as _, NO, PRELUDE, Reply};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "group",
    summary: "Makes sure that a group is there, or is not",
    notes: &["It needs groupadd, groupmod and groupdel on the host."],
    arguments: &[
        Argument::new("name", Kind::Str, "The group.").required(),
        Argument::new("state", Kind::Str, "Whether it shall be there.")
            .choices(&["absent", "present"])
            .default("present"),
        Argument::new("gid", Kind::Int, "Its number."),
        Argument::new(
            "non_unique",
            Kind::Flag,
            "Whether the number may be another group's too.",
        )
        .default("false"),
        Argument::new(
            "system",
            Kind::Flag,
            "Whether a new group is one of the system.",
        )
        .default("false"),
        Argument::new(
            "force",
            Kind::Flag,
            "Whether it goes even if it is a user's own group.",
        )
        .default("false"),
    ],
    absent: &[
        ("gid_min", "give the `gid`"),
        ("gid_max", "give the `gid`"),
        (
            "local",
            "groups are always looked up by the host's own rules",
        ),
    ],
    example: "- group:\n    name: arangodb\n    system: true\n",
    returns: &[
        ("name", "the group"),
        ("state", "whether it is there"),
        ("gid", "its number"),
        ("system", "whether a new group is one of the system"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Group;

impl Module for Group {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Wanted {
            name: arguments.str("name").unwrap_or_default().to_owned(),
            present: arguments.str("state") != Some("absent"),
            gid: arguments.int("gid"),
            shared: arguments.flag("non_unique"),
            system: arguments.flag("system"),
            force: arguments.flag("force"),
        }))
    }
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an argument of its own"
)]
struct Wanted {
    name: String,
    present: bool,
    gid: Option<i64>,
    shared: bool,
    system: bool,
    force: bool,
}

impl Wanted {
    /// Returns the command that has it as asked; `None` if it is.
    fn command(&self, gid: Option<i64>) -> Option<String> {
        let name = shell_quote(&self.name);
        let mut words = String::new();
        match (self.present, gid) {
            (false, None) => return None,
            (false, Some(_)) => {
                words.push_str(if self.force {
                    "groupdel -f"
                } else {
                    "groupdel"
                });
            }
            (true, Some(now)) if self.gid.is_none_or(|gid| gid == now) => return None,
            (true, now) => {
                words.push_str(if now.is_some() {
                    "groupmod"
                } else {
                    "groupadd"
                });
                if let Some(gid) = self.gid {
                    words.append(format!(" -g {gid}"));
                    if self.shared {
                        words.push_str(" -o");
                    }
                }
                if self.system && now.is_none() {
                    words.push_str(" -r");
                }
            }
        }
        Some(format!("{words} -- {name}"))
    }

    fn look(&self, cx: &mut HostCx<'_>) -> Result<Option<i64>, ModuleError> {
        let script = format!("{PRELUDE}{}\n", look_line("group", &self.name));
        let reply = Reply::of(&cx.script(script)?, "cannot read the groups")?;
        Ok(reply
            .line("group")
            .and_then(|line| line.split(':').nth(2)?.parse().ok()))
    }

    fn outcome(&self, gid: Option<i64>, changed: bool) -> Outcome {
        let mut result = fields([
            ("name", json!(self.name)),
            (
                "state",
                json!(if self.present { "present" } else { "absent" }),
            ),
        ]);
        if self.present {
            result.insert("gid".into(), json!(gid));
            result.insert("system".into(), json!(self.system));
        }
        Outcome {
            changed,
            result,
            ..Outcome::default()
        }
    }
}

/// Returns the line that prints an account's entry: by getent, else from its file.
pub(super) fn look_line(database: &str, name: &str) -> String {
    let word = shell_quote(name);
    format!(
        "n={word}; printf '{database}='; if command -v getent >/dev/null; then getent {database} -- \"$n\"; else while IFS= read -r l; do case $l in \"$n\":*) printf '%s\\n' \"$l\" ;; esac; done </etc/{database}; fi; printf '\\0'"
    )
}

impl Action for Wanted {
    fn describe(&self) -> String {
        if self.present {
            format!("group {}", self.name)
        } else {
            format!("no group {}", self.name)
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let gid = self.look(cx)?;
        let Some(command) = self.command(gid) else {
            return Ok(Observed::Same(self.outcome(gid, false)));
        };
        Ok(Observed::Differs(Change {
            summary: command.clone(),
            data: json!(command),
            result: self.outcome(self.gid.or(gid), true).result,
            ..Change::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let command = change.data.as_str().unwrap_or_default();
        let script = format!(
            "{PRELUDE}{NO}PATH=$PATH:/usr/sbin:/sbin\n{command} >&2 || no 'it cannot be done'\n{}\n",
            look_line("group", &self.name)
        );
        let reply = Reply::of(&cx.script(script)?, &self.name)?;
        let gid = reply
            .line("group")
            .and_then(|line| line.split(':').nth(2)?.parse().ok());
        Ok(self.outcome(gid, true))
    }

    fn by_hand(&self) -> Option<String> {
        self.command(if self.present { None } else { Some(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_follows_from_what_is() {
        let wanted = |present, gid| Wanted {
            name: "a b".into(),
            present,
            gid,
            shared: false,
            system: true,
            force: false,
        };
        for (wanted, now, command) in [
            (wanted(true, None), None, Some("groupadd -r -- 'a b'")),
            (wanted(true, None), Some(7), None),
            (
                wanted(true, Some(8)),
                Some(7),
                Some("groupmod -g 8 -- 'a b'"),
            ),
            (wanted(false, None), Some(7), Some("groupdel -- 'a b'")),
            (wanted(false, None), None, None),
        ] {
            assert_eq!(wanted.command(now).as_deref(), command);
        }
    }
}
