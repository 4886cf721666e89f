//! Ctrl-C and being told to end, while a fleet is up.
//!
//! The process becomes `lab down` for what it owns: whatever its threads were doing is over
//! in that moment, so nothing is made behind the back of what takes it away.

use std::os::unix::process::CommandExt as _;
use std::path::Path;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::terminal::tell;
use crate::command::Command;
use crate::files;

/// Sees to it that a signal takes down what this process has made.
pub(super) fn take_down_on_signal() {
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        // Then the next fleet takes it down, as after a crash.
        return;
    };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            tell("interrupted: taking the fleet down");
            let error = become_down();
            tell(&format!("error: {error}; `lab down` takes it down"));
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "this process is replaced; nothing is started beside it"
)]
fn become_down() -> std::io::Error {
    std::process::Command::new("/proc/self/exe")
        .arg0("lab")
        .args(["down", "--interrupted"])
        .exec()
}

/// Ends the programs that the lab had started when it was interrupted.
pub(super) fn end_children() -> Result<(), super::Error> {
    let threads = Path::new("/proc/self/task");
    for thread in files::names(threads)? {
        let children = files::read_if_there(&threads.join(thread).join("children"))?;
        for pid in children.unwrap_or_default().split_whitespace() {
            // One that ended meanwhile is what is wanted.
            let _gone = Command::line("kill -9").arg(pid).output()?;
        }
    }
    Ok(())
}
