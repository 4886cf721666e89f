//! From a host's variables and the command line to a session.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::args::{HostKeys as HostKeysArgument, Reaching};
use super::failure::Failure;
use super::machine::Machine;
use crate::connection::{
    ConfigFiles, Connection, Handshakes, Reached, Said, SshConfig, Surroundings, Target, open,
};
use crate::inventory::HostName;
use crate::rollout::{Connector, NoSession, Wish};
use crate::secrets::Secret;
use crate::template::{Raw, Templater, Variables};
use crate::vars::{
    ConnectionKind, ConnectionVars, HostKeyChecking, Layers, SshArguments, World, connection_vars,
};
use crate::yaml::Problem;

/// Opens sessions as the inventory, the command line and `ssh_config` say.
#[derive(Debug)]
pub(super) struct MachineConnector {
    templater: Templater,
    surroundings: Surroundings,
    handshakes: Handshakes,
    reaching: Reaching,
    arguments: SshArguments,
    usual: ConfigFiles,
    // Files are read once, whichever of them a host's variables name.
    configs: Mutex<BTreeMap<String, Arc<SshConfig>>>,
    password: Option<Secret>,
    /// Where hosts keep jobs and notes, if not where they do so otherwise.
    host_state: Option<String>,
}

impl MachineConnector {
    /// Makes a connector; mistakes in the arguments and in the usual files are found here.
    pub(super) fn new(
        machine: &Machine,
        templater: Templater,
        reaching: &Reaching,
        password: Option<Secret>,
    ) -> Result<Self, Failure> {
        let mut arguments = SshArguments::default();
        if let Some(text) = &reaching.ssh_common_args {
            let added = arguments.add(text);
            added.map_err(|message| Failure::usage(format!("--ssh-common-args: {message}")))?;
        }
        let named = reaching.ssh_config.clone();
        let named = named.or_else(|| arguments.config_file.as_ref().map(PathBuf::from));
        let connector = Self {
            templater,
            surroundings: surroundings(machine),
            handshakes: Handshakes::new(),
            reaching: reaching.clone(),
            arguments,
            usual: named.map_or(ConfigFiles::Usual, |path| config_files(&path)),
            configs: Mutex::default(),
            password,
            host_state: machine
                .environment
                .get("STAGGER_HOST_STATE")
                .map(str::to_owned),
        };
        connector.config(&ConnectionVars::default())?;
        Ok(connector)
    }

