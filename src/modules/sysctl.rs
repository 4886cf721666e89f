//! `sysctl`: a setting of the kernel, in its file and in force.

use serde_json::json;

use super::files::{Edit, Edited, NO, PRELUDE, Reply};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "sysctl",
    summary: "Makes sure that a setting of the kernel is in its file, and in force",
    arguments: &[
        Argument::new("name", Kind::Str, "The setting: `vm.swappiness`.")
            .aliases(&["key"])
            .required(),
        Argument::new("value", Kind::Str, "Its value.").aliases(&["val"]),
        Argument::new("state", Kind::Str, "Whether it shall be in the file.")
            .choices(&["absent", "present"])
            .default("present"),
        Argument::new("sysctl_file", Kind::Path, "The file.").default("/etc/sysctl.conf"),
        Argument::new(
            "sysctl_set",
            Kind::Flag,
            "Whether it is put in force by itself, and looked at whether it is.",
        )
        .default("false"),
        Argument::new(
            "reload",
            Kind::Flag,
            "Whether the whole file is put in force after a change.",
        )
        .default("true"),
        Argument::new(
            "ignoreerrors",
            Kind::Flag,
            "Whether settings that the kernel does not know are no failure.",
        )
        .default("false"),
    ],
    example: "- sysctl:\n    name: vm.swappiness\n    value: '1'\n    sysctl_set: true\n",
    returns: &[("name", "the setting"), ("value", "its value")],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Sysctl;

impl Module for Sysctl {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let present = arguments.str("state") != Some("absent");
        let value = arguments.str("value").map(|value| value.trim().to_owned());
        if present && value.is_none() {
            return Err(ModuleError::failed("value cannot be None").in_task(arguments));
        }
        let mut for_edit = arguments.clone();
        let file = arguments.str("sysctl_file").unwrap_or("/etc/sysctl.conf");
        for_edit.values.insert("path".to_owned(), json!(file));
        Ok(Box::new(Setting {
            edit: Edit::of(&for_edit).map_err(|error| error.in_task(arguments))?,
            file: file.to_owned(),
            name: arguments.str("name").unwrap_or_default().trim().to_owned(),
            value: value.filter(|_| present),
            set: arguments.flag("sysctl_set"),
            reload: arguments.get("reload") != Some(&json!(false)),
            lenient: arguments.flag("ignoreerrors"),
        }))
    }
}

#[derive(Debug)]
struct Setting {
    edit: Edit,
    file: String,
    name: String,
    value: Option<String>,
    set: bool,
    reload: bool,
    lenient: bool,
}

impl Setting {
    fn edit(&self, content: Option<&[u8]>) -> Edited {
        let text = String::from_utf8_lossy(content.unwrap_or_default()).into_owned();
        let (mut lines, mut done) = (Vec::new(), false);
        for line in text.lines() {
            let own = line.split_once('=').is_some_and(|(name, _)| {
                !line.trim_start().starts_with(['#', ';']) && name.trim() == self.name
            });
            match (&self.value, own) {
                (_, false) => lines.push(line.to_owned()),
                (Some(value), true) if !done => {
                    let right = line
                        .split_once('=')
                        .is_some_and(|(_, now)| same(now, value));
                    lines.push(if right {
                        line.to_owned()
                    } else {
                        format!("{}={value}", self.name)
                    });
                    done = true;
                }
                _ => {}
            }
        }
        if let Some(value) = self.value.as_ref().filter(|_| !done) {
            lines.push(format!("{}={value}", self.name));
        }
        let mut result = lines.join("\n");
        if !result.is_empty() {
            result.push('\n');
        }
        let changed =
            content != Some(result.as_bytes()) && !(content.is_none() && result.is_empty());
        Edited {
            absent: content.is_none() && result.is_empty(),
            content: if changed {
                result.into_bytes()
            } else {
                content.unwrap_or_default().to_vec()
            },
            message: if changed {
                format!("{} in {}", self.name, self.file)
            } else {
                String::new()
            },
            ..Edited::default()
        }
    }

    /// Tells whether the kernel has another value in force.
    fn is_out_of_force(&self, cx: &mut HostCx<'_>) -> Result<bool, ModuleError> {
        let Some(value) = self.value.as_ref().filter(|_| self.set) else {
            return Ok(false);
        };
        let script = format!(
            "{PRELUDE}PATH=$PATH:/usr/sbin:/sbin\nprintf 'now=%s\\0' \"$(sysctl -n {})\"\n",
            shell_quote(&self.name)
        );
        let reply = Reply::of(&cx.script(script)?, &self.name)?;
        Ok(!same(reply.line("now").unwrap_or_default(), value))
    }

    fn put_in_force(&self, cx: &mut HostCx<'_>) -> Result<(), ModuleError> {
        let lenient = if self.lenient { "-e " } else { "" };
        let mut text = format!("{PRELUDE}{NO}PATH=$PATH:/usr/sbin:/sbin\n");
        if let Some(value) = self.value.as_ref().filter(|_| self.set) {
            let word = shell_quote(&format!("{}={value}", self.name));
            text.push_str(
                &[
                    "sysctl ",
                    lenient,
                    "-w ",
                    &word,
                    " >&2 || no 'cannot put it in force'\n",
                ]
                .concat(),
            );
        }
        if self.reload {
            let file = super::files::path_word(&self.file);
            text.push_str(
                &[
                    "sysctl ",
                    lenient,
                    "-p ",
                    &file,
                    " >&2 || no 'cannot put the file in force'\n",
                ]
                .concat(),
            );
        }
        Reply::of(&cx.script(text + ":\n")?, &self.name)?;
        Ok(())
    }

    fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        fields([("name", json!(self.name)), ("value", json!(self.value))])
    }
}

/// Tells whether two values are the same but for their blanks.
fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

impl Action for Setting {
    fn describe(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => format!("no {}", self.name),
        }
    }

    fn by_hand(&self) -> Option<String> {
        let value = self.value.as_ref()?;
        Some(format!(
            "sysctl -w {}",
            shell_quote(&format!("{}={value}", self.name))
        ))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let observed = self.edit.observe(cx, &|content| Ok(self.edit(content)))?;
        let mut change = match observed {
            Observed::Differs(mut change) => {
                change.data = json!({"file": true});
                change
            }
            Observed::Same(mut outcome) => {
                if !self.is_out_of_force(cx)? {
                    outcome.result = self.fields();
                    return Ok(Observed::Same(outcome));
                }
                Change {
                    summary: format!("{} in force", self.describe()),
                    data: json!({"file": false}),
                    ..Change::default()
                }
            }
            other @ (Observed::Skip(_) | Observed::Unknown(_)) => return Ok(other),
        };
        change.result = self.fields();
        Ok(Observed::Differs(change))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let mut outcome = Outcome {
            changed: true,
            diff: change.diff.clone(),
            ..Outcome::default()
        };
        if change.data.get("file") == Some(&json!(true)) {
            self.edit
                .apply(cx, change, &|content| Ok(self.edit(content)))?;
        }
        self.put_in_force(cx)?;
        outcome.result = self.fields();
        Ok(outcome)
    }
}
