//! HTTP, from this machine or through a host's session, with a limit on the whole call.
//!
//! Used by `uri` and by the probes of databases. Any status is an answer; an error means that there was none, and tells
//! whether the other side can have seen the request. Certificates are checked unless the call says otherwise. No proxy
//! of the environment is used. The way there is always opened here, so that the limit and the operator's stop hold.

mod stream;
#[cfg(test)]
mod tests;
mod trust;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{Request, Response, Uri};
use ureq::unversioned::transport::{Connector, RustlsConnector};
use ureq::{Agent, Body, Error};

use super::streams::SocketStream;
use super::waiting::Waiting;
use super::{ConnError, Connection, Endpoint, Limit, Stream, dial};
use crate::secrets::Secret;

use stream::{Given, Ready, Unresolved};

/// The longest body that is read.
const LONGEST_BODY: u64 = 256 * 1024 * 1024;

/// A request.
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// The method, such as `GET`.
    pub method: String,
    /// The whole URL, `http` or `https`.
    pub url: String,
    /// Its headers; they may be secret, so they are not shown.
    pub headers: Vec<(String, Secret)>,
    /// Its body, if it has one.
    pub body: Option<Vec<u8>>,
    /// The limit on the whole call; a step's own deadline may be earlier.
    pub timeout: Duration,
    /// How many redirections are followed; 0 gives a redirection as the answer.
    pub redirects: u32,
    /// How certificates are checked.
    pub tls: Tls,
}

/// How certificates are checked, and what is shown of our own.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Whether any certificate is taken.
    pub insecure: bool,
    /// Certificates, in PEM, that are trusted instead of the public ones.
    pub authorities: Option<Vec<u8>>,
    /// Our own certificate and its key, in PEM.
    pub client: Option<(Vec<u8>, Secret)>,
}

impl HttpCall {
    /// Makes a `GET` with a limit.
    pub fn get(url: impl Into<String>, timeout: Duration) -> Self {
        Self {
            method: "GET".to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            timeout,
            redirects: 0,
            tls: Tls::default(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The URL that answered, after redirections.
    pub url: String,
    /// How long it took.
    pub elapsed: Duration,
}

impl HttpReply {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request itself is wrong: an URL that is none, a header that cannot be sent.
    #[error("{0}")]
    Request(String),
    /// Nothing was sent: nobody listens, no route, a certificate that is not trusted.
    #[error("{0}")]
    NotSent(String),
    /// It was sent, and there was no answer: it may have had its effect.
    #[error("{0}")]
    NoAnswer(String),
    /// The limit came; it may have had its effect.
    #[error("no answer within {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
}

impl HttpError {
    /// Tells whether the other side cannot have seen the request.
    pub fn nothing_sent(&self) -> bool {
        matches!(self, Self::Request(_) | Self::NotSent(_))
    }
}

/// Sends a request and reads its answer; `via` sends it through a host's session.
pub fn http(
    call: &HttpCall,
    mut via: Option<&mut dyn Connection>,
    limit: Limit<'_>,
) -> Result<HttpReply, HttpError> {
    let waiting = Waiting::new(limit).within(call.timeout);
    let mut hop = Hop {
        method: call.method.clone(),
        uri: parse(&call.url)?,
        body: call.body.as_deref(),
        with_secrets: true,
    };
    let mut left = call.redirects;
    loop {
        let mut response = hop.send(call, again(&mut via), &waiting)?;
        if left > 0
            && let Some(next) = hop.follow(&response)?
        {
            left -= 1;
            hop = next;
            continue;
        }
        let body = response
            .body_mut()
            .with_config()
            .limit(LONGEST_BODY)
            .read_to_vec();
        let body = body.map_err(|error| failure(&error, true, &waiting))?;
        let headers = response.headers().iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        return Ok(HttpReply {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body,
            url: hop.uri.to_string(),
            elapsed: waiting.passed(),
        });
    }
}

/// Lends the connection out for one hop.
fn again<'a>(via: &'a mut Option<&mut dyn Connection>) -> Option<&'a mut dyn Connection> {
    match via {
        Some(connection) => Some(&mut **connection),
        None => None,
    }
}

fn parse(url: &str) -> Result<Uri, HttpError> {
    let wrong = |why: String| HttpError::Request(format!("`{url}`: {why}"));
    let uri: Uri = url
        .parse()
        .map_err(|error: ureq::http::uri::InvalidUri| wrong(error.to_string()))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(wrong(
            "it must begin with http:// or https:// and a host".to_owned(),
        )),
    }
}

/// One request of a call: the first one, or where a redirection led.
#[derive(Debug)]
struct Hop<'a> {
    method: String,
    uri: Uri,
    body: Option<&'a [u8]>,
    with_secrets: bool,
}

