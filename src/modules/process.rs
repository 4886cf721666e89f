//! `process`: finds processes by what they exactly are, signals them, waits until they are gone.
//!
//! Never by a pattern that can match the finder itself: by pid with start time, pid file, unit, the exact file that runs,
//! or exact words of the argument vector. A signal goes only to a process that is still the one that was found.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::clock::Woken;
use crate::cluster::process::{self, Process, SHELL};
use crate::cluster::sections::Marker;
use crate::connection::ConnError;
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "process",
    summary: "Finds processes, signals them, waits until they are gone",
    notes: &[
        "Several selectors must all hold. A pid of 0 or 1 is never signalled.",
        "With `signal` or `state: absent` the processes found are signalled and waited for; each is named by pid and start time.",
    ],
    arguments: &[
        Argument::new("pid", Kind::Int, "The process's id."),
        Argument::new("start", Kind::Int, "When it started, in ticks since boot; another start is another process."),
        Argument::new("pid_file", Kind::Path, "A file whose first word is the process's id."),
        Argument::new("unit", Kind::Str, "A systemd unit whose main process it is."),
        Argument::new("exe", Kind::Path, "The file that it runs, exactly."),
        Argument::new("argv", Kind::List, "Words that must each be one of its arguments, exactly."),
        Argument::new("state", Kind::Str, "`present` only looks; `absent` signals (TERM unless `signal` says otherwise) and waits until it is gone.")
            .default("present")
            .choices(&["present", "absent"]),
        Argument::new("signal", Kind::Str, "The signal to send, such as TERM, KILL or HUP."),
        Argument::new("timeout", Kind::Duration, "How long to wait until it is gone.").default("60"),
        Argument::new("at_least", Kind::Int, "Fails when fewer are found.").default("0"),
        Argument::new("at_most", Kind::Int, "Fails when more are found."),
    ],
    one_of: &[&["pid", "pid_file", "unit", "exe", "argv"]],
    safety: Safety::State,
    example: "\
- name: stop the sync master
  process:
    pid: \"{{ master.pid }}\"
    start: \"{{ master.start }}\"
    state: absent",
    returns: &[
        ("processes", "those found: pid, start, exe, argv, user, directory, umask, limits"),
        ("found", "how many"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct ProcessModule;

impl Module for ProcessModule {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let wrong = |message: &str| vec![Problem::at(&arguments.loc, message)];
        let pid = arguments
            .int("pid")
            .map(u32::try_from)
            .transpose()
            .map_err(|_| wrong("`pid` must be a process's id"))?;
        if pid.is_some_and(|pid| pid < 2) {
            return Err(wrong("`pid` is 0 or 1: that is no process of a service")
                .into_iter()
                .map(|problem| problem.hint("the main pid of a unit that does not run is 0"))
                .collect());
        }
        let absent = arguments.str("state") == Some("absent");
        let signal = arguments
            .str("signal")
            .map(|name| name.trim_start_matches("SIG").to_uppercase());
        if signal
            .as_ref()
            .is_some_and(|name| !name.chars().all(|c| c.is_ascii_alphanumeric()))
        {
            return Err(wrong("`signal` must be a signal's name, such as TERM"));
        }
        Ok(Box::new(Find {
            pid,
            start: arguments
                .int("start")
                .and_then(|start| u64::try_from(start).ok()),
            pid_file: arguments.str("pid_file").map(str::to_owned),
            unit: arguments.str("unit").map(str::to_owned),
            exe: arguments.str("exe").map(str::to_owned),
            argv: arguments.list("argv"),
            signal: signal.or_else(|| absent.then(|| "TERM".to_owned())),
            absent,
            timeout: arguments
                .duration("timeout")
                .unwrap_or(Duration::from_mins(1)),
            at_least: arguments.int("at_least").unwrap_or(0),
            at_most: arguments.int("at_most"),
        }))
    }
}

#[derive(Debug)]
struct Find {
    pid: Option<u32>,
    start: Option<u64>,
    pid_file: Option<String>,
    unit: Option<String>,
    exe: Option<String>,
    argv: Vec<String>,
    signal: Option<String>,
    absent: bool,
    timeout: Duration,
    at_least: i64,
    at_most: Option<i64>,
}

impl Find {
    /// Makes the text that prints the candidates; what can be narrowed on the host is narrowed there.
    fn script(&self, marker: &Marker) -> String {
        let mut lines = vec![marker.shell(), SHELL.to_owned()];
        if let Some(pid) = self.pid {
            lines.push(format!("stagger_process {pid}"));
        } else if let Some(file) = &self.pid_file {
            let file = shell_quote(file);
            lines.push(format!(
                "read -r stagger_p stagger_rest 2>/dev/null <{file}; stagger_process \"$stagger_p\""
            ));
        } else if let Some(unit) = &self.unit {
            let unit = shell_quote(unit);
            lines.push(format!("stagger_m=$(systemctl show -p MainPID -- {unit}); stagger_process \"${{stagger_m#MainPID=}}\""));
        } else {
            lines.push(self.search());
        }
        lines.push(":".to_owned());
        lines.join("\n")
    }

    /// Makes the text that looks at every process. By the file that runs it is narrowed with one `ls` for all of them,
    /// whose lines a strange name could at most make longer; what is exactly wanted is judged afterwards.
    fn search(&self) -> String {
        let Some(exe) = &self.exe else {
            return "for stagger_q in /proc/[0-9]*; do stagger_process \"${stagger_q#/proc/}\"; done"
                .to_owned();
        };
        let exe = shell_quote(exe);
        format!(
            "ls -ln /proc/[0-9]*/exe 2>/dev/null | while IFS= read -r stagger_l; do\n\
             case $stagger_l in *' -> '{exe}|*' -> '{exe}' (deleted)') ;; *) continue;; esac\n\
             stagger_l=${{stagger_l#*/proc/}}; stagger_process \"${{stagger_l%%/*}}\"; done"
        )
    }

    fn wanted(&self, process: &Process) -> bool {
        let words = process.command_line();
        let exe = |exe: &String| process.exe.trim_end_matches(" (deleted)") == exe;
        self.pid.is_none_or(|pid| pid == process.pid)
            && self.start.is_none_or(|start| start == process.start)
            && self.exe.as_ref().is_none_or(exe)
            && self.argv.iter().all(|word| words.contains(word))
    }

    fn find(&self, cx: &mut HostCx<'_>) -> Result<Vec<Process>, ModuleError> {
        let marker = cx.marker()?;
        let printed = cx.script(self.script(&marker))?.out;
        let found: Vec<Process> = process::parse(&marker.parts(&printed))
            .into_iter()
            .filter(|process| self.wanted(process))
            .collect();
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        if count < self.at_least || self.at_most.is_some_and(|most| count > most) {
            let pids: Vec<String> = found
                .iter()
                .map(|process| process.pid.to_string())
                .collect();
            let message = format!(
                "found {count} processes, not what was expected: {}",
                pids.join(" ")
            );
            return Err(ModuleError::Failed {
                message,
                result: result(&found),
            });
        }
        Ok(found)
    }
}

impl Action for Find {
    fn describe(&self) -> String {
        match &self.signal {
            Some(signal) => format!("send {signal} to {}", self.title()),
            None => format!("look for {}", self.title()),
        }
    }

    fn safety(&self) -> Option<Safety> {
        Some(match (&self.signal, self.absent) {
            (None, _) => Safety::ReadOnly,
            (Some(_), true) => Safety::State,
            (Some(_), false) => Safety::Once,
        })
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let found = self.find(cx)?;
        if self.signal.is_none() || found.is_empty() {
            return Ok(Observed::Same(Outcome {
                result: result(&found),
                ..Outcome::default()
            }));
        }
        let named: Vec<Value> = found
            .iter()
            .map(|process| json!([process.pid, process.start]))
            .collect();
        let mut change = Change::new(self.describe());
        change.data = Value::from(named);
        change.result = result(&found);
        Ok(Observed::Differs(change))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let named = identities(&change.data);
        let signal = self.signal.as_deref().unwrap_or("TERM");
        let mut text = format!("{SIGNAL}\n");
        for (pid, start) in &named {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "stagger_signal {pid} {start} {signal}");
        }
        let reply = cx.script(text)?;
        if self.absent {
            self.wait(cx, &named)?;
        }
        let mut result = change.result.clone();
        result.insert(
            "signalled".into(),
            reply
                .text()
                .lines()
                .filter_map(|line| line.strip_prefix("sent "))
                .map(Value::from)
                .collect(),
        );
        Ok(Outcome {
            changed: true,
            result,
            ..Outcome::default()
        })
    }
}

