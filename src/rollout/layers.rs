//! The layers of variables around a level of a playbook: what is written there, and what its roles bring.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::playbook::{Context, Level, RoleUse};
use crate::vars::{Layer, Precedence, Values, Written};
use crate::yaml::Node;

/// `vars` of a level.
#[derive(Debug)]
struct LevelVars(Arc<Context>);

impl Written for LevelVars {
    fn find(&self, name: &str) -> Option<&Node> {
        self.0.keywords.vars.as_ref()?.entry(name)
    }

    fn names(&self) -> Vec<String> {
        names_of(self.0.keywords.vars.as_ref())
    }
}

/// One of a role's files.
#[derive(Debug)]
struct RoleFile {
    role: Arc<RoleUse>,
    defaults: bool,
    file: usize,
}

impl RoleFile {
    fn node(&self) -> Option<&Node> {
        let files = if self.defaults {
            &self.role.role.defaults
        } else {
            &self.role.role.vars
        };
        files.get(self.file)
    }
}

impl Written for RoleFile {
    fn find(&self, name: &str) -> Option<&Node> {
        self.node()?.entry(name)
    }

    fn names(&self) -> Vec<String> {
        names_of(self.node())
    }
}

/// A role's parameters.
#[derive(Debug)]
struct Params(Arc<RoleUse>);

impl Written for Params {
    fn find(&self, name: &str) -> Option<&Node> {
        let mut params = self.0.params.iter();
        params
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    }

    fn names(&self) -> Vec<String> {
        let params = self.0.params.iter();
        params.map(|(key, _)| key.name.clone()).collect()
    }
}

fn names_of(node: Option<&Node>) -> Vec<String> {
    let entries = node.and_then(Node::as_map).unwrap_or_default();
    entries.iter().map(|(key, _)| key.name.clone()).collect()
}

fn layer(precedence: Precedence, of: &str, written: Arc<dyn Written>) -> Layer {
    Layer {
        precedence,
        of: Arc::from(of),
        values: Values::Written(written),
    }
}

/// Collects the layers around a level, low to high where they have one place: the variables of the play's files, the
/// answers to its questions, the roles whose variables it sees, and what is written at each level.
pub fn layers_around(
    files: &[Layer],
    answers: &Arc<Map<String, Value>>,
    roles: &[Arc<RoleUse>],
    context: &Arc<Context>,
) -> Vec<Layer> {
    let mut levels: Vec<Arc<Context>> =
        std::iter::successors(Some(Arc::clone(context)), |level| level.parent.clone()).collect();
    levels.reverse();
    let mut layers: Vec<Layer> = files.to_vec();
    if !answers.is_empty() {
        layers.push(Layer {
            precedence: Precedence::Prompt,
            of: Arc::from("vars_prompt"),
            values: Values::Data(Arc::clone(answers)),
        });
    }
    for role in roles {
        role_layers(role, false, &mut layers);
    }
    for level in &levels {
        if let Level::Role(role) = &level.level {
            role_layers(role, true, &mut layers);
        }
    }
    for level in levels.iter().filter(|level| level.keywords.vars.is_some()) {
        let (precedence, of) = match level.level {
            Level::Playbook | Level::Play => (Precedence::Play, "play"),
            Level::Role(_) | Level::Block | Level::Protection | Level::Bracket => {
                (Precedence::Block, "block")
            }
            Level::Include => (Precedence::IncludeParams, "include"),
            Level::Task => (Precedence::Task, "task"),
        };
        layers.push(layer(
            precedence,
            of,
            Arc::new(LevelVars(Arc::clone(level))),
        ));
    }
    layers
}

/// Adds what a role brings: its dependencies first; parameters only where its own tasks run.
fn role_layers(role: &Arc<RoleUse>, inside: bool, layers: &mut Vec<Layer>) {
    for dependency in &role.dependencies {
        role_layers(dependency, false, layers);
    }
    let of = role.role.name.as_str();
    let kinds = [
        (true, role.role.defaults.len(), Precedence::RoleDefaults),
        (false, role.role.vars.len(), Precedence::RoleVars),
    ];
    for (defaults, files, precedence) in kinds {
        for file in 0..files {
            let role = Arc::clone(role);
            let written = RoleFile {
                role,
                defaults,
                file,
            };
            layers.push(layer(precedence, of, Arc::new(written)));
        }
    }
    if inside && !role.params.is_empty() {
        let params = Params(Arc::clone(role));
        layers.push(layer(Precedence::RoleParams, of, Arc::new(params)));
    }
}
