//! One case: a fault at a task, and how the run came through it.

use serde_json::{Value, json};

use super::classes::{Class, End};
use super::follow::Task;
use super::pool::Pair;
use crate::command::Exit;
use crate::sim::time;

/// A fault at a task.
#[derive(Debug, Clone)]
pub struct Case {
    /// What happened.
    pub class: &'static Class,
    /// The task that was struck.
    pub task: Task,
    /// The step of it.
    pub key: String,
    /// Its host.
    pub host: String,
    /// The number of the upgrade.
    pub upgrade: usize,
    /// How the run came through it.
    pub end: Option<End>,
    /// How the program ended before the end of the run, and why, each time.
    pub stops: Vec<String>,
    /// What else was not as it must be.
    pub wrong: Vec<String>,
    /// What it makes others than the program do once more.
    pub explains: &'static [&'static str],
    /// Whether a server could not be started again as it is when it struck.
    pub strands: bool,
    /// When it struck and when it was lifted, in milliseconds of the wall clock.
    pub lasted_unix_ms: (u64, u64),
    /// How long it took until the run had got past it.
    pub seconds: f64,
}

impl Case {
    /// Makes a case of what was drawn.
    pub fn of(pair: &Pair, upgrade: usize, host: &str) -> Self {
        Self {
            class: pair.class,
            task: pair.task.clone(),
            key: pair.key.clone(),
            host: host.to_owned(),
            upgrade,
            end: None,
            stops: Vec::new(),
            wrong: Vec::new(),
            explains: pair.class.explains,
            strands: false,
            lasted_unix_ms: (time::unix_ms(), time::unix_ms()),
            seconds: 0.0,
        }
    }

    /// Notes that the program has ended before the end of the run.
    pub fn stop(&mut self, exit: Exit, why: &str) {
        self.stops.push(format!("{exit}: {why}"));
    }

    /// Notes what is not as it must be.
    pub fn fail(&mut self, why: &str) {
        self.wrong.push(why.to_owned());
    }

    /// Returns the worst end that is none too bad.
    pub fn expected(&self) -> End {
        if self.strands {
            End::NeedsOperator
        } else {
            self.class.expected
        }
    }

    /// Tells whether it came to a worse end than it must, or to none.
    pub fn has_failed(&self) -> bool {
        let too_bad = self.end.is_none_or(|end| end > self.expected());
        too_bad || !self.wrong.is_empty()
    }

    /// Returns it for the report.
    pub fn json(&self) -> Value {
        json!({
            "class": self.class.name,
            "task": self.task.place,
            "name": self.task.name,
            "step": self.key,
            "host": self.host,
            "upgrade": self.upgrade,
            "end": self.end.map(End::word),
            "expected": self.expected().word(),
            "why": if self.expected() == End::NeedsOperator { self.class.why } else { "" },
            "failed": self.has_failed(),
            "stops": self.stops,
            "wrong": self.wrong,
            "seconds": (self.seconds * 10.0).round() / 10.0,
        })
    }
}
