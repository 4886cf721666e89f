//! `cron`: an entry of a user's table of jobs, or of a file in /etc/cron.d.

use serde_json::{Value, json};

use super::files::{Edit, Edited, NO, PRELUDE, Reply};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "cron",
    summary: "Makes sure that an entry of cron is there, or is not",
    notes: &[
        "An entry is known by the line `#Ansible: NAME` above it, so that both tools see the same.",
    ],
    arguments: &[
        Argument::new(
            "name",
            Kind::Str,
            "What the entry is known by; with `env` the variable.",
        )
        .required(),
        Argument::new(
            "job",
            Kind::Str,
            "What it runs; with `env` the variable's value.",
        )
        .aliases(&["value"]),
        Argument::new("state", Kind::Str, "Whether it shall be there.")
            .choices(&["absent", "present"])
            .default("present"),
        Argument::new(
            "user",
            Kind::Str,
            "Whose table; with `cron_file` as whom it runs.",
        ),
        Argument::new(
            "cron_file",
            Kind::Path,
            "A file in /etc/cron.d instead of a table.",
        ),
        Argument::new("minute", Kind::Str, "When.").default("*"),
        Argument::new("hour", Kind::Str, "When.").default("*"),
        Argument::new("day", Kind::Str, "When.")
            .aliases(&["dom"])
            .default("*"),
        Argument::new("month", Kind::Str, "When.").default("*"),
        Argument::new("weekday", Kind::Str, "When.")
            .aliases(&["dow"])
            .default("*"),
        Argument::new("special_time", Kind::Str, "When, by a name.").choices(&[
            "annually", "daily", "hourly", "monthly", "reboot", "weekly", "yearly",
        ]),
        Argument::new(
            "disabled",
            Kind::Flag,
            "Whether it is there but does not run.",
        )
        .default("false"),
        Argument::new(
            "env",
            Kind::Flag,
            "Whether it is a variable instead of a job.",
        )
        .default("false"),
        Argument::new(
            "insertafter",
            Kind::Str,
            "With `env`, the variable that it goes behind.",
        ),
        Argument::new(
            "insertbefore",
            Kind::Str,
            "With `env`, the variable that it goes before.",
        ),
        Argument::new(
            "backup",
            Kind::Flag,
            "Whether the old file is kept, with `cron_file`.",
        )
        .default("false"),
    ],
    exclusive: &[&["insertafter", "insertbefore"]],
    example: "- cron:\n    name: nightly dump\n    minute: '15'\n    hour: '2'\n    job: /usr/local/bin/dump.sh\n",
    returns: &[
        ("jobs", "the names of the entries"),
        ("envs", "the names of the variables"),
        ("cron_file", "the file"),
        ("backup_file", "where the old file is kept"),
    ],
    ..ModuleSpec::EMPTY
};

/// How the line above an entry starts.
const MARK: &str = "#Ansible: ";

/// The module.
#[derive(Debug)]
pub(super) struct Cron;

impl Module for Cron {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Entry::of(arguments)
            .map(|entry| Box::new(entry) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug)]
struct Entry {
    how: How,
    user: Option<String>,
    file: Option<Edit>,
    cron_file: Option<String>,
}

/// What the table shall hold.
#[derive(Debug, Default)]
struct How {
    name: String,
    /// The line, if it shall be there.
    line: Option<String>,
    variable: bool,
    after: Option<String>,
    before: Option<String>,
}

/// Makes the line of an entry; in a file of its own it names the user.
fn line(arguments: &Arguments, name: &str, job: &str, names_user: bool) -> String {
    if arguments.flag("env") {
        return format!("{name}=\"{job}\"");
    }
    let when = match arguments.str("special_time") {
        Some(special) => format!("@{special}"),
        None => ["minute", "hour", "day", "month", "weekday"]
            .map(|part| arguments.str(part).unwrap_or("*").to_owned())
            .join(" "),
    };
    let who = match arguments.str("user") {
        Some(user) if names_user => format!("{user} "),
        _ => String::new(),
    };
    let off = if arguments.flag("disabled") { "#" } else { "" };
    format!("{off}{when} {who}{job}")
}

