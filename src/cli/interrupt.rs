//! Signals -> the stop flag: the first asks for the next rest point, the second stops waiting, the third quits.

use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};

use super::failure::Failure;
use crate::clock::{Stop, StopLevel};

/// The signal by which another process asks for the next rest point, however often it is sent.
pub(super) const DRAIN: i32 = SIGUSR1;

/// The signal by which another process asks no longer to wait for steps in flight.
pub(super) const ABANDON: i32 = SIGUSR2;

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
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, DRAIN, ABANDON])
        .map_err(|error| Failure::usage(format!("signals cannot be watched: {error}")))?;
    let handle = signals.handle();
    let stop = stop.clone();
    let thread = std::thread::spawn(move || {
        for signal in signals.forever().filter(|signal| *signal != SIGHUP) {
            let next = match (signal, stop.level()) {
                (DRAIN, _) | (_, StopLevel::None) if signal != ABANDON => StopLevel::Drain,
                (ABANDON, _) | (_, StopLevel::None | StopLevel::Drain) => StopLevel::Abandon,
                (_, StopLevel::Abandon | StopLevel::Quit) => StopLevel::Quit,
            };
            stop.raise(next);
        }
    });
    Ok(Watching {
        handle,
        thread: Some(thread),
    })
}
