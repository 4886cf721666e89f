//! What can go wrong with a session, and above all: whether the other side may have done something.

use std::time::Duration;

/// Why a call on a connection did not give an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnError {
    /// Nothing was sent: the host is as it was, trying again is safe.
    #[error("cannot reach {host}: {reason}")]
    Unreachable {
        /// The host as dialled, with its port.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// Nobody is there as things stand: the name is not known, the port is closed, the connect timeout passed. Nothing
    /// was sent, and trying again at once would only come to the same.
    #[error("cannot reach {host}: {reason}")]
    NotThere {
        /// The host as dialled, with its port.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The session broke after something was sent: it may have been done or not.
    #[error("lost the connection to {host}: {reason}")]
    Lost {
        /// The host as dialled.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The deadline came; a job goes on, a script was abandoned with its session.
    #[error("no answer within {} s", .after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The operator asked to stop waiting.
    #[error("stopped waiting")]
    Stopped,
    /// The host's key is unknown or another one than known.
    #[error("{message}")]
    HostKey {
        /// What was found, what was expected and where that stands.
        message: String,
    },
    /// The login was refused.
    #[error("{message}")]
    Auth {
        /// What was tried.
        message: String,
    },
    /// Another user could not be become.
    #[error("{message}")]
    Become {
        /// What the program said and what to change.
        message: String,
    },
    /// The host cannot do what is needed: a missing program, a full disk, a strange shell.
    #[error("{message}")]
    Host {
        /// What is missing.
        message: String,
    },
    /// The host refused it and did nothing: another run has the cluster's lock by now, with a later token.
    #[error("{holder} has the cluster's lock by now: nothing was done")]
    Fenced {
        /// By which name it has it.
        holder: String,
    },
}

impl ConnError {
    /// Tells whether nothing can have happened on the host.
    pub fn nothing_sent(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NotThere { .. }
            | Self::HostKey { .. }
            | Self::Auth { .. }
            | Self::Become { .. }
            | Self::Fenced { .. } => true,
            Self::Lost { .. } | Self::TimedOut { .. } | Self::Stopped | Self::Host { .. } => false,
        }
    }

    /// Tells whether the host counts as unreachable, as against a failed step.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NotThere { .. }
            | Self::Lost { .. }
            | Self::HostKey { .. }
            | Self::Auth { .. } => true,
            Self::TimedOut { .. }
            | Self::Stopped
            | Self::Become { .. }
            | Self::Host { .. }
            | Self::Fenced { .. } => false,
        }
    }
}
