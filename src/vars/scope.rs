//! What a template sees for one host.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::layer::plain;
use super::maps::{HostVars, groups};
use super::{HostState, Layer, Layers, Precedence, World};
use crate::inventory::{HostName, Inventory, directory_of};
use crate::template::{Raw, Scopes, Variables};

/// The variables of one host, as they were when the scope was made; looked up from the strongest layer down.
#[derive(Debug, Clone)]
pub struct Scope {
    world: Arc<World>,
    inventory: Arc<Inventory>,
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
        let inventory = world.inventory();
        let files = world.playbook(playbook);
        let levels = inventory.levels(host, files.as_deref());
        Self {
            levels: Arc::new(levels.into_iter().map(Layer::from).collect()),
            inventory,
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

    pub(super) fn magic(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.magic.get(name) {
            return Some(match (name, value) {
                ("playbook_dir", Value::String(path)) => self.world.run.absolute(path).into(),
                _ => value.clone(),
            });
        }
        if let Some(value) = self.world.run_variables.get(name) {
            return Some(value.clone());
        }
        let source = || self.inventory.source_of(self.host.as_str());
        let path = |path: Option<&str>| path.map(|path| self.world.run.absolute(path));
        match name {
            "inventory_hostname" => Some(self.host.as_str().into()),
            "inventory_hostname_short" => Some(self.host.short().into()),
            "group_names" => {
                let names = self.inventory.groups_of(self.host.as_str());
                Some(names.into_iter().map(Value::from).collect())
            }
            "groups" => Some(Value::Object(groups(&self.inventory))),
            // A list of hosts on the command line is no file.
            "inventory_file" => Some(path(source()).into()),
            "inventory_dir" => {
                let directory = source()
                    .filter(|source| !source.contains(','))
                    .map(directory_of);
                Some(path(directory).into())
            }
            "playbook_dir" => Some(self.world.run.absolute(&self.playbook).into()),
            "ansible_facts" => Some(Value::Object(self.state.ansible_facts())),
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
    pub(super) fn find(&self, name: &str) -> Option<Raw> {
        match self {
            Self::Layer(layer) => layer.find(name),
            Self::SetFact(state) => state.variable(name).map(|value| plain(value, false)),
            Self::Facts(state) => state.fact(name).map(|value| plain(value, false)),
            Self::BuiltIn(host) => {
                (name == "ansible_host").then(|| plain(&Value::from(host.as_str()), false))
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
pub(super) const MAGIC: [&str; 9] = [
    "ansible_facts",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "playbook_dir",
];

impl Variables for Scope {
    fn lookup(&self, name: &str) -> Option<Raw> {
        // A loop's variable may be called as anything.
        let in_loop = self.layers.down(Precedence::Loop, Precedence::Loop);
        if let Some(found) = in_loop.into_iter().find_map(|layer| layer.find(name)) {
            return Some(found);
        }
        if let Some(value) = self.magic(name) {
            return Some(plain(&value, false));
        }
        self.down().find_map(|place| place.find(name))
    }

    fn scopes(&self, name: &str) -> Option<Arc<dyn Scopes>> {
        let mut in_loop = self.layers.down(Precedence::Loop, Precedence::Loop);
        if name != "hostvars" || in_loop.any(|layer| layer.find(name).is_some()) {
            return None;
        }
        let hosts = HostVars::new(&self.world, &self.inventory, &self.playbook);
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
