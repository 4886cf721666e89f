//! A text that is never shown.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text: no `Display`, no `Serialize`, and its `Debug` is `***`. Its memory is wiped when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Tells whether it is long enough to be looked for in texts.
    pub fn is_long_enough(&self) -> bool {
        self.0.trim().len() >= super::mask::SHORTEST
    }

    /// Returns the text, for the one place that must use it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::MASK)
    }
}
