//! Ctrl-C and being told to end, while a fleet is up.
//!
//! From the signal on this process starts no program any more, and so makes nothing; another
//! one, which no signal to this one's group reaches, ends what it has started and takes its
//! fleets down. Further signals are taken and change nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Error;
use super::terminal::tell;
use crate::command::{self, Command, Exit};
use crate::files;
use crate::fleet::{self, Place};

/// The exit code of a shell for a program that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// Sees to it that a signal takes down what this process has made.
pub(super) fn take_down_on_signal(place: &Place) {
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        // Then the next fleet takes it down, as after a crash.
        return;
    };
    let program = place.program.clone();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            take_down(&program);
        }
    });
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the main thread waits for a program that will never start"
)]
fn take_down(program: &Path) {
    tell("interrupted: taking the fleet down");
    let down = Command::new(program)
        .args(["down", "--interrupted"])
        .arg(std::process::id().to_string());
    let last = command::start_no_more(&down);
    match last.and_then(|mut down| Ok((down.wait(fleet::DOWN_LIMIT)?, down.said()))) {
        Ok((Exit::Code(0), _)) => {}
        Ok((exit, (_, said))) => tell(&format!("{exit}: {said}; try `lab down`")),
        Err(error) => tell(&format!("error: {error}; try `lab down`")),
    }
    std::process::exit(i32::from(INTERRUPTED));
}

/// Ends what an interrupted lab has started, and takes its fleets down.
pub(super) fn finish(place: &Place, pid: u32) -> Result<ExitCode, Error> {
    let own = std::process::id().to_string();
    let threads = PathBuf::from(format!("/proc/{pid}/task"));
    for thread in files::names(&threads)? {
        let children = files::read_if_there(&threads.join(thread).join("children"))?;
        for child in children.unwrap_or_default().split_whitespace() {
            if child != own {
                // One that ended meanwhile is what is wanted.
                let _gone = Command::line("kill -9").arg(child).output()?;
            }
        }
    }
    fleet::take_down_of(place, pid)?;
    Ok(ExitCode::SUCCESS)
}
