//! HTTP, from this machine or through a host's session, with a limit on the whole call.
//!
//! Used by `uri` and by the probes of databases. Any status is an answer; an error means that there was none. Certificates
//! are checked unless the call says otherwise. No proxy of the environment is used.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};
use ureq::{Agent, Error, Timeout};

use super::{Connection, Endpoint, Limit, Stream};
use crate::secrets::Secret;

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
    via: Option<&mut dyn Connection>,
    limit: Limit<'_>,
) -> Result<HttpReply, HttpError> {
    let began = limit.clock.elapsed();
    let left = limit
        .deadline
        .left(limit.clock)
        .map_or(call.timeout, |left| left.min(call.timeout));
    if left.is_zero() {
        return Err(HttpError::NotSent(
            "there is no time left for it".to_owned(),
        ));
    }
    let uri: Uri = call
        .url
        .parse()
        .map_err(|error| HttpError::Request(format!("`{}`: {error}", call.url)))?;
    let config = config(call, left)?;
    let mut last = None;
    let agent = match via {
        None => Agent::new_with_config(config),
        Some(connection) => {
            let bounded = Limit {
                deadline: limit.clock.deadline(left).earlier(limit.deadline),
                ..limit
            };
            let stream = connection.stream(&endpoint(&uri)?, bounded);
            let stream = stream.map_err(|error| HttpError::NotSent(error.to_string()))?;
            let connector = Given {
                stream: Mutex::new(Some(stream)),
            }
            .chain(RustlsConnector::default());
            Agent::with_parts(config, connector, Unresolved)
        }
    };
    let mut request = Request::builder().method(call.method.as_str()).uri(uri);
    for (name, value) in &call.headers {
        request = request.header(name.as_str(), value.reveal());
    }
    let wrong = |error: ureq::http::Error| HttpError::Request(error.to_string());
    let response = match &call.body {
        Some(body) => agent.run(request.body(body.as_slice()).map_err(wrong)?),
        None => agent.run(request.body(()).map_err(wrong)?),
    };
    let mut response = response.map_err(|error| failure(&error, left))?;
    for (name, value) in response.headers() {
        last.get_or_insert_with(Vec::new).push((
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        ));
    }
    let body = response
        .body_mut()
        .with_config()
        .limit(LONGEST_BODY)
        .read_to_vec();
    Ok(HttpReply {
        status: response.status().as_u16(),
        headers: last.unwrap_or_default(),
        body: body.map_err(|error| failure(&error, left))?,
        url: call.url.clone(),
        elapsed: limit.clock.elapsed().saturating_sub(began),
    })
}

fn config(call: &HttpCall, left: Duration) -> Result<Config, HttpError> {
    let mut tls = TlsConfig::builder().disable_verification(call.tls.insecure);
    if let Some(pem) = &call.tls.authorities {
        let trusted = certificates(pem)?;
        if trusted.is_empty() {
            return Err(HttpError::Request(
                "the file of trusted certificates holds none".to_owned(),
            ));
        }
        tls = tls.root_certs(RootCerts::new_with_certs(&trusted));
    }
    if let Some((certificate, key)) = &call.tls.client {
        let key = PrivateKey::from_pem(key.reveal().as_bytes());
        let key = key.map_err(|error| HttpError::Request(format!("the client's key: {error}")))?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(
            &certificates(certificate)?,
            key,
        )));
    }
    Ok(Agent::config_builder()
        .timeout_global(Some(left))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(call.redirects)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("stagger/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, HttpError> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(HttpError::Request(format!("certificates: {error}"))),
        }
    }
    Ok(found)
}

/// Sorts an error by what it says about effects.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, of which only some matter here"
)]
fn failure(error: &Error, left: Duration) -> HttpError {
    match error {
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            HttpError::NotSent(format!("no connection within {:.1} s", left.as_secs_f64()))
        }
        Error::Timeout(_) => HttpError::TimedOut(left),
        Error::ConnectionFailed | Error::HostNotFound | Error::Tls(_) => {
            HttpError::NotSent(error.to_string())
        }
        Error::Rustls(inner) => HttpError::NotSent(format!("TLS: {inner}")),
        Error::Io(inner) => match inner.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => HttpError::NotSent(inner.to_string()),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => HttpError::TimedOut(left),
            _ => HttpError::NoAnswer(inner.to_string()),
        },
        Error::BadUri(_) | Error::Http(_) | Error::RequireHttpsOnly(_) => {
            HttpError::Request(error.to_string())
        }
        _ => HttpError::NoAnswer(error.to_string()),
    }
}

/// Returns the place that a URL leads to.
fn endpoint(uri: &Uri) -> Result<Endpoint, HttpError> {
    let host = uri
        .host()
        .ok_or_else(|| HttpError::Request(format!("`{uri}` names no host")))?;
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        });
    Ok(Endpoint {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
    })
}

/// A connector that hands out the stream that was opened through a host, once.
#[derive(Debug)]
struct Given {
    stream: Mutex<Option<Box<dyn Stream>>>,
}

impl Connector for Given {
    type Out = Through;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Through>, Error> {
        let stream = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let stream = stream.ok_or_else(|| {
            Error::Io(io::Error::other(
                "another connection would be needed, for a redirection elsewhere",
            ))
        })?;
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Through {
            stream: Mutex::new(stream),
            buffers,
            open: true,
        }))
    }
}

/// A stream as the library wants it. The stream itself keeps the deadline that it was opened with.
struct Through {
    stream: Mutex<Box<dyn Stream>>,
    buffers: LazyBuffers,
    open: bool,
}

impl std::fmt::Debug for Through {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Through")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Transport for Through {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let stream = self
            .stream
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        stream
            .write_all(output)
            .and_then(|()| stream.flush())
            .map_err(|error| late(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let stream = self
            .stream
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let input = self.buffers.input_append_buf();
        let amount = stream.read(input).map_err(|error| late(error, timeout))?;
        self.buffers.input_appended(amount);
        self.open = amount > 0;
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.open
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, of which only some matter here"
)]
fn late(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

/// Names are resolved by the host that the stream goes through.
#[derive(Debug)]
struct Unresolved;

impl Resolver for Unresolved {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        Ok(addresses)
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
    fn errors_tell_whether_something_was_sent() {
        let limit = Duration::from_millis(300);
        let refused = send(&HttpCall::get("http://127.0.0.1:1/", limit)).unwrap_err();
        assert!(refused.nothing_sent(), "{refused:?}");
        let silent = serve(b"");
        let late = send(&HttpCall::get(format!("http://127.0.0.1:{silent}/"), limit)).unwrap_err();
        assert_eq!(late, HttpError::TimedOut(limit));
        let torn = serve(b"HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\nhi");
        let torn = send(&HttpCall::get(
            format!("http://127.0.0.1:{torn}/"),
            Duration::from_secs(5),
        ))
        .unwrap_err();
        assert!(
            !torn.nothing_sent() && torn != HttpError::TimedOut(limit),
            "{torn:?}"
        );
        assert!(matches!(
            send(&HttpCall::get("no url", limit)),
            Err(HttpError::Request(_))
        ));
    }
}
