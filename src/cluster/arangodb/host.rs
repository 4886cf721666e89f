//! What one machine shows of its starter and its servers: unit, processes, data directories, versions on disk.
//!
//! Two shell texts, because the second needs the data directory that the first one finds, and parsers for what they
//! print. Nothing is changed. Called by the module that asks a host, and by `member`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::cluster::model::arangodb::Role;
use crate::cluster::process::{self, Process, SHELL};
use crate::template::shell_quote;

/// The properties of a unit, effective ones, as `systemctl show` prints them.
pub type Unit = BTreeMap<String, String>;

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,MainPID,KillMode,Restart,User,Group,FragmentPath,\
DropInPaths,ExecStart,NeedDaemonReload,UnitFileState,NRestarts,TimeoutStopUSec,ControlGroup";

/// Programs that the upgrade may use on the host.
const TOOLS: &[&str] = &[
    "base64",
    "sha256sum",
    "setsid",
    "systemctl",
    "systemd-run",
    "setpriv",
    "runuser",
    "su",
    "sudo",
    "curl",
    "wget",
    "bash",
    "busybox",
    "dpkg",
    "rpm",
    "apt-get",
    "dnf",
    "yum",
    "logger",
    "prlimit",
    "needrestart",
];

/// What the first text found.
#[derive(Debug, Clone, Default)]
pub struct Surface {
    /// The starter's unit.
    pub unit: Unit,
    /// The unit of the package's standalone server.
    pub standalone: Unit,
    /// The unit's main process, if it runs.
    pub starter: Option<Process>,
    /// Programs by name, with their paths.
    pub tools: BTreeMap<String, String>,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// Makes the first text: units, main process, tools.
pub fn surface_script(unit: &str, standalone: &str) -> String {
    let (unit, standalone) = (shell_quote(unit), shell_quote(standalone));
    let tools = TOOLS.join(" ");
    format!(
        r#"{SHELL}
export LC_ALL=C
printf 'unit %s\n' "$(systemctl show -p {PROPERTIES} -- {unit} 2>/dev/null | stagger_b64)"
printf 'standalone %s\n' "$(systemctl show -p {PROPERTIES} -- {standalone} 2>/dev/null | stagger_b64)"
printf 'machine %s\n' "$(cat /etc/machine-id 2>/dev/null | stagger_b64)"
printf 'boot %s\n' "$(cat /proc/sys/kernel/random/boot_id | stagger_b64)"
for stagger_t in {tools}; do
  stagger_w=$(command -v "$stagger_t" 2>/dev/null) && printf 'tool %s\n' "$(printf '%s %s' "$stagger_t" "$stagger_w" | stagger_b64)"
done
stagger_m=$(systemctl show -p MainPID -- {unit} 2>/dev/null); stagger_process "${{stagger_m#MainPID=}}"
:
"#
    )
}

/// Reads what [`surface_script`] printed.
pub fn parse_surface(text: &str) -> Surface {
    let mut surface = Surface {
        starter: process::parse(text).into_iter().next(),
        ..Surface::default()
    };
    for (key, value) in decoded(text) {
        match key {
            "unit" => surface.unit = properties(&value),
            "standalone" => surface.standalone = properties(&value),
            "machine" => value.trim().clone_into(&mut surface.machine_id),
            "boot" => value.trim().clone_into(&mut surface.boot_id),
            "tool" => {
                if let Some((name, path)) = value.split_once(' ') {
                    surface.tools.insert(name.to_owned(), path.to_owned());
                }
            }
            _ => {}
        }
    }
    surface
}

/// One server's directory on the host.
#[derive(Debug, Clone, Default)]
pub struct ServerDirectory {
    /// The directory's whole path.
    pub path: String,
    /// Its kind and port, from its name (`dbserver8530`).
    pub place: Option<(Role, u16)>,
    /// The pid in `data/LOCK`; it survives a `kill -9`, so it alone proves nothing.
    pub lock_pid: Option<u32>,
    /// The content of `data/ENGINE`.
    pub engine: String,
    /// The content of each `data/VERSION*` file.
    pub versions: BTreeMap<String, String>,
    /// The text of `arangod_command.txt` or `arangosync_command.txt`.
    pub command: Option<Vec<u8>>,
}

/// What the second text found.
#[derive(Debug, Clone, Default)]
pub struct Depth {
    /// The text of the starter's `setup.json`.
    pub setup: Option<String>,
    /// The servers' directories.
    pub servers: Vec<ServerDirectory>,
    /// The processes that the locks and the caller named.
    pub processes: Vec<Process>,
    /// What `arangod --version` printed.
    pub binary: String,
}

/// Makes the second text: the data directory, the processes of its servers and of `pids`, the binary's version.
pub fn depth_script(data_dir: &str, binary: &str, pids: &[u32]) -> String {
    let mut text = String::from(SHELL);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "export LC_ALL=C\nstagger_data={}\nstagger_binary={}",
        shell_quote(data_dir),
        shell_quote(binary)
    );
    text.push_str(
        r#"[ -r "$stagger_data/setup.json" ] && printf 'setup %s\n' "$(stagger_b64 <"$stagger_data/setup.json")"
stagger_pids=
for stagger_dir in "$stagger_data"/agent[0-9]* "$stagger_data"/dbserver[0-9]* "$stagger_data"/coordinator[0-9]* "$stagger_data"/single[0-9]* "$stagger_data"/syncmaster[0-9]* "$stagger_data"/syncworker[0-9]*; do
  [ -d "$stagger_dir" ] || continue
  printf 'server %s\n' "$(printf %s "$stagger_dir" | stagger_b64)"
  if [ -r "$stagger_dir/data/LOCK" ]; then
    read -r stagger_l <"$stagger_dir/data/LOCK" || :
    printf 'lock %s\n' "$(printf %s "$stagger_l" | stagger_b64)"
    stagger_pids="$stagger_pids $stagger_l"
  fi
  [ -r "$stagger_dir/data/ENGINE" ] && printf 'engine %s\n' "$(stagger_b64 <"$stagger_dir/data/ENGINE")"
  for stagger_v in "$stagger_dir"/data/VERSION*; do
    [ -r "$stagger_v" ] && printf 'version %s\n' "$( { printf '%s\n' "${stagger_v##*/}"; cat "$stagger_v"; } | stagger_b64)"
  done
  for stagger_c in "$stagger_dir"/arangod_command.txt "$stagger_dir"/arangosync_command.txt; do
    [ -r "$stagger_c" ] && printf 'command %s\n' "$(stagger_b64 <"$stagger_c")"
  done
done
printf 'binary %s\n' "$("$stagger_binary" --version 2>/dev/null </dev/null | stagger_b64)"
"#,
    );
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let _ = writeln!(
        text,
        "for stagger_p in $stagger_pids {}; do stagger_process \"$stagger_p\"; done\n:",
        pids.join(" ")
    );
    text
}

/// Reads what [`depth_script`] printed.
pub fn parse_depth(text: &str) -> Depth {
    let mut depth = Depth {
        processes: process::parse(text),
        ..Depth::default()
    };
    for (key, value) in decoded(text) {
        let server = depth.servers.last_mut();
        match (key, server) {
            ("setup", _) => depth.setup = Some(value),
            ("binary", _) => depth.binary = value,
            ("server", _) => depth.servers.push(ServerDirectory {
                place: place(value.rsplit('/').next().unwrap_or_default()),
                path: value,
                ..ServerDirectory::default()
            }),
            ("lock", Some(server)) => server.lock_pid = value.trim().parse().ok(),
            ("engine", Some(server)) => value.trim().clone_into(&mut server.engine),
            ("version", Some(server)) => {
                let (name, content) = value.split_once('\n').unwrap_or((&value, ""));
                server.versions.insert(name.to_owned(), content.to_owned());
            }
            ("command", Some(server)) => server.command = raw(text, &server.path),
            _ => {}
        }
    }
    depth.processes.sort_by_key(|process| process.pid);
    depth.processes.dedup_by_key(|process| process.pid);
    depth
}

/// Returns the bytes of the command file that was printed after a server's line; they need not be UTF-8.
fn raw(text: &str, path: &str) -> Option<Vec<u8>> {
    let server = format!("server {}", STANDARD.encode(path));
    let after = text.lines().skip_while(|line| *line != server).skip(1);
    let mut own = after.take_while(|line| !line.starts_with("server "));
    STANDARD
        .decode(own.find_map(|line| line.strip_prefix("command "))?)
        .ok()
}

fn decoded(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((
            key,
            String::from_utf8_lossy(&STANDARD.decode(value).ok()?).into_owned(),
        ))
    })
}

