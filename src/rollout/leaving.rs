//! Brackets left: settled, switched back, again and again for a while; else owed, or held.

use std::time::Duration;

use crate::clock::{StopLevel, Woken};
use crate::events::{EventKind, StopCause};
use crate::journal::BracketChange;

use super::engine::{Debt, Engine};
use super::exit::Verdict;
use super::ledger::Entry;
use super::open::Open;
use super::place::{LEAVE, Left, Walked};

/// From how many hosts `hold_while` is asked at most.
const ASKED_HOSTS: usize = 3;

/// Why a bracket is held whose condition was asked and holds.
const HOLDS: &str = "its `hold_while` holds";

/// Why a bracket is owed whose `leave` went through without a step.
const NOTHING_DONE: &str = "every task of its `leave` was skipped: nothing was switched back";

impl Engine {
    /// Leaves a bracket that is still open; returns whether it was left.
    pub(super) fn close(&self, open: &Open, good: bool) -> bool {
        if !self.brackets.is_open(&open.reference) {
            return false;
        }
        if good && !open.bracket.settle.is_empty() {
            let place = self.bracket_place(open, "bracket settle", false);
            let walked = self.renewing(&[open], || {
                self.somewhere(open, &place, &open.bracket.settle)
            });
            if !walked.is_good() {
                let name = &open.bracket.name;
                let message = format!("inside of `{name}` it did not settle");
                let saw = self.last_message(&open.hosts);
                self.halt(StopCause::Gate { saw }, message, open.bracket.id.as_str());
            }
        }
        // From here on nothing renews it: what `leave` switches back must stay so.
        if !self.brackets.remove(&open.reference) {
            return false;
        }
        match self.leave(open) {
            Ok(()) => {
                let event = EventKind::BracketLeft {
                    bracket: open.reference.clone(),
                };
                let entry = Entry::record(open.record(BracketChange::Left)).with_event(event);
                drop(self.ledger.write(entry));
                self.state().left_again.insert(open.reference.clone());
                self.nothing_owed(open);
                true
            }
            Err((held, reason)) => {
                self.owe(open, held, reason);
                false
            }
        }
    }

    /// Leaves, again and again for a while. The error tells whether it is held, and why it could not be left.
    fn leave(&self, open: &Open) -> Result<(), (bool, String)> {
        let mut waits = self.settings.leave.iter();
        let mut attempt = 0;
        let mut waited = Duration::ZERO;
        let stop = self.outside.stop.for_putting_back();
        loop {
            attempt += 1;
            if stop.level() == StopLevel::Quit {
                return Err((false, "the operator quit".to_owned()));
            }
            let reason = if let Some(reason) = self.holds_back(open) {
                (true, reason)
            } else {
                let leaving = BracketChange::Leaving { attempt };
                drop(self.ledger.write(Entry::record(open.record(leaving))));
                let place = self.bracket_place(open, LEAVE, true);
                let walked = self.somewhere(open, &place, &open.bracket.leave);
                // In check mode nothing is done, here as in `enter`.
                let acted = self.settings.check || self.state().acted.contains(&place.turn);
                match (walked.is_good(), acted) {
                    (true, true) => match self.is_not_back(open) {
                        None => return Ok(()),
                        Some(reason) => (false, reason),
                    },
                    (true, false) => (false, NOTHING_DONE.to_owned()),
                    (false, _) => (false, self.last_message(&open.hosts)),
                }
            };
            if self.was_waited_for(open, reason.0) {
                return Err(reason);
            }
            let Some(wait) = waits.next() else {
                return Err(reason);
            };
            if attempt == 1 && !reason.0 {
                let (name, why) = (&open.reference.name, &reason.1);
                let message = format!("`{name}` could not be left, and is tried again: {why}");
                self.warn(message, None);
            }
            // What is asked and says that it holds may be known not to pass by itself.
            let limit = (reason.1 == HOLDS).then(|| self.hold_wait(open)).flatten();
            let wait = limit.map_or(*wait, |limit| limit.saturating_sub(waited).min(*wait));
            let is_over = limit.is_some() && wait.is_zero();
            if is_over || self.clock().wait(wait, &stop) == Woken::Stopped {
                return Err(reason);
            }
            waited += wait;
        }
    }

