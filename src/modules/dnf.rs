//! `dnf` (also `yum`): packages of Red Hat and its kin.

use super::apt::PACKAGE_RETURNS;
use super::packages::{Manager, Wanted};
use super::spec::{Argument, Arguments, Kind, ModuleSpec};
use super::{Action, Module};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "dnf",
    aliases: &["dnf5", "yum"],
    summary: "Installs, upgrades and removes packages with dnf, or yum where there is no dnf",
    notes: &[
        "Check mode simulates with `--assumeno`.",
        "Installing runs as a job that outlives a lost session; what changed is told by the lists of installed packages before and after.",
    ],
    arguments: &[
        Argument::new("name", Kind::List, "Packages: `demo`, `demo-1.0`, `@group`, `*` with latest, or the path of an .rpm on the host.")
            .aliases(&["pkg"]),
        Argument::new("state", Kind::Str, "What they shall be.")
            .choices(&["absent", "installed", "latest", "present", "removed"])
            .default("present"),
        Argument::new("update_cache", Kind::Flag, "Fetches the lists of packages first.").aliases(&["expire-cache"]).default("false"),
        Argument::new("lock_timeout", Kind::Duration, "How long is waited while another program holds the lock.").default("30"),
        Argument::new("disable_gpg_check", Kind::Flag, "Allows packages that nobody signed.").default("false"),
        Argument::new("allow_downgrade", Kind::Flag, "Allows an older version in place of a newer one.").default("false"),
        Argument::new("allowerasing", Kind::Flag, "Allows removing packages that are in the way.").default("false"),
        Argument::new("autoremove", Kind::Flag, "Removes packages that nobody needs any more.").default("false"),
        Argument::new("best", Kind::Flag, "Whether only the newest version will do."),
        Argument::new("bugfix", Kind::Flag, "Only upgrades that mend something.").default("false"),
        Argument::new("security", Kind::Flag, "Only upgrades that mend something about security.").default("false"),
        Argument::new("cacheonly", Kind::Flag, "Uses the lists that are there, however old.").default("false"),
        Argument::new("conf_file", Kind::Path, "Another configuration."),
        Argument::new("disablerepo", Kind::List, "Repositories that are not used."),
        Argument::new("enablerepo", Kind::List, "Repositories that are used."),
        Argument::new("disable_plugin", Kind::List, "Plugins that are not used."),
        Argument::new("enable_plugin", Kind::List, "Plugins that are used."),
        Argument::new("download_only", Kind::Flag, "Only fetches the packages.").default("false"),
        Argument::new("download_dir", Kind::Path, "Where they are put."),
        Argument::new("exclude", Kind::List, "Packages that are left alone."),
        Argument::new("install_weak_deps", Kind::Flag, "Whether packages that are only recommended are installed.").default("true"),
        Argument::new("installroot", Kind::Path, "The root directory.").default("/"),
        Argument::new("releasever", Kind::Str, "The release that packages are taken from."),
        Argument::new("skip_broken", Kind::Flag, "Leaves out packages that cannot be installed.").default("false"),
        Argument::new("update_only", Kind::Flag, "With latest, installs nothing that is not there yet.").default("false"),
        Argument::new("validate_certs", Kind::Flag, "Whether the certificates of repositories are checked.").default("true"),
    ],
    absent: &[
        ("list", "run `dnf list` with `command`"),
        ("use_backend", "dnf is used where it is, else yum"),
        ("auto_install_module_deps", "nothing is needed on the host"),
        ("disable_excludes", "set `excludepkgs` in the configuration"),
        ("install_repoquery", "nothing is needed on the host"),
        ("nobest", "write `best: false`"),
        ("sslverify", "write `validate_certs`"),
    ],
    example: "- dnf:\n    name: /var/cache/demo/demo-1.1-1.x86_64.rpm\n    disable_gpg_check: true\n",
    returns: PACKAGE_RETURNS,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Dnf;

impl Module for Dnf {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Wanted::of(arguments, Some(Manager::Dnf))
            .map(|wanted| Box::new(wanted) as Box<dyn Action>)
            .map_err(|error| error.in_task(arguments))
    }
}
