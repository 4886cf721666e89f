//! Packages of the host: what is installed, what would change, and changing it, for `apt`, `dnf` and `package`.
//!
//! What changed is told by the lists of installed packages before and after, not by what a program printed. Installing
//! runs as the step's job, so that a lost session never leaves a package half installed.

mod apt;
mod dnf;
mod wanted;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::files::{NO, PRELUDE, Reply};
use super::program::python_lines;
use super::waiting::pause;
use super::{Action, Change, HostCx, ModuleError, Observed, Outcome, fields};
use crate::connection::{End, Job, JobCommand, JobEnd, JobId};

pub use wanted::{Name, Operator, State, Wanted};

/// The program that handles packages on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manager {
    /// `apt-get` and `dpkg`.
    Apt,
    /// `dnf` and `rpm`.
    Dnf,
    /// `yum` and `rpm`.
    Yum,
}

impl Manager {
    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Yum => "yum",
        }
    }
}

/// What a package is on the host now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its version, if it is installed.
    pub version: Option<String>,
    /// Whether it is as asked.
    pub good: bool,
}

/// What a simulation would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulated {
    /// What would be done, one package an entry: "demo 1.0 -> 1.1".
    pub steps: Vec<String>,
}

/// What `apply` needs of what was observed.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    manager: Manager,
    /// Whether the lists are fetched first.
    update: bool,
    /// Whether packages are to be changed, or may be after fetching the lists.
    packages: bool,
    /// The digest of the list of installed packages.
    digest: String,
}

/// How often is tried while another program holds the lock.
const LOCK_PAUSE: Duration = Duration::from_secs(2);

impl Wanted {
    /// Asks which program the host has, unless the task names it, and what is installed.
    fn read(&self, cx: &mut HostCx<'_>) -> Result<(Manager, Reply), ModuleError> {
        let mut text = format!("{PRELUDE}{NO}PATH=$PATH:/usr/bin:/bin:/usr/sbin:/sbin\n");
        let branch = |manager: Manager| {
            let questions = match manager {
                Manager::Apt => self.apt_questions(),
                Manager::Dnf | Manager::Yum => self.rpm_questions(),
            };
            let program = manager.program();
            [
                "if command -v ",
                program,
                " >/dev/null; then printf 'manager=",
                program,
                "\\0'\n",
                &questions,
                "exit 0\nfi\n",
            ]
            .concat()
        };
        for manager in self.managers() {
            text.push_str(&branch(*manager));
        }
        text.push_str(
            "no 'the host has none of the programs that handle packages: apt-get, dnf, yum'\n",
        );
        let reply = Reply::of(&cx.script(text)?, "cannot read what is installed")?;
        let manager = match reply.line("manager") {
            Some("apt-get") => Manager::Apt,
            Some("dnf") => Manager::Dnf,
            _ => Manager::Yum,
        };
        Ok((manager, reply))
    }

    fn standing(&self, manager: Manager, reply: &Reply) -> Result<Vec<Standing>, ModuleError> {
        match manager {
            Manager::Apt => Ok(self.apt_standing(reply)),
            Manager::Dnf | Manager::Yum => self.rpm_standing(reply),
        }
    }

    /// Asks what would be done, and for the digest of what is installed; nothing is changed.
    fn simulate(
        &self,
        cx: &mut HostCx<'_>,
        manager: Manager,
        run: bool,
    ) -> Result<(Simulated, String), ModuleError> {
        let mut text = format!("{PRELUDE}{NO}PATH=$PATH:/usr/bin:/bin:/usr/sbin:/sbin\n");
        text.push_str(&digest_line(manager));
        if run {
            let command = match manager {
                Manager::Apt => self.apt_command(true),
                Manager::Dnf | Manager::Yum => self.rpm_command(manager, true),
            };
            text.push_str(
                &[
                    "o=$(",
                    &command,
                    " 2>&1 </dev/null); printf 'rc=%s\\0said=%s\\0' $? \"$o\"\n",
                ]
                .concat(),
            );
        }
        let reply = Reply::of(&cx.script(text + ":\n")?, "cannot simulate")?;
        let said = reply.get("said").unwrap_or_default();
        let code = reply.line("rc").unwrap_or("0");
        let simulated = match manager {
            _ if !run => Simulated::default(),
            Manager::Apt => apt::simulated(said, code)?,
            Manager::Dnf | Manager::Yum => dnf::simulated(said, code)?,
        };
        Ok((
            simulated,
            reply.line("digest").unwrap_or_default().to_owned(),
        ))
    }

