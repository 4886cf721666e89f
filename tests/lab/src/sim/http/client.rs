//! One request to another server, and exactly how far it got if it failed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::HeaderMap;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Target, kept};
use crate::sim::paths::Paths;
use crate::sim::tls;

/// A request to be made.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Where to.
    pub target: &'a Target,
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The whole authorization header, if one is needed.
    pub authorization: Option<&'a str>,
    /// Other headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, empty if there is none.
    pub body: Vec<u8>,
    /// How long connecting may take.
    pub connect_limit: Duration,
    /// How long all of it may take.
    pub limit: Duration,
    /// Whether the connection may be an old one, and is kept for the next request.
    pub kept: bool,
}

impl<'a> Call<'a> {
    /// Returns a request without a body, with a connect limit of 2 s.
    pub fn new(target: &'a Target, method: &'a str, path: &'a str, limit: Duration) -> Self {
        Self {
            target,
            method,
            path,
            authorization: None,
            headers: &[],
            body: Vec::new(),
            connect_limit: Duration::from_secs(2).min(limit),
            limit,
            kept: false,
        }
    }

    /// Sets the authorization header.
    #[must_use]
    pub fn authorized(mut self, authorization: Option<&'a str>) -> Self {
        self.authorization = authorization;
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.serialized(body)
    }

    /// Sets a JSON body of anything that has one.
    #[must_use]
    pub fn serialized(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).unwrap_or_default();
        self
    }

    /// Lets the request go over a connection that is open already, and leaves it open.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.kept = true;
        self
    }
}

/// An answer, whatever it says.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Returns the body as JSON, `null` if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The server cannot have seen anything of the request.
    #[error("not sent to {target}: {why}")]
    NotSent {
        /// Where to.
        target: String,
        /// What went wrong.
        why: String,
    },
    /// The request went out and no answer came: what it did is not known.
    #[error("no answer from {target}: {why}")]
    Unanswered {
        /// Where to.
        target: String,
        /// What went wrong.
        why: String,
    },
}

impl CallError {
    /// Tells whether the server cannot have seen the request.
    pub fn was_not_sent(&self) -> bool {
        matches!(self, Self::NotSent { .. })
    }
}

/// Makes one request and returns its answer.
///
/// The future is boxed: handlers of one server call other servers, and theirs in turn.
pub fn call(call: Call<'_>) -> Pin<Box<dyn Future<Output = Result<Reply, CallError>> + Send + '_>> {
    Box::pin(async move {
        let end = Instant::now() + call.limit;
        if call.kept {
            while let Some(mut sender) = kept::take(call.target) {
                match ask(&call, &mut sender, end).await {
                    // It was closed before the request was worked on: as if it had never been open.
                    Err(Broken::Closed) => {}
                    outcome => return conclude(&call, sender, outcome),
                }
            }
        }
        let not_sent = |why: String| CallError::NotSent {
            target: call.target.to_string(),
            why,
        };
        let connect_limit = call.connect_limit.min(call.limit);
        let mut sender = timeout(connect_limit, connect(call.target))
            .await
            .map_err(|_| not_sent("the connection timed out".to_owned()))?
            .map_err(|error| not_sent(error.to_string()))?;
        let outcome = ask(&call, &mut sender, end).await;
        conclude(&call, sender, outcome)
    })
}

/// A connection of the client's side.
pub(super) type Sender = http1::SendRequest<Full<Bytes>>;

/// What became of a request that has no answer.
#[derive(Debug)]
enum Broken {
    /// The server closed the connection without having looked at it.
    Closed,
    /// It may have been carried out.
    Unanswered(String),
}

async fn ask(call: &Call<'_>, sender: &mut Sender, end: Instant) -> Result<Reply, Broken> {
    let left = end.saturating_duration_since(Instant::now());
    timeout(left, exchange(call, sender))
        .await
        .unwrap_or_else(|_| Err(Broken::Unanswered("the answer timed out".to_owned())))
}

/// Keeps the connection if it is to be kept, and says what a broken one means.
fn conclude(
    call: &Call<'_>,
    sender: Sender,
    outcome: Result<Reply, Broken>,
) -> Result<Reply, CallError> {
    let unanswered = |why: String| CallError::Unanswered {
        target: call.target.to_string(),
        why,
    };
    match outcome {
        Ok(reply) => {
            if call.kept {
                kept::give(call.target, sender);
            }
            Ok(reply)
        }
        Err(Broken::Closed) => Err(unanswered("the connection was closed".to_owned())),
        Err(Broken::Unanswered(why)) => Err(unanswered(why)),
    }
}

async fn connect(target: &Target) -> std::io::Result<Sender> {
    let address = Paths::of_this_host().address_of(&target.host);
    let stream = TcpStream::connect((address.as_str(), target.port)).await?;
    stream.set_nodelay(true)?;
    if target.secure {
        handshake(tls::connect(&target.host, stream).await?).await
    } else {
        handshake(stream).await
    }
}

async fn handshake<S>(stream: S) -> std::io::Result<Sender>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    tokio::spawn(async move {
        // Its failure is also the failure of the request that waits on it.
        drop(connection.await);
    });
    Ok(sender)
}

fn build(call: &Call<'_>) -> Result<hyper::Request<Full<Bytes>>, hyper::http::Error> {
    let mut request = hyper::Request::builder()
        .method(call.method)
        .uri(call.path)
        .header("Host", call.target.authority());
    request = if call.kept {
        request.header(kept::MARK, "yes")
    } else {
        request.header("Connection", "close")
    };
    if let Some(authorization) = call.authorization {
        request = request.header("Authorization", authorization);
    }
    for (name, value) in call.headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from(call.body.clone())))
}

async fn exchange(call: &Call<'_>, sender: &mut Sender) -> Result<Reply, Broken> {
    let unanswered = |error: hyper::Error| Broken::Unanswered(error.to_string());
    let request = build(call).map_err(|error| Broken::Unanswered(error.to_string()))?;
    sender.ready().await.map_err(|_| Broken::Closed)?;
    let response = sender
        .try_send_request(request)
        .await
        .map_err(|mut error| match error.take_message() {
            // It never left this process.
            Some(_) => Broken::Closed,
            None => unanswered(error.into_error()),
        })?;
    let (parts, body) = response.into_parts();
    let reply = Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.map_err(unanswered)?.to_bytes(),
    };
    if call.kept && kept::is_farewell(&reply) {
        return Err(Broken::Closed);
    }
    Ok(reply)
}
