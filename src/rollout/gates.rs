//! Gates: what must pass before the first batch, between batches and after the last one.

use crate::events::{EventKind, GateTime, StopCause, TaskRef};
use crate::inventory::HostName;

use super::down::milliseconds;
use super::engine::Engine;
use super::place::Place;

impl Engine {
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
