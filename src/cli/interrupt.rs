//! Signals -> the stop flag: the first asks for the next rest point, the second stops waiting, the third quits.

use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::failure::Failure;
use crate::clock::{Stop, StopLevel};

/// Watches signals until it is dropped.
#[derive(Debug)]
pub(super) struct Watching {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Raises the flag by one for each Ctrl-C or SIGTERM; a lost terminal (SIGHUP) never stops a run.
pub(super) fn watch(stop: &Stop) -> Result<Watching, Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::usage(format!("signals cannot be watched: {error}")))?;
    let handle = signals.handle();
    let stop = stop.clone();
    let thread = std::thread::spawn(move || {
        for _signal in signals.forever().filter(|signal| *signal != SIGHUP) {
            let next = match stop.level() {
                StopLevel::None => StopLevel::Drain,
                StopLevel::Drain => StopLevel::Abandon,
                StopLevel::Abandon | StopLevel::Quit => StopLevel::Quit,
            };
            stop.raise(next);
        }
    });
    Ok(Watching {
        handle,
        thread: Some(thread),
    })
}
