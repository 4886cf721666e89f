//! What changed between a plan that was kept and the plan of now.

use std::collections::BTreeSet;

use super::Plan;
use super::fold::fold;
use crate::inventory::HostName;

impl Plan {
    /// Says what changed from this plan to another; nothing if both would do the same.
    pub fn differs(&self, now: &Self) -> Vec<String> {
        if self.digest == now.digest && self.format == now.format {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if self.format != now.format {
            changes.push("the plan was made by another version of stagger".to_owned());
        }
        let names: BTreeSet<&String> = self.parts.keys().chain(now.parts.keys()).collect();
        for name in names {
            let (was, is) = (self.parts.get(name), now.parts.get(name));
            if was == is {
                continue;
            }
            let change = match (was, is) {
                (None, _) => "is new",
                (_, None) => "is gone",
                (Some(_), Some(_)) => "changed",
            };
            changes.push(format!("{name} {change}{}", self.members(now, name)));
        }
        changes
    }

    /// Says which hosts came and went, if the part is the members of a play.
    fn members(&self, now: &Self, part: &str) -> String {
        let Some(id) = part.strip_prefix("members of play ") else {
            return String::new();
        };
        let hosts = |plan: &Self| -> Vec<HostName> {
            let plays = plan.plays();
            let play = plays.into_iter().find(|play| play.id.as_str() == id);
            play.map(|play| play.hosts.clone()).unwrap_or_default()
        };
        let (was, is) = (hosts(self), hosts(now));
        let missing_in = |from: &[HostName], other: &[HostName]| -> Vec<HostName> {
            let other: BTreeSet<&HostName> = other.iter().collect();
            from.iter()
                .filter(|host| !other.contains(host))
                .cloned()
                .collect()
        };
        let (came, went) = (missing_in(&is, &was), missing_in(&was, &is));
        let mut text = String::new();
        if !came.is_empty() {
            text.push_str(&format!(": came {}", fold(&came)));
        }
        if !went.is_empty() {
            text.push_str(&format!(": went {}", fold(&went)));
        }
        if came.is_empty() && went.is_empty() {
            text.push_str(": in another order");
        }
        text
    }
}
