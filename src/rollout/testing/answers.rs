//! The operator and the controller's files, scripted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::inventory::{self, Inventory};
use crate::playbook::{self, FileKind};
use crate::rollout::{Asker, Desk, StepAnswer};
use crate::yaml::Problem;

/// What the operator says.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    attended: Mutex<bool>,
    approvals: Mutex<BTreeMap<String, bool>>,
    steps: Mutex<BTreeMap<String, StepAnswer>>,
    lines: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Answers {
    pub(crate) fn approves(&self, name: &str, answer: bool) {
        *lock(&self.attended) = true;
        lock(&self.approvals).insert(name.to_owned(), answer);
    }

    pub(crate) fn steps(&self, task: &str, answer: StepAnswer) {
        *lock(&self.attended) = true;
        lock(&self.steps).insert(task.to_owned(), answer);
    }

    pub(crate) fn types(&self, line: &str) {
        *lock(&self.attended) = true;
        lock(&self.lines).push(line.to_owned());
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }
}

impl Asker for Answers {
    fn is_attended(&self) -> bool {
        *lock(&self.attended)
    }

    fn step(&self, task: &str) -> StepAnswer {
        lock(&self.asked).push(format!("step {task}"));
        lock(&self.steps)
            .get(task)
            .copied()
            .unwrap_or(StepAnswer::Run)
    }

    fn approve(&self, name: &str, _note: &str) -> Option<bool> {
        lock(&self.asked).push(format!("approve {name}"));
        lock(&self.approvals).get(name).copied()
    }

    fn pause(&self, prompt: &str, _echo: bool) -> Option<String> {
        lock(&self.asked).push(format!("pause {prompt}"));
        lock(&self.lines).pop()
    }
}

/// Files in memory, and the inventory.
#[derive(Debug)]
pub(crate) struct MemoryDesk {
    files: BTreeMap<String, String>,
    inventory: String,
}

impl MemoryDesk {
    pub(crate) fn new(files: BTreeMap<String, String>, inventory: String) -> Self {
        Self { files, inventory }
    }

    pub(crate) fn inventory_now(&self) -> Inventory {
        let files = inventory::testing::MemoryFiles::new([("hosts.yml", self.inventory.as_str())]);
        Inventory::load(&["hosts.yml".to_owned()], &files).unwrap()
    }
}

impl playbook::Files for MemoryDesk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = self.files.get(path).ok_or("there is no such file")?;
        Ok(found.clone().into_bytes())
    }

    fn kind(&self, path: &str) -> Option<FileKind> {
        if self.files.contains_key(path) {
            return Some(FileKind::File);
        }
        let begin = format!("{path}/");
        let inside = self
            .files
            .keys()
            .any(|file| path == "." || file.starts_with(&begin));
        inside.then_some(FileKind::Directory)
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let begin = format!("{directory}/");
        let names = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&begin));
        let mut names: Vec<String> = names
            .filter_map(|rest| rest.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        names
    }
}

impl Desk for MemoryDesk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        playbook::Files::read(self, path)
    }

    fn exists(&self, path: &str) -> bool {
        playbook::Files::kind(self, path).is_some()
    }

    fn list(&self, path: &str) -> Result<Vec<String>, String> {
        match playbook::Files::kind(self, path) {
            Some(FileKind::Directory) => Ok(playbook::Files::list(self, path)),
            _ => Err(format!("{path} is no directory")),
        }
    }

    fn mode(&self, _path: &str) -> Option<u32> {
        None
    }

    fn write(&self, _path: &str, _content: &[u8]) -> Result<(), String> {
        Err("nothing is written here".to_owned())
    }

    fn inventory(&self) -> Result<Inventory, Vec<Problem>> {
        Ok(self.inventory_now())
    }
}

/// Templates that reach no files.
#[derive(Debug)]
pub(crate) struct PlainTemplaters(pub(crate) std::sync::Arc<crate::clock::SimulatedClock>);

#[derive(Debug)]
struct Nothing;

impl crate::template::Outside for Nothing {
    fn read(&self, _kind: &str, path: &str) -> Result<String, String> {
        Err(format!("there is no {path}"))
    }

    fn find(&self, _kind: &str, _path: &str) -> Option<String> {
        None
    }

    fn glob(&self, _kind: &str, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn pipe(&self, command: &str) -> Result<String, String> {
        Err(format!("{command} is not run here"))
    }
}

impl crate::rollout::Templaters for PlainTemplaters {
    fn searching(&self, _directories: &[String]) -> crate::template::Templater {
        crate::template::Templater::new(std::sync::Arc::new(Nothing), self.0.clone())
    }
}