    fn result(&self, reply: &Reply, standing: &[Standing]) -> Map<String, Value> {
        let versions: Map<String, Value> = self
            .names
            .iter()
            .zip(standing)
            .map(|(name, standing)| (name.name.clone(), json!(standing.version)))
            .collect();
        let mut result = fields([("versions", json!(versions))]);
        if let Some(time) = reply
            .line("lists")
            .and_then(|time| time.parse::<i64>().ok())
        {
            result.insert("cache_update_time".into(), json!(time));
            result.insert("cache_updated".into(), json!(false));
        }
        result
    }

    /// Tells whether the lists of packages must be fetched.
    fn lists_are_old(&self, reply: &Reply) -> bool {
        if !self.update_cache {
            return false;
        }
        let number = |name: &str| reply.line(name).and_then(|text| text.parse::<u64>().ok());
        match (
            number("lists"),
            number("now"),
            self.cache_valid_time.as_secs(),
        ) {
            (Some(lists), Some(now), valid) if valid > 0 => now > lists.saturating_add(valid),
            _ => true,
        }
    }

    /// Runs the program as the step's job; while another one holds the lock, again.
    fn run(&self, cx: &mut HostCx<'_>, plan: &Plan) -> Result<JobEnd, ModuleError> {
        let command = match plan.manager {
            Manager::Apt => self.apt_job(plan.update, plan.packages),
            Manager::Dnf | Manager::Yum => self.rpm_job(plan.manager, plan.update, plan.packages),
        };
        let text =
            format!("{PRELUDE}PATH=$PATH:/usr/bin:/bin:/usr/sbin:/sbin; export PATH\n{command}");
        let until = cx.clock.deadline(self.lock_timeout);
        let mut attempt = 0_u32;
        loop {
            let id = match attempt {
                0 => cx.job.clone(),
                _ => JobId::new(&format!("{}.{attempt}", cx.job)),
            };
            let job = Job {
                id,
                command: JobCommand::Shell {
                    text: text.clone(),
                    shell: None,
                },
                input: None,
                directory: None,
                environment: cx.environment.to_vec(),
                on_deadline: cx.on_deadline,
                outlives_session: cx.indivisible,
            };
            let end = cx.run(&job)?;
            let said = String::from_utf8_lossy(&end.err).into_owned();
            let locked = end.end != End::Code(0) && LOCKED.iter().any(|words| said.contains(words));
            if !locked || until.is_over(cx.clock) {
                return Ok(end);
            }
            cx.watch
                .saw("another program holds the lock of the packages");
            pause(cx, LOCK_PAUSE)?;
            attempt += 1;
        }
    }

    /// Runs the program and tells what it changed.
    fn change(&self, cx: &mut HostCx<'_>, plan: &Plan) -> Result<Outcome, ModuleError> {
        let end = self.run(cx, plan)?;
        let (_, reply) = self.read(cx)?;
        let (_, digest) = self.simulate(cx, plan.manager, false)?;
        let standing = self.standing(plan.manager, &reply)?;
        let mut result = self.result(&reply, &standing);
        let (out, err) = (
            String::from_utf8_lossy(&end.out),
            String::from_utf8_lossy(&end.err),
        );
        result.extend(fields([
            ("stdout", json!(out)),
            ("stdout_lines", json!(python_lines(&out))),
            ("stderr", json!(err)),
            ("stderr_lines", json!(python_lines(&err))),
        ]));
        if plan.update {
            result.insert("cache_updated".into(), json!(true));
        }
        let changed = digest != plan.digest;
        let only_lists = plan.update && !plan.packages;
        if end.end == End::Code(0) {
            return Ok(Outcome {
                changed: changed || only_lists || self.cleans(),
                result,
                ..Outcome::default()
            });
        }
        result.insert("changed".into(), json!(changed));
        let (code, said) = match end.end {
            End::Code(code) => (code, format!("ended with {code}")),
            End::Signal(signal) => (128 + signal, format!("was killed by signal {signal}")),
        };
        result.insert("rc".into(), json!(code));
        Err(ModuleError::Failed {
            message: format!(
                "{} {said}: {}",
                plan.manager.program(),
                last_lines(&err, &out)
            ),
            result,
        })
    }
}

