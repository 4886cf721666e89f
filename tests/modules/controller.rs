//! The controller's side of a case.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Map, Value};
use stagger::modules::Controller;
use stagger::yaml::Problem;

/// A controller on a directory, with variables and expressions given beforehand.
#[derive(Debug)]
pub struct CaseController {
    /// Where `files`, `templates` and `vars` are.
    pub root: PathBuf,
    /// Variables of the host.
    pub variables: Map<String, Value>,
    /// Expressions and what they give.
    pub expressions: BTreeMap<String, Value>,
    /// What was written.
    pub written: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl CaseController {
    fn at(&self, kind: &str, path: &str) -> PathBuf {
        if Path::new(path).is_absolute() {
            PathBuf::from(path)
        } else {
            self.root.join(kind).join(path)
        }
    }

    fn below(directory: &Path, inner: &str, found: &mut Vec<String>) {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        names.sort_by_key(fs::DirEntry::file_name);
        for entry in names {
            let name = format!("{inner}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                Self::below(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }
}

impl Controller for CaseController {
    fn read(&self, kind: &str, path: &str) -> Result<Vec<u8>, Problem> {
        fs::read(self.at(kind, path))
            .map_err(|error| Problem::nowhere(format!("cannot read {path}: {error}")))
    }

    fn list(&self, kind: &str, path: &str) -> Result<Vec<String>, Problem> {
        let directory = self.at(kind, path);
        if !directory.is_dir() {
            return Err(Problem::nowhere(format!("{path} is no directory")));
        }
        let mut found = Vec::new();
        Self::below(&directory, "", &mut found);
        Ok(found)
    }

    fn render_file(&self, path: &str, further: &Map<String, Value>) -> Result<String, Problem> {
        let text = String::from_utf8(self.read("templates", path)?).unwrap();
        let mut rendered = text;
        for (name, value) in self.variables.iter().chain(further) {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            rendered = rendered.replace(&format!("{{{{ {name} }}}}"), &shown);
        }
        Ok(rendered)
    }

    fn render_text(&self, text: &str) -> Result<String, Problem> {
        Ok(text.to_owned())
    }

    fn condition(&self, expression: &str) -> Result<bool, Problem> {
        self.evaluate(expression)
            .map(|value| value == Value::Bool(true))
    }

    fn variable(&self, name: &str) -> Result<Option<Value>, Problem> {
        Ok(self.variables.get(name).cloned())
    }

    fn evaluate(&self, expression: &str) -> Result<Value, Problem> {
        self.expressions
            .get(expression)
            .cloned()
            .ok_or_else(|| Problem::nowhere(format!("`{expression}` is undefined")))
    }

    fn variables(&self, path: &str) -> Result<Map<String, Value>, Problem> {
        let text = String::from_utf8(self.read("vars", path)?).unwrap();
        serde_yaml::from_str(&text).map_err(|error| Problem::nowhere(error.to_string()))
    }

    fn mode(&self, kind: &str, path: &str) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        let found = fs::metadata(self.at(kind, path)).ok()?;
        Some(found.permissions().mode() & 0o7777)
    }

    fn written(&self, path: &str) -> Option<Vec<u8>> {
        let written = self.written.lock().unwrap().get(path).cloned();
        written.or_else(|| fs::read(path).ok())
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<(), Problem> {
        let mut written = self.written.lock().unwrap();
        written.insert(path.to_owned(), content.to_vec());
        Ok(())
    }
}
