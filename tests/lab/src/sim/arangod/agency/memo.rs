//! What was answered lately, for as long as nothing that it names has changed.
//!
//! Every server of a cluster asks the same again each second, and little changes in between. Pure; [`super::node`] keeps
//! one and tells it of every change.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::store::{normalized, related};

/// Questions with their answers.
#[derive(Debug, Default)]
pub struct Memo {
    answers: BTreeMap<Vec<u8>, Known>,
}

#[derive(Debug)]
struct Known {
    paths: Vec<String>,
    answer: Answer,
}

/// An answer, and the place in the log at which it was made: no other answer to the question has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The place.
    pub index: u64,
    /// The text.
    pub text: Bytes,
}

/// More questions than these are no habit of anybody's.
const MOST: usize = 64;

impl Memo {
    /// Returns the answer to a question, if it is still true.
    pub fn answer(&self, question: &[u8]) -> Option<Answer> {
        self.answers.get(question).map(|known| known.answer.clone())
    }

    /// Keeps an answer that was made of these paths.
    pub fn keep(&mut self, question: &[u8], paths: impl Iterator<Item = String>, answer: Answer) {
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        let paths = paths.map(|path| normalized(&path)).collect();
        let known = Known { paths, answer };
        self.answers.insert(question.to_owned(), known);
    }

    /// Forgets every answer that a change of these paths makes untrue.
    pub fn forget(&mut self, changed: &[String]) {
        if changed.is_empty() {
            return;
        }
        let touched = |path: &String| changed.iter().any(|changed| related(path, changed));
        self.answers
            .retain(|_, known| !known.paths.iter().any(touched));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_true_until_something_under_or_above_its_paths_changes() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&["/arango/Plan"], "/arango/Plan/Version", false),
            (&["arango//Plan/"], "/arango/Plan/Version", false),
            (&["/arango/Plan/Version"], "/arango", false),
            (&["/x", "/arango/Plan"], "/arango/Plan", false),
            (&["/"], "/anything", false),
            (&["/arango/Plan"], "/arango/Planet", true),
            (&["/arango/Plan"], "/arango/Current/Version", true),
            (&[], "/arango", true),
        ];
        for (paths, changed, is_true) in cases {
            let mut memo = Memo::default();
            let paths = paths.iter().map(|path| (*path).to_owned());
            let answer = Answer {
                index: 7,
                text: Bytes::from_static(b"!"),
            };
            memo.keep(b"?", paths, answer.clone());
            memo.forget(&[]);
            assert_eq!(memo.answer(b"?"), Some(answer));
            memo.forget(&["/elsewhere/altogether".to_owned(), (*changed).to_owned()]);
            assert_eq!(memo.answer(b"?").is_some(), *is_true, "{changed}");
        }
    }
}
