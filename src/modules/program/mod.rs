//! Running what the user wrote as a job, and telling how it ended, for `command`, `shell`, `script` and `raw`.
//!
//! Never repeats anything: the job's name is the step's, so that a second start attaches to the first.

mod expand;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::files::{PRELUDE, Presence, Reply, path_word};
use super::spec::{Argument, Arguments, Kind};
use super::{Background, Change, HostCx, ModuleError, Observed, Outcome};
use crate::clock::Timestamp;
use crate::connection::{End, Job, JobCommand, JobEnd};
use crate::secrets::Secret;

pub use expand::{expanded_line, glob_word};

/// The argument `chdir`.
pub const CHDIR: Argument = Argument::new("chdir", Kind::Path, "The directory in which it runs.");

/// The argument `creates`.
pub const CREATES: Argument = Argument::new(
    "creates",
    Kind::Path,
    "A path or shell pattern: if something is there, it does not run.",
);

/// The argument `removes`.
pub const REMOVES: Argument = Argument::new(
    "removes",
    Kind::Path,
    "A path or shell pattern: if nothing is there, it does not run.",
);

/// The argument `stdin`.
pub const STDIN: Argument = Argument::new(
    "stdin",
    Kind::Str,
    "Its input. It never gets into an argument list, so that secrets may be in it.",
);

/// The argument `stdin_add_newline`.
pub const STDIN_ADD_NEWLINE: Argument = Argument::new(
    "stdin_add_newline",
    Kind::Flag,
    "Ends the input with a line end.",
)
.default("true");

/// The argument `strip_empty_ends`.
pub const STRIP_EMPTY_ENDS: Argument = Argument::new(
    "strip_empty_ends",
    Kind::Flag,
    "Takes empty lines off the ends of both outputs.",
)
.default("true");

/// The fields that every result of a program has.
pub const RETURNS: &[(&str, &str)] = &[
    ("cmd", "what ran"),
    ("rc", "the exit code; negative for a signal"),
    ("stdout", "the output"),
    ("stdout_lines", "the output in lines"),
    ("stderr", "the error output"),
    ("stderr_lines", "the error output in lines"),
    ("start", "when it started"),
    ("end", "when it ended"),
    ("delta", "how long it ran"),
];

/// A program with all that decides whether and how it runs.
#[derive(Debug)]
pub struct Program {
    /// What runs.
    pub command: JobCommand,
    /// What the result says that ran.
    pub shown: Value,
    /// Where it runs.
    pub directory: Option<String>,
    presence: Presence,
    input: Option<Secret>,
    strip: bool,
}

impl Program {
    /// Reads the arguments that all such modules share.
    pub fn of(command: JobCommand, shown: Value, arguments: &Arguments) -> Self {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        let newline = arguments.get("stdin_add_newline") != Some(&Value::Bool(false));
        let input = text("stdin").map(|mut input| {
            if newline {
                input.push('\n');
            }
            Secret::new(input)
        });
        Self {
            command,
            shown,
            directory: text("chdir"),
            presence: Presence::of(arguments),
            input,
            strip: arguments.get("strip_empty_ends") != Some(&Value::Bool(false)),
        }
    }

    /// Tells whether the host can be asked if it is done.
    pub fn can_be_asked(&self) -> bool {
        self.presence.can_be_asked()
    }

    /// Asks `creates` and `removes`, if given.
    pub fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let mut change = Change::new("run it");
        change.result = self.not_run();
        if !self.can_be_asked() {
            return Ok(Observed::Unknown(change));
        }
        let reply = cx.script(self.question())?;
        let reply = Reply::of(&reply, "Unable to change directory before execution")?;
        let would = if cx.check { "Would" } else { "Did" };
        if let Some((path, how)) = self.presence.done(&reply) {
            let mut result = self.lines(&format!("skipped, since {path} {how}"), "");
            result.insert("rc".into(), json!(0));
            result.insert(
                "msg".into(),
                json!(format!("{would} not run command since '{path}' {how}")),
            );
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        Ok(Observed::Differs(change))
    }

    /// Returns the result of what check mode did not run.
    fn not_run(&self) -> Map<String, Value> {
        let mut result = self.lines("", "");
        result.extend(super::fields([
            ("rc", json!(0)),
            ("start", Value::Null),
            ("end", Value::Null),
            ("delta", Value::Null),
            ("msg", json!("Command would have run if not in check mode")),
        ]));
        result
    }

    fn question(&self) -> String {
        let mut text = PRELUDE.to_owned();
        if let Some(directory) = &self.directory {
            text.push_str(&["cd -- ", &path_word(directory), " || exit 1\n"].concat());
        }
        let there = |path: &str| {
            let word = glob_word(path);
            ["{ set -- ", &word, "; [ -e \"$1\" ] || [ -L \"$1\" ]; }"].concat()
        };
        text.push_str(&self.presence.question(there));
        text + ":\n"
    }