    /// Works out how all these hosts are reached, before any of them is: returns what has no effect, each once.
    /// Variables that cannot be known yet are no mistake here.
    pub(super) fn check<'w>(
        &self,
        wishes: impl Iterator<Item = Wish<'w>>,
    ) -> Result<Vec<Problem>, Failure> {
        let mut told = Vec::new();
        let mut problems: Vec<Problem> = Vec::new();
        for wish in wishes {
            let (found, all) = match vars_so_far(&self.templater, wish.variables, wish.host) {
                Err(found) => (found, &mut problems),
                Ok(None) => continue,
                Ok(Some(vars)) => match self.reached(&vars, &wish) {
                    Ok(None) => continue,
                    Ok(Some(reached)) => {
                        let found = reached.warnings.into_iter();
                        (found.chain(vars.warnings).collect(), &mut told)
                    }
                    Err(found) => (found, &mut problems),
                },
            };
            for problem in found {
                if !all.contains(&problem) {
                    all.push(problem);
                }
            }
        }
        if problems.is_empty() {
            Ok(told)
        } else {
            Err(problems.into())
        }
    }

    /// Works out where a host is and how to get in.
    fn target(&self, wish: &Wish<'_>) -> Result<Target, Problem> {
        let vars = self
            .vars(wish)
            .map_err(|problems| first(problems, wish.host))?;
        let reached = self.reached(&vars, wish);
        let reached = reached.map_err(|problems| first(problems, wish.host))?;
        Ok(reached.map_or_else(Target::local, |reached| reached.target))
    }

    fn vars(&self, wish: &Wish<'_>) -> Result<ConnectionVars, Vec<Problem>> {
        let variables = wish.variables;
        let mut render = |raw: &Raw| render(&self.templater, raw, variables);
        connection_vars(variables.as_ref(), &mut render)
    }

    /// Puts together what the variables, the command line and the files say; nothing for this machine itself.
    fn reached(
        &self,
        vars: &ConnectionVars,
        wish: &Wish<'_>,
    ) -> Result<Option<Reached>, Vec<Problem>> {
        match kind(vars, wish).map_err(|problem| vec![problem])? {
            ConnectionKind::Local => return Ok(None),
            ConnectionKind::OpenSsh => return self.through_openssh(vars, wish).map(Some),
            ConnectionKind::Ssh => {}
        }
        let config = self.config(vars)?;
        let host = vars.host.as_deref().unwrap_or(wish.host);
        let said = self.said(vars, wish);
        let mut reached = config.reach(host, &said, &self.surroundings)?;
        let target = &mut reached.target;
        self.secrets(target, vars);
        target.jumps.iter_mut().for_each(|jump| {
            self.secrets(jump, vars);
            if let Some(timeout) = vars.timeout {
                jump.timeouts.connect = timeout;
            }
        });
        if let Some(timeout) = vars.timeout {
            target.timeouts.connect = timeout;
        }
        target.shell.clone_from(&vars.shell_executable);
        Ok(Some(reached))
    }

    /// Hands what the variables and the command line say to the program `ssh`, which reads its files by itself.
    fn through_openssh(
        &self,
        vars: &ConnectionVars,
        wish: &Wish<'_>,
    ) -> Result<Reached, Vec<Problem>> {
        if vars.password.is_some() || self.password.is_some() {
            let message = format!("{}: `connection: openssh` takes no password", wish.host);
            let hint = "leave the connection out, or log in with a key";
            return Err(vec![Problem::nowhere(message).hint(hint)]);
        }
        let mut words = Vec::new();
        let named = vars.ssh.config_file.as_ref();
        let named = named.map(|path| config_files(&self.surroundings.expand(path)));
        match named.unwrap_or_else(|| self.usual.clone()) {
            ConfigFiles::Usual => {}
            ConfigFiles::Only(path) => {
                words.extend(["-F".to_owned(), path.to_string_lossy().into_owned()]);
            }
            ConfigFiles::Nothing => words.extend(["-F", "none"].map(str::to_owned)),
        }
        for said in self.said(vars, wish) {
            words.extend(["-o".to_owned(), format!("{}={}", said.key, said.value)]);
        }
        let host = vars.host.as_deref().unwrap_or(wish.host);
        let mut target = Target::openssh(host, words);
        if let Some(timeout) = vars.timeout {
            target.timeouts.connect = timeout;
        }
        target.shell.clone_from(&vars.shell_executable);
        Ok(Reached {
            target,
            warnings: Vec::new(),
        })
    }

    /// Returns the configuration that a host's variables name, or the usual one.
    fn config(&self, vars: &ConnectionVars) -> Result<Arc<SshConfig>, Vec<Problem>> {
        let named = vars.ssh.config_file.as_ref();
        let files = named.map_or_else(
            || self.usual.clone(),
            |path| config_files(&self.surroundings.expand(path)),
        );
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = named.cloned().unwrap_or_default();
        if let Some(known) = configs.get(&key) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(SshConfig::load(&files, &self.surroundings)?);
        configs.insert(key, Arc::clone(&read));
        Ok(read)
    }

    /// Returns what was said of a host, the strongest word first: `--host-keys`, its variables and the play's keywords,
    /// then the rest of the command line, as in Ansible, where `-u` is only a default.
    fn said(&self, vars: &ConnectionVars, wish: &Wish<'_>) -> Vec<Said> {
        let mut said = Vec::new();
        let mut plain = |key: &str, value: Option<&str>, by: &str| {
            said.extend(value.map(|value| Said::plain(key, value, by)));
        };
        let typed = self.reaching.host_keys.map(|how| match how {
            HostKeysArgument::Check => "yes",
            HostKeysArgument::AcceptNew => "accept-new",
            HostKeysArgument::Off => "no",
        });
        plain("StrictHostKeyChecking", typed, "--host-keys");
        let checking = vars.host_key_checking.map(|how| match how {
            HostKeyChecking::Strict => "yes",
            HostKeyChecking::AcceptNew => "accept-new",
            HostKeyChecking::Off => "no",
        });
        plain(
            "StrictHostKeyChecking",
            checking,
            "ansible_host_key_checking",
        );
        plain("User", vars.user.as_deref(), "ansible_user");
        plain("User", wish.remote_user, "remote_user");
        let port = vars.port.map(|port| port.to_string());
        plain("Port", port.as_deref(), "ansible_port");
        let port = wish.port.map(|port| port.to_string());
        plain("Port", port.as_deref(), "port");
        plain(
            "IdentityFile",
            vars.private_key_file.as_deref(),
            "ansible_private_key_file",
        );
        let attempts = vars.retries.map(|retries| (retries + 1).to_string());
        plain(
            "ConnectionAttempts",
            attempts.as_deref(),
            "ansible_ssh_retries",
        );
        let options = vars.ssh.options.iter();
        said.extend(options.map(|(key, value)| Said::new(key, value, "ansible_ssh_common_args")));
        self.typed(&mut said);
        said
    }

    /// Adds what the command line says of all hosts.
    fn typed(&self, said: &mut Vec<Said>) {
        let typed = &self.reaching;
        let mut plain = |key: &str, value: Option<&str>, by: &str| {
            said.extend(value.map(|value| Said::plain(key, value, by)));
        };
        plain("User", typed.user.as_deref(), "--user");
        let key = typed
            .private_key
            .as_ref()
            .map(|path| path.to_string_lossy());
        plain("IdentityFile", key.as_deref(), "--private-key");
        plain("ProxyJump", typed.proxy_jump.as_deref(), "--proxy-jump");
        let timeout = typed.timeout.map(|seconds| seconds.to_string());
        plain("ConnectTimeout", timeout.as_deref(), "--timeout");
        let options = self.arguments.options.iter();
        said.extend(options.map(|(key, value)| Said::new(key, value, "--ssh-common-args")));
    }

    /// Adds what is not written in files: the password, and the passphrase of the key that goes with it.
    fn secrets(&self, target: &mut Target, vars: &ConnectionVars) {
        target.auth.password = vars.password.clone().or_else(|| self.password.clone());
        let Some(passphrase) = &vars.private_key_passphrase else {
            return;
        };
        let own = vars.private_key_file.as_ref();
        let own = own.map(|path| self.surroundings.expand(path));
        for key in &mut target.auth.keys {
            if own.as_ref().is_none_or(|path| *path == key.path) {
                key.passphrase = Some(passphrase.clone());
            }
        }
    }
}

