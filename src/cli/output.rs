//! The two streams that a person reads: data on one, everything else on the other. The only place that prints.

use std::io::{self, IsTerminal as _, Write as _};

/// Prints data. A closed pipe is no error: whoever reads has seen enough.
pub(super) fn data(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// Prints data that need not be text.
pub(super) fn bytes(content: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a message. There is nobody to tell when that fails.
pub(super) fn message(text: &str) {
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()));
}

/// Tells whether messages go to a terminal.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}
