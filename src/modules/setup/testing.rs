//! Answers of hosts for the tests of the facts.

use crate::connection::Reply as RawReply;
use crate::modules::files::Reply;

/// Reads a text as what a host's shell printed.
pub(super) fn replied(out: &str) -> Reply {
    Reply::parse(&RawReply {
        out: out.as_bytes().to_vec(),
        ..RawReply::default()
    })
}

/// Makes an answer of named values.
pub(super) fn reply(records: &[(&str, &str)]) -> Reply {
    let mut out = String::new();
    for (name, value) in records {
        out.extend([name, "=", value, "\0"]);
    }
    replied(&out)
}
