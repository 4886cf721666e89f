//! Whether a process outlives the session that it was started in, as far as this machine tells; and whether it could
//! still reach its hosts then.
//!
//! logind may end what a session leaves behind. Judged by what is read (`Session`); nothing is changed here.

use std::fs;
use std::path::{Path, PathBuf};

use super::machine::Machine;

/// Where logind's file lies, the one that counts first.
const FILES: [&str; 4] = [
    "/etc/systemd/logind.conf",
    "/run/systemd/logind.conf",
    "/usr/local/lib/systemd/logind.conf",
    "/usr/lib/systemd/logind.conf",
];

/// What the machine says of the session.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// Whether systemd runs here.
    systemd: bool,
    /// The process's own `/proc/self/cgroup`.
    cgroup: String,
    /// logind's files, in the order in which later lines count.
    logind: Vec<String>,
    user: String,
    /// Whether the user's services go on without a session.
    lingers: bool,
}

impl Session {
    /// Reads what the machine says.
    pub(super) fn read(user: &str) -> Self {
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let main = FILES.iter().map(Path::new).find(|path| path.exists());
        let mut logind: Vec<String> = main.into_iter().map(text).collect();
        logind.extend(drop_ins().iter().map(|path| text(path)));
        Self {
            systemd: Path::new("/run/systemd/system").is_dir(),
            cgroup: text(Path::new("/proc/self/cgroup")),
            logind,
            user: user.to_owned(),
            lingers: Path::new("/var/lib/systemd/linger").join(user).exists(),
        }
    }

    /// Says what would end this process with its session, if something may.
    pub(super) fn ends_what_it_started(&self) -> Option<String> {
        if !self.systemd {
            return None;
        }
        let parts: Vec<&str> = self
            .cgroup
            .lines()
            .flat_map(|line| line.rsplit(':').next().unwrap_or_default().split('/'))
            .collect();
        let of_session = |part: &&str| {
            let named = part.strip_prefix("session-");
            named.is_some_and(|rest| rest.strip_suffix(".scope").is_some())
        };
        let of_user = |part: &&str| {
            let named = part.strip_prefix("user@");
            named.is_some_and(|rest| rest.strip_suffix(".service").is_some())
        };
        if parts.iter().any(of_user) {
            return (!self.lingers).then(|| {
                format!(
                    "it runs below the services of {}, which end with the last session (`loginctl enable-linger` keeps them)",
                    self.user
                )
            });
        }
        if !parts.iter().any(of_session) {
            return None;
        }
        match self.kills() {
            Some(false) => None,
            Some(true) => Some(format!(
                "logind ends what a session of {} leaves behind (KillUserProcesses=yes)",
                self.user
            )),
            None => Some(
                "it cannot be told whether logind ends what a session leaves behind (no logind.conf says KillUserProcesses)"
                    .to_owned(),
            ),
        }
    }

    /// Tells whether logind kills what this user's session leaves; nothing where no file says so.
    fn kills(&self) -> Option<bool> {
        let listed = |key: &str, default: &str| {
            let value = self.value(key).unwrap_or_else(|| default.to_owned());
            value.split_whitespace().any(|name| name == self.user)
        };
        let kills = self.value("KillUserProcesses");
        // A commented line tells what was built in.
        let kills = kills.or_else(|| self.value("#KillUserProcesses"))?;
        let yes = matches!(kills.as_str(), "yes" | "true" | "on" | "1");
        let only = self
            .value("KillOnlyUsers")
            .is_some_and(|users| !users.is_empty());
        let spared = listed("KillExcludeUsers", "root") || (only && !listed("KillOnlyUsers", ""));
        Some(yes && !spared)
    }

    fn value(&self, key: &str) -> Option<String> {
        let lines = self.logind.iter().flat_map(|text| text.lines());
        let mut values = lines.filter_map(|line| {
            let (name, value) = line.trim().split_once('=')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        });
        values.next_back()
    }
}

/// Returns logind's further files, each name once, by name.
fn drop_ins() -> Vec<PathBuf> {
    let mut found = std::collections::BTreeMap::new();
    for file in FILES.iter().rev() {
        let entries = fs::read_dir(format!("{file}.d")).into_iter().flatten();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|end| end == "conf")
                && let Some(name) = path.file_name()
            {
                found.insert(name.to_owned(), path);
            }
        }
    }
    found.into_values().collect()
}

/// Says why the keys that are there now may be gone later, if so: those of an agent that came with the session.
pub(super) fn keys_go_with_the_session(machine: &Machine) -> Option<&'static str> {
    let has = |name: &str| {
        let value = machine.environment.get(name);
        value.is_some_and(|value| !value.is_empty())
    };
    (has("SSH_AUTH_SOCK") && has("SSH_CONNECTION") && !has("SSH_AGENT_PID")).then_some(
        "the keys of an agent that came with your SSH session go with it, and no host could be reached again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(cgroup: &str, logind: &[&str], user: &str, lingers: bool) -> Session {
        Session {
            systemd: true,
            cgroup: cgroup.to_owned(),
            logind: logind.iter().map(|text| (*text).to_owned()).collect(),
            user: user.to_owned(),
            lingers,
        }
    }

    #[test]
    fn what_ends_a_process_with_its_session_is_told() {
        let in_session = "0::/user.slice/user-1000.slice/session-3.scope\n";
        let old =
            "4:memory:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-c1.scope\n";
        let of_user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n";
        let service = "0::/system.slice/cron.service\n";
        let yes = "[Login]\nKillUserProcesses=yes\n";
        let (built_in_no, built_in_yes) = (
            "[Login]\n#KillUserProcesses=no\n",
            "#KillUserProcesses=yes\n",
        );
        let spares = "KillExcludeUsers=root ann\n";
        let only = "KillOnlyUsers=bob\n";
        let killed = Some("KillUserProcesses=yes");
        let table: [(Session, Option<&str>); 12] = [
            (session(in_session, &[yes], "ann", false), killed),
            (session(old, &[yes], "ann", false), killed),
            (session(in_session, &[yes], "root", false), None),
            (session(in_session, &[yes, spares], "ann", false), None),
            (session(in_session, &[yes, only], "ann", false), None),
            (session(in_session, &[yes, only], "bob", false), killed),
            (session(in_session, &[built_in_no], "ann", false), None),
            (session(in_session, &[built_in_yes], "ann", false), killed),
            (
                session(in_session, &[built_in_no, yes], "ann", false),
                killed,
            ),
            (
                session(in_session, &[], "ann", true),
                Some("cannot be told"),
            ),
            (
                session(of_user, &[yes], "ann", false),
                Some("enable-linger"),
            ),
            (session(of_user, &[yes], "ann", true), None),
        ];
        for (session, expected) in table {
            let told = session.ends_what_it_started();
            match expected {
                None => assert_eq!(told, None, "{session:?}"),
                Some(text) => assert!(told.is_some_and(|told| told.contains(text)), "{session:?}"),
            }
        }
        assert_eq!(
            session(service, &[yes], "ann", false).ends_what_it_started(),
            None
        );
        let without = Session {
            systemd: false,
            ..session(in_session, &[yes], "ann", false)
        };
        assert_eq!(without.ends_what_it_started(), None);
    }
}
