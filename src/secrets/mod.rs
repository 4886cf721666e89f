//! Secrets: a type that cannot be shown, and masking by value of whatever is shown.
//!
//! A secret is marked where it enters (vault, `no_log`, prompts, passwords, some modules' results) and is masked by
//! value in output, events, journal, diff and report. Nothing here prints or stores anything.

mod mask;
mod secret;

pub use mask::{MASK, Masker};
pub use secret::Secret;