    /// Runs it and tells how it ended; an exit code other than 0 is a failure.
    pub fn apply(&self, cx: &mut HostCx<'_>) -> Result<Outcome, ModuleError> {
        let directory = match &self.directory {
            Some(path) if path.starts_with('~') => Some(home_expanded(cx, path)?),
            other => other.clone(),
        };
        let job = Job {
            id: cx.job.clone(),
            command: self.command.clone(),
            input: self.input.clone(),
            directory,
            environment: cx.environment.to_vec(),
            on_deadline: cx.on_deadline,
            outlives_session: cx.indivisible || cx.background.is_some(),
        };
        let background = cx.background;
        if let Some(Background { time, waits: false }) = background {
            cx.start(&job, time)?;
            return Ok(Outcome {
                changed: true,
                result: of_job(&job, false),
                ..Outcome::default()
            });
        }
        let (start, from) = (cx.clock.now(), cx.clock.elapsed());
        let end = cx.run(&job)?;
        let took = cx.clock.elapsed().saturating_sub(from);
        let mut outcome = self.told(&end);
        if let (Told::Failed { message, .. }, End::Signal(_)) = (&mut outcome, end.end)
            && cx.deadline.is_over(cx.clock)
        {
            *message = match background {
                Some(background) => format!(
                    "async task did not complete within the requested time - {}s",
                    background.time.as_secs()
                ),
                None => format!("it did not end in time: {message}"),
            };
        }
        let stamp = |time: Timestamp| json!(time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string());
        let times = [
            ("start", stamp(start)),
            ("end", stamp(start.saturating_add(took).unwrap_or(start))),
            ("delta", json!(delta(took))),
        ];
        let fields = match &mut outcome {
            Told::Well(outcome) => &mut outcome.result,
            Told::Failed { result, .. } => result,
        };
        fields.extend(times.map(|(name, value)| (name.to_owned(), value)));
        if background.is_some() {
            fields.extend(of_job(&job, true));
        }
        match outcome {
            Told::Well(outcome) => Ok(outcome),
            Told::Failed { message, result } => Err(ModuleError::Failed { message, result }),
        }
    }

    fn told(&self, end: &JobEnd) -> Told {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            if self.strip {
                text.trim_end_matches(['\r', '\n']).to_owned()
            } else {
                text
            }
        };
        let mut result = self.lines(&text(&end.out), &text(&end.err));
        let (code, message) = match end.end {
            End::Code(code) => (code, "non-zero return code".to_owned()),
            End::Signal(signal) => (
                if self.is_shell() {
                    128 + signal
                } else {
                    -signal
                },
                format!("killed by signal {signal} (or ended with {})", 128 + signal),
            ),
        };
        result.insert("rc".into(), json!(code));
        if end.end == End::Code(0) {
            let mut outcome = Outcome {
                changed: true,
                ..Outcome::default()
            };
            result.insert("msg".into(), json!(""));
            if end.cut {
                outcome
                    .warnings
                    .push("its output is not complete".to_owned());
            }
            outcome.result = result;
            return Told::Well(outcome);
        }
        result.insert("changed".into(), json!(true));
        Told::Failed { message, result }
    }

    fn is_shell(&self) -> bool {
        match &self.command {
            JobCommand::Shell { .. } => true,
            JobCommand::Argv(_) | JobCommand::Script { .. } => false,
        }
    }

    /// Makes the result's fields of both outputs.
    fn lines(&self, out: &str, err: &str) -> Map<String, Value> {
        super::fields([
            ("cmd", self.shown.clone()),
            ("stdout", json!(out)),
            ("stdout_lines", json!(python_lines(out))),
            ("stderr", json!(err)),
            ("stderr_lines", json!(python_lines(err))),
        ])
    }
}

/// Makes the fields of a task with `async`.
fn of_job(job: &Job, finished: bool) -> Map<String, Value> {
    super::fields([
        ("ansible_job_id", json!(job.id.as_str())),
        ("started", json!(1)),
        ("finished", json!(u8::from(finished))),
    ])
}

enum Told {
    Well(Outcome),
    Failed {
        message: String,
        result: Map<String, Value>,
    },
}

/// Splits text as Python's `splitlines` does for the line ends that programs print.
pub fn python_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect();
    if text.is_empty() || text.ends_with('\n') {
        lines.pop();
    }
    lines
}

/// Asks the host what a path that starts with `~` is.
fn home_expanded(cx: &mut HostCx<'_>, path: &str) -> Result<String, ModuleError> {
    let script = [PRELUDE, "printf 'path=%s\\0' ", &path_word(path), "\n"].concat();
    let reply = Reply::of(&cx.script(script)?, "cannot read the home directory")?;
    Ok(reply.get("path").unwrap_or(path).to_owned())
}

fn delta(took: Duration) -> String {
    let seconds = took.as_secs();
    format!(
        "{}:{:02}:{:02}.{:06}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        took.subsec_micros()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_python_does() {
        assert_eq!(python_lines(""), Vec::<&str>::new());
        assert_eq!(python_lines("a"), ["a"]);
        assert_eq!(python_lines("a\r\n\nb\n"), ["a", "", "b"]);
        assert_eq!(python_lines("\n"), [""]);
    }

    #[test]
    fn a_span_is_written_as_python_does() {
        assert_eq!(delta(Duration::from_millis(3_723_004)), "1:02:03.004000");
    }
}
