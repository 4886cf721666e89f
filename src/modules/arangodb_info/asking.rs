//! Requests to ArangoDB's servers, from this machine or through the task's host.

use std::time::Duration;

use serde_json::Value;

use crate::clock::Woken;
use crate::cluster::arangodb::{Answer, Ask, AskError, superuser_token};
use crate::connection::ConnError;
use crate::connection::http::{HttpCall, Tls, http};
use crate::modules::{HostCx, ModuleError};
use crate::secrets::Secret;

/// How long a server may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(5);

/// How servers are reached.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// The `Authorization` header.
    pub(super) authorization: Option<Secret>,
    /// Whether requests go through the task's host.
    pub(super) via_host: bool,
}

/// Makes the header of the cluster's secret.
pub(super) fn bearer(secret: &Secret) -> Secret {
    Secret::new(format!("bearer {}", superuser_token(secret).reveal()))
}

/// Requests on behalf of one step.
#[derive(Debug)]
pub(super) struct Requests<'a, 'b> {
    cx: &'a mut HostCx<'b>,
    access: &'a Access,
    stopped: bool,
}

impl<'a, 'b> Requests<'a, 'b> {
    pub(super) fn new(cx: &'a mut HostCx<'b>, access: &'a Access) -> Self {
        Self {
            cx,
            access,
            stopped: false,
        }
    }

    /// Fails when the operator ended a wait.
    pub(super) fn stopped(&self) -> Result<(), ModuleError> {
        if self.stopped {
            Err(ConnError::Stopped.into())
        } else {
            Ok(())
        }
    }

    fn send(
        &mut self,
        method: &str,
        endpoint: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, AskError> {
        let mut call = HttpCall::get(format!("{}{path}", base(endpoint)), PATIENCE);
        method.clone_into(&mut call.method);
        // The servers' certificates are made by the starter itself; they prove nothing to anybody else.
        call.tls = Tls {
            insecure: true,
            ..Tls::default()
        };
        if let Some(header) = &self.access.authorization {
            call.headers
                .push(("Authorization".to_owned(), header.clone()));
        }
        if path == "/_api/sync" {
            // Only the leading master knows; the others pass the question on if they may.
            call.headers
                .push(("X-Allow-Forward-To-Leader".to_owned(), Secret::new("true")));
        }
        if let Some(body) = body {
            call.headers
                .push(("Content-Type".to_owned(), Secret::new("application/json")));
            call.body = Some(body.to_string().into_bytes());
        }
        let limit = crate::connection::Limit {
            clock: self.cx.clock,
            stop: self.cx.stop,
            deadline: self.cx.deadline,
        };
        let reply = if self.access.via_host {
            http(&call, Some(&mut *self.cx.connection), limit)
        } else {
            http(&call, None, limit)
        };
        let reply = reply.map_err(|error| AskError(error.to_string()))?;
        Ok(Answer {
            status: reply.status,
            location: reply.header("location").map(str::to_owned),
            body: serde_json::from_slice(&reply.body).unwrap_or(Value::Null),
            took: reply.elapsed,
        })
    }
}

/// Returns the URL's beginning for an endpoint.
fn base(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    match endpoint.split_once("://") {
        Some(("tcp", rest)) => format!("http://{rest}"),
        Some(("ssl", rest)) => format!("https://{rest}"),
        Some(_) => endpoint.to_owned(),
        None => format!("http://{endpoint}"),
    }
}

impl Ask for Requests<'_, '_> {
    fn get(&mut self, endpoint: &str, path: &str) -> Result<Answer, AskError> {
        self.send("GET", endpoint, path, None)
    }

    fn post(&mut self, endpoint: &str, path: &str, body: &Value) -> Result<Answer, AskError> {
        self.send("POST", endpoint, path, Some(body))
    }

    fn wait(&mut self, duration: Duration) {
        if self.cx.clock.wait(duration, self.cx.stop) == Woken::Stopped {
            self.stopped = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_become_urls() {
        assert_eq!(base("tcp://10.0.0.1:8531"), "http://10.0.0.1:8531");
        assert_eq!(base("ssl://[::1]:8531/"), "https://[::1]:8531");
        assert_eq!(base("https://h:1"), "https://h:1");
        assert_eq!(base("h:8531"), "http://h:8531");
    }
}
