//! Proving the login user to an SSH server: agent, key files, password; each tried once, and what was tried is told.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all that libssh2 and its agent say, only a refusal lets the next way be tried"
)]

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt};

use crate::connection::ConnError;
use crate::connection::target::{KeyFile, LoginMethod, Target};
use crate::connection::tunnel::AgentDoor;
use crate::connection::waiting::Waiting;
use crate::secrets::Secret;

use super::live::{Live, Trouble};

/// How many keys of the agent are offered that nobody named; servers allow six tries in all.
const AGENT_TRIES: usize = 4;

/// How long the agent may take, with a person who touches a key or types a passphrase.
const AGENT_PATIENCE: Duration = Duration::from_mins(1);

/// Why the login did not work.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The connection broke before anything was tried: it may be dialled again.
    Broke(String),
    /// It is final.
    Final(ConnError),
}

/// One login, with what has been tried.
struct Login<'a> {
    live: &'a mut Live,
    target: &'a Target,
    waiting: Waiting<'a>,
    tried: Vec<String>,
}

/// What one try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Try {
    LoggedIn,
    Refused,
}

/// Logs in.
pub(crate) fn log_in(
    live: &mut Live,
    target: &Target,
    waiting: &Waiting<'_>,
) -> Result<(), Refusal> {
    let mut login = Login {
        live,
        target,
        waiting: *waiting,
        tried: Vec::new(),
    };
    let methods = match login.methods() {
        Ok(None) => return Ok(()),
        Ok(Some(methods)) => methods,
        Err(trouble) if trouble.is_break() => return Err(Refusal::Broke(trouble.reason())),
        Err(trouble) => return Err(Refusal::Final(login.stopped(trouble))),
    };
    login.run(methods).map_err(Refusal::Final)
}

