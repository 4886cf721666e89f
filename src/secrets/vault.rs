//! The passwords of a run's vaults, and what they opened.
//!
//! Whatever is opened is a secret from then on: who masks or seals listens here, and hears also what was opened before
//! he came. Reads no file and asks nobody; `cli` finds the passwords.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use zeroize::Zeroizing;

use super::envelope::{DEFAULT_LABEL, Envelope, VaultError};
use super::{Secret, is_vaulted};

/// Hears of every secret under a name that is the same in every part of a run.
type Listener = Box<dyn Fn(&str, &Secret) + Send + Sync>;

#[derive(Default)]
struct Inner {
    passwords: Vec<(String, Secret)>,
    opened: Vec<(String, Secret)>,
    listeners: Vec<Listener>,
    stays_closed: bool,
    sources: Vec<String>,
}

/// The passwords of vaults, and what they opened.
#[derive(Default)]
pub struct Vault {
    inner: RwLock<Inner>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

impl Vault {
    /// Adds a password under a label.
    pub fn add(&self, label: &str, password: Secret) {
        let label = if label.is_empty() {
            DEFAULT_LABEL
        } else {
            label
        };
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let one = (label.to_owned(), password);
        if !inner.passwords.contains(&one) {
            inner.passwords.push(one);
        }
    }

    /// Tells whether a source of passwords is new here, once.
    pub fn is_new(&self, source: &str) -> bool {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = !inner.sources.iter().any(|known| known == source);
        if is_new {
            inner.sources.push(source.to_owned());
        }
        is_new
    }

    /// Leaves values that are encrypted one by one as they are, for who only lists them.
    pub fn stay_closed(&self) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.stays_closed = true;
    }

    /// Tells whether such values are left as they are.
    pub fn stays_closed(&self) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.stays_closed
    }

    /// Returns the password of a label, or the first one without a label asked for.
    pub fn password(&self, label: Option<&str>) -> Option<(String, Secret)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut passwords = inner.passwords.iter();
        let wanted = |one: &&(String, Secret)| label.is_none_or(|label| one.0 == label);
        passwords.find(wanted).cloned()
    }

    /// Returns the password that opens an encrypted text, with the text's own label.
    pub fn opener(&self, envelope: &Envelope) -> Option<(String, Secret)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut passwords = inner.passwords.iter();
        let opens = |one: &&(String, Secret)| matches!(envelope.open(&one.1), Ok(Some(_)));
        let (_, password) = passwords.find(opens)?;
        Some((envelope.label.clone(), password.clone()))
    }

    /// Opens an encrypted text: passwords of its label first, then all others.
    pub fn open(&self, content: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let envelope = Envelope::parse(content)?;
        let mut passwords = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            inner.passwords.clone()
        };
        if passwords.is_empty() {
            return Err(VaultError::NoPassword);
        }
        passwords.sort_by_key(|(label, _)| *label != envelope.label);
        for (_, password) in &passwords {
            if let Some(text) = envelope.open(password)? {
                return Ok(text);
            }
        }
        Err(VaultError::WrongPassword {
            label: envelope.label,
            tried: passwords.len(),
        })
    }

    /// Opens an encrypted text that is a value by itself; it is a secret under this name.
    pub fn open_value(&self, name: &str, content: &str) -> Result<String, VaultError> {
        if !is_vaulted(content.trim_start().as_bytes()) {
            return Err(VaultError::Damaged("it does not begin with $ANSIBLE_VAULT"));
        }
        let text = self.open(content.trim_start())?;
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| VaultError::Damaged("it is no UTF-8 text"))?;
        self.hear(name, &Secret::new(text.as_str()));
        Ok(text)
    }

    /// Says that something is a secret.
    pub fn hear(&self, name: &str, secret: &Secret) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for listener in &inner.listeners {
            listener(name, secret);
        }
        let one = (name.to_owned(), secret.clone());
        if !inner.opened.contains(&one) {
            inner.opened.push(one);
        }
    }

    /// Tells everything that was opened and will be.
    pub fn listen(&self, listener: impl Fn(&str, &Secret) + Send + Sync + 'static) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for (name, secret) in &inner.opened {
            listener(name, secret);
        }
        inner.listeners.push(Box::new(listener));
    }
}

#[cfg(test)]
mod tests {
    use super::super::encrypt;
    use super::*;
    use crate::secrets::Masker;

    #[test]
    fn labels_come_first_and_what_was_opened_is_masked_for_all() {
        let vault = Vault::default();
        let written = encrypt(b"hunter22", "prod", &Secret::new("p"), &[7; 32]).unwrap();
        assert_eq!(vault.open(&written), Err(VaultError::NoPassword));
        vault.add("dev", Secret::new("d"));
        let error = vault.open(&written).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it is in a vault labelled `prod`, and the password given does not open it"
        );
        vault.add("", Secret::new("p"));
        let early = Masker::new();
        let ears = early.clone();
        vault.listen(move |_, secret| ears.add(secret));
        assert_eq!(
            vault.open_value("a:1:1", &written).as_deref(),
            Ok("hunter22")
        );
        let late = Masker::new();
        let ears = late.clone();
        vault.listen(move |_, secret| ears.add(secret));
        for masker in [early, late] {
            assert_eq!(masker.mask("x hunter22"), "x ***");
        }
        assert_eq!(vault.password(None).unwrap().0, "dev");
        assert_eq!(vault.password(Some("default")).unwrap().1, Secret::new("p"));
        assert_eq!(vault.password(Some("prod")), None);
        assert_eq!(format!("{vault:?}"), "Vault(***)");
    }
}
