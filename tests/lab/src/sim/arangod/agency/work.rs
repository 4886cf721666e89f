//! What an agent does all the time: it elects, replicates, and ends the lives of values.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, json};

use super::node::{Agent, Transaction};
use super::raft::{Ask, Core, Role};
use crate::sim::time;

/// Lives the life of an agent once all agents are known: elections, replication, ends of life.
pub async fn live(agent: Arc<Agent>) {
    let mut progress = agent.progress.subscribe();
    while agent.lock().core.is_none() {
        if progress.changed().await.is_err() {
            return;
        }
    }
    for peer in agent.peers() {
        tokio::spawn(replicate(Arc::clone(&agent), peer));
    }
    tokio::spawn(end_lives(Arc::clone(&agent)));
    elect(agent).await;
}

async fn elect(agent: Arc<Agent>) {
    loop {
        let switches = agent.server.live.now();
        let flap_ms = switches.term_flap_ms.map(|ms| switches.timer_ms(ms));
        tokio::time::sleep(agent.until_due(switches.agent_catches_up, flap_ms)).await;
        let switches = agent.server.live.now();
        if !switches.agent_catches_up {
            continue;
        }
        let flap = agent.is_time_to_flap(flap_ms);
        let Some((vote, safe)) = agent.decide(|core, now| {
            if flap {
                Some(core.stand(now))
            } else {
                core.tick(now)
            }
        }) else {
            continue;
        };
        let Some(vote) = vote else { continue };
        if safe.await.is_err() {
            return;
        }
        for peer in agent.peers() {
            let agent = Arc::clone(&agent);
            let vote = vote.clone();
            tokio::spawn(async move { agent.ask(&peer, vote).await });
        }
    }
}

impl Agent {
    /// Returns how long nothing can be due, and never so long that a changed switch is overlooked.
    fn until_due(&self, takes_part: bool, flap_every_ms: Option<u64>) -> Duration {
        let longest_ms = self.timing.min_ping_ms / 3;
        let inner = self.lock();
        let now = time::mono_ms();
        let due = inner.core.as_ref().filter(|_| takes_part).map(Core::due_ms);
        let flap = flap_every_ms.map(|every| inner.flapped_ms.saturating_add(every));
        let next = due.into_iter().chain(flap).min().unwrap_or(u64::MAX);
        Duration::from_millis(next.saturating_sub(now).clamp(1, longest_ms))
    }

    fn is_time_to_flap(&self, every_ms: Option<u64>) -> bool {
        let Some(every_ms) = every_ms else {
            return false;
        };
        let mut inner = self.lock();
        let now = time::mono_ms();
        let due = now.saturating_sub(inner.flapped_ms) >= every_ms;
        if due {
            inner.flapped_ms = now;
        }
        due
    }
}

async fn replicate(agent: Arc<Agent>, peer: String) {
    let pause = Duration::from_millis((agent.timing.min_ping_ms / 4).max(20));
    let mut progress = agent.progress.subscribe();
    let mut sent = 0;
    loop {
        let ask = {
            let mut inner = agent.lock();
            let now = time::mono_ms();
            inner
                .core
                .as_mut()
                .and_then(|core| core.append_for(&peer, now))
        };
        let Some(ask) = ask else {
            if progress.changed().await.is_err() {
                return;
            }
            continue;
        };
        if let Ask::Append {
            entries,
            prev_index,
            ..
        } = &ask
        {
            sent = prev_index + u64::try_from(entries.len()).unwrap_or(0);
        }
        agent.ask(&peer, ask).await;
        // More to send goes at once, and so does the news that something counts now; an
        // agent that does not answer is asked again at the pace of the heartbeat.
        let wait = tokio::time::sleep(pause);
        tokio::pin!(wait);
        loop {
            if agent.has_news_for(&peer, sent) {
                break;
            }
            tokio::select! {
                () = &mut wait => break,
                changed = progress.changed() => if changed.is_err() { return },
            }
        }
    }
}

impl Agent {
    fn has_news_for(&self, peer: &str, sent: u64) -> bool {
        let inner = self.lock();
        let Some(core) = inner.core.as_ref() else {
            return false;
        };
        core.role() == Role::Leader
            && core
                .uncounted()
                .last()
                .is_some_and(|last| last.index > sent)
            && core.matched(peer).is_some_and(|matched| matched >= sent)
    }
}

/// Deletes what has come to its end, as a leader.
async fn end_lives(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(Duration::from_millis(agent.timing.min_ping_ms / 2)).await;
        let Ok((store, _)) = agent.trees() else {
            continue;
        };
        let ended = store.ended(time::unix_ms());
        if ended.is_empty() {
            continue;
        }
        let operations = ended
            .into_iter()
            .map(|path| (path, json!({"op": "delete"})))
            .collect();
        let transaction = Transaction {
            operations,
            preconditions: Map::new(),
        };
        drop(agent.write(&[transaction]).await);
    }
}
