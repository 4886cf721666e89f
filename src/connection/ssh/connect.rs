//! Opening a session: each hop dialled, its handshake made, its key checked, the user logged in.
//!
//! A break before anything was tried at the login is dialled again with a growing pause, since nothing was sent; nothing
//! else is. A hop after the first is reached through a pump over the hop before.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a time that ran out gets its host named; every other error has its own words already"
)]

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt;

use crate::connection::target::Target;
use crate::connection::waiting::Waiting;
use crate::connection::{ConnError, Endpoint, dial};

use super::algorithms;
use super::auth::{Refusal, log_in};
use super::handshakes::Handshakes;
use super::host_key;
use super::live::{Live, Trouble};
use super::pump::Pump;

/// The pauses before a broken handshake is tried again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1_200),
    Duration::from_millis(2_500),
];

/// The pause before a host that is not there is dialled again, where somebody wants that.
const ATTEMPT: Duration = Duration::from_secs(1);

/// How long a login may take after the handshake.
const LOGIN: Duration = Duration::from_mins(1);

/// A session that is logged in, and what it goes through.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The session.
    pub(crate) live: Live,
    /// The pump over the last jump host; dropping it ends the way there.
    pub(crate) through: Option<Pump>,
}

/// Opens a session to the target, through its jumps.
pub(crate) fn connect(
    target: &Target,
    handshakes: &Handshakes,
    waiting: &Waiting<'_>,
) -> Result<Opened, ConnError> {
    let mut through: Option<Pump> = None;
    for jump in &target.jumps {
        let live = hop(jump, through.as_ref(), handshakes, waiting)?;
        // The pump before ends by itself when this hop's socket closes.
        through = Some(Pump::start(live, waiting)?);
    }
    let live = hop(target, through.as_ref(), handshakes, waiting)?;
    Ok(Opened { live, through })
}

fn hop(
    target: &Target,
    through: Option<&Pump>,
    handshakes: &Handshakes,
    waiting: &Waiting<'_>,
) -> Result<Live, ConnError> {
    let host = dial::place(&target.address, target.port);
    let mut pauses = PAUSES.iter();
    let mut attempts = 1;
    loop {
        match try_hop(target, &host, through, handshakes, waiting) {
            Ok(live) => return Ok(live),
            Err(Refusal::Final(ConnError::NotThere { .. })) if attempts < target.way.attempts => {
                attempts += 1;
                waiting.pause(ATTEMPT)?;
            }
            Err(Refusal::Final(error)) => return Err(error),
            Err(Refusal::Broke(reason)) => {
                let unreachable = ConnError::Unreachable {
                    host: host.clone(),
                    reason,
                };
                let Some(pause) = pauses.next() else {
                    return Err(unreachable);
                };
                match waiting.pause(*pause) {
                    Ok(()) => {}
                    Err(ConnError::Stopped) => return Err(ConnError::Stopped),
                    Err(_) => return Err(unreachable),
                }
            }
        }
    }
}

fn try_hop(
    target: &Target,
    host: &str,
    through: Option<&Pump>,
    handshakes: &Handshakes,
    waiting: &Waiting<'_>,
) -> Result<Live, Refusal> {
    let not_reached = |error: ConnError| match error {
        ConnError::TimedOut { after } => Refusal::Final(ConnError::NotThere {
            host: host.to_owned(),
            reason: format!("no session within {:.1} s", after.as_secs_f64()),
        }),
        error => Refusal::Final(error),
    };
    let permit = handshakes.enter(host, waiting).map_err(not_reached)?;
    let dialling = waiting.within(target.timeouts.connect);
    let socket = socket(target, through, &dialling).map_err(not_reached)?;
    let mut live = Live::new(socket, host.to_owned(), target.timeouts).map_err(Refusal::Broke)?;
    live.session.set_compress(target.way.compression);
    algorithms::offer(&live.session, &target.algorithms).map_err(|unknown| {
        Refusal::Final(ConnError::NotThere {
            host: host.to_owned(),
            reason: unknown.reason,
        })
    })?;
    if target.algorithms.host_keys.is_none() {
        host_key::prefer_known(&live.session, target).map_err(Refusal::Final)?;
    }
    live.drive(&dialling, ssh2::Session::handshake)
        .map_err(|trouble| match trouble {
            Trouble::Ssh(error) => broken_handshake(host, &error),
            Trouble::Waiting(ConnError::Unreachable { reason, .. }) => Refusal::Broke(reason),
            Trouble::Waiting(error) => not_reached(error),
        })?;
    host_key::check(&live.session, target).map_err(Refusal::Final)?;
    log_in(&mut live, target, &waiting.within(LOGIN))?;
    drop(permit);
    Ok(live)
}

/// Tells a handshake that broke, which may go better, from one that found nothing in common.
fn broken_handshake(host: &str, error: &ssh2::Error) -> Refusal {
    if matches!(error.code(), ssh2::ErrorCode::Session(-5 | -8))
        && !error.message().contains("recv")
    {
        return Refusal::Final(ConnError::Unreachable {
            host: host.to_owned(),
            reason: format!(
                "the handshake failed: {}; the server may offer only algorithms that are too old",
                error.message()
            ),
        });
    }
    Refusal::Broke(format!("the handshake broke: {}", error.message()))
}

fn socket(
    target: &Target,
    through: Option<&Pump>,
    waiting: &Waiting<'_>,
) -> Result<OwnedFd, ConnError> {
    let Some(pump) = through else {
        let socket = dial::tcp_by(&target.way, &target.address, target.port, waiting)?;
        let patience = target.timeouts.keepalive * (target.timeouts.keepalive_misses + 1);
        if !patience.is_zero() {
            // Data that nobody acknowledges for so long means that the host or the way to it is gone.
            let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
            let keepalive = target.way.tcp_keepalive;
            let set = sockopt::set_tcp_user_timeout(&socket, milliseconds)
                .and_then(|()| sockopt::set_socket_keepalive(&socket, keepalive));
            set.map_err(|error| ConnError::Unreachable {
                host: dial::place(&target.address, target.port),
                reason: std::io::Error::from(error).to_string(),
            })?;
        }
        return Ok(socket.into());
    };
    let to = Endpoint {
        host: target.address.clone(),
        port: target.port,
    };
    Ok(pump.open(&to, waiting)?.into())
}
