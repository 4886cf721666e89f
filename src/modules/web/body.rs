//! What a request carries: raw text, JSON, a form, or a form of several parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::url::query;
use crate::modules::spec::Arguments;
use crate::modules::{HostCx, ModuleError};

/// The body of a request, with the type that it has.
#[derive(Debug)]
pub struct Body {
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
    /// Its type, if it has one of its own.
    pub content_type: Option<String>,
}

impl Body {
    /// Makes the body that a task asks for.
    pub fn of(arguments: &Arguments, cx: &mut HostCx<'_>) -> Result<Self, ModuleError> {
        if let Some(src) = arguments.str("src") {
            let bytes = if arguments.flag("remote_src") {
                crate::modules::slurp::content(cx, src)?.1
            } else {
                cx.controller
                    .read("files", src)
                    .map_err(ModuleError::Argument)?
            };
            return Ok(Self {
                bytes: Some(bytes),
                content_type: None,
            });
        }
        let body = arguments.get("body").filter(|body| !body.is_null());
        let Some(body) = body else {
            let content_type = match arguments.str("body_format") {
                Some("json") => Some("application/json".to_owned()),
                _ => None,
            };
            return Ok(Self {
                bytes: None,
                content_type,
            });
        };
        let (bytes, content_type) = match arguments.str("body_format") {
            Some("json") => (text(body).into_bytes(), Some("application/json".to_owned())),
            Some("form-urlencoded") => (
                form(body)?.into_bytes(),
                Some("application/x-www-form-urlencoded".to_owned()),
            ),
            Some("form-multipart") => {
                let parts = body
                    .as_object()
                    .ok_or_else(|| ModuleError::failed("a body of several parts must be a map"))?;
                let (bytes, boundary) = multipart(parts, cx)?;
                (
                    bytes,
                    Some(format!("multipart/form-data; boundary=\"{boundary}\"")),
                )
            }
            _ => (text(body).into_bytes(), None),
        };
        Ok(Self {
            bytes: Some(bytes),
            content_type,
        })
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Writes a map, or a list of pairs, as a form.
fn form(body: &Value) -> Result<String, ModuleError> {
    let wrong = || ModuleError::failed("a form must be a map or a list of pairs");
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: &Value| match value {
        Value::Null => {}
        Value::Array(values) => {
            pairs.extend(values.iter().map(|value| (name.to_owned(), text(value))));
        }
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            pairs.push((name.to_owned(), text(other)));
        }
    };
    match body {
        Value::String(ready) => return Ok(ready.clone()),
        Value::Object(entries) => {
            for (name, value) in entries {
                add(name, value);
            }
        }
        Value::Array(items) => {
            for item in items {
                match item.as_array().map(Vec::as_slice) {
                    Some([name, value]) => add(&text(name), value),
                    _ => return Err(wrong()),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => return Err(wrong()),
    }
    Ok(query(&pairs))
}

/// Writes the parts of a form; files are read from the controller.
fn multipart(
    parts: &Map<String, Value>,
    cx: &HostCx<'_>,
) -> Result<(Vec<u8>, String), ModuleError> {
    let mut read = Vec::new();
    for (name, part) in parts {
        let field = |key: &str| part.get(key).and_then(Value::as_str);
        let (content, file, kind) = match part {
            Value::Object(_) => {
                let file = field("filename");
                let content = match (field("content"), file) {
                    (Some(content), _) => content.as_bytes().to_vec(),
                    (None, Some(file)) => cx
                        .controller
                        .read("files", file)
                        .map_err(ModuleError::Argument)?,
                    (None, None) => {
                        return Err(ModuleError::failed(format!(
                            "part `{name}` needs `content` or `filename`"
                        )));
                    }
                };
                let kind = field("mime_type").unwrap_or("application/octet-stream");
                (
                    content,
                    file.map(|file| file.rsplit('/').next().unwrap_or(file)),
                    Some(kind),
                )
            }
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)) => (text(other).into_bytes(), None, None),
        };
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
        if let Some(file) = file {
            head.push_str("; filename=\"");
            head.push_str(&quoted(file));
            head.push('"');
        }
        if let Some(kind) = kind {
            head.push_str("\r\nContent-Type: ");
            head.push_str(kind);
        }
        read.push((head, content));
    }
    let boundary = boundary(&read);
    let mut bytes = Vec::new();
    for (head, content) in read {
        bytes.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        bytes.extend_from_slice(&content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((bytes, boundary))
}

fn quoted(text: &str) -> String {
    text.replace(['\r', '\n'], " ").replace('"', "%22")
}

/// Returns a boundary that is in none of the parts: it is made of their digest.
fn boundary(parts: &[(String, Vec<u8>)]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    for (head, content) in parts {
        digest.update(head.as_bytes());
        digest.update(content);
    }
    STANDARD
        .encode(digest.finalize())
        .replace(['+', '/', '='], "x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_are_made_of_maps_and_pairs() {
        assert_eq!(
            form(&json!({"a": 1, "b": ["x", "y z"], "c": null})).unwrap(),
            "a=1&b=x&b=y+z"
        );
        assert_eq!(form(&json!([["a", "1"], ["a", 2]])).unwrap(), "a=1&a=2");
        assert_eq!(form(&json!("a=b")).unwrap(), "a=b");
        assert!(form(&json!(1)).is_err());
    }
}
