//! `stagger exec PATTERN -- COMMAND`: one command on many hosts, at once.
//!
//! Prints each host's answer as a whole, as `ansible` does: as they come, or hosts that answer the same together. The
//! first Ctrl-C begins no further host, the second no longer waits for those that were begun.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, json};

use super::super::args::{Exec, Selection};
use super::super::failure::{ExitCode, Failure};
use super::super::machine::{Machine, reason};
use super::super::prepared::{MachineTemplaters, Mode, world};
use super::super::sessions::{MachineConnector, wrong_variables};
use super::super::starting::asked_passwords;
use super::super::{interrupt, output, settings, vaults};
use crate::clock::{Clock as _, Deadline, Stop, StopLevel, SystemClock};
use crate::connection::{
    Become, Connection, End, Job, JobCommand, JobEnd, JobId, Limit, OnDeadline,
};
use crate::inventory::HostName;
use crate::rollout::{
    BecomeDefaults, Connector as _, NoSession, Templaters as _, Wish, become_for,
};
use crate::secrets::Masker;
use crate::template::{Templater, Variables};
use crate::vars::{Layers, World};

/// How often it is looked whether somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// What a host answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Answer {
    code: ExitCode,
    /// How it went, as it stands behind the host's name.
    how: String,
    out: String,
    err: String,
}

impl Answer {
    fn without_output(code: ExitCode, how: String) -> Self {
        Self {
            code,
            how,
            out: String::new(),
            err: String::new(),
        }
    }

    fn of(end: &JobEnd) -> Self {
        let (code, how) = match end.end {
            End::Code(0) => (ExitCode::Done, "CHANGED | rc=0 >>".to_owned()),
            End::Code(code) => (ExitCode::Failed, format!("FAILED | rc={code} >>")),
            End::Signal(signal) => (ExitCode::Failed, format!("FAILED | signal {signal} >>")),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code,
            how,
            out: text(&end.out),
            err: text(&end.err),
        }
    }

    fn shown(&self, hosts: &str, one_line: bool) -> String {
        let mut lines: Vec<&str> = self.out.lines().chain(self.err.lines()).collect();
        if one_line {
            let rest = lines.join("\\n");
            return format!("{hosts} | {} {rest}", self.how)
                .trim_end()
                .to_owned()
                + "\n";
        }
        let first = format!("{hosts} | {}", self.how);
        lines.insert(0, &first);
        lines.join("\n") + "\n"
    }
}

/// What all hosts have in common.
struct Everywhere<'a> {
    arguments: &'a Exec,
    world: Arc<World>,
    connector: MachineConnector,
    templater: Templater,
    defaults: BecomeDefaults,
    masker: Masker,
    clock: Arc<SystemClock>,
    stop: Stop,
}

/// Runs the command on every host of the pattern, and prints what each said.
pub(in crate::cli) fn run(arguments: &Exec, machine: &Machine) -> Result<ExitCode, Failure> {
    let inventory = settings::inventory(&arguments.sources, machine)?;
    let mut hosts = inventory.select(&arguments.pattern, None)?;
    if let Some(limit) = settings::limit(&inventory, &arguments.sources, machine)? {
        hosts = limit.apply(&inventory, &hosts);
    }
    let everywhere = Everywhere::new(arguments, inventory, machine)?;
    let wrong = wrong_variables(&everywhere.world, "", &hosts, &everywhere.templater);
    if !wrong.is_empty() {
        return Err(wrong.into());
    }
    if let Some(directory) = &arguments.tree {
        std::fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
    }
    let watching = interrupt::watch(&everywhere.stop)?;
    let answers = everywhere.ask_all(&hosts)?;
    drop(watching);
    if arguments.group {
        let mut same: BTreeMap<&Answer, Vec<&str>> = BTreeMap::new();
        for (host, answer) in &answers {
            same.entry(answer).or_default().push(host.as_str());
        }
        for (answer, hosts) in same {
            print(&answer.shown(&hosts.join(","), arguments.one_line));
        }
    }
    if let Some(directory) = &arguments.tree {
        for (host, answer) in &answers {
            write(directory, host, answer)?;
        }
    }
    let codes = answers.iter().map(|(_, answer)| answer.code);
    Ok(codes.max().unwrap_or(ExitCode::Done))
}

