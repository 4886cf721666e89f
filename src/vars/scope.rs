//! What a template sees for one host.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::host_vars::HostVars;
use super::layer::{inert, plain};
use super::roster::Roster;
use super::{HostState, Layer, Layers, Precedence, World};
use crate::inventory::{HostName, directory_of};
use crate::template::{Raw, Scopes, Variables};

/// The variables of one host, as they were when the scope was made; looked up from the strongest layer down.
#[derive(Debug, Clone)]
pub struct Scope {
    world: Arc<World>,
    roster: Arc<Roster>,
    host: HostName,
    playbook: Arc<str>,
    /// The inventory's layers, from the lowest to the highest.
    levels: Arc<Vec<Layer>>,
    layers: Arc<Layers>,
    magic: Arc<Map<String, Value>>,
    state: Arc<HostState>,
}

impl Scope {
    pub(super) fn new(
        world: &Arc<World>,
        host: &str,
        playbook: &str,
        layers: Arc<Layers>,
        magic: Arc<Map<String, Value>>,
    ) -> Self {
        let roster = world.roster();
        let files = world.playbook(playbook);
        let levels = roster.levels(host, files.as_deref());
        Self {
            levels: Arc::new(levels.into_iter().map(Layer::from).collect()),
            roster,
            host: HostName::new(host),
            playbook: Arc::from(playbook),
            layers,
            magic,
            state: world.state(host),
            world: Arc::clone(world),
        }
    }

    /// Returns the host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// Returns the inventory's layers, from the lowest to the highest.
    pub(super) fn levels(&self) -> impl Iterator<Item = &Layer> {
        self.levels.iter()
    }

    /// Returns the layers that can hold a variable, from the strongest to the weakest, without magic variables.
    pub(super) fn down(&self) -> impl Iterator<Item = Found<'_>> {
        use Precedence as P;
        let layer = Found::Layer;
        let outer = move |from, to| self.layers.down(from, to).map(layer);
        let extra = self.world.extra.down(P::Loop, P::BuiltIn).map(layer);
        outer(P::Loop, P::Loop)
            .chain(extra)
            .chain(outer(P::Extra, P::RoleParams))
            .chain(std::iter::once(Found::SetFact(&self.state)))
            .chain(outer(P::SetFact, P::SetFact))
            .chain(self.state.included().iter().rev().map(layer))
            .chain(outer(P::IncludeVars, P::Play))
            .chain(std::iter::once(Found::Facts(&self.state)))
            .chain(self.levels.iter().rev().map(layer))
            .chain(outer(P::Facts, P::RoleDefaults))
            .chain(std::iter::once(Found::BuiltIn(&self.host)))
    }

    pub(super) fn magic(&self, name: &str) -> Option<Arc<Raw>> {
        let given = self.magic.contains_key(name);
        match name {
            "groups" if !given => Some(self.roster.groups()),
            "ansible_facts" if !given => Some(self.state.ansible_facts()),
            "vars" if !given => Some(Arc::new(self.whole())),
            _ => Some(Arc::new(plain(&self.small_magic(name)?, false))),
        }
    }

    /// Returns `vars`: all variables by name, as templates; what is data is written so that it renders to itself.
    fn whole(&self) -> Raw {
        let mut names = self.names();
        names.retain(|name| name != "vars" && name != "hostvars");
        let entry = |name: String| {
            let raw = self.lookup(&name)?;
            let value = if raw.templated {
                raw.value
            } else {
                inert(&raw.value)
            };
            Some((name, value))
        };
        Raw {
            value: Value::Object(names.into_iter().filter_map(entry).collect()),
            templated: true,
            origin: None,
        }
    }

    fn small_magic(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.magic.get(name) {
            return Some(match (name, value) {
                ("playbook_dir", Value::String(path)) => self.world.run.absolute(path).into(),
                _ => value.clone(),
            });
        }
        if let Some(value) = self.world.run_variables.get(name) {
            return Some(value.clone());
        }
        let source = || self.roster.source_of(self.host.as_str());
        let path = |path: Option<&str>| path.map(|path| self.world.run.absolute(path));
        match name {
            "inventory_hostname" => Some(self.host.as_str().into()),
            "inventory_hostname_short" => Some(self.host.short().into()),
            "group_names" => {
                let names = self.roster.groups_of(self.host.as_str());
                Some(names.into_iter().map(Value::from).collect())
            }
            // A list of hosts on the command line is no file.
            "inventory_file" => Some(path(source()).into()),
            "inventory_dir" => {
                let directory = source()
                    .filter(|source| !source.contains(','))
                    .map(directory_of);
                Some(path(directory).into())
            }
            "playbook_dir" => Some(self.world.run.absolute(&self.playbook).into()),
            _ => None,
        }
    }
}

/// A place that can hold a variable.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    Layer(&'a Layer),
    SetFact(&'a HostState),
    Facts(&'a HostState),
    BuiltIn(&'a HostName),
}

impl Found<'_> {
    pub(super) fn find(&self, name: &str) -> Option<Arc<Raw>> {
        let data = |value: &Value| Arc::new(plain(value, false));
        match self {
            Self::Layer(layer) => layer.find(name).map(Arc::new),
            Self::SetFact(state) => state.variable(name).cloned(),
            Self::Facts(state) => state.fact(name).map(data),
            Self::BuiltIn(host) => {
                (name == "ansible_host").then(|| data(&Value::from(host.as_str())))
            }
        }
    }

    fn add_names(&self, names: &mut Vec<String>) {
        match self {
            Self::Layer(layer) => layer.add_names(names),
            Self::SetFact(state) => {
                names.extend(state.variables().map(|(name, _)| name.to_owned()));
            }
            Self::Facts(state) => names.extend(state.facts().keys().cloned()),
            Self::BuiltIn(_) => names.push("ansible_host".to_owned()),
        }
    }
}

/// The magic variables that every scope has, beside those of run, play and task.
pub(super) const MAGIC: [&str; 10] = [
    "ansible_facts",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "playbook_dir",
    "vars",
];

impl Variables for Scope {
    fn lookup(&self, name: &str) -> Option<Raw> {
        self.shared(name).map(Arc::unwrap_or_clone)
    }

    fn shared(&self, name: &str) -> Option<Arc<Raw>> {
        // A loop's variable may be called as anything.
        let mut in_loop = self.layers.down(Precedence::Loop, Precedence::Loop);
        if let Some(found) = in_loop.find_map(|layer| layer.find(name)) {
            return Some(Arc::new(found));
        }
        self.magic(name)
            .or_else(|| self.down().find_map(|place| place.find(name)))
    }

    fn scopes(&self, name: &str) -> Option<Arc<dyn Scopes>> {
        let mut in_loop = self.layers.down(Precedence::Loop, Precedence::Loop);
        if name != "hostvars" || in_loop.any(|layer| layer.find(name).is_some()) {
            return None;
        }
        let hosts = HostVars::new(&self.world, &self.roster, &self.playbook);
        Some(Arc::new(hosts))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for place in self.down() {
            place.add_names(&mut names);
        }
        names.extend(self.magic.keys().cloned());
        names.extend(self.world.run_variables.keys().cloned());
        names.extend(MAGIC.map(str::to_owned));
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }
}
