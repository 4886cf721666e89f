//! What a machine shows of its starter, its servers and itself.

use serde_json::json;

use super::state::{Process, Role};
use super::{Arangodb, HOSTS, time_at};
use crate::connection::Reply;
use crate::rollout::testing::notes::well;

/// The parts of an answer, each under its name.
#[derive(Debug, Default)]
struct Parts {
    word: String,
    out: Vec<u8>,
}

impl Parts {
    /// Finds the word by which a text parts what it prints.
    fn of(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("stagger_at() { printf '\\036%s %s\\n' ")?;
        let word = rest.split(' ').next()?;
        Some(Self {
            word: word.to_owned(),
            out: Vec::new(),
        })
    }

    fn add(&mut self, name: &str, content: impl AsRef<[u8]>) {
        let head = format!("\u{1e}{} {name}\n", self.word);
        self.out.extend(head.into_bytes());
        self.out.extend(content.as_ref());
    }

    fn process(&mut self, process: Process, exe: &str, words: &[String]) {
        let Process { pid, start } = process;
        let stat = format!("{pid} (x) S 1 {}{start} 0 0", "0 ".repeat(17));
        self.add("process", "");
        self.add("stat", &stat);
        self.add("links", format!("{exe}\0/\0"));
        self.add("argv", words.join("\0") + "\0");
        self.add("environ", "LANG=C\0");
        self.add(
            "status",
            "Umask:\t0022\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0\n\
             Limit                     Soft Limit           Hard Limit           Units\n\
             Max open files            1024                 4096                 files\n",
        );
        self.add("again", &stat);
    }
}

fn directory(role: Role) -> String {
    format!("/srv/arangodb/{}{}", role.name(), role.port())
}

fn words(role: Role) -> Vec<String> {
    [
        "/usr/sbin/arangod".to_owned(),
        format!("--database.directory={}/data", directory(role)),
        "--javascript.copy-installation=true".to_owned(),
        format!("--log.file={}/arangod.log", directory(role)),
    ]
    .into()
}

impl Arangodb {
    /// Answers a text that looks at a machine; `None` for any other.
    pub(super) fn shows(&self, host: usize, text: &str) -> Option<Reply> {
        let mut parts = Parts::of(text)?;
        if text.contains("stagger_at units; printf") {
            self.surface(host, &mut parts);
        } else if text.contains("stagger_data=") {
            self.depth(host, &mut parts);
        } else if text.contains("stagger_at uid") {
            self.ready(host, text, &mut parts);
        } else if text.contains("stagger_at file; cat") {
            self.command_file(host, text, &mut parts);
        } else {
            return None;
        }
        Some(well(parts.out))
    }

    fn surface(&self, host: usize, parts: &mut Parts) {
        let name = HOSTS[host];
        let (loaded, lies) = (self.places.in_force(name), self.places.drop_in(name));
        let held = if self.places.held(name) { "yes" } else { "" };
        let state = self.lock();
        let machine = &state.machines[host];
        let starter = machine.starter;
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        let drop_in = "/etc/systemd/system/arangodb.service.d/90-stagger.conf";
        let (kill, restart) = if loaded {
            ("process", "no")
        } else {
            ("control-group", "on-failure")
        };
        let (load, enabled) = if self.places.masked(name) {
            ("masked", "masked")
        } else {
            ("loaded", "disabled")
        };
        let units = format!(
            "Id=arangodb.service\nLoadState=loaded\nActiveState={}\nSubState=running\nResult=success\nMainPID={}\n\
             ExecStart={{ path=/usr/bin/arangodb ; argv[]=/usr/bin/arangodb --starter.data-dir=/srv/arangodb ; }}\n\
             KillMode={kill}\nRestart={restart}\nFragmentPath=/lib/systemd/system/arangodb.service\nDropInPaths={}\n\
             NeedDaemonReload={}\nUnitFileState=enabled\nNRestarts=0\n\n\
             Id=arangodb3.service\nLoadState={load}\nActiveState=inactive\nMainPID=0\nUnitFileState={enabled}\n",
            if starter.is_some() {
                "active"
            } else {
                "inactive"
            },
            starter.map_or(0, |process| process.pid),
            if loaded { drop_in } else { "" },
            yes(loaded != lies),
        );
        parts.add("units", units);
        parts.add("held", held);
        parts.add("machine", format!("machine-{name}"));
        parts.add("boot", format!("boot-{}", machine.boots));
        let tools = [
            "base64",
            "setsid",
            "systemctl",
            "setpriv",
            "prlimit",
            "bash",
            "dpkg",
            "curl",
        ];
        let tools = tools.map(|tool| format!("{tool} /usr/bin/{tool}\n"));
        parts.add("tools", tools.concat());
        if let Some(starter) = starter {
            let words = ["/usr/bin/arangodb", "--starter.data-dir=/srv/arangodb"];
            parts.process(starter, "/usr/bin/arangodb", &words.map(str::to_owned));
        }
    }