fn print(text: &str) {
    // Who reads it may be gone; the hosts are asked all the same.
    drop(output::data(text));
}

/// Writes a host's answer into a file of its name.
fn write(directory: &Path, host: &HostName, answer: &Answer) -> Result<(), Failure> {
    let path = directory.join(host.as_str());
    let value = json!({"result": answer.how.trim_end_matches(" >>"), "stdout": answer.out, "stderr": answer.err});
    let text = format!("{value}\n");
    Machine::write_file(&path, text.as_bytes(), 0o600).map_err(|error| cannot_write(&path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "cannot write {}: {}",
        path.display(),
        reason(error)
    ))
}

impl<'a> Everywhere<'a> {
    fn new(
        arguments: &'a Exec,
        inventory: crate::inventory::Inventory,
        machine: &Machine,
    ) -> Result<Self, Failure> {
        let none = Selection {
            tags: Vec::new(),
            skip_tags: Vec::new(),
        };
        let (sources, reaching) = (&arguments.sources, &arguments.reaching);
        let world = world(inventory, sources, &none, Mode::default(), machine)?;
        let clock = Arc::new(SystemClock::new());
        let templater = MachineTemplaters::new(machine, &clock).searching(&[]);
        let masker = vaults::masker(machine);
        let (login, become_password) = asked_passwords(reaching, &masker)?;
        let connector = MachineConnector::new(machine, templater.clone(), reaching, login)?;
        Ok(Self {
            arguments,
            world,
            connector,
            templater,
            defaults: BecomeDefaults {
                wanted: reaching.become_user_wanted,
                user: reaching.become_user.clone(),
                method: reaching.become_method.clone(),
                password: become_password,
            },
            masker,
            clock,
            stop: Stop::new(),
        })
    }

