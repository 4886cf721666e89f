//! Secrets in records: stored as references, resolved again when the run goes on.

use std::fmt::Debug;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

use crate::secrets::{MASK, Masker, Secret};

/// Around a reference inside a text: characters for private use, which no host prints by accident.
const OPEN: &str = "\u{e000}secret:";
const CLOSE: &str = "\u{e001}";
/// The name of a secret that was only ever a value.
const NAMELESS: &str = "?";

/// Why a stored value cannot be had back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The secret has a name, and nobody gave its value this time.
    #[error("the secret `{name}` is needed again and was not given")]
    Missing {
        /// Its name.
        name: String,
    },
    /// The secret never had a name.
    #[error("a secret without a name stood here, and is not stored")]
    Nameless,
}

/// Takes secrets out of values before they are stored, and puts them back.
pub trait Seal: Send + Sync + Debug {
    /// Returns the value with every secret replaced by a reference.
    fn seal(&self, value: &Value) -> Value;

    /// Returns the value with every reference replaced by the secret.
    fn unseal(&self, value: &Value) -> Result<Value, SealError>;
}

/// Returns a stored text with every reference replaced by a mask, for people.
pub fn mask_references(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((_, after)) = after.split_once(CLOSE) else {
            break;
        };
        shown.push_str(before);
        shown.push_str(MASK);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Seals what a [`Masker`] knows; secrets that have a name can be had back.
#[derive(Debug, Default)]
pub struct Sealer {
    masker: Masker,
    named: RwLock<Vec<(String, Secret)>>,
}

impl Sealer {
    /// Makes a sealer for the secrets of a masker.
    pub fn new(masker: Masker) -> Self {
        Self {
            masker,
            named: RwLock::default(),
        }
    }

    /// Gives a secret a name under which it can be asked for again: a variable's name, mostly.
    pub fn name(&self, name: &str, secret: &Secret) {
        self.masker.add(secret);
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        named.retain(|(old, _)| old != name);
        named.push((name.to_owned(), secret.clone()));
        named.sort_by_key(|(_, secret)| std::cmp::Reverse(secret.reveal().len()));
    }

    fn seal_text(&self, text: &str) -> String {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let mut sealed = text.to_owned();
        for (name, secret) in named
            .iter()
            .filter(|(_, secret)| !secret.reveal().is_empty())
        {
            if sealed.contains(secret.reveal()) {
                sealed = sealed.replace(secret.reveal(), &format!("{OPEN}{name}{CLOSE}"));
            }
        }
        let masked = self.masker.mask(&sealed);
        if masked == sealed {
            sealed
        } else {
            masked.replace(MASK, &format!("{OPEN}{NAMELESS}{CLOSE}"))
        }
    }

    fn unseal_text(&self, text: &str) -> Result<String, SealError> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let Some((name, after)) = after.split_once(CLOSE) else {
                break;
            };
            if name == NAMELESS {
                return Err(SealError::Nameless);
            }
            let found = named.iter().find(|(known, _)| known == name);
            let (_, secret) = found.ok_or_else(|| SealError::Missing {
                name: name.to_owned(),
            })?;
            whole.push_str(before);
            whole.push_str(secret.reveal());
            rest = after;
        }
        whole.push_str(rest);
        Ok(whole)
    }
}

impl Seal for Sealer {
    fn seal(&self, value: &Value) -> Value {
        if self.masker.knows_nothing() {
            return value.clone();
        }
        match value {
            Value::String(text) => Value::String(self.seal_text(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.seal(item)).collect()),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, item)| (self.seal_text(key), self.seal(item)))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn unseal(&self, value: &Value) -> Result<Value, SealError> {
        Ok(match value {
            Value::String(text) => Value::String(self.unseal_text(text)?),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.unseal(item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, item)| Ok((self.unseal_text(key)?, self.unseal(item)?)))
                    .collect::<Result<_, SealError>>()?,
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_secrets_come_back_and_others_stop_the_run() {
        let masker = Masker::new();
        masker.add(&Secret::new("minted-token"));
        let sealer = Sealer::new(masker);
        sealer.name("db_password", &Secret::new("hunter22"));
        let value =
            json!({"cmd": "mysql -phunter22 -h x", "list": ["hunter22", 3, true], "plain": "a"});
        let sealed = sealer.seal(&value);
        let text = sealed.to_string();
        assert!(
            !text.contains("hunter22") && text.contains("db_password"),
            "{text}"
        );
        assert!(!text.contains(MASK), "a mask is never stored: {text}");
        assert_eq!(sealer.unseal(&sealed).unwrap(), value);

        let later = Sealer::new(Masker::new());
        assert_eq!(
            later.unseal(&sealed),
            Err(SealError::Missing {
                name: "db_password".to_owned()
            })
        );
        let minted = sealer.seal(&json!("Bearer minted-token"));
        assert!(!minted.to_string().contains("minted"));
        assert_eq!(sealer.unseal(&minted), Err(SealError::Nameless));
    }
}
