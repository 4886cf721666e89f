//! The server's side: greeting, log in, commands. What a command means is its caller's.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::auth;
use super::packet::{self, Reader, Rows, Stream, append, put_length, put_text};

const CLIENT_CONNECT_WITH_DB: u64 = 0x0008;
const CLIENT_PROTOCOL_41: u64 = 0x0200;
const CLIENT_SSL: u64 = 0x0800;
const CLIENT_TRANSACTIONS: u64 = 0x2000;
const CLIENT_SECURE_CONNECTION: u64 = 0x8000;
const CLIENT_PLUGIN_AUTH: u64 = 0x0008_0000;
const CLIENT_LENENC_AUTH: u64 = 0x0020_0000;
/// No `CLIENT_DEPRECATE_EOF`: a 5.5 protocol does not have it.
const OFFERED: u64 = CLIENT_CONNECT_WITH_DB
    | CLIENT_PROTOCOL_41
    | CLIENT_TRANSACTIONS
    | CLIENT_SECURE_CONNECTION
    | CLIENT_PLUGIN_AUTH
    | 0x0001
    | 0x0004;
const PLUGIN: &str = "mysql_native_password";
const UTF8: u8 = 33;

/// An error as a server says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ERROR {number}: {text}")]
pub struct Fault {
    /// Its number.
    pub number: u16,
    /// What it says.
    pub text: String,
}

impl Fault {
    /// Makes an error.
    pub fn new(number: u16, text: impl Into<String>) -> Self {
        Self {
            number,
            text: text.into(),
        }
    }

    fn sql_state(&self) -> &'static str {
        match self.number {
            1045 | 1044 => "28000",
            1064 | 1149 => "42000",
            1049 => "42000",
            1146 => "42S02",
            1062 => "23000",
            1205 | 1213 => "40001",
            _ => "HY000",
        }
    }
}

/// What a statement is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows.
    Rows(Rows),
    /// It was done, to so many rows.
    Done(u64),
    /// The connection ends without a word.
    HangUp,
}

/// Who is at the other end.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// The user that logged in.
    pub user: String,
    /// The database in use.
    pub database: Option<String>,
    /// The number of the connection.
    pub id: u32,
}

/// How TLS is spoken.
#[derive(Clone)]
pub struct Tls(pub TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// What a server says of itself first.
#[derive(Debug, Clone)]
pub struct Greeting {
    /// The version in the greeting, which is MySQL's.
    pub version: String,
    /// How TLS is spoken, if it is.
    pub tls: Option<Tls>,
    /// Whether who speaks no TLS is turned away.
    pub requires_tls: bool,
}

/// What answers at one port.
pub trait Conversation: Send + Sync + 'static {
    /// Returns what is said first.
    fn greeting(&self) -> Greeting;
    /// Returns the password of a user; nothing if there is no such user.
    fn password(&self, user: &str) -> Option<String>;
    /// Answers a statement.
    fn query(
        &self,
        peer: &mut Peer,
        text: &str,
    ) -> impl Future<Output = Result<Answer, Fault>> + Send;
    /// A connection was made.
    fn begin(&self, peer: &Peer);
    /// A connection has ended.
    fn end(&self, peer: &Peer);
}

/// Serves a connection to its end.
pub async fn converse<C: Conversation>(tcp: TcpStream, service: Arc<C>) -> io::Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    tcp.set_nodelay(true)?;
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let greeting = service.greeting();
    let mut stream: Box<dyn Stream> = Box::new(tcp);
    let Some(peer) = welcome(&mut stream, &*service, &greeting, id).await? else {
        return Ok(());
    };
    service.begin(&peer);
    let mut peer = Guest {
        service: Arc::clone(&service),
        peer,
    };
    let outcome = serve(&mut stream, &*service, &mut peer.peer).await;
    drop(stream.shutdown().await);
    outcome
}

/// Sees to it that the end of a connection is noticed however it ends.
struct Guest<C: Conversation> {
    service: Arc<C>,
    peer: Peer,
}

impl<C: Conversation> Drop for Guest<C> {
    fn drop(&mut self) {
        self.service.end(&self.peer);
    }
}

/// Greets and lets in; nothing if who came was turned away.
async fn welcome<C: Conversation>(
    stream: &mut Box<dyn Stream>,
    service: &C,
    greeting: &Greeting,
    id: u32,
) -> io::Result<Option<Peer>> {
    let salt = salt(id);
    let mut out = Vec::new();
    append(&mut out, 0, &hello(greeting, id, &salt));
    packet::send(stream, &out).await?;
    let (mut number, mut content) = packet::read(stream).await?;
    let mut is_safe = false;
    if content.len() == 32
        && Reader::new(&content).number(4).unwrap_or(0) & CLIENT_SSL != 0
        && let Some(tls) = &greeting.tls
    {
        let plain = std::mem::replace(stream, Box::new(tokio::io::empty()) as Box<dyn Stream>);
        *stream = Box::new(tls.0.accept(plain).await?);
        is_safe = true;
        (number, content) = packet::read(stream).await?;
    }
    let Some(login) = login_of(&content) else {
        return refuse(stream, number, &Fault::new(1043, "Bad handshake")).await;
    };
    if greeting.requires_tls && !is_safe {
        let fault = Fault::new(3159, "Connections using insecure transport are prohibited");
        return refuse(stream, number, &fault).await;
    }
    let password = service.password(&login.user);
    if !password.is_some_and(|password| auth::is_proved(&password, &salt, &login.proof)) {
        let text = format!(
            "Access denied for user '{}' (using password: {})",
            login.user,
            if login.proof.is_empty() { "NO" } else { "YES" }
        );
        return refuse(stream, number, &Fault::new(1045, text)).await;
    }
    let mut out = Vec::new();
    append(&mut out, number.wrapping_add(1), &done(0));
    packet::send(stream, &out).await?;
    Ok(Some(Peer {
        user: login.user,
        database: login.database,
        id,
    }))
}