fn properties(text: &str) -> Unit {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Reads a server directory's name: kind and port.
fn place(name: &str) -> Option<(Role, u16)> {
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let (kind, port) = name.split_at(digits);
    Some((Role::from_name(kind)?, port.parse().ok()?))
}

/// Reads the number in a `VERSION*` file, such as 30316.
pub fn data_version(content: &str) -> Option<u64> {
    let value: Value = serde_json::from_str(content.trim()).ok()?;
    value.get("version").and_then(Value::as_u64)
}

/// Reads `arangod --version`: the line `server-version: 3.4.0`, or else the first word that is a version.
pub fn binary_version(text: &str) -> Option<String> {
    let named = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("server-version:"));
    let first = || {
        text.split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
    };
    named.map(str::trim).or_else(first).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn versions_are_read_from_files_and_from_the_binary() {
        assert_eq!(
            data_version(r#"{"version":30400,"tasks":{"x":true}}"#),
            Some(30400)
        );
        assert_eq!(data_version("torn"), None);
        assert_eq!(
            binary_version("3.4.0\n\narchitecture: 64bit\nserver-version: 3.4.0\n").as_deref(),
            Some("3.4.0")
        );
        assert_eq!(
            binary_version("ArangoDB 3.3.20 [linux]\n").as_deref(),
            Some("3.3.20")
        );
        assert_eq!(binary_version(""), None);
        assert_eq!(place("dbserver8530"), Some((Role::Dbserver, 8530)));
        assert_eq!(place("lost+found"), None);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the shell text is tried in real shells"
    )]
    fn a_data_directory_is_read_by_every_shell() {
        let top = tempfile::tempdir().unwrap();
        let data = top.path().join("da ta$'x");
        let inner = data.join("dbserver8530/data");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir_all(data.join("agent8531/data")).unwrap();
        std::fs::write(data.join("setup.json"), "{}").unwrap();
        std::fs::write(inner.join("LOCK"), std::process::id().to_string()).unwrap();
        std::fs::write(inner.join("ENGINE"), "rocksdb").unwrap();
        std::fs::write(inner.join("VERSION-1"), r#"{"version":30316}"#).unwrap();
        std::fs::write(
            data.join("dbserver8530/arangod_command.txt"),
            b"/usr/sbin/arangod \\\n-c \\\n/\xff\n",
        )
        .unwrap();
        let script = depth_script(&data.to_string_lossy(), "/bin/false", &[std::process::id()]);
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let output = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", &script])
                .output()
                .unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{shell:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let depth = parse_depth(&String::from_utf8(output.stdout).unwrap());
            assert_eq!(depth.setup.as_deref(), Some("{}"));
            let [agent, server] = &depth.servers[..] else {
                panic!("{:?}", depth.servers)
            };
            assert_eq!(
                (agent.place, agent.lock_pid),
                (Some((Role::Agent, 8531)), None)
            );
            assert_eq!(
                (server.place, server.lock_pid),
                (Some((Role::Dbserver, 8530)), Some(std::process::id()))
            );
            assert_eq!(
                (
                    server.engine.as_str(),
                    data_version(&server.versions["VERSION-1"])
                ),
                ("rocksdb", Some(30316))
            );
            assert_eq!(
                server.command.as_deref(),
                Some(&b"/usr/sbin/arangod \\\n-c \\\n/\xff\n"[..])
            );
            assert_eq!(depth.processes.len(), 1, "a process named twice is one");
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the shell text is tried in real shells"
    )]
    fn a_machine_without_the_units_still_answers() {
        let script = surface_script("no such unit", "arangodb3");
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let output = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", &script])
                .output()
                .unwrap();
            let surface = parse_surface(&String::from_utf8(output.stdout).unwrap());
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(surface.boot_id.len(), 36);
            assert!(
                surface.starter.is_none() && surface.tools.contains_key("base64"),
                "{surface:?}"
            );
        }
    }
}
