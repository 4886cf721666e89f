//! The machine that stagger runs on, as the other rooms may ask for it: files on disk first, then those inside the
//! binary; programs; the environment, read once.

mod desk;
mod lookups;

use super::memory::Memory;
use super::{background, embedded};
use crate::secrets::{Secret, Vault, is_vaulted};
use crate::yaml::{Source, hear_all, parse};
use crate::{inventory, playbook};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

pub(super) use desk::MachineDesk;

/// What was read of the environment when the program started.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the environment; what is no UTF-8 in it is left out.
    pub(super) fn read() -> Self {
        let pairs = std::env::vars_os();
        let text = pairs.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self {
            variables: text.collect(),
        }
    }

    /// Returns a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Returns all variables.
    pub(super) fn all(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Returns the home directory.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.get("HOME")
            .filter(|home| !home.is_empty())
            .map(PathBuf::from)
    }
}

/// The machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) environment: Environment,
    /// What was read before, if a run is prepared.
    pub(super) memory: Memory,
    /// What opens encrypted files and values.
    pub(super) vault: Arc<Vault>,
    /// Whether this process is to leave its terminal.
    pub(super) detached: bool,
    /// Whether encrypted files are read as they stand.
    sealed: bool,
    /// Directories in which a relative path of a lookup or a copied file is searched, first to last.
    search: Vec<String>,
}

impl Machine {
    pub(super) fn new(environment: Environment) -> Self {
        Self {
            detached: background::is_wanted(&environment),
            environment,
            memory: Memory::default(),
            vault: Arc::default(),
            sealed: false,
            search: Vec::new(),
        }
    }

    /// Returns the machine as one that reads encrypted files as they stand, for digests of what is on disk.
    pub(super) fn sealed(&self) -> Self {
        Self {
            sealed: true,
            ..self.clone()
        }
    }

    /// Opens a file's content if it is encrypted; all that is in it is a secret from then on.
    pub(super) fn opened(&self, path: &str, content: Vec<u8>) -> Result<Vec<u8>, String> {
        if self.sealed || !is_vaulted(&content) {
            return Ok(content);
        }
        let text = String::from_utf8_lossy(&content);
        let opened = self.vault.open(&text).map_err(|error| error.to_string())?;
        if let Ok(text) = std::str::from_utf8(&opened) {
            match parse(&Source::new(path, text)) {
                Ok(node) if node.as_map().is_some() => hear_all(&node, &self.vault),
                Ok(_) | Err(_) => {
                    let name = format!("vaulted file {path}");
                    self.vault.hear(&name, &Secret::new(text));
                }
            }
        }
        Ok(opened.to_vec())
    }

    /// Returns the machine with directories in which relative paths are searched.
    pub(super) fn searching(&self, directories: Vec<String>) -> Self {
        Self {
            search: directories,
            ..self.clone()
        }
    }

    /// Returns the machine with another memory.
    pub(super) fn with(&self, memory: Memory) -> Self {
        Self {
            memory,
            ..self.clone()
        }
    }

    /// Reads a file on disk, else the embedded one of that path.
    pub(super) fn read_file(path: &str) -> Result<Vec<u8>, String> {
        match fs::read(path) {
            Ok(content) => Ok(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match embedded::read(clean(path)) {
                    Some(content) => Ok(content.to_vec()),
                    None => Err(reason(&error)),
                }
            }
            Err(error) => Err(reason(&error)),
        }
    }

    /// Writes a file atomically: under another name, synced, renamed.
    pub(super) fn write_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(content)?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs::File::open(directory)?.sync_all()
    }

    pub(super) fn candidates(&self, kind: &str, path: &str) -> Vec<String> {
        if path.starts_with('/') {
            return vec![path.to_owned()];
        }
        let below = |directory: &String| {
            [
                playbook::join(directory, &format!("{kind}/{path}")),
                playbook::join(directory, path),
            ]
        };
        let mut places: Vec<String> = self.search.iter().flat_map(below).collect();
        // The roles' shared templates lie beside the roles.
        places.push(format!("{kind}/{path}"));
        places.push(path.to_owned());
        places
    }
}

/// Takes `./` off a path, as the embedded files are named from the top level.
pub(super) fn clean(path: &str) -> &str {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.strip_prefix("embedded:").unwrap_or(path)
}

/// Says why a file could not be had, in words.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, of which only some matter here"
)]
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

pub(super) fn names(directory: &str) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(directory)?;
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

pub(super) fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

