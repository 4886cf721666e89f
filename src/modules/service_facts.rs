//! `service_facts`: all services of the host and their states.

use serde_json::{Map, Value, json};

use super::files::{NO, PRELUDE, Reply};
use super::spec::{Arguments, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "service_facts",
    summary: "Tells all services of the host and their states",
    notes: &["Only hosts with systemd are supported."],
    safety: Safety::ReadOnly,
    example: "- service_facts:\n- debug:\n    var: ansible_facts.services['arangodb.service'].state\n",
    returns: &[(
        "ansible_facts",
        "services: for each its name, state (running, stopped), status (enabled, disabled, static, failed, masked, not-found ...) and source",
    )],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct ServiceFacts;

impl Module for ServiceFacts {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, _arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Listing))
    }
}

#[derive(Debug)]
struct Listing;

impl Action for Listing {
    fn describe(&self) -> String {
        "list the services".to_owned()
    }

    fn by_hand(&self) -> Option<String> {
        Some("systemctl list-units --all --type service".to_owned())
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let script = format!(
            "{PRELUDE}{NO}PATH=$PATH:/bin:/usr/bin\n\
             command -v systemctl >/dev/null || no 'the host has no systemctl: only hosts with systemd are supported'\n\
             printf 'units='; systemctl list-units --no-pager --no-legend --plain --all --type service || no 'cannot list the units'\n\
             printf '\\0files='; systemctl list-unit-files --no-pager --no-legend --type service; printf '\\0'\n"
        );
        let reply = Reply::of(&cx.script(script)?, "cannot list the services")?;
        let units = reply.get("units").unwrap_or_default();
        let services = services(units, reply.get("files").unwrap_or_default());
        let facts = fields([("services", Value::Object(services))]);
        Ok(Observed::Same(Outcome {
            result: fields([("ansible_facts", json!(facts))]),
            effects: vec![Effect::SetFact {
                variables: facts,
                facts: true,
            }],
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}

/// States that say more than whether the service starts at boot.
const BAD: [&str; 3] = ["not-found", "masked", "failed"];

/// Puts the lists of units and of unit files together, as Ansible does.
fn services(units: &str, files: &str) -> Map<String, Value> {
    let mut services = Map::new();
    for line in units.lines() {
        let words: Vec<&str> = line
            .trim_start_matches(['●', '*', '×', '○', ' '])
            .split_whitespace()
            .collect();
        let &[name, load, active, sub, ..] = words.as_slice() else {
            continue;
        };
        let state = if sub == "running" {
            "running"
        } else {
            "stopped"
        };
        let words = [load, active, sub];
        let status = BAD
            .into_iter()
            .find(|bad| words.contains(bad))
            .unwrap_or(active);
        services.insert(
            name.to_owned(),
            json!({"name": name, "state": state, "status": status, "source": "systemd"}),
        );
    }
    for line in files.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(status)) = (words.next(), words.next()) else {
            continue;
        };
        let entry = services.entry(name.to_owned()).or_insert_with(
            || json!({"name": name, "state": "inactive", "status": status, "source": "systemd"}),
        );
        let bad = entry
            .get("status")
            .and_then(Value::as_str)
            .is_some_and(|known| BAD.contains(&known));
        if let Some(entry) = entry.as_object_mut().filter(|_| !bad) {
            entry.insert("status".into(), json!(status));
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_put_together() {
        let found = services(
            "ssh.service loaded active running OpenBSD Secure Shell server\n● bad.service loaded failed failed x\n  gone.service not-found inactive dead gone.service\n",
            "ssh.service enabled enabled\ngetty@.service enabled enabled\nbad.service disabled\n",
        );
        let of = |name: &str| found.get(name).cloned().unwrap();
        assert_eq!(
            of("ssh.service"),
            json!({"name": "ssh.service", "state": "running", "status": "enabled", "source": "systemd"})
        );
        assert_eq!(of("bad.service")["status"], json!("failed"));
        assert_eq!(of("bad.service")["state"], json!("stopped"));
        assert_eq!(of("gone.service")["status"], json!("not-found"));
        assert_eq!(of("getty@.service")["state"], json!("inactive"));
    }
}
