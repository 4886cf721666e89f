//! The machine itself as a host: scripts and jobs run for real, by the shell that the case asks for.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use stagger::connection::{
    Attached, Become, ConnError, Connection, End, Endpoint, Fence, Identity, Job, JobCommand,
    JobEnd, JobId, JobOutput, Limit, Reply, Script, Stream, Upload,
};

/// The shell, and whose programs stand in its search path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// dash with coreutils.
    Dash,
    /// bash with coreutils.
    Bash,
    /// busybox with its own programs.
    Busybox,
}

impl Shell {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dash => "dash",
            Self::Bash => "bash",
            Self::Busybox => "busybox",
        }
    }

    fn command(self) -> Command {
        match self {
            Self::Dash => Command::new("/bin/dash"),
            Self::Bash => Command::new("/bin/bash"),
            Self::Busybox => {
                let mut command = Command::new("/bin/busybox");
                command.arg("sh");
                command
            }
        }
    }

    fn path(self) -> String {
        let system = "/usr/sbin:/usr/bin:/sbin:/bin";
        match self {
            Self::Dash | Self::Bash => system.to_owned(),
            Self::Busybox => format!("{}:{system}", busybox().display()),
        }
    }
}

/// Returns a directory with a link for each of busybox's programs.
fn busybox() -> &'static Path {
    static LINKS: OnceLock<tempfile::TempDir> = OnceLock::new();
    LINKS
        .get_or_init(|| {
            let links = tempfile::tempdir().unwrap();
            let list = Command::new("/bin/busybox").arg("--list").output();
            let list = list.expect("busybox must be installed for these tests");
            for name in String::from_utf8(list.stdout).unwrap().lines() {
                let link = links.path().join(name);
                std::os::unix::fs::symlink("/bin/busybox", link).unwrap();
            }
            links
        })
        .path()
}

/// A session to the machine itself.
#[derive(Debug)]
pub struct LocalHost {
    /// The shell.
    pub shell: Shell,
    /// The directory of the case's own programs.
    pub programs: PathBuf,
    /// The home directory.
    pub home: PathBuf,
    /// Where calls of programs are recorded.
    pub calls: PathBuf,
    /// How many round trips there were.
    pub trips: usize,
}

impl LocalHost {
    fn prepared(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env(
                "PATH",
                format!("{}:{}", self.programs.display(), self.shell.path()),
            )
            .env("HOME", &self.home)
            .env("CALLS", &self.calls)
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn feed(&self, command: Command, input: &[u8]) -> Output {
        let mut child = self.prepared(command).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }
}

impl Connection for LocalHost {
    fn identity(&mut self, _limit: Limit<'_>) -> Result<Identity, ConnError> {
        self.trips += 1;
        Ok(Identity {
            boot_id: fs::read_to_string(self.home.join("boot_id")).unwrap_or_default(),
            machine_id: "machine".to_owned(),
            user: "root".to_owned(),
        })
    }

    fn script(
        &mut self,
        _user: Option<&Become>,
        script: &Script,
        _limit: Limit<'_>,
    ) -> Result<Reply, ConnError> {
        self.trips += 1;
        let text = format!("umask 077\n{{ (\n{}\n) </dev/null; }}\n", script.0);
        let output = self.feed(self.shell.command(), text.as_bytes());
        Ok(Reply {
            code: output.status.code().unwrap_or(255),
            out: output.stdout,
            err: output.stderr,
        })
    }

    fn job(
        &mut self,
        _user: Option<&Become>,
        job: &Job,
        _limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError> {
        self.trips += 1;
        watch(&JobOutput::Started);
        let mut command = match &job.command {
            JobCommand::Shell { text, shell } => {
                let mut command = match shell {
                    Some(shell) => Command::new(shell),
                    None => self.shell.command(),
                };
                command.arg("-c").arg(text);
                command
            }
            JobCommand::Argv(words) => {
                let words: Vec<_> = words
                    .iter()
                    .map(|word| String::from_utf8_lossy(word))
                    .collect();
                // Found in the search path that the command gets, not in that of the tests.
                let mut command = Command::new("/usr/bin/env");
                command.args(words.iter().map(AsRef::as_ref));
                command
            }
            JobCommand::Script { text, arguments } => {
                let file = self.home.join("job.script");
                fs::write(&file, text).unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
                let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let mut command = match String::from_utf8_lossy(first).strip_prefix("#!") {
                    Some(line) => {
                        let mut words = line.split_whitespace();
                        let mut command = Command::new(words.next().unwrap());
                        command.args(words);
                        command
                    }
                    None => self.shell.command(),
                };
                command.arg(&file).args(arguments);
                command
            }
        };
        command = self.prepared(command);
        command.envs(job.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &job.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn().map_err(|error| ConnError::Host {
            message: error.to_string(),
        })?;
        let mut stdin = child.stdin.take().unwrap();
        let input = job.input.clone();
        let writer = std::thread::spawn(move || {
            if let Some(input) = input {
                drop(stdin.write_all(input.reveal().as_bytes()));
            }
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ok(JobEnd {
            end: match output.status.code() {
                Some(code) if code > 128 => End::Signal(code - 128),
                Some(code) => End::Code(code),
                None => End::Signal(output.status.signal().unwrap_or(0)),
            },
            out: output.stdout,
            err: output.stderr,
            cut: false,
        })
    }

    fn start(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        _time: std::time::Duration,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        self.job(user, job, limit, &mut |_| ()).map(|_| ())
    }

    fn attach(
        &mut self,
        _user: Option<&Become>,
        _id: &JobId,
        _limit: Limit<'_>,
        _watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<Attached, ConnError> {
        Ok(Attached::NeverStarted)
    }

    fn put(
        &mut self,
        _user: Option<&Become>,
        upload: &Upload<'_>,
        _limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        self.trips += 1;
        fs::write(upload.path, upload.content).unwrap();
        let mode = fs::Permissions::from_mode(upload.mode.unwrap_or(0o644));
        fs::set_permissions(upload.path, mode).unwrap();
        Ok(())
    }

    fn get(
        &mut self,
        _user: Option<&Become>,
        path: &str,
        max_bytes: u64,
        _limit: Limit<'_>,
    ) -> Result<Vec<u8>, ConnError> {
        self.trips += 1;
        let mut content = Vec::new();
        let file = fs::File::open(path).map_err(|error| ConnError::Host {
            message: format!("{path}: {error}"),
        })?;
        file.take(max_bytes + 1).read_to_end(&mut content).unwrap();
        if content.len() as u64 > max_bytes {
            return Err(ConnError::Host {
                message: format!("{path} is too long"),
            });
        }
        Ok(content)
    }

    fn stream(&mut self, to: &Endpoint, _limit: Limit<'_>) -> Result<Box<dyn Stream>, ConnError> {
        self.trips += 1;
        let stream = TcpStream::connect((to.host.as_str(), to.port));
        match stream {
            Ok(stream) => Ok(Box::new(Tcp(stream))),
            Err(error) => Err(ConnError::Host {
                message: error.to_string(),
            }),
        }
    }

    /// A module alone has no lock of a cluster.
    fn fence(&mut self, _fence: Option<&Fence>) {}

    fn reset(&mut self) {}
}

/// A stream over TCP.
#[derive(Debug)]
struct Tcp(TcpStream);

impl std::io::Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl std::io::Write for Tcp {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Tcp {}
