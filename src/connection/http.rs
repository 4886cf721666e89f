//! HTTP, from this machine or through a host's session, with a limit on the whole call.
//!
//! Used by `uri` and by the probes of databases. Any status is an answer; an error means that there was none, and tells
//! whether the other side can have seen the request. Certificates are checked unless the call says otherwise. No proxy
//! of the environment is used. The way there is always opened here, so that the limit and the operator's stop hold.

mod stream;
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
    reason = "errors are passed on but for the one named here"
)]
/// Opens the way to a URL's place, from here or through a host.
fn open(
    uri: &Uri,
    via: Option<&mut dyn Connection>,
    waiting: &Waiting<'_>,
) -> Result<Box<dyn Stream>, HttpError> {
    let to = endpoint(uri);
    let stream = match via {
        Some(connection) => connection.stream(&to, waiting.limit),
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
    reason = "the kinds of another library, of which only some matter here"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Deadline, Stop, SystemClock};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    fn serve(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(3).flatten() {
                let mut stream = stream;
                let mut seen = [0; 4096];
                let _count = stream.read(&mut seen);
                let _sent = stream.write_all(answer);
                if answer.is_empty() {
                    std::mem::forget(stream);
                }
            }
        });
        port
    }

    /// Serves the same answer again and again, and hands out what was asked.
    fn record(answer: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
        let (sender, seen) = std::sync::mpsc::channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let mut text = String::new();
                let mut buffer = [0; 4096];
                // The body may come after the head, in a packet of its own.
                while !text.contains("\r\n\r\n")
                    || (text.contains("ontent-length: 4") && !text.ends_with("body"))
                {
                    match socket.read(&mut buffer) {
                        Ok(count) if count > 0 => {
                            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
                        }
                        _ => break,
                    }
                }
                let _sent = socket.write_all(answer.as_bytes());
                let _told = sender.send(text);
            }
        });
        (port, seen)
    }

    fn send(call: &HttpCall) -> Result<HttpReply, HttpError> {
        let (clock, stop) = (SystemClock::new(), Stop::new());
        let limit = Limit {
            clock: &clock,
            stop: &stop,
            deadline: Deadline::NEVER,
        };
        assert!(clock.elapsed() < Duration::from_secs(5));
        http(call, None, limit)
    }

    #[test]
    fn any_status_is_an_answer_and_redirections_are_not_followed_unasked() {
        let port = serve(
            b"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nhi",
        );
        let reply = send(&HttpCall::get(
            format!("http://127.0.0.1:{port}/x"),
            Duration::from_secs(5),
        ))
        .unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (307, &b"hi"[..]));
        assert_eq!(reply.header("Location"), Some("http://127.0.0.1:1/"));
    }

    #[test]
    fn redirections_are_followed_with_what_belongs_there() {
        let (elsewhere, seen) = record("HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok");
        for (status, method, expected) in [
            (302, "POST", "GET / "),
            (303, "PUT", "GET / "),
            (307, "POST", "POST / "),
            (301, "HEAD", "HEAD / "),
        ] {
            let location = format!("http://127.0.0.1:{elsewhere}/");
            let text =
                format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            let (first, _) = record(Box::leak(text.into_boxed_str()));
            let mut call = HttpCall::get(
                format!("http://127.0.0.1:{first}/x"),
                Duration::from_secs(5),
            );
            method.clone_into(&mut call.method);
            call.redirects = 3;
            call.body = (method != "HEAD").then(|| b"body".to_vec());
            call.headers = vec![
                ("Authorization".to_owned(), Secret::new("bearer x")),
                ("X-Other".to_owned(), Secret::new("y")),
            ];
            let reply = send(&call).unwrap();
            assert_eq!((reply.status, reply.url), (200, location));
            let request = seen.recv().unwrap().to_lowercase();
            assert!(
                request.starts_with(&expected.to_lowercase()),
                "{status}: {request}"
            );
            assert!(
                !request.contains("bearer") && request.contains("x-other: y"),
                "{request}"
            );
            assert_eq!(request.ends_with("body"), status == 307, "{request}");
        }
        let looping = record("HTTP/1.1 301 x\r\nLocation: again?x\r\nContent-Length: 0\r\n\r\n").0;
        let mut call = HttpCall::get(
            format!("http://127.0.0.1:{looping}/a/b"),
            Duration::from_secs(5),
        );
        call.redirects = 2;
        let reply = send(&call).unwrap();
        assert_eq!(
            (reply.status, reply.url),
            (301, format!("http://127.0.0.1:{looping}/a/again?x"))
        );
    }

    #[test]
    fn locations_are_seen_from_where_they_were_given() {
        let base: Uri = "https://h:1/a/b?c".parse().unwrap();
        for (location, url) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "https://x/y"),
            ("/y", "https://h:1/y"),
            ("y", "https://h:1/a/y"),
            ("?q", "https://h:1/a/b?q"),
        ] {
            assert_eq!(resolve(&base, location), url);
        }
    }

    /// Serves one TLS connection after the other with a certificate for 127.0.0.1; returns it too.
    fn serve_tls() -> (u16, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let pem = made.cert.pem().into_bytes();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, socket);
                let _count = stream.read(&mut [0; 4096]);
                let _sent = stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\ntls");
            }
        });
        (port, pem)
    }

    #[test]
    fn certificates_are_checked_unless_the_call_says_otherwise() {
        let (port, pem) = serve_tls();
        let (_, other) = serve_tls();
        let mut call = HttpCall::get(format!("https://127.0.0.1:{port}/"), Duration::from_secs(5));
        let error = send(&call).unwrap_err();
        assert!(
            error.nothing_sent() && error.to_string().contains("UnknownIssuer"),
            "{error:?}"
        );
        call.tls.authorities = Some(pem);
        assert_eq!(send(&call).unwrap().body, b"tls");
        call.tls.authorities = Some(other);
        assert!(send(&call).unwrap_err().nothing_sent());
        call.tls = Tls {
            insecure: true,
            ..Tls::default()
        };
        assert_eq!(send(&call).unwrap().body, b"tls");
        call.tls.authorities = Some(b"nothing".to_vec());
        assert!(matches!(send(&call), Err(HttpError::Request(_))));
    }

    #[test]
    fn a_stop_ends_a_call_at_once() {
        let silent = serve(b"");
        let (clock, stop) = (SystemClock::new(), Stop::new());
        stop.raise(crate::clock::StopLevel::Abandon);
        let limit = Limit {
            clock: &clock,
            stop: &stop,
            deadline: Deadline::NEVER,
        };
        let call = HttpCall::get(
            format!("http://127.0.0.1:{silent}/"),
            Duration::from_mins(1),
        );
        assert_eq!(
            http(&call, None, limit),
            Err(HttpError::NotSent("stopped waiting".to_owned()))
        );
        assert!(clock.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn errors_tell_whether_something_was_sent() {
        let limit = Duration::from_millis(300);
        let refused = send(&HttpCall::get("http://127.0.0.1:1/", limit)).unwrap_err();
        assert!(refused.nothing_sent(), "{refused:?}");
        let silent = serve(b"");
        let late = send(&HttpCall::get(format!("http://127.0.0.1:{silent}/"), limit)).unwrap_err();
        assert!(
            matches!(late, HttpError::TimedOut(after) if after >= limit && after < limit * 4),
            "{late:?}"
        );
        let torn = serve(b"HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\nhi");
        let torn = send(&HttpCall::get(
            format!("http://127.0.0.1:{torn}/"),
            Duration::from_secs(5),
        ))
        .unwrap_err();
        assert!(matches!(torn, HttpError::NoAnswer(_)), "{torn:?}");
        assert!(matches!(
            send(&HttpCall::get("no url", limit)),
            Err(HttpError::Request(_))
        ));
    }
}