impl Entry {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        let name = text("name").unwrap_or_default();
        let present = arguments.str("state") != Some("absent");
        let variable = arguments.flag("env");
        let (job, user, cron_file) = (text("job"), text("user"), text("cron_file"));
        if present && job.is_none() {
            return Err(ModuleError::failed(
                "You must specify 'job' to install a new cron job or variable",
            ));
        }
        if cron_file.is_some() && user.is_none() && present && !variable {
            return Err(ModuleError::failed(
                "To use cron_file=... parameter you must specify user=... as well",
            ));
        }
        let job = job.unwrap_or_default();
        if job.contains('\n') || name.contains('\n') {
            return Err(ModuleError::failed(
                "an entry of cron has one line: put the rest into a script",
            ));
        }
        let line = line(arguments, &name, &job, cron_file.is_some());
        let path = cron_file.as_ref().map(|file| {
            if file.starts_with('/') {
                file.clone()
            } else {
                format!("/etc/cron.d/{file}")
            }
        });
        let file = match &path {
            Some(path) => {
                let mut for_edit = arguments.clone();
                for_edit.values.insert("path".to_owned(), json!(path));
                Some(Edit::of(&for_edit)?)
            }
            None => None,
        };
        Ok(Self {
            how: How {
                name,
                line: present.then_some(line),
                variable,
                after: text("insertafter"),
                before: text("insertbefore"),
            },
            user: if path.is_some() { None } else { user },
            file,
            cron_file: path,
        })
    }

    fn crontab(&self, options: &str) -> String {
        let user = self
            .user
            .as_ref()
            .map_or(String::new(), |user| format!(" -u {}", shell_quote(user)));
        format!("crontab{user} {options}")
    }

    /// Reads the user's table; without one it is empty.
    fn table(&self, cx: &mut HostCx<'_>) -> Result<String, ModuleError> {
        let script = format!(
            "{PRELUDE}{NO}PATH=$PATH:/usr/sbin:/sbin\ncommand -v crontab >/dev/null || no 'the host has no crontab'\n\
             o=$({} 2>&1; printf x) && :; case ${{o%x}} in *'no crontab for'*|*\"can't open\"*) o=x ;; esac; printf 'table=%s\\0' \"${{o%x}}\"\n",
            self.crontab("-l")
        );
        let reply = Reply::of(&cx.script(script)?, "cannot read the table")?;
        Ok(reply.get("table").unwrap_or_default().to_owned())
    }

    fn result(&self, text: &str) -> serde_json::Map<String, Value> {
        let jobs: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix(MARK))
            .collect();
        let variables: Vec<&str> = text.lines().filter_map(variable_of).collect();
        let mut result = fields([("jobs", json!(jobs)), ("envs", json!(variables))]);
        if let Some(file) = &self.cron_file {
            result.insert("cron_file".into(), json!(file));
        }
        result
    }

    fn edited(&self, content: Option<&[u8]>) -> Edited {
        let text = String::from_utf8_lossy(content.unwrap_or_default()).into_owned();
        let new = self.how.edited(&text);
        let changed = new != text;
        Edited {
            absent: content.is_none() && !changed,
            message: if changed {
                format!("entry `{}`", self.how.name)
            } else {
                String::new()
            },
            result: self.result(&new),
            content: new.into_bytes(),
        }
    }
}

/// Returns the name of a variable that a line sets.
fn variable_of(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    (!name.is_empty() && name.chars().all(word)).then_some(name)
}

impl How {
    fn edited(&self, text: &str) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if self.variable {
            self.edit_variable(&mut lines);
        } else {
            self.edit_job(&mut lines);
        }
        let mut out = lines.join("\n");
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    fn edit_job(&self, lines: &mut Vec<String>) {
        let mark = format!("{MARK}{}", self.name);
        let at = lines.iter().position(|line| *line == mark);
        match (at, &self.line) {
            (Some(at), Some(line)) => match lines.get_mut(at + 1) {
                Some(old) => old.clone_from(line),
                None => lines.push(line.clone()),
            },
            (Some(at), None) => {
                let end = (at + 2).min(lines.len());
                lines.drain(at..end);
            }
            (None, Some(line)) => lines.extend([mark, line.clone()]),
            (None, None) => {}
        }
    }

