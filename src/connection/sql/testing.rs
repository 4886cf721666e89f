//! A server for tests that speaks just enough of the protocol: any login, statements in text, rows as text.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{SqlTarget, SqlTls};

/// What the server does with a statement.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A result set; `None` is NULL.
    Rows(Vec<String>, Vec<Vec<Option<String>>>),
    /// Done, with so many rows changed.
    Done(u64),
    /// An error.
    Error(u16, String),
    /// The connection is closed without an answer.
    Close,
    /// Nothing, ever.
    Silence,
}

/// Makes a result set of texts; `NULL` is NULL.
pub(crate) fn rows(columns: &str, rows: &[&str]) -> Reply {
    let split = |line: &str| -> Vec<String> {
        line.split('|').map(|word| word.trim().to_owned()).collect()
    };
    let cells = |line: &&str| {
        let cells = split(line).into_iter();
        cells.map(|cell| (cell != "NULL").then_some(cell)).collect()
    };
    Reply::Rows(split(columns), rows.iter().map(cells).collect())
}

type Answers = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// A server on a port of this machine.
pub(crate) struct Server {
    /// Its port.
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server that answers as told.
    pub(crate) fn start(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answers): (_, Answers) = (Arc::clone(&asked), Arc::new(answers));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                std::thread::spawn(move || drop(speak(client, &log, &*answers)));
            }
        });
        Self { port, asked }
    }

    /// Returns all statements that came, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns how to reach it.
    pub(crate) fn target(&self) -> SqlTarget {
        SqlTarget {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: "root".to_owned(),
            password: None,
            database: None,
            tls: SqlTls::Off,
            connect: Duration::from_secs(5),
            read: Duration::from_secs(5),
            total: Duration::from_secs(5),
        }
    }
}

fn speak(
    mut client: TcpStream,
    log: &Mutex<Vec<String>>,
    answers: &(dyn Fn(&str) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let mut hello = vec![10];
    hello.extend(b"5.5.8\0\x01\0\0\0abcdefgh\0");
    // Protocol 4.1, secure connection, connect with a database, multi results, plugin authentication.
    let flags: u32 = 0x0000_0200 | 0x8000 | 0x0008 | 0x0002_0000 | 0x0008_0000;
    hello.extend(&flags.to_le_bytes()[..2]);
    hello.push(33);
    hello.extend([2, 0]);
    hello.extend(&flags.to_le_bytes()[2..]);
    hello.push(21);
    hello.extend([0; 10]);
    hello.extend(b"ijklmnopqrst\0mysql_native_password\0");
    send(&mut client, 0, &hello)?;
    receive(&mut client)?;
    send(&mut client, 2, &[0, 0, 0, 2, 0, 0, 0])?;
    loop {
        let packet = receive(&mut client)?;
        match packet.first() {
            Some(0x03) => {
                let statement = String::from_utf8_lossy(&packet[1..]).into_owned();
                log.lock().unwrap().push(statement.clone());
                match answers(&statement) {
                    Reply::Close => return Ok(()),
                    Reply::Silence => drop(receive(&mut client)),
                    reply @ (Reply::Rows(..) | Reply::Done(_) | Reply::Error(..)) => {
                        answer(&mut client, reply)?;
                    }
                }
            }
            Some(0x0e) => send(&mut client, 1, &[0, 0, 0, 2, 0, 0, 0])?,
            _ => return Ok(()),
        }
    }
}

fn answer(client: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Done(affected) => {
            let affected = u8::try_from(affected).unwrap();
            send(client, 1, &[0, affected, 0, 2, 0, 0, 0])
        }
        Reply::Error(number, text) => {
            let mut packet = vec![0xff];
            packet.extend(number.to_le_bytes());
            packet.extend(b"#HY000");
            packet.extend(text.as_bytes());
            send(client, 1, &packet)
        }
        Reply::Rows(columns, rows) => {
            let mut number = 1;
            let mut next = |client: &mut TcpStream, packet: &[u8]| {
                number = u8::wrapping_add(number, 1);
                send(client, number.wrapping_sub(1), packet)
            };
            next(client, &[u8::try_from(columns.len()).unwrap()])?;
            for column in &columns {
                let mut packet = Vec::new();
                for text in ["def", "", "", "", column, ""] {
                    packet.extend(long(text));
                }
                packet.extend([0x0c, 33, 0, 255, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
                next(client, &packet)?;
            }
            next(client, &[0xfe, 0, 0, 2, 0])?;
            for row in &rows {
                let cells = row.iter().flat_map(|cell| match cell {
                    Some(text) => long(text),
                    None => vec![0xfb],
                });
                next(client, &cells.collect::<Vec<u8>>())?;
            }
            next(client, &[0xfe, 0, 0, 2, 0])
        }
        Reply::Close | Reply::Silence => Ok(()),
    }
}

/// A text with its length before it.
fn long(text: &str) -> Vec<u8> {
    let length = text.len();
    let mut packet = if length < 251 {
        vec![u8::try_from(length).unwrap()]
    } else {
        let mut packet = vec![0xfc];
        packet.extend(u16::try_from(length).unwrap().to_le_bytes());
        packet
    };
    packet.extend(text.as_bytes());
    packet
}

fn send(client: &mut TcpStream, number: u8, packet: &[u8]) -> std::io::Result<()> {
    let mut frame = u32::try_from(packet.len()).unwrap().to_le_bytes();
    frame[3] = number;
    client.write_all(&[&frame, packet].concat())
}

fn receive(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 4];
    client.read_exact(&mut head)?;
    head[3] = 0;
    let mut packet = vec![0; u32::from_le_bytes(head) as usize];
    client.read_exact(&mut packet)?;
    Ok(packet)
}
