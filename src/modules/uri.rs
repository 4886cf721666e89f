//! `uri`: an HTTP request and what it answers.
//!
//! From the task's host, as in Ansible, through its session, so that an endpoint that listens only there can be reached
//! with nothing installed; or from the machine that stagger runs on. Several base URLs may be given: the next one is
//! tried only while nothing can have been sent.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::connection::http::{HttpCall, HttpError, HttpReply, Tls, http};
use crate::connection::{ConnError, Limit};
use crate::secrets::Secret;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "uri",
    summary: "Sends an HTTP request and checks the status of the answer",
    notes: &[
        "Several base URLs in `url` are tried in their order until one can be reached; once something was sent no other one is tried.",
        "`GET`, `HEAD` and `OPTIONS` are sent in check mode as well; other methods are not.",
    ],
    arguments: &[
        Argument::new(
            "url",
            Kind::List,
            "The URL, or several base URLs of which the first that can be reached is taken.",
        )
        .required(),
        Argument::new("path", Kind::Str, "What is put behind each URL."),
        Argument::new("method", Kind::Str, "The method.").default("GET"),
        Argument::new("headers", Kind::Map, "Further headers."),
        Argument::new(
            "body",
            Kind::Any,
            "The body: text, or a value for `body_format`.",
        ),
        Argument::new("body_format", Kind::Str, "How the body is written.")
            .default("raw")
            .choices(&["raw", "json", "form-urlencoded"]),
        Argument::new(
            "status_code",
            Kind::Values,
            "The statuses that are a success.",
        )
        .default("200"),
        Argument::new("timeout", Kind::Duration, "The limit on the whole request.").default("30"),
        Argument::new(
            "return_content",
            Kind::Flag,
            "Whether the body is in the result as `content`.",
        )
        .default("no"),
        Argument::new(
            "follow_redirects",
            Kind::Str,
            "Whether redirections are followed.",
        )
        .default("safe")
        .choices(&["all", "safe", "none", "no", "yes"]),
        Argument::new(
            "validate_certs",
            Kind::Flag,
            "Whether the server's certificate is checked.",
        )
        .default("yes"),
        Argument::new(
            "ca_path",
            Kind::Path,
            "A file, on the machine that stagger runs on, with the certificates that are trusted.",
        ),
        Argument::new(
            "url_username",
            Kind::Str,
            "The user for basic authorization.",
        )
        .aliases(&["user"]),
        Argument::new(
            "url_password",
            Kind::Str,
            "The password for basic authorization.",
        )
        .aliases(&["password"])
        .secret(),
        Argument::new(
            "force_basic_auth",
            Kind::Flag,
            "Accepted: basic authorization is always sent at once.",
        ),
        Argument::new(
            "via",
            Kind::Str,
            "From where the request is sent: the task's host, or the machine that stagger runs on.",
        )
        .default("host")
        .choices(&["host", "bastion"]),
    ],
    safety: Safety::Once,
    example: "\
- name: the service answers
  uri:
    url: http://127.0.0.1:8080/health
    status_code: [200, 204]
  register: answer
  until: answer is succeeded
  retries: 10
  delay: 2",
    returns: &[
        ("status", "the status code, -1 without an answer"),
        ("json", "the body, if it is JSON"),
        (
            "content",
            "the body, with `return_content` or when the status is no success",
        ),
        ("url", "the URL that answered"),
        ("elapsed", "how long it took, in seconds"),
        (
            "(headers)",
            "each header, its name in lower case with `_` for `-`",
        ),
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
        let wrong = |message: String| vec![Problem::at(&arguments.loc, message)];
        let method = arguments.str("method").unwrap_or("GET").to_uppercase();
        let (body, content_type) = body(arguments).map_err(wrong)?;
        let mut headers = headers(arguments);
        let typed = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let (Some(content_type), false) = (content_type, typed) {
            headers.push(("Content-Type".to_owned(), Secret::new(content_type)));
        }
        Ok(Box::new(Ask {
            urls: arguments.list("url"),
            path: arguments.str("path").unwrap_or_default().to_owned(),
            redirects: match arguments.str("follow_redirects") {
                Some("none" | "no") => 0,
                Some("safe") | None if !matches!(method.as_str(), "GET" | "HEAD") => 0,
                _ => 10,
            },
            method,
            headers,
            body,
            statuses: statuses(arguments).map_err(wrong)?,
            timeout: arguments
                .duration("timeout")
                .unwrap_or(Duration::from_secs(30)),
            content: arguments.flag("return_content"),
            insecure: arguments.get("validate_certs") == Some(&Value::Bool(false)),
            authorities: arguments.str("ca_path").map(str::to_owned),
            via_host: arguments.str("via") != Some("bastion"),
        }))
    }
}

