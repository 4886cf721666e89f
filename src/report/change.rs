//! Records -> what is another way now: the servers' versions, and lines of files.
//!
//! Pure. Knows no cluster: a version is taken from any result that lists servers with a name and a version, as the
//! probes of clusters do. Called by `story`.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::journal::{Entry, Record, mask_references};

/// How many equal lines are shown around what differs.
const AROUND: usize = 3;

/// The keys that name a server, best first.
const NAMES: [&str; 5] = ["short_name", "address", "name", "id", "memsql_id"];

/// A server's version as a run first and last saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VersionChange {
    /// The server.
    pub server: String,
    /// What it ran when the run first looked.
    pub before: String,
    /// What it ran when the run last looked.
    pub after: String,
}

/// What a step changed in a text, or would have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When.
    pub at: String,
    /// The host.
    pub host: String,
    /// The task.
    pub task: String,
    /// What the text is, a path mostly.
    pub title: String,
    /// The lines that differ, and some around them.
    pub lines: Vec<ChangedLine>,
}

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedLine {
    /// What became of it: `+`, `-`, a blank, or `@` above a stretch.
    pub mark: char,
    /// The line.
    pub text: String,
}

impl fmt::Display for ChangedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mark {
            '@' => f.write_str(&self.text),
            mark => write!(f, "{mark}{}", self.text),
        }
    }
}

/// Returns the lines that differ, with some around them.
pub(super) fn lines(before: &str, after: &str) -> Vec<ChangedLine> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(AROUND).iter_hunks() {
        lines.push(ChangedLine {
            mark: '@',
            text: hunk.header().to_string().trim_end().to_owned(),
        });
        for change in hunk.iter_changes() {
            lines.push(ChangedLine {
                mark: match change.tag() {
                    ChangeTag::Equal => ' ',
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                },
                text: change.value().trim_end_matches(['\n', '\r']).to_owned(),
            });
        }
    }
    lines
}

/// Returns the versions of all servers that a result of the run names, as first and as last seen.
pub(super) fn versions(entries: &[Entry]) -> Vec<VersionChange> {
    let mut found: Vec<VersionChange> = Vec::new();
    for entry in entries {
        if let Record::Outcome(outcome) = &entry.record {
            for value in outcome.result.values() {
                for (server, version) in listed(value) {
                    match found.iter_mut().find(|old| old.server == server) {
                        Some(old) => old.after = version,
                        None => found.push(VersionChange {
                            server,
                            before: version.clone(),
                            after: version,
                        }),
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| a.server.cmp(&b.server));
    found
}

/// Returns the servers of a list: each has a role or an address, a name and a version.
fn listed(value: &Value) -> Vec<(String, String)> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let server = |item: &Value| {
        let version = text(item.get("version")?)?;
        item.get("role").or_else(|| item.get("address"))?;
        let name = NAMES.iter().find_map(|key| text(item.get(key)?))?;
        let place = item.get("port").map(|port| match item.get("address") {
            Some(Value::String(address)) if *address != name => format!(" ({address}:{port})"),
            _ if name.ends_with(&format!(":{port}")) => String::new(),
            _ => format!(":{port}"),
        });
        let name = format!("{name}{}", place.unwrap_or_default());
        Some((mask_references(&name), mask_references(&version)))
    };
    items.iter().filter_map(server).collect()
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::events::{StepId, StepOutcome};
    use crate::journal::Outcome;
    use serde_json::json;

    fn looked(seq: u64, result: Value) -> Entry {
        let Value::Object(result) = result else {
            panic!("not an object")
        };
        Entry {
            seq,
            at: Timestamp::UNIX_EPOCH,
            record: Record::Outcome(Outcome {
                step: StepId {
                    play: "1".into(),
                    batch: 0,
                    task: "1.tasks.0".into(),
                    turn: 0,
                    host: "a".into(),
                    item: None,
                },
                outcome: StepOutcome::Ok,
                ignored: false,
                result,
                owner: "a".into(),
                effects: vec![],
            }),
        }
    }

    #[test]
    fn versions_are_those_first_and_last_seen() {
        let server = |name: &str, version: &str| json!({"id": format!("PRMR-{name}"), "short_name": name, "address": "h1", "port": 8530, "role": "PRIMARY", "version": version});
        let entries = [
            looked(
                1,
                json!({"dbservers": [server("DB1", "3.3.22"), server("DB2", "3.3.22")]}),
            ),
            looked(
                2,
                json!({"dbservers": [server("DB1", "3.4.0"), json!({"version": null})]}),
            ),
            looked(
                3,
                json!({"packages": [{"name": "bash", "version": "5.2"}], "stdout": "x"}),
            ),
            looked(
                4,
                json!({"leaves": [{"address": "h2:3306", "state": "online", "version": "5.5.12"}]}),
            ),
            looked(
                5,
                json!({"nodes": [{"address": "h2:3306", "port": 3306, "version": "5.7.2"}]}),
            ),
        ];
        let told: Vec<String> = versions(&entries)
            .iter()
            .map(|server| format!("{} {} {}", server.server, server.before, server.after))
            .collect();
        assert_eq!(
            told,
            [
                "DB1 (h1:8530) 3.3.22 3.4.0",
                "DB2 (h1:8530) 3.3.22 3.3.22",
                "h2:3306 5.5.12 5.7.2"
            ]
        );
    }

    #[test]
    fn a_difference_shows_what_differs_and_a_little_around_it() {
        let lines_before: Vec<String> = (1..=20).map(|n| format!("line {n}")).collect();
        let before = lines_before.join("\n") + "\n";
        let after = before.replace("line 10\n", "line ten\n");
        let shown: Vec<String> = lines(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown.len(), 9, "{shown:?}");
        assert!(shown[0].starts_with("@@ -7,7 +7,7 @@"), "{shown:?}");
        assert_eq!(&shown[4..6], ["-line 10", "+line ten"]);
        assert!(lines("a\n", "a\n").is_empty());
    }
}
