//! Notes on hosts: looked at, written, removed, over the sessions of the run and as who its steps become there.
//!
//! All of it can be done twice, so that a session that breaks is opened again and the same is asked once more.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::owed::{Lying, look, looked};
use crate::connection::{Become, ConnError, Limit, Reply, Script};
use crate::inventory::HostName;
use crate::playbook::Context;
use crate::yaml::Problem;

use super::gathered::FoundNote;
use super::note::Note;
use crate::rollout::ended::told;
use crate::rollout::engine::Engine;
use crate::rollout::login::{Login, user};
use crate::rollout::outside::{NoSession, Wish};
use crate::rollout::place::Place;

/// How long a host may take to answer at all.
const ANSWERS: Duration = Duration::from_mins(1);
/// How often the same is asked over sessions that break.
const TRIES: u32 = 3;

/// Why a host did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) enum NoAnswer {
    /// It cannot be reached.
    Unreachable(String),
    /// It says no, or its answer makes no sense.
    Refused(String),
}

impl NoAnswer {
    fn of(error: &ConnError) -> Self {
        if error.is_unreachable() {
            Self::Unreachable(error.to_string())
        } else {
            Self::Refused(error.to_string())
        }
    }

    /// Returns the reason.
    pub(in crate::rollout) fn reason(&self) -> &str {
        match self {
            Self::Unreachable(reason) | Self::Refused(reason) => reason,
        }
    }
}

/// What a user has on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::rollout) struct HostSaid {
    /// The notes.
    pub(in crate::rollout) notes: Vec<FoundNote>,
    /// The jobs that run.
    pub(in crate::rollout) jobs: Vec<String>,
}

impl Engine {
    /// Looks at what lies on a host.
    pub(in crate::rollout) fn lying_on(
        &self,
        place: &Place,
        context: &Arc<Context>,
        host: &HostName,
    ) -> Result<HostSaid, NoAnswer> {
        let mut last = String::new();
        // A note may be replaced while it is read.
        for _ in 0..TRIES {
            let reply = self.ask_host(place, context, host, &look())?;
            if reply.code != 0 {
                return Err(NoAnswer::Refused(said(&reply)));
            }
            let Some(Lying { notes, jobs }) = looked(&reply.out) else {
                "its answer is cut off".clone_into(&mut last);
                continue;
            };
            let notes = found(host, notes);
            return Ok(HostSaid { notes, jobs });
        }
        Err(NoAnswer::Refused(last))
    }

    /// Has a host take a note; returns what lies there instead, if it did not take it because of that.
    pub(in crate::rollout) fn note_on(
        &self,
        place: &Place,
        context: &Arc<Context>,
        host: &HostName,
        script: &Script,
    ) -> Result<Vec<FoundNote>, NoAnswer> {
        let reply = self.ask_host(place, context, host, script)?;
        if reply.code != 0 {
            return Err(NoAnswer::Refused(said(&reply)));
        }
        if reply.out.is_empty() {
            return Ok(Vec::new());
        }
        let lying = looked(&reply.out);
        let lying = lying.ok_or_else(|| NoAnswer::Refused("its answer is cut off".to_owned()))?;
        Ok(found(host, lying.notes))
    }

    /// Has a host change something about its notes.
    pub(in crate::rollout) fn tell_host(
        &self,
        place: &Place,
        context: &Arc<Context>,
        host: &HostName,
        script: &Script,
    ) -> Result<(), NoAnswer> {
        let reply = self.ask_host(place, context, host, script)?;
        if reply.code == 0 {
            Ok(())
        } else {
            Err(NoAnswer::Refused(said(&reply)))
        }
    }

    /// Says how a host is reached and as whom it is worked on; nothing where that cannot be told.
    pub(in crate::rollout) fn way_to(
        &self,
        place: &Place,
        context: &Arc<Context>,
        host: &HostName,
    ) -> Option<(Login, Option<Become>)> {
        let scope = self.scope(host.as_str(), &self.around(place, context));
        let (defaults, masker) = (&self.settings.r#become, &self.outside.masker);
        let login = Login::of(&scope, context).ok()?;
        let user = user(&scope, &scope, context, defaults, masker).ok()?;
        Some((login, user))
    }

    fn ask_host(
        &self,
        place: &Place,
        context: &Arc<Context>,
        host: &HostName,
        script: &Script,
    ) -> Result<Reply, NoAnswer> {
        let scope = self.scope(host.as_str(), &self.around(place, context));
        let wrong = |problem: Problem| NoAnswer::Refused(told(&problem));
        let login = Login::of(&scope, context).map_err(wrong)?;
        let (defaults, masker) = (&self.settings.r#become, &self.outside.masker);
        let user = user(&scope, &scope, context, defaults, masker).map_err(wrong)?;
        let wish = Wish {
            host: host.as_str(),
            variables: scope.variables(),
            remote_user: login.remote_user.as_deref(),
            port: login.port,
            connection: login.connection.as_deref(),
        };
        let session = self.sessions.of(&wish);
        let stop = self.stop_at(place);
        let deadline = self.clock().deadline(ANSWERS);
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.reach(&session, &wish, &stop, deadline) {
                Ok(_) => {}
                Err(NoSession::Problem(problem)) => return Err(wrong(problem)),
                Err(NoSession::Connection(error)) => return Err(NoAnswer::of(&error)),
            }
            let limit = Limit {
                clock: self.clock(),
                stop: &stop,
                deadline,
            };
            let mut slot = session.lock();
            let Some(connection) = slot.as_mut() else {
                return Err(NoAnswer::Refused("there is no session".to_owned()));
            };
            match connection.script(user.as_ref(), script, limit) {
                Ok(reply) => return Ok(reply),
                Err(error) if passes(&error) && tries > 0 && !deadline.is_over(self.clock()) => {}
                Err(error) => return Err(NoAnswer::of(&error)),
            }
        }
    }
}

/// Reads notes.
fn found(host: &HostName, notes: Vec<(String, String)>) -> Vec<FoundNote> {
    let read = |(name, text): (String, String)| FoundNote {
        host: host.as_str().to_owned(),
        note: Note::from_text(&text),
        name,
    };
    notes.into_iter().map(read).collect()
}

/// Tells whether the same may be asked again.
fn passes(error: &ConnError) -> bool {
    error.is_unreachable() || matches!(error, ConnError::TimedOut { .. })
}

/// Returns what a script said of its failure, in one line.
fn said(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(&reply.err);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let text = lines.join("; ");
    if text.is_empty() {
        format!("it ended with {}", reply.code)
    } else {
        text
    }
}