impl Find {
    fn title(&self) -> String {
        let parts = [
            self.pid.map(|pid| format!("pid {pid}")),
            self.pid_file
                .as_ref()
                .map(|file| format!("the pid in {file}")),
            self.unit
                .as_ref()
                .map(|unit| format!("the main process of {unit}")),
            self.exe.clone(),
            (!self.argv.is_empty()).then(|| format!("with {}", self.argv.join(" "))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn wait(&self, cx: &mut HostCx<'_>, named: &[(u64, u64)]) -> Result<(), ModuleError> {
        let deadline = cx.clock.deadline(self.timeout).earlier(cx.deadline);
        let asks: Vec<String> = named
            .iter()
            .map(|(pid, start)| format!("stagger_alive {pid} {start} && echo {pid}"))
            .collect();
        let script = format!("{SIGNAL}\n{}\n:", asks.join("\n"));
        loop {
            let text = cx.script(script.clone())?.text();
            let alive: Vec<&str> = text.lines().collect();
            if alive.is_empty() {
                return Ok(());
            }
            cx.watch.saw(&format!("still there: {}", alive.join(" ")));
            if deadline.is_over(cx.clock) {
                let waited = self.timeout.as_secs();
                return Err(ModuleError::failed(format!(
                    "still there after {waited} s: pid {}",
                    alive.join(" ")
                )));
            }
            if cx.clock.wait(Duration::from_millis(200), cx.stop) == Woken::Stopped {
                return Err(ConnError::Stopped.into());
            }
        }
    }
}

/// Shell functions that name a process by pid and start time, so that nobody else's process is ever signalled.
const SIGNAL: &str = r#"stagger_alive() {
  read -r stagger_s 2>/dev/null <"/proc/$1/stat" || return 1
  stagger_s=${stagger_s##*) }
  set -- "$1" "$2" $stagger_s
  [ "$3" != Z ] && [ "${22}" = "$2" ]
}
stagger_signal() { stagger_alive "$1" "$2" && kill -s "$3" "$1" && echo "sent $1"; }"#;

fn identities(data: &Value) -> Vec<(u64, u64)> {
    let pair = |pair: &Value| Some((pair.get(0)?.as_u64()?, pair.get(1)?.as_u64()?));
    data.as_array()
        .map(|pairs| pairs.iter().filter_map(pair).collect())
        .unwrap_or_default()
}

fn result(found: &[Process]) -> Map<String, Value> {
    let mut result = Map::new();
    result.insert("found".into(), json!(found.len()));
    result.insert("processes".into(), found.iter().map(describe).collect());
    result
}

/// A process as templates see it; its environment is left out, it may hold secrets.
fn describe(process: &Process) -> Value {
    json!({
        "pid": process.pid,
        "start": process.start,
        "parent": process.parent,
        "exe": process.exe,
        "program": process.program(),
        "argv": process.command_line(),
        "directory": process.directory,
        "uid": process.uid,
        "gid": process.gid,
        "groups": process.groups,
        "umask": process.umask,
        "limits": process.limits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the shell functions are tried in real shells"
    )]
    fn only_the_very_process_is_signalled() {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let mut child = Command::new("sleep").arg("60").spawn().unwrap();
            let run = |text: String| {
                let output = Command::new(shell[0])
                    .args(&shell[1..])
                    .args(["-c", &text])
                    .output()
                    .unwrap();
                String::from_utf8(output.stdout).unwrap()
            };
            let marker = Marker::new("9e0c");
            let at = marker.shell();
            let seen = run(format!("{at}{SHELL}\nstagger_process {}", child.id()));
            let start = process::parse(&marker.parts(seen.as_bytes()))[0].start;
            let pid = child.id();
            assert_eq!(
                run(format!("{SIGNAL}\nstagger_signal {pid} {} KILL", start + 1)),
                "",
                "another start"
            );
            assert!(child.try_wait().unwrap().is_none(), "it must live on");
            assert_eq!(
                run(format!("{SIGNAL}\nstagger_signal {pid} {start} TERM")),
                format!("sent {pid}\n")
            );
            child.wait().unwrap();
            assert_eq!(
                run(format!(
                    "{SIGNAL}\nstagger_alive {pid} {start} && echo alive"
                )),
                ""
            );
        }
    }

    #[test]
    fn a_pid_of_zero_is_refused() {
        let loc = crate::yaml::Loc::start(&crate::yaml::Source::new("t.yml", "x"));
        let values = json!({"pid": 0, "state": "absent"})
            .as_object()
            .cloned()
            .unwrap();
        let problems = ProcessModule
            .action(&Arguments { values, loc })
            .unwrap_err();
        assert!(problems[0].message.contains("0 or 1"), "{problems:?}");
    }
}