impl Login<'_> {
    /// Asks what the server allows; none if the user is let in without proof.
    fn methods(&mut self) -> Result<Option<Vec<String>>, Trouble> {
        let user = self.target.user.clone();
        let list = self.live.drive(&self.waiting, |session| {
            session.auth_methods(&user).map(str::to_owned)
        });
        match list {
            _ if self.live.session.authenticated() => Ok(None),
            Ok(list) => Ok(Some(list.split(',').map(str::to_owned).collect())),
            Err(trouble) => Err(trouble),
        }
    }

    fn run(&mut self, mut methods: Vec<String>) -> Result<(), ConnError> {
        let wanted = self.target.auth.methods.clone();
        let allows = |methods: &[String], method: LoginMethod| {
            wanted.contains(&method) && methods.iter().any(|name| name == method.name())
        };
        if allows(&methods, LoginMethod::PublicKey) {
            if self.keys()? == Try::LoggedIn {
                return Ok(());
            }
            // A server that wants a key and a password says so only now.
            if self.target.auth.password.is_some()
                && let Ok(Some(now)) = self.methods()
            {
                methods = now;
            }
        }
        let password = self.target.auth.password.clone();
        // Both check the same password in most places, so that trying both would count as two wrong ones.
        let way = wanted
            .iter()
            .filter(|method| **method != LoginMethod::PublicKey)
            .find(|method| allows(&methods, **method))
            .map(|method| method.name());
        match (password, way) {
            (Some(password), Some(way)) => {
                if self.password(way, &password)? == Try::LoggedIn {
                    return Ok(());
                }
            }
            (Some(_), None) => self
                .tried
                .push("the password (not sent: the server does not take one)".to_owned()),
            (None, _) => {}
        }
        Err(self.refused(&methods))
    }

    fn refused(&self, methods: &[String]) -> ConnError {
        let tried = if self.tried.is_empty() {
            "nothing to try: no agent, no key file, no password".to_owned()
        } else {
            format!("tried {}", self.tried.join(", "))
        };
        ConnError::Auth {
            message: format!(
                "{}@{} was refused; {tried}; the server allows {}{}",
                self.target.user,
                self.live.host,
                methods.join(", "),
                self.not_wanted(methods)
            ),
        }
    }

    /// Names the ways that the server allows and the configuration does not.
    fn not_wanted(&self, methods: &[String]) -> String {
        let wanted = &self.target.auth.methods;
        let not: Vec<&str> = LoginMethod::USUAL
            .iter()
            .filter(|method| !wanted.contains(*method))
            .map(|method| method.name())
            .filter(|name| methods.iter().any(|method| method == name))
            .collect();
        if not.is_empty() {
            return String::new();
        }
        format!(
            ", of which the configuration of SSH turns off {}",
            not.join(", ")
        )
    }

    fn stopped(&self, trouble: Trouble) -> ConnError {
        match trouble {
            Trouble::Waiting(ConnError::Stopped) => ConnError::Stopped,
            trouble => {
                let tried = if self.tried.is_empty() {
                    String::new()
                } else {
                    format!("; tried {}", self.tried.join(", "))
                };
                ConnError::Auth {
                    message: format!(
                        "the login of {}@{} did not come to an end: {}{tried}",
                        self.target.user,
                        self.live.host,
                        trouble.reason()
                    ),
                }
            }
        }
    }

    /// Sorts the answer to one try: in, refused, or an end to all tries.
    fn outcome(&mut self, what: &str, result: Result<(), Trouble>) -> Result<Try, ConnError> {
        match result {
            Ok(()) if self.live.session.authenticated() => Ok(Try::LoggedIn),
            Ok(()) => {
                self.tried
                    .push(format!("{what} (accepted, and more is wanted)"));
                Ok(Try::Refused)
            }
            Err(Trouble::Ssh(error)) => {
                let why = match error.code() {
                    ErrorCode::Session(-18 | -19) => "refused".to_owned(),
                    _ => error.message().to_owned(),
                };
                self.tried.push(format!("{what} ({why})"));
                let trouble = Trouble::Ssh(error);
                if trouble.is_break() {
                    Err(self.stopped(trouble))
                } else {
                    Ok(Try::Refused)
                }
            }
            Err(trouble) => Err(self.stopped(trouble)),
        }
    }

    /// Tries the named keys by agent and file, then the agent's other keys, then the usual files.
    fn keys(&mut self) -> Result<Try, ConnError> {
        let (named, usual): (Vec<KeyFile>, Vec<KeyFile>) = self
            .target
            .auth
            .keys
            .iter()
            .cloned()
            .partition(|key| key.named);
        let wanted: Vec<Vec<u8>> = named
            .iter()
            .filter_map(|key| public_half(&key.path))
            .collect();
        let mut offered = Vec::new();
        if self.agent(&mut offered, |blob| wanted.iter().any(|key| key == blob))? == Try::LoggedIn {
            return Ok(Try::LoggedIn);
        }
        for key in &named {
            if self.key_file(key, &offered)? == Try::LoggedIn {
                return Ok(Try::LoggedIn);
            }
        }
        if !self.target.auth.identities_only && self.agent(&mut offered, |_| true)? == Try::LoggedIn
        {
            return Ok(Try::LoggedIn);
        }
        for key in &usual {
            if self.key_file(key, &offered)? == Try::LoggedIn {
                return Ok(Try::LoggedIn);
            }
        }
        Ok(Try::Refused)
    }

    /// Offers the agent's keys that fit and were not offered yet.
    fn agent(
        &mut self,
        offered: &mut Vec<Vec<u8>>,
        fits: impl Fn(&[u8]) -> bool,
    ) -> Result<Try, ConnError> {
        let Some(socket) = self.target.auth.agent.clone() else {
            return Ok(Try::Refused);
        };
        let waiting = self.waiting.within(AGENT_PATIENCE);
        let (door, mut agent) = match AgentDoor::open(&socket, &waiting)
            .map_err(|error| error.to_string())
            .and_then(|door| Ok((open_agent(self.live, &door)?, door)))
        {
            Ok((agent, door)) => (door, agent),
            Err(error) => {
                self.tried
                    .push(format!("the agent at {} ({error})", socket.display()));
                return Ok(Try::Refused);
            }
        };
        let keys = match agent.list_identities().and_then(|()| agent.identities()) {
            Ok(keys) => keys,
            Err(error) => {
                self.tried.push(format!(
                    "the agent at {} ({})",
                    socket.display(),
                    error.message()
                ));
                return Ok(Try::Refused);
            }
        };
        let mut tries = 0;
        let user = self.target.user.clone();
        for key in keys {
            if !fits(key.blob())
                || offered.iter().any(|old| old == key.blob())
                || tries == AGENT_TRIES
            {
                continue;
            }
            tries += 1;
            offered.push(key.blob().to_vec());
            let result = self.live.drive(&waiting, |_| agent.userauth(&user, &key));
            if self.outcome(&format!("the agent's key `{}`", key.comment()), result)?
                == Try::LoggedIn
            {
                drop(agent.disconnect());
                drop(door);
                return Ok(Try::LoggedIn);
            }
        }
        Ok(Try::Refused)
    }

    fn key_file(&mut self, key: &KeyFile, offered: &[Vec<u8>]) -> Result<Try, ConnError> {
        let name = format!("the key {}", key.path.display());
        let text = match std::fs::read_to_string(&key.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !key.named => {
                return Ok(Try::Refused);
            }
            Err(error) => {
                self.tried.push(format!("{name} ({error})"));
                return Ok(Try::Refused);
            }
        };
        if public_half(&key.path).is_some_and(|blob| offered.contains(&blob)) {
            return Ok(Try::Refused);
        }
        if is_encrypted(&text) && key.passphrase.is_none() {
            self.tried.push(format!(
                "{name} (encrypted, and no passphrase is known: load it into an agent, or give it)"
            ));
            return Ok(Try::Refused);
        }
        let user = self.target.user.clone();
        let passphrase = key.passphrase.as_ref().map(Secret::reveal);
        let result = self.live.drive(&self.waiting, |session| {
            session.userauth_pubkey_memory(&user, None, &text, passphrase)
        });
        let name = match &result {
            Err(Trouble::Ssh(error))
                if is_encrypted(&text) && error.code() != ErrorCode::Session(-18) =>
            {
                format!("{name}, encrypted: the passphrase may be wrong")
            }
            _ => name,
        };
        self.outcome(&name, result)
    }

    fn password(&mut self, way: &str, password: &Secret) -> Result<Try, ConnError> {
        let user = self.target.user.clone();
        let result = if way == "password" {
            self.live.drive(&self.waiting, |session| {
                session.userauth_password(&user, password.reveal())
            })
        } else {
            let mut answers = Answers {
                password: Some(password),
            };
            self.live.drive(&self.waiting, |session| {
                session.userauth_keyboard_interactive(&user, &mut answers)
            })
        };
        self.outcome(&format!("the password ({way})"), result)
    }
}