/// Gathers what sessions depend on beside the hosts.
fn surroundings(machine: &Machine) -> Surroundings {
    let environment = &machine.environment;
    let user = environment
        .get("USER")
        .or_else(|| environment.get("LOGNAME"));
    Surroundings {
        home: environment.home(),
        user: user.unwrap_or("root").to_owned(),
        agent: environment.get("SSH_AUTH_SOCK").map(PathBuf::from),
        uid: rustix::process::geteuid().as_raw(),
        machine: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        environment: environment.all().clone(),
    }
}

fn config_files(path: &std::path::Path) -> ConfigFiles {
    if path.as_os_str() == "none" {
        ConfigFiles::Nothing
    } else {
        ConfigFiles::Only(path.to_owned())
    }
}

fn kind(vars: &ConnectionVars, wish: &Wish<'_>) -> Result<ConnectionKind, Problem> {
    match (vars.connection, wish.connection) {
        (Some(kind), _) => Ok(kind),
        (None, None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh")) => {
            Ok(ConnectionKind::Ssh)
        }
        (None, Some("local")) => Ok(ConnectionKind::Local),
        (None, Some("openssh")) => Ok(ConnectionKind::OpenSsh),
        (None, Some(other)) => {
            let problem =
                Problem::nowhere(format!("{}: there is no connection `{other}`", wish.host));
            Err(problem.hint("ssh, openssh, local"))
        }
    }
}

/// Looks at how hosts are to be reached, as far as the inventory says it: returns what is wrong, each once.
pub(super) fn wrong_variables(
    world: &Arc<World>,
    directory: &str,
    hosts: &[HostName],
    templater: &Templater,
) -> Vec<Problem> {
    let (layers, top) = (Arc::new(Layers::default()), Arc::new(Map::new()));
    let mut problems = Vec::new();
    for host in hosts {
        let scope = world.scope(host.as_str(), directory, &layers, &top);
        let variables: Arc<dyn Variables> = Arc::new(scope);
        let found = vars_so_far(templater, &variables, host.as_str());
        for problem in found.err().into_iter().flatten() {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
}

/// Reads a host's variables before the run: nothing if some cannot be known yet and none of the others is wrong.
fn vars_so_far(
    templater: &Templater,
    variables: &Arc<dyn Variables>,
    host: &str,
) -> Result<Option<ConnectionVars>, Vec<Problem>> {
    let mut all_known = true;
    let mut so_far = |raw: &Raw| {
        let value = render(templater, raw, variables);
        all_known &= value.is_ok();
        // What has no value is not looked at.
        Ok(value.unwrap_or(Value::Null))
    };
    match connection_vars(variables.as_ref(), &mut so_far) {
        Ok(vars) => Ok(all_known.then_some(vars)),
        Err(problems) => {
            let problems = problems.into_iter();
            Err(problems.map(|problem| named(problem, host)).collect())
        }
    }
}

fn render(
    templater: &Templater,
    raw: &Raw,
    variables: &Arc<dyn Variables>,
) -> Result<Value, Problem> {
    if !raw.templated {
        return Ok(raw.value.clone());
    }
    let rendered = match &raw.origin {
        Some(origin) => templater.value(&raw.value, origin, variables),
        None => templater.value(&raw.value, None, variables),
    };
    rendered.map_err(|error| error.to_problem())
}

/// Names the host where no place does.
fn named(problem: Problem, host: &str) -> Problem {
    if problem.loc.is_some() {
        return problem;
    }
    problem.note(format!("host: {host}"))
}

fn first(problems: Vec<Problem>, host: &str) -> Problem {
    let problem = problems.into_iter().next();
    problem
        .unwrap_or_else(|| Problem::nowhere("its connection variables are wrong"))
        .note(format!("host: {host}"))
}

impl Connector for MachineConnector {
    fn connect(&self, wish: &Wish<'_>) -> Result<Box<dyn Connection>, NoSession> {
        let mut target = self.target(wish).map_err(NoSession::Problem)?;
        target.state_directory.clone_from(&self.host_state);
        Ok(open(&target, &self.handshakes))
    }
}
