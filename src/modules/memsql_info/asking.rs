//! Statements to MemSQL's servers and commands to Ops, on behalf of one probe.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cluster::memsql::ops::Said;
use crate::cluster::memsql::parse::Row;
use crate::cluster::memsql::{Ask, AskError};
use crate::cluster::model::memsql::Address;
use crate::connection::ConnError;
use crate::connection::sql::{SqlError, SqlSession};
use crate::modules::sql::Login;
use crate::modules::{HostCx, ModuleError};
use crate::template::shell_quote;

/// How long a server may take to let a probe in, and how long it may say nothing.
const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_mins(1);

/// How long one command of Ops may take.
const COMMAND_SECONDS: u32 = 120;

/// The commands that are asked, by the name that their answers go by.
const COMMANDS: [(&str, &str); 7] = [
    ("nodes", "memsql-list --json"),
    ("status", "status"),
    ("version", "version --client-version-only"),
    ("agents", "agent-list --json"),
    ("all", "memsql-list --json --include-unmonitored"),
    ("help", "memsql-upgrade --help"),
    ("files", "file-list --json"),
];

/// Sessions of one probe.
#[derive(Debug)]
pub(super) struct Requests<'a, 'b> {
    pub(super) cx: &'a mut HostCx<'b>,
    login: Login,
    program: &'a str,
    sessions: BTreeMap<Address, SqlSession>,
    /// What ended the probe, if not an answer.
    ended: Option<ModuleError>,
}

impl<'a, 'b> Requests<'a, 'b> {
    pub(super) fn new(cx: &'a mut HostCx<'b>, login: &Login, program: &'a str) -> Self {
        Self {
            cx,
            login: login.clone().within(CONNECT),
            program,
            sessions: BTreeMap::new(),
            ended: None,
        }
    }

    /// Fails where the session to the host, or the operator, ended the probe.
    pub(super) fn ended(&mut self) -> Result<(), ModuleError> {
        self.ended.take().map_or(Ok(()), Err)
    }

    fn session(&mut self, at: &Address) -> Result<SqlSession, AskError> {
        if let Some(session) = self.sessions.remove(at) {
            return Ok(session);
        }
        let whole = Duration::from_hours(1);
        match self
            .login
            .open(self.cx, (&at.host, at.port), None, READ, whole)
        {
            Ok(opened) => opened.map_err(|error| told(at, &error)),
            Err(error) => {
                let message = error.to_string();
                self.ended = Some(error);
                Err(AskError::new(message))
            }
        }
    }
}

fn told(at: &Address, error: &SqlError) -> AskError {
    let message = match error {
        SqlError::NotSent(why) => why.clone(),
        SqlError::Server { .. } | SqlError::Unknown(_) | SqlError::Stopped { .. } => {
            format!("{at}: {error}")
        }
    };
    AskError {
        message,
        number: error.number(),
    }
}

impl Ask for Requests<'_, '_> {
    fn sql(&mut self, at: &Address, statement: &str) -> Result<Vec<Row>, AskError> {
        let mut session = self.session(at)?;
        let limit = self.cx.limit();
        match session.query(statement, limit) {
            Ok(sets) => {
                self.sessions.insert(at.clone(), session);
                Ok(sets
                    .into_iter()
                    .next()
                    .map(|set| set.rows)
                    .unwrap_or_default())
            }
            Err(error) => {
                match &error {
                    SqlError::Server { .. } => drop(self.sessions.insert(at.clone(), session)),
                    SqlError::Stopped { .. } => self.ended = Some(ConnError::Stopped.into()),
                    SqlError::NotSent(_) | SqlError::Unknown(_) => {}
                }
                Err(told(at, &error))
            }
        }
    }

    fn leave(&mut self, at: &Address) {
        self.sessions.remove(at);
    }

    fn ops(&mut self, all: bool) -> Result<BTreeMap<String, Said>, AskError> {
        let count = if all { COMMANDS.len() } else { 1 };
        let script = script(self.program, COMMANDS.iter().take(count));
        let mut again = true;
        loop {
            let error = match self.cx.script(script.as_str()) {
                Ok(reply) => {
                    let said = parse(&reply.text());
                    let mut asked = COMMANDS.iter().take(count);
                    match asked.find(|(name, _)| !said.contains_key(*name)) {
                        None => return Ok(said),
                        // That is no word of Ops: it would look like an Ops that knows no node.
                        Some(_) if again => {
                            again = false;
                            continue;
                        }
                        Some((_, words)) => ModuleError::failed(format!(
                            "{} {words}: its answer is cut off or makes no sense",
                            self.program
                        )),
                    }
                }
                Err(error) => error,
            };
            let message = error.to_string();
            self.ended = Some(error);
            return Err(AskError::new(message));
        }
    }
}

/// One text for all commands: the name of each, its exit code and what it said, so that nothing of it can be mistaken.
fn script<'c>(program: &str, commands: impl Iterator<Item = &'c (&'c str, &'c str)>) -> String {
    let program = shell_quote(program);
    let limit = format!(
        "t=; if command -v timeout >/dev/null 2>&1; then t='timeout {COMMAND_SECONDS}'; fi\n"
    );
    let lines = commands.map(|(name, words)| {
        format!(
            "o=$($t {program} {words} </dev/null 2>&1); c=$?; printf '%s %s %s\\n' {name} $c \"$(printf %s \"$o\" | base64 | tr -d '\\n')\"\n"
        )
    });
    limit + &lines.collect::<Vec<_>>().concat()
}

fn parse(text: &str) -> BTreeMap<String, Said> {
    let mut said = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(code), Some(encoded)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        let one = Said {
            code: code.parse().unwrap_or(-1),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        };
        said.insert(name.to_owned(), one);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "the script is tried in real shells"
    )]
    #[test]
    fn commands_are_heard_with_their_codes_in_every_shell() {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let commands = [("one", "'a b'; false"), ("two", "'line 1\nline 2 ü'")];
            let script = script("echo", commands.iter());
            let output = std::process::Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", &script])
                .output()
                .unwrap();
            let said = parse(&String::from_utf8(output.stdout).unwrap());
            assert_eq!(said["two"].text, "line 1\nline 2 ü", "{shell:?}");
            assert_eq!(said["two"].code, 0, "{shell:?}");
            assert_eq!(said["one"].text, "a b", "{shell:?}");
        }
    }
}
