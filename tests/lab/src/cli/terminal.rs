//! Writing for whoever called the lab.

use std::io::{self, Write as _};

/// Writes data: what a script would read.
pub(super) fn print(text: &str) {
    // A reader that has gone away has read enough.
    let _closed = writeln!(io::stdout(), "{}", text.trim_end_matches('\n'));
}

/// Writes what only a person reads: what is going on, and what went wrong.
pub(super) fn tell(text: &str) {
    let _closed = writeln!(io::stderr(), "{}", text.trim_end_matches('\n'));
}
