//! How a host is reached: the connection variables of the inventory, with their older names, as typed values.

use std::time::Duration;

use serde_json::Value;

use super::{HostKeyChecking, SshArguments};
use crate::secrets::Secret;
use crate::template::{Raw, Variables};
use crate::yaml::{Loc, Problem, duration_of, flag_of};

/// By which means a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionKind {
    /// SSH, spoken by stagger.
    Ssh,
    /// SSH, spoken by the system's `ssh`.
    OpenSsh,
    /// The machine that stagger runs on.
    Local,
}

/// How a host is reached and as whom things are done there, as far as its variables say so.
#[derive(Debug, Clone, Default)]
pub struct ConnectionVars {
    /// The name or address to connect to; always there in the scope of a host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The user to log in as.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// By which means.
    pub connection: Option<ConnectionKind>,
    /// The file of the key to log in with.
    pub private_key_file: Option<String>,
    /// The passphrase of that key.
    pub private_key_passphrase: Option<Secret>,
    /// How long to wait for a connection.
    pub timeout: Option<Duration>,
    /// How often a connection is tried again before it is up.
    pub retries: Option<u32>,
    /// How host keys are checked.
    pub host_key_checking: Option<HostKeyChecking>,
    /// What the arguments for `ssh` say.
    pub ssh: SshArguments,
    /// Whether to become another user.
    pub r#become: Option<bool>,
    /// How: `sudo`, `su`, `doas`.
    pub become_method: Option<String>,
    /// Which user to become.
    pub become_user: Option<String>,
    /// The password that this takes.
    pub become_password: Option<Secret>,
    /// The program that does it.
    pub become_exe: Option<String>,
    /// Further arguments for that program.
    pub become_flags: Option<String>,
    /// The shell that commands with shell syntax run in.
    pub shell_executable: Option<String>,
    /// What was given and has no meaning here.
    pub warnings: Vec<Problem>,
}

/// Reads the connection variables of a scope; `render` renders one variable. Of several names of one thing the one
/// with `ssh` in it wins, as in Ansible.
pub fn connection_vars(
    variables: &dyn Variables,
    render: &mut dyn FnMut(&Raw) -> Result<Value, Problem>,
) -> Result<ConnectionVars, Vec<Problem>> {
    let mut reader = Reader {
        variables,
        render,
        problems: Vec::new(),
    };
    let mut found = ConnectionVars {
        host: reader.text(&["ansible_ssh_host", "ansible_host"]),
        port: reader.number(&["ansible_ssh_port", "ansible_port"]),
        user: reader.text(&["ansible_ssh_user", "ansible_user"]),
        password: reader.secret(&[
            "ansible_ssh_password",
            "ansible_ssh_pass",
            "ansible_password",
        ]),
        connection: reader.connection(),
        private_key_file: reader
            .text(&["ansible_ssh_private_key_file", "ansible_private_key_file"]),
        private_key_passphrase: reader.secret(&["ansible_ssh_private_key_passphrase"]),
        timeout: reader.duration(&["ansible_ssh_timeout", "ansible_timeout"]),
        retries: reader.number(&["ansible_ssh_retries"]),
        host_key_checking: reader.host_key_checking(),
        r#become: reader.flag(&["ansible_become"]),
        become_method: reader.text(&["ansible_become_method"]),
        become_user: reader.text(&["ansible_sudo_user", "ansible_become_user"]),
        become_password: reader.secret(&[
            "ansible_sudo_pass",
            "ansible_become_pass",
            "ansible_become_password",
        ]),
        become_exe: reader.text(&["ansible_sudo_exe", "ansible_become_exe"]),
        become_flags: reader.text(&["ansible_sudo_flags", "ansible_become_flags"]),
        shell_executable: reader.text(&["ansible_shell_executable"]),
        ..ConnectionVars::default()
    };
    for name in [
        "ansible_ssh_args",
        "ansible_ssh_common_args",
        "ansible_ssh_extra_args",
    ] {
        reader.arguments(name, &mut found);
    }
    if reader.problems.is_empty() {
        Ok(found)
    } else {
        Err(reader.problems)
    }
}

