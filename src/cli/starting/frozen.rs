//! What a run keeps of everything that it was made of, before and while it goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{Request, state};
use crate::cli::failure::Failure;
use crate::cli::machine::Machine;
use crate::cli::memory::{Answers, Keeper, READ, sealed_answer, sealed_content};
use crate::cli::settings;
use crate::clock::{Clock, Timestamp};
use crate::journal::{
    Durability, Entry, Frozen, Header, Journal, JournalError, Record, Seal as _, Sealer,
    SqliteJournal,
};
use crate::plan::Plan;
use crate::secrets::Secret;

/// The names under which a run keeps what is no file of the operator's.
pub(super) const ANSWERS: &str = "stagger:answers";

pub(super) const PLAN: &str = "stagger:plan";

pub(super) const PLACE: &str = "stagger:place";

/// Where a run was started, kept with it: relative paths are relative to it.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Place {
    pub(super) directory: String,
    pub(super) inventory: Vec<String>,
}

/// Returns what a run loaded as it is kept; from here on the secrets that stand openly in it are hidden everywhere.
pub(super) fn sealed_answers(answers: &Answers, seal: &Sealer) -> Answers {
    let (answers, secrets) = answers.sealed();
    named(seal, &secrets);
    answers
}

/// Keeps everything that the run loaded, as `sealed_answers` gives it, its plan, and where it was started.
pub(super) fn freeze(
    journal: &mut SqliteJournal,
    (answers, seal): (&Answers, &Sealer),
    plan: &Plan,
    request: &Request,
    machine: &Machine,
) -> Result<Vec<Frozen>, Failure> {
    let mut frozen: Vec<Frozen> = answers
        .files()
        .map(|(name, digest)| Frozen {
            name: name.to_owned(),
            digest: digest.to_owned(),
        })
        .collect();
    for content in answers.contents() {
        journal.keep(content).map_err(|error| state(&error))?;
    }
    let place = Place {
        directory: std::env::current_dir()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        inventory: settings::sources(&request.sources, machine)?,
    };
    let text = |value: serde_json::Result<String>| {
        value.map_err(|error| Failure::usage(format!("the run cannot be kept: {error}")))
    };
    let own = [
        (ANSWERS, text(serde_json::to_string(answers))?),
        (PLAN, text(sealed_plan(plan, seal))?),
        (PLACE, text(serde_json::to_string(&place))?),
    ];
    for (name, value) in own {
        let digest = journal
            .keep(value.as_bytes())
            .map_err(|error| state(&error))?;
        frozen.push(Frozen {
            name: name.to_owned(),
            digest,
        });
    }
    Ok(frozen)
}

/// From here on secrets that stand openly in files are hidden and kept under their names.
pub(super) fn named(seal: &Sealer, secrets: &[(String, Secret)]) {
    for (name, secret) in secrets {
        if secret.is_long_enough() {
            seal.name(name, secret);
        }
    }
}

/// Writes a plan as it is kept: what it shows of the files has no secrets in it.
fn sealed_plan(plan: &Plan, seal: &Sealer) -> serde_json::Result<String> {
    serde_json::to_string(&seal.seal(&serde_json::to_value(plan)?))
}

/// Reads back what a run keeps under a name.
pub(super) fn kept_value<T: serde::de::DeserializeOwned>(
    journal: &SqliteJournal,
    header: &Header,
    name: &str,
) -> Result<T, Failure> {
    let missing = || {
        Failure::usage(format!(
            "run {} does not keep what it was made of ({name}); it was made by stagger {}",
            header.run, header.version
        ))
    };
    let mut frozen = header.frozen.iter();
    let found = frozen
        .find(|frozen| frozen.name == name)
        .ok_or_else(missing)?;
    let content = journal
        .kept(&found.digest)
        .map_err(|error| state(&error))?
        .ok_or_else(missing)?;
    serde_json::from_slice(&content).map_err(|_| missing())
}

/// Takes what earlier parts of a run learned since its files were last kept.
pub(super) fn learned(entries: &[Entry], answers: &mut Answers) {
    let opened = |entry: &Entry| matches!(entry.record, Record::Opened(_));
    let from = entries.iter().rposition(opened).unwrap_or(0);
    for entry in entries.iter().skip(from) {
        if let Record::Learned { question, answer } = &entry.record {
            answers.learn(question, answer);
        }
    }
}

/// A run's journal, which the engine writes, and beside it what is read while the run goes on.
#[derive(Debug, Clone)]
pub(super) struct SharedJournal {
    journal: Arc<Mutex<SqliteJournal>>,
    clock: Arc<dyn Clock>,
    seal: Arc<Sealer>,
}

impl SharedJournal {
    pub(super) fn new(journal: SqliteJournal, clock: &Arc<dyn Clock>, seal: &Arc<Sealer>) -> Self {
        Self {
            journal: Arc::new(Mutex::new(journal)),
            clock: Arc::clone(clock),
            seal: Arc::clone(seal),
        }
    }

    /// Returns what keeps the answers that the run gets while it goes on.
    pub(super) fn keeper(&self) -> Arc<dyn Keeper> {
        Arc::new(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, SqliteJournal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for SharedJournal {
    fn learned(&self, question: &str, answer: &Value, content: Option<&[u8]>) {
        let mut secrets = Vec::new();
        let mut answer = sealed_answer(question, answer, &mut secrets);
        let path = question.strip_prefix(READ).unwrap_or(question);
        let content = content.map(|content| sealed_content(path, content, &mut secrets));
        named(&self.seal, &secrets);
        let mut journal = self.lock();
        let kept = content.map_or(Ok(String::new()), |content| journal.keep(&content));
        if let Some(digest) = kept.as_ref().ok().filter(|digest| !digest.is_empty()) {
            answer = Value::from(digest.as_str());
        }
        let record = Record::Learned {
            question: question.to_owned(),
            answer,
        };
        // The intent of the step that uses it comes later and is synced, and this one with it. A journal that cannot be
        // written says so there.
        if kept.is_ok() {
            drop(journal.append(self.clock.now(), &[record], Durability::Lazy));
        }
    }
}

impl Journal for SharedJournal {
    fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        durability: Durability,
    ) -> Result<(), JournalError> {
        self.lock().append(at, records, durability)
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.lock().entries()
    }

    fn keep(&mut self, content: &[u8]) -> Result<String, JournalError> {
        self.lock().keep(content)
    }

    fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.lock().kept(digest)
    }

    fn take_warning(&mut self) -> Option<String> {
        self.lock().take_warning()
    }
}
