//! `hostvars`: the variables of every host, found on access since they are too large to be made as a whole.

use std::sync::Arc;

use super::roster::Roster;
use super::{Layers, Scope, World};
use crate::template::{Scopes, Variables};

/// The variables of every host, also of those that no play has touched: without those of plays, roles and tasks.
#[derive(Debug)]
pub(super) struct HostVars {
    world: Arc<World>,
    roster: Arc<Roster>,
    playbook: Arc<str>,
}

impl HostVars {
    pub(super) fn new(world: &Arc<World>, roster: &Arc<Roster>, playbook: &Arc<str>) -> Self {
        Self {
            world: Arc::clone(world),
            roster: Arc::clone(roster),
            playbook: Arc::clone(playbook),
        }
    }
}

impl Scopes for HostVars {
    fn names(&self) -> Vec<String> {
        let hosts = self.roster.hosts();
        hosts.iter().map(ToString::to_string).collect()
    }

    fn scope(&self, host: &str) -> Option<Arc<dyn Variables>> {
        if !self.roster.has_host(host) {
            return None;
        }
        let (layers, magic) = (Arc::new(Layers::default()), Arc::default());
        let scope = Scope::new(&self.world, host, &self.playbook, layers, magic);
        Some(Arc::new(scope))
    }
}