struct Reader<'a> {
    variables: &'a dyn Variables,
    render: &'a mut dyn FnMut(&Raw) -> Result<Value, Problem>,
    problems: Vec<Problem>,
}

/// A rendered variable and where it was written.
#[derive(Debug)]
struct Given {
    name: &'static str,
    value: Value,
    origin: Option<Loc>,
}

impl Given {
    fn problem(&self, message: &str) -> Problem {
        let message = format!("{}: {message}", self.name);
        let width = self.value.as_str().map_or(1, |text| text.chars().count());
        match &self.origin {
            Some(loc) => Problem::at(loc, message).width(width),
            None => Problem::nowhere(message),
        }
    }
}

impl Reader<'_> {
    /// Returns the first of some names that has a value; nothing and empty text are none.
    fn given(&mut self, names: &[&'static str]) -> Option<Given> {
        for name in names {
            let Some(raw) = self.variables.lookup(name) else {
                continue;
            };
            let value = match (self.render)(&raw) {
                Ok(value) => value,
                Err(problem) => {
                    self.problems
                        .push(problem.note(format!("in the variable `{name}`")));
                    return None;
                }
            };
            let omitted = value
                .as_str()
                .is_some_and(|text| text == crate::template::OMIT);
            if !value.is_null() && value != "" && !omitted {
                let origin = raw.origin;
                return Some(Given {
                    name,
                    value,
                    origin,
                });
            }
        }
        None
    }

    fn read<T>(
        &mut self,
        names: &[&'static str],
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.given(names)?;
        match read(&given.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problems.push(given.problem(&message));
                None
            }
        }
    }

    fn text(&mut self, names: &[&'static str]) -> Option<String> {
        self.read(names, text)
    }

    fn secret(&mut self, names: &[&'static str]) -> Option<Secret> {
        // The message must not show what was given.
        let hidden = |value: &Value| text(value).map_err(|_| "it must be text".to_owned());
        self.read(names, |value| hidden(value).map(Secret::new))
    }

    fn number<T: std::str::FromStr>(&mut self, names: &[&'static str]) -> Option<T> {
        self.read(names, |value| {
            let number = text(value).ok().and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| format!("{value} is no number that is possible here"))
        })
    }

    fn flag(&mut self, names: &[&'static str]) -> Option<bool> {
        self.read(names, flag_of)
    }

    fn duration(&mut self, names: &[&'static str]) -> Option<Duration> {
        self.read(names, duration_of)
    }

    fn connection(&mut self) -> Option<ConnectionKind> {
        let given = self.given(&["ansible_connection"])?;
        let name = match text(&given.value) {
            Ok(name) => name,
            Err(message) => {
                self.problems.push(given.problem(&message));
                return None;
            }
        };
        match name.strip_prefix("ansible.builtin.").unwrap_or(&name) {
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" => Some(ConnectionKind::Ssh),
            "openssh" => Some(ConnectionKind::OpenSsh),
            "local" => Some(ConnectionKind::Local),
            other => {
                let problem = given.problem(&format!("there is no connection `{name}`"));
                let near = problem.did_you_mean(other, ["ssh", "smart", "paramiko", "local"]);
                let usual =
                    "write `ssh`, or `local` for this machine: hosts need sshd and a POSIX sh";
                self.problems.push(if near.hint.is_some() {
                    near
                } else {
                    near.hint(usual)
                });
                None
            }
        }
    }

    fn host_key_checking(&mut self) -> Option<HostKeyChecking> {
        let names = ["ansible_ssh_host_key_checking", "ansible_host_key_checking"];
        self.read(&names, |value| {
            if value == "accept-new" {
                return Ok(HostKeyChecking::AcceptNew);
            }
            Ok(if flag_of(value)? {
                HostKeyChecking::Strict
            } else {
                HostKeyChecking::Off
            })
        })
    }

    fn arguments(&mut self, name: &'static str, found: &mut ConnectionVars) {
        let Some(given) = self.given(&[name]) else {
            return;
        };
        let known = found.ssh.ignored.len();
        let added = text(&given.value).and_then(|text| found.ssh.add(&text));
        if let Err(message) = added {
            self.problems.push(given.problem(&message));
        }
        for option in found.ssh.ignored.iter().skip(known) {
            let message = format!("the option {option} has no meaning here");
            found.warnings.push(given.problem(&message));
        }
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("{value} must be text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::testing::inventory;
    use crate::vars::{RunMagic, World};
    use std::sync::Arc;

    fn read(line: &str) -> Result<ConnectionVars, Vec<Problem>> {
        let world = World::new(
            inventory(&format!("h1 {line}\n")),
            Vec::new(),
            RunMagic::default(),
        );
        let scope = world.scope("h1", ".", &Arc::default(), &Arc::default());
        connection_vars(&scope, &mut |raw| match raw.value.as_str() {
            Some("{{ broken }}") => Err(Problem::nowhere("`broken` is undefined")),
            _ => Ok(raw.value.clone()),
        })
    }

    #[test]
    fn a_host_without_variables_is_reached_by_its_name() {
        let found = read("").unwrap();
        assert_eq!(found.host.as_deref(), Some("h1"));
        assert_eq!(
            (found.port, found.connection, found.r#become),
            (None, None, None)
        );
    }

    #[test]
    fn old_names_win_over_new_ones() {
        let found = read(
            "ansible_host=a ansible_ssh_host=b ansible_port=22 ansible_ssh_port='2222' ansible_user=u \
             ansible_ssh_pass=secret1 ansible_connection=ansible.builtin.ssh ansible_become=yes \
             ansible_become_user=admin ansible_become_pass=secret2 ansible_timeout=5 ansible_ssh_retries=3 \
             ansible_host_key_checking=False ansible_private_key_file=k",
        );
        let found = found.unwrap();
        assert_eq!((found.host.as_deref(), found.port), (Some("b"), Some(2222)));
        assert_eq!(found.user.as_deref(), Some("u"));
        assert_eq!(found.password, Some(Secret::new("secret1")));
        assert_eq!(found.connection, Some(ConnectionKind::Ssh));
        assert_eq!(
            (found.r#become, found.become_user.as_deref()),
            (Some(true), Some("admin"))
        );
        assert_eq!(found.become_password, Some(Secret::new("secret2")));
        assert_eq!(
            (found.timeout, found.retries),
            (Some(Duration::from_secs(5)), Some(3))
        );
        assert_eq!(found.host_key_checking, Some(HostKeyChecking::Off));
        assert!(!format!("{found:?}").contains("secret1"));
    }

    #[test]
    fn arguments_of_ssh_are_read_and_the_rest_named() {
        let found = read(
            "ansible_ssh_common_args='-o ProxyJump=bastion -A' ansible_ssh_extra_args='-J other -i k'",
        );
        let found = found.unwrap();
        assert_eq!(found.ssh.option("ProxyJump"), Some("bastion"));
        assert_eq!(found.ssh.option("IdentityFile"), Some("k"));
        assert_eq!(found.warnings.len(), 1);
        assert!(found.warnings[0].message.contains("-A"));
    }

    #[test]
    fn every_wrong_variable_is_a_problem_with_its_place() {
        let problems = read(
            "ansible_port=high ansible_connection=winrm ansible_become=perhaps ansible_user='{{ broken }}' \
             ansible_ssh_common_args=bastion ansible_password=\"{'a': 'secret'}\"",
        );
        let shown: Vec<String> = problems
            .unwrap_err()
            .iter()
            .map(|problem| {
                let column = problem.loc.as_ref().map_or(0, |loc| loc.column);
                format!("{column} {}", problem.message)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "17 ansible_port: \"high\" is no number that is possible here",
                "0 `broken` is undefined",
                "147 ansible_password: it must be text",
                "41 ansible_connection: there is no connection `winrm`",
                "62 ansible_become: \"perhaps\" is no flag: write true or false",
                "122 ansible_ssh_common_args: `bastion` is no option of ssh",
            ]
        );
    }
}