/// What the programs say if another one holds the lock.
const LOCKED: [&str; 5] = [
    "Could not get lock",
    "Unable to lock",
    "Unable to acquire the dpkg frontend lock",
    "is locked by another process",
    "Waiting for process with pid",
];

/// Returns the last lines of what was said, errors first.
fn last_lines(err: &str, out: &str) -> String {
    let errors: Vec<&str> = err
        .lines()
        .filter(|line| line.starts_with("E:") || line.starts_with("Error"))
        .collect();
    if !errors.is_empty() {
        return errors.join("; ");
    }
    let text = if err.trim().is_empty() { out } else { err };
    let lines: Vec<&str> = text.trim().lines().collect();
    let skip = lines.len().saturating_sub(5);
    lines.into_iter().skip(skip).collect::<Vec<_>>().join("; ")
}

/// Returns the line that prints a digest of all that is installed.
fn digest_line(manager: Manager) -> String {
    let list = match manager {
        Manager::Apt => "dpkg-query -W -f '${binary:Package} ${Version} ${db:Status-Abbrev}\\n'",
        Manager::Dnf | Manager::Yum => {
            "rpm -qa --qf '%{NAME} %{EPOCH} %{VERSION} %{RELEASE} %{ARCH}\\n' | sort"
        }
    };
    format!("h=$({list} | sha256sum); printf 'digest=%s\\0' \"${{h%% *}}\"\n")
}

impl Action for Wanted {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|name| name.raw.as_str()).collect();
        let verb = match self.state {
            State::Present => "install",
            State::Latest => "install the newest",
            State::Absent => "remove",
            State::BuildDep => "install what is needed to build",
            State::Fixed => "repair what is broken among the packages",
        };
        match (names.is_empty(), self.upgrade.is_some()) {
            (false, _) | (_, false) if self.state == State::Fixed || !names.is_empty() => {
                format!("{verb} {}", names.join(", ")).trim().to_owned()
            }
            (_, true) => "upgrade all packages".to_owned(),
            _ => "tend to the packages' lists".to_owned(),
        }
    }

    fn by_hand(&self) -> Option<String> {
        Some(match self.managers() {
            [Manager::Apt] => self.apt_command(false),
            [manager, ..] if *manager != Manager::Apt => self.rpm_command(*manager, false),
            _ => return None,
        })
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let (manager, reply) = self.read(cx)?;
        let standing = self.standing(manager, &reply)?;
        let update = self.lists_are_old(&reply);
        let result = self.result(&reply, &standing);
        let good = standing.iter().all(|standing| standing.good);
        let whole = self.upgrade.is_some()
            || self.state == State::Fixed
            || self.autoremove
            || self.cleans();
        if good && !whole && !update {
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        let packages = !good || whole;
        // With lists that are about to be fetched a simulation would tell of the old ones.
        let fresh = cx.check || !update;
        let (simulated, digest) = self.simulate(cx, manager, packages && fresh)?;
        let nothing = simulated.steps.is_empty() && !self.cleans();
        if packages && fresh && nothing && !update {
            return Ok(Observed::Same(Outcome {
                result,
                ..Outcome::default()
            }));
        }
        let mut parts = simulated.steps;
        if update {
            parts.insert(0, "fetch the lists".to_owned());
        }
        if self.cleans() {
            parts.push("clean the store of fetched packages".to_owned());
        }
        let silent = update && parts.len() == 1 && !self.names.is_empty() && (good || fresh);
        Ok(Observed::Differs(Change {
            summary: parts.join(", "),
            silent,
            data: json!(Plan {
                manager,
                update,
                packages,
                digest,
            }),
            result,
            ..Change::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError> {
        let plan: Plan = serde_json::from_value(change.data.clone()).map_err(|error| {
            ModuleError::failed(format!("cannot read the change that was observed: {error}"))
        })?;
        let mut outcome = self.change(cx, &plan)?;
        // Lists that were fetched on the way are no change of their own.
        if plan.update && !plan.packages && !self.names.is_empty() {
            outcome.changed = false;
        }
        Ok(outcome)
    }
}
