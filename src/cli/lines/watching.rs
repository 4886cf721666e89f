//! What gates, guards, brackets, approvals and members have to tell.

use super::{Wanted, seconds};
use crate::events::{BracketRef, EventKind, GateTime, GuardValue};

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
pub(super) fn watching(kind: &EventKind) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::GateStarted { time, batch, .. } => ("gate", gate(*time, *batch)),
        EventKind::GateWaited { task, saw, .. } => {
            ("waiting", format!("gate: {}: {saw}", task.name))
        }
        EventKind::GatePassed { took_ms, .. } => {
            ("passed", format!("gate ({})", seconds(*took_ms)))
        }
        EventKind::GateFailed { task, saw, .. } => (
            "failed",
            format!("gate: {} ({}): {saw}", task.name, task.at),
        ),
        EventKind::GuardChanged {
            guard, value, saw, ..
        } => {
            let text = match value {
                GuardValue::True => format!("holds: {guard}"),
                GuardValue::False => format!("does not hold: {guard}: {saw}"),
                GuardValue::Unknown => format!("nobody knows: {guard}: {saw}"),
            };
            ("guard", text)
        }
        EventKind::GuardBreached { guard, saw, .. } => ("breach", format!("{guard}: {saw}")),
        _ => return None,
    })
}

fn gate(time: GateTime, batch: u32) -> String {
    match time {
        GateTime::First | GateTime::Between => format!("before batch {batch}"),
        GateTime::Last => "after the last batch".to_owned(),
    }
}

pub(super) fn title(bracket: &BracketRef) -> String {
    match bracket.object.as_str() {
        "" => bracket.name.clone(),
        object => format!("{} ({object})", bracket.name),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
pub(super) fn bracket(kind: &EventKind, wanted: &Wanted) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::BracketFound { bracket, found } if wanted.verbosity >= 1 => {
            ("found", format!("{}: {found}", title(bracket)))
        }
        EventKind::BracketEntered { bracket } => ("entered", title(bracket)),
        EventKind::BracketLeft { bracket } => ("left", title(bracket)),
        EventKind::BracketOwed {
            bracket, reason, ..
        } => ("owed", format!("{}: {reason}", title(bracket))),
        EventKind::BracketHeld {
            bracket, reason, ..
        } => ("held", format!("{}: {reason}", title(bracket))),
        _ => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
pub(super) fn other(kind: &EventKind, wanted: &Wanted) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::RestPointReached { before, .. } if wanted.verbosity >= 2 => {
            ("rest point", format!("before {before}"))
        }
        EventKind::ApprovalAsked { name, note } => {
            ("approval", format!("asked for: {name}: {note}"))
        }
        EventKind::ApprovalGiven { name, by } if by == "beforehand" => {
            ("approval", format!("given beforehand: {name}"))
        }
        EventKind::ApprovalGiven { name, by } => ("approval", format!("given: {name}, by {by}")),
        EventKind::ApprovalRefused { name, why } => {
            ("approval", format!("not given: {name}: {why}"))
        }
        EventKind::LockTaken { cluster, on } => {
            ("lock", format!("taken for {cluster} on {}", on.join(", ")))
        }
        EventKind::LockLost { cluster, owner } => (
            "breach",
            format!("the lock of {cluster} was lost to {owner}"),
        ),
        EventKind::MemberDown { member, host, .. } => ("down", format!("{member} on {host}")),
        EventKind::MemberUp {
            member,
            host,
            down_ms,
        } => (
            "up",
            format!("{member} on {host}, after {}", seconds(*down_ms)),
        ),
        EventKind::HostLeft { host, why } => ("leaves", format!("{host}: {why}")),
        EventKind::Rescued { host, .. } => ("rescued", host.clone()),
        EventKind::Warned { message, host, at } => {
            let host = host
                .as_ref()
                .map(|host| format!("{host}: "))
                .unwrap_or_default();
            let at = at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
            ("warning", format!("{host}{message}{at}"))
        }
        _ => return None,
    })
}
