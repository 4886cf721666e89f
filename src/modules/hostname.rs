//! `hostname`: the host's own name, now and after a restart.

use serde_json::json;

use super::files::{NO, PRELUDE, Reply};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::template::shell_quote;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "hostname",
    summary: "Sets the host's own name, now and for its next starts",
    notes: &["With systemd by `hostnamectl`, else by /etc/hostname and `hostname`."],
    arguments: &[Argument::new("name", Kind::Str, "The name.").required()],
    absent: &[("use", "what the host has is used")],
    example: "- hostname:\n    name: db1\n",
    returns: &[
        ("name", "the name"),
        (
            "ansible_facts",
            "ansible_hostname, ansible_nodename, ansible_fqdn, ansible_domain",
        ),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Hostname;

impl Module for Hostname {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let name = arguments.str("name").unwrap_or_default().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('-') {
            return Err(
                ModuleError::failed(format!("`{name}` cannot be the name of a host"))
                    .in_task(arguments),
            );
        }
        Ok(Box::new(Naming { name }))
    }
}

#[derive(Debug)]
struct Naming {
    name: String,
}

impl Naming {
    fn outcome(&self, changed: bool) -> Outcome {
        let (short, domain) = self.name.split_once('.').unwrap_or((&self.name, ""));
        let facts = fields([
            ("ansible_hostname", json!(short)),
            ("ansible_nodename", json!(self.name)),
            ("ansible_fqdn", json!(self.name)),
            ("ansible_domain", json!(domain)),
        ]);
        Outcome {
            changed,
            result: fields([("name", json!(self.name)), ("ansible_facts", json!(facts))]),
            effects: vec![Effect::SetFact {
                variables: facts,
                facts: true,
            }],
            ..Outcome::default()
        }
    }
}

impl Action for Naming {
    fn describe(&self) -> String {
        format!("name the host {}", self.name)
    }

    fn by_hand(&self) -> Option<String> {
        Some(format!("hostnamectl set-hostname {}", self.name))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let script = format!(
            "{PRELUDE}printf 'now=%s\\0' \"$(uname -n)\"; f=; [ ! -r /etc/hostname ] || read -r f </etc/hostname; printf 'file=%s\\0' \"$f\"\n"
        );
        let reply = Reply::of(&cx.script(script)?, "cannot read the host's name")?;
        let now = reply.line("now").unwrap_or_default();
        if now == self.name && reply.line("file") == Some(&self.name) {
            return Ok(Observed::Same(self.outcome(false)));
        }
        Ok(Observed::Differs(Change {
            summary: format!("name {now} -> {}", self.name),
            result: self.outcome(true).result,
            ..Change::default()
        }))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        let script = format!(
            "{PRELUDE}{NO}PATH=$PATH:/usr/sbin:/sbin\nn={}\n\
             if [ -d /run/systemd/system ] && command -v hostnamectl >/dev/null; then hostnamectl set-hostname \"$n\" >&2 || no 'cannot set the name'\n\
             else t=$(mktemp /etc/.stagger.XXXXXX) && printf '%s\\n' \"$n\" >\"$t\" && chmod 0644 \"$t\" && mv -f \"$t\" /etc/hostname || no 'cannot write /etc/hostname'\n\
             hostname \"$n\" >&2 || no 'cannot set the name'; fi\n",
            shell_quote(&self.name)
        );
        Reply::of(&cx.script(script)?, "cannot name the host")?;
        Ok(self.outcome(true))
    }
}
