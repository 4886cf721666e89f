//! Groups that disagree: two of them set a variable of a host, and only their names decide which one wins.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{Layer, Layers, Precedence, Scope, Values, World};
use crate::yaml::{Key, Node, Problem};

impl World {
    /// Returns a warning for each variable that two groups of equal rank give different values, where that decides
    /// what a host sees. Looks at one host of each combination of groups.
    pub fn disagreements(self: &Arc<Self>, playbook: &str) -> Vec<Problem> {
        let inventory = self.inventory();
        let mut combinations = HashSet::new();
        let mut found: BTreeMap<(String, String, String), Problem> = BTreeMap::new();
        for host in inventory.hosts() {
            let groups = inventory.groups_of(host.as_str()).join("\n");
            let pairs = inventory.siblings(&host);
            if pairs.is_empty() || !combinations.insert(groups) {
                continue;
            }
            let (layers, magic) = (Arc::new(Layers::default()), Arc::default());
            let scope = self.scope(host.as_str(), playbook, &layers, &magic);
            for (one, other) in pairs {
                for (name, problem) in disagreement(&scope, &one, &other) {
                    let key = (name, one.to_string(), other.to_string());
                    found.entry(key).or_insert(problem);
                }
            }
        }
        found.into_values().collect()
    }
}

/// Compares the winner of each variable of `winner` with what `loser` says at the same place.
fn disagreement(scope: &Scope, loser: &str, winner: &str) -> Vec<(String, Problem)> {
    let layers: Vec<&Layer> = scope.levels().collect();
    let mut problems = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        let is_group = layer.precedence < Precedence::Host;
        let Values::Table(table) = &layer.values else {
            continue;
        };
        if &*layer.of != winner || !is_group {
            continue;
        }
        for (key, value) in table.iter() {
            let above = layers.iter().skip(place + 1);
            let overridden = above
                .into_iter()
                .any(|layer| layer.find(&key.name).is_some());
            let other = layers.iter().take(place).rev().find_map(|other| {
                let same_place = other.precedence == layer.precedence && &*other.of == loser;
                match &other.values {
                    Values::Table(table) if same_place => table.find(&key.name),
                    Values::Table(_)
                    | Values::Written(_)
                    | Values::Templates(_)
                    | Values::Data(_) => None,
                }
            });
            if let Some((other_key, other_value)) = other
                && !overridden
                && other_value.to_value() != value.to_value()
            {
                let problem = problem(scope, (key, value), other_key, loser, winner);
                problems.push((key.name.clone(), problem));
            }
        }
    }
    problems
}

fn problem(
    scope: &Scope,
    (key, _): (&Key, &Node),
    other: &Key,
    loser: &str,
    winner: &str,
) -> Problem {
    let name = &key.name;
    let message = format!(
        "groups `{loser}` and `{winner}` both set `{name}`, and only the order of their names decides"
    );
    Problem::at(&key.loc, message)
        .width(name.chars().count())
        .hint("give one of them a higher ansible_group_priority in the inventory")
        .note(format!(
            "host {} gets the value of `{winner}`",
            scope.host()
        ))
        .note(format!("`{loser}` sets it at {}", other.loc))
}
