//! `reboot`: restarts the machine and waits until it is back.

use std::time::Duration;

use serde_json::json;

use super::files::PRELUDE;
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::wait_for_connection::connect;
use super::waiting::{Look, Wait, Waited, pause};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::connection::ConnError;
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "reboot",
    summary: "Restarts the machine and waits until it answers again",
    notes: &["That it was restarted is told by its boot id, not by its clock."],
    arguments: &[
        Argument::new(
            "reboot_timeout",
            Kind::Duration,
            "How long is waited for it to come back.",
        )
        .default("600"),
        Argument::new(
            "pre_reboot_delay",
            Kind::Duration,
            "How long it is announced before; whole minutes.",
        )
        .default("0"),
        Argument::new(
            "post_reboot_delay",
            Kind::Duration,
            "How long is waited after it is back.",
        )
        .default("0"),
        Argument::new(
            "connect_timeout",
            Kind::Duration,
            "How long one attempt to log in may take.",
        )
        .default("5"),
        Argument::new(
            "test_command",
            Kind::Str,
            "What must succeed before it counts as back.",
        )
        .default("whoami"),
        Argument::new("msg", Kind::Str, "What users are told.")
            .default("Reboot initiated by stagger"),
        Argument::new(
            "reboot_command",
            Kind::Str,
            "What restarts it, instead of `shutdown -r`.",
        ),
    ],
    absent: &[
        ("boot_time_command", "the boot id is read instead"),
        ("search_paths", "give the whole path in `reboot_command`"),
    ],
    safety: Safety::Once,
    example: "- reboot:\n    reboot_timeout: 900\n",
    returns: &[
        ("rebooted", "true"),
        ("elapsed", "how long it took, in seconds"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Reboot;

impl Module for Reboot {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let span = |name: &str, default| {
            arguments
                .duration(name)
                .unwrap_or(Duration::from_secs(default))
        };
        let text = |name: &str, default: &str| arguments.str(name).unwrap_or(default).to_owned();
        Ok(Box::new(Rebooting {
            timeout: span("reboot_timeout", 600),
            before: span("pre_reboot_delay", 0),
            after: span("post_reboot_delay", 0),
            connect: span("connect_timeout", 5),
            test: text("test_command", "whoami"),
            message: text("msg", "Reboot initiated by stagger"),
            command: arguments.str("reboot_command").map(str::to_owned),
        }))
    }
}

#[derive(Debug)]
struct Rebooting {
    timeout: Duration,
    before: Duration,
    after: Duration,
    connect: Duration,
    test: String,
    message: String,
    command: Option<String>,
}

impl Rebooting {
    fn command(&self) -> String {
        match &self.command {
            Some(command) => command.clone(),
            None => format!(
                "shutdown -r {} {}",
                match self.before.as_secs() / 60 {
                    0 => "now".to_owned(),
                    minutes => format!("+{minutes}"),
                },
                shell_quote(&self.message)
            ),
        }
    }

    /// Gives the order; that the session breaks over it is no failure.
    fn order(&self, cx: &mut HostCx<'_>) -> Result<(), ModuleError> {
        let script = format!("{PRELUDE}PATH=$PATH:/sbin:/usr/sbin\n{}\n", self.command());
        match cx.script(script) {
            Ok(reply) if reply.code == 0 => Ok(()),
            Ok(reply) => Err(ModuleError::failed(format!(
                "Reboot command failed: {}",
                String::from_utf8_lossy(&reply.err).trim()
            ))),
            Err(ModuleError::Connection(ConnError::Lost { .. } | ConnError::TimedOut { .. })) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn back(&self, cx: &mut HostCx<'_>, before: &str) -> Result<Look<()>, ModuleError> {
        let boot = match connect(cx, self.connect)? {
            Look::Done(boot) => boot,
            Look::NotYet(seen) => return Ok(Look::NotYet(seen)),
        };
        if boot == before {
            return Ok(Look::NotYet("it was not restarted yet".to_owned()));
        }
        match cx.script(format!("{PRELUDE}{}\n", self.test)) {
            Ok(reply) if reply.code == 0 => Ok(Look::Done(())),
            Ok(reply) => Ok(Look::NotYet(format!(
                "`{}` ends with {}",
                self.test, reply.code
            ))),
            Err(error @ ModuleError::Connection(ConnError::Stopped)) => Err(error),
            Err(error) => Ok(Look::NotYet(error.to_string())),
        }
    }
}

impl Action for Rebooting {
    fn describe(&self) -> String {
        "restart the machine".to_owned()
    }

    fn by_hand(&self) -> Option<String> {
        Some(self.command())
    }

    fn observe(&self, _cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        Ok(Observed::Differs(Change::new("restart the machine")))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        let before = match connect(cx, self.connect)? {
            Look::Done(boot) => boot,
            Look::NotYet(seen) => return Err(ModuleError::failed(seen)),
        };
        if before.is_empty() {
            return Err(ModuleError::failed(
                "the host shows no boot id, so that a restart could not be told",
            ));
        }
        self.order(cx)?;
        let wait = Wait {
            delay: self.before,
            sleep: Duration::from_secs(2),
            timeout: self.timeout.saturating_add(self.before),
        };
        match wait.until(cx, |cx| self.back(cx, &before))? {
            Waited::Done((), elapsed) => {
                pause(cx, self.after)?;
                Ok(Outcome {
                    changed: true,
                    result: fields([
                        ("rebooted", json!(true)),
                        ("elapsed", json!(elapsed.as_secs())),
                    ]),
                    ..Outcome::default()
                })
            }
            Waited::TimedOut(seen, elapsed) => Err(ModuleError::Failed {
                message: format!("Timed out waiting for the machine to come back: {seen}"),
                result: fields([
                    ("rebooted", json!(true)),
                    ("elapsed", json!(elapsed.as_secs())),
                ]),
            }),
        }
    }
}
