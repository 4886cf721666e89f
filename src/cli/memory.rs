//! What was read of the machine while a run was prepared and while it went on: kept with the run, so that it can go on
//! from the same answers, whatever became of the files meanwhile.
//!
//! It only remembers; `machine` asks it before it asks the disk. What was never asked is answered by the disk, and from
//! then on by the memory. Used by `starting`, which keeps it in the journal, and by `resume` and `recover`.

mod answers;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::answers::CARRIED;
pub(super) use self::answers::{Answers, READ, Unsealed, sealed_answer, sealed_content};
use crate::journal::content_digest;

/// Keeps what a run learns while it goes on.
pub(super) trait Keeper: Send + Sync + Debug {
    /// Keeps an answer, and the content if it is a file's; what cannot be kept shows with the next step's own record.
    fn learned(&self, question: &str, answer: &Value, content: Option<&[u8]>);
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is prepared for the first time: the disk answers.
    Begins,
    /// It is prepared again: what was remembered answers, also that something was not there.
    Again,
    /// It goes on: what was read answers, the disk what was not there or not asked for.
    GoesOn,
}

#[derive(Debug)]
struct Mind {
    stage: Stage,
    /// Whether the answers are those of an earlier part of the run.
    resumed: bool,
    answers: Answers,
    keeper: Option<Arc<dyn Keeper>>,
}

impl Mind {
    fn keep(&mut self, question: String, answer: Value, content: Option<&[u8]>) {
        if let Some(keeper) = &self.keeper {
            keeper.learned(&question, &answer, content);
        }
        self.answers.learn(&question, &answer);
        if let (Some(content), Some(digest)) = (content, answer.as_str()) {
            self.answers.give(digest, content.to_vec());
        }
    }
}

/// Remembers, or answers from what was remembered; by default neither.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    mind: Option<Arc<Mutex<Mind>>>,
}

impl Memory {
    /// Makes one that remembers.
    pub(super) fn writing() -> Self {
        Self::of(Stage::Begins, Answers::default())
    }

    /// Makes one that answers from what was remembered.
    pub(super) fn reading(answers: Answers) -> Self {
        Self::of(Stage::Again, answers)
    }

