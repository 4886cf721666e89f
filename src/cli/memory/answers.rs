//! The answers that are remembered, and how the secrets that stand in them are taken out and put back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::machine::clean;
use crate::cli::{embedded, sealed_files};
use crate::journal::content_digest;
use crate::secrets::Secret;

/// How the question for a file's content begins; its answer is the content's digest.
pub(in crate::cli) const READ: &str = "read ";
/// How the question for what a program of the inventory prints begins.
const RAN: &str = "run ";
/// The question for a file that is carried to hosts as it is, of which only the digest is kept: it may be large or
/// secret.
pub(super) const CARRIED: &str = "carried";

/// What was asked of a machine, and what it said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::cli) struct Answers {
    /// Files by their path as it was asked for: the digest of the content, or why there is none.
    pub(super) files: BTreeMap<String, Result<String, String>>,
    /// All other questions.
    pub(super) others: BTreeMap<String, Value>,
    /// The contents by their digest; kept beside the answers.
    #[serde(skip)]
    contents: BTreeMap<String, Vec<u8>>,
}

impl Answers {
    /// Returns the files that were read, with their digests.
    pub(in crate::cli) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, answer)| Some((path.as_str(), answer.as_deref().ok()?)))
    }

    /// Returns the contents.
    pub(in crate::cli) fn contents(&self) -> impl Iterator<Item = &[u8]> {
        self.contents.values().map(Vec::as_slice)
    }

    /// Takes what was learned while the run went on.
    pub(in crate::cli) fn learn(&mut self, question: &str, answer: &Value) {
        match (question.strip_prefix(READ), answer.as_str()) {
            (Some(path), Some(digest)) => {
                self.files.insert(path.to_owned(), Ok(digest.to_owned()));
            }
            (Some(_), None) => {}
            (None, _) => {
                self.others.insert(question.to_owned(), answer.clone());
            }
        }
    }

    /// Returns the files that were read with their contents, as far as they are there.
    pub(in crate::cli) fn read_files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files().filter_map(|(path, digest)| {
            let content = self.contents.get(digest)?;
            Some((path, content.as_slice()))
        })
    }

    pub(super) fn content(&self, path: &str) -> Option<&Vec<u8>> {
        let digest = self.files.get(path)?.as_deref().ok()?;
        self.contents.get(digest)
    }

    /// Returns the answers as a run keeps them, without the secrets that stand openly in them, and these secrets, each with
    /// the name under which it is known.
    pub(in crate::cli) fn sealed(&self) -> (Self, Vec<(String, Secret)>) {
        let mut kept = Self {
            contents: BTreeMap::new(),
            ..self.clone()
        };
        let mut secrets = Vec::new();
        for (path, digest) in self.files() {
            let Some(content) = self.contents.get(digest) else {
                continue;
            };
            let content = sealed_content(path, content, &mut secrets);
            let digest = content_digest(&content);
            kept.files.insert(path.to_owned(), Ok(digest.clone()));
            kept.contents.insert(digest, content);
        }
        for (question, answer) in &mut kept.others {
            *answer = sealed_answer(question, answer, &mut secrets);
        }
        (kept, secrets)
    }

    /// Puts the secrets back that were taken out, as they stand now: `file` reads a file, `program` runs one again.
    pub(in crate::cli) fn unseal(
        &mut self,
        file: &dyn Fn(&str) -> Option<Vec<u8>>,
        program: &dyn Fn(&str) -> Option<Value>,
    ) -> Unsealed {
        let mut unsealed = Unsealed::default();
        let kept: Vec<(String, String)> = self
            .read_files()
            .filter_map(|(path, content)| {
                let text = std::str::from_utf8(content).ok()?;
                sealed_files::is_sealed(text).then(|| (path.to_owned(), text.to_owned()))
            })
            .collect();
        for (path, text) in kept {
            let now = String::from_utf8_lossy(&file(&path).unwrap_or_default()).into_owned();
            let back = sealed_files::unseal(&path, &text, &now);
            let content = back.text.clone().into_bytes();
            unsealed.takes(&path, back);
            let digest = content_digest(&content);
            self.files.insert(path, Ok(digest.clone()));
            self.contents.insert(digest, content);
        }
        for (question, answer) in &mut self.others {
            let Some(asked) = question.strip_prefix(RAN) else {
                continue;
            };
            if !sealed_files::is_sealed(&answer_text(answer)) {
                continue;
            }
            let now = program(asked).map(|now| answer_text(&now));
            let now = now.unwrap_or_default();
            *answer = texts(answer, &mut |text| {
                let back = sealed_files::unseal(question, text, &now);
                let text = back.text.clone();
                unsealed.takes(asked, back);
                text
            });
        }
        unsealed
    }

    /// Puts a content back.
    pub(in crate::cli) fn give(&mut self, digest: &str, content: Vec<u8>) {
        self.contents.insert(digest.to_owned(), content);
    }
}

