//! What people who know Ansible expect of tasks, loops, conditions, results, handlers, includes.

mod hosts;
mod loops;
mod parts;
mod tasks;

use crate::rollout::testing::{Kit, Ran};

/// Runs tasks of one play on hosts, one after another where the order matters.
pub(super) fn play(hosts: &str, tasks: &str) -> Kit {
    let indented = tasks.trim_matches('\n').replace('\n', "\n    ");
    let text = format!("- hosts: all\n  gather_facts: false\n  tasks:\n    {indented}\n");
    Kit::new(hosts, &text).with(|settings| settings.forks = 1)
}

pub(super) fn message(ran: &Ran, host: &str, index: usize) -> String {
    ran.failures(host).get(index).cloned().unwrap_or_default()
}
