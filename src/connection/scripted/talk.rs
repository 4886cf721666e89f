//! What is said to servers through a scripted host: bytes of a stream, and SQL.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::hosts::{Course, ScriptedHosts};
use super::{Call, Fault, SqlTalk, Verb};
use crate::connection::sql::{SqlError, SqlRows};
use crate::connection::{ConnError, Limit, Stream};

/// A stream whose other side answers once it is read from.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) host: String,
    pub(super) to: String,
    pub(super) hosts: Arc<ScriptedHosts>,
    pub(super) said: Vec<u8>,
    pub(super) heard: Vec<u8>,
}

impl Stream for Tunnel {}

impl Tunnel {
    /// Sends what was said and returns what was answered.
    fn exchange(&self, said: &[u8]) -> io::Result<Vec<u8>> {
        let text = format!("{} {}", self.to, String::from_utf8_lossy(said));
        let call = Call {
            host: &self.host,
            verb: Verb::Say,
            text: &text,
        };
        let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
        let course = self.hosts.take(&call).map_err(|_| broken())?;
        self.hosts.clock.advance(self.hosts.time_of(&call));
        let fault = match course {
            Course::Fails | Course::DoneBut(Fault::DiskFull) => {
                return Ok(b"HTTP/1.1 500 no\r\nContent-Length: 2\r\n\r\n{}".to_vec());
            }
            Course::Done => None,
            Course::DoneBut(fault) => Some(fault),
        };
        let heard = self.hosts.answers.speak(&self.host, &self.to, said);
        let heard = heard.ok_or(io::ErrorKind::ConnectionRefused)?;
        match fault {
            None => Ok(heard),
            Some(Fault::Garbled) => Ok(b"\xff\x00\x1b not it\r\n\r\n".to_vec()),
            Some(fault) => match self.hosts.broken(&self.host, fault) {
                None => Ok(heard),
                Some(ConnError::TimedOut { .. }) => Err(io::ErrorKind::TimedOut.into()),
                Some(_) => Err(broken()),
            },
        }
    }
}

impl Read for Tunnel {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.heard.is_empty() && !self.said.is_empty() {
            let said = std::mem::take(&mut self.said);
            self.heard = self.exchange(&said)?;
        }
        let count = into.len().min(self.heard.len());
        for (place, byte) in into.iter_mut().zip(self.heard.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

impl Write for Tunnel {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.said.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to a server that speaks SQL.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) host: String,
    pub(super) to: String,
    pub(super) hosts: Arc<ScriptedHosts>,
}

impl Talk {
    fn refused(&self) -> SqlError {
        SqlError::NotSent(format!("{}: connection refused", self.to))
    }
}

impl SqlTalk for Talk {
    fn open(&mut self, limit: Limit<'_>) -> Result<(), SqlError> {
        if limit.stop.abandons() {
            return Err(SqlError::Stopped { sent: false });
        }
        let way = self.hosts.unless_gone(&self.host);
        way.map_err(|error| {
            if error == ConnError::Stopped {
                SqlError::Stopped { sent: false }
            } else {
                SqlError::NotSent(error.to_string())
            }
        })?;
        if self.hosts.answers.listens(&self.host, &self.to) != Some(true) {
            return Err(self.refused());
        }
        Ok(())
    }

    fn say(&mut self, statement: &str, limit: Limit<'_>) -> Result<Vec<SqlRows>, SqlError> {
        if limit.stop.abandons() {
            return Err(SqlError::Stopped { sent: false });
        }
        let text = format!("{} {statement}", self.to);
        let call = Call {
            host: &self.host,
            verb: Verb::Sql,
            text: &text,
        };
        let course = self.hosts.take(&call).map_err(|error| {
            if error == ConnError::Stopped {
                SqlError::Stopped { sent: true }
            } else {
                SqlError::Unknown(error.to_string())
            }
        })?;
        let fault = match course {
            Course::Fails => return Err(server(1746, "it was refused")),
            Course::DoneBut(Fault::DiskFull) => return Err(server(1021, "the disk is full")),
            Course::Done => None,
            Course::DoneBut(fault) => Some(fault),
        };
        let answer = self.hosts.answers.sql(&self.to, statement);
        let answer = answer.unwrap_or_else(|| Err(SqlError::Unknown("reset".to_owned())));
        self.hosts.clock.advance(self.hosts.time_of(&call));
        match fault {
            None => answer,
            Some(Fault::Garbled) => Err(SqlError::Unknown("a packet makes no sense".to_owned())),
            Some(fault) => match self.hosts.broken(&self.host, fault) {
                None => answer,
                Some(error) => Err(SqlError::Unknown(error.to_string())),
            },
        }
    }
}

/// A refusal by the server.
fn server(number: u16, text: &str) -> SqlError {
    SqlError::Server {
        number,
        state: "HY000".to_owned(),
        text: text.to_owned(),
    }
}
