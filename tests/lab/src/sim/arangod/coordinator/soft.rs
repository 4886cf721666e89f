//! Ending when nothing is in hand any more: from 3.7.12, 3.8.1 and 3.9 on.
//!
//! As in ArangoDB 3.9, `arangod/RestServer/SoftShutdownFeature.cpp`: every 2 s it looks what is still in hand, and 2 s after
//! it found nothing it ends by itself. What clients have open is a switch; they finish it after a while, or never.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::Coordinator;
use crate::sim::http::{Request, Response};
use crate::sim::time;

/// Whether it was asked to end, and since when.
#[derive(Debug, Default)]
pub struct Soft {
    since_ms: OnceLock<u64>,
}

/// What clients have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InHand {
    cursors: u64,
    transactions: u64,
    requests: u64,
}

impl InHand {
    fn is_nothing(self) -> bool {
        self.cursors + self.transactions + self.requests == 0
    }
}

/// Looks, from when it is asked to end, until nothing is in hand; then tells the server to end.
pub async fn watch(coordinator: Arc<Coordinator>) {
    loop {
        tokio::time::sleep(coordinator.server.timer(2_000)).await;
        if coordinator.soft.since_ms.get().is_some() && coordinator.in_hand().is_nothing() {
            coordinator.server.log.info(
                "{startup} Goal reached for soft shutdown, all ongoing tasks are terminated, will now trigger the actual shutdown...",
            );
            tokio::time::sleep(coordinator.server.timer(2_000)).await;
            coordinator.server.count("soft-end", &Value::Null);
            coordinator.server.stop.notify_one();
            return;
        }
    }
}

impl Coordinator {
    /// Begins to end, or tells how far it is.
    pub(super) fn soft_shutdown(&self, request: &Request) -> Response {
        if !self.server.version.ends_softly() {
            return Response::wrong_method();
        }
        match request.method.as_str() {
            "DELETE" => {
                if self.soft.since_ms.set(time::mono_ms()).is_ok() {
                    self.server.count("soft-begin", &json!(self.shown()));
                    self.server
                        .log
                        .info("{startup} Initiating soft shutdown...");
                }
                Response::json(200, &json!("OK"))
            }
            "GET" => Response::json(200, &self.shown()),
            _ => Response::wrong_method(),
        }
    }

    fn in_hand(&self) -> InHand {
        let switches = self.server.live.now();
        let finished = self.soft.since_ms.get().is_some_and(|since| {
            let passed = time::mono_ms().saturating_sub(*since);
            let ends = switches.running_ends_ms.map(|ms| switches.timer_ms(ms));
            ends.is_some_and(|ends| passed >= ends)
        });
        // One that only upgrades has no clients.
        let has_none = finished || self.server.options.is_set("database.auto-upgrade");
        let open = |count: u64| if has_none { 0 } else { count };
        InHand {
            cursors: open(switches.running_cursors),
            transactions: open(switches.running_transactions),
            requests: self.ongoing.load(Ordering::Relaxed),
        }
    }

    fn shown(&self) -> Value {
        let in_hand = self.in_hand();
        json!({
            "softShutdownOngoing": self.soft.since_ms.get().is_some(),
            "AQLcursors": in_hand.cursors,
            "transactions": in_hand.transactions,
            "pendingJobs": 0, "doneJobs": 0, "pregelConductors": 0,
            "lowPrioOngoingRequests": in_hand.requests, "lowPrioQueuedRequests": 0,
            "allClear": in_hand.is_nothing(),
        })
    }

    /// Counts what clients have lost with the end of this server.
    pub(super) fn count_lost(&self) {
        let in_hand = self.in_hand();
        if in_hand.cursors + in_hand.transactions > 0 {
            let detail = json!({"cursors": in_hand.cursors, "transactions": in_hand.transactions});
            self.server.count("lost", &detail);
        }
    }
}
