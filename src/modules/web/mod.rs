//! Requests over HTTP as `uri` and `get_url` make them: headers, credentials, redirections, files of certificates.
//!
//! A request goes through the host's session, as Ansible makes it on the host, or from the machine that stagger runs on.

mod body;
mod by_hand;
mod url;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::spec::{Argument, Arguments, Kind};
use super::{HostCx, ModuleError};
use crate::connection::Limit;
use crate::connection::http::{HttpCall, HttpError, HttpReply, Tls, http};
use crate::secrets::Secret;

pub use body::Body;
pub use url::{joined, query, without_credentials};

/// The arguments that all such modules share.
pub const VIA: Argument = Argument::new(
    "via",
    Kind::Str,
    "From where the request goes out: `host` through the host's session, `bastion` from the machine that stagger runs on.",
)
.choices(&["bastion", "host"])
.default("host");

/// The argument `headers`.
pub const HEADERS: Argument = Argument::new("headers", Kind::Map, "Headers of the request.");

/// The argument `url_username`.
pub const USERNAME: Argument = Argument::new("url_username", Kind::Str, "The user to log in as.")
    .aliases(&["user", "username"]);

/// The argument `url_password`.
pub const PASSWORD: Argument = Argument::new("url_password", Kind::Str, "The user's password.")
    .aliases(&["password"])
    .secret();

/// The argument `force_basic_auth`.
pub const FORCE_BASIC: Argument = Argument::new(
    "force_basic_auth",
    Kind::Flag,
    "Whether user and password are sent at once, not only when they are asked for.",
)
.default("false");

/// The argument `validate_certs`.
pub const VALIDATE_CERTS: Argument = Argument::new(
    "validate_certs",
    Kind::Flag,
    "Whether certificates are checked.",
)
.default("true");

/// The argument `ca_path`.
pub const CA_PATH: Argument = Argument::new(
    "ca_path",
    Kind::Str,
    "A file of the controller with the certificates that are trusted, in PEM.",
);

/// The argument `client_cert`.
pub const CLIENT_CERT: Argument = Argument::new(
    "client_cert",
    Kind::Str,
    "A file of the controller with our own certificate, in PEM; its key may be in it.",
);

/// The argument `client_key`.
pub const CLIENT_KEY: Argument = Argument::new(
    "client_key",
    Kind::Str,
    "A file of the controller with the key of our certificate, in PEM.",
);

/// The argument `http_agent`.
pub const AGENT: Argument =
    Argument::new("http_agent", Kind::Str, "What we call ourselves.").default("stagger");

/// How many redirections are followed.
const REDIRECTS: usize = 10;

/// Which redirections are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// All.
    All,
    /// None.
    None,
    /// Those of GET and HEAD.
    Safe,
}

/// A request that may be made several times.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The URL without credentials.
    pub url: String,
    /// Other URLs for the same, which are tried in turn while nothing can have been sent.
    pub instead: Vec<String>,
    headers: Vec<(String, Secret)>,
    credentials: Option<Secret>,
    basic_at_once: bool,
    follow: Follow,
    timeout: Duration,
    insecure: bool,
    authorities: Option<String>,
    client: Option<(String, Option<String>)>,
    from_host: bool,
}

/// An answer, with where it came from.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub reply: HttpReply,
    /// The URL that gave it.
    pub url: String,
    /// Whether it was redirected.
    pub redirected: bool,
    /// How long all of it took.
    pub elapsed: Duration,
}