    /// Asks all hosts, so many at once; the answers are in the order of the hosts.
    fn ask_all(&self, hosts: &[HostName]) -> Result<Vec<(HostName, Answer)>, Failure> {
        let at_once = self.arguments.reaching.forks.clamp(1, hosts.len().max(1));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(at_once).build();
        let pool =
            pool.map_err(|error| Failure::usage(format!("threads cannot be started: {error}")))?;
        let answers = Mutex::new(BTreeMap::new());
        let is_over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| self.tell_stops(&is_over));
            pool.in_place_scope(|scope| {
                for (number, host) in hosts.iter().enumerate() {
                    let answers = &answers;
                    scope.spawn(move |_| {
                        let answer = self.ask(host);
                        // One whole answer is printed at a time.
                        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                        if !self.arguments.group {
                            print(&answer.shown(host.as_str(), self.arguments.one_line));
                        }
                        answers.insert(number, (host.clone(), answer));
                    });
                }
            });
            is_over.store(true, Ordering::Relaxed);
        });
        let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(answers.into_values().collect())
    }

    /// Says what a Ctrl-C does, as soon as it was pressed.
    fn tell_stops(&self, is_over: &AtomicBool) {
        let mut told = StopLevel::None;
        let never = Stop::new();
        while !is_over.load(Ordering::Relaxed) {
            let level = self.stop.level();
            if level != told {
                told = level;
                output::message(match level {
                    StopLevel::None => "",
                    StopLevel::Drain => {
                        "no further host begins; waiting for those that were begun \
                         (Ctrl-C again: no longer wait, the command goes on there)\n"
                    }
                    StopLevel::Abandon | StopLevel::Quit => "no longer waiting\n",
                });
            }
            self.clock.wait(LOOK, &never);
        }
    }

    fn ask(&self, host: &HostName) -> Answer {
        if self.stop.level() != StopLevel::None {
            let how = "NOT RUN: interrupted".to_owned();
            return Answer::without_output(ExitCode::Interrupted, how);
        }
        let mut answer = self.on_host(host).unwrap_or_else(|answer| answer);
        for text in [&mut answer.how, &mut answer.out, &mut answer.err] {
            *text = self.masker.mask(text);
        }
        answer
    }

    fn on_host(&self, host: &HostName) -> Result<Answer, Answer> {
        let (layers, top) = (Arc::new(Layers::default()), Arc::new(Map::new()));
        let scope = self.world.scope(host.as_str(), "", &layers, &top);
        let variables: Arc<dyn Variables> = Arc::new(scope);
        let wrong = |problem: &crate::yaml::Problem| {
            Answer::without_output(ExitCode::Usage, format!("WRONG: {}", problem.message))
        };
        let user = become_for(&variables, &self.templater, &self.defaults, &self.masker)
            .map_err(|problem| wrong(&problem))?;
        let wish = Wish {
            host: host.as_str(),
            variables: &variables,
            remote_user: None,
            port: None,
            connection: None,
        };
        let mut session = self
            .connector
            .connect(&wish)
            .map_err(|problem| match problem {
                NoSession::Problem(problem) => wrong(&problem),
                NoSession::Connection(error) => unreachable(&error),
            })?;
        let job = self.job(host);
        let limit = Limit {
            clock: self.clock.as_ref(),
            stop: &self.stop,
            deadline: Deadline::NEVER,
        };
        self.run_job(session.as_mut(), user.as_ref(), &job, limit)
    }

    fn run_job(
        &self,
        session: &mut dyn Connection,
        user: Option<&Become>,
        job: &Job,
        limit: Limit<'_>,
    ) -> Result<Answer, Answer> {
        let mut began = false;
        let result = session.job(user, job, limit, &mut |_| began = true);
        match result {
            Ok(end) => {
                drop(session.forget(user, std::slice::from_ref(&job.id), limit));
                Ok(Answer::of(&end))
            }
            Err(error) if self.stop.abandons() => {
                let how = if began || !error.nothing_sent() {
                    "IN DOUBT: interrupted; the command may still run there"
                } else {
                    "NOT RUN: interrupted"
                };
                let code = ExitCode::Interrupted;
                Err(Answer::without_output(code, how.to_owned()))
            }
            Err(error) if error.is_unreachable() => Err(unreachable(&error)),
            Err(error) => {
                let how = format!("FAILED: {error}");
                Err(Answer::without_output(ExitCode::Failed, how))
            }
        }
    }

    fn job(&self, host: &HostName) -> Job {
        let command = match self.arguments.command.as_slice() {
            [line] => JobCommand::Shell {
                text: line.clone(),
                shell: None,
            },
            words => JobCommand::Argv(words.iter().map(|word| word.clone().into_bytes()).collect()),
        };
        let now = self.clock.now().as_nanosecond();
        Job {
            id: JobId::new(&format!("exec-{now}-{host}")),
            command,
            input: None,
            directory: None,
            environment: Vec::new(),
            on_deadline: OnDeadline::Leave,
            outlives_session: false,
        }
    }
}

fn unreachable(error: &crate::connection::ConnError) -> Answer {
    Answer::without_output(ExitCode::Unreachable, format!("UNREACHABLE! => {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_as_ansible_shows_it() {
        let end = |end, out: &str, err: &str| JobEnd {
            end,
            out: out.as_bytes().to_vec(),
            err: err.as_bytes().to_vec(),
            cut: false,
        };
        let table = [
            (
                end(End::Code(0), "a\nb\n", ""),
                "h | CHANGED | rc=0 >>\na\nb\n",
                "h | CHANGED | rc=0 >> a\\nb\n",
            ),
            (
                end(End::Code(3), "", "no\n"),
                "h | FAILED | rc=3 >>\nno\n",
                "h | FAILED | rc=3 >> no\n",
            ),
            (
                end(End::Signal(9), "", ""),
                "h | FAILED | signal 9 >>\n",
                "h | FAILED | signal 9 >>\n",
            ),
        ];
        for (end, whole, line) in table {
            let answer = Answer::of(&end);
            assert_eq!(answer.shown("h", false), whole);
            assert_eq!(answer.shown("h", true), line);
        }
    }
}
