//! `--detach`: a run that goes on without the terminal that it was typed at.
//!
//! The process that was typed starts another one of the same words and waits until that has begun its run. All questions
//! are asked, and all mistakes told, on the terminal before; then the other process leaves the terminal for good, with its
//! lines going into a file beside its journal. `stagger attach` shows it.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::failure::{ExitCode, Failure};
use super::machine::{Environment, Machine, reason};
use super::output;
use super::starting::operator;
use super::surviving::Session;

/// Tells the other process what it is, by who started it.
const DETACHED: &str = "STAGGER_DETACHED";

/// Starts a program with none of the files that whoever started this one left open: a lock among them would be held for
/// as long as the run goes on.
const ONLY_THREE: &str = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec \"$0\" \"$@\"";

/// Tells whether this process is one that is to leave its terminal. The word holds who started it, so that programs which
/// it starts in turn, and which inherit the word, are not taken for one.
pub(super) fn is_wanted(environment: &Environment) -> bool {
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().to_string());
    parent.is_some() && environment.get(DETACHED) == parent.as_deref()
}

/// Starts a process that does what was typed, and waits until its run has begun or failed to.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this program starts itself"
)]
pub(super) fn start(machine: &Machine) -> Result<ExitCode, Failure> {
    if let Some(why) = Session::read(operator(machine)).ends_what_it_started() {
        return Err(Failure::usage(format!(
            "the run would not outlive your session: {why}"
        ))
        .hint("start it outside of the session, such as `sudo systemd-run --scope stagger ...`, or without --detach in a terminal that stays"));
    }
    let cannot = |error: &std::io::Error| {
        Failure::usage(format!("the run cannot be started: {}", reason(error)))
    };
    let program = std::env::current_exe().map_err(|error| cannot(&error))?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", ONLY_THREE])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(DETACHED, std::process::id().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(&error))?;
    let mut run = String::new();
    if let Some(out) = &mut child.stdout {
        out.read_to_string(&mut run)
            .map_err(|error| cannot(&error))?;
    }
    let run = run.trim();
    if run.is_empty() {
        let end = child.wait().map_err(|error| cannot(&error))?;
        let code = end.code().and_then(|code| u8::try_from(code).ok());
        return Ok(code.map_or(ExitCode::Failed, ExitCode::from_number));
    }
    output::message(&format!(
        "run {run} goes on without this terminal: `stagger attach {run}` shows it, `stagger stop {run}` stops it at its next rest point\n"
    ));
    output::data(&format!("{run}\n"))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))?;
    Ok(ExitCode::Done)
}

/// Leaves the terminal: from here on this process is nobody's child, and its lines go into a file.
pub(super) fn leave_terminal(run: &str, lines: &Path) -> Result<(), Failure> {
    let cannot = |why: String| Failure::usage(format!("the run cannot leave its terminal: {why}"));
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(lines)
        .map_err(|error| cannot(reason(&error)))?;
    let nothing = File::open("/dev/null").map_err(|error| cannot(reason(&error)))?;
    let system = |error: rustix::io::Errno| cannot(error.to_string());
    rustix::process::setsid().map_err(system)?;
    rustix::stdio::dup2_stdin(&nothing).map_err(system)?;
    rustix::stdio::dup2_stderr(&file).map_err(system)?;
    output::data(&format!("{run}\n")).map_err(|error| cannot(error.to_string()))?;
    // This ends what the waiting process reads.
    rustix::stdio::dup2_stdout(&file).map_err(system)
}
