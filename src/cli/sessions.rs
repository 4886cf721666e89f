//! From a host's variables and the command line to a session.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::args::{HostKeys as HostKeysArgument, Reaching};
use super::machine::Machine;
use crate::connection::{
    Connection, Handshakes, HostKeyCheck, KeyFile, Kind, Surroundings, Target, open,
};
use crate::rollout::{Connector, NoSession, Wish};
use crate::secrets::Secret;
use crate::template::{Raw, Templater, Variables};
use crate::vars::{ConnectionKind, ConnectionVars, HostKeyChecking, connection_vars};
use crate::yaml::Problem;

/// Opens sessions as the inventory and the command line say.
#[derive(Debug)]
pub(super) struct MachineConnector {
    templater: Templater,
    surroundings: Surroundings,
    handshakes: Handshakes,
    reaching: Reaching,
    password: Option<Secret>,
}

impl MachineConnector {
    pub(super) fn new(
        machine: &Machine,
        templater: Templater,
        reaching: &Reaching,
        password: Option<Secret>,
    ) -> Self {
        let environment = &machine.environment;
        let user = environment
            .get("USER")
            .or_else(|| environment.get("LOGNAME"));
        Self {
            templater,
            surroundings: Surroundings {
                home: environment.home(),
                user: user.unwrap_or("root").to_owned(),
                agent: environment.get("SSH_AUTH_SOCK").map(PathBuf::from),
            },
            handshakes: Handshakes::new(),
            reaching: reaching.clone(),
            password,
        }
    }

    /// Works out where a host is and how to get in.
    pub(super) fn target(&self, wish: &Wish<'_>) -> Result<Target, Problem> {
        let variables = wish.variables;
        let mut render = |raw: &Raw| self.render(raw, variables);
        let vars = connection_vars(variables.as_ref(), &mut render);
        let vars = vars.map_err(|problems| first(problems, wish.host))?;
        match kind(&vars, wish)? {
            ConnectionKind::Local => return Ok(Target::local()),
            ConnectionKind::OpenSsh => {
                let message = format!(
                    "{}: `connection: openssh` is not supported by this version",
                    wish.host
                );
                return Err(
                    Problem::nowhere(message).hint("leave it out: SSH is spoken by stagger itself")
                );
            }
            ConnectionKind::Ssh => {}
        }
        let address = vars.host.clone().unwrap_or_else(|| wish.host.to_owned());
        let mut target = Target::ssh(address, &self.surroundings);
        self.apply(&mut target, &vars, wish);
        self.jumps(&mut target, &vars)?;
        Ok(target)
    }

    fn render(
        &self,
        raw: &Raw,
        variables: &Arc<dyn Variables>,
    ) -> Result<serde_json::Value, Problem> {
        if !raw.templated {
            return Ok(raw.value.clone());
        }
        let rendered = match &raw.origin {
            Some(origin) => self.templater.value(&raw.value, origin, variables),
            None => self.templater.value(&raw.value, None, variables),
        };
        rendered.map_err(|error| error.to_problem())
    }

    /// Puts what was said onto a target: the command line is the weakest, as in Ansible, where `-u` is only a default.
    fn apply(&self, target: &mut Target, vars: &ConnectionVars, wish: &Wish<'_>) {
        let user = vars
            .user
            .as_deref()
            .or(wish.remote_user)
            .or(vars.ssh.user.as_deref());
        if let Some(user) = user.or(self.reaching.user.as_deref()) {
            user.clone_into(&mut target.user);
        }
        if let Some(port) = vars.port.or(wish.port).or(vars.ssh.port) {
            target.port = port;
        }
        let named: Vec<PathBuf> = vars
            .private_key_file
            .iter()
            .chain(&vars.ssh.identity_files)
            .map(|path| self.surroundings.expand(path))
            .chain(self.reaching.private_key.clone())
            .collect();
        if !named.is_empty() {
            let passphrase = vars.private_key_passphrase.clone();
            let key = |path| KeyFile {
                path,
                passphrase: passphrase.clone(),
                named: true,
            };
            target.auth.keys = named.into_iter().map(key).collect();
        }
        target.auth.identities_only = vars.ssh.identities_only.unwrap_or(false);
        target.auth.password = vars.password.clone().or_else(|| self.password.clone());
        let timeout = vars
            .timeout
            .or(self.reaching.timeout.map(Duration::from_secs));
        if let Some(timeout) = timeout {
            target.timeouts.connect = timeout;
        }
        self.host_keys(target, vars);
    }

    fn host_keys(&self, target: &mut Target, vars: &ConnectionVars) {
        let said = vars.host_key_checking.or(vars.ssh.host_key_checking);
        target.host_keys.check =
            match (self.reaching.host_keys, said) {
                (Some(HostKeysArgument::Check), _)
                | (None, Some(HostKeyChecking::Strict) | None) => HostKeyCheck::Strict,
                (Some(HostKeysArgument::AcceptNew), _)
                | (None, Some(HostKeyChecking::AcceptNew)) => HostKeyCheck::AcceptNew,
                (Some(HostKeysArgument::Off), _) | (None, Some(HostKeyChecking::Off)) => {
                    HostKeyCheck::Off
                }
            };
        if !vars.ssh.known_hosts.is_empty() {
            let files = vars
                .ssh
                .known_hosts
                .iter()
                .map(|path| self.surroundings.expand(path));
            target.host_keys.files = files.collect();
        }
        target.host_keys.alias.clone_from(&vars.ssh.host_key_alias);
    }

    /// Adds the hosts that the way leads through: `user@host:port`, separated by commas.
    fn jumps(&self, target: &mut Target, vars: &ConnectionVars) -> Result<(), Problem> {
        let said = vars
            .ssh
            .proxy_jump
            .as_deref()
            .or(self.reaching.proxy_jump.as_deref());
        for jump in said
            .filter(|jump| *jump != "none")
            .unwrap_or_default()
            .split(',')
            .filter(|jump| !jump.is_empty())
        {
            let (user, place) = match jump.rsplit_once('@') {
                Some((user, place)) => (Some(user), place),
                None => (None, jump),
            };
            let (host, port) = match place.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                    (host, Some(port))
                }
                _ => (place, None),
            };
            let mut hop = Target::ssh(host.trim_matches(['[', ']']), &self.surroundings);
            hop.auth.clone_from(&target.auth);
            hop.host_keys.clone_from(&target.host_keys);
            hop.host_keys.alias = None;
            hop.timeouts = target.timeouts;
            user.unwrap_or(&self.surroundings.user)
                .clone_into(&mut hop.user);
            if let Some(port) = port {
                hop.port = port.parse().map_err(|_| {
                    Problem::nowhere(format!("`{port}` is no port, in the jump `{jump}`"))
                })?;
            }
            target.jumps.push(hop);
        }
        Ok(())
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
            Err(problem.hint("ssh, local"))
        }
    }
}

fn first(problems: Vec<Problem>, host: &str) -> Problem {
    let problem = problems.into_iter().next();
    problem
        .unwrap_or_else(|| Problem::nowhere("its connection variables are wrong"))
        .note(format!("host: {host}"))
}

impl Connector for MachineConnector {
    fn connect(&self, wish: &Wish<'_>) -> Result<Box<dyn Connection>, NoSession> {
        let target = self.target(wish).map_err(NoSession::Problem)?;
        debug_assert!(matches!(target.kind, Kind::Ssh | Kind::Local));
        Ok(open(&target, &self.handshakes))
    }
}
