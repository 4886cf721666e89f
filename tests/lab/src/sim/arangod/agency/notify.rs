//! Tells observers of the agency that something under their path has changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::store::Notice;
use crate::sim::http::{Call, Target, call};

/// Sends the notices, each observer's in one message; nobody waits for them.
pub fn send(notices: Vec<Notice>, term: u64, index: u64) {
    for (url, body) in messages(notices, term, index) {
        tokio::spawn(async move {
            let Some(target) = Target::parse(&url) else {
                return;
            };
            let path = path_of(&url);
            let limit = Duration::from_secs(5);
            drop(call(Call::new(&target, "POST", &path, limit).json(&body).kept()).await);
        });
    }
}

fn messages(notices: Vec<Notice>, term: u64, index: u64) -> BTreeMap<String, Value> {
    let mut bodies: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for notice in notices {
        bodies
            .entry(notice.url)
            .or_default()
            .insert(notice.path, json!({"op": "modified"}));
    }
    bodies
        .into_iter()
        .map(|(url, mut body)| {
            body.insert("term".to_owned(), json!(term));
            body.insert("index".to_owned(), json!(index));
            (url, Value::Object(body))
        })
        .collect()
}

fn path_of(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme
        .split_once('/')
        .map_or_else(|| "/".to_owned(), |(_, path)| format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observer_of_two_paths_gets_one_message() {
        let notice = |url: &str, path: &str| Notice {
            url: url.into(),
            path: path.into(),
        };
        let messages = messages(
            vec![
                notice("http://a/x", "/p"),
                notice("http://a/x", "/q"),
                notice("http://b/", "/p"),
            ],
            3,
            9,
        );
        assert_eq!(messages.len(), 2);
        let first = &messages["http://a/x"];
        assert!(first.get("/p").is_some() && first.get("/q").is_some());
        assert_eq!(first["term"], 3);
        assert_eq!(path_of("http://h:1/cb/masterChanged"), "/cb/masterChanged");
        assert_eq!(path_of("http://h:1"), "/");
    }
}
