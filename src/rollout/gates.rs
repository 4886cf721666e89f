//! Gates: what must pass before the first batch, between batches and after the last one.
//!
//! A run that goes on passes the gates of what has not begun. A batch that was cut off in the middle of an indivisible
//! block, or of a bracket, had its gate; with a member down, or inside of what it must come before, none would pass: that
//! batch is finished first.

use crate::events::{EventKind, GateTime, StopCause, TaskRef};
use crate::inventory::HostName;

use super::down::milliseconds;
use super::engine::Engine;
use super::place::Place;

impl Engine {
    /// Returns the batches of a play that an earlier part of the run left in the middle of an indivisible block or a bracket.
    pub(super) fn half_done(&self, place: &Place) -> Vec<u32> {
        self.outside.previously.half_done(place.play.id())
    }

    /// Tells whether the gate of the first batch is passed before the brackets of the play are entered: not where another
    /// batch comes first, the first batch is behind, or such a bracket is still entered.
    fn is_gated_outside(&self, place: &Place) -> bool {
        let previously = &self.outside.previously;
        let id = place.play.id();
        let brackets = previously.open_brackets();
        let mut open = brackets.iter().filter_map(|of| previously.bracket(of));
        let is_inside = open.any(|known| known.entered.play == id && known.entered.batch == 0);
        !is_inside && !previously.done(id, 1, "") && self.half_done(place).is_empty()
    }

    /// Passes the gate before a play's brackets are entered, where there is one to pass.
    pub(super) fn gate_into(&self, place: &Place, hosts: &[HostName]) -> bool {
        !self.is_gated_outside(place) || self.pass_gate(place, GateTime::First, 1, hosts)
    }

    /// Passes the gate of a batch, where it is still to be passed.
    pub(super) fn gate_before(&self, place: &Place, number: u32, left: &[HostName]) -> bool {
        let time = if number == 1 {
            GateTime::First
        } else {
            GateTime::Between
        };
        number == 1 && self.is_gated_outside(place)
            || self.half_done(place).contains(&number)
            || self.pass_gate(place, time, number, left)
    }

    /// Passes a play's gate; its tasks run once, with the variables of the first host that can be reached. If it does not
    /// pass the run stops.
    pub(super) fn pass_gate(
        &self,
        place: &Place,
        time: GateTime,
        batch: u32,
        hosts: &[HostName],
    ) -> bool {
        let Some(play) = place.play.play().filter(|play| !play.gate.is_empty()) else {
            return true;
        };
        let id = place.play.id().to_owned();
        let started = self.clock().elapsed();
        self.ledger.tell(EventKind::GateStarted {
            play: id.clone(),
            time,
            batch,
        });
        let inside = Place {
            section: "gate",
            turn: self.fresh_turn(),
            batch,
            batch_hosts: place.play.hosts().into(),
            once: true,
            gate: true,
            ..place.clone()
        };
        let walked = self.on_one_of(&inside, &play.gate, hosts);
        if walked.is_good() {
            let took_ms = milliseconds(self.clock().elapsed().saturating_sub(started));
            self.ledger.tell(EventKind::GatePassed {
                play: id,
                time,
                took_ms,
            });
            return true;
        }
        // A stop while the gate waited is no failure of the gate.
        if self.may_rest(&inside, "gate") {
            let saw = self.last_message(hosts);
            self.ledger.tell(EventKind::GateFailed {
                play: id,
                time,
                task: self.failed_task(&inside, hosts),
                saw: saw.clone(),
            });
            let message = format!("the gate of `{}` did not pass: {saw}", place.play.title());
            self.halt(StopCause::Gate { saw }, message, place.play.id());
        }
        false
    }

    /// Passes the gate again, after the run has waited for somebody.
    pub(super) fn pass_gate_again(&self, place: &Place) -> bool {
        let time = if place.batch <= 1 {
            GateTime::First
        } else {
            GateTime::Between
        };
        let hosts: Vec<HostName> = place.batch_hosts.to_vec();
        self.pass_gate(place, time, place.batch.max(1), &hosts)
    }

    fn failed_task(&self, place: &Place, hosts: &[HostName]) -> TaskRef {
        let state = self.state();
        let failed = hosts.iter().find_map(|host| state.failed_at.get(host));
        TaskRef {
            path: failed
                .map(|failed| failed.task.to_string())
                .unwrap_or_default(),
            name: failed.map(|failed| failed.name.clone()).unwrap_or_default(),
            at: failed.map(|failed| failed.at.clone()).unwrap_or_default(),
            section: place.section.to_owned(),
            ..TaskRef::default()
        }
    }
}
