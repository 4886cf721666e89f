//! Who may ask what: superusers everywhere, people on coordinators and single servers.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::options::Options;
use crate::sim::http::{Request, Response};
use crate::sim::jwt::{self, Bearer};
use crate::sim::time;

/// What a server knows of authentication.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// The cluster's secret; nothing where authentication is off.
    secret: Option<String>,
    /// What this server shows to others, once it was asked for.
    own: OnceLock<String>,
}

impl Auth {
    /// Reads what the options say.
    pub fn of(options: &Options) -> Self {
        let secret = options.is_set("server.authentication").then(|| {
            options
                .text("server.jwt-secret")
                .unwrap_or_default()
                .to_owned()
        });
        Self {
            secret,
            own: OnceLock::new(),
        }
    }

    /// Returns authentication with a secret, or none.
    pub fn with_secret(secret: Option<&str>) -> Self {
        Self {
            secret: secret.map(str::to_owned),
            own: OnceLock::new(),
        }
    }

    /// Returns the header with which this server speaks to others.
    pub fn header(&self, server_id: &str) -> Option<String> {
        let secret = self.secret.as_deref()?;
        let made = || format!("bearer {}", jwt::superuser(secret, server_id));
        Some(self.own.get_or_init(made).clone())
    }

    /// Tells whether a request may pass. People are let in only where `people` says so.
    pub fn admits(&self, request: &Request, people: bool, root_password: &str) -> bool {
        let Some(secret) = self.secret.as_deref() else {
            return true;
        };
        let bearer = request
            .credentials("bearer")
            .and_then(|token| jwt::verify(secret, token, time::unix_ms() / 1000));
        match bearer {
            Some(Bearer::Superuser) => true,
            Some(Bearer::User(_)) => people,
            None => {
                people
                    && basic(request)
                        .is_some_and(|who| who == ("root".into(), root_password.into()))
            }
        }
    }

    /// Answers a login.
    pub fn login(&self, request: &Request, root_password: &str) -> Response {
        let body = request.json().unwrap_or_default();
        let field = |name: &str| body.get(name).and_then(|value| value.as_str());
        if (field("username"), field("password")) != (Some("root"), Some(root_password)) {
            return Response::error(401, 401, "Wrong credentials");
        }
        let secret = self.secret.as_deref().unwrap_or_default();
        let token = jwt::user(secret, "root", time::unix_ms() / 1000);
        Response::json(200, &json!({"jwt": token, "must_change_password": false}))
    }
}

fn basic(request: &Request) -> Option<(String, String)> {
    let decoded = STANDARD.decode(request.credentials("basic")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Returns the answer to somebody who is not let in.
pub fn refused() -> Response {
    Response::empty(401).with_header(
        "WWW-Authenticate",
        "Bearer token_type=\"JWT\", realm=\"ArangoDB\"",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: Option<&str>) -> Request {
        let mut headers = hyper::HeaderMap::new();
        if let Some(text) = authorization {
            headers.insert("authorization", text.parse().unwrap());
        }
        Request {
            method: "GET".into(),
            path: "/".into(),
            database: "_system".into(),
            query: Vec::new(),
            headers,
            body: bytes::Bytes::new(),
            remote: ([127, 0, 0, 1], 1).into(),
        }
    }

    #[test]
    fn superusers_pass_everywhere_and_people_on_coordinators() {
        let auth = Auth::with_secret(Some("s"));
        let superuser = auth.header("PRMR-1").unwrap();
        let person = format!("bearer {}", jwt::user("s", "root", time::unix_ms() / 1000));
        let basic = format!("Basic {}", STANDARD.encode("root:pw"));
        let wrong = format!("Basic {}", STANDARD.encode("root:no"));
        for (header, people, passes) in [
            (Some(superuser.as_str()), false, true),
            (Some(superuser.as_str()), true, true),
            (Some(person.as_str()), true, true),
            (Some(person.as_str()), false, false),
            (Some(basic.as_str()), true, true),
            (Some(basic.as_str()), false, false),
            (Some(wrong.as_str()), true, false),
            (None, true, false),
        ] {
            assert_eq!(
                auth.admits(&request(header), people, "pw"),
                passes,
                "{header:?} {people}"
            );
        }
        assert!(
            Auth::default().admits(&request(None), false, ""),
            "switched off"
        );
    }
}
