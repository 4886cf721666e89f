//! Following a run by the file of its events, while it is written.
//!
//! Nothing of the product is linked: the lines are read as anybody would read them. What is not known is passed over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A task, as a run names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Where it stands: file, line and column.
    pub place: String,
    /// Its name.
    pub name: String,
}

/// What a run has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A step is about to begin.
    Intended(Step),
    /// A step has not ended well, and that is not ignored: where it stands, how it ended, why.
    Failed(String),
    /// The run stops before its end, for this reason.
    Stopped(String),
}

/// A step: one task on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name, which is the same when the run is resumed.
    pub key: String,
    /// The same without its host: where hosts are taken one by one, their order is another each time.
    pub turn: String,
    /// Its host.
    pub host: String,
    /// Its task; none where the run did not say that it began.
    pub task: Option<Task>,
}

/// Reads what a run adds to its file.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    read: u64,
    rest: Vec<u8>,
    tasks: BTreeMap<String, Task>,
}

impl Follow {
    /// Follows a file, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: 0,
            rest: Vec::new(),
            tasks: BTreeMap::new(),
        }
    }

    /// Returns what was added since the last time; a line that is not whole is left for the next one.
    pub fn read(&mut self) -> std::io::Result<Vec<Seen>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.read))?;
        let begun = self.rest.len();
        file.read_to_end(&mut self.rest)?;
        let added = self.rest.len().saturating_sub(begun);
        self.read += u64::try_from(added).unwrap_or_default();
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let lines = whole.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .filter_map(|event: Value| self.seen(&event))
            .collect())
    }

    fn seen(&mut self, event: &Value) -> Option<Seen> {
        let text = |pointer: &str| Some(event.pointer(pointer)?.as_str()?.to_owned());
        match event.get("event")?.as_str()? {
            "task_started" => {
                let task = Task {
                    place: text("/task/at")?,
                    name: text("/task/name")?,
                };
                self.tasks.insert(text("/task/path")?, task);
                None
            }
            "step_intended" => Some(Seen::Intended(self.step(event.get("step")?)?)),
            "step_finished" => {
                let outcome = text("/outcome")?;
                let is_ignored = event.get("ignored") == Some(&Value::Bool(true));
                let is_bad = matches!(outcome.as_str(), "failed" | "unreachable" | "in_doubt");
                let (place, why) = (text("/place")?, text("/result/message"));
                let why = why.unwrap_or_default();
                (is_bad && !is_ignored).then(|| Seen::Failed(format!("{place} {outcome}: {why}")))
            }
            "run_stopped" => Some(Seen::Stopped(text("/message").unwrap_or_default())),
            _ => None,
        }
    }

    fn step(&self, step: &Value) -> Option<Step> {
        let text = |name: &str| step.get(name)?.as_str();
        let number = |name: &str| step.get(name).and_then(Value::as_u64);
        let (path, host) = (text("task")?, text("host")?);
        let item = number("item").map_or_else(String::new, |item| format!("#{item}"));
        let (batch, turn) = (number("batch")?, number("turn")?);
        let turn = format!("{}/{batch}/{path}~{turn}", text("play")?);
        Some(Step {
            key: format!("{turn}/{host}{item}"),
            turn: format!("{turn}/{item}"),
            host: host.to_owned(),
            task: self.tasks.get(path).cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const STARTED: &str = r#"{"event":"task_started","task":{"path":"1.tasks.1","name":"stop it","module":"command","at":"a.yml:2:3","section":"tasks"},"hosts":["h"]}"#;
    const INTENDED: &str = r#"{"event":"step_intended","step":{"play":"1","batch":1,"task":"1.tasks.1","turn":0,"host":"h","item":2},"name":"stop it","attempt":1}"#;

    #[test]
    fn whole_lines_are_seen_once_and_halves_when_they_are_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("events");
        let mut follow = Follow::new(&path);
        assert_eq!(follow.read().unwrap(), []);
        let (half, other) = INTENDED.split_at(40);
        let mut file = File::create(&path).unwrap();
        write!(file, "{{\"format\":\"x\"}}\n{STARTED}\n{half}").unwrap();
        assert_eq!(follow.read().unwrap(), []);
        writeln!(file, "{other}").unwrap();
        let seen = follow.read().unwrap();
        let [Seen::Intended(step)] = seen.as_slice() else {
            panic!("{seen:?}")
        };
        assert_eq!(step.key, "1/1/1.tasks.1~0/h#2");
        assert_eq!(step.task.as_ref().unwrap().place, "a.yml:2:3");
        assert_eq!(follow.read().unwrap(), []);
    }
}
