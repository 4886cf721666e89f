//! What was read of the machine while a run was prepared and while it went on: kept with the run, so that it can go on
//! from the same answers, whatever became of the files meanwhile.
//!
//! It only remembers; `machine` asks it before it asks the disk. What was never asked is answered by the disk, and from
//! then on by the memory. Used by `starting`, which keeps it in the journal, and by `resume` and `recover`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::clean;
use super::{embedded, sealed_files};
use crate::journal::content_digest;
use crate::secrets::Secret;

/// How the question for a file's content begins; its answer is the content's digest.
pub(super) const READ: &str = "read ";
/// How the question for what a program of the inventory prints begins.
const RAN: &str = "run ";
/// The question for a file that is carried to hosts as it is, of which only the digest is kept: it may be large or
/// secret.
const CARRIED: &str = "carried";

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

    /// Takes what was learned while the run went on.
    pub(super) fn learn(&mut self, question: &str, answer: &Value) {
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
    pub(super) fn read_files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files().filter_map(|(path, digest)| {
            let content = self.contents.get(digest)?;
            Some((path, content.as_slice()))
        })
    }

    fn content(&self, path: &str) -> Option<&Vec<u8>> {
        let digest = self.files.get(path)?.as_deref().ok()?;
        self.contents.get(digest)
    }

    /// Returns the answers as a run keeps them, without the secrets that stand openly in them, and these secrets, each with
    /// the name under which it is known.
    pub(super) fn sealed(&self) -> (Self, Vec<(String, Secret)>) {
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
    pub(super) fn unseal(
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
    pub(super) fn give(&mut self, digest: &str, content: Vec<u8>) {
        self.contents.insert(digest.to_owned(), content);
    }
}

/// What was put back, and what was not.
#[derive(Debug, Default)]
pub(super) struct Unsealed {
    /// The secrets, each with the name under which it is known.
    pub(super) secrets: Vec<(String, Secret)>,
    /// The names of those that are not there any more, and where they stood.
    pub(super) missing: Vec<(String, String)>,
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
pub(super) fn sealed_content(
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
pub(super) fn sealed_answer(
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