    fn depth(&self, host: usize, parts: &mut Parts) {
        let program = self.places.version(HOSTS[host]);
        let peers: Vec<_> = HOSTS
            .iter()
            .map(|name| {
                json!({"ID": format!("id-{name}"), "Address": name, "Port": 8528, "PortOffset": 0,
                    "DataDir": "/srv/arangodb", "HasAgent": true})
            })
            .collect();
        let setup = json!({"id": format!("id-{}", HOSTS[host]), "mode": "cluster",
            "peers": {"AgencySize": 3, "ServerStorageEngine": "rocksdb", "Peers": peers}});
        parts.add("setup", setup.to_string());
        let state = self.lock();
        let servers = &state.machines[host].servers;
        for (role, server) in servers {
            parts.add("server", directory(*role));
            // The lock outlives its process.
            parts.add(
                "lock",
                server.process.map_or(1, |process| process.pid).to_string(),
            );
            parts.add("engine", "rocksdb");
            let data = json!({"version": server.data, "tasks": {}});
            parts.add("version", format!("VERSION-1\n{data}\n"));
            parts.add("command", words(*role).join(" \\\n"));
        }
        parts.add("binary", format!("{program}\nserver-version: {program}\n"));
        for (role, server) in servers {
            if let Some(process) = server.process {
                let gone = if server.program == program {
                    ""
                } else {
                    " (deleted)"
                };
                parts.process(process, &format!("/usr/sbin/arangod{gone}"), &words(*role));
            }
        }
    }

    /// A machine that lacks nothing, and on which nobody interferes.
    fn ready(&self, host: usize, text: &str, parts: &mut Parts) {
        parts.add("uid", "0\n");
        parts.add("user", "root\n");
        parts.add("login", "");
        let now = time_at(self.lock().now).as_second();
        parts.add("clock", format!("{now}\n"));
        parts.add("init", "systemd booted");
        for line in text.lines() {
            let Some(words) = line.strip_prefix("stagger_room ") else {
                continue;
            };
            let path = words
                .split(' ')
                .next()
                .unwrap_or_default()
                .trim_matches('\'');
            parts.add(
                "room",
                format!("{path}\nyes\n0\n/dev/sda1 99999999 1 99999999 1% /\n/dev/sda1 99999 1 99999 1% /\n"),
            );
        }
        parts.add("audit", "");
        parts.add(
            "package",
            format!("ii  {}", self.places.version(HOSTS[host])),
        );
        parts.add("units", "");
    }

    fn command_file(&self, host: usize, text: &str, parts: &mut Parts) {
        let state = self.lock();
        let servers = &state.machines[host].servers;
        for (role, server) in servers {
            if text.contains(&format!("{}/arangod_command.txt", directory(*role))) {
                parts.add("file", words(*role).join(" \\\n"));
            }
            let Some(process) = server.process else {
                continue;
            };
            if text.contains(&format!("stagger_process {}\n", process.pid)) {
                let program = self.places.version(HOSTS[host]);
                let gone = if server.program == program {
                    ""
                } else {
                    " (deleted)"
                };
                parts.process(process, &format!("/usr/sbin/arangod{gone}"), &words(*role));
            }
        }
    }
}
