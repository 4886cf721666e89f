//! Digests of what decides a plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Returns the digest of bytes as hexadecimal digits.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Returns the digest of all parts: their names and digests, each with its length, so that no two sets are alike.
pub(super) fn of_parts(parts: &BTreeMap<String, String>) -> String {
    let mut all = String::new();
    for (name, digest) in parts {
        let _ = writeln!(all, "{} {name} {digest}", name.len());
    }
    of_bytes(all.as_bytes())
}