fn headers(arguments: &Arguments) -> Vec<(String, Secret)> {
    let given = arguments
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let mut headers: Vec<(String, Secret)> = given
        .map(|(name, value)| (name.clone(), Secret::new(text(value))))
        .collect();
    if let Some(user) = arguments.str("url_username") {
        use base64::Engine as _;
        let pair = format!(
            "{user}:{}",
            arguments.str("url_password").unwrap_or_default()
        );
        let basic = base64::engine::general_purpose::STANDARD.encode(pair);
        headers.push((
            "Authorization".to_owned(),
            Secret::new(format!("Basic {basic}")),
        ));
    }
    headers
}

/// Writes the body; returns its type as well.
fn body(arguments: &Arguments) -> Result<(Option<Vec<u8>>, Option<&'static str>), String> {
    let Some(value) = arguments.get("body").filter(|value| !value.is_null()) else {
        return Ok((None, None));
    };
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    match arguments.str("body_format") {
        Some("json") => {
            // A text that is JSON already is sent as it is.
            let written = match value.as_str() {
                Some(text) if serde_json::from_str::<Value>(text).is_ok() => text.to_owned(),
                Some(_) | None => value.to_string(),
            };
            Ok((Some(written.into_bytes()), Some("application/json")))
        }
        Some("form-urlencoded") => {
            let written = match value {
                Value::Object(fields) => {
                    let pair = |(name, value): (&String, &Value)| {
                        format!("{}={}", encoded(name), encoded(&text(value)))
                    };
                    fields.iter().map(pair).collect::<Vec<_>>().join("&")
                }
                Value::String(text) => text.clone(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                    return Err("`body` must be a map or text for `form-urlencoded`".to_owned());
                }
            };
            Ok((
                Some(written.into_bytes()),
                Some("application/x-www-form-urlencoded"),
            ))
        }
        _ => Ok((Some(text(value).into_bytes()), None)),
    }
}

/// Encodes a text for a form, as `application/x-www-form-urlencoded` says.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            // Writing to a String cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

fn statuses(arguments: &Arguments) -> Result<Vec<u16>, String> {
    let given: Vec<Value> = match arguments.get("status_code") {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => return Ok(vec![200]),
    };
    let number = |value: &Value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text.split(',')
            .map(|part| {
                part.trim()
                    .parse()
                    .map_err(|_| format!("`{part}` is no status code"))
            })
            .collect()
    };
    let all: Result<Vec<Vec<u16>>, String> = given.iter().map(number).collect();
    Ok(all?.concat())
}

#[derive(Debug)]
struct Ask {
    urls: Vec<String>,
    path: String,
    method: String,
    headers: Vec<(String, Secret)>,
    body: Option<Vec<u8>>,
    statuses: Vec<u16>,
    timeout: Duration,
    redirects: u32,
    content: bool,
    insecure: bool,
    authorities: Option<String>,
    via_host: bool,
}

impl Action for Ask {
    fn describe(&self) -> String {
        format!("{} {}{}", self.method, self.urls.join(" or "), self.path)
    }

    fn by_hand(&self) -> Option<String> {
        let url = crate::template::shell_quote(&format!("{}{}", self.urls.first()?, self.path));
        let body = self.body.as_ref().map(|body| {
            format!(
                " -d {}",
                crate::template::shell_quote(&String::from_utf8_lossy(body))
            )
        });
        Some(format!(
            "curl -X {} {url}{}",
            self.method,
            body.unwrap_or_default()
        ))
    }

    fn safety(&self) -> Option<Safety> {
        Some(if self.reads() {
            Safety::ReadOnly
        } else {
            Safety::Once
        })
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if self.reads() {
            return Ok(Observed::Same(self.send(cx)?));
        }
        Ok(Observed::Unknown(Change::new(self.describe())))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _: &Change) -> Result<Outcome, ModuleError> {
        self.send(cx)
    }
}

