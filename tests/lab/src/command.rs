//! Programs of the machine that the lab starts: `ip`, `mount`, `ssh`, `dpkg-deb` and so on.
//!
//! The one place in the lab that starts a program. An argument is never read by a shell
//! unless the program is one. What a program says goes to files, not to pipes, so that a
//! child that it leaves behind cannot keep its caller waiting.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::clock;

/// A program with its arguments, not yet started.
#[derive(Debug, Clone)]
#[must_use]
pub struct Command {
    argv: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    limit: Duration,
    shows_errors: bool,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What a program that ended has left.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
    /// How long it ran.
    pub took: Duration,
}

impl Output {
    /// Tells whether the program ended by itself with code 0.
    pub fn is_ok(&self) -> bool {
        self.exit == Exit::Code(0)
    }
}

/// A program that did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started at all.
    #[error("cannot start `{command}`: {source}")]
    NotStarted {
        /// The program and its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a code other than 0 or by a signal.
    #[error("`{command}` ended with {exit}: {said}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        exit: Exit,
        /// The end of what it wrote.
        said: String,
    },
    /// It was still running at its limit, and was ended.
    #[error("`{command}` was still running after {} s and was ended: {said}", limit.as_secs())]
    TooLong {
        /// The program and its arguments.
        command: String,
        /// The limit.
        limit: Duration,
        /// The end of what it wrote until then.
        said: String,
    },
}

/// How long a program may run if nothing else is said.
const USUAL_LIMIT: Duration = Duration::from_mins(1);
/// How much of what a program wrote belongs in an error.
const SAID_LIMIT: usize = 2_000;

impl Command {
    /// Begins a command with the program's name.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            argv: vec![program.as_ref().to_owned()],
            environment: Vec::new(),
            directory: None,
            input: Vec::new(),
            limit: USUAL_LIMIT,
            shows_errors: false,
        }
    }

    /// Splits a line at its spaces: for the many commands that are constant but for one word.
    pub fn line(line: &str) -> Self {
        let mut words = line.split_whitespace();
        words
            .next()
            .map_or_else(|| Self::new(""), Self::new)
            .args(words)
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.argv.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.argv
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Puts another program in front, which starts this one.
    pub fn under(mut self, starter: Self) -> Self {
        self.argv.splice(0..0, starter.argv);
        self.environment.extend(starter.environment);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Sets the directory that it is started in.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets what it reads from its standard input; nothing by default.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets how long it may run.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Lets its standard error go where the lab's own goes, for what takes long.
    pub fn showing_errors(mut self) -> Self {
        self.shows_errors = true;
        self
    }

    /// Runs it to its end and returns what it left, however it ended.
    pub fn output(&self) -> Result<Output, Error> {
        let begin = clock::now();
        let mut running = self.start()?;
        let exit = running.wait(self.limit)?;
        Ok(Output {
            exit,
            out: text_of(&running.out),
            err: text_of(&running.err),
            took: begin.elapsed(),
        })
    }

    /// Runs it to its end, which must be a good one, and returns its standard output.
    pub fn run(&self) -> Result<String, Error> {
        let output = self.output()?;
        if output.is_ok() {
            return Ok(output.out);
        }
        Err(Error::Failed {
            command: self.to_string(),
            exit: output.exit,
            said: end_of(&format!("{}{}", output.err, output.out)),
        })
    }

    /// Starts it without waiting; what it writes is kept until it is asked for.
    pub fn start(&self) -> Result<Running, Error> {
        while IS_CLOSED.load(Ordering::SeqCst) {
            clock::pause(Duration::from_secs(1));
        }
        self.start_now()
    }

    fn start_now(&self) -> Result<Running, Error> {
        let scratch = || tempfile::tempfile().map_err(|source| self.not_started(source));
        let (out, err) = (scratch()?, scratch()?);
        let copy = |file: &File| file.try_clone().map_err(|source| self.not_started(source));
        let mut command = self.prepared();
        command
            .stdin(self.input_file()?)
            .stdout(copy(&out)?)
            .stderr(if self.shows_errors {
                Stdio::inherit()
            } else {
                Stdio::from(copy(&err)?)
            })
            // A group of its own, so that the whole of it can be ended at its limit.
            .process_group(0);
        let child = command.spawn().map_err(|source| self.not_started(source))?;
        Ok(Running {
            child,
            command: self.to_string(),
            begin: clock::now(),
            out,
            err,
        })
    }

    /// Runs it on the terminal of whoever called the lab, without a limit.
    pub fn on_terminal(&self) -> Result<Exit, Error> {
        let status = self
            .prepared()
            .status()
            .map_err(|source| self.not_started(source))?;
        Ok(exit_of(status))
    }

    fn input_file(&self) -> Result<Stdio, Error> {
        if self.input.is_empty() {
            return Ok(Stdio::null());
        }
        let write = || -> io::Result<File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.input)?;
            file.rewind()?;
            Ok(file)
        };
        write()
            .map(Stdio::from)
            .map_err(|source| self.not_started(source))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the lab starts all its programs here"
    )]
    fn prepared(&self) -> std::process::Command {
        let mut argv = self.argv.iter();
        let mut command = std::process::Command::new(argv.next().unwrap_or(&OsString::new()));
        command.args(argv);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    fn not_started(&self, source: io::Error) -> Error {
        Error::NotStarted {
            command: self.to_string(),
            source,
        }
    }
}

