//! The agency as a server, a coordinator or the starter asks it: whichever agent leads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::catalog::{Catalog, PATHS};
use crate::sim::http::{Call, Reply, Target, call};

/// Asks the agency, follows its leader, and goes on to the next agent if one is away.
#[derive(Debug)]
pub struct AgencyClient {
    endpoints: Vec<Target>,
    authorization: Option<String>,
    at: Mutex<Target>,
    catalog: Mutex<Option<(String, Arc<Catalog>)>>,
}

/// Why the agency gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the agency does not answer: {0}")]
pub struct AgencyError(pub String);

const PAUSE: Duration = Duration::from_millis(100);

impl AgencyClient {
    /// Returns a client of the given agents; nothing if none is named.
    pub fn new(endpoints: &[String], authorization: Option<String>) -> Option<Self> {
        let endpoints: Vec<Target> = endpoints
            .iter()
            .filter_map(|at| Target::parse(at))
            .collect();
        let first = endpoints.first()?.clone();
        Some(Self {
            endpoints,
            authorization,
            at: Mutex::new(first),
            catalog: Mutex::new(None),
        })
    }

    /// Returns the agents' addresses.
    pub fn endpoints(&self) -> &[Target] {
        &self.endpoints
    }

    fn current(&self) -> Target {
        self.at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn go_to(&self, target: Target) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    fn go_on_from(&self, away: &Target) {
        let next = self
            .endpoints
            .iter()
            .cycle()
            .skip_while(|at| *at != away)
            .nth(1)
            .or_else(|| self.endpoints.first());
        if let Some(next) = next {
            self.go_to(next.clone());
        }
    }

    /// Asks until an agent that leads answers, for so long at most.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Reply, AgencyError> {
        self.ask_with(method, path, (&[], body), limit).await
    }

    async fn ask_with(
        &self,
        method: &str,
        path: &str,
        (headers, body): (&[(&str, &str)], Option<&Value>),
        limit: Duration,
    ) -> Result<Reply, AgencyError> {
        let end = tokio::time::Instant::now() + limit;
        let mut last = String::from("no time was given");
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Err(AgencyError(last));
            }
            let target = self.current();
            let mut request = Call::new(&target, method, path, left.min(Duration::from_secs(5)))
                .authorized(self.authorization.as_deref())
                .kept();
            request.headers = headers;
            request.connect_limit = request.connect_limit.min(Duration::from_secs(1));
            if let Some(body) = body {
                request = request.json(body);
            }
            match call(request).await {
                Ok(reply) if reply.status == 307 => {
                    let location = reply
                        .headers
                        .get("location")
                        .and_then(|at| at.to_str().ok());
                    match location.and_then(Target::parse) {
                        Some(leader) if leader != target => {
                            self.go_to(leader);
                            continue;
                        }
                        _ => self.go_on_from(&target),
                    }
                    "an agent sends in circles".clone_into(&mut last);
                }
                Ok(reply) if reply.status == 503 => {
                    "no agent leads".clone_into(&mut last);
                    self.go_on_from(&target);
                }
                Ok(reply) => return Ok(reply),
                Err(error) => {
                    last = error.to_string();
                    self.go_on_from(&target);
                }
            }
            tokio::time::sleep(PAUSE.min(left)).await;
        }
    }

    /// Reads paths in one query; what is not there is not in the answer.
    pub async fn read(&self, paths: &[&str], limit: Duration) -> Result<Value, AgencyError> {
        let body = json!([paths]);
        let reply = self
            .ask("POST", "/_api/agency/read", Some(&body), limit)
            .await?;
        match reply.status {
            200 => Ok(first_of(&reply)),
            other => Err(AgencyError(format!("status {other}"))),
        }
    }

    /// Reads the catalog; where the agency says that nothing has changed in it, it is the one from before.
    pub async fn catalog(&self, limit: Duration) -> Result<Arc<Catalog>, AgencyError> {
        let before = self.known().clone();
        let tag = before.as_ref().map(|(tag, _)| tag.as_str());
        let headers: Vec<(&str, &str)> =
            tag.map(|tag| ("If-None-Match", tag)).into_iter().collect();
        let body = json!([PATHS]);
        let reply = self
            .ask_with("POST", "/_api/agency/read", (&headers, Some(&body)), limit)
            .await?;
        match (reply.status, before) {
            (200, _) => {
                let catalog = Arc::new(Catalog::of(&first_of(&reply)));
                let tag = reply.headers.get("etag").and_then(|tag| tag.to_str().ok());
                *self.known() = tag.map(|tag| (tag.to_owned(), Arc::clone(&catalog)));
                Ok(catalog)
            }
            (304, Some((_, catalog))) => Ok(catalog),
            (other, _) => Err(AgencyError(format!("status {other}"))),
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<(String, Arc<Catalog>)>> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out one transaction; false means that a precondition failed.
    pub async fn write(
        &self,
        operations: &Value,
        preconditions: &Value,
        limit: Duration,
    ) -> Result<bool, AgencyError> {
        self.change("/_api/agency/write", operations, preconditions, limit)
            .await
    }

    /// Changes what only the leader keeps, in memory.
    pub async fn write_transient(
        &self,
        operations: &Value,
        limit: Duration,
    ) -> Result<bool, AgencyError> {
        self.change("/_api/agency/transient", operations, &json!({}), limit)
            .await
    }

    async fn change(
        &self,
        path: &str,
        operations: &Value,
        preconditions: &Value,
        limit: Duration,
    ) -> Result<bool, AgencyError> {
        let body = json!([[operations, preconditions]]);
        let reply = self.ask("POST", path, Some(&body), limit).await?;
        match reply.status {
            200 => Ok(true),
            412 => Ok(false),
            other => Err(AgencyError(format!("status {other}"))),
        }
    }
}

/// Returns the first of the answers to several questions.
fn first_of(reply: &Reply) -> Value {
    let answers: Vec<Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
    answers.into_iter().next().unwrap_or_default()
}
