//! Handlers: who wants which, and when they run.

use std::sync::Arc;

use crate::inventory::HostName;
use crate::playbook::Task;

use super::engine::Engine;
use super::place::{Place, Walked};
use super::scope::Scope;
use super::step::TaskRun;

impl Engine {
    /// Notes the handlers that a changed task notifies on a host.
    pub(super) fn notify(&self, run: &TaskRun<'_>, host: &HostName) {
        let names = run.task.context.notify();
        if names.is_empty() {
            return;
        }
        let scope = self.scope(host.as_str(), &run.around);
        let handlers = run.place.play.handlers();
        for node in names {
            let wanted = match scope.texts(node) {
                Ok(names) => names,
                Err(problem) => {
                    self.warn(super::ended::told(&problem), Some(host.as_str()));
                    continue;
                }
            };
            for name in wanted {
                let mut found = false;
                for handler in handlers
                    .iter()
                    .filter(|handler| answers(handler, &name, &scope))
                {
                    found = true;
                    run.place.play.notify(host, handler.id.as_str());
                }
                if !found {
                    let message = format!("there is no handler `{name}` ({})", node.loc);
                    self.warn(message, Some(host.as_str()));
                }
            }
        }
    }

    /// Runs the handlers that hosts want, in the order in which they are written. A handler that notifies an earlier one
    /// makes a further round.
    pub(super) fn flush(&self, place: &Place, occasion: &str, hosts: &[HostName]) -> Walked {
        let mut walked = Walked::default();
        let handlers = place.play.handlers();
        for round in 1..=handlers.len() {
            if !place.play.is_notified(&walked.through(hosts)) {
                break;
            }
            let mut inside = place.section("handlers");
            inside.suffix = format!("{}@{occasion}#{round}", place.suffix).into();
            for handler in &handlers {
                let active = walked.through(hosts);
                let wanting = place.play.take_notified(handler.id.as_str(), &active);
                if wanting.is_empty() {
                    continue;
                }
                if !self.may_rest(&inside, handler.id.as_str()) {
                    walked.stopped(&active);
                    return walked;
                }
                walked.add(self.run_task(&inside, handler, &wanting));
            }
        }
        walked
    }
}

/// Tells whether a handler answers to a name: its own, with or without its role's, or a topic that it listens to.
fn answers(handler: &Arc<Task>, name: &str, scope: &Scope) -> bool {
    let own = handler.name.as_ref().and_then(|node| {
        scope
            .text(node)
            .ok()
            .or_else(|| node.as_str().map(str::to_owned))
    });
    let with_role = handler.context.role().zip(own.as_ref()).map(|(role, own)| {
        let role = &role.role.name;
        [format!("{role} : {own}"), format!("{role}:{own}")]
    });
    own.as_deref() == Some(name)
        || with_role.is_some_and(|names| names.iter().any(|other| other == name))
        || handler.listen.iter().any(|topic| {
            scope
                .texts(topic)
                .is_ok_and(|topics| topics.iter().any(|topic| topic == name))
        })
}