impl Hop<'_> {
    fn send(
        &self,
        call: &HttpCall,
        via: Option<&mut dyn Connection>,
        waiting: &Waiting<'_>,
    ) -> Result<Response<Body>, HttpError> {
        let wrong = |error: ureq::http::Error| HttpError::Request(error.to_string());
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.uri.clone());
        for (name, value) in &call.headers {
            // What proves who we are is for the host that it was meant for alone.
            let secret = ["authorization", "cookie"]
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other));
            if self.with_secrets || !secret {
                request = request.header(name.as_str(), value.reveal());
            }
        }
        let config = config(call, self.uri.scheme_str() == Some("https"), waiting)?;
        let stream = open(&self.uri, via, waiting)?;
        let ready = Arc::new(AtomicBool::new(false));
        let connector = Given::new(stream)
            .chain(RustlsConnector::default())
            .chain(Ready(Arc::clone(&ready)));
        let agent = Agent::with_parts(config, connector, Unresolved);
        let result = match self.body {
            Some(body) => agent.run(request.body(body).map_err(wrong)?),
            None => agent.run(request.body(()).map_err(wrong)?),
        };
        result.map_err(|error| failure(&error, ready.load(Ordering::Relaxed), waiting))
    }

    /// Returns where a redirection leads, with what the browsers and Python's urllib do to method and body.
    fn follow(&self, response: &Response<Body>) -> Result<Option<Self>, HttpError> {
        let status = response.status().as_u16();
        let location = response
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok());
        let (Some(location), 301 | 302 | 303 | 307 | 308) = (location, status) else {
            return Ok(None);
        };
        let uri = parse(&resolve(&self.uri, location))?;
        let same_place = endpoint(&uri) == endpoint(&self.uri) && uri.scheme() == self.uri.scheme();
        let keeps = matches!(status, 307 | 308) || matches!(self.method.as_str(), "GET" | "HEAD");
        Ok(Some(Self {
            method: if keeps {
                self.method.clone()
            } else {
                "GET".to_owned()
            },
            body: if keeps { self.body } else { None },
            with_secrets: self.with_secrets && same_place,
            uri,
        }))
    }
}

/// Returns the URL that a `Location` means, seen from where it was given.
fn resolve(base: &Uri, location: &str) -> String {
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map_or("", |authority| authority.as_str());
    if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let directory = base
            .path()
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        format!("{scheme}://{authority}{directory}/{location}")
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a stop has words of its own; every other error is passed on"
)]
/// Opens the way to a URL's place, from here or through a host.
fn open(
    uri: &Uri,
    via: Option<&mut dyn Connection>,
    waiting: &Waiting<'_>,
) -> Result<Box<dyn Stream>, HttpError> {
    let to = endpoint(uri);
    let stream = match via {
        Some(connection) => connection.brief_stream(&to, waiting.limit),
        None => dial::tcp(&to.host, to.port, waiting)
            .map(|socket| Box::new(SocketStream::new(socket.into(), waiting)) as Box<dyn Stream>),
    };
    stream.map_err(|error| match error {
        ConnError::Stopped => HttpError::NotSent("stopped waiting".to_owned()),
        error => HttpError::NotSent(error.to_string()),
    })
}

fn config(call: &HttpCall, is_https: bool, waiting: &Waiting<'_>) -> Result<Config, HttpError> {
    let left = waiting.left().unwrap_or(call.timeout);
    if left.is_zero() {
        return Err(HttpError::NotSent(
            "there is no time left for it".to_owned(),
        ));
    }
    let mut config = Agent::config_builder()
        .timeout_global(Some(left))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .accept_encoding(AutoHeaderValue::None)
        .user_agent(concat!("stagger/", env!("CARGO_PKG_VERSION")));
    if is_https {
        config = config.tls_config(trust::config(&call.tls)?);
    }
    Ok(config.build())
}

/// Sorts an error by what it says about effects; until the way and its TLS are ready no request has left.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an error of ureq that has no meaning of its own here is shown as it is"
)]
fn failure(error: &Error, ready: bool, waiting: &Waiting<'_>) -> HttpError {
    let timed_out = match error {
        Error::Timeout(_) => true,
        Error::Io(inner) => inner.kind() == std::io::ErrorKind::TimedOut,
        _ => false,
    };
    let said = match error {
        Error::Rustls(inner) => format!("TLS: {inner}"),
        Error::Io(inner) => inner.to_string(),
        other => other.to_string(),
    };
    match error {
        Error::BadUri(_) | Error::Http(_) | Error::RequireHttpsOnly(_) => HttpError::Request(said),
        _ if timed_out && ready => HttpError::TimedOut(waiting.passed()),
        _ if timed_out => HttpError::NotSent(format!(
            "no connection within {:.1} s",
            waiting.passed().as_secs_f64()
        )),
        _ if ready => HttpError::NoAnswer(said),
        _ => HttpError::NotSent(said),
    }
}

/// Returns the place that a URL leads to.
fn endpoint(uri: &Uri) -> Endpoint {
    let usual = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    Endpoint {
        host: uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned(),
        port: uri.port_u16().unwrap_or(usual),
    }
}
