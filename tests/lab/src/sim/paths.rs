//! Where the simulators find and leave what is not on their command line.
//!
//! All places move together under the directory that the environment variable `LAB_ROOT`
//! names, so that several "hosts" fit on one machine. Nothing else is read from the
//! environment.

use std::path::{Path, PathBuf};

/// The places of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Returns the places under the given root.
    pub fn under(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the places of this host, moved by `LAB_ROOT` if that is set.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a simulator reads its environment"
    )]
    pub fn of_this_host() -> Self {
        Self::under(std::env::var("LAB_ROOT").unwrap_or_else(|_| "/".to_owned()))
    }

    /// Returns the directory that everything else lies under.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Tells whether the host has a machine of its own, and does not share one with others.
    pub fn has_the_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns where a place lies that a host calls by its whole path.
    pub fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Returns the file that says which version the installed programs are.
    pub fn version(&self) -> PathBuf {
        self.root.join("usr/share/arangodb3/VERSION")
    }

    /// Returns the address of a host that goes by a name: as the host's own `etc/hosts` has it where several hosts share a
    /// machine. What is not in there is for the machine to find.
    pub fn address_of(&self, host: &str) -> String {
        let text = if self.has_the_machine() {
            String::new()
        } else {
            std::fs::read_to_string(self.root.join("etc/hosts")).unwrap_or_default()
        };
        let mut found = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.next()?;
            words.any(|name| name == host).then_some(address)
        });
        found.next().unwrap_or(host).to_owned()
    }

    /// Returns the file with the switches of behaviour.
    pub fn switches(&self) -> PathBuf {
        self.root.join("etc/lab/sim.json")
    }

    /// Returns the file that every effect is appended to.
    pub fn effects(&self) -> PathBuf {
        self.root.join("var/lib/lab/effects.log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        assert_eq!(paths.address_of("db1.lab"), "db1.lab");
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        crate::sim::files::replace(
            &dir.path().join("etc/hosts"),
            b"127.5.1.1 db1.lab db1\n",
            0o644,
        )
        .unwrap();
        assert_eq!(paths.address_of("db1"), "127.5.1.1");
        assert_eq!(paths.address_of("127.9.9.9"), "127.9.9.9");
    }

    #[test]
    fn everything_moves_with_the_root() {
        let paths = Paths::under("/");
        assert_eq!(paths.version(), Path::new("/usr/share/arangodb3/VERSION"));
        assert_eq!(paths.place("/var/lib/x"), Path::new("/var/lib/x"));
        let moved = Paths::under("/tmp/h1");
        assert_eq!(moved.place("/var/lib/x"), Path::new("/tmp/h1/var/lib/x"));
        assert!(paths.has_the_machine() && !moved.has_the_machine());
        assert_eq!(moved.switches(), Path::new("/tmp/h1/etc/lab/sim.json"));
        assert_eq!(
            moved.effects(),
            Path::new("/tmp/h1/var/lib/lab/effects.log")
        );
    }
}
