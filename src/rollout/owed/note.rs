//! A note of what is owed: what it says, as text and back.
//!
//! Pure. Its first line is the format, then one JSON value that a person can read, then a digest of both, so that a note
//! that is torn is known. Minor formats add fields, which older readers pass over; another major format is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::events::{BracketRef, ByHand};
use crate::journal::content_digest;

/// How a note begins.
const HEADING: &str = "stagger owed ";

/// The format that is written: major and minor.
const FORMAT: (u32, u32) = (1, 0);

/// Variables by host.
pub(super) type DecidedFor = BTreeMap<String, Map<String, Value>>;

/// What a bracket found, and where and why it was entered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// The run.
    pub run: String,
    /// stagger's version.
    pub version: String,
    /// The playbook, as it was named.
    pub playbook: String,
    /// The digest of its text.
    pub playbook_digest: String,
    /// The bracket's id in the playbook.
    pub bracket_id: String,
    /// The bracket's name.
    pub bracket: String,
    /// What it is entered for; empty but for a host's name.
    pub object: String,
    /// What was found before the first change, secrets as references.
    pub found: Value,
    /// Since when it is owed: when the run that found it first wrote it down.
    pub since: String,
    /// When this run wrote it down.
    pub noted: String,
    /// Its place among the brackets that the run entered.
    pub order: u32,
    /// Who started the run.
    pub operator: String,
    /// The machine it was started on.
    pub bastion: String,
    /// How locks on clusters know that machine.
    pub machine: String,
    /// Why the run was started.
    pub reason: Option<String>,
    /// The play's id; empty around plays.
    pub play: String,
    /// The batch; 0 outside of batches.
    pub batch: u32,
    /// The hosts that it is entered for.
    pub hosts: Vec<String>,
    /// The variables that were on top there, secrets as references.
    pub top: Map<String, Value>,
    /// How it is left by hand.
    pub by_hand: Vec<ByHand>,
    /// What the run had decided for all of these hosts, secrets as references: its `set_fact`.
    pub decided: Map<String, Value>,
    /// What it had decided for one of them.
    pub decided_for: BTreeMap<String, Map<String, Value>>,
}

/// Why a note cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadNote {
    /// It was cut off or changed.
    Torn,
    /// It is of another major format.
    Format(String),
}

impl Note {
    /// Returns the bracket and what it is entered for.
    pub fn reference(&self) -> BracketRef {
        BracketRef {
            name: self.bracket.clone(),
            object: self.object.clone(),
        }
    }

    /// Writes the note.
    pub(in crate::rollout) fn to_text(&self) -> String {
        let (major, minor) = FORMAT;
        let body = serde_json::to_string_pretty(self).unwrap_or_default();
        let text = format!("{HEADING}{major}.{minor}\n{body}\n");
        let digest = content_digest(text.as_bytes());
        format!("{text}{digest}\n")
    }

    /// Reads a note.
    pub(super) fn from_text(text: &str) -> Result<Self, BadNote> {
        let (first, _) = text.split_once('\n').ok_or(BadNote::Torn)?;
        let format = first.strip_prefix(HEADING).ok_or(BadNote::Torn)?;
        let major = format
            .split('.')
            .next()
            .and_then(|major| major.parse().ok());
        if major.is_some_and(|major: u32| major != FORMAT.0) {
            return Err(BadNote::Format(format.to_owned()));
        }
        let (whole, digest) = text
            .trim_end_matches('\n')
            .rsplit_once('\n')
            .ok_or(BadNote::Torn)?;
        let whole = format!("{whole}\n");
        if content_digest(whole.as_bytes()) != digest {
            return Err(BadNote::Torn);
        }
        let (_, body) = whole.split_once('\n').ok_or(BadNote::Torn)?;
        serde_json::from_str(body).map_err(|_| BadNote::Torn)
    }
}

/// Names the note of a run for a bracket and its object: one file, whichever host it is on.
pub(in crate::rollout) fn file_name(reference: &BracketRef, run: &str) -> String {
    const LONGEST: usize = 40;
    const DIGITS: usize = 12;
    let word: String = reference
        .name
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let both = format!("{}\n{}", reference.name, reference.object);
    let digest = content_digest(both.as_bytes());
    let short: String = digest.chars().skip("sha256:".len()).take(DIGITS).collect();
    let run = run_in_name(run);
    format!("{}-{short}.{run}", word.trim_matches('-'))
}

/// Writes a run's id as it stands at the end of its notes' names.
pub(super) fn run_in_name(run: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    run.chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::rollout::owed) fn note(run: &str, found: &str) -> Note {
        Note {
            run: run.to_owned(),
            bracket: "maintenance".to_owned(),
            found: json!(found),
            since: "2026-01-02T03:04:05Z".to_owned(),
            noted: "2026-01-02T03:04:05Z".to_owned(),
            operator: "alice".to_owned(),
            bastion: "one".to_owned(),
            hosts: vec!["a".to_owned(), "b".to_owned()],
            ..Note::default()
        }
    }

    #[test]
    fn a_note_comes_back_as_it_was_written() {
        let note = note("run-1", "it's ä \"x\"\nand more");
        let text = note.to_text();
        assert!(text.starts_with("stagger owed 1.0\n{\n"), "{text}");
        assert_eq!(Note::from_text(&text), Ok(note));
    }

    proptest::proptest! {
        #[test]
        fn no_other_text_is_taken_for_a_note(text in "(stagger owed [0-9.]{0,4}\n)?(?s:.{0,200})") {
            proptest::prop_assert!(Note::from_text(&text).is_err());
        }
    }

    #[test]
    fn every_cut_and_every_change_is_noticed() {
        let text = note("run-1", "Normal").to_text();
        let whole = text.trim_end().len();
        for at in 0..whole {
            assert_eq!(Note::from_text(&text[..at]), Err(BadNote::Torn), "{at}");
        }
        let changed = text.replace("Normal", "Abnorm");
        assert_eq!(Note::from_text(&changed), Err(BadNote::Torn));
    }

    #[test]
    fn what_a_minor_format_adds_is_passed_over_and_a_major_one_refused() {
        let of = |format: &str| {
            let text = format!("{HEADING}{format}\n{{\"run\": \"r\", \"further\": 1}}\n");
            let digest = content_digest(text.as_bytes());
            Note::from_text(&format!("{text}{digest}\n"))
        };
        assert_eq!(of("1.7").unwrap().run, "r");
        assert_eq!(of("2.0"), Err(BadNote::Format("2.0".to_owned())));
        assert_eq!(
            Note::from_text("stagger owed 3.1\nsomething else\n"),
            Err(BadNote::Format("3.1".to_owned()))
        );
    }

    #[test]
    fn names_tell_brackets_objects_and_runs_apart() {
        let named = |name: &str, object: &str, run: &str| {
            let (name, object) = (name.to_owned(), object.to_owned());
            file_name(&BracketRef { name, object }, run)
        };
        let plain = named("the window of maintenance mode", "", "run-1");
        assert!(plain.starts_with("the-window-of-maintenance-mode-"));
        assert!(plain.ends_with(".run-1"), "{plain}");
        for other in [
            named("the window of maintenance mode", "a", "run-1"),
            named("the window of maintenance mode", "", "run-2"),
            named("the window-of maintenance mode", "", "run-1"),
        ] {
            assert_ne!(other, plain);
        }
        let odd = named("../../etc '$(x)'\n", "", "../x");
        assert!(!odd.contains('/') && !odd.contains('\''), "{odd}");
        assert!(!odd.starts_with('.') && !odd.contains(char::is_whitespace));
    }
}
