//! Events as lines of JSON: a version line first, then one event a line.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::{Event, Sink};

/// The format's major version: a reader of another one refuses.
pub const FORMAT_MAJOR: u32 = 1;
/// The format's minor version: fields and kinds may be added, and are ignored by older readers.
pub const FORMAT_MINOR: u32 = 0;

const FORMAT: &str = "stagger-events";

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    major: u32,
    minor: u32,
}

/// Writes events as lines, each flushed, so that a reader of the file is up to date.
#[derive(Debug)]
pub struct NdjsonSink<W: Write + Send> {
    to: W,
    begun: bool,
}

impl<W: Write + Send> NdjsonSink<W> {
    /// Makes a sink that writes the version line before its first event.
    pub fn new(to: W) -> Self {
        Self { to, begun: false }
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")
    }
}

impl<W: Write + Send> Sink for NdjsonSink<W> {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        if !self.begun {
            self.line(&Header {
                format: FORMAT.to_owned(),
                major: FORMAT_MAJOR,
                minor: FORMAT_MINOR,
            })?;
            self.begun = true;
        }
        self.line(event)?;
        self.to.flush()
    }
}

/// Why lines of events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the events: {0}")]
    Io(#[from] io::Error),
    /// The first line is not the version line.
    #[error("this is no file of events: its first line is not a version line")]
    NotEvents,
    /// The format is another one.
    #[error("the events have format {found}, this stagger reads format {FORMAT_MAJOR}")]
    Version {
        /// The major version found.
        found: u32,
    },
    /// A line is not an event.
    #[error("line {line} is not an event: {reason}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// Reads lines of events; a last line without its end was cut by a crash and is left out.
pub fn read_ndjson(mut from: impl BufRead) -> Result<Vec<Event>, ReadError> {
    let mut events = Vec::new();
    let mut text = String::new();
    let mut number = 0;
    loop {
        text.clear();
        number += 1;
        if from.read_line(&mut text)? == 0 || !text.ends_with('\n') {
            break;
        }
        if number == 1 {
            let header: Header = serde_json::from_str(&text).map_err(|_| ReadError::NotEvents)?;
            if header.format != FORMAT {
                return Err(ReadError::NotEvents);
            }
            if header.major != FORMAT_MAJOR {
                return Err(ReadError::Version {
                    found: header.major,
                });
            }
            continue;
        }
        let event = serde_json::from_str(&text).map_err(|error| ReadError::Line {
            line: number,
            reason: error.to_string(),
        })?;
        events.push(event);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::events::{EventKind, StepOutcome};

    fn event(seq: u64, kind: EventKind) -> Event {
        Event {
            seq,
            at: Timestamp::from_second(1_767_225_600).unwrap(),
            elapsed_ms: 5,
            kind,
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one event after another")]
    fn what_is_written_is_read_back() {
        let events = vec![
            event(
                1,
                EventKind::PlayFinished {
                    play: "1".to_owned(),
                },
            ),
            event(
                2,
                EventKind::StepFinished {
                    step: crate::events::StepId {
                        play: "1".to_owned(),
                        batch: 1,
                        task: "1.tasks.0".to_owned(),
                        turn: 0,
                        host: "a".to_owned(),
                        item: Some(2),
                    },
                    name: "x".to_owned(),
                    label: None,
                    at: "site.yml:3:5".to_owned(),
                    uncounted: true,
                    delegated_to: None,
                    outcome: StepOutcome::Skipped {
                        why: "no".to_owned(),
                    },
                    ignored: false,
                    attempts: 1,
                    took_ms: 12,
                    result: crate::events::StepResult::default(),
                },
            ),
            event(
                3,
                EventKind::RunStopped {
                    cause: crate::events::StopCause::Failed,
                    message: "m".to_owned(),
                    at: "1 batch 1".to_owned(),
                    by_hand: Vec::new(),
                },
            ),
            event(
                4,
                EventKind::Warned {
                    message: "m".to_owned(),
                    host: None,
                    at: Some("site.yml:1:1".to_owned()),
                },
            ),
        ];
        let mut bytes = Vec::new();
        let mut sink = NdjsonSink::new(&mut bytes);
        for event in &events {
            sink.on_event(event).unwrap();
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with(r#"{"format":"stagger-events","major":1,"minor":0}"#),
            "{text}"
        );
        assert!(text.contains(r#""at":"2026-01-01T00:00:00Z""#), "{text}");
        assert_eq!(read_ndjson(text.as_bytes()).unwrap(), events);
        let torn = &text[..text.len() - 3];
        assert_eq!(read_ndjson(torn.as_bytes()).unwrap(), events[..3]);
    }

    #[test]
    fn newer_kinds_and_fields_are_read_and_other_formats_refused() {
        let header = r#"{"format":"stagger-events","major":1,"minor":7,"more":true}"#;
        let line = r#"{"seq":1,"at":"2026-01-01T00:00:00Z","elapsed_ms":0,"event":"moon_rose","phase":"full"}"#;
        let text = format!("{header}\n{line}\n");
        let events = read_ndjson(text.as_bytes()).unwrap();
        assert_eq!(events[0].kind, EventKind::Unknown);
        let newer = text.replace(r#""major":1"#, r#""major":2"#);
        assert!(matches!(
            read_ndjson(newer.as_bytes()),
            Err(ReadError::Version { found: 2 })
        ));
        assert!(matches!(
            read_ndjson(line.as_bytes()),
            Ok(events) if events.is_empty()
        ));
        assert!(matches!(
            read_ndjson(format!("{line}\n").as_bytes()),
            Err(ReadError::NotEvents)
        ));
    }
}
