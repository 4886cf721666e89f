//! What the hosts of the engine's tests answer: they do what they are told to, and remember it.
//!
//! A script is `look WHAT`, `see WHAT` or `do WHAT`; every job ends well. How calls go wrong is said to
//! [`ScriptedHosts`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};

use crate::clock::{SimulatedClock, Stop};
use crate::connection::scripted::{Answering, Call, Effects, ScriptedHosts, Verb, ended};
use crate::connection::{Connection, Fence, JobEnd, Reply, owed};
use crate::journal::MemoryJournal;
use crate::rollout::{Connector, NoSession, Wish};

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
    notes: BTreeMap<(String, String), String>,
    running: BTreeMap<String, Vec<String>>,
    disks: Option<tempfile::TempDir>,
    then: BTreeMap<String, Vec<OnCall>>,
    alive: Option<String>,
    beats: u64,
}

#[derive(Debug, Default)]
struct Obedient {
    memory: Mutex<Memory>,
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

impl Obedient {
    /// Returns the directory that is a host's disk.
    fn disk(&self, host: &str) -> PathBuf {
        let mut memory = self.lock();
        let disks = memory
            .disks
            .get_or_insert_with(|| tempfile::tempdir().unwrap());
        let disk = disks.path().join(host);
        std::fs::create_dir_all(&disk).unwrap();
        disk
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what lies on a host's disk is laid there as it is"
    )]
    fn write(&self, host: &str, path: &str, content: &str) {
        let path = self.disk(host).join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the engine's tests start a shell"
    )]
    /// Has a real shell do what a script says about the lock, on the host's disk.
    fn locks(&self, call: &Call<'_>) -> Reply {
        let disk = self.disk(call.host);
        let alive = self.lock().alive.clone();
        if let Some(counter) = alive {
            self.lock().beats += 1;
            let beats = self.lock().beats.to_string();
            self.write(call.host, &counter, &beats);
        }
        let text = call
            .text
            .replacen("_d='", &format!("_d='{}", disk.display()), 1);
        let ran = Command::new("sh").args(["-c", &text]).output().unwrap();
        Reply {
            code: ran.status.code().unwrap(),
            out: ran.stdout,
            err: ran.stderr,
        }
    }

    /// Does what a script says about notes.
    fn note(&self, call: &Call<'_>, about: &str) -> Reply {
        if about.starts_with("to the lock: ") {
            return self.locks(call);
        }
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
        let then = self.lock().then.remove(&call.name()).unwrap_or_default();
        let hosts = self.hosts.lock().unwrap().upgrade().unwrap();
        for one in then {
            match one {
                OnCall::Writes(host, path, content) => self.write(&host, &path, &content),
                OnCall::Removes(host, path) => {
                    let path = self.disk(&host).join(path.trim_start_matches('/'));
                    std::fs::remove_dir_all(path).unwrap();
                }
                OnCall::Goes(host) => hosts.goes(&host),
                OnCall::ComesBack(host) => hosts.comes_back(&host),
            }
        }
    }

    fn outdone(&self, host: &str, fence: &Fence) -> Option<String> {
        let lock = self.disk(host).join(fence.path.trim_start_matches('/'));
        let token = std::fs::read_to_string(format!("{}.token", lock.display())).ok()?;
        let later = token.trim().parse::<u64>().unwrap() > fence.token;
        let owner = std::fs::read_to_string(lock.join("owner")).unwrap_or_default();
        later.then(|| owner.trim().to_owned())
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

    /// Says what happens when a call comes the next time, before it is answered.
    pub(crate) fn when(&self, call: &str, then: OnCall) {
        let mut memory = self.obedient.lock();
        memory.then.entry(call.to_owned()).or_default().push(then);
    }

    /// Writes a file onto a host's disk.
    pub(crate) fn writes(&self, host: &str, path: &str, content: &str) {
        self.obedient.write(host, path, content);
    }

    /// Lets somebody count in a file whenever the lock is looked at.
    pub(crate) fn beats(&self, counter: &str) {
        self.obedient.lock().alive = Some(counter.to_owned());
    }

    /// Returns a file of a host's disk.
    pub(crate) fn reads(&self, host: &str, path: &str) -> Option<String> {
        let path = self.obedient.disk(host).join(path.trim_start_matches('/'));
        std::fs::read_to_string(path).ok()
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
