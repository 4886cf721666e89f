//! What could not be read: it is a problem of its own, as what nobody has seen would look like what is well.

use std::collections::BTreeMap;

use super::parse::SWITCHES;
use super::read::{AskError, View};
use crate::cluster::model::Verdict;
use crate::cluster::model::memsql::Address;

/// MySQL's number for a statement that a server does not understand.
const PARSE_ERROR: u16 = 1064;

/// What servers did not tell, and why.
#[derive(Debug, Clone, Default)]
pub struct Unread {
    /// Aggregators whose variables are not known.
    pub variables: BTreeMap<Address, String>,
    /// Aggregators of which it is not known what runs on them.
    pub statements: BTreeMap<Address, String>,
    /// Leaves of which it is not known whether they recover.
    pub recovery: BTreeMap<Address, String>,
}

/// Tells whether a server understands a statement of this kind: an older one may not have it, and then nothing is hidden.
pub(super) fn is_not_understood(error: &AskError) -> bool {
    error.number == Some(PARSE_ERROR)
}

/// Every switch is known, of every aggregator that has it: one that was not read would stay as it is.
pub(super) fn switches_known(view: &View) -> Verdict {
    let mut problems = Vec::new();
    for aggregator in &view.cluster.aggregators {
        let address = &aggregator.address;
        let Some(variables) = view.variables.get(address) else {
            let why = view.unread.variables.get(address).map(String::as_str);
            let why = why.unwrap_or("nobody asked");
            problems.push(format!("the variables of {address} are not known: {why}"));
            continue;
        };
        let own = SWITCHES
            .iter()
            .filter(|name| aggregator.master || **name == "aggregator_failure_detection");
        let missing = own.filter(|name| !variables.contains_key(**name));
        problems.extend(missing.map(|name| format!("{address} does not show {name}")));
    }
    Verdict::of(problems)
}

/// Says on which aggregators something may run that nobody has seen.
pub(super) fn statements(view: &View) -> impl Iterator<Item = String> + '_ {
    let unread = view.unread.statements.iter();
    unread.map(|(address, why)| format!("what runs on {address} is not known: {why}"))
}