    /// Tells whether what keeps a bracket from being left was waited for at one inside of it: what holds one of them mostly
    /// holds those around it too, and a host that nobody reaches is the same for all.
    fn was_waited_for(&self, open: &Open, held: bool) -> bool {
        let state = self.state();
        let is_gone = |host| state.lost.get(host) == Some(&Left::Unreachable);
        let gone = !state.debts.is_empty() && open.hosts.iter().all(is_gone);
        gone || held && state.debts.iter().any(|debt| debt.held)
    }

    /// Says why a bracket must not be left yet.
    fn holds_back(&self, open: &Open) -> Option<String> {
        if open.bracket.hold_in_doubt
            && let Some(reason) = self.in_doubt_inside(open)
        {
            return Some(reason);
        }
        let hold = open.bracket.hold_while.as_ref();
        let hold = hold.filter(|_| !self.settings.survey)?;
        let place = self.bracket_place(open, "bracket hold", true);
        let around = self.around(&place, &open.context());
        let mut unasked = None;
        // A cluster can be asked from any of its hosts.
        for host in self.reachable_first(&open.hosts).iter().take(ASKED_HOSTS) {
            let scope = self.scope(host.as_str(), &around);
            match self.holds(&place, hold, host, &scope) {
                Ok(false) => return None,
                Ok(true) => return Some(HOLDS.to_owned()),
                Err(reason) => unasked = Some(reason),
            }
        }
        unasked.map(|reason| format!("its `hold_while` cannot be asked: {reason}"))
    }

    /// How long it is waited for that what holds a bracket passes, where the bracket says it.
    fn hold_wait(&self, open: &Open) -> Option<Duration> {
        let place = self.bracket_place(open, "bracket hold", true);
        let around = self.around(&place, &open.context());
        let host = open.hosts.first()?;
        let said = self
            .scope(host.as_str(), &around)
            .duration(open.bracket.hold_wait.as_ref());
        said.ok().flatten()
    }

    /// Says which step inside of a bracket may still run.
    fn in_doubt_inside(&self, open: &Open) -> Option<String> {
        let running = self.state().running.clone();
        let inside = running
            .iter()
            .find(|step| open.hosts.iter().any(|host| host.as_str() == step.host));
        if let Some(step) = inside {
            return Some(format!("the step {step} is in doubt and may still run"));
        }
        self.still_sent(&open.hosts)
            .or_else(|| self.still_runs(&open.hosts))
            .or_else(|| self.runs_on_hosts(open))
    }

    fn owe(&self, open: &Open, held: bool, reason: String) {
        let by_hand = open
            .hosts
            .first()
            .map(|host| self.by_hand(&open.place, &open.bracket.leave, host))
            .unwrap_or_default();
        let bracket = open.reference.clone();
        {
            let mut state = self.state();
            state.verdicts.insert(Verdict::Owed);
            state.debts.push(Debt {
                what: bracket.clone(),
                held,
                reason: reason.clone(),
                by_hand: by_hand.clone(),
            });
        }
        let message = format!("the bracket `{}` could not be left: {reason}", bracket.name);
        let (change, event) = if held {
            let change = BracketChange::Held {
                reason: reason.clone(),
            };
            let event = EventKind::BracketHeld {
                bracket,
                reason,
                by_hand,
            };
            (change, event)
        } else {
            let change = BracketChange::Owed {
                reason: reason.clone(),
            };
            let event = EventKind::BracketOwed {
                bracket,
                reason,
                by_hand,
            };
            (change, event)
        };
        drop(
            self.ledger
                .write(Entry::record(open.record(change)).with_event(event)),
        );
        self.halt(StopCause::Failed, message, open.bracket.id.as_str());
    }

    /// Passes the gate behind a bracket.
    pub(super) fn gate_behind(&self, open: &Open, walked: &mut Walked) {
        let good = !self.is_halted() && walked.is_good();
        if !good || open.bracket.after.is_empty() {
            return;
        }
        let mut place = self.bracket_place(open, "bracket after", false);
        place.divisible = open.place.divisible;
        place.gate = true;
        let after = self.somewhere(open, &place, &open.bracket.after);
        if !after.is_good() {
            let name = &open.bracket.name;
            let message = format!("after leaving `{name}` its gate did not pass");
            let saw = self.last_message(&open.hosts);
            self.halt(StopCause::Gate { saw }, message, open.bracket.id.as_str());
            walked.stopped(&open.hosts);
        }
    }
}
