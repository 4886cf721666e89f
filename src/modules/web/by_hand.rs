//! A request as a person would type it: for what a run could not do any more.

use serde_json::Value;

use super::Request;
use crate::modules::spec::Arguments;
use crate::template::shell_quote;

/// What stands for a header's value that lets in whoever knows it.
const HIDDEN: &str = "***";
/// Parts of the names of such headers.
const SECRET_HEADERS: [&str; 5] = ["auth", "cookie", "token", "key", "secret"];

impl Request {
    /// Writes the request as a command: with its body, its headers, and how certificates are checked. Of several URLs the
    /// next one is asked while there is no good answer.
    pub fn by_hand(&self, arguments: &Arguments) -> String {
        let mut words = vec!["curl -f".to_owned()];
        if self.insecure {
            words.push("-k".to_owned());
        }
        let mut option =
            |name: &str, value: &str| words.push(format!("{name} {}", shell_quote(value)));
        option("-X", &self.method);
        if let Some(file) = &self.authorities {
            option("--cacert", file);
        }
        if let Some((certificate, key)) = &self.client {
            option("--cert", certificate);
            if let Some(key) = key {
                option("--key", key);
            }
        }
        if let Some(credentials) = &self.credentials {
            let user = credentials.reveal().split(':').next().unwrap_or_default();
            option("-u", user);
        }
        for (name, value) in &self.headers {
            if name == "User-Agent" {
                continue;
            }
            let low = name.to_lowercase();
            let hides = SECRET_HEADERS.iter().any(|part| low.contains(part));
            let shown = if hides { HIDDEN } else { value.reveal() };
            option("-H", &format!("{name}: {shown}"));
        }
        for (name, value) in body(arguments) {
            option(name, &value);
        }
        let command = words.join(" ");
        if self.instead.is_empty() {
            return format!("{command} {}", shell_quote(&self.url));
        }
        let urls = std::iter::once(&self.url).chain(&self.instead);
        let urls: Vec<String> = urls.map(|url| shell_quote(url)).collect();
        format!(
            "for url in {}; do {command} \"$url\" && break; done",
            urls.join(" ")
        )
    }
}

/// Returns the options that give the body.
fn body(arguments: &Arguments) -> Vec<(&'static str, String)> {
    if let Some(src) = arguments.str("src") {
        return vec![("--data-binary", format!("@{src}"))];
    }
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let Some(body) = arguments.get("body").filter(|body| !body.is_null()) else {
        return Vec::new();
    };
    let each = |option: &'static str| {
        let fields = body.as_object().into_iter().flatten();
        fields
            .map(|(name, value)| (option, format!("{name}={}", text(value))))
            .collect::<Vec<_>>()
    };
    match (arguments.str("body_format"), body) {
        (Some("form-urlencoded"), Value::Object(_)) => each("--data-urlencode"),
        (Some("form-multipart"), Value::Object(_)) => each("-F"),
        (Some("json"), _) => vec![
            ("-H", "Content-Type: application/json".to_owned()),
            ("-d", text(body)),
        ],
        _ => vec![("-d", text(body))],
    }
}
