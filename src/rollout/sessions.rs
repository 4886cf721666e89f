//! The sessions to the hosts: one for the steps of each host and login, opened when first needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{Deadline, Stop, Woken};
use crate::connection::{ConnError, Connection, Identity, Limit};

use super::engine::Engine;
use super::outside::{NoSession, Wish};

/// Which session: host, login, port and kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    host: String,
    remote_user: Option<String>,
    port: Option<u16>,
    connection: Option<String>,
}

/// A session that one step at a time may use.
#[derive(Debug, Default)]
pub(super) struct Session {
    connection: Mutex<Option<Box<dyn Connection>>>,
    reached: AtomicBool,
    given_up: AtomicBool,
}

impl Session {
    /// Takes the session for a step.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Connection>>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the host was ever reached through it.
    pub(super) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Tells whether its host was waited for in vain since it last answered: who needs it next tries once, and has his own
    /// way to try again.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Notes that its host was waited for in vain, or that it answered.
    pub(super) fn give_up(&self, in_vain: bool) {
        self.given_up.store(in_vain, Ordering::Relaxed);
    }

    /// Ends the session; the next call opens a new one.
    pub(super) fn reset(&self) {
        if let Some(connection) = self.lock().as_mut() {
            connection.reset();
        }
    }
}

/// All sessions of a run.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<Key, Arc<Session>>>,
    streamed: AtomicBool,
}

impl Sessions {
    /// Returns the session for a wish; nothing is opened yet.
    pub(super) fn of(&self, wish: &Wish<'_>) -> Arc<Session> {
        let key = Key {
            host: wish.host.to_owned(),
            remote_user: wish.remote_user.map(str::to_owned),
            port: wish.port,
            connection: wish.connection.map(str::to_owned),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(key).or_default())
    }

    /// Tells whether a host was reached through any session.
    pub(super) fn reached(&self, host: &str) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter()
            .any(|(key, session)| key.host == host && session.was_reached())
    }

    /// Notes that a step went through a host to somewhere else.
    pub(super) fn streams(&self) {
        self.streamed.store(true, Ordering::Relaxed);
    }

    /// Tells whether any step of the run has done so.
    pub(super) fn streamed(&self) -> bool {
        self.streamed.load(Ordering::Relaxed)
    }

    /// Ends every session of a host.
    pub(super) fn reset(&self, host: &str) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mine: Vec<Arc<Session>> = open
            .iter()
            .filter(|(key, _)| key.host == host)
            .map(|(_, session)| Arc::clone(session))
            .collect();
        drop(open);
        for session in mine {
            session.reset();
        }
    }
}

impl Engine {
    /// Opens a session if it is not open, and tells which boot of which machine is there. Nothing of a step is sent, so
    /// that it is tried again for a while; once, where that was in vain before.
    pub(super) fn reach(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        stop: &Stop,
        deadline: Deadline,
    ) -> Result<Identity, NoSession> {
        let waits = if session.is_given_up() {
            &[]
        } else if session.was_reached() {
            self.settings.reconnect.as_slice()
        } else {
            self.settings.connect.as_slice()
        };
        let mut waits = waits.iter();
        loop {
            match self.try_to_reach(session, wish, stop, deadline) {
                Err(NoSession::Connection(error)) if may_pass(&error, session.was_reached()) => {
                    let wait = waits.next().filter(|_| !deadline.is_over(self.clock()));
                    let Some(wait) = wait else {
                        session.give_up(true);
                        return Err(NoSession::Connection(error));
                    };
                    if self.clock().wait(*wait, stop) == Woken::Stopped {
                        return Err(NoSession::Connection(ConnError::Stopped));
                    }
                }
                other => {
                    if other.is_ok() {
                        session.give_up(false);
                    }
                    return other;
                }
            }
        }
    }

    pub(super) fn try_to_reach(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        stop: &Stop,
        deadline: Deadline,
    ) -> Result<Identity, NoSession> {
        let mut slot = session.lock();
        if slot.is_none() {
            *slot = Some(self.outside.connector.connect(wish)?);
        }
        let limit = Limit {
            clock: self.clock(),
            stop,
            deadline,
        };
        let Some(connection) = slot.as_mut() else {
            return Err(NoSession::Connection(ConnError::Stopped));
        };
        match connection.identity(limit) {
            Ok(identity) => {
                session.reached.store(true, Ordering::Relaxed);
                Ok(identity)
            }
            Err(error) => Err(NoSession::Connection(error)),
        }
    }
}

/// Tells whether trying again may help: a host that was there may come back, one that never was will not.
fn may_pass(error: &ConnError, was_reached: bool) -> bool {
    match error {
        ConnError::Unreachable { .. } | ConnError::Lost { .. } => true,
        ConnError::NotThere { .. } => was_reached,
        ConnError::TimedOut { .. }
        | ConnError::Stopped
        | ConnError::HostKey { .. }
        | ConnError::Auth { .. }
        | ConnError::Become { .. }
        | ConnError::Host { .. }
        | ConnError::Fenced { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_never_was_there_is_not_waited_for() {
        let (host, reason) = ("a:22".to_owned(), "refused".to_owned());
        let closed = ConnError::NotThere {
            host: host.clone(),
            reason: reason.clone(),
        };
        let broken = ConnError::Unreachable { host, reason };
        assert!(!may_pass(&closed, false) && may_pass(&closed, true));
        assert!(may_pass(&broken, false) && may_pass(&broken, true));
        assert!(!may_pass(&ConnError::Stopped, true));
    }
}
