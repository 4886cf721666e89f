//! The client's side: one connection, one statement at a time, each with a limit.

use std::time::Duration;

use tokio::net::TcpStream;

use super::auth;
use super::packet::{self, Reader, Rows, Stream, append};
use super::server::{Answer, Fault};
use crate::sim::paths::Paths;
use crate::sim::tls;

/// How to log in.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    /// The database to be used.
    pub database: Option<String>,
    /// Whether TLS is spoken; any certificate will do.
    pub tls: bool,
}

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server says so.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Nobody could be reached; nothing was asked.
    #[error("cannot be reached: {0}")]
    NotReached(String),
    /// Nobody answered; what was asked may have been done.
    #[error("does not answer: {0}")]
    Lost(String),
}

/// A connection to a server.
pub struct Client {
    stream: Box<dyn Stream>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

const ABILITIES: u64 = 0x0001 | 0x0004 | 0x0200 | 0x2000 | 0x8000 | 0x0008_0000;
const WITH_DATABASE: u64 = 0x0008;
const WITH_TLS: u64 = 0x0800;

impl Client {
    /// Connects and logs in, within a limit.
    pub async fn connect(
        host: &str,
        port: u16,
        login: &Login,
        limit: Duration,
    ) -> Result<Self, ClientError> {
        match tokio::time::timeout(limit, Self::connected(host, port, login)).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(Refused::Fault(fault))) => Err(fault.into()),
            Ok(Err(Refused::Io(error))) => Err(ClientError::NotReached(error.to_string())),
            Err(_) => Err(ClientError::NotReached("timed out".to_owned())),
        }
    }

    async fn connected(host: &str, port: u16, login: &Login) -> Result<Self, Refused> {
        let address = Paths::of_this_host().address_of(host);
        let mut tcp = TcpStream::connect((address.as_str(), port)).await?;
        tcp.set_nodelay(true)?;
        let (_, hello) = packet::read(&mut tcp).await?;
        let salt = salt_of(&hello).ok_or_else(|| broken("no greeting"))??;
        let mut abilities = ABILITIES;
        if login.database.is_some() {
            abilities |= WITH_DATABASE;
        }
        let mut number = 1;
        let mut stream: Box<dyn Stream> = if login.tls {
            abilities |= WITH_TLS;
            let mut out = Vec::new();
            append(&mut out, number, &head(abilities));
            packet::send(&mut tcp, &out).await?;
            number += 1;
            Box::new(tls::connect(host, tcp).await?)
        } else {
            Box::new(tcp)
        };
        let mut content = head(abilities);
        content.extend_from_slice(login.user.as_bytes());
        content.push(0);
        let proof = auth::scramble(&login.password, &salt);
        content.push(u8::try_from(proof.len()).unwrap_or(0));
        content.extend_from_slice(&proof);
        if let Some(database) = &login.database {
            content.extend_from_slice(database.as_bytes());
            content.push(0);
        }
        content.extend_from_slice(b"mysql_native_password\0");
        let mut out = Vec::new();
        append(&mut out, number, &content);
        packet::send(&mut stream, &out).await?;
        let (_, answer) = packet::read(&mut stream).await?;
        match fault_of(&answer) {
            Some(fault) => Err(Refused::Fault(fault)),
            None => Ok(Self { stream }),
        }
    }

    /// Asks; after anything but an answer or a fault the connection is of no use.
    pub async fn query(&mut self, text: &str, limit: Duration) -> Result<Answer, ClientError> {
        match tokio::time::timeout(limit, self.asked(text)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Refused::Fault(fault))) => Err(fault.into()),
            Ok(Err(Refused::Io(error))) => Err(ClientError::Lost(error.to_string())),
            Err(_) => Err(ClientError::Lost("timed out".to_owned())),
        }
    }

    /// Asks for rows.
    pub async fn rows(&mut self, text: &str, limit: Duration) -> Result<Rows, ClientError> {
        match self.query(text, limit).await? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Done(_) | Answer::HangUp => Ok(Rows::default()),
        }
    }

    async fn asked(&mut self, text: &str) -> Result<Answer, Refused> {
        let mut content = vec![0x03];
        content.extend_from_slice(text.as_bytes());
        let mut out = Vec::new();
        append(&mut out, 0, &content);
        packet::send(&mut self.stream, &out).await?;
        let (_, first) = packet::read(&mut self.stream).await?;
        if let Some(fault) = fault_of(&first) {
            return Err(Refused::Fault(fault));
        }
        let mut reader = Reader::new(&first);
        let count = reader
            .length()
            .flatten()
            .ok_or_else(|| broken("no answer"))?;
        if count == 0 {
            let affected = reader.length().flatten().unwrap_or(0);
            return Ok(Answer::Done(affected));
        }
        let mut rows = Rows::default();
        for _ in 0..count {
            let (_, content) = packet::read(&mut self.stream).await?;
            let mut reader = Reader::new(&content);
            let name = (0..5).map(|_| reader.text()).last().flatten().flatten();
            rows.columns.push(name.unwrap_or_default());
        }
        packet::read(&mut self.stream).await?;
        loop {
            let (_, content) = packet::read(&mut self.stream).await?;
            if content.first() == Some(&0xfe) && content.len() < 9 {
                return Ok(Answer::Rows(rows));
            }
            if let Some(fault) = fault_of(&content) {
                return Err(Refused::Fault(fault));
            }
            let mut reader = Reader::new(&content);
            let row = (0..count).map(|_| reader.text().ok_or_else(|| broken("a torn row")));
            rows.rows.push(row.collect::<Result<_, _>>()?);
        }
    }
}

