//! The way from the versions that run to the wanted one, as a gate and a plan want to know it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::judge::{Questions, unread};
use super::read::ClusterView;
use crate::cluster::model::arangodb::{Version, check_path, data_upgrade, notes, order};

/// Whether the vendor supports the way from every running version to the wanted one, in which order it is gone, and what
/// is to be known of it.
pub(super) fn path(view: &ClusterView, versions: &BTreeSet<&str>, questions: &Questions) -> Value {
    let Some(to) = questions.to else {
        return Value::Null;
    };
    let mut problems: Vec<String> = unread(view).collect();
    let mut running: Vec<Version> = Vec::new();
    for version in versions {
        match version.parse::<Version>() {
            Ok(from) => {
                problems.extend(check_path(from, to));
                running.push(from);
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    let others: Vec<&str> = versions
        .iter()
        .copied()
        .filter(|version| version.parse() != Ok(to))
        .collect();
    if others.len() > 1 {
        problems.push(format!(
            "the servers that are to be upgraded are of different versions ({}): bring them to one version first",
            others.join(", ")
        ));
    }
    let order = order(&running, to);
    let told: BTreeSet<&str> = running.iter().flat_map(|from| notes(*from, to)).collect();
    json!({
        "problems": problems,
        "data_upgrade": running.iter().any(|from| data_upgrade(*from, to)),
        "data_number": to.data_number(),
        "to": to,
        "order": order.roles,
        "order_reason": order.reason,
        "coordinators_first": order.coordinators_first(),
        "notes": told,
    })
}
