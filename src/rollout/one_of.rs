//! What is done on one of several hosts: the first that can be reached.

use crate::inventory::HostName;
use crate::playbook::Item;

use super::engine::Engine;
use super::place::{Left, Place, Walked};

impl Engine {
    /// Walks items on the first of these hosts that can be reached; those that cannot are lost.
    pub(super) fn on_one_of(&self, place: &Place, items: &[Item], hosts: &[HostName]) -> Walked {
        let mut walked = Walked::default();
        for host in self.reachable_first(hosts) {
            walked = self.run_items(place, items, std::slice::from_ref(&host));
            if walked.left.get(&host) != Some(&Left::Unreachable) {
                break;
            }
            self.lose(&host, &Left::Unreachable);
        }
        walked
    }

    /// Returns hosts in order, those that were not reached last time behind the others.
    pub(super) fn reachable_first(&self, hosts: &[HostName]) -> Vec<HostName> {
        let state = self.state();
        let gone = |host: &HostName| state.lost.get(host) == Some(&Left::Unreachable);
        let mut sorted = hosts.to_vec();
        sorted.sort_by_key(|host| gone(host));
        sorted
    }

    /// Returns what the last failure on one of these hosts said.
    pub(super) fn last_message(&self, hosts: &[HostName]) -> String {
        let state = self.state();
        let messages = hosts.iter().filter_map(|host| state.messages.get(host));
        let last = messages.max_by_key(|(number, _)| *number);
        last.map_or_else(
            || "no reason was given".to_owned(),
            |(_, text)| text.clone(),
        )
    }
}
