//! What a broken connection means for a step: pure, a table over what broke and how far the step was.

use crate::connection::ConnError;
use crate::modules::spec::Safety;

/// How far a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It only looked.
    Observing,
    /// It was changing something; nothing had been sent yet.
    Starting,
    /// It was changing something.
    Applying,
    /// It waited for its detached job, which has a name: asking again attaches to it.
    InJob,
}

/// What becomes of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is tried again over a new session; when that does not help, it ends as the inner fate.
    Retry(End),
    /// It ends.
    Ends(End),
}

/// How a step ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was done.
    Unreachable,
    /// It did not succeed, and nothing is unclear about it.
    Failed,
    /// Nobody knows.
    InDoubt,
}

/// Decides what a connection's error means.
pub(super) fn fate(error: &ConnError, phase: Phase, safety: Safety) -> Fate {
    let harmless = matches!(phase, Phase::Observing | Phase::Starting)
        || matches!(safety, Safety::ReadOnly | Safety::Engine);
    let unknown = if harmless {
        End::Unreachable
    } else {
        End::InDoubt
    };
    match error {
        ConnError::Unreachable { .. } | ConnError::NotThere { .. } => Fate::Retry(unknown),
        ConnError::HostKey { .. } | ConnError::Auth { .. } => Fate::Ends(unknown),
        ConnError::Become { .. } | ConnError::Host { .. } | ConnError::Fenced { .. } => {
            Fate::Ends(End::Failed)
        }
        ConnError::Lost { .. } => match (phase, safety) {
            (Phase::InJob | Phase::Observing, _) => Fate::Retry(unknown),
            (Phase::Starting | Phase::Applying, Safety::Once) => Fate::Ends(End::InDoubt),
            (_, Safety::ReadOnly | Safety::State | Safety::Engine) => Fate::Retry(unknown),
        },
        ConnError::TimedOut { .. } if harmless => Fate::Ends(End::Failed),
        ConnError::TimedOut { .. } | ConnError::Stopped => Fate::Ends(End::InDoubt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use End::{Failed, InDoubt, Unreachable};
    use Phase::{Applying, InJob, Observing, Starting};
    use std::time::Duration;

    #[test]
    fn what_broke_and_how_far_the_step_was() {
        let text = || "x".to_owned();
        let gone = ConnError::Unreachable {
            host: text(),
            reason: text(),
        };
        let lost = ConnError::Lost {
            host: text(),
            reason: text(),
        };
        let late = ConnError::TimedOut {
            after: Duration::ZERO,
        };
        let key = ConnError::HostKey { message: text() };
        let sudo = ConnError::Become { message: text() };
        let fenced = ConnError::Fenced { holder: text() };
        let (read, state, once) = (Safety::ReadOnly, Safety::State, Safety::Once);
        let (retry, ends) = (Fate::Retry, Fate::Ends);
        let table = [
            (&gone, Observing, once, retry(Unreachable)),
            (&gone, Starting, once, retry(Unreachable)),
            (&gone, Applying, state, retry(InDoubt)),
            (&gone, Applying, read, retry(Unreachable)),
            (&gone, InJob, once, retry(InDoubt)),
            (&lost, Observing, once, retry(Unreachable)),
            (&lost, Starting, once, ends(InDoubt)),
            (&lost, Applying, once, ends(InDoubt)),
            (&lost, InJob, once, retry(InDoubt)),
            (&lost, Applying, state, retry(InDoubt)),
            (&lost, Applying, read, retry(Unreachable)),
            (&late, Observing, state, ends(Failed)),
            (&late, InJob, once, ends(InDoubt)),
            (&late, Applying, read, ends(Failed)),
            (&key, Observing, once, ends(Unreachable)),
            (&key, InJob, once, ends(InDoubt)),
            (&sudo, Applying, once, ends(Failed)),
            (&fenced, Applying, once, ends(Failed)),
            (&fenced, Starting, state, ends(Failed)),
            (&ConnError::Stopped, Observing, read, ends(InDoubt)),
            (&ConnError::Stopped, InJob, once, ends(InDoubt)),
        ];
        for (error, phase, safety, expected) in table {
            let found = fate(error, phase, safety);
            assert_eq!(found, expected, "{error:?} {phase:?} {safety:?}");
        }
    }
}
