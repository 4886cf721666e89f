//! `systemd` (also `systemd_service` and `service`): a unit's state, whether it starts at boot, whether it is masked.

mod show;

use serde_json::{Map, Value, json};

use super::files::{Append as _, NO, PRELUDE, Reply};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::connection::{End, Job, JobCommand};
use crate::template::shell_quote;
use crate::yaml::Problem;
use show::{Seen, Steps};

static SPEC: ModuleSpec = ModuleSpec {
    name: "systemd",
    aliases: &["systemd_service", "service"],
    summary: "Starts, stops, restarts and reloads a unit, enables and masks it, reloads systemd",
    notes: &[
        "The unit's own state is asked of `systemctl show`, which is what is in force; `NeedDaemonReload` is not trusted: use `daemon_reload` after a unit file or drop-in was written.",
        "Starting and stopping runs as a job that outlives a lost session.",
    ],
    arguments: &[
        Argument::new(
            "name",
            Kind::Str,
            "The unit; without an ending it is a service.",
        )
        .aliases(&["service", "unit"]),
        Argument::new(
            "state",
            Kind::Str,
            "started and stopped change nothing if it is so; restarted and reloaded always do.",
        )
        .choices(&["reloaded", "restarted", "started", "stopped"]),
        Argument::new("enabled", Kind::Flag, "Whether it starts at boot."),
        Argument::new("masked", Kind::Flag, "Whether it cannot be started at all."),
        Argument::new(
            "daemon_reload",
            Kind::Flag,
            "Has systemd read its unit files again, first.",
        )
        .aliases(&["daemon-reload"])
        .default("false"),
        Argument::new(
            "daemon_reexec",
            Kind::Flag,
            "Has systemd start itself again, first.",
        )
        .aliases(&["daemon-reexec"])
        .default("false"),
        Argument::new("scope", Kind::Str, "Whose units.")
            .choices(&["system", "user", "global"])
            .default("system"),
        Argument::new(
            "no_block",
            Kind::Flag,
            "Does not wait until the unit's job is done.",
        )
        .default("false"),
        Argument::new(
            "force",
            Kind::Flag,
            "Replaces links that are in the way of enabling.",
        ),
    ],
    absent: &[
        ("arguments", "write them into the unit or a drop-in"),
        ("args", "write them into the unit or a drop-in"),
        ("pattern", "the unit's state is asked of systemd"),
        ("runlevel", "only for OpenRC"),
        ("sleep", "stop it, `wait_for`, and start it"),
        ("use", "only systemd is supported"),
    ],
    one_of: &[&[
        "state",
        "enabled",
        "masked",
        "daemon_reload",
        "daemon_reexec",
    ]],
    example: "- systemd:\n    name: demo\n    state: restarted\n    daemon_reload: true\n",
    returns: &[
        ("name", "the unit"),
        ("state", "its state after that"),
        ("enabled", "whether it starts at boot"),
        (
            "status",
            "what `systemctl show` said before: ActiveState, SubState, MainPID, Result, FragmentPath, ...",
        ),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Systemd;

impl Module for Systemd {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Wanted::of(arguments)
            .map(|wanted| Box::new(wanted) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

/// A state that a unit shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Started,
    Stopped,
    Restarted,
    Reloaded,
}

#[derive(Debug)]
struct Wanted {
    name: Option<String>,
    state: Option<State>,
    enabled: Option<bool>,
    masked: Option<bool>,
    reload: bool,
    reexec: bool,
    scope: &'static str,
    options: String,
}

impl Wanted {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let flag = |name: &str| arguments.get(name).and_then(Value::as_bool);
        let name = arguments.str("name").map(str::to_owned);
        if let Some(name) = name.as_ref().filter(|name| name.contains(['*', '?', '['])) {
            return Err(ModuleError::failed(format!(
                "`{name}` is a pattern: name one unit"
            )));
        }
        let wanted = Self {
            state: match arguments.str("state") {
                Some("started") => Some(State::Started),
                Some("stopped") => Some(State::Stopped),
                Some("restarted") => Some(State::Restarted),
                Some("reloaded") => Some(State::Reloaded),
                _ => None,
            },
            enabled: flag("enabled"),
            masked: flag("masked"),
            reload: arguments.flag("daemon_reload"),
            reexec: arguments.flag("daemon_reexec"),
            scope: match arguments.str("scope") {
                Some("user") => " --user",
                Some("global") => " --global",
                _ => "",
            },
            options: [("no_block", " --no-block"), ("force", " --force")]
                .iter()
                .filter(|(name, _)| arguments.flag(name))
                .map(|(_, option)| *option)
                .collect(),
            name,
        };
        let about_unit =
            wanted.state.is_some() || wanted.enabled.is_some() || wanted.masked.is_some();
        if about_unit && wanted.name.is_none() {
            return Err(ModuleError::failed(
                "name is required with state, enabled and masked",
            ));
        }
        if !about_unit && !wanted.reload && !wanted.reexec {
            return Err(ModuleError::failed(
                "one of state, enabled, masked, daemon_reload, daemon_reexec is required",
            ));
        }
        Ok(wanted)
    }

    /// Returns the start of each script: the programs, and whose units.
    fn head(&self) -> String {
        let scope = self.scope;
        let own = if scope == " --user" {
            "XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR\n"
        } else {
            ""
        };
        format!(
            "{PRELUDE}{NO}PATH=$PATH:/bin:/usr/bin; export PATH\n\
             command -v systemctl >/dev/null || no 'the host has no systemctl: only hosts with systemd are supported'\n\
             {own}s() {{ systemctl{scope} \"$@\"; }}\n"
        )
    }

    /// Returns the script that reads the unit; with `reload`, systemd reads its files before.
    fn question(&self, reload: bool) -> String {
        let mut text = self.head();
        if reload && self.reload {
            text.push_str("s daemon-reload >&2 || no 'daemon-reload failed'\n");
        }
        if reload && self.reexec {
            text.push_str("s daemon-reexec >&2 || no 'daemon-reexec failed'\n");
        }
        if let Some(name) = &self.name {
            let name = shell_quote(name);
            // The table holds whether it is enabled, except for what it has no file of its own for.
            text.append(format!(
                "o=$(s show -- {name} 2>&1); printf 'rc=%s\\0show=%s\\0' $? \"$o\"\n\
                 case $o in *'\nUnitFileState='[a-z]*) ;; *) printf 'enabled=%s\\0' \"$(s is-enabled -- {name} 2>&1)\" ;; esac\n"
            ));
        }
        text + ":\n"
    }

    fn read(&self, cx: &mut HostCx<'_>, reload: bool) -> Result<Seen, ModuleError> {
        let what = self.name.as_deref().unwrap_or("systemd");
        let reply = Reply::of(&cx.script(self.question(reload))?, what)?;
        Ok(Seen::of(&reply))
    }

    /// Names what must be done: "unmask, enable, start".
    fn change(&self, seen: &Seen, steps: &Steps) -> Change {
        let mut words = Vec::new();
        if self.reload {
            words.push("daemon-reload");
        }
        if self.reexec {
            words.push("daemon-reexec");
        }
        words.extend(steps.words());
        Change {
            summary: match &self.name {
                Some(name) => format!("{name}: {}", words.join(", ")),
                None => words.join(", "),
            },
            silent: steps.is_empty(),
            result: self.result(seen, steps),
            ..Change::default()
        }
    }

    fn result(&self, seen: &Seen, steps: &Steps) -> Map<String, Value> {
        let mut result = fields([("name", json!(self.name)), ("status", json!(seen.status))]);
        if let Some(enabled) = self.enabled {
            result.insert("enabled".into(), json!(enabled));
        }
        if let Some(state) = self.state {
            let after = match state {
                State::Stopped => "stopped",
                State::Started | State::Restarted | State::Reloaded => "started",
            };
            result.insert("state".into(), json!(after));
        }
        if let Some(warning) = &steps.warning {
            result.insert("warnings".into(), json!([warning]));
        }
        result
    }

    /// Makes the steps; starting and stopping runs as the step's job.
    fn make(&self, cx: &mut HostCx<'_>, steps: &Steps) -> Result<(), ModuleError> {
        let Some(name) = self.name.as_ref().filter(|_| !steps.is_empty()) else {
            return Ok(());
        };
        let mut text = self.head();
        let (options, word) = (&self.options, shell_quote(name));
        for verb in steps.words() {
            text.append(format!(
                "s{options} {verb} -- {word} >&2 || {{ r=$?; s show -p ActiveState,SubState,Result,ExecMainStatus -- {word} >&2; no 'unable to {verb} {}'; }}\n",
                name.replace('\'', "")
            ));
        }
        let reply = if steps.action.is_some() {
            let job = Job {
                id: cx.job.clone(),
                command: JobCommand::Shell { text, shell: None },
                input: None,
                directory: None,
                environment: cx.environment.to_vec(),
                on_deadline: cx.on_deadline,
                outlives_session: cx.indivisible,
            };
            let end = cx.run(&job)?;
            crate::connection::Reply {
                code: match end.end {
                    End::Code(code) => code,
                    End::Signal(signal) => 128 + signal,
                },
                out: end.out,
                err: end.err,
            }
        } else {
            cx.script(text)?
        };
        Reply::of(&reply, name).map(|_| ())
    }
}

impl Action for Wanted {
    fn describe(&self) -> String {
        let mut words = Vec::new();
        if self.reload {
            words.push("daemon-reload");
        }
        if self.reexec {
            words.push("daemon-reexec");
        }
        words.extend(
            self.masked
                .map(|masked| if masked { "mask" } else { "unmask" }),
        );
        words.extend(
            self.enabled
                .map(|enabled| if enabled { "enable" } else { "disable" }),
        );
        words.extend(self.state.map(|state| match state {
            State::Started => "start",
            State::Stopped => "stop",
            State::Restarted => "restart",
            State::Reloaded => "reload",
        }));
        format!(
            "{} {}",
            words.join(", "),
            self.name.as_deref().unwrap_or_default()
        )
        .trim()
        .to_owned()
    }

    fn by_hand(&self) -> Option<String> {
        let scope = self.scope;
        let mut lines = Vec::new();
        for verb in self.describe().split(", ") {
            let mut words = verb.splitn(2, ' ');
            let verb = words.next().unwrap_or_default();
            lines.push(match &self.name {
                Some(name) if !verb.starts_with("daemon-") => {
                    format!("systemctl{scope} {verb} {}", shell_quote(name))
                }
                _ => format!("systemctl{scope} {verb}"),
            });
        }
        Some(lines.join(" && "))
    }

    fn safety(&self) -> Option<Safety> {
        matches!(self.state, Some(State::Restarted | State::Reloaded)).then_some(Safety::Once)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let reloads = self.reload || self.reexec;
        if reloads && !cx.check {
            // What the unit is can only be told after systemd has read its files.
            return Ok(Observed::Differs(
                self.change(&Seen::default(), &Steps::default()),
            ));
        }
        let seen = self.read(cx, false)?;
        let steps = self.judge(&seen)?;
        if steps.is_empty() && !reloads {
            return Ok(Observed::Same(Outcome {
                result: self.result(&seen, &steps),
                ..Outcome::default()
            }));
        }
        let mut change = self.change(&seen, &steps);
        change.data = json!({"seen": seen, "steps": steps});
        Ok(Observed::Differs(change))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let known = |name: &str| change.data.get(name).cloned();
        let (seen, steps) = match (known("seen"), known("steps")) {
            (Some(seen), Some(steps)) if !self.reload && !self.reexec => {
                let bad = |error: serde_json::Error| ModuleError::failed(error.to_string());
                (
                    serde_json::from_value(seen).map_err(bad)?,
                    serde_json::from_value(steps).map_err(bad)?,
                )
            }
            _ => {
                let seen = self.read(cx, true)?;
                let steps = self.judge(&seen)?;
                (seen, steps)
            }
        };
        self.make(cx, &steps)?;
        Ok(Outcome {
            changed: !steps.is_empty(),
            result: self.result(&seen, &steps),
            warnings: steps.warning.iter().cloned().collect(),
            ..Outcome::default()
        })
    }
}
