//! A journal as lines of JSON, for people and for tests.

use std::io::{self, Write};

use serde_json::json;

use super::{Entry, Record};

/// The format's major version.
pub const EXPORT_MAJOR: u32 = 1;

/// Writes a version line, then one record a line: its number `n`, when it was `written`, its kind `record`, and its fields.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
pub fn export(entries: &[Entry], to: &mut dyn Write) -> io::Result<()> {
    let header = json!({"format": "stagger-journal", "major": EXPORT_MAJOR, "minor": 0});
    writeln!(to, "{header}")?;
    for entry in entries {
        let body = match &entry.record {
            Record::Unknown { kind, body } => json!({"record": kind, "body": body}),
            known => serde_json::to_value(known)?,
        };
        let mut line = json!({"n": entry.seq, "written": entry.at.to_string()});
        if let (Some(line), serde_json::Value::Object(body)) = (line.as_object_mut(), body) {
            for (key, value) in body {
                line.entry(key).or_insert(value);
            }
        }
        writeln!(to, "{line}")?;
    }
    to.flush()
}
