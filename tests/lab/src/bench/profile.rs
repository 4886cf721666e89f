//! Where the time of a play goes, from the product's own events.
//!
//! Of each task: the median of what its steps took, and of what passed between the end of the step before on the same
//! host and its begin, which is the product's own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, median, milliseconds};

/// The times of each task, in the order of the play.
#[derive(Debug, Default)]
pub(super) struct Profile {
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct Task {
    name: String,
    took: Vec<Duration>,
    before: Vec<Duration>,
}

impl Profile {
    /// Adds the events of one run.
    pub(super) fn add(&mut self, events: &str) -> Result<(), Error> {
        let mut ended: BTreeMap<String, Duration> = BTreeMap::new();
        let mut waited: BTreeMap<String, Duration> = BTreeMap::new();
        for line in events.lines().filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_str(line)
                .map_err(|error| Error::WrongOutput(format!("an event: {error}")))?;
            let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
            let number = |name: &str| event.get(name).and_then(Value::as_u64);
            let (Some(host), Some(at)) = (text("/step/host"), number("elapsed_ms")) else {
                continue;
            };
            let at = Duration::from_millis(at);
            match text("/event") {
                Some("step_intended") => {
                    if let Some(end) = ended.remove(host) {
                        waited.insert(host.to_owned(), at.saturating_sub(end));
                    }
                }
                Some("step_finished") => {
                    ended.insert(host.to_owned(), at);
                    let took = Duration::from_millis(number("took_ms").unwrap_or(0));
                    let task = self.task(text("/name").unwrap_or_default());
                    task.took.push(took);
                    task.before.extend(waited.remove(host));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    fn task(&mut self, name: &str) -> &mut Task {
        let place = self.tasks.iter().position(|task| task.name == name);
        let place = place.unwrap_or_else(|| {
            self.tasks.push(Task {
                name: name.to_owned(),
                took: Vec::new(),
                before: Vec::new(),
            });
            self.tasks.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found or pushed just now")]
        &mut self.tasks[place]
    }

    /// Returns the medians in milliseconds, a task each, in their order.
    pub(super) fn json(mut self) -> Value {
        let task = |task: &mut Task| {
            json!({
                "task": task.name,
                "took_ms": milliseconds(median(&mut task.took)),
                "before_ms": milliseconds(median(&mut task.before)),
            })
        };
        self.tasks.iter_mut().map(task).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_what_lies_between_them_are_told_by_task() {
        let event = |kind: &str, name: &str, host: &str, at: u64, took: u64| {
            json!({"event": kind, "name": name, "step": {"host": host}, "elapsed_ms": at, "took_ms": took})
                .to_string()
        };
        let lines = [
            json!({"format": "stagger-events"}).to_string(),
            event("step_intended", "a", "h1", 10, 0),
            event("step_intended", "a", "h2", 10, 0),
            event("step_finished", "a", "h1", 30, 20),
            event("step_intended", "b", "h1", 33, 0),
            event("step_finished", "a", "h2", 50, 40),
            event("step_finished", "b", "h1", 40, 7),
        ];
        let mut profile = Profile::default();
        profile.add(&lines.join("\n")).unwrap();
        let wanted = json!([
            {"task": "a", "took_ms": 20.0, "before_ms": 0.0},
            {"task": "b", "took_ms": 7.0, "before_ms": 3.0},
        ]);
        assert_eq!(profile.json(), wanted);
        assert!(Profile::default().add("{").is_err());
    }
}
