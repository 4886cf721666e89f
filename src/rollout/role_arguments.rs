//! A role's arguments against its `meta/argument_specs.yml`, with the values that a host has.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::events::StepOutcome;
use crate::inventory::HostName;
use crate::playbook::{RoleUse, Task};

use super::ended::{Ended, told};
use super::engine::Engine;
use super::finish::Line;
use super::host_work::asked;
use super::place::{Left, Place, Walked};
use super::scope::Scope;

impl Engine {
    /// Checks a role's arguments on hosts; it is the first step of a role that says which it takes.
    pub(super) fn check_role_arguments(
        &self,
        place: &Place,
        task: &Arc<Task>,
        role: &Arc<RoleUse>,
        hosts: &[HostName],
    ) -> Walked {
        let around = self.around(place, &task.context);
        self.announce(place, task, hosts, &around);
        let mut walked = Walked {
            begun: true,
            ..Walked::default()
        };
        for host in hosts {
            let scope = self.scope(host.as_str(), &around);
            let ended = match asked(place, host, task, &scope) {
                Ok(Some(skipped)) => skipped,
                Ok(None) => checked(role, &scope),
                Err(problem) => Ended::wrong(&problem),
            };
            let name = self.task_name(task, &scope);
            let line = Line::new(place.step(&task.id, host, None), &name, task, place);
            self.finish(&line, &ended);
            if ended.is_failed() {
                self.remember_failure(host, task, &ended.result);
                walked.left.insert(host.clone(), Left::Failed);
            }
        }
        walked
    }
}

fn checked(role: &RoleUse, scope: &Scope) -> Ended {
    let Some(spec) = &role.role.argument_spec else {
        return Ended::new(StepOutcome::Ok, Map::new(), String::new());
    };
    let mut values = Map::new();
    let mut wrong = Vec::new();
    for option in &spec.options {
        let variables = scope.variables();
        if variables.lookup(&option.name).is_none() {
            continue;
        }
        match scope.expression(&option.name) {
            Ok(value) => {
                values.insert(option.name.clone(), value);
            }
            Err(problem) => wrong.push(told(&problem)),
        }
    }
    wrong.extend(spec.validate(&values));
    let mut result = Map::new();
    result.insert("changed".to_owned(), json!(false));
    if wrong.is_empty() {
        let message = "The arg spec validation passed";
        result.insert("msg".to_owned(), json!(message));
        Ended::new(StepOutcome::Ok, result, String::new())
    } else {
        let message = format!(
            "the role `{}` was given wrong arguments: {}",
            role.role.name,
            wrong.join("; ")
        );
        result.insert("argument_errors".to_owned(), Value::from(wrong));
        Ended::failed(message, result)
    }
}