/// Connects, asks one thing, and ends the connection.
pub async fn ask(
    host: &str,
    port: u16,
    login: &Login,
    text: &str,
    (connect, limit): (Duration, Duration),
) -> Result<Answer, ClientError> {
    let mut client = Client::connect(host, port, login, connect).await?;
    client.query(text, limit).await
}

#[derive(Debug)]
enum Refused {
    Fault(Fault),
    Io(std::io::Error),
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn broken(what: &str) -> Refused {
    Refused::Io(std::io::Error::other(what.to_owned()))
}

fn head(abilities: u64) -> Vec<u8> {
    let mut out = u32::try_from(abilities).unwrap_or(0).to_le_bytes().to_vec();
    out.extend_from_slice(&0x00ff_ffff_u32.to_le_bytes());
    out.push(33);
    out.extend_from_slice(&[0; 23]);
    out
}

fn salt_of(hello: &[u8]) -> Option<Result<Vec<u8>, Refused>> {
    if let Some(fault) = fault_of(hello) {
        return Some(Err(Refused::Fault(fault)));
    }
    let mut reader = Reader::new(hello);
    reader.byte()?;
    reader.until_zero()?;
    reader.take(4)?;
    let mut salt = reader.take(8)?.to_vec();
    reader.take(1 + 2 + 1 + 2 + 2 + 1 + 10)?;
    salt.extend_from_slice(reader.until_zero()?);
    Some(Ok(salt))
}

fn fault_of(content: &[u8]) -> Option<Fault> {
    let mut reader = Reader::new(content);
    if reader.byte()? != 0xff {
        return None;
    }
    let number = u16::try_from(reader.number(2)?).ok()?;
    let rest = reader.rest();
    let text = if rest.first() == Some(&b'#') {
        rest.get(6..).unwrap_or_default()
    } else {
        rest
    };
    Some(Fault::new(number, String::from_utf8_lossy(text)))
}

/// Quotes a name for a statement.
pub fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Quotes a text for a statement.
pub fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_stay_in_their_quotes() {
        assert_eq!(quoted_name("a`b-c"), "`a``b-c`");
        assert_eq!(quoted_text(r"it's \"), r"'it\'s \\'");
    }
}
