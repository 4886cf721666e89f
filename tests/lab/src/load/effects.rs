//! What the simulators counted on their hosts, summed up. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// What happened to one server, by its data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// The server's role.
    pub role: String,
    /// Ordinary starts.
    pub starts: u64,
    /// Starts with auto-upgrade.
    pub upgrade_starts: u64,
    /// Auto-upgrades that ended with 0.
    pub upgrades: u64,
    /// Signals received, by name.
    pub signals: BTreeMap<String, u64>,
    /// Ends in good order.
    pub stops: u64,
    /// Ordinary starts that ended because the directory is of another version.
    pub refused_starts: u64,
}

/// Sums up the lines of an effects file, by data directory.
pub fn stories(text: &str) -> BTreeMap<String, Story> {
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    let mut last_start: BTreeMap<u64, bool> = BTreeMap::new();
    for line in text.lines() {
        let Ok(effect) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let word = |name: &str| effect.get(name).and_then(Value::as_str).unwrap_or_default();
        let pid = effect.get("pid").and_then(Value::as_u64).unwrap_or(0);
        let story = stories.entry(word("place").to_owned()).or_default();
        word("role").clone_into(&mut story.role);
        match word("what") {
            "start" => {
                story.starts += 1;
                last_start.insert(pid, true);
            }
            "start-auto-upgrade" => {
                story.upgrade_starts += 1;
                last_start.insert(pid, false);
            }
            "auto-upgrade-end" if effect.pointer("/detail/exit") == Some(&Value::from(0)) => {
                story.upgrades += 1;
            }
            "signal" => {
                let name = effect.pointer("/detail/signal").and_then(Value::as_str);
                *story
                    .signals
                    .entry(name.unwrap_or("?").to_owned())
                    .or_default() += 1;
            }
            "stop" => story.stops += 1,
            "exit" => {
                let code = effect.pointer("/detail/code").and_then(Value::as_u64);
                let ordinary = last_start.remove(&pid).unwrap_or(false);
                if ordinary && matches!(code, Some(1 | 11 | 12)) {
                    story.refused_starts += 1;
                }
            }
            _ => {}
        }
    }
    stories
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_story_of_an_upgrade_is_read_from_the_lines() {
        let line = |pid: u64, what: &str, detail: Value| {
            json!({"place": "/d/agent8531/data", "role": "agent", "pid": pid, "what": what,
                   "detail": detail})
            .to_string()
        };
        let text = [
            line(1, "start", json!({})),
            line(1, "signal", json!({"signal": "TERM"})),
            line(1, "stop", json!({})),
            line(1, "exit", json!({"code": 0})),
            line(2, "start", json!({})),
            line(2, "exit", json!({"code": 1})),
            line(3, "start-auto-upgrade", json!({})),
            line(3, "auto-upgrade-end", json!({"exit": 0})),
            line(3, "exit", json!({"code": 0})),
            "torn {".to_owned(),
            line(4, "start", json!({})),
        ]
        .join("\n");
        let stories = stories(&text);
        let story = &stories["/d/agent8531/data"];
        assert_eq!(
            (story.starts, story.upgrade_starts, story.upgrades),
            (3, 1, 1)
        );
        assert_eq!((story.stops, story.refused_starts), (1, 1));
        assert_eq!(story.signals["TERM"], 1);
    }
}
