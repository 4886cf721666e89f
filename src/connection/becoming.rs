//! Becoming another user: the command of `sudo`, `su` or `doas`, and the talk with it until its shell is there.
//!
//! A password is sent only when it is asked for, and only once: sent too early it would be run as a command, and a
//! second wrong one brings an account nearer to being locked. Pure; `shells` carries the bytes.

use zeroize::Zeroizing;

use super::framing::random_hex;
use super::shell::single_quoted;
use super::{Become, BecomeMethod, ConnError, End};

/// The talk with the program, up to the word that its shell says.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    user: &'a Become,
    host: String,
    shell: String,
    prompt: String,
    ready: String,
    asked: usize,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for more.
    Wait,
    /// Send the password and a newline.
    SendPassword,
    /// The shell is there.
    Ready,
}

impl<'a> Talk<'a> {
    /// Begins a talk that ends in this shell.
    pub(crate) fn new(user: &'a Become, shell: &str, host: &str) -> Result<Self, ConnError> {
        let token = || {
            random_hex::<8>().map_err(|error| ConnError::Become {
                message: format!("no random bytes: {error}"),
            })
        };
        let name = &user.user;
        if name.is_empty() || name.starts_with('-') || name.contains(['\0', '\n']) {
            return Err(ConnError::Become {
                message: format!("`{name}` is no name of a user"),
            });
        }
        Ok(Self {
            user,
            host: host.to_owned(),
            shell: shell.to_owned(),
            prompt: format!("[password {}] ", token()?),
            ready: format!("ready-{}", token()?),
            asked: 0,
        })
    }

    /// Writes the command that the login user's shell runs.
    pub(crate) fn command(&self) -> String {
        let shell = single_quoted(&format!("echo {}; exec {}", self.ready, self.shell));
        let user = single_quoted(&self.user.user);
        let flags = self.user.flags.iter().filter(|flag| !self.clashes(flag));
        let flags = flags.fold(String::new(), |all, flag| all + " " + &single_quoted(flag));
        let program = |name: &str| {
            let exe = self.user.exe.as_deref().unwrap_or(name);
            if exe == name {
                exe.to_owned()
            } else {
                single_quoted(exe)
            }
        };
        match self.user.method {
            BecomeMethod::Sudo => format!(
                "{}{flags} -H -S -p {} -u {user} -- /bin/sh -c {shell}",
                program("sudo"),
                single_quoted(&self.prompt),
            ),
            BecomeMethod::Su => format!("{}{flags} -s /bin/sh -c {shell} {user}", program("su")),
            BecomeMethod::Doas => {
                format!(
                    "{}{flags} -n -u {user} -- /bin/sh -c {shell}",
                    program("doas")
                )
            }
        }
    }

    /// Tells whether a flag contradicts or repeats what is always given.
    fn clashes(&self, flag: &str) -> bool {
        match self.user.method {
            BecomeMethod::Sudo => {
                matches!(flag, "-H" | "-S") || (flag == "-n" && self.user.password.is_some())
            }
            BecomeMethod::Doas => flag == "-n",
            BecomeMethod::Su => false,
        }
    }

    /// Returns the password as it is sent.
    pub(crate) fn password_line(&self) -> Zeroizing<Vec<u8>> {
        let password = self
            .user
            .password
            .as_ref()
            .map_or("", |password| password.reveal());
        let mut line = Zeroizing::new(Vec::with_capacity(password.len() + 1));
        line.extend_from_slice(password.as_bytes());
        line.push(b'\n');
        line
    }

    /// Looks at all that has come on both streams so far, and says what is to be done.
    pub(crate) fn next(&mut self, out: &[u8], err: &[u8]) -> Result<Next, ConnError> {
        if lines(out).any(|line| line == self.ready.as_bytes()) {
            return Ok(Next::Ready);
        }
        let asked = self.prompts(err);
        if asked <= self.asked {
            return Ok(Next::Wait);
        }
        self.asked = asked;
        if asked > 1 {
            return Err(self.wrong_password());
        }
        match &self.user.password {
            Some(_) => Ok(Next::SendPassword),
            None => Err(self.failed(
                "it asks for a password and none is known: give ansible_become_password, or -K",
            )),
        }
    }

