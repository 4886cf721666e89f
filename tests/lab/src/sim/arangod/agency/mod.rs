//! The agency: a small tree of values that three agents agree on, and the supervision that
//! its leader exercises over the cluster.
//!
//! [`raft`] decides and [`store`] holds, both pure; [`node`] is the agent that speaks,
//! writes down and waits, [`work`] what it does all the time; [`pool`] is how agents find each other at the first start.

pub mod answers;
pub mod journal;
pub mod memo;
pub mod messages;
pub mod node;
pub mod notify;
pub mod pool;
pub mod raft;
pub mod store;
pub mod work;

use std::sync::Arc;

use serde_json::{Value, json};

pub use self::node::{Agent, Refused, Transaction};
use super::server::{RoleService, Server};
use super::supervision;
use crate::sim::http::{Request, Response};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs an agent until it is stopped.
pub async fn serve(server: Arc<Server>) -> Result<u8, Failure> {
    let agent = Arc::new(Agent::open(Arc::clone(&server))?);
    tokio::spawn(pool::find(Arc::clone(&agent)));
    tokio::spawn(work::live(Arc::clone(&agent)));
    if server.options.is_set("agency.supervision") {
        tokio::spawn(supervision::run(Arc::clone(&agent)));
    }
    Ok(super::server::run(server, agent, async {}).await?)
}

impl RoleService for Agent {
    async fn handle(&self, request: &Request) -> Response {
        answers::answer(self, request).await
    }

    async fn lab(&self, request: &Request) -> Response {
        match request.path.as_str() {
            "/_lab/state" => Response::json(200, &self.lab_state()),
            "/_lab/tree" => Response::json_text(200, self.tree_text()),
            _ => Response::unknown_path(&request.path),
        }
    }
}

impl Agent {
    fn lab_state(&self) -> Value {
        let seen = self.seen();
        json!({
            "role": "agent",
            "id": self.server.id,
            "pid": std::process::id(),
            "version": self.server.version.to_string(),
            "term": seen.term,
            "leader": seen.leader,
            "leading": seen.leading,
            "commit": seen.commit,
            "led_for_ms": seen.led_for_ms,
        })
    }
}