/// What was put back, and what was not.
#[derive(Debug, Default)]
pub(in crate::cli) struct Unsealed {
    /// The secrets, each with the name under which it is known.
    pub(in crate::cli) secrets: Vec<(String, Secret)>,
    /// The names of those that are not there any more, and where they stood.
    pub(in crate::cli) missing: Vec<(String, String)>,
}

impl Unsealed {
    fn takes(&mut self, place: &str, back: sealed_files::Sealed) {
        self.secrets.extend(back.secrets);
        let missing = back.missing.into_iter();
        self.missing
            .extend(missing.map(|name| (name, place.to_owned())));
    }
}

/// Takes the secrets out of a file's content, unless it is shipped: these are known to everybody.
pub(in crate::cli) fn sealed_content(
    path: &str,
    content: &[u8],
    secrets: &mut Vec<(String, Secret)>,
) -> Vec<u8> {
    let is_shipped = embedded::read(clean(path)) == Some(content);
    match std::str::from_utf8(content) {
        Ok(text) if !is_shipped => {
            let sealed = sealed_files::seal(path, text);
            secrets.extend(sealed.secrets);
            sealed.text.into_bytes()
        }
        Ok(_) | Err(_) => content.to_vec(),
    }
}

/// Takes the secrets out of what a program of the inventory printed.
pub(in crate::cli) fn sealed_answer(
    question: &str,
    answer: &Value,
    secrets: &mut Vec<(String, Secret)>,
) -> Value {
    if !question.starts_with(RAN) {
        return answer.clone();
    }
    texts(answer, &mut |text| {
        let sealed = sealed_files::seal(question, text);
        secrets.extend(sealed.secrets);
        sealed.text
    })
}

/// Returns all texts of an answer, one after another.
fn answer_text(answer: &Value) -> String {
    let mut all = Vec::new();
    let _same = texts(answer, &mut |text| {
        all.push(text.to_owned());
        text.to_owned()
    });
    all.join("\n")
}

/// Changes every text of an answer.
fn texts(answer: &Value, change: &mut dyn FnMut(&str) -> String) -> Value {
    match answer {
        Value::String(text) => Value::String(change(text)),
        // What a program printed is kept as its bytes.
        Value::Array(items) => match bytes(items) {
            Some(text) if !text.is_empty() => change(&text).bytes().map(Value::from).collect(),
            Some(_) | None => items.iter().map(|item| texts(item, change)).collect(),
        },
        Value::Object(fields) => {
            let changed = fields
                .iter()
                .map(|(key, item)| (key.clone(), texts(item, change)));
            Value::Object(changed.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => answer.clone(),
    }
}

/// Reads a list of bytes as a text, if it is one.
fn bytes(items: &[Value]) -> Option<String> {
    let byte = |item: &Value| u8::try_from(item.as_u64()?).ok();
    let bytes: Vec<u8> = items.iter().map(byte).collect::<Option<_>>()?;
    String::from_utf8(bytes).ok()
}