    /// Counts how often a password was asked for.
    fn prompts(&self, err: &[u8]) -> usize {
        let text = String::from_utf8_lossy(err);
        let own = text.matches(&self.prompt).count();
        if own > 0 {
            return own;
        }
        // `su` has a prompt of its own, and so have some PAM modules below sudo: an unfinished line that ends in a colon.
        let last = text.rsplit('\n').next().unwrap_or_default().trim_end();
        let named =
            self.user.method == BecomeMethod::Su || last.to_lowercase().contains("password");
        let asks = last.ends_with([':', '：']) && named;
        let refused = ["sorry", "failure", "incorrect"];
        let again = refused
            .iter()
            .any(|word| text.to_lowercase().contains(word));
        match (asks, again) {
            (true, true) => 2,
            (true, false) => 1,
            (false, _) => 0,
        }
    }

    /// Makes the error of a program that ended without its shell being there.
    pub(crate) fn ended(&self, end: Option<End>, out: &[u8], err: &[u8]) -> ConnError {
        let how = match end {
            Some(End::Code(127)) => "the program is not there".to_owned(),
            Some(End::Code(code)) => format!("it ended with exit code {code}"),
            Some(End::Signal(signal)) => format!("it was killed by signal {signal}"),
            None => "it ended, and the host did not say how".to_owned(),
        };
        self.without_shell(how, out, err)
    }

    /// Makes the error of a program that goes on without its shell being there.
    pub(crate) fn late(&self, out: &[u8], err: &[u8]) -> ConnError {
        self.without_shell("it did not start its shell in time".to_owned(), out, err)
    }

    fn without_shell(&self, how: String, out: &[u8], err: &[u8]) -> ConnError {
        let said = self.said(out, err);
        let lower = said.to_lowercase();
        let wrong = [
            "incorrect password",
            "authentication failure",
            "sorry, try again",
            "authentication failed",
        ];
        if self.asked > 0 && wrong.iter().any(|sign| lower.contains(sign)) {
            return self.wrong_password();
        }
        if let Some(advice) = self.advice(&lower) {
            return self.failed(&format!("{advice}; it said: {said}"));
        }
        self.failed(&if said.is_empty() {
            how
        } else {
            format!("{how}; it said: {said}")
        })
    }