    fn of(stage: Stage, answers: Answers) -> Self {
        Self {
            mind: Some(Arc::new(Mutex::new(Mind {
                stage,
                resumed: stage == Stage::Again,
                answers,
                keeper: None,
            }))),
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Mind>> {
        let mind = self.mind.as_ref()?;
        Some(mind.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what was remembered so far.
    pub(super) fn answers(&self) -> Answers {
        self.lock()
            .map(|mind| mind.answers.clone())
            .unwrap_or_default()
    }

    /// From here on the run goes on; what it learns is kept.
    pub(super) fn goes_on(&self, keeper: Arc<dyn Keeper>) {
        if let Some(mut mind) = self.lock() {
            mind.stage = Stage::GoesOn;
            mind.keeper = Some(keeper);
        }
    }

    /// Forgets a file, which the run itself writes.
    pub(super) fn forget(&self, path: &str) {
        if let Some(mut mind) = self.lock() {
            mind.answers.files.remove(path);
            let end = format!(" {path}");
            mind.answers.others.retain(|key, _| !key.ends_with(&end));
        }
    }

    /// Reads a file.
    pub(super) fn read(
        &self,
        path: &str,
        real: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        let Some(mind) = self.lock() else {
            return real();
        };
        if mind.stage != Stage::Begins
            && let Some(content) = mind.answers.content(path)
        {
            return Ok(content.clone());
        }
        if let (Stage::Again, Some(Err(reason))) = (mind.stage, mind.answers.files.get(path)) {
            return Err(reason.clone());
        }
        drop(mind);
        let answer = real();
        if let Some(mut mind) = self.lock() {
            match &answer {
                Ok(content) => {
                    let digest = Value::from(content_digest(content));
                    mind.keep(format!("{READ}{path}"), digest, Some(content));
                }
                Err(reason) if mind.stage == Stage::Begins => {
                    let files = &mut mind.answers.files;
                    files.insert(path.to_owned(), Err(reason.clone()));
                }
                Err(_) => {}
            }
        }
        answer
    }

    /// Reads a file that is carried to hosts as it is; a run that goes on again carries no other one than before.
    pub(super) fn carry(
        &self,
        path: &str,
        real: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        let content = real()?;
        let Some(mut mind) = self.lock() else {
            return Ok(content);
        };
        let question = format!("{CARRIED} {path}");
        let digest = Value::from(content_digest(&content));
        match mind.answers.others.get(&question) {
            Some(known) if *known == digest => {}
            Some(_) if mind.resumed => {
                return Err(
                    "it is another file now than the one that the run began with; \
                            `resume --accept-changes` takes it"
                        .to_owned(),
                );
            }
            Some(_) | None => mind.keep(question, digest, None),
        }
        Ok(content)
    }

    /// Asks another question.
    pub(super) fn ask<T: Serialize + DeserializeOwned>(
        &self,
        question: &str,
        of: &str,
        real: impl FnOnce() -> T,
    ) -> T {
        let key = format!("{question} {of}");
        if let Some(mind) = self.lock() {
            let known = mind.answers.others.get(&key);
            let holds = match mind.stage {
                Stage::Begins => None,
                Stage::Again => known,
                // What was not there may have been made by the run.
                Stage::GoesOn => known.filter(|known| mind.resumed && !is_nothing(known)),
            };
            if let Some(answer) = holds.and_then(|value| serde_json::from_value(value.clone()).ok())
            {
                return answer;
            }
        }
        let answer = real();
        if let (Some(mut mind), Ok(value)) = (self.lock(), serde_json::to_value(&answer))
            && mind.answers.others.get(&key) != Some(&value)
        {
            mind.keep(key, value, None);
        }
        answer
    }
}

fn is_nothing(answer: &Value) -> bool {
    match answer {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
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
        let answers = first.answers();
        assert_eq!(answers.files().count(), 1);

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

    /// Kind, answer and content of what was kept.
    type Item = (String, Value, Option<Vec<u8>>);

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<Item>>);

    impl Keeper for Kept {
        fn learned(&self, question: &str, answer: &Value, content: Option<&[u8]>) {
            let line = (
                question.to_owned(),
                answer.clone(),
                content.map(<[u8]>::to_vec),
            );
            self.0.lock().unwrap().push(line);
        }
    }

    #[test]
    fn what_is_first_read_while_a_run_goes_on_is_kept_too() {
        let file = |text: &str| Ok(text.as_bytes().to_vec());
        let (first, kept) = (Memory::writing(), Arc::new(Kept::default()));
        first.read("planned", || file("old")).unwrap();
        first.ask("kind", "late", || None::<String>);
        let mut answers = first.answers();
        first.goes_on(kept.clone());
        assert_eq!(first.read("planned", || file("new")).unwrap(), b"old");
        let is_file = || Some("file".to_owned());
        assert_eq!(
            first.ask("kind", "late", is_file),
            is_file(),
            "made meanwhile"
        );
        assert_eq!(first.read("late", || file("1")).unwrap(), b"1");
        assert_eq!(first.read("late", || file("2")).unwrap(), b"1");
        assert_eq!(first.carry("package", || file("p1")).unwrap(), b"p1");
        assert_eq!(
            first.carry("package", || file("p2")).unwrap(),
            b"p2",
            "made anew"
        );
        first.forget("late");
        assert_eq!(first.read("late", || file("own")).unwrap(), b"own");
        first
            .read("gone", || Err("no such file".to_owned()))
            .unwrap_err();

        // The next part of the run.
        for (question, answer, content) in kept.0.lock().unwrap().iter() {
            answers.learn(question, answer);
            if let (Some(content), Some(digest)) = (content, answer.as_str()) {
                answers.give(digest, content.clone());
            }
        }
        let again = Memory::reading(answers);
        assert_eq!(again.read("late", || file("edited")).unwrap(), b"own");
        assert_eq!(again.ask("kind", "late", || None::<String>), is_file());
        assert_eq!(again.carry("package", || file("p2")).unwrap(), b"p2");
        let error = again.carry("package", || file("p3")).unwrap_err();
        assert!(error.contains("--accept-changes"), "{error}");
        again.goes_on(kept);
        assert_eq!(again.read("late", || file("edited")).unwrap(), b"own");
        assert_eq!(
            again.read("gone", || file("there now")).unwrap(),
            b"there now"
        );
        assert_eq!(again.ask("kind", "late", || None::<String>), is_file());
    }
}
