//! What lies on the disks of the hosts of the engine's tests: the cluster's lock, seen to by a real shell.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::scripted::Call;
use crate::connection::{Fence, Reply};

#[derive(Debug, Default)]
struct Lying {
    directory: Option<tempfile::TempDir>,
    alive: Option<String>,
    beats: u64,
}

/// The disks, each a directory.
#[derive(Debug, Default)]
pub(super) struct Disks {
    lying: Mutex<Lying>,
}

impl Disks {
    fn lock(&self) -> MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns where a path of a host lies.
    fn place(&self, host: &str, path: &str) -> PathBuf {
        let mut lying = self.lock();
        let directory = lying
            .directory
            .get_or_insert_with(|| tempfile::tempdir().unwrap());
        let disk = directory.path().join(host);
        std::fs::create_dir_all(&disk).unwrap();
        disk.join(path.trim_start_matches('/'))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what lies on a host's disk is laid there as it is"
    )]
    pub(super) fn write(&self, host: &str, path: &str, content: &str) {
        let path = self.place(host, path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(super) fn read(&self, host: &str, path: &str) -> Option<String> {
        std::fs::read_to_string(self.place(host, path)).ok()
    }

    pub(super) fn remove(&self, host: &str, path: &str) {
        std::fs::remove_dir_all(self.place(host, path)).unwrap();
    }

    /// Lets somebody count in a file whenever the lock is looked at.
    pub(super) fn beat(&self, counter: &str) {
        self.lock().alive = Some(counter.to_owned());
    }

    /// Tells who has a lock with a later token, if anybody has.
    pub(super) fn outdone(&self, host: &str, fence: &Fence) -> Option<String> {
        let token = self.read(host, &format!("{}.token", fence.path))?;
        let later = token.trim().parse::<u64>().unwrap() > fence.token;
        let owner = self.read(host, &format!("{}/owner", fence.path));
        later.then(|| owner.unwrap_or_default().trim().to_owned())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the engine's tests start a shell"
    )]
    /// Has a real shell do what a script says about the lock, on the host's disk; `None` for any other script.
    pub(super) fn script(&self, call: &Call<'_>) -> Option<Reply> {
        call.text.strip_prefix(": see to the lock: ")?;
        let alive = self.lock().alive.clone();
        if let Some(counter) = alive {
            self.lock().beats += 1;
            let beats = self.lock().beats.to_string();
            self.write(call.host, &counter, &beats);
        }
        let disk = self.place(call.host, "");
        let disk = disk.to_string_lossy();
        let disk = disk.trim_end_matches('/');
        let text = call.text.replacen("_d='", &format!("_d='{disk}"), 1);
        let ran = Command::new("sh").args(["-c", &text]).output().unwrap();
        Some(Reply {
            code: ran.status.code().unwrap(),
            out: ran.stdout,
            err: ran.stderr,
        })
    }
}