async fn refuse(
    stream: &mut Box<dyn Stream>,
    number: u8,
    fault: &Fault,
) -> io::Result<Option<Peer>> {
    let mut out = Vec::new();
    append(&mut out, number.wrapping_add(1), &error(fault));
    packet::send(stream, &out).await?;
    stream.shutdown().await?;
    Ok(None)
}

struct LoginPacket {
    user: String,
    database: Option<String>,
    proof: Vec<u8>,
}

fn login_of(content: &[u8]) -> Option<LoginPacket> {
    let mut reader = Reader::new(content);
    let abilities = reader.number(4)?;
    reader.take(4 + 1 + 23)?;
    let user = String::from_utf8_lossy(reader.until_zero()?).into_owned();
    let length = if abilities & CLIENT_LENENC_AUTH != 0 {
        reader.length()??
    } else {
        u64::from(reader.byte()?)
    };
    let proof = reader.take(usize::try_from(length).ok()?)?.to_vec();
    let database = if abilities & CLIENT_CONNECT_WITH_DB == 0 {
        None
    } else {
        reader
            .until_zero()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .filter(|name| !name.is_empty())
    };
    Some(LoginPacket {
        user,
        database,
        proof,
    })
}

/// Twenty printable bytes that are not the same twice in a row.
fn salt(id: u32) -> Vec<u8> {
    let mut seed = crate::sim::time::unix_us() ^ (u64::from(id) << 32);
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((seed >> 33) % 90).unwrap_or(0) + 33
    };
    (0..20).map(|_| next()).collect()
}

fn hello(greeting: &Greeting, id: u32, salt: &[u8]) -> Vec<u8> {
    let abilities = OFFERED
        | if greeting.tls.is_some() {
            CLIENT_SSL
        } else {
            0
        };
    let abilities = u32::try_from(abilities).unwrap_or(0).to_le_bytes();
    let (low, high) = abilities.split_at(2);
    let (first, second) = salt.split_at(8.min(salt.len()));
    let mut out = vec![10];
    out.extend_from_slice(greeting.version.as_bytes());
    out.push(0);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(first);
    out.push(0);
    out.extend_from_slice(low);
    out.push(UTF8);
    out.extend_from_slice(&2_u16.to_le_bytes());
    out.extend_from_slice(high);
    out.push(21);
    out.extend_from_slice(&[0; 10]);
    out.extend_from_slice(second);
    out.push(0);
    out.extend_from_slice(PLUGIN.as_bytes());
    out.push(0);
    out
}

async fn serve<C: Conversation>(
    stream: &mut Box<dyn Stream>,
    service: &C,
    peer: &mut Peer,
) -> io::Result<()> {
    loop {
        let (_, content) = match packet::read(stream).await {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some((command, rest)) = content.split_first() else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(rest);
        let answer = match command {
            0x01 => return Ok(()),
            0x02 => {
                service
                    .query(peer, &format!("USE `{}`", text.replace('`', "``")))
                    .await
            }
            0x03 => service.query(peer, &text).await,
            0x0e => Ok(Answer::Done(0)),
            other => Err(Fault::new(1047, format!("Unknown command {other:#x}"))),
        };
        let out = match answer {
            Ok(Answer::HangUp) => return Ok(()),
            Ok(Answer::Rows(rows)) => rows_packets(&rows),
            Ok(Answer::Done(count)) => one(&done(count)),
            Err(fault) => one(&error(&fault)),
        };
        packet::send(stream, &out).await?;
    }
}

fn one(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out, 1, content);
    out
}

fn done(affected: u64) -> Vec<u8> {
    let mut out = vec![0];
    put_length(&mut out, usize::try_from(affected).unwrap_or(0));
    out.push(0);
    out.extend_from_slice(&[2, 0, 0, 0]);
    out
}

fn error(fault: &Fault) -> Vec<u8> {
    let mut out = vec![0xff];
    out.extend_from_slice(&fault.number.to_le_bytes());
    out.push(b'#');
    out.extend_from_slice(fault.sql_state().as_bytes());
    out.extend_from_slice(fault.text.as_bytes());
    out
}

const EOF: [u8; 5] = [0xfe, 0, 0, 2, 0];

fn rows_packets(rows: &Rows) -> Vec<u8> {
    let mut out = Vec::new();
    let mut number = 1_u8;
    let mut add = |content: &[u8]| {
        append(&mut out, number, content);
        number = number.wrapping_add(1);
    };
    let mut count = Vec::new();
    put_length(&mut count, rows.columns.len());
    add(&count);
    for name in &rows.columns {
        add(&column(name));
    }
    add(&EOF);
    for row in &rows.rows {
        let mut content = Vec::new();
        for cell in row {
            match cell {
                Some(text) => put_text(&mut content, text),
                None => content.push(0xfb),
            }
        }
        add(&content);
    }
    add(&EOF);
    out
}

fn column(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for text in ["def", "", "", "", name, name] {
        put_text(&mut out, text);
    }
    out.push(0x0c);
    out.extend_from_slice(&u16::from(UTF8).to_le_bytes());
    out.extend_from_slice(&1024_u32.to_le_bytes());
    // VAR_STRING, no flags, no decimals.
    out.extend_from_slice(&[0xfd, 0, 0, 0, 0, 0]);
    out
}
