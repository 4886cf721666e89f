//! The controller's side of a step: files found as Ansible finds them, texts rendered with the host's variables.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::modules::{Controller, Locks};
use crate::playbook::{Context, join};
use crate::yaml::{Data, Loc, Node, Problem, Source, make_inert, open_vaulted, parse};

use super::lock::StepLocks;
use super::outside::Desk;
use super::scope::Scope;

/// What a module reaches on the controller's side, for one step.
#[derive(Debug)]
pub(super) struct StepController<'e> {
    desk: Arc<dyn Desk>,
    scope: Scope,
    context: Arc<Context>,
    loc: Loc,
    locks: StepLocks<'e>,
}

impl<'e> StepController<'e> {
    /// Makes it for a task that stands at `loc`.
    pub(super) fn new(
        desk: Arc<dyn Desk>,
        scope: Scope,
        context: Arc<Context>,
        loc: Loc,
        locks: StepLocks<'e>,
    ) -> Self {
        Self {
            desk,
            scope,
            context,
            loc,
            locks,
        }
    }

    /// Returns the places where a file may be, in the order in which they are searched.
    fn places(&self, kind: &str, path: &str) -> Vec<String> {
        if path.starts_with('/') {
            return vec![path.to_owned()];
        }
        let directories = self.context.search(kind).into_iter();
        directories.map(|place| join(&place, path)).collect()
    }

    fn find(&self, kind: &str, path: &str) -> Result<String, Problem> {
        let places = self.places(kind, path);
        let found = places.iter().find(|place| self.desk.exists(place));
        found.cloned().ok_or_else(|| {
            let problem = Problem::at(&self.loc, format!("there is no file `{path}`"));
            problem.note(format!("looked for: {}", places.join(", ")))
        })
    }

    fn text(&self, path: &str) -> Result<String, Problem> {
        let content = self
            .desk
            .read(path)
            .map_err(|reason| self.wrong(path, &reason))?;
        String::from_utf8(content).map_err(|_| self.wrong(path, "it is not UTF-8 text"))
    }

    fn wrong(&self, path: &str, reason: &str) -> Problem {
        Problem::at(&self.loc, format!("cannot read `{path}`: {reason}"))
    }

    fn node(&self, text: &str) -> Node {
        Node::new(Data::Str(text.to_owned()), self.loc.clone())
    }
}

impl Controller for StepController<'_> {
    fn read(&self, kind: &str, path: &str) -> Result<Vec<u8>, Problem> {
        let found = self.find(kind, path)?;
        self.desk
            .carry(&found)
            .map_err(|reason| self.wrong(&found, &reason))
    }

    fn list(&self, kind: &str, path: &str) -> Result<Vec<String>, Problem> {
        let found = self.find(kind, path)?;
        self.desk
            .list(&found)
            .map_err(|reason| self.wrong(&found, &reason))
    }

    fn render_file(&self, path: &str, further: &Map<String, Value>) -> Result<String, Problem> {
        let found = self.find("templates", path)?;
        let text = self.text(&found)?;
        self.scope.with(further.clone()).file(&found, &text)
    }

    fn render_text(&self, text: &str) -> Result<String, Problem> {
        self.scope.text(&self.node(text))
    }

    fn condition(&self, expression: &str) -> Result<bool, Problem> {
        self.scope.condition(&self.node(expression))
    }

    fn variable(&self, name: &str) -> Result<Option<Value>, Problem> {
        let variables = self.scope.variables();
        if !variables.has(name) && variables.scopes(name).is_none() {
            return Ok(None);
        }
        self.scope.expression(name).map(Some)
    }

    fn evaluate(&self, expression: &str) -> Result<Value, Problem> {
        self.scope.expression(expression)
    }

    fn variables(&self, path: &str) -> Result<Map<String, Value>, Problem> {
        let found = self.find("vars", path)?;
        let source = Source::new(found.clone(), self.text(&found)?);
        let mut node = parse(&source).map_err(|problems| {
            let first = problems.into_iter().next();
            first.unwrap_or_else(|| self.wrong(&found, "it is no YAML"))
        })?;
        let mut problems = Vec::new();
        open_vaulted(&mut node, self.desk.vault(), &mut problems);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        make_inert(&mut node);
        match node.to_value() {
            Value::Object(variables) => Ok(variables),
            Value::Null => Ok(Map::new()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(self.wrong(&found, "it is no map of variables"))
            }
        }
    }

    fn mode(&self, kind: &str, path: &str) -> Option<u32> {
        self.desk.mode(&self.find(kind, path).ok()?)
    }

    fn written(&self, path: &str) -> Option<Vec<u8>> {
        self.desk.written(path)
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<(), Problem> {
        self.desk
            .write(path, content)
            .map_err(|reason| Problem::at(&self.loc, format!("cannot write `{path}`: {reason}")))
    }

    fn locks(&self) -> Option<&dyn Locks> {
        Some(&self.locks)
    }
}
