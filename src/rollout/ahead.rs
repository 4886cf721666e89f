//! Opens the sessions to the next batch's hosts while a batch is worked on, so that no batch begins with handshakes.
//!
//! Only opens, and runs nothing of a task. What cannot be opened is not told of here: the step that needs the session
//! tries anew, waits as it must, and tells. Called where batches are cut.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Stop, StopLevel, Woken};
use crate::connection::Limit;
use crate::inventory::HostName;
use crate::playbook::Play;

use super::engine::Engine;
use super::login::Login;
use super::outside::{GuardMode, Wish};
use super::place::Place;

/// How long opening one session may take here.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often is looked whether the batch that is worked on has reached a host.
const LOOK: Duration = Duration::from_millis(20);

/// How many hosts of the next batch are opened ahead: each session is a process on its host.
const MOST: usize = 20;

/// Tells the thread that opens to end, however the work ends.
struct Over<'a>(&'a Stop);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.raise(StopLevel::Quit);
    }
}

impl Engine {
    /// Does the work of a batch of `hosts`, and beside it opens sessions to those that `follow`.
    pub(super) fn opening_ahead<T>(
        &self,
        place: &Place,
        play: &Arc<Play>,
        (hosts, follow): (&[HostName], &[HostName]),
        work: impl FnOnce() -> T,
    ) -> T {
        // On simulated time nothing runs beside the work.
        if follow.is_empty() || self.settings.guards == GuardMode::Inline {
            return work();
        }
        let stop = Stop::new();
        std::thread::scope(|threads| {
            threads.spawn(|| self.open_ahead(place, play, hosts, follow, &stop));
            let _over = Over(&stop);
            work()
        })
    }

    /// Opens sessions once the hosts before needed theirs: a play that works on the bastion alone reaches no host.
    fn open_ahead(
        &self,
        place: &Place,
        play: &Arc<Play>,
        hosts: &[HostName],
        follow: &[HostName],
        stop: &Stop,
    ) {
        while !hosts
            .iter()
            .any(|host| self.sessions.reached(host.as_str()))
        {
            if self.clock().wait(LOOK, stop) == Woken::Stopped {
                return;
            }
        }
        for host in follow.iter().filter(|host| !self.is_lost(host)).take(MOST) {
            if stop.abandons() || self.outside.stop.level() > StopLevel::None {
                return;
            }
            self.open_one(place, play, host, stop);
        }
    }

    fn open_one(&self, place: &Place, play: &Arc<Play>, host: &HostName, stop: &Stop) {
        let around = self.around(place, &play.context);
        let scope = self.scope(host.as_str(), &around);
        let Ok(login) = Login::of(&scope, &play.context) else {
            return;
        };
        let wish = Wish {
            host: host.as_str(),
            variables: scope.variables(),
            remote_user: login.remote_user.as_deref(),
            port: login.port,
            connection: login.connection.as_deref(),
        };
        let session = self.sessions.of(&wish);
        let deadline = self.clock().deadline(PATIENCE);
        if self.try_to_reach(&session, &wish, stop, deadline).is_err() || !self.sessions.streamed()
        {
            return;
        }
        let limit = Limit {
            clock: self.clock(),
            stop,
            deadline,
        };
        if let Some(connection) = session.lock().as_mut() {
            drop(connection.ready_streams(limit));
        }
    }
}
