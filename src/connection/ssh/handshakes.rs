//! How many handshakes one SSH server gets at a time: sshd drops connections at random when many have not logged in yet.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::connection::ConnError;
use crate::connection::waiting::{LOOK, Waiting};

/// The most handshakes in flight for one server; sshd's own limit (`MaxStartups`) begins at ten.
const MOST: usize = 8;

/// Counts the handshakes in flight of all connections of a process, by server.
#[derive(Debug, Clone, Default)]
pub struct Handshakes {
    inner: Arc<(Mutex<HashMap<String, usize>>, Condvar)>,
}

/// The right to shake hands with a server; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    handshakes: Handshakes,
    server: String,
}

impl Handshakes {
    /// Makes a counter that knows no server yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for the right to shake hands with a server.
    pub(crate) fn enter(&self, server: &str, waiting: &Waiting<'_>) -> Result<Permit, ConnError> {
        let (counts, freed) = &*self.inner;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let count = counts.entry(server.to_owned()).or_default();
            if *count < MOST {
                *count += 1;
                return Ok(Permit {
                    handshakes: self.clone(),
                    server: server.to_owned(),
                });
            }
            let slice = waiting.slice(LOOK)?;
            counts = freed
                .wait_timeout(counts, slice)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (counts, freed) = &*self.handshakes.inner;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.server) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.server);
            }
        }
        freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Stop, SystemClock};
    use crate::connection::Limit;
    use std::time::Duration;

    #[test]
    fn a_server_gets_so_many_at_once_and_another_one_is_not_held_up() {
        let (clock, stop, handshakes) = (SystemClock::new(), Stop::new(), Handshakes::new());
        let deadline = clock.deadline(Duration::from_millis(50));
        let waiting = Waiting::new(Limit {
            clock: &clock,
            stop: &stop,
            deadline,
        });
        let mut held: Vec<Permit> = (0..MOST)
            .map(|_| handshakes.enter("a:22", &waiting).unwrap())
            .collect();
        assert!(handshakes.enter("b:22", &waiting).is_ok());
        assert!(matches!(
            handshakes.enter("a:22", &waiting),
            Err(ConnError::TimedOut { .. })
        ));
        held.pop();
        assert!(handshakes.enter("a:22", &waiting).is_ok());
        held.clear();
        assert!(
            handshakes.inner.0.lock().unwrap().is_empty(),
            "nothing is kept of servers gone by"
        );
    }
}
