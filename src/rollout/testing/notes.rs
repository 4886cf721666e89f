//! The notes that runs leave on hosts, as the hosts of the engine's tests keep them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::scripted::Call;
use crate::connection::{Reply, owed};

#[derive(Debug, Default)]
struct Lying {
    notes: BTreeMap<(String, String), String>,
    running: BTreeMap<String, Vec<String>>,
}

/// What runs noted on hosts, and the jobs that run there.
#[derive(Debug, Default)]
pub(super) struct Notices {
    lying: Mutex<Lying>,
}

impl Notices {
    fn lock(&self) -> MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a script says about notes; `None` for any other script.
    pub(super) fn script(&self, call: &Call<'_>) -> Option<Reply> {
        let about = call.text.strip_prefix(": see ")?.lines().next()?;
        let mut lying = self.lock();
        let mut out = String::new();
        if let Some(name) = about.strip_prefix("to the note ") {
            let text = owed::text_in(call.text).unwrap();
            let (_, run) = name.rsplit_once('.').unwrap();
            let own = format!(".{run}");
            let others = lying
                .notes
                .keys()
                .any(|(host, other)| host == call.host && !other.ends_with(&own));
            if owed::asks_first(call.text) && others {
                return Some(well(shown(&lying, call.host) + "end\n"));
            }
            lying
                .notes
                .insert((call.host.to_owned(), name.to_owned()), text);
        } else if let Some(names) = about.strip_prefix("the notes gone ") {
            for name in names.split(' ') {
                lying.notes.remove(&(call.host.to_owned(), name.to_owned()));
            }
        } else {
            out += &shown(&lying, call.host);
            for job in lying.running.get(call.host).into_iter().flatten() {
                out = out + "job " + job + "\n";
            }
            out += "end\n";
        }
        Some(well(out))
    }

    /// Returns all notes: host, name, text.
    pub(super) fn all(&self) -> Vec<(String, String, String)> {
        let lying = self.lock();
        let notes = lying.notes.iter();
        notes
            .map(|((host, name), text)| (host.clone(), name.clone(), text.clone()))
            .collect()
    }

    /// Puts a note on a host.
    pub(super) fn put(&self, host: &str, name: &str, text: &str) {
        let key = (host.to_owned(), name.to_owned());
        self.lock().notes.insert(key, text.to_owned());
    }

    /// Takes a note away from a host.
    pub(super) fn take(&self, host: &str, name: &str) {
        let key = (host.to_owned(), name.to_owned());
        self.lock().notes.remove(&key);
    }

    /// Says which jobs run on a host.
    pub(super) fn runs(&self, host: &str, jobs: &[&str]) {
        let jobs = jobs.iter().map(|job| (*job).to_owned()).collect();
        self.lock().running.insert(host.to_owned(), jobs);
    }
}

/// Shows the notes of a host, as its script does.
fn shown(lying: &Lying, host: &str) -> String {
    let mut out = String::new();
    for ((_, name), text) in lying.notes.iter().filter(|((on, _), _)| on == host) {
        out = out + "note " + name + "\n";
        for line in text.lines() {
            out = out + "|" + line + "\n";
        }
    }
    out
}

/// Makes the answer of a script that went well.
pub(super) fn well(out: impl Into<Vec<u8>>) -> Reply {
    Reply {
        code: 0,
        out: out.into(),
        err: Vec::new(),
    }
}
