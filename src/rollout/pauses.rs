//! Where the operator wants a run to stop by itself, which hosts to leave out, and which debts are given up.
//!
//! A wish to stop takes effect at rest points only, as every polite stop.

use crate::clock::Timestamp;
use crate::events::{EventKind, StopCause};
use crate::inventory::HostName;
use crate::playbook::Play;

use super::engine::Engine;
use super::exit::Verdict;

/// A batch behind which the run stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseAfter {
    /// So many batches of plays that are cut by `serial`, counted from here.
    Batches(u32),
    /// The last batch of a play, or the one of this number.
    Play {
        /// The play's name.
        name: String,
        /// The batch's number, from 1.
        batch: Option<u32>,
    },
}

impl PauseAfter {
    /// Reads what was typed: `2`, `PLAY`, `PLAY:2`.
    pub fn parse(text: &str) -> Self {
        if let Ok(count) = text.trim().parse() {
            return Self::Batches(count);
        }
        let (name, batch) = match text.rsplit_once(':') {
            Some((name, number)) => match number.trim().parse() {
                Ok(batch) => (name, Some(batch)),
                Err(_) => (text, None),
            },
            None => (text, None),
        };
        Self::Play {
            name: name.trim().to_owned(),
            batch,
        }
    }
}

/// What the operator said beforehand.
#[derive(Debug, Clone, Default)]
pub struct Pauses {
    /// From when on the run stops, and how that was typed.
    pub until: Option<(Timestamp, String)>,
    /// Behind which batch it stops, and how that was typed.
    pub after: Option<(PauseAfter, String)>,
    /// The hosts that are left out, and why.
    pub skipped: Vec<HostName>,
    /// Why they are.
    pub skipped_because: String,
    /// The members that earlier parts of the run left down on hosts that are left out now, each with its host.
    pub down: Vec<(String, HostName)>,
    /// The hosts that are gone for good: what is owed on them is given up.
    pub forgiven: Vec<HostName>,
    /// Why it is.
    pub forgiven_because: String,
}

impl Engine {
    /// Tells which hosts are left out; their members count as down from here on, and the run ends as partial.
    pub(super) fn skip_hosts(&self) {
        let pauses = &self.settings.pauses;
        for host in &pauses.skipped {
            self.state().verdicts.insert(Verdict::Partial);
            let members: Vec<String> = pauses
                .down
                .iter()
                .filter(|(_, on)| on == host)
                .map(|(member, _)| member.clone())
                .collect();
            let (clock, ledger) = (self.clock(), &self.ledger);
            self.down
                .take_down(host.as_str(), &members, None, clock, ledger);
            ledger.tell(EventKind::HostLeft {
                host: host.to_string(),
                why: format!("it is skipped: {}", pauses.skipped_because),
            });
        }
    }

    /// Tells whether a host is left out.
    pub(super) fn is_skipped(&self, host: &HostName) -> bool {
        self.settings.pauses.skipped.contains(host)
    }

    /// A batch came to its end.
    pub(super) fn batch_ended(&self, play: &Play, number: u32) {
        let Some((after, typed)) = &self.settings.pauses.after else {
            return;
        };
        let mut state = self.state();
        state.batches += u32::from(!play.serial.is_empty());
        let is_due = match after {
            PauseAfter::Batches(count) => !play.serial.is_empty() && state.batches >= *count,
            PauseAfter::Play { name, batch } => *batch == Some(number) && is_called(play, name),
        };
        if is_due {
            state.pause_due = Some(format!("--pause-after {typed}"));
        }
    }

    /// A play came to its end.
    pub(super) fn play_ended(&self, play: &Play) {
        if let Some((PauseAfter::Play { name, batch: None }, typed)) = &self.settings.pauses.after
            && is_called(play, name)
        {
            self.state().pause_due = Some(format!("--pause-after {typed}"));
        }
    }

    /// Stops the run if the operator wanted it to stop by now.
    pub(super) fn pauses(&self, before: &str) -> bool {
        let due = self.state().pause_due.clone();
        let until = self.settings.pauses.until.as_ref();
        let late = until.filter(|(moment, _)| self.clock().now() >= *moment);
        let by = due.or_else(|| late.map(|(_, typed)| format!("--until {typed}")));
        let Some(by) = by else {
            return false;
        };
        let message = format!("it stops here as {by} says");
        self.halt(StopCause::Asked { by }, message, before);
        true
    }

    /// Gives up what is owed on hosts that are gone for good.
    pub(super) fn forgive(&self) {
        let pauses = &self.settings.pauses;
        if pauses.forgiven.is_empty() {
            return;
        }
        for bracket in self.outside.previously.open_brackets() {
            let Some(known) = self.outside.previously.bracket(&bracket) else {
                continue;
            };
            let gone = |host: &String| pauses.forgiven.iter().any(|name| name.as_str() == host);
            if known.entered.hosts.is_empty() || !known.entered.hosts.iter().all(gone) {
                continue;
            }
            let hosts = known.entered.hosts.join(", ");
            self.warn(
                format!(
                    "`{}` is not put back: {hosts} is gone for good ({})",
                    bracket.name, pauses.forgiven_because
                ),
                None,
            );
            self.is_left(&bracket);
        }
    }
}

fn is_called(play: &Play, name: &str) -> bool {
    play.title() == name || play.id.as_str() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_by_its_number_or_its_play() {
        let play = |name: &str, batch| PauseAfter::Play {
            name: name.to_owned(),
            batch,
        };
        for (text, expected) in [
            ("2", PauseAfter::Batches(2)),
            ("DB-Servers", play("DB-Servers", None)),
            ("DB-Servers:3", play("DB-Servers", Some(3))),
            ("a: b", play("a: b", None)),
            ("a: b:1", play("a: b", Some(1))),
        ] {
            assert_eq!(PauseAfter::parse(text), expected, "{text}");
        }
    }
}