impl inventory::Files for Machine {
    fn kind(&self, path: &str) -> Option<inventory::Kind> {
        // A pair of whether it is a directory and whether it may be run.
        let found = self.memory.ask("inventory", path, || {
            inventory_kind(path).map(|kind| match kind {
                inventory::Kind::Directory => (true, false),
                inventory::Kind::File { executable } => (false, executable),
            })
        });
        found.map(|(directory, executable)| {
            if directory {
                inventory::Kind::Directory
            } else {
                inventory::Kind::File { executable }
            }
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let content = self.memory.read(path, || Self::read_file(path))?;
        self.opened(path, content)
    }

    fn vault(&self) -> Option<&Vault> {
        Some(&self.vault)
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, String> {
        self.memory.ask("inventory list", directory, || {
            names(directory).map_err(|error| reason(&error))
        })
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<inventory::Output, String> {
        let asked = format!("{program} {}", arguments.join(" "));
        let answer = self.memory.ask("run", &asked, || {
            let output = run_program(program, arguments)?;
            Ok::<_, String>((output.success, output.end, output.stdout, output.stderr))
        });
        let (success, end, stdout, stderr) = answer?;
        Ok(inventory::Output {
            success,
            end,
            stdout,
            stderr,
        })
    }
}

fn inventory_kind(path: &str) -> Option<inventory::Kind> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Some(inventory::Kind::Directory),
        Ok(found) => Some(inventory::Kind::File {
            executable: found.permissions().mode() & 0o111 != 0,
        }),
        Err(_) if embedded::read(clean(path)).is_some() => {
            Some(inventory::Kind::File { executable: false })
        }
        Err(_) => None,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "inventory scripts are programs of the operator's machine"
)]
fn run_program(program: &str, arguments: &[&str]) -> Result<inventory::Output, String> {
    let path = if program.contains('/') {
        program.to_owned()
    } else {
        format!("./{program}")
    };
    let output = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| reason(&error))?;
    Ok(inventory::Output {
        success: output.status.success(),
        end: end(output.status),
        stdout: output.stdout,
        stderr: output.stderr,
    })
}

impl playbook::Files for Machine {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let content = self.memory.read(path, || Self::read_file(path))?;
        self.opened(path, content)
    }

    fn vault(&self) -> Option<&Vault> {
        Some(&self.vault)
    }

    fn kind(&self, path: &str) -> Option<playbook::FileKind> {
        let is_directory = self.memory.ask("kind", path, || {
            playbook_kind(path).map(|kind| kind == playbook::FileKind::Directory)
        });
        is_directory.map(|directory| {
            if directory {
                playbook::FileKind::Directory
            } else {
                playbook::FileKind::File
            }
        })
    }

    fn list(&self, directory: &str) -> Vec<String> {
        self.memory
            .ask("list", directory, || playbook_list(directory))
    }

    fn is_shipped(&self, path: &str) -> bool {
        embedded::read(clean(path)).is_some()
    }
}

fn playbook_kind(path: &str) -> Option<playbook::FileKind> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Some(playbook::FileKind::Directory),
        Ok(_) => Some(playbook::FileKind::File),
        Err(_) if embedded::read(clean(path)).is_some() => Some(playbook::FileKind::File),
        Err(_) => embedded::below(clean(path))
            .next()
            .map(|_| playbook::FileKind::Directory),
    }
}

fn playbook_list(directory: &str) -> Vec<String> {
    let mut found = names(directory).unwrap_or_default();
    if found.is_empty() {
        let prefix = format!("{}/", clean(directory).trim_end_matches('/'));
        let inner = embedded::below(clean(directory))
            .filter_map(|path| path.strip_prefix(&prefix)?.split('/').next());
        found = inner.map(str::to_owned).collect();
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::lookups::wildcard;
    use super::*;
    use crate::template;

    #[test]
    fn shell_patterns_match_as_a_shell_does() {
        for (pattern, name, expected) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yaml", false),
            ("a?c", "abc", true),
            ("*", "", true),
            ("a*", "b", false),
            ("*ä*", "xäy", true),
        ] {
            assert_eq!(wildcard(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn embedded_files_stand_in_for_those_not_on_disk() {
        let machine = Machine::default();
        let elsewhere = "./roles/arangodb/defaults/main.yml";
        assert_eq!(
            playbook::Files::kind(&machine, elsewhere),
            Some(playbook::FileKind::File)
        );
        assert_eq!(playbook::Files::kind(&machine, "roles/nobody"), None);
        assert!(
            template::Outside::find(&machine, "templates", "arangodb/upgrade_server.sh.j2")
                .is_some()
        );
    }

    #[test]
    fn paths_are_told_apart() {
        use crate::template::{Outside as _, PathKind};
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name).to_string_lossy().into_owned();
        Machine::write_file(&top.path().join("file"), b"x", 0o640).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, expected) in [
            (at("file"), Some(PathKind::File)),
            (at(""), Some(PathKind::Directory)),
            (at("socket"), Some(PathKind::Other)),
            (at("none"), None),
            (at("file/below"), None),
            (
                "embedded:roles/arangodb/README.md".to_owned(),
                Some(PathKind::File),
            ),
        ] {
            assert_eq!(Machine::default().path_kind(&path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_url_gives_its_text_or_a_reason() {
        use crate::template::Outside as _;
        use std::io::Read as _;
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", server.local_addr().unwrap());
        let answers = std::thread::spawn(move || {
            for answer in ["200 OK", "404 Not Found"] {
                let mut socket = server.accept().unwrap().0;
                let mut asked = [0; 1024];
                assert!(socket.read(&mut asked).unwrap() > 0);
                let text = format!(
                    "HTTP/1.1 {answer}\r\ncontent-length: 3\r\nconnection: close\r\n\r\nä\n"
                );
                socket.write_all(text.as_bytes()).unwrap();
            }
        });
        let machine = Machine::default();
        assert_eq!(machine.fetch(&url), Ok("ä\n".to_owned()));
        assert_eq!(
            machine.fetch(&url),
            Err(format!("{url} answered with status 404"))
        );
        answers.join().unwrap();
        let closed = machine.fetch(&url).unwrap_err();
        assert!(closed.contains("refused"), "{closed}");
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("a/b/c");
        Machine::write_file(&path, b"x", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert!(Machine::write_file(&path.join("below a file"), b"y", 0o600).is_err());
    }
}