    fn edit_variable(&self, lines: &mut Vec<String>) {
        let find = |lines: &[String], name: &str| {
            lines
                .iter()
                .position(|line| variable_of(line) == Some(name))
        };
        match (find(lines, &self.name), &self.line) {
            (Some(at), Some(line)) => {
                if let Some(old) = lines.get_mut(at) {
                    old.clone_from(line);
                }
            }
            (Some(at), None) => {
                lines.remove(at);
            }
            (None, Some(line)) => {
                let after = self
                    .after
                    .as_ref()
                    .and_then(|name| find(lines, name))
                    .map(|at| at + 1);
                let before = self.before.as_ref().and_then(|name| find(lines, name));
                lines.insert(after.or(before).unwrap_or(0), line.clone());
            }
            (None, None) => {}
        }
    }
}

impl Action for Entry {
    fn describe(&self) -> String {
        match &self.how.line {
            Some(line) => format!("cron: {line}"),
            None => format!("no entry of cron `{}`", self.how.name),
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if let Some(file) = &self.file {
            return file.observe(cx, &|content| Ok(self.edited(content)));
        }
        let text = self.table(cx)?;
        let edited = self.edited(Some(text.as_bytes()));
        if edited.message.is_empty() {
            return Ok(Observed::Same(Outcome {
                result: edited.result,
                ..Outcome::default()
            }));
        }
        Ok(Observed::Differs(Change {
            summary: edited.message,
            data: json!({"before": text, "after": String::from_utf8_lossy(&edited.content)}),
            diff: cx.diff.then(|| super::Diff {
                title: "crontab".to_owned(),
                before: text.clone(),
                after: String::from_utf8_lossy(&edited.content).into_owned(),
            }),
            result: edited.result,
            ..Change::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        if let Some(file) = &self.file {
            return file.apply(cx, change, &|content| Ok(self.edited(content)));
        }
        let part = |name: &str| {
            change
                .data
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if self.table(cx)? != part("before") {
            return Err(ModuleError::failed(
                "the table was changed by someone else while it was being edited",
            ));
        }
        let script = format!(
            "{PRELUDE}{NO}PATH=$PATH:/usr/sbin:/sbin\nprintf %s {} | {} >&2 || no 'cron does not take the table'\n",
            shell_quote(part("after")),
            self.crontab("-")
        );
        Reply::of(&cx.script(script)?, "cannot write the table")?;
        Ok(Outcome {
            changed: true,
            result: change.result.clone(),
            diff: change.diff.clone(),
            ..Outcome::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_variables_are_added_changed_and_removed() {
        let job = |line: Option<&str>| How {
            name: "a b".into(),
            line: line.map(str::to_owned),
            ..How::default()
        };
        for (how, before, after) in [
            (
                job(Some("* * * * * x")),
                "X=1\n",
                "X=1\n#Ansible: a b\n* * * * * x\n",
            ),
            (
                job(Some("new")),
                "#Ansible: a b\nold\nrest\n",
                "#Ansible: a b\nnew\nrest\n",
            ),
            (job(None), "#Ansible: a b\nold\nrest\n", "rest\n"),
            (job(None), "rest\n", "rest\n"),
        ] {
            assert_eq!(how.edited(before), after);
        }
        let variable = How {
            name: "PATH".into(),
            line: Some("PATH=\"/x\"".into()),
            variable: true,
            after: Some("A".into()),
            before: None,
        };
        assert_eq!(variable.edited("A=1\nB=2\n"), "A=1\nPATH=\"/x\"\nB=2\n");
        assert_eq!(variable.edited("PATH=old\n"), "PATH=\"/x\"\n");
    }
}
