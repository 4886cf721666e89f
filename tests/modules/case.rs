//! A case as it stands in its file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub about: String,
    /// The module's arguments as a task would have them; `{dir}` is the temporary directory.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Stops after observing.
    #[serde(default)]
    pub check: bool,
    /// Asks for a difference.
    #[serde(default)]
    pub diff: bool,
    /// The task's environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files on the controller: "files/x" and their text.
    #[serde(default)]
    pub controller: BTreeMap<String, Entry>,
    /// Variables of the host.
    #[serde(default)]
    pub variables: Map<String, Value>,
    /// Conditions and other expressions, and what they give.
    #[serde(default)]
    pub expressions: BTreeMap<String, Value>,
    /// What is in the temporary directory before.
    #[serde(default)]
    pub before: BTreeMap<String, Option<Entry>>,
    /// Programs that stand before the system's own; each call is recorded.
    #[serde(default)]
    pub programs: BTreeMap<String, String>,
    /// What a listener on the loopback at `{port}` says to who connects.
    pub listener: Option<String>,
    /// What must come of it.
    pub expect: Expect,
    /// Why Ansible does otherwise here, if it does.
    pub differs: Option<String>,
    /// The shells in which it is not run, with the reason.
    #[serde(default)]
    pub except: BTreeMap<String, String>,
}

/// Something in the temporary directory.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged)]
pub enum Entry {
    /// A file with this text.
    Text(String),
    /// Anything else.
    Other(Thing),
}

/// A file, directory or link.
#[derive(Debug, Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// A file's text.
    pub content: Option<String>,
    /// A file's bytes.
    pub base64: Option<String>,
    /// Its permissions.
    pub mode: Option<String>,
    /// Where a link leads.
    pub link: Option<String>,
    /// Whether it is a directory.
    #[serde(default)]
    pub directory: bool,
    /// Its owner and group as numbers, "0:0".
    pub owner: Option<String>,
    /// Another path that is the same file.
    pub hard: Option<String>,
    /// When it was changed, in seconds since 1970.
    pub modified: Option<u64>,
}

/// What must come of a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Whether something changed.
    pub changed: Option<bool>,
    /// A part of the failure's message.
    pub failed: Option<String>,
    /// A part of the reason why nothing was to be done.
    pub skipped: Option<String>,
    /// That it cannot be known without doing it.
    #[serde(default)]
    pub unknown: bool,
    /// Fields that the result (of a failure, too) must have; a text that starts with `~` is a pattern.
    #[serde(default)]
    pub result: Map<String, Value>,
    /// What must be in the temporary directory; nothing at null.
    #[serde(default)]
    pub after: BTreeMap<String, Option<Entry>>,
    /// The calls of the programs, in order.
    pub calls: Option<Vec<String>>,
    /// The difference, before and after.
    pub diff: Option<[String; 2]>,
    /// A part of the change's summary.
    pub summary: Option<String>,
    /// How many round trips observing and applying took.
    pub trips: Option<[usize; 2]>,
    /// Whether a second time changes something again.
    #[serde(default)]
    pub again: bool,
    /// The effects, as they print.
    pub effects: Option<Vec<String>>,
    /// The files that were written on the controller.
    #[serde(default)]
    pub written: BTreeMap<String, String>,
    /// Fields that must be secret.
    pub secrets: Option<Vec<String>>,
}
