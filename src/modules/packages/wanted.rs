//! What a task asks of the packages.

use std::time::Duration;

use serde_json::Value;

use super::Manager;
use crate::modules::ModuleError;
use crate::modules::spec::Arguments;

/// The state that packages shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Installed.
    Present,
    /// Installed in the newest version.
    Latest,
    /// Not installed.
    Absent,
    /// What is needed to build them is installed.
    BuildDep,
    /// Nothing among the packages is broken.
    Fixed,
}

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Just this one, or a shell pattern of it.
    Equal,
    /// This one or a newer one.
    AtLeast,
}

/// One package as a task names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As it was written.
    pub raw: String,
    /// The package, or the path of a file.
    pub name: String,
    /// The version that is asked for.
    pub version: Option<(Operator, String)>,
    /// Whether it is a file on the host.
    pub is_file: bool,
}

impl Name {
    /// Reads `demo`, `demo=1.0*`, `demo>=1.0` or a path.
    pub fn parse(raw: &str) -> Self {
        let raw = raw.trim();
        let split = |operator, (name, version): (&str, &str)| Self {
            raw: raw.to_owned(),
            name: name.trim().to_owned(),
            version: Some((operator, version.trim().to_owned())),
            is_file: false,
        };
        if raw.contains('/') && !raw.contains("://") {
            return Self {
                raw: raw.to_owned(),
                name: raw.to_owned(),
                version: None,
                is_file: true,
            };
        }
        if let Some(parts) = raw.split_once(">=") {
            return split(Operator::AtLeast, parts);
        }
        if let Some(parts) = raw.split_once('=') {
            return split(Operator::Equal, parts);
        }
        Self {
            raw: raw.to_owned(),
            name: raw.to_owned(),
            version: None,
            is_file: false,
        }
    }
}

/// All that a task asks of the packages.
#[derive(Debug)]
pub struct Wanted {
    manager: Option<Manager>,
    /// The packages.
    pub names: Vec<Name>,
    /// The state that they shall have.
    pub state: State,
    /// Whether the lists are fetched first.
    pub update_cache: bool,
    /// How old the lists may be.
    pub cache_valid_time: Duration,
    /// How long is waited while another program holds the lock.
    pub lock_timeout: Duration,
    /// Which upgrade of all packages is asked for.
    pub upgrade: Option<String>,
    /// Whether packages that nobody needs any more are removed.
    pub autoremove: bool,
    /// All arguments, for what only one program knows.
    pub arguments: Arguments,
}

impl Wanted {
    /// Reads the arguments of `apt`, `dnf` or `package`.
    pub fn of(arguments: &Arguments, manager: Option<Manager>) -> Result<Self, ModuleError> {
        let mut names: Vec<Name> = arguments
            .list("name")
            .iter()
            .filter(|name| !name.trim().is_empty())
            .map(|name| Name::parse(name))
            .collect();
        if let Some(files) = arguments.str("deb") {
            names.extend(files.split(',').map(|file| Name {
                is_file: true,
                ..Name::parse(file)
            }));
        }
        let remote = names.iter().find(|name| name.raw.contains("://"));
        if let Some(name) = remote {
            return Err(ModuleError::failed(format!(
                "`{}` is not on the host: fetch it with `get_url` and name the file",
                name.raw
            )));
        }
        let seconds = |name: &str, default| {
            let given = arguments.get(name).and_then(Value::as_f64);
            given
                .and_then(|given| Duration::try_from_secs_f64(given).ok())
                .unwrap_or(default)
        };
        let valid = seconds("cache_valid_time", Duration::ZERO);
        let wanted = Self {
            state: match arguments.str("state") {
                Some("latest") => State::Latest,
                Some("absent" | "removed") => State::Absent,
                Some("build-dep") => State::BuildDep,
                Some("fixed") => State::Fixed,
                _ => State::Present,
            },
            update_cache: arguments.flag("update_cache") || !valid.is_zero(),
            cache_valid_time: valid,
            lock_timeout: seconds("lock_timeout", Duration::from_mins(1)),
            upgrade: arguments
                .str("upgrade")
                .filter(|upgrade| !matches!(*upgrade, "no" | "false" | "False"))
                .map(str::to_owned),
            autoremove: arguments.flag("autoremove"),
            manager,
            names,
            arguments: arguments.clone(),
        };
        let idle = wanted.names.is_empty()
            && !wanted.update_cache
            && wanted.upgrade.is_none()
            && wanted.state != State::Fixed
            && !wanted.autoremove
            && !wanted.cleans();
        if idle {
            return Err(ModuleError::failed(
                "name no package, no update_cache and no upgrade: there is nothing to do",
            ));
        }
        Ok(wanted)
    }

    /// Returns the programs that may handle the packages, the first one that is there does.
    pub fn managers(&self) -> &'static [Manager] {
        match self.manager {
            Some(Manager::Apt) => &[Manager::Apt],
            Some(Manager::Dnf | Manager::Yum) => &[Manager::Dnf, Manager::Yum],
            None => &[Manager::Apt, Manager::Dnf, Manager::Yum],
        }
    }

    /// Tells whether fetched packages are cleaned away.
    pub fn cleans(&self) -> bool {
        self.arguments.flag("clean") || self.arguments.flag("autoclean")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_versions_or_are_files() {
        let of = |raw: &str| {
            let name = Name::parse(raw);
            (name.name, name.version, name.is_file)
        };
        assert_eq!(of("demo"), ("demo".into(), None, false));
        assert_eq!(
            of("demo=1.0*"),
            ("demo".into(), Some((Operator::Equal, "1.0*".into())), false)
        );
        assert_eq!(
            of("demo >= 1:2"),
            (
                "demo".into(),
                Some((Operator::AtLeast, "1:2".into())),
                false
            )
        );
        assert_eq!(of("/tmp/a=b.deb"), ("/tmp/a=b.deb".into(), None, true));
    }
}