impl Ask {
    fn reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    fn send(&self, cx: &mut HostCx<'_>) -> Result<Outcome, ModuleError> {
        let authorities = match &self.authorities {
            Some(path) => Some(
                cx.controller
                    .read("files", path)
                    .map_err(ModuleError::Argument)?,
            ),
            None => None,
        };
        let mut unreachable = Vec::new();
        for url in &self.urls {
            let url = format!("{url}{}", self.path);
            let call = HttpCall {
                method: self.method.clone(),
                url: url.clone(),
                headers: self.headers.clone(),
                body: self.body.clone(),
                timeout: self.timeout,
                redirects: self.redirects,
                tls: Tls {
                    insecure: self.insecure,
                    authorities: authorities.clone(),
                    client: None,
                },
            };
            let limit = Limit {
                clock: cx.clock,
                stop: cx.stop,
                deadline: cx.deadline,
            };
            let answer = if self.via_host {
                http(&call, Some(&mut *cx.connection), limit)
            } else {
                http(&call, None, limit)
            };
            match answer {
                Ok(reply) => return self.judge(&reply, &url),
                Err(error) if error.nothing_sent() => unreachable.push(format!("{url}: {error}")),
                // Whether it was done is not known; a request that only reads may simply be tried again.
                Err(HttpError::TimedOut(after)) if !self.reads() => {
                    return Err(ConnError::TimedOut { after }.into());
                }
                Err(error) if !self.reads() => {
                    return Err(ConnError::Lost {
                        host: url,
                        reason: error.to_string(),
                    }
                    .into());
                }
                Err(error) => unreachable.push(format!("{url}: {error}")),
            }
        }
        let mut result = Map::new();
        result.insert("status".into(), json!(-1));
        result.insert(
            "url".into(),
            json!(self.urls.first().map(|url| format!("{url}{}", self.path))),
        );
        Err(ModuleError::Failed {
            message: unreachable.join("; "),
            result,
        })
    }

    fn judge(&self, reply: &HttpReply, url: &str) -> Result<Outcome, ModuleError> {
        let good = self.statuses.contains(&reply.status);
        let mut result = Map::new();
        for (name, value) in &reply.headers {
            result.insert(name.to_lowercase().replace('-', "_"), json!(value));
        }
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            result.insert("json".into(), value);
        }
        if self.content || !good {
            result.insert("content".into(), json!(text));
        }
        result.insert("status".into(), json!(reply.status));
        result.insert("url".into(), json!(url));
        result.insert("elapsed".into(), json!(reply.elapsed.as_secs()));
        if !good {
            let wanted: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
            let message = format!("status {} is none of {}", reply.status, wanted.join(", "));
            return Err(ModuleError::Failed { message, result });
        }
        Ok(Outcome {
            changed: !self.reads(),
            result,
            ..Outcome::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Loc, Source};

    fn arguments(values: Value) -> Arguments {
        let loc = Loc::start(&Source::new("t.yml", "x"));
        Arguments {
            values: values.as_object().cloned().unwrap(),
            loc,
        }
    }

    #[test]
    fn bodies_are_written_as_the_format_says() {
        let written = |values| body(&arguments(values)).unwrap();
        let text = |body: Option<Vec<u8>>| String::from_utf8(body.unwrap()).unwrap();
        let (json_body, kind) = written(json!({"body": {"a": 1}, "body_format": "json"}));
        assert_eq!(
            (text(json_body).as_str(), kind),
            (r#"{"a":1}"#, Some("application/json"))
        );
        assert_eq!(
            text(written(json!({"body": "\"on\"", "body_format": "json"})).0),
            "\"on\""
        );
        assert_eq!(
            text(written(json!({"body": "on", "body_format": "json"})).0),
            "\"on\""
        );
        assert_eq!(
            text(written(json!({"body": "\"on\"", "body_format": "raw"})).0),
            "\"on\""
        );
        let form = written(json!({"body": {"a b": "ü&"}, "body_format": "form-urlencoded"}));
        assert_eq!(text(form.0), "a+b=%C3%BC%26");
        assert!(written(json!({})).0.is_none());
    }

    #[test]
    fn statuses_are_numbers_in_any_form() {
        assert_eq!(
            statuses(&arguments(json!({"status_code": [200, "202, 204"]}))).unwrap(),
            [200, 202, 204]
        );
        assert_eq!(statuses(&arguments(json!({}))).unwrap(), [200]);
        assert!(statuses(&arguments(json!({"status_code": "ok"}))).is_err());
    }
}