/// Whether this process starts programs no more.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Starts a last program; whoever wants to start one from now on waits for ever.
pub fn start_no_more(last: &Command) -> Result<Running, Error> {
    IS_CLOSED.store(true, Ordering::SeqCst);
    last.start_now()
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.argv.iter().map(|a| a.to_string_lossy()).collect();
        f.write_str(&words.join(" "))
    }
}

/// A program that was started and not yet waited for.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command: String,
    begin: Instant,
    out: File,
    err: File,
}

impl Running {
    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns how long ago it was started.
    pub fn age(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Tells how it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<Exit>, Error> {
        match self.child.try_wait() {
            Ok(status) => Ok(status.map(exit_of)),
            Err(source) => Err(Error::NotStarted {
                command: self.command.clone(),
                source,
            }),
        }
    }

    /// Returns what it has written so far: standard output, then standard error.
    pub fn said(&self) -> (String, String) {
        (text_of(&self.out), text_of(&self.err))
    }

    /// Sends it a signal, and to the processes that it started.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // The group is gone when the program is: there is nobody left to tell.
        let _gone = rustix::process::kill_process_group(pid, signal);
    }

    /// Sleeps until the program ends or the time is over, or a little less.
    #[cfg(target_os = "linux")]
    fn sleep_until_it_ends(&self, time: Duration) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let Ok(end) = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()) else {
            return clock::pause(time.min(Duration::from_millis(10)));
        };
        let time = Timespec::try_from(time).ok();
        // However this ends: the caller looks, and comes back if it was too early.
        let _woken = poll(&mut [PollFd::new(&end, PollFlags::IN)], time.as_ref());
    }

    /// Sleeps a little.
    #[cfg(not(target_os = "linux"))]
    fn sleep_until_it_ends(&self, time: Duration) {
        clock::pause(time.min(Duration::from_millis(10)));
    }

    /// Waits for its end; at the limit it is ended, with all that it started.
    pub fn wait(&mut self, limit: Duration) -> Result<Exit, Error> {
        let end = clock::now() + limit;
        loop {
            if let Some(exit) = self.ended()? {
                return Ok(exit);
            }
            let left = end.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            self.sleep_until_it_ends(left);
        }
        self.signal(rustix::process::Signal::KILL);
        let _killed = self.child.wait();
        let (out, err) = self.said();
        Err(Error::TooLong {
            command: self.command.clone(),
            limit,
            said: end_of(&format!("{err}{out}")),
        })
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Reads all of a file without moving the position, which a running program writes at.
///
/// A file that cannot be read back says nothing: how the program ended is what counts.
fn text_of(file: &File) -> String {
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

fn end_of(text: &str) -> String {
    let text = text.trim_end();
    let from = text.len().saturating_sub(SAID_LIMIT);
    let from = (from..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.get(from..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_judged_by_its_end() {
        let cases = [
            ("exit 0", Exit::Code(0)),
            ("exit 3", Exit::Code(3)),
            ("kill -9 $$", Exit::Signal(9)),
        ];
        for (script, exit) in cases {
            let command = Command::line("sh -c").arg(script);
            assert_eq!(command.output().unwrap().exit, exit, "{script}");
            assert_eq!(command.run().is_ok(), exit == Exit::Code(0), "{script}");
        }
    }

    #[test]
    fn both_streams_and_the_input_arrive_whole() {
        let input = vec![b'x'; 3_000_000];
        let output = Command::line("sh -c")
            .arg("tee /dev/stderr")
            .input(input.clone())
            .output()
            .unwrap();
        assert_eq!(output.out.as_bytes(), input);
        assert_eq!(output.err.as_bytes(), input);
    }

    #[test]
    fn a_program_past_its_limit_is_ended_with_its_children() {
        let place = tempfile::tempdir().unwrap();
        let mark = place.path().join("mark");
        let script = format!("(sleep 1; touch {}) & echo begun; sleep 60", mark.display());
        let error = Command::line("sh -c")
            .arg(script)
            .within(Duration::from_millis(200))
            .run()
            .unwrap_err();
        assert!(matches!(&error, Error::TooLong { said, .. } if said == "begun"));
        clock::pause(Duration::from_millis(1_500));
        assert!(!mark.exists(), "the child lived on");
    }

    #[test]
    fn what_a_running_program_has_written_can_be_read_meanwhile() {
        let script = "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.05; done";
        let mut running = Command::line("sh -c").arg(script).start().unwrap();
        while running.ended().unwrap().is_none() {
            assert!(running.said().0.is_empty() || running.said().0.starts_with("line 1\n"));
        }
        let lines: Vec<_> = (1..=6).map(|i| format!("line {i}\n")).collect();
        assert_eq!(running.said().0, lines.concat());
    }

    #[test]
    fn a_child_left_behind_keeps_nobody_waiting() {
        let begin = clock::now();
        Command::line("sh -c")
            .arg("sleep 5 & exit 0")
            .run()
            .unwrap();
        assert!(begin.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn one_program_starts_another_with_its_environment() {
        let inner = Command::line("sh -c").arg("echo $A$B").env("B", "2");
        let command = inner.under(Command::line("env A=1"));
        assert_eq!(command.run().unwrap(), "12\n");
        assert_eq!(command.to_string(), "env A=1 sh -c echo $A$B");
    }
}
