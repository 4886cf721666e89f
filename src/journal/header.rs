//! What a run is: written once, before anything else.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A file that the run loaded, kept in the journal by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Its name as the run used it: a path, `embedded:...`, `-e`.
    pub name: String,
    /// The digest under which its content is kept.
    pub digest: String,
}

/// What a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its id.
    pub run: String,
    /// stagger's version.
    pub version: String,
    /// The playbook, as it was named.
    pub playbook: String,
    /// The plan's digest.
    pub plan_digest: String,
    /// The inventory's digest.
    pub inventory_digest: String,
    /// Everything that was loaded.
    pub frozen: Vec<Frozen>,
    /// What was typed, secrets left out.
    pub args: Vec<String>,
    /// Why the run was started.
    pub reason: Option<String>,
    /// Who started it.
    pub operator: String,
    /// The machine it was started on.
    pub bastion: String,
    /// That machine's name with the beginning of its machine-id, by which locks on clusters know it.
    #[serde(default)]
    pub machine: String,
    /// Whether nothing is changed.
    pub check: bool,
}

/// Returns the digest under which a content is kept: `sha256:` and 64 hexadecimal digits.
pub fn content_digest(content: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(content) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
