//! What one machine shows of its starter and its servers: unit, processes, data directories, versions on disk.
//!
//! Two shell texts, because the second needs the data directory that the first one finds, and parsers for what they
//! print. Nothing is changed. Called by the module that asks a host, and by `member`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::cluster::model::arangodb::Role;
use crate::cluster::process::{self, Process, SHELL};
use crate::cluster::sections::{Marker, Part};
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
    /// Whether the file is there that holds the starter back.
    pub held: bool,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// Makes the first text: units, main process, tools, and whether `hold` is there.
pub fn surface_script(marker: &Marker, unit: &str, standalone: &str, hold: Option<&str>) -> String {
    let hold = shell_quote(hold.unwrap_or_default());
    let (unit, standalone) = (shell_quote(unit), shell_quote(standalone));
    let tools = TOOLS.join(" ");
    format!(
        r#"{at}{SHELL}
export LC_ALL=C
stagger_n='
'
stagger_u=$(systemctl show -p {PROPERTIES} -- {unit} {standalone} 2>/dev/null)
stagger_at units; printf '%s\n' "$stagger_u"
stagger_at held; [ -e {hold} ] && printf yes
stagger_at machine; read -r stagger_l 2>/dev/null </etc/machine-id && printf %s "$stagger_l"
stagger_at boot; read -r stagger_l </proc/sys/kernel/random/boot_id && printf %s "$stagger_l"
stagger_at tools
for stagger_t in {tools}; do printf '%s ' "$stagger_t"; command -v "$stagger_t" 2>/dev/null || echo; done
stagger_m=${{stagger_n}}${{stagger_u}}; stagger_m=${{stagger_m#*"$stagger_n"MainPID=}}; stagger_process "${{stagger_m%%"$stagger_n"*}}"
:
"#,
        at = marker.shell()
    )
}

/// Reads what [`surface_script`] printed.
pub fn parse_surface(parts: &[Part<'_>]) -> Surface {
    let mut surface = Surface {
        starter: process::parse(parts).into_iter().next(),
        ..Surface::default()
    };
    for part in parts {
        let text = part.text();
        match part.name {
            "units" => {
                let mut units = text.split("\n\n").map(properties);
                surface.unit = units.next().unwrap_or_default();
                surface.standalone = units.next().unwrap_or_default();
            }
            "held" => surface.held = text.trim() == "yes",
            "machine" => text.trim().clone_into(&mut surface.machine_id),
            "boot" => text.trim().clone_into(&mut surface.boot_id),
            "tools" => {
                let tools = text.lines().filter_map(|line| line.split_once(' '));
                let there = tools.filter(|(_, path)| !path.is_empty());
                surface.tools = there
                    .map(|(name, path)| (name.to_owned(), path.to_owned()))
                    .collect();
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
pub fn depth_script(marker: &Marker, data_dir: &str, binary: &str, pids: &[u32]) -> String {
    let mut text = marker.shell() + SHELL;
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "export LC_ALL=C\nstagger_data={}\nstagger_binary={}",
        shell_quote(data_dir),
        shell_quote(binary)
    );
    text.push_str(DATA_DIRECTORY);
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    // A lock and the starter mostly name the same process; it is read once.
    let _ = writeln!(
        text,
        "for stagger_p in $stagger_pids {}; do\n  case $stagger_seen in *\" $stagger_p \"*) continue;; esac\n  \
         stagger_seen=\"$stagger_seen$stagger_p \"; stagger_process \"$stagger_p\"\ndone\n:",
        pids.join(" ")
    );
    text
}

/// What lies in the data directory. What is one line, or short, is read by the shell itself.
const DATA_DIRECTORY: &str = r#"stagger_pids=; stagger_seen=' '
[ -r "$stagger_data/setup.json" ] && { stagger_at setup; cat "$stagger_data/setup.json"; }
for stagger_dir in "$stagger_data"/agent[0-9]* "$stagger_data"/dbserver[0-9]* "$stagger_data"/coordinator[0-9]* "$stagger_data"/single[0-9]* "$stagger_data"/syncmaster[0-9]* "$stagger_data"/syncworker[0-9]*; do
  [ -d "$stagger_dir" ] || continue
  stagger_at server; printf %s "$stagger_dir"
  if [ -r "$stagger_dir/data/LOCK" ]; then
    read -r stagger_l <"$stagger_dir/data/LOCK" || :
    stagger_at lock; printf %s "$stagger_l"
    case $stagger_l in ''|*[!0-9]*) ;; *) stagger_pids="$stagger_pids $stagger_l";; esac
  fi
  if [ -r "$stagger_dir/data/ENGINE" ]; then
    read -r stagger_l <"$stagger_dir/data/ENGINE" || :
    stagger_at engine; printf %s "$stagger_l"
  fi
  for stagger_v in "$stagger_dir"/data/VERSION*; do
    [ -r "$stagger_v" ] || continue
    stagger_at version; printf '%s\n' "${stagger_v##*/}"
    while IFS= read -r stagger_l || [ -n "$stagger_l" ]; do printf '%s\n' "$stagger_l"; done <"$stagger_v"
  done
  for stagger_c in "$stagger_dir"/arangod_command.txt "$stagger_dir"/arangosync_command.txt; do
    [ -r "$stagger_c" ] && { stagger_at command; cat "$stagger_c"; }
  done
done
stagger_at binary; "$stagger_binary" --version 2>/dev/null </dev/null
"#;

/// Reads what [`depth_script`] printed.
pub fn parse_depth(parts: &[Part<'_>]) -> Depth {
    let mut depth = Depth {
        processes: process::parse(parts),
        ..Depth::default()
    };
    for part in parts {
        let server = depth.servers.last_mut();
        let text = part.text();
        match (part.name, server) {
            ("setup", _) => depth.setup = Some(text),
            ("binary", _) => depth.binary = text,
            ("server", _) => depth.servers.push(ServerDirectory {
                place: place(text.rsplit('/').next().unwrap_or_default()),
                path: text,
                ..ServerDirectory::default()
            }),
            ("lock", Some(server)) => server.lock_pid = text.trim().parse().ok(),
            ("engine", Some(server)) => text.trim().clone_into(&mut server.engine),
            ("version", Some(server)) => {
                let (name, content) = text.split_once('\n').unwrap_or((&text, ""));
                server.versions.insert(name.to_owned(), content.to_owned());
            }
            ("command", Some(server)) => server.command = Some(part.content.to_vec()),
            _ => {}
        }
    }
    depth.processes.sort_by_key(|process| process.pid);
    depth.processes.dedup_by_key(|process| process.pid);
    depth
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
    use crate::cluster::sections::testing::{SHELLS, printed, programs_of};

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
    #[expect(clippy::disallowed_methods, reason = "a data directory is made")]
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
            b"/usr/sbin/arangod \\\n-c \\\n/\xff\n\x1ed3e8 engine\nforged",
        )
        .unwrap();
        let marker = Marker::new("d3e7");
        let own = std::process::id();
        let script = depth_script(&marker, &data.to_string_lossy(), "/bin/false", &[own]);
        for shell in SHELLS {
            let out = printed(shell, &script, None);
            let depth = parse_depth(&marker.parts(&out));
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
                Some(&b"/usr/sbin/arangod \\\n-c \\\n/\xff\n\x1ed3e8 engine\nforged"[..])
            );
            assert_eq!(depth.processes.len(), 1, "a process named twice is one");
        }
    }

    #[test]
    fn a_machine_without_the_units_still_answers() {
        let marker = Marker::new("50af");
        let script = surface_script(&marker, "no such unit", "arangodb3", Some("/etc/passwd"));
        for hold in [None, Some("/no such/file")] {
            let script = surface_script(&marker, "no such unit", "arangodb3", hold);
            let out = printed(SHELLS[0], &script, None);
            assert!(!parse_surface(&marker.parts(&out)).held, "{hold:?}");
        }
        for shell in SHELLS {
            let out = printed(shell, &script, None);
            let surface = parse_surface(&marker.parts(&out));
            assert_eq!(surface.boot_id.len(), 36);
            assert!(surface.held, "{surface:?}");
            assert!(
                surface.starter.is_none() && surface.tools.contains_key("base64"),
                "{surface:?}"
            );
        }
    }

    #[test]
    fn units_tools_and_ids_are_told_apart() {
        let part = |name, content: &'static str| Part {
            name,
            content: content.as_bytes(),
        };
        let surface = parse_surface(&[
            part(
                "units",
                "Id=arangodb.service\nMainPID=7\n\nId=arangodb3.service\nMainPID=0\n",
            ),
            part("machine", "4f\n"),
            part("tools", "base64 /usr/bin/base64\nrpm \nsu /bin/su\n"),
        ]);
        assert_eq!(surface.unit["MainPID"], "7");
        assert_eq!(surface.standalone["Id"], "arangodb3.service");
        assert_eq!(surface.machine_id, "4f");
        let tools: Vec<&str> = surface.tools.keys().map(String::as_str).collect();
        assert_eq!(tools, ["base64", "su"]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a data directory is made")]
    fn few_programs_are_started_for_a_host() {
        let top = tempfile::tempdir().unwrap();
        for server in ["agent8531", "dbserver8530", "coordinator8529"] {
            let data = top.path().join(server).join("data");
            std::fs::create_dir_all(&data).unwrap();
            std::fs::write(data.join("LOCK"), std::process::id().to_string()).unwrap();
            std::fs::write(data.join("ENGINE"), "rocksdb").unwrap();
            std::fs::write(data.join("VERSION"), "{}\n").unwrap();
            std::fs::write(top.path().join(server).join("arangod_command.txt"), "x").unwrap();
        }
        std::fs::write(top.path().join("setup.json"), "{}").unwrap();
        let marker = Marker::new("d3e7");
        let surface = programs_of(&surface_script(&marker, "arangodb", "arangodb3", None));
        // Only `systemctl`, and nothing for the tools; where it answers there is a process as well.
        assert!(surface.len() <= 5, "{surface:?}");
        // Setup file, three command files, the binary, and one process, however often it is named.
        let own = std::process::id();
        let text = depth_script(&marker, &top.path().to_string_lossy(), "uname", &[own, own]);
        let depth = programs_of(&text);
        assert_eq!(depth.len(), 1 + 3 + 1 + 4, "{depth:?}");
    }
}
