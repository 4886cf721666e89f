//! What the hosts of the engine's tests answer: they do what they are told to, and remember it.
//!
//! A script is `look WHAT`, `see WHAT` or `do WHAT`; every job ends well. How calls go wrong is said to
//! [`ScriptedHosts`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};

use crate::clock::{SimulatedClock, Stop};
use crate::connection::scripted::{Answering, Call, Effects, ScriptedHosts, Verb, ended};
use crate::connection::{Connection, Fence, JobEnd, Reply};
use crate::journal::MemoryJournal;
use crate::rollout::{Connector, NoSession, Wish};

use super::disks::Disks;
use super::notes::Notices;

pub(crate) use crate::connection::scripted::Fault;

/// What happens on a host's disk when a call comes.
#[derive(Debug, Clone)]
pub(crate) enum OnCall {
    /// A file is written: host, path, content.
    Writes(String, String, String),
    /// A directory is removed: host, path.
    Removes(String, String),
    /// The host cannot be reached from then on.
    Goes(String),
    /// It can be reached again.
    ComesBack(String),
}

#[derive(Debug, Default)]
struct Memory {
    finds: BTreeMap<String, VecDeque<Value>>,
    journal: Option<MemoryJournal>,
    sent_after: Vec<(String, usize)>,
    then: BTreeMap<String, Vec<OnCall>>,
}

#[derive(Debug, Default)]
struct Obedient {
    memory: Mutex<Memory>,
    disks: Disks,
    notices: Notices,
    hosts: Mutex<Weak<ScriptedHosts>>,
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

impl Answering for Obedient {
    fn arrives(&self, call: &Call<'_>) {
        if call.verb == Verb::Job || self.changes(call) {
            let mut memory = self.lock();
            let written = memory.journal.as_ref().map_or(0, MemoryJournal::len);
            memory.sent_after.push((call.name(), written));
        }
        let then = self.lock().then.remove(&call.name()).unwrap_or_default();
        let hosts = self.hosts.lock().unwrap().upgrade().unwrap();
        for one in then {
            match one {
                OnCall::Writes(host, path, content) => self.disks.write(&host, &path, &content),
                OnCall::Removes(host, path) => self.disks.remove(&host, &path),
                OnCall::Goes(host) => hosts.goes(&host),
                OnCall::ComesBack(host) => hosts.comes_back(&host),
            }
        }
    }

    fn outdone(&self, host: &str, fence: &Fence) -> Option<String> {
        self.disks.outdone(host, fence)
    }

    fn changes(&self, call: &Call<'_>) -> bool {
        call.text.starts_with("do ")
    }

    fn script(&self, call: &Call<'_>, effects: &Effects) -> Option<Reply> {
        let noted = || self.notices.script(call);
        if let Some(reply) = self.disks.script(call).or_else(noted) {
            return Some(reply);
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
        *obedient.hosts.lock().unwrap() = Arc::downgrade(&hosts);
        Arc::new(Self { hosts, obedient })
    }

    /// Says what `look` finds, one after another; the last one stays.
    pub(crate) fn finds(&self, what: &str, values: &[Value]) {
        let values = values.iter().cloned().collect();
        self.obedient.lock().finds.insert(what.to_owned(), values);
    }

    /// Returns the notes on a host, by name.
    pub(crate) fn notes(&self, host: &str) -> Vec<(String, String)> {
        let all = self.obedient.notices.all().into_iter();
        let here = all.filter(|(on, _, _)| on == host);
        here.map(|(_, name, text)| (name, text)).collect()
    }

    /// Puts a note on a host.
    pub(crate) fn puts_note(&self, host: &str, name: &str, text: &str) {
        self.obedient.notices.put(host, name, text);
    }

    /// Takes a note away from a host.
    pub(crate) fn forgets(&self, host: &str, name: &str) {
        self.obedient.notices.take(host, name);
    }

    /// Says what happens when a call comes the next time, before it is answered.
    pub(crate) fn when(&self, call: &str, then: OnCall) {
        let mut memory = self.obedient.lock();
        memory.then.entry(call.to_owned()).or_default().push(then);
    }

    /// Writes a file onto a host's disk.
    pub(crate) fn writes(&self, host: &str, path: &str, content: &str) {
        self.obedient.disks.write(host, path, content);
    }

    /// Lets somebody count in a file whenever the lock is looked at.
    pub(crate) fn beats(&self, counter: &str) {
        self.obedient.disks.beat(counter);
    }

    /// Returns a file of a host's disk.
    pub(crate) fn reads(&self, host: &str, path: &str) -> Option<String> {
        self.obedient.disks.read(host, path)
    }

    /// Says which jobs run on a host.
    pub(crate) fn runs(&self, host: &str, jobs: &[&str]) {
        self.obedient.notices.runs(host, jobs);
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
