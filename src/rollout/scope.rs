//! What a task sees on a host: the layers of variables around it, and the reading of its keywords.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::playbook::{Context, Keywords, RoleUse};
use crate::template::{Origin, Raw, Scopes, Templater, Variables};
use crate::vars::{Layer, Layers};
use crate::yaml::{Data, Node, Problem, Source, duration_of, flag_of};

use super::engine::Engine;
use super::layers::layers_around;
use super::place::Place;
use super::play_run::PlayRun;

/// A host's variables as a task sees them, with what renders texts.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    variables: Arc<dyn Variables>,
    templater: Templater,
}

/// Variables with others on top.
#[derive(Debug)]
struct Overlay {
    top: Map<String, Value>,
    below: Arc<dyn Variables>,
}

impl Variables for Overlay {
    fn lookup(&self, name: &str) -> Option<Raw> {
        match self.top.get(name) {
            Some(value) => Some(Raw {
                value: value.clone(),
                templated: false,
                origin: None,
            }),
            None => self.below.lookup(name),
        }
    }

    fn shared(&self, name: &str) -> Option<Arc<Raw>> {
        if self.top.contains_key(name) {
            self.lookup(name).map(Arc::new)
        } else {
            self.below.shared(name)
        }
    }

    fn has(&self, name: &str) -> bool {
        self.top.contains_key(name) || self.below.has(name)
    }

    fn scopes(&self, name: &str) -> Option<Arc<dyn Scopes>> {
        if self.top.contains_key(name) {
            None
        } else {
            self.below.scopes(name)
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.below.names();
        names.extend(self.top.keys().cloned());
        names
    }
}

impl Scope {
    /// Makes a scope of some variables.
    pub(super) fn of(variables: &Arc<dyn Variables>, templater: &Templater) -> Self {
        Self {
            variables: Arc::clone(variables),
            templater: templater.clone(),
        }
    }

    /// Returns this scope with data on top.
    pub(super) fn with(&self, top: Map<String, Value>) -> Self {
        if top.is_empty() {
            return self.clone();
        }
        let below = Arc::clone(&self.variables);
        Self {
            variables: Arc::new(Overlay { top, below }),
            templater: self.templater.clone(),
        }
    }

    /// Returns the variables.
    pub(super) fn variables(&self) -> &Arc<dyn Variables> {
        &self.variables
    }

    /// Renders a value.
    pub(super) fn value(&self, node: &Node) -> Result<Value, Problem> {
        let rendered = self.templater.node(node, &self.variables);
        rendered.map_err(|error| error.to_problem())
    }

    /// Renders a text.
    pub(super) fn text(&self, node: &Node) -> Result<String, Problem> {
        match self.value(node)? {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(true) => Ok("True".to_owned()),
            Value::Bool(false) => Ok("False".to_owned()),
            other @ (Value::Null | Value::Array(_) | Value::Object(_)) => Err(Problem::at(
                &node.loc,
                format!("this must be a text, not {}", kind(&other)),
            )),
        }
    }

    /// Asks a condition.
    pub(super) fn condition(&self, node: &Node) -> Result<bool, Problem> {
        let text = match &node.data {
            Data::Bool(flag) => return Ok(*flag),
            Data::Str(text) => text,
            Data::Null | Data::Int(_) | Data::Float(_) | Data::Seq(_) | Data::Map(_) => {
                let message = format!("a condition must be a text, not {}", node.kind());
                return Err(Problem::at(&node.loc, message));
            }
        };
        let asked = self
            .templater
            .condition(text, Origin::Scalar(node), &self.variables);
        asked.map_err(|error| error.to_problem())
    }

    /// Asks conditions in order; returns the first that does not hold.
    pub(super) fn first_false<'n>(
        &self,
        nodes: impl IntoIterator<Item = &'n Node>,
    ) -> Result<Option<&'n Node>, Problem> {
        for node in nodes {
            for part in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
                if !self.condition(part)? {
                    return Ok(Some(part));
                }
            }
        }
        Ok(None)
    }

    /// Evaluates an expression without braces.
    pub(super) fn expression(&self, text: &str) -> Result<Value, Problem> {
        let found = self
            .templater
            .expression(text, Origin::Nowhere, &self.variables);
        found.map_err(|error| error.to_problem())
    }

    /// Calls a lookup, for `with_*`.
    pub(super) fn lookup(
        &self,
        name: &str,
        terms: &[Value],
        written: &Node,
    ) -> Result<Vec<Value>, Problem> {
        let found = self
            .templater
            .lookup(name, terms, &written.loc, &self.variables);
        found.map_err(|error| error.to_problem())
    }

    /// Renders a template file's text.
    pub(super) fn file(&self, path: &str, text: &str) -> Result<String, Problem> {
        let source = Source::new(path, text);
        let rendered = self.templater.render(&source, &self.variables);
        rendered.map_err(|error| error.to_problem())
    }

    /// Reads a flag; absent is `default`.
    pub(super) fn flag(&self, node: Option<&Node>, default: bool) -> Result<bool, Problem> {
        let Some(node) = node else {
            return Ok(default);
        };
        let value = self.value(node)?;
        flag_of(&value).map_err(|message| Problem::at(&node.loc, message))
    }

    /// Reads a time span.
    pub(super) fn duration(&self, node: Option<&Node>) -> Result<Option<Duration>, Problem> {
        let Some(node) = node else {
            return Ok(None);
        };
        let value = self.value(node)?;
        duration_of(&value)
            .map(Some)
            .map_err(|message| Problem::at(&node.loc, message))
    }

    /// Reads a number.
    pub(super) fn number(&self, node: Option<&Node>) -> Result<Option<f64>, Problem> {
        let Some(node) = node else {
            return Ok(None);
        };
        let value = self.value(node)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let wrong = || Problem::at(&node.loc, format!("this must be a number, not {value}"));
        number.map(Some).ok_or_else(wrong)
    }

    /// Reads a whole number that is not negative.
    pub(super) fn count(&self, node: Option<&Node>) -> Result<Option<u32>, Problem> {
        let number = self.number(node)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float that is cast is cut to the range of the target"
        )]
        Ok(number.map(|number| number as u32))
    }

    /// Reads a list of texts: one text, or a list; templates of either.
    pub(super) fn texts(&self, node: &Node) -> Result<Vec<String>, Problem> {
        let texts = |value: Value| match value {
            Value::Array(items) => items.into_iter().map(text_of).collect(),
            Value::Null => Vec::new(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                vec![text_of(other)]
            }
        };
        self.value(node).map(texts)
    }

    /// Reads the innermost text of a keyword.
    pub(super) fn keyword<'c>(
        &self,
        context: &'c Context,
        keyword: impl Fn(&'c Keywords) -> Option<&'c Node>,
    ) -> Result<Option<String>, Problem> {
        context
            .nearest(keyword)
            .map(|node| self.text(node))
            .transpose()
    }
}

