//! Secrets: a type that cannot be shown, masking by value of whatever is shown, and ansible-vault.
//!
//! A secret is marked where it enters (vault, `no_log`, prompts, passwords, some modules' results) and is masked by
//! value in output, events, journal, diff and report. Nothing here prints or stores anything.

mod envelope;
mod mask;
mod secret;
mod vault;

pub use envelope::{DEFAULT_LABEL, Envelope, SALT_BYTES, VaultError, encrypt, is_vaulted};
pub use mask::{MASK, Masker};
pub use secret::Secret;
pub use vault::Vault;