    /// Returns what to change for the refusals that people meet.
    fn advice(&self, said: &str) -> Option<&'static str> {
        let table: &[(&str, &str)] = match self.user.method {
            BecomeMethod::Sudo => &[
                (
                    "must have a tty",
                    "sudoers has `Defaults requiretty`: remove it, or add `Defaults:USER !requiretty`",
                ),
                (
                    "not allowed to execute",
                    "the sudoers rule allows other commands only: it must allow /bin/sh, such as `USER ALL=(ALL) ALL`",
                ),
                (
                    "not in the sudoers file",
                    "the login user has no rule in sudoers: add `USER ALL=(ALL) ALL` with visudo",
                ),
                (
                    "may not run sudo",
                    "the login user has no rule in sudoers: add `USER ALL=(ALL) ALL` with visudo",
                ),
                (
                    "a password is required",
                    "sudo needs a password: give ansible_become_password, or -K",
                ),
                ("unknown user", "there is no such user on the host"),
                (
                    "effective uid is not 0",
                    "sudo is not set-uid root, or its file system is mounted nosuid",
                ),
                (
                    "account validation failure",
                    "the login user's account or password has expired",
                ),
            ],
            BecomeMethod::Su => &[
                ("does not exist", "there is no such user on the host"),
                (
                    "must be run from a terminal",
                    "this su reads passwords from a terminal only: use sudo",
                ),
            ],
            BecomeMethod::Doas => &[
                (
                    "authentication required",
                    "doas reads passwords from a terminal only: add `nopass` to the rule in doas.conf, or use sudo",
                ),
                (
                    "not permitted",
                    "doas.conf must permit /bin/sh for the login user",
                ),
            ],
        };
        table
            .iter()
            .find(|(sign, _)| said.contains(sign))
            .map(|(_, advice)| *advice)
    }

    fn wrong_password(&self) -> ConnError {
        self.failed("the password is wrong; it was tried once and will not be tried again")
    }

    fn failed(&self, reason: &str) -> ConnError {
        let program = match self.user.method {
            BecomeMethod::Sudo => "sudo",
            BecomeMethod::Su => "su",
            BecomeMethod::Doas => "doas",
        };
        ConnError::Become {
            message: format!(
                "cannot become {} by {program} on {}: {reason}",
                self.user.user, self.host
            ),
        }
    }

    /// Returns what the program said, without our prompt, in one line.
    fn said(&self, out: &[u8], err: &[u8]) -> String {
        let text = format!(
            "{}\n{}",
            String::from_utf8_lossy(err),
            String::from_utf8_lossy(out)
        );
        let text = text.replace(&self.prompt, "");
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        lines.join(" / ")
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    // Only whole lines: the last piece may still grow.
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    bytes
        .get(..whole)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Secret;

    fn user(method: BecomeMethod, password: Option<&str>) -> Become {
        Become {
            method,
            user: "db".to_owned(),
            password: password.map(Secret::new),
            exe: None,
            flags: vec!["-n".to_owned()],
        }
    }

    #[test]
    fn commands_name_the_user_and_quote_what_was_given() {
        let starts = [
            (BecomeMethod::Sudo, Some("x"), "sudo -H -S -p '[password "),
            (BecomeMethod::Sudo, None, "sudo '-n' -H -S -p '[password "),
            (BecomeMethod::Su, None, "su '-n' -s /bin/sh -c 'echo ready-"),
            (
                BecomeMethod::Doas,
                None,
                "doas -n -u 'db' -- /bin/sh -c 'echo ready-",
            ),
        ];
        for (method, password, start) in starts {
            let user = user(method, password);
            let command = Talk::new(&user, "/bin/sh", "h").unwrap().command();
            assert!(command.starts_with(start), "{command}");
            assert!(
                !command.contains('x') || password.is_none() || !command.contains(" x"),
                "{command}"
            );
        }
        for name in ["-x", "", "a\nb"] {
            let bad = Become {
                user: name.to_owned(),
                ..user(BecomeMethod::Sudo, None)
            };
            assert!(Talk::new(&bad, "/bin/sh", "h").is_err());
        }
    }

    #[test]
    fn a_password_is_sent_once_and_only_when_it_is_asked_for() {
        let user = user(BecomeMethod::Sudo, Some("pw"));
        let mut talk = Talk::new(&user, "/bin/sh", "h").unwrap();
        let prompt = talk.prompt.clone();
        assert_eq!(talk.next(b"", b"the usual lecture:\n\n"), Ok(Next::Wait));
        assert_eq!(talk.next(b"", prompt.as_bytes()), Ok(Next::SendPassword));
        assert_eq!(talk.next(b"", prompt.as_bytes()), Ok(Next::Wait));
        let again = format!("{prompt}\nSorry, try again.\n{prompt}");
        let error = talk.next(b"", again.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot become db by sudo on h: the password is wrong; it was tried once and will not be tried again"
        );
        let ready = format!("motd\n{}", talk.ready);
        assert_eq!(
            talk.next(ready.as_bytes(), b""),
            Ok(Next::Wait),
            "the line may still grow"
        );
        assert_eq!(
            talk.next(format!("{ready}\n").as_bytes(), b""),
            Ok(Next::Ready)
        );
    }

    #[test]
    fn a_prompt_without_a_password_is_an_error() {
        let user = user(BecomeMethod::Su, None);
        let mut talk = Talk::new(&user, "/bin/sh", "h").unwrap();
        let error = talk.next(b"", "Passwort: ".as_bytes()).unwrap_err();
        assert!(error.to_string().contains("none is known"), "{error}");
    }

    #[test]
    fn refusals_say_what_to_change() {
        let cases = [
            (
                BecomeMethod::Sudo,
                "sudo: sorry, you must have a tty to run sudo",
                "!requiretty",
            ),
            (
                BecomeMethod::Sudo,
                "Sorry, user me is not allowed to execute '/bin/sh -c echo' as db on h.",
                "must allow /bin/sh",
            ),
            (
                BecomeMethod::Sudo,
                "me is not in the sudoers file.",
                "visudo",
            ),
            (
                BecomeMethod::Su,
                "su: user db does not exist or the user entry does not contain",
                "no such user",
            ),
            (
                BecomeMethod::Doas,
                "doas: Authentication required",
                "nopass",
            ),
            (
                BecomeMethod::Doas,
                "sh: doas: not found",
                "exit code 1; it said: sh: doas: not found",
            ),
        ];
        for (method, said, advice) in cases {
            let user = user(method, None);
            let talk = Talk::new(&user, "/bin/sh", "h").unwrap();
            let error = talk.ended(Some(End::Code(1)), b"", said.as_bytes());
            assert!(error.to_string().contains(advice), "{error}");
            assert!(error.nothing_sent());
        }
    }
}
