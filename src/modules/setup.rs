//! `setup` (also `gather_facts`): facts of the host, gathered by its shell alone in one round trip.

mod distribution;
mod hardware;
mod identity;
mod network;
mod question;
#[cfg(test)]
mod testing;
mod virtualization;

use serde_json::{Map, Value, json};

use super::files::{Flags, Pattern, Reply, Text};
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "setup",
    aliases: &["gather_facts"],
    summary: "Gathers facts of the host",
    notes: &[
        "Nothing but a shell is needed on the host: the facts are read from /proc, /sys, /etc/os-release and coreutils.",
        "`ansible_python` is absent, as no Python is used; `ansible_devices`, `ansible_lvm` and the like are not gathered.",
    ],
    arguments: &[
        Argument::new(
            "gather_subset",
            Kind::List,
            "all, min, hardware, network, virtual; `!hardware` leaves a part out.",
        )
        .default("all"),
        Argument::new(
            "filter",
            Kind::List,
            "Shell patterns of the names that are kept.",
        ),
        Argument::new("fact_path", Kind::Path, "Where the host's own facts are.")
            .default("/etc/ansible/facts.d"),
        Argument::new(
            "gather_timeout",
            Kind::Duration,
            "Accepted and not needed: file systems of the network are not asked for their size.",
        )
        .default("10"),
    ],
    safety: Safety::ReadOnly,
    example: "- setup:\n    gather_subset: [min, hardware]\n",
    returns: &[(
        "ansible_facts",
        "the facts: ansible_hostname, ansible_distribution, ansible_memtotal_mb, ansible_default_ipv4, ansible_mounts ...",
    )],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Setup;

impl Module for Setup {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Gathering::of(arguments)
            .map(|gathering| Box::new(gathering) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}

/// The parts of the facts that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    hardware: bool,
    network: bool,
    virtualization: bool,
}

#[derive(Debug)]
struct Gathering {
    subset: Vec<String>,
    parts: Parts,
    filters: Vec<String>,
    local: String,
}

impl Gathering {
    fn of(arguments: &Arguments) -> Result<Self, ModuleError> {
        let mut subset = arguments.list("gather_subset");
        if subset.is_empty() {
            subset.push("all".to_owned());
        }
        let mut filters = arguments.list("filter");
        filters.retain(|filter| filter != "*");
        Ok(Self {
            parts: Parts::of(&subset)?,
            subset,
            filters,
            local: arguments
                .str("fact_path")
                .unwrap_or("/etc/ansible/facts.d")
                .to_owned(),
        })
    }
}

/// Parts of Ansible's that are always gathered here, or never.
const ALWAYS: &[&str] = &[
    "min",
    "distribution",
    "platform",
    "date_time",
    "env",
    "user",
    "local",
    "service_mgr",
    "pkg_mgr",
    "dns",
    "cmdline",
    "lsb",
    "selinux",
    "apparmor",
    "fips",
    "caps",
    "python",
    "ssh_pub_keys",
    "system_capabilities",
    "loadavg",
    "chroot",
    "is_chroot",
    "facter",
    "ohai",
    "fibre_channel_wwn",
    "iscsi",
    "nvme",
    "systemd",
];

impl Parts {
    fn of(subset: &[String]) -> Result<Self, ModuleError> {
        let only_without = subset.iter().all(|name| name.starts_with('!'));
        let mut parts = Self {
            hardware: only_without,
            network: only_without,
            virtualization: only_without,
        };
        for name in subset {
            let (name, wanted) = match name.strip_prefix('!') {
                Some(name) => (name, false),
                None => (name.as_str(), true),
            };
            match name {
                "all" => {
                    parts.hardware = wanted;
                    parts.network = wanted;
                    parts.virtualization = wanted;
                }
                "hardware" | "processor" | "memory" | "mounts" | "devices" | "dmi" => {
                    parts.hardware = wanted;
                }
                "network" | "interfaces" | "default_ipv4" | "default_ipv6"
                | "all_ipv4_addresses" | "all_ipv6_addresses" => parts.network = wanted,
                "virtual" | "virtualization_type" | "virtualization_role" => {
                    parts.virtualization = wanted;
                }
                other if ALWAYS.contains(&other) => {}
                other => {
                    return Err(ModuleError::failed(format!(
                        "Bad subset '{other}' given to setup: all, min, hardware, network, virtual"
                    )));
                }
            }
        }
        Ok(parts)
    }
}

impl Action for Gathering {
    fn describe(&self) -> String {
        format!("gather facts ({})", self.subset.join(", "))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let reply = cx.script(question::text(self.parts, &self.local))?;
        let reply = Reply::of(&reply, "cannot gather facts")?;
        let mut facts = Map::new();
        identity::facts(&reply, &mut facts);
        if self.parts.hardware {
            hardware::facts(&reply, &mut facts);
        }
        if self.parts.network {
            network::facts(&reply, &mut facts);
        }
        if self.parts.virtualization {
            virtualization::facts(&reply, &mut facts);
        }
        facts.insert("gather_subset".into(), json!(self.subset));
        facts.insert("module_setup".into(), json!(true));
        let facts = self.kept(facts)?;
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

impl Gathering {
    /// Leaves out what the filters do not name; a name counts with and without `ansible_`.
    fn kept(&self, mut facts: Map<String, Value>) -> Result<Map<String, Value>, ModuleError> {
        if self.filters.is_empty() {
            return Ok(facts);
        }
        let mut patterns = Vec::new();
        for filter in &self.filters {
            let source = super::find::from_glob(filter);
            patterns.push(Pattern::new(&source, Text::Utf8, Flags::default())?);
        }
        let mut unwanted = Vec::new();
        for name in facts.keys() {
            let short = name.strip_prefix("ansible_").unwrap_or(name);
            let mut fits = false;
            for pattern in &patterns {
                fits = fits || pattern.matches_start(name)? || pattern.matches_start(short)?;
            }
            if !fits {
                unwanted.push(name.clone());
            }
        }
        for name in unwanted {
            facts.shift_remove(&name);
        }
        Ok(facts)
    }
}
