//! Secrets in records: stored as references, resolved again when the run goes on.

use std::fmt::Debug;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

use crate::secrets::{MASK, Masker, Secret};
use crate::template::{NAMELESS, REFERENCE};

/// Around a reference inside a text.
const OPEN: &str = REFERENCE.0;
const CLOSE: &str = REFERENCE.1;

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

    /// Returns the value with every reference replaced whose secret can be had back; the others stay, and a template that
    /// uses one of them fails with the reason.
    fn unseal_known(&self, value: &Value) -> Value;

    /// Tells whether a stored value holds a secret that is stored nowhere and has no name to ask for it by.
    fn is_volatile(&self, value: &Value) -> bool;
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
        self.unsealed(text, Err)
    }

    /// Puts the secrets back into a text; `gone` says what becomes of one that cannot be had.
    fn unsealed(
        &self,
        text: &str,
        gone: impl Fn(SealError) -> Result<(), SealError>,
    ) -> Result<String, SealError> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let Some((name, after)) = after.split_once(CLOSE) else {
                break;
            };
            whole.push_str(before);
            rest = after;
            if let Some((_, secret)) = named.iter().find(|(known, _)| known == name) {
                whole.push_str(secret.reveal());
                continue;
            }
            gone(if name == NAMELESS {
                SealError::Nameless
            } else {
                SealError::Missing {
                    name: name.to_owned(),
                }
            })?;
            whole.push_str(OPEN);
            whole.push_str(name);
            whole.push_str(CLOSE);
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
        texts(value, &|text| self.unseal_text(text))
    }

    fn unseal_known(&self, value: &Value) -> Value {
        let known = texts(value, &|text| self.unsealed(text, |_| Ok(())));
        known.unwrap_or_else(|_| value.clone())
    }

    fn is_volatile(&self, value: &Value) -> bool {
        let nameless = format!("{OPEN}{NAMELESS}{CLOSE}");
        let is_nameless = |text: &str| {
            if text.contains(&nameless) {
                Err(SealError::Nameless)
            } else {
                Ok(String::new())
            }
        };
        texts(value, &is_nameless).is_err()
    }
}

/// Changes every text of a value, keys too.
fn texts(
    value: &Value,
    change: &dyn Fn(&str) -> Result<String, SealError>,
) -> Result<Value, SealError> {
    Ok(match value {
        Value::String(text) => Value::String(change(text)?),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| texts(item, change))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, item)| Ok((change(key)?, texts(item, change)?)))
                .collect::<Result<_, SealError>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
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
        assert!(sealer.is_volatile(&json!({"a": [minted]})));
        assert!(!sealer.is_volatile(&sealed), "it has a name");
    }

    #[test]
    fn what_can_be_had_back_comes_back_beside_what_cannot() {
        let masker = Masker::new();
        masker.add(&Secret::new("minted-token"));
        let sealer = Sealer::new(masker);
        sealer.name("db_password", &Secret::new("hunter22"));
        let value = json!({"token": "bearer minted-token", "line": "-p hunter22", "n": [1]});
        let sealed = sealer.seal(&value);
        let known = sealer.unseal_known(&sealed);
        assert_eq!((&known["line"], &known["n"]), (&value["line"], &value["n"]));
        assert_eq!(known["token"], sealed["token"], "it stays a reference");
        assert_eq!(sealer.seal(&known), sealed, "and is stored as one again");
        let later = Sealer::new(Masker::new());
        assert_eq!(later.unseal_known(&sealed), sealed);
    }
}