fn open_agent(live: &Live, door: &AgentDoor) -> Result<ssh2::Agent, String> {
    let mut agent = live
        .session
        .agent()
        .map_err(|error| error.message().to_owned())?;
    agent
        .set_identity_path(door.path())
        .map_err(|error| error.message().to_owned())?;
    agent
        .connect()
        .map_err(|error| error.message().to_owned())?;
    Ok(agent)
}

/// Answers the first hidden question with the password and every other one with nothing.
struct Answers<'a> {
    password: Option<&'a Secret>,
}

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'_>]) -> Vec<String> {
        let mut answer = |prompt: &Prompt<'_>| {
            let password = if prompt.echo {
                None
            } else {
                self.password.take()
            };
            password.map_or_else(String::new, |password| password.reveal().to_owned())
        };
        prompts.iter().map(&mut answer).collect()
    }
}

/// Returns the public half of a key file, if it lies beside it.
fn public_half(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let text = std::fs::read_to_string(name).ok()?;
    STANDARD.decode(text.split_ascii_whitespace().nth(1)?).ok()
}

/// Tells whether a private key's text is encrypted.
fn is_encrypted(text: &str) -> bool {
    if text.contains("ENCRYPTED") {
        return true;
    }
    let Some((_, rest)) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----") else {
        return false;
    };
    let body: String = rest
        .chars()
        .take_while(|c| *c != '-')
        .filter(|c| !c.is_whitespace())
        .collect();
    let decoded = STANDARD.decode(body).unwrap_or_default();
    // After the magic comes the cipher's name with its length; an open key says `none`.
    decoded
        .strip_prefix(b"openssh-key-v1\0")
        .is_some_and(|rest| !rest.starts_with(b"\0\0\0\x04none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_keys_are_seen() {
        let openssh = |cipher: &[u8]| {
            let mut bytes = b"openssh-key-v1\0".to_vec();
            bytes.extend_from_slice(&u32::try_from(cipher.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(cipher);
            format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
                STANDARD.encode(bytes)
            )
        };
        assert!(is_encrypted(&openssh(b"aes256-ctr")));
        assert!(!is_encrypted(&openssh(b"none")));
        assert!(is_encrypted(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        ));
        assert!(!is_encrypted("-----BEGIN RSA PRIVATE KEY-----\nMII\n"));
    }

    #[test]
    fn only_the_first_hidden_question_gets_the_password() {
        let password = Secret::new("pw");
        let mut answers = Answers {
            password: Some(&password),
        };
        let prompt = |text: &'static str, echo| Prompt {
            text: text.into(),
            echo,
        };
        assert_eq!(
            answers.prompt(
                "",
                "",
                &[prompt("Name: ", true), prompt("Password: ", false)]
            ),
            ["", "pw"]
        );
        assert_eq!(answers.prompt("", "", &[prompt("Password: ", false)]), [""]);
        assert!(answers.prompt("", "", &[]).is_empty());
    }
}
