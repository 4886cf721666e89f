//! A request as a handler sees it, and the response that it gives.

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde_json::{Value, json};

/// One request, with its whole body.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method in capital letters.
    pub method: String,
    /// The path without `/_db/NAME` and without the query.
    pub path: String,
    /// The database that the path names; `_system` if it names none.
    pub database: String,
    /// The query, decoded, in its order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who asks.
    pub remote: SocketAddr,
}

impl Request {
    /// Returns the parts of the path between its slashes.
    pub fn segments(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// Returns a value of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// Returns what follows a scheme such as `bearer` in the authorization header.
    pub fn credentials(&self, scheme: &str) -> Option<&str> {
        let text = self.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (found, rest) = text.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
    }

    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns what the request named itself in `Host`, without the port.
    pub fn host(&self) -> Option<&str> {
        let host = self.headers.get(hyper::header::HOST)?.to_str().ok()?;
        Some(host.rsplit_once(':').map_or(host, |(name, _)| name))
    }
}

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers beside length and type.
    pub headers: Vec<(&'static str, String)>,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns a JSON response.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: serde_json::to_vec(body).unwrap_or_default(),
        }
    }

    /// Returns a JSON response whose text is there already.
    pub fn json_text(status: u16, body: Vec<u8>) -> Self {
        Self {
            body,
            ..Self::json(status, &Value::Null)
        }
    }

    /// Returns a response of plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "text/plain; charset=utf-8",
            body: body.into().into_bytes(),
        }
    }

    /// Returns a response without a body.
    pub fn empty(status: u16) -> Self {
        Self::text(status, "")
    }

    /// Returns an error in the database's own form.
    pub fn error(status: u16, number: u32, message: &str) -> Self {
        Self::json(
            status,
            &json!({"error": true, "errorMessage": message, "code": status, "errorNum": number}),
        )
    }

    /// Returns what a path that nobody serves is answered with.
    pub fn unknown_path(path: &str) -> Self {
        Self::error(404, 404, &format!("unknown path '{path}'"))
    }

    /// Returns what a method that a path does not take is answered with.
    pub fn wrong_method() -> Self {
        Self::error(405, 405, "method not supported")
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Splits `/_db/NAME/rest` into the database and the rest.
pub(super) fn split_database(path: &str) -> (String, String) {
    if let Some(rest) = path.strip_prefix("/_db/") {
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        return (percent_decode(name), format!("/{rest}"));
    }
    ("_system".to_owned(), path.to_owned())
}

/// Returns the pairs of a query string.
pub(super) fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (percent_decode(key), percent_decode(value))
        })
        .collect()
}

/// Returns a text with its `%xx` and `+` resolved.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut rest = bytes.clone();
                let decoded = rest.next().zip(rest.next()).and_then(|(high, low)| {
                    let digit = |byte: u8| char::from(byte).to_digit(16);
                    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
                });
                if let Some(decoded) = decoded {
                    out.push(decoded);
                    bytes = rest;
                } else {
                    out.push(byte);
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_a_database_or_the_system() {
        for (path, database, rest) in [
            ("/_api/version", "_system", "/_api/version"),
            ("/_db/shop/_api/document/c", "shop", "/_api/document/c"),
            ("/_db/shop", "shop", "/"),
        ] {
            assert_eq!(split_database(path), (database.into(), rest.into()));
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = parse_query("id=1%2F2&soft=true&x=a+b&odd=%zz&flag");
        let expected = [
            ("id", "1/2"),
            ("soft", "true"),
            ("x", "a b"),
            ("odd", "%zz"),
            ("flag", ""),
        ];
        let found: Vec<(&str, &str)> = query
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
}
