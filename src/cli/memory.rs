//! What was read of the machine while a run was prepared: kept with the run, so that it can be prepared again from the
//! same answers, whatever became of the files meanwhile.
//!
//! It only remembers; `machine` asks it before it asks the disk. What was never asked is answered by the disk. Used by
//! `starting`, which keeps it in the journal, and by `resume` and `recover`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::journal::content_digest;

/// What was asked of a machine, and what it said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Answers {
    /// Files by their path as it was asked for: the digest of the content, or why there is none.
    files: BTreeMap<String, Result<String, String>>,
    /// All other questions.
    others: BTreeMap<String, serde_json::Value>,
    /// The contents by their digest; kept beside the answers.
    #[serde(skip)]
    contents: BTreeMap<String, Vec<u8>>,
}

impl Answers {
    /// Returns the files that were read, with their digests.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, answer)| Some((path.as_str(), answer.as_deref().ok()?)))
    }

    /// Returns the contents.
    pub(super) fn contents(&self) -> impl Iterator<Item = &[u8]> {
        self.contents.values().map(Vec::as_slice)
    }

    /// Puts a content back.
    pub(super) fn give(&mut self, digest: &str, content: Vec<u8>) {
        self.contents.insert(digest.to_owned(), content);
    }
}

#[derive(Debug)]
enum Mode {
    Writes(Answers),
    Reads(Answers),
    Rests,
}

/// Remembers, or answers from what was remembered; by default neither.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    mode: Option<Arc<Mutex<Mode>>>,
}

impl Memory {
    /// Makes one that remembers.
    pub(super) fn writing() -> Self {
        Self::of(Mode::Writes(Answers::default()))
    }

    /// Makes one that answers from what was remembered.
    pub(super) fn reading(answers: Answers) -> Self {
        Self::of(Mode::Reads(answers))
    }

    fn of(mode: Mode) -> Self {
        Self {
            mode: Some(Arc::new(Mutex::new(mode))),
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Mode>> {
        let mode = self.mode.as_ref()?;
        Some(mode.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what was remembered, and remembers nothing more.
    pub(super) fn take(&self) -> Answers {
        match self.lock().as_deref_mut() {
            Some(mode) => match std::mem::replace(mode, Mode::Rests) {
                Mode::Writes(answers) | Mode::Reads(answers) => answers,
                Mode::Rests => Answers::default(),
            },
            None => Answers::default(),
        }
    }

    /// Reads a file.
    pub(super) fn read(
        &self,
        path: &str,
        real: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        if let Some(Mode::Reads(answers)) = self.lock().as_deref() {
            match answers.files.get(path) {
                Some(Ok(digest)) => {
                    if let Some(content) = answers.contents.get(digest) {
                        return Ok(content.clone());
                    }
                }
                Some(Err(reason)) => return Err(reason.clone()),
                None => {}
            }
        }
        let answer = real();
        if let Some(Mode::Writes(answers)) = self.lock().as_deref_mut() {
            let kept = match &answer {
                Ok(content) => {
                    let digest = content_digest(content);
                    answers.contents.insert(digest.clone(), content.clone());
                    Ok(digest)
                }
                Err(reason) => Err(reason.clone()),
            };
            answers.files.insert(path.to_owned(), kept);
        }
        answer
    }

    /// Asks another question.
    pub(super) fn ask<T: Serialize + DeserializeOwned>(
        &self,
        question: &str,
        of: &str,
        real: impl FnOnce() -> T,
    ) -> T {
        let key = format!("{question} {of}");
        if let Some(Mode::Reads(answers)) = self.lock().as_deref() {
            let known = answers.others.get(&key);
            let known = known.and_then(|value| serde_json::from_value(value.clone()).ok());
            if let Some(answer) = known {
                return answer;
            }
        }
        let answer = real();
        if let (Some(Mode::Writes(answers)), Ok(value)) =
            (self.lock().as_deref_mut(), serde_json::to_value(&answer))
        {
            answers.others.insert(key, value);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_questions_get_the_same_answers() {
        let first = Memory::writing();
        let file = |text: &str| Ok(text.as_bytes().to_vec());
        first.read("a", || file("old")).unwrap();
        first
            .read("gone", || Err("no such file".to_owned()))
            .unwrap_err();
        assert_eq!(first.ask("list", "d", || vec!["a".to_owned()]), ["a"]);
        assert_eq!(first.ask("kind", "none", || None::<String>), None);
        let answers = first.take();
        assert_eq!(answers.files().count(), 1);
        first.read("later", || file("x")).unwrap();
        assert_eq!(first.take().files().count(), 0, "it rests");

        let text = serde_json::to_string(&answers).unwrap();
        let mut back: Answers = serde_json::from_str(&text).unwrap();
        for content in answers.contents() {
            back.give(&content_digest(content), content.to_vec());
        }
        let second = Memory::reading(back);
        assert_eq!(second.read("a", || file("new")).unwrap(), b"old");
        assert!(second.read("gone", || file("there now")).is_err());
        assert_eq!(second.ask("list", "d", || vec!["b".to_owned()]), ["a"]);
        assert_eq!(second.ask("kind", "none", || Some("file".to_owned())), None);
        assert_eq!(second.read("other", || file("new")).unwrap(), b"new");
    }
}