impl Request {
    /// Reads the arguments that all such modules share.
    pub fn of(arguments: &Arguments, default_timeout: u64) -> Result<Self, ModuleError> {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        let method = text("method")
            .unwrap_or_else(|| "GET".to_owned())
            .to_uppercase();
        if method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()) {
            return Err(ModuleError::failed(
                "Parameter 'method' needs to be a single word in uppercase, like GET or POST.",
            ));
        }
        let (url, in_url, instead) = urls(arguments)?;
        let given = text("url_username")
            .map(|user| format!("{user}:{}", text("url_password").unwrap_or_default()));
        let mut headers = vec![(
            "User-Agent".to_owned(),
            Secret::new(text("http_agent").unwrap_or_else(|| "stagger".to_owned())),
        )];
        let more = arguments.get("headers").and_then(Value::as_object);
        for (name, value) in more.into_iter().flatten() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.clone(), Secret::new(value)));
        }
        Ok(Self {
            method,
            url,
            instead,
            headers,
            credentials: given.or(in_url).map(Secret::new),
            basic_at_once: arguments.flag("force_basic_auth"),
            follow: match arguments.str("follow_redirects") {
                Some("all" | "yes" | "true") => Follow::All,
                Some("no" | "none" | "false") => Follow::None,
                _ => Follow::Safe,
            },
            timeout: arguments
                .duration("timeout")
                .unwrap_or(Duration::from_secs(default_timeout)),
            insecure: arguments.get("validate_certs") == Some(&Value::Bool(false)),
            authorities: text("ca_path"),
            client: text("client_cert").map(|certificate| (certificate, text("client_key"))),
            from_host: arguments.str("via") != Some("bastion"),
        })
    }

    /// Tells whether it only asks.
    pub fn only_asks(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// Sets a header unless the task gives it.
    pub fn default_header(&mut self, name: &str, value: &str) {
        if !self
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            self.headers.push((name.to_owned(), Secret::new(value)));
        }
    }

    /// Makes the request, follows redirections, and logs in if it is asked to.
    pub fn send(&self, cx: &mut HostCx<'_>, body: Option<&[u8]>) -> Result<Answer, Failed> {
        let start = cx.clock.elapsed();
        let deadline = cx.clock.deadline(self.timeout).earlier(cx.deadline);
        let tls = self.tls(cx).map_err(Failed::Module)?;
        let mut call = HttpCall {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: body.map(<[u8]>::to_vec),
            timeout: self.timeout,
            redirects: 0,
            tls,
        };
        let mut logged_in = self.basic_at_once && self.credentials.is_some();
        if logged_in {
            self.log_in(&mut call);
        }
        let mut redirections = 0;
        let mut instead = self.instead.iter();
        loop {
            let limit = Limit {
                clock: cx.clock,
                stop: cx.stop,
                deadline,
            };
            let reply = if self.from_host {
                http(&call, Some(&mut *cx.connection), limit)
            } else {
                http(&call, None, limit)
            };
            let reply = match (reply, instead.next()) {
                (Ok(reply), _) => reply,
                (Err(error), Some(next)) if error.nothing_sent() && redirections == 0 => {
                    call.url.clone_from(next);
                    continue;
                }
                (Err(error), _) => return Err(Failed::NoAnswer(error)),
            };
            if reply.status == 401 && !logged_in && self.credentials.is_some() {
                logged_in = true;
                self.log_in(&mut call);
                continue;
            }
            if let Some(to) = self.redirection(&call, &reply) {
                redirections += 1;
                if redirections > REDIRECTS {
                    return Err(Failed::NoAnswer(HttpError::Request(format!(
                        "more than {REDIRECTS} redirections, the last to {to}"
                    ))));
                }
                redirect(&mut call, &reply, to);
                continue;
            }
            return Ok(Answer {
                url: call.url,
                redirected: redirections > 0,
                elapsed: cx.clock.elapsed().saturating_sub(start),
                reply,
            });
        }
    }

    fn log_in(&self, call: &mut HttpCall) {
        if let Some(credentials) = &self.credentials {
            let value = format!("Basic {}", STANDARD.encode(credentials.reveal()));
            call.headers
                .push(("Authorization".to_owned(), Secret::new(value)));
        }
    }

    fn redirection(&self, call: &HttpCall, reply: &HttpReply) -> Option<String> {
        let asks = matches!(call.method.as_str(), "GET" | "HEAD");
        let follows = match self.follow {
            Follow::All => true,
            Follow::Safe => asks,
            Follow::None => false,
        };
        if !follows || !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        Some(joined(&call.url, reply.header("location")?))
    }

    fn tls(&self, cx: &HostCx<'_>) -> Result<Tls, ModuleError> {
        let read = |path: &str| {
            cx.controller
                .read("files", path)
                .map_err(ModuleError::Argument)
        };
        let client = match &self.client {
            Some((certificate, key)) => {
                let pem = read(certificate)?;
                let key = match key {
                    Some(key) => read(key)?,
                    None => pem.clone(),
                };
                Some((pem, Secret::new(String::from_utf8_lossy(&key).into_owned())))
            }
            None => None,
        };
        Ok(Tls {
            insecure: self.insecure,
            authorities: self.authorities.as_deref().map(read).transpose()?,
            client,
        })
    }
}

/// Returns the first URL, the credentials in it, and the other URLs, each with `path` behind it.
fn urls(arguments: &Arguments) -> Result<(String, Option<String>, Vec<String>), ModuleError> {
    let path = arguments.str("path").unwrap_or_default();
    let mut urls = match arguments.get("url") {
        Some(Value::Array(urls)) => urls.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(url)) => vec![url.as_str()],
        _ => Vec::new(),
    }
    .into_iter()
    .map(|url| without_credentials(&format!("{url}{path}")))
    .collect::<Result<Vec<_>, _>>()?
    .into_iter();
    let Some((url, credentials)) = urls.next() else {
        return Err(ModuleError::failed("`url` is an empty list"));
    };
    Ok((url, credentials, urls.map(|(url, _)| url).collect()))
}

/// Turns a call into the one that a redirection asks for; another place does not get our credentials.
fn redirect(call: &mut HttpCall, reply: &HttpReply, to: String) {
    if url::place(&call.url) != url::place(&to) {
        call.headers.retain(|(name, _)| {
            !name.eq_ignore_ascii_case("authorization") && !name.eq_ignore_ascii_case("cookie")
        });
    }
    let becomes_get =
        reply.status == 303 || (matches!(reply.status, 301 | 302) && call.method == "POST");
    if becomes_get && call.method != "HEAD" {
        "GET".clone_into(&mut call.method);
        call.body = None;
        call.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    }
    call.url = to;
}

/// Why a request gave no answer.
#[derive(Debug)]
pub enum Failed {
    /// The other side did not answer.
    NoAnswer(HttpError),
    /// It could not even be made.
    Module(ModuleError),
}
