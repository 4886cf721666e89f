//! A play while it runs: its hosts, and what gathers while they are worked on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde_json::{Map, Value};

use crate::inventory::HostName;
use crate::playbook::{Play, RoleUse, Task};
use crate::vars::Layer;

/// What a task that runs once gave to all hosts, as soon as it ran.
type Once = Arc<Mutex<Option<Map<String, Value>>>>;

/// A play that runs; also the stretch of plays that a bracket wraps, which has no play of its own.
#[derive(Debug)]
pub(super) struct PlayRun {
    id: String,
    play: Option<Arc<Play>>,
    hosts: Vec<HostName>,
    files: Vec<Layer>,
    host_files: RwLock<BTreeMap<HostName, Vec<Layer>>>,
    answers: Arc<Map<String, Value>>,
    handlers: RwLock<Vec<Arc<Task>>>,
    notified: Mutex<BTreeMap<HostName, BTreeSet<String>>>,
    roles: RwLock<Vec<Arc<RoleUse>>>,
    roles_run: Mutex<BTreeSet<(HostName, String)>>,
    once: Mutex<BTreeMap<String, Once>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PlayRun {
    /// Makes a play that runs on hosts, with the variables of its files and the answers to its questions.
    pub(super) fn new(
        id: String,
        play: Option<Arc<Play>>,
        hosts: Vec<HostName>,
        files: Vec<Layer>,
        answers: Arc<Map<String, Value>>,
    ) -> Arc<Self> {
        let handlers = play.as_ref().map(|play| play.handlers.clone());
        let roles = play.as_ref().map(|play| play.role_uses.clone());
        Arc::new(Self {
            id,
            play,
            hosts,
            files,
            host_files: RwLock::default(),
            answers,
            handlers: RwLock::new(handlers.unwrap_or_default()),
            notified: Mutex::default(),
            roles: RwLock::new(roles.unwrap_or_default()),
            roles_run: Mutex::default(),
            once: Mutex::default(),
        })
    }

    /// Returns the play's id; empty for the stretch of a bracket around plays.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the play's name for people.
    pub(super) fn title(&self) -> String {
        self.play
            .as_ref()
            .map(|play| play.title())
            .unwrap_or_default()
    }

    /// Returns the play.
    pub(super) fn play(&self) -> Option<&Arc<Play>> {
        self.play.as_ref()
    }

    /// Returns all hosts of the play, in order.
    pub(super) fn hosts(&self) -> &[HostName] {
        &self.hosts
    }

    /// Returns the variables of its files.
    pub(super) fn files(&self) -> &[Layer] {
        &self.files
    }

    /// Sets the variables of the files that a host has of its own, because their names are templates.
    pub(super) fn set_host_files(&self, host: &HostName, layers: Vec<Layer>) {
        let mut files = self
            .host_files
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        files.insert(host.clone(), layers);
    }

    /// Returns the variables of the files that a host has of its own.
    pub(super) fn host_files(&self, host: &str) -> Option<Vec<Layer>> {
        let files = self
            .host_files
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        files.get(host).cloned()
    }

    /// Returns the answers to its questions.
    pub(super) fn answers(&self) -> &Arc<Map<String, Value>> {
        &self.answers
    }

    /// Returns the handlers, in the order in which they run.
    pub(super) fn handlers(&self) -> Vec<Arc<Task>> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        handlers.clone()
    }

    /// Adds what a dynamic include brought: handlers, and a role whose variables the rest of the play sees.
    pub(super) fn bring(&self, handlers: &[Arc<Task>], role: Option<&Arc<RoleUse>>) {
        let mut known = self
            .handlers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for handler in handlers {
            if !known.iter().any(|other| other.id == handler.id) {
                known.push(Arc::clone(handler));
            }
        }
        if let Some(role) = role.filter(|role| role.public) {
            let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
            if !roles.iter().any(|other| Arc::ptr_eq(other, role)) {
                roles.push(Arc::clone(role));
            }
        }
    }

    /// Returns the uses of roles whose variables the whole play sees.
    pub(super) fn roles(&self) -> Vec<Arc<RoleUse>> {
        let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
        roles.clone()
    }

    /// Notes that a role runs on a host; returns whether it did so before.
    pub(super) fn runs_role(&self, host: &HostName, role: &str) -> bool {
        !lock(&self.roles_run).insert((host.clone(), role.to_owned()))
    }

    /// Notes that a host wants a handler: by its id.
    pub(super) fn notify(&self, host: &HostName, handler: &str) {
        let mut notified = lock(&self.notified);
        let wanted = notified.entry(host.clone()).or_default();
        wanted.insert(handler.to_owned());
    }

    /// Takes the hosts that want a handler, out of `hosts`.
    pub(super) fn take_notified(&self, handler: &str, hosts: &[HostName]) -> Vec<HostName> {
        let mut notified = lock(&self.notified);
        let mut wants = |host: &&HostName| {
            notified
                .get_mut(*host)
                .is_some_and(|wanted| wanted.remove(handler))
        };
        hosts.iter().filter(|host| wants(host)).cloned().collect()
    }

    /// Tells whether any of these hosts wants a handler.
    pub(super) fn is_notified(&self, hosts: &[HostName]) -> bool {
        let notified = lock(&self.notified);
        let mut wanted = hosts.iter().filter_map(|host| notified.get(host));
        wanted.any(|wanted| !wanted.is_empty())
    }

    /// Returns the place for the result of a task that runs once, where hosts go at their own pace.
    pub(super) fn once(&self, key: &str) -> Once {
        Arc::clone(lock(&self.once).entry(key.to_owned()).or_default())
    }
}
