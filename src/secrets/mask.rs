//! Masking by value: every text that leaves the process goes through here.

use std::sync::{Arc, PoisonError, RwLock};

use super::Secret;

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// Secrets shorter than this are not masked by value: masking `a` everywhere would destroy every text.
pub(super) const SHORTEST: usize = 4;

/// The secrets known so far; shared by all who show or store text.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    known: Arc<RwLock<Vec<Secret>>>,
}

impl Masker {
    /// Makes a masker that knows no secret.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret; each of its lines of some length is masked as well, since tools print them one by one.
    pub fn add(&self, secret: &Secret) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let whole = secret.reveal();
        for part in std::iter::once(whole).chain(whole.lines()).map(str::trim) {
            if part.len() >= SHORTEST && !known.iter().any(|old| old.reveal() == part) {
                known.push(Secret::new(part));
            }
        }
        known.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
    }

    /// Tells whether it knows no secret, so that nothing has to be masked.
    pub fn knows_nothing(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.is_empty()
    }

    /// Returns the text with every known secret replaced.
    pub fn mask(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut masked = text.to_owned();
        for secret in known.iter() {
            if masked.contains(secret.reveal()) {
                masked = masked.replace(secret.reveal(), MASK);
            }
        }
        masked
    }

    /// Returns the value with every known secret replaced in every text and key.
    pub fn mask_value(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.mask(text)),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.mask_value(item)).collect())
            }
            Value::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, item)| (self.mask(key), self.mask_value(item)))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_longest_first_and_by_line() {
        let masker = Masker::new();
        assert!(masker.knows_nothing());
        masker.add(&Secret::new("hunter22"));
        assert!(!masker.knows_nothing());
        masker.add(&Secret::new("hunter22-and-more"));
        masker.add(&Secret::new("first line\nsecond line\n"));
        masker.add(&Secret::new("abc"));
        assert_eq!(masker.mask("x hunter22-and-more y hunter22"), "x *** y ***");
        assert_eq!(masker.mask("got: second line."), "got: ***.");
        assert_eq!(masker.mask("abc"), "abc");
        assert_eq!(format!("{:?}", Secret::new("hunter22")), "***");
        let value = serde_json::json!({"a": ["hunter22"], "hunter22": 1});
        assert_eq!(
            masker.mask_value(&value),
            serde_json::json!({"a": ["***"], "***": 1})
        );
    }
}
