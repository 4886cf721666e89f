//! `apt`: packages of Debian and its kin.

use super::packages::{Manager, Wanted};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Module};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "apt",
    summary: "Installs, upgrades and removes packages with apt-get and dpkg",
    notes: &[
        "Check mode simulates with `apt-get -s`.",
        "Installing runs as a job that outlives a lost session; what changed is told by the lists of installed packages before and after.",
        "Services are not kept from starting unless `policy_rc_d: 101` is given.",
    ],
    arguments: &[
        Argument::new(
            "name",
            Kind::List,
            "Packages: `demo`, `demo=1.0*`, `demo>=1.0`, or the path of a .deb on the host.",
        )
        .aliases(&["package", "pkg"]),
        Argument::new("state", Kind::Str, "What they shall be.")
            .choices(&[
                "absent",
                "build-dep",
                "fixed",
                "installed",
                "latest",
                "present",
                "removed",
            ])
            .default("present"),
        Argument::new(
            "deb",
            Kind::Path,
            "The path of a .deb on the host; several with commas.",
        ),
        Argument::new(
            "update_cache",
            Kind::Flag,
            "Fetches the lists of packages first.",
        )
        .aliases(&["update-cache"]),
        Argument::new(
            "update_cache_retries",
            Kind::Int,
            "How often fetching them is tried.",
        )
        .default("5"),
        Argument::new(
            "update_cache_retry_max_delay",
            Kind::Duration,
            "How long is waited between two tries at most.",
        )
        .default("12"),
        Argument::new(
            "cache_valid_time",
            Kind::Duration,
            "How old the lists may be before they are fetched.",
        )
        .default("0"),
        Argument::new(
            "lock_timeout",
            Kind::Duration,
            "How long is waited while another program holds the lock.",
        )
        .default("60"),
        Argument::new("purge", Kind::Flag, "Removes the configuration as well.").default("false"),
        Argument::new(
            "default_release",
            Kind::Str,
            "The release that packages are taken from.",
        )
        .aliases(&["default-release"]),
        Argument::new(
            "install_recommends",
            Kind::Flag,
            "Whether recommended packages are installed; without it as the host is set up.",
        )
        .aliases(&["install-recommends"]),
        Argument::new(
            "force",
            Kind::Flag,
            "Allows downgrades, held, essential and unauthenticated packages.",
        )
        .default("false"),
        Argument::new(
            "allow_unauthenticated",
            Kind::Flag,
            "Allows packages that nobody signed.",
        )
        .aliases(&["allow-unauthenticated"])
        .default("false"),
        Argument::new(
            "allow_downgrade",
            Kind::Flag,
            "Allows an older version in place of a newer one.",
        )
        .aliases(&["allow-downgrade", "allow_downgrades", "allow-downgrades"])
        .default("false"),
        Argument::new(
            "allow_change_held_packages",
            Kind::Flag,
            "Allows changing packages that are held.",
        )
        .default("false"),
        Argument::new("upgrade", Kind::Str, "Upgrades all packages.")
            .choices(&["dist", "full", "no", "safe", "yes", "true", "false"])
            .default("no"),
        Argument::new("dpkg_options", Kind::Str, "Options for dpkg, with commas.")
            .default("force-confdef,force-confold"),
        Argument::new(
            "autoremove",
            Kind::Flag,
            "Removes packages that nobody needs any more.",
        )
        .default("false"),
        Argument::new(
            "autoclean",
            Kind::Flag,
            "Removes fetched packages that cannot be fetched any more.",
        )
        .default("false"),
        Argument::new("clean", Kind::Flag, "Removes all fetched packages.").default("false"),
        Argument::new(
            "policy_rc_d",
            Kind::Int,
            "What `/usr/sbin/policy-rc.d` answers meanwhile; 101 keeps services from being started or restarted.",
        ),
        Argument::new(
            "only_upgrade",
            Kind::Flag,
            "Installs nothing that is not there yet.",
        )
        .default("false"),
        Argument::new(
            "fail_on_autoremove",
            Kind::Flag,
            "Fails if a package would be removed.",
        )
        .default("false"),
    ],
    absent: &[
        ("force_apt_get", "apt-get is always used"),
        ("auto_install_module_deps", "nothing is needed on the host"),
    ],
    exclusive: &[&["deb", "upgrade"]],
    example: "- apt:\n    name: /var/cache/demo/demo_1.1_amd64.deb\n    policy_rc_d: 101\n",
    returns: PACKAGE_RETURNS,
    ..ModuleSpec::EMPTY
};

/// What the results of `apt`, `dnf` and `package` hold.
pub(super) const PACKAGE_RETURNS: &[(&str, &str)] = &[
    (
        "versions",
        "the version of each package that was named; nothing if it is not installed",
    ),
    ("stdout", "the output"),
    ("stdout_lines", "the output in lines"),
    ("stderr", "the error output"),
    ("stderr_lines", "the error output in lines"),
    ("rc", "the exit code, of a failure"),
    ("cache_updated", "whether the lists were fetched"),
    (
        "cache_update_time",
        "when the lists were fetched, in seconds since 1970",
    ),
];

/// The module.
#[derive(Debug)]
pub(super) struct Apt;

impl Module for Apt {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Wanted::of(arguments, Some(Manager::Apt))
            .map(|wanted| Box::new(wanted) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}
