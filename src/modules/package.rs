//! `package`: packages by whatever program the host has.

use super::apt::PACKAGE_RETURNS;
use super::packages::{Manager, Wanted};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Module};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "package",
    summary: "Installs, upgrades and removes packages with what the host has: apt-get, dnf or yum",
    notes: &["What only one of them knows is an argument of `apt` or `dnf`."],
    arguments: &[
        Argument::new(
            "name",
            Kind::List,
            "Packages, or paths of package files on the host.",
        )
        .aliases(&["pkg"])
        .required(),
        Argument::new("state", Kind::Str, "What they shall be.")
            .choices(&["absent", "installed", "latest", "present", "removed"])
            .required(),
        Argument::new(
            "use",
            Kind::Str,
            "The program, if not the one that is there.",
        )
        .choices(&["apt", "auto", "dnf", "dnf5", "yum"])
        .default("auto"),
        Argument::new(
            "update_cache",
            Kind::Flag,
            "Fetches the lists of packages first.",
        )
        .default("false"),
        Argument::new(
            "lock_timeout",
            Kind::Duration,
            "How long is waited while another program holds the lock.",
        )
        .default("60"),
    ],
    example: "- package:\n    name: [curl, rsync]\n    state: present\n",
    returns: PACKAGE_RETURNS,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Package;

impl Module for Package {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let manager = match arguments.str("use") {
            Some("apt") => Some(Manager::Apt),
            Some("dnf" | "dnf5" | "yum") => Some(Manager::Dnf),
            _ => None,
        };
        Wanted::of(arguments, manager)
            .map(|wanted| Box::new(wanted) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}
