//! What the hosts of the engine's tests answer: they do what they are told to, and remember it.
//!
//! A script is `look WHAT`, `see WHAT` or `do WHAT`; every job ends well. How calls go wrong is said to
//! [`ScriptedHosts`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::clock::{SimulatedClock, Stop};
use crate::connection::scripted::{Answering, Call, Effects, ScriptedHosts, Verb, ended};
use crate::connection::{Connection, JobEnd, Reply, owed};
use crate::journal::MemoryJournal;
use crate::rollout::{Connector, NoSession, Wish};

pub(crate) use crate::connection::scripted::Fault;

#[derive(Debug, Default)]
struct Memory {
    finds: BTreeMap<String, VecDeque<Value>>,
    journal: Option<MemoryJournal>,
    sent_after: Vec<(String, usize)>,
    notes: BTreeMap<(String, String), String>,
    running: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default)]
struct Obedient {
    memory: Mutex<Memory>,
}

impl Obedient {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what looking finds: on this host, or on all.
    fn found(&self, host: &str, what: &str) -> Value {
        let mut memory = self.lock();
        let key = if memory.finds.contains_key(what) {
            what.to_owned()
        } else {
            format!("{host} {what}")
        };
        let Some(values) = memory.finds.get_mut(&key) else {
            return json!(true);
        };
        if values.len() > 1 {
            values.pop_front().unwrap()
        } else {
            values[0].clone()
        }
    }
}

impl Obedient {
    /// Does what a script says about notes.
    fn note(&self, call: &Call<'_>, about: &str) -> Reply {
        let mut memory = self.lock();
        let mut out = String::new();
        if let Some(name) = about.strip_prefix("to the note ") {
            let text = owed::text_in(call.text).unwrap();
            let (_, run) = name.rsplit_once('.').unwrap();
            let own = format!(".{run}");
            let others = memory
                .notes
                .keys()
                .any(|(host, other)| host == call.host && !other.ends_with(&own));
            if owed::asks_first(call.text) && others {
                return well(shown(&memory, call.host) + "end\n");
            }
            memory
                .notes
                .insert((call.host.to_owned(), name.to_owned()), text);
        } else if let Some(names) = about.strip_prefix("the notes gone ") {
            for name in names.split(' ') {
                memory
                    .notes
                    .remove(&(call.host.to_owned(), name.to_owned()));
            }
        } else {
            out += &shown(&memory, call.host);
            for job in memory.running.get(call.host).into_iter().flatten() {
                out = out + "job " + job + "\n";
            }
            out += "end\n";
        }
        well(out)
    }
}

/// Shows the notes of a host, as its script does.
fn shown(memory: &Memory, host: &str) -> String {
    let mut out = String::new();
    for ((_, name), text) in memory.notes.iter().filter(|((on, _), _)| on == host) {
        out = out + "note " + name + "\n";
        for line in text.lines() {
            out = out + "|" + line + "\n";
        }
    }
    out
}

fn well(out: String) -> Reply {
    Reply {
        code: 0,
        out: out.into_bytes(),
        err: Vec::new(),
    }
}

impl Answering for Obedient {
    fn arrives(&self, call: &Call<'_>) {
        if call.verb == Verb::Job || self.changes(call) {
            let mut memory = self.lock();
            let written = memory.journal.as_ref().map_or(0, MemoryJournal::len);
            memory.sent_after.push((call.name(), written));
        }
    }

    fn changes(&self, call: &Call<'_>) -> bool {
        call.text.starts_with("do ")
    }

    fn script(&self, call: &Call<'_>, effects: &Effects) -> Option<Reply> {
        if let Some(about) = call.text.strip_prefix(": see ") {
            return Some(self.note(call, about.lines().next()?));
        }
        let (verb, what) = call.text.split_once(' ')?;
        let answer = match verb {
            "look" => self.found(call.host, what),
            "see" => json!(effects.contains_key(&format!("{} do {what}", call.host))),
            "do" => json!(null),
            _ => return None,
        };
        Some(Reply {
            code: 0,
            out: answer.to_string().into_bytes(),
            err: Vec::new(),
        })
    }

    fn job(&self, _call: &Call<'_>, _effects: &Effects) -> Option<JobEnd> {
        Some(ended(0, "out"))
    }
}

/// The hosts of a test.
#[derive(Debug)]
pub(crate) struct Fleet {
    hosts: Arc<ScriptedHosts>,
    obedient: Arc<Obedient>,
}

impl Deref for Fleet {
    type Target = ScriptedHosts;

    fn deref(&self) -> &ScriptedHosts {
        &self.hosts
    }
}

impl Fleet {
    pub(crate) fn new(clock: Arc<SimulatedClock>, stop: Stop) -> Arc<Self> {
        let obedient = Arc::<Obedient>::default();
        let answers: Arc<dyn Answering> = Arc::<Obedient>::clone(&obedient);
        let hosts = ScriptedHosts::new(clock, stop, answers);
        Arc::new(Self { hosts, obedient })
    }

    /// Says what `look` finds, one after another; the last one stays.
    pub(crate) fn finds(&self, what: &str, values: &[Value]) {
        let values = values.iter().cloned().collect();
        self.obedient.lock().finds.insert(what.to_owned(), values);
    }

    /// Returns the notes on a host, by name.
    pub(crate) fn notes(&self, host: &str) -> Vec<(String, String)> {
        let memory = self.obedient.lock();
        let here = memory.notes.iter().filter(|((on, _), _)| on == host);
        here.map(|((_, name), text)| (name.clone(), text.clone()))
            .collect()
    }

    /// Puts a note on a host.
    pub(crate) fn puts_note(&self, host: &str, name: &str, text: &str) {
        let key = (host.to_owned(), name.to_owned());
        self.obedient.lock().notes.insert(key, text.to_owned());
    }

    /// Takes a note away from a host.
    pub(crate) fn forgets(&self, host: &str, name: &str) {
        let key = (host.to_owned(), name.to_owned());
        self.obedient.lock().notes.remove(&key);
    }

    /// Says which jobs run on a host.
    pub(crate) fn runs(&self, host: &str, jobs: &[&str]) {
        let jobs = jobs.iter().map(|job| (*job).to_owned()).collect();
        self.obedient.lock().running.insert(host.to_owned(), jobs);
    }

    pub(crate) fn count_records_of(&self, journal: &MemoryJournal) {
        self.obedient.lock().journal = Some(journal.clone());
    }

    /// Returns each changing call with the number of records that were written when it came.
    pub(crate) fn sent_after(&self) -> Vec<(String, usize)> {
        self.obedient.lock().sent_after.clone()
    }
}

impl Connector for Arc<Fleet> {
    fn connect(&self, wish: &Wish<'_>) -> Result<Box<dyn Connection>, NoSession> {
        Ok(self.hosts.session(wish.host))
    }
}
