//! Files, packages and units of the machines, each below a directory of its own, worked on by a real shell.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{HOSTS, NEW, OLD};
use crate::connection::Reply;

/// The paths of a machine that are led below its directory.
const OWN: [&str; 4] = [
    "/var/lib/stagger",
    "/etc/systemd",
    "/usr/sbin/policy-rc.d",
    "/srv/arangodb",
];

const DROP_IN: &str = "etc/systemd/system/arangodb.service.d/90-stagger.conf";

/// What stands for systemd: units in files, read again when it is told to.
const SYSTEMCTL: &str = r#"#!/bin/sh
case " $* " in
  *' daemon-reload '*) if [ -e "$R/DROP" ]; then : >"$R/loaded"; else rm -f "$R/loaded"; fi ;;
  *' mask '*) : >"$R/masked" ;;
  *' unmask '*) rm -f "$R/masked" ;;
  *' is-enabled '*) if [ -e "$R/masked" ]; then echo masked; else echo disabled; fi ;;
  *' show '*) if [ -e "$R/masked" ]; then s=masked l=masked; else s=disabled l=loaded; fi
    printf 'Id=arangodb3.service\nLoadState=%s\nActiveState=inactive\nUnitFileState=%s\n' $l $s ;;
  *) echo "nobody expected: systemctl $*" >&2; exit 64 ;;
esac
"#;

const DPKG_QUERY: &str = "#!/bin/sh\nprintf 'ii \\t%s\\tarangodb3\\n' \"$(cat \"$R/version\")\"\n";
const DPKG_DEB: &str = "#!/bin/sh\nprintf 'Package: arangodb3\\nVersion: NEW\\n'\n";
const APT_GET: &str = r#"#!/bin/sh
case " $* " in
  *' -s '*|*' --simulate '*|*' --dry-run '*) printf 'Inst arangodb3 [%s] (NEW local [amd64])\n' "$(cat "$R/version")" ;;
  *' install '*) echo install >>"$R/installs"; printf NEW >"$R/version" ;;
  *) echo "nobody expected: apt-get $*" >&2; exit 64 ;;
esac
"#;

/// A machine has room enough, whatever the machine of the test has.
const DF: &str = "#!/bin/sh\nprintf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\n'\n\
for p; do case $p in -*) ;; *) echo '/dev/sda1 99999999 1 99999999 1% /' ;; esac; done\n";

/// Where the hold file lies.
const HOLD: &str = "var/lib/stagger/hold/arangodb";

/// The machines' directories.
#[derive(Debug)]
pub(super) struct Places {
    top: TempDir,
}

#[expect(clippy::disallowed_methods, reason = "a machine is laid out")]
fn write(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Places {
    pub(super) fn new() -> Self {
        // In memory where that can be: what is synced there costs nothing.
        let memory = Path::new("/dev/shm");
        let top = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let places = Self { top: top.unwrap() };
        let programs = [
            ("systemctl", SYSTEMCTL),
            ("dpkg-query", DPKG_QUERY),
            ("dpkg-deb", DPKG_DEB),
            ("apt-get", APT_GET),
            ("df", DF),
        ];
        for (name, text) in programs {
            let text = text.replace("DROP", DROP_IN).replace("NEW", NEW);
            write(&places.top.path().join("bin").join(name), &text, 0o755);
        }
        for host in HOSTS {
            let own = places.own(host);
            for directory in ["var/lib", "etc/systemd/system", "usr/sbin", "srv/arangodb"] {
                std::fs::create_dir_all(own.join(directory)).unwrap();
            }
            write(&own.join("version"), OLD, 0o644);
        }
        places
    }

    fn own(&self, host: &str) -> PathBuf {
        self.top.path().join(host)
    }

    /// The version of the program on a machine's disk.
    pub(super) fn version(&self, host: &str) -> &'static str {
        let found = std::fs::read_to_string(self.own(host).join("version"));
        if found.is_ok_and(|found| found == NEW) {
            NEW
        } else {
            OLD
        }
    }

    /// How often the package was installed.
    pub(super) fn installs(&self, host: &str) -> u32 {
        let told = std::fs::read_to_string(self.own(host).join("installs"));
        u32::try_from(told.unwrap_or_default().lines().count()).unwrap()
    }

    /// Whether the drop-in lies there.
    pub(super) fn drop_in(&self, host: &str) -> bool {
        self.own(host).join(DROP_IN).exists()
    }

    /// Whether systemd goes by the drop-in.
    pub(super) fn in_force(&self, host: &str) -> bool {
        self.own(host).join("loaded").exists()
    }

    /// Whether the package's standalone server is masked.
    pub(super) fn masked(&self, host: &str) -> bool {
        self.own(host).join("masked").exists()
    }

    /// Whether the hold file is there.
    pub(super) fn held(&self, host: &str) -> bool {
        self.own(host).join(HOLD).exists()
    }

    /// Takes the hold file away.
    pub(super) fn let_go(&self, host: &str) {
        drop(std::fs::remove_file(self.own(host).join(HOLD)));
    }

    /// Boots a machine: systemd reads its units.
    #[expect(clippy::disallowed_methods, reason = "systemd notes what it read")]
    pub(super) fn boots(&self, host: &str) {
        let loaded = self.own(host).join("loaded");
        if self.drop_in(host) {
            std::fs::write(loaded, "").unwrap();
        } else if loaded.exists() {
            std::fs::remove_file(loaded).unwrap();
        }
    }

    /// Puts a file on a machine.
    #[expect(clippy::disallowed_methods, reason = "a machine gets a file")]
    pub(super) fn put(&self, host: &str, path: &str, content: &[u8]) {
        let place = self.own(host).join(path.trim_start_matches('/'));
        std::fs::write(place, content).unwrap();
    }

    /// Runs a text as a machine's shell does.
    #[expect(clippy::disallowed_methods, reason = "a shell is what hosts have")]
    pub(super) fn run(&self, host: &str, text: &str) -> Reply {
        let own = self.own(host).display().to_string();
        let text = OWN.iter().fold(text.to_owned(), |text, path| {
            text.replace(path, &format!("{own}{path}"))
        });
        // What is put into a file stays as it is: the one path in one of them stands behind a mark of its own.
        let text = text.replace(&format!("!{own}/"), "!/");
        let programs = self.top.path().join("bin");
        let output = Command::new("dash")
            .args(["-c", &text])
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display()),
            )
            .env("R", &own)
            .current_dir("/")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let without = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).replace(&own, "");
            text.into_bytes()
        };
        Reply {
            code: output.status.code().unwrap_or(128),
            out: without(output.stdout),
            err: without(output.stderr),
        }
    }

    /// Lists what lies on the machines, by path.
    pub(super) fn listed(&self) -> String {
        let mut found = Vec::new();
        for host in HOSTS {
            walk(&self.own(host), &mut found);
        }
        found.sort();
        let top = self.top.path();
        let shown = found.iter().map(|path| {
            let name = path.strip_prefix(top).unwrap().display().to_string();
            let text = std::fs::read_to_string(path).unwrap_or_default();
            format!("{name}: {} bytes\n", text.len())
        });
        shown.collect()
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        }
        found.push(path);
    }
}
