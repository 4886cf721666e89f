//! A database server on its own, as the package's own service runs it: empty, on port 8529.

use std::sync::Arc;

use serde_json::json;

use super::server::{RoleService, Server};
use crate::sim::http::{Request, Response};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
struct Single {
    server: Arc<Server>,
}

/// Runs a server on its own until it is stopped.
pub async fn serve(server: Arc<Server>) -> Result<u8, Failure> {
    let single = Arc::new(Single {
        server: Arc::clone(&server),
    });
    Ok(super::server::run(server, single, async {}).await?)
}

impl RoleService for Single {
    async fn handle(&self, request: &Request) -> Response {
        match request.segments().as_slice() {
            ["_api", "database"] => Response::json(
                200,
                &json!({"result": ["_system"], "error": false, "code": 200}),
            ),
            // It has no collections: whoever comes here by mistake finds nothing.
            ["_api", "document" | "collection", _, ..] => {
                Response::error(404, 1203, "collection or view not found")
            }
            _ => Response::unknown_path(&request.path),
        }
    }

    async fn lab(&self, request: &Request) -> Response {
        match request.path.as_str() {
            "/_lab/state" => Response::json(
                200,
                &json!({
                    "role": "single",
                    "id": self.server.id,
                    "pid": std::process::id(),
                    "version": self.server.version.to_string(),
                }),
            ),
            _ => Response::unknown_path(&request.path),
        }
    }
}
