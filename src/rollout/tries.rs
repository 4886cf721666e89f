//! How often a step is tried, and for how long.

use std::time::Duration;

use crate::playbook::Task;
use crate::yaml::{Node, Problem};

use super::scope::Scope;

/// How often a task with `until` is tried when it does not say, as in Ansible.
const TRIES: u32 = 3;
/// How long to wait between two tries when the task does not say, as in Ansible.
const DELAY: Duration = Duration::from_secs(5);

/// How often a step is tried.
#[derive(Debug, Clone)]
pub(super) struct Tries {
    /// What must hold after a try.
    pub(super) until: Vec<Node>,
    /// Whether the step waits for something at all.
    pub(super) waits: bool,
    /// How often at most; `None` when only the time is limited.
    pub(super) at_most: Option<u32>,
    /// How long to wait between two tries.
    pub(super) delay: Duration,
    /// How long all tries may take together.
    pub(super) limit: Option<Duration>,
}

impl Tries {
    /// Reads what a task says. `retries: N` is one try and N more, as in Ansible; with `timeout` and no `retries`, the
    /// time is the only limit.
    pub(super) fn of(task: &Task, scope: &Scope) -> Result<Self, Problem> {
        let limit = scope.duration(task.context.nearest(|k| k.timeout.as_ref()))?;
        let limit = limit.filter(|limit| !limit.is_zero());
        let waits = !task.until.is_empty() || task.retries.is_some();
        let retries = scope.count(task.retries.as_ref())?;
        let own_limit = task.context.keywords.timeout.is_some() && limit.is_some();
        let at_most = match retries {
            _ if !waits => Some(1),
            None if own_limit => None,
            None => Some(TRIES),
            Some(more) => Some(more.saturating_add(1)),
        };
        Ok(Self {
            until: task.until.clone(),
            waits,
            at_most,
            delay: scope.duration(task.delay.as_ref())?.unwrap_or(DELAY),
            limit,
        })
    }

    /// Tells whether there is another try after this many.
    pub(super) fn has_more(&self, tried: u32) -> bool {
        self.at_most.is_none_or(|at_most| tried < at_most)
    }
}
