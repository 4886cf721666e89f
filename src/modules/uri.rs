//! `uri`: a request over HTTP.

use serde_json::{Map, Value, json};

use super::files::{
    Attributes, FILE_ARGUMENTS, GROUP, MODE, OWNER, PRELUDE, Place, Presence, Reply, path_word,
};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::web::{
    AGENT, Answer, Body, CA_PATH, CLIENT_CERT, CLIENT_KEY, FORCE_BASIC, Failed, HEADERS, PASSWORD,
    Request, USERNAME, VALIDATE_CERTS, VIA, joined,
};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "uri",
    summary: "Makes a request over HTTP and tells the answer",
    notes: &[
        "The request goes through the host's session, as Ansible makes it on the host; nothing is needed there.",
        "GET, HEAD and OPTIONS are made in check mode too; others are not.",
        "No proxy is used. Files of certificates are files of the controller.",
    ],
    arguments: &[
        Argument::new(
            "url",
            Kind::List,
            "The URL; or several for the same, of which the next is tried while nothing can have been sent.",
        )
        .required(),
        Argument::new("path", Kind::Str, "What comes behind each URL."),
        Argument::new("method", Kind::Str, "The method.").default("GET"),
        Argument::new(
            "body",
            Kind::Any,
            "What the request carries; maps and lists are written as `body_format` says.",
        ),
        Argument::new(
            "body_format",
            Kind::Str,
            "How it is written, and the Content-Type that it gets.",
        )
        .choices(&["form-multipart", "form-urlencoded", "json", "raw"])
        .default("raw"),
        Argument::new("src", Kind::Str, "A file that the request carries."),
        Argument::new(
            "remote_src",
            Kind::Flag,
            "Whether that file is on the host.",
        )
        .default("false"),
        HEADERS,
        Argument::new("status_code", Kind::Values, "The answers that are right.").default("200"),
        Argument::new(
            "return_content",
            Kind::Flag,
            "Whether the answer's body is kept as `content`.",
        )
        .default("false"),
        Argument::new(
            "follow_redirects",
            Kind::Str,
            "Which redirections are followed; `safe`: those of GET and HEAD.",
        )
        .choices(&["all", "no", "none", "safe", "urllib2", "yes"])
        .default("safe"),
        Argument::new(
            "dest",
            Kind::Path,
            "A path of the host that the answer's body is written to.",
        ),
        Argument::new(
            "creates",
            Kind::Path,
            "A path: if something is there, no request is made.",
        ),
        Argument::new(
            "removes",
            Kind::Path,
            "A path: if nothing is there, no request is made.",
        ),
        Argument::new("timeout", Kind::Duration, "How long all of it may take.").default("30"),
        VIA,
        USERNAME,
        PASSWORD,
        FORCE_BASIC,
        VALIDATE_CERTS,
        CA_PATH,
        CLIENT_CERT,
        CLIENT_KEY,
        AGENT,
        MODE,
        OWNER,
        GROUP,
    ],
    absent: &{
        let [a, b, c, d, e, f, g] = FILE_ARGUMENTS;
        [
            ("ciphers", "the safe ones are used"),
            ("decompress", "answers are always unpacked"),
            ("force", "nothing is kept between requests"),
            ("unix_socket", "run `curl --unix-socket` with `command`"),
            (
                "unredirected_headers",
                "credentials never go to another place",
            ),
            ("use_gssapi", "run `curl --negotiate` with `command`"),
            ("use_netrc", "give user and password"),
            ("use_proxy", "no proxy is used"),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
        ]
    },
    exclusive: &[&["body", "src"]],
    safety: Safety::Once,
    speaks_itself: true,
    example: "- uri:\n    url: http://127.0.0.1:8529/_api/version\n    return_content: true\n  register: answer\n  until: answer.status == 200\n  timeout: 60\n",
    // The answer's headers are fields too.
    open: false,
    returns: &[
        ("status", "the status code; -1 without an answer"),
        ("url", "the URL that answered"),
        ("redirected", "whether it was redirected"),
        (
            "content",
            "the answer's body, with `return_content` or if the status is not right",
        ),
        ("json", "the answer's body, if it is JSON"),
        ("elapsed", "how long it took, in seconds"),
        ("cookies", "the cookies that were set"),
        (
            "cookies_string",
            "the cookies that were set, as a header has them",
        ),
        ("location", "where a redirection leads"),
        (
            "content_type",
            "the body's type; the other headers are there likewise",
        ),
        ("path", "where the body was written to"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Uri;

impl Module for Uri {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Asking::of(arguments)
            .map(|asking| Box::new(asking) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

#[derive(Debug)]
struct Asking {
    arguments: Arguments,
    request: Request,
    right: Vec<u16>,
    keeps: bool,
    dest: Option<Place>,
    presence: Presence,
}

impl Asking {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let text = |name: &str| arguments.str(name).map(str::to_owned);
        let attributes = Attributes::of(arguments)?;
        let request = Request::of(arguments, TIMEOUT_SECONDS)?;
        let dest = text("dest").map(|dest| Place {
            name: Some(file_name(&request.url)),
            dest,
            attributes,
            ..Place::default()
        });
        Ok(Self {
            request,
            right: statuses(arguments)?,
            keeps: arguments.flag("return_content"),
            dest,
            presence: Presence::of(arguments),
            arguments: arguments.clone(),
        })
    }

    /// Asks whether it is done already; the words that say so.
    fn done(&self, cx: &mut HostCx<'_>) -> Result<Option<String>, ModuleError> {
        if !self.presence.can_be_asked() {
            return Ok(None);
        }
        let there = |path: &str| ["[ -e ", &path_word(path), " ]"].concat();
        let text = [PRELUDE, &self.presence.question(there), ":\n"].concat();
        let reply = Reply::of(&cx.script(text)?, "cannot look at the host")?;
        let done = self.presence.done(&reply);
        Ok(done.map(|(path, how)| format!("skipped, since '{path}' {how}")))
    }

    fn ask(&self, cx: &mut HostCx<'_>) -> Result<(Answer, Map<String, Value>), ModuleError> {
        let body = Body::of(&self.arguments, cx)?;
        let mut request = Request::of(&self.arguments, TIMEOUT_SECONDS)?;
        if let Some(content_type) = &body.content_type {
            request.default_header("Content-Type", content_type);
        }
        let answer = match request.send(cx, body.bytes.as_deref()) {
            Ok(answer) => answer,
            Err(Failed::Module(error)) => return Err(error),
            Err(Failed::NoAnswer(error)) => {
                let message = format!(
                    "Status code was -1 and not {:?}: Request failed: {error}",
                    self.right
                );
                let result = fields([
                    ("status", json!(-1)),
                    ("url", json!(request.url)),
                    ("redirected", json!(false)),
                    ("elapsed", json!(0)),
                ]);
                return Err(if error.nothing_sent() || request.only_asks() {
                    ModuleError::Failed { message, result }
                } else {
                    let message = format!("{message}; it may have had its effect");
                    ModuleError::InDoubt { message, result }
                });
            }
        };
        let right = self.right.contains(&answer.reply.status);
        let result = told(&answer, self.keeps || !right);
        if right {
            return Ok((answer, result));
        }
        Err(ModuleError::Failed {
            message: format!(
                "Status code was {} and not {:?}: HTTP Error {}",
                answer.reply.status, self.right, answer.reply.status
            ),
            result,
        })
    }
}

/// How long a request may take unless the task says otherwise.
const TIMEOUT_SECONDS: u64 = 30;

fn statuses(arguments: &Arguments) -> Result<Vec<u16>, ModuleError> {
    let given = arguments.get("status_code").and_then(Value::as_array);
    let mut right = Vec::new();
    for value in given.into_iter().flatten() {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        for word in text.split(',') {
            right.push(
                word.trim()
                    .parse()
                    .map_err(|_| ModuleError::failed(format!("`{word}` is no status code")))?,
            );
        }
    }
    if right.is_empty() {
        right.push(200);
    }
    Ok(right)
}

/// Returns the name that a file from a URL gets.
pub(super) fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    match path
        .split_once('/')
        .and_then(|(_, path)| path.rsplit('/').next())
    {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "index.html".to_owned(),
    }
}

/// Makes the result of an answer: its headers, and its body where it is wanted.
fn told(answer: &Answer, with_content: bool) -> Map<String, Value> {
    let reply = &answer.reply;
    let mut result = Map::new();
    for (name, value) in &reply.headers {
        let name = name.to_lowercase().replace('-', "_");
        let joined = match result.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        result.insert(name, json!(joined));
    }
    let cookies: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .filter_map(|(_, value)| value.split(';').next()?.split_once('='))
        .collect();
    let line: Vec<String> = cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let cookies: Map<String, Value> = cookies
        .iter()
        .map(|(name, value)| ((*name).trim().to_owned(), json!(value)))
        .collect();
    if let Some(location) = reply.header("location") {
        result.insert("location".into(), json!(joined(&answer.url, location)));
    }
    let length = reply.header("content-length").unwrap_or("unknown");
    result.extend(fields([
        ("status", json!(reply.status)),
        ("url", json!(answer.url)),
        ("redirected", json!(answer.redirected)),
        ("elapsed", json!(answer.elapsed.as_secs())),
        ("cookies", json!(cookies)),
        ("cookies_string", json!(line.join("; "))),
        ("msg", json!(format!("OK ({length} bytes)"))),
    ]));
    let kind = reply
        .header("content-type")
        .unwrap_or_default()
        .to_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
    let subtype = kind.split('/').nth(1).unwrap_or_default();
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    if matches!(suffix, "json" | "javascript")
        && let Ok(value) = serde_json::from_slice::<Value>(&reply.body)
    {
        result.insert("json".into(), value);
    }
    if with_content {
        let content = String::from_utf8_lossy(&reply.body).into_owned();
        result.insert("content".into(), json!(content));
    }
    result
}

impl Action for Asking {
    fn describe(&self) -> String {
        format!("{} {}", self.request.method, self.request.url)
    }

    fn by_hand(&self) -> Option<String> {
        Some(self.request.by_hand(&self.arguments))
    }

    fn safety(&self) -> Option<Safety> {
        if self.request.only_asks() && self.dest.is_none() {
            return Some(Safety::ReadOnly);
        }
        self.presence.can_be_asked().then_some(Safety::State)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if let Some(said) = self.done(cx)? {
            return Ok(Observed::Same(Outcome {
                result: fields([("stdout", json!(said)), ("msg", json!(said))]),
                ..Outcome::default()
            }));
        }
        if self.dest.is_some() || !self.request.only_asks() {
            return Ok(Observed::Unknown(Change::new(self.describe())));
        }
        let (_, result) = self.ask(cx)?;
        Ok(Observed::Same(Outcome {
            result,
            ..Outcome::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        let (answer, mut result) = self.ask(cx)?;
        let mut changed = false;
        if let Some(place) = &self.dest {
            let body = &answer.reply.body;
            let written = match place.observe(cx, body)? {
                Observed::Differs(change) => place.apply(cx, body, &change)?,
                Observed::Same(outcome) => outcome,
                Observed::Skip(_) | Observed::Unknown(_) => Outcome::default(),
            };
            // As Ansible, which has fetched and written something whatever was there.
            changed = true;
            result.extend(written.result);
            let path = result.get("dest").cloned().unwrap_or_default();
            result.insert("path".into(), path);
        }
        Ok(Outcome {
            changed,
            result,
            ..Outcome::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the command that does by hand what arguments ask for.
    fn by_hand(given: &Value) -> String {
        let source = crate::yaml::Source::new("t.yml", given.to_string());
        let node = crate::yaml::parse(&source).unwrap();
        let arguments = Arguments::of(&SPEC, given.as_object().unwrap(), &node).unwrap();
        Uri.action(&arguments).unwrap().by_hand().unwrap()
    }

    #[test]
    fn by_hand_it_is_the_same_request() {
        let put = json!({
            "url": ["https://a:8529", "https://b:8529"],
            "path": "/_admin/cluster/maintenance",
            "method": "PUT",
            "body": "\"off\"",
            "headers": {"Authorization": "bearer x.y", "X-Trace": "1 2"},
            "validate_certs": false,
        });
        assert_eq!(
            by_hand(&put),
            "for url in https://a:8529/_admin/cluster/maintenance https://b:8529/_admin/cluster/maintenance; do \
             curl -f -k -X PUT -H 'Authorization: ***' -H 'X-Trace: 1 2' -d '\"off\"' \"$url\" && break; done"
        );
        let post = json!({"url": "http://a/x", "method": "POST", "body": {"a": [1]}, "body_format": "json"});
        assert_eq!(
            by_hand(&post),
            "curl -f -X POST -H 'Content-Type: application/json' -d '{\"a\":[1]}' http://a/x"
        );
        let form = json!({"url": "http://u:p@a/x", "method": "POST", "body": {"a": "b c"}, "body_format": "form-urlencoded"});
        assert_eq!(
            by_hand(&form),
            "curl -f -X POST -u u --data-urlencode 'a=b c' http://a/x"
        );
    }

    #[test]
    fn a_file_is_named_after_its_url() {
        for (url, name) in [
            ("http://h/a/b.deb?x=/y", "b.deb"),
            ("http://h/", "index.html"),
            ("http://h", "index.html"),
        ] {
            assert_eq!(file_name(url), name);
        }
    }
}