/// Returns a value as text: a text as it is, all else as JSON.
pub(super) fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => other.to_string(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// What a task's scopes have in common on all hosts.
#[derive(Debug, Clone)]
pub(super) struct Around {
    layers: Arc<Layers>,
    magic: Arc<Map<String, Value>>,
    top: Arc<Map<String, Value>>,
    playbook: Arc<str>,
    play: Arc<PlayRun>,
    context: Arc<Context>,
    templater: Templater,
}

fn layers(play: &PlayRun, context: &Arc<Context>) -> Vec<Layer> {
    layers_around(play.files(), play.answers(), &play.roles(), context)
}

impl Engine {
    /// Gathers the layers of variables around a level.
    pub(super) fn around(&self, place: &Place, context: &Arc<Context>) -> Around {
        Around {
            layers: Arc::new(Layers::new(layers(&place.play, context))),
            magic: Arc::new(self.magic(place, context)),
            top: Arc::clone(&place.top),
            playbook: Arc::clone(&context.playbook_directory),
            play: Arc::clone(&place.play),
            context: Arc::clone(context),
            templater: self.templater(context),
        }
    }

    /// Returns what a host sees.
    pub(super) fn scope(&self, host: &str, around: &Around) -> Scope {
        let world = &self.outside.world;
        let layers = match around.play.host_files(host) {
            Some(own) => {
                let mut all = layers(&around.play, &around.context);
                all.extend(own);
                Arc::new(Layers::new(all))
            }
            None => Arc::clone(&around.layers),
        };
        let variables = world.scope(host, &around.playbook, &layers, &around.magic);
        let scope = Scope {
            variables: Arc::new(variables),
            templater: around.templater.clone(),
        };
        scope.with((*around.top).clone())
    }

    /// Returns the templater that searches files as a level does: its roles, its file's directory, the playbook's.
    fn templater(&self, context: &Context) -> Templater {
        let mut directories: Vec<String> =
            context.roles().map(|role| role.role.path.clone()).collect();
        directories.push(context.directory.to_string());
        directories.push(context.playbook_directory.to_string());
        directories.dedup();
        let mut known = self
            .templaters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let templater = known
            .entry(directories)
            .or_insert_with_key(|directories| self.outside.templaters.searching(directories));
        templater.clone()
    }

    fn magic(&self, place: &Place, context: &Context) -> Map<String, Value> {
        let names = |hosts: &[crate::inventory::HostName]| -> Value {
            hosts
                .iter()
                .map(|host| Value::from(host.as_str()))
                .collect()
        };
        let all = place.play.hosts();
        let active: Vec<_> = all
            .iter()
            .filter(|host| !self.is_leaving(host))
            .cloned()
            .collect();
        let batch: Vec<_> = place
            .batch_hosts
            .iter()
            .filter(|host| !self.is_leaving(host))
            .cloned()
            .collect();
        let mut magic = Map::new();
        let mut set = |name: &str, value: Value| magic.insert(name.to_owned(), value);
        set("ansible_play_hosts_all", names(all));
        set("ansible_play_hosts", names(&active));
        set("play_hosts", names(&active));
        set("ansible_play_batch", names(&batch));
        set("ansible_play_name", json!(place.play.title()));
        set("ansible_check_mode", json!(self.settings.check));
        set("ansible_diff_mode", json!(self.settings.diff));
        set("playbook_dir", json!(&*context.playbook_directory));
        let left_out = self.down.left_out(self.outside.clock.elapsed());
        set("members_down", json!(left_out));
        set("stagger_run_id", json!(self.run));
        set(
            "stagger_from_hosts",
            json!(self.outside.previously.is_from_hosts()),
        );
        set("stagger_machine", json!(self.header.machine));
        set("stagger_stopped_runs", json!(self.settings.stopped_runs));
        let roles: Vec<&Arc<RoleUse>> = context.roles().collect();
        if let Some(role) = roles.first() {
            set("role_name", json!(role.role.name));
            set("ansible_role_name", json!(role.role.name));
            set("role_path", json!(role.role.path));
            let parents: Vec<&str> = roles.iter().skip(1).map(|r| r.role.name.as_str()).collect();
            set("ansible_parent_role_names", json!(parents));
        }
        let names: Vec<String> = place
            .play
            .roles()
            .iter()
            .map(|r| r.role.name.clone())
            .collect();
        set("ansible_play_role_names", json!(names));
        set("ansible_role_names", json!(names));
        magic
    }
}
