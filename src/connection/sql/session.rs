//! One connection to a server, held by a thread of its own.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use mysql::prelude::Queryable as _;
use mysql::{Conn, Error, OptsBuilder};
use serde_json::Map;
use tempfile::NamedTempFile;

use super::value::value_of;
use super::{SqlError, SqlRows, SqlTarget, SqlTls};
use crate::clock::Deadline;
use crate::connection::tunnel::Door;
use crate::connection::waiting::LOOK;
use crate::connection::{ConnError, Connection, Endpoint, Limit};

/// A connection that is logged in.
#[derive(Debug)]
pub struct SqlSession {
    asks: Sender<String>,
    answers: Receiver<Answer>,
    deadline: Deadline,
    place: String,
    /// Why it cannot be used any more.
    broken: Option<String>,
    // Dropping it closes the socket of a tunnel.
    _door: Option<Door>,
    /// Who answers instead of the thread, in tests.
    #[cfg(test)]
    scripted: Option<Box<dyn crate::connection::scripted::SqlTalk>>,
}

type Answer = Result<Vec<SqlRows>, Failure>;

/// What the thread says of a failure.
#[derive(Debug)]
enum Failure {
    Server {
        number: u16,
        state: String,
        text: String,
    },
    Broken(String),
}

impl SqlSession {
    /// Connects and logs in; `via` goes through a host's session. The limit holds for all that is asked of it.
    pub fn open(
        target: &SqlTarget,
        via: Option<&mut dyn Connection>,
        limit: Limit<'_>,
    ) -> Result<Self, SqlError> {
        target.check(via.is_some())?;
        let deadline = limit.deadline.earlier(limit.clock.deadline(target.total));
        let limit = Limit { deadline, ..limit };
        #[cfg(test)]
        let via = match scripted(target, via, limit) {
            Scripted::Opened(session) => return session,
            Scripted::No(via) => via,
        };
        let door = via.map(|via| door(target, via, limit)).transpose()?;
        let (options, authorities) = target.options(door.as_ref())?;
        let (asks, asked) = channel::<String>();
        let (answer, answers) = channel::<Answer>();
        std::thread::Builder::new()
            .name("sql".to_owned())
            .spawn(move || serve(options, authorities, &asked, &answer))
            .map_err(|error| SqlError::NotSent(format!("no thread: {error}")))?;
        let session = Self {
            asks,
            answers,
            deadline,
            place: target.place(),
            broken: None,
            _door: door,
            #[cfg(test)]
            scripted: None,
        };
        let connect = limit.clock.deadline(target.connect).earlier(deadline);
        let limit = Limit {
            deadline: connect,
            ..limit
        };
        match session.await_answer(limit) {
            Ok(_) => Ok(session),
            Err(SqlError::Unknown(why)) => Err(SqlError::NotSent(why)),
            Err(SqlError::Stopped { .. }) => Err(SqlError::Stopped { sent: false }),
            // A login that the server refuses: no statement was sent.
            Err(error @ (SqlError::Server { .. } | SqlError::NotSent(_))) => {
                Err(SqlError::NotSent(format!("{}: {error}", session.place)))
            }
        }
    }

    /// Sends a statement, once, and waits for all its result sets.
    pub fn query(&mut self, statement: &str, limit: Limit<'_>) -> Result<Vec<SqlRows>, SqlError> {
        if let Some(why) = &self.broken {
            return Err(SqlError::NotSent(format!("the connection is gone: {why}")));
        }
        let deadline = limit.deadline.earlier(self.deadline);
        let limit = Limit { deadline, ..limit };
        if deadline.is_over(limit.clock) {
            return Err(SqlError::NotSent("there is no time left for it".to_owned()));
        }
        #[cfg(test)]
        if let Some(talk) = &mut self.scripted {
            let answer = talk.say(statement, limit);
            if let Err(error @ (SqlError::Unknown(_) | SqlError::Stopped { .. })) = &answer {
                self.broken = Some(error.to_string());
            }
            return answer;
        }
        if self.asks.send(statement.to_owned()).is_err() {
            return Err(SqlError::NotSent("the connection is gone".to_owned()));
        }
        let answer = self.await_answer(limit);
        if let Err(error @ (SqlError::Unknown(_) | SqlError::Stopped { .. })) = &answer {
            self.broken = Some(error.to_string());
        }
        answer
    }

    fn await_answer(&self, limit: Limit<'_>) -> Result<Vec<SqlRows>, SqlError> {
        let began = limit.clock.elapsed();
        loop {
            let slice = limit.deadline.left(limit.clock).unwrap_or(LOOK).min(LOOK);
            match self.answers.recv_timeout(slice) {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(Failure::Server {
                    number,
                    state,
                    text,
                })) => {
                    return Err(SqlError::Server {
                        number,
                        state,
                        text,
                    });
                }
                Ok(Err(Failure::Broken(why))) => {
                    return Err(SqlError::Unknown(format!("{}: {why}", self.place)));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let place = &self.place;
                    return Err(SqlError::Unknown(format!("{place}: the connection broke")));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if limit.stop.abandons() {
                return Err(SqlError::Stopped { sent: true });
            }
            if limit.deadline.is_over(limit.clock) {
                let took = limit.clock.elapsed().saturating_sub(began);
                return Err(SqlError::Unknown(format!(
                    "{}: no answer within {:.1} s",
                    self.place,
                    took.as_secs_f64()
                )));
            }
        }
    }
}

/// Opens a tunnel: a private socket, or, since over a socket the library drops TLS in silence, a port for one client.
fn door(target: &SqlTarget, via: &mut dyn Connection, limit: Limit<'_>) -> Result<Door, SqlError> {
    let to = Endpoint {
        host: target.host.clone(),
        port: target.port,
    };
    let stream = via.stream(&to, limit).map_err(|error| {
        if error == ConnError::Stopped {
            SqlError::Stopped { sent: false }
        } else {
            SqlError::NotSent(error.to_string())
        }
    })?;
    let door = if target.tls == SqlTls::Off {
        Door::unix(stream, limit)
    } else {
        Door::loopback(stream, limit)
    };
    door.map_err(|error| SqlError::NotSent(format!("no way through the host: {error}")))
}

/// A session to a scripted server, or the way that a real one takes.
#[cfg(test)]
enum Scripted<'a> {
    Opened(Result<SqlSession, SqlError>),
    No(Option<&'a mut dyn Connection>),
}

/// Opens a session to a scripted server, where the host that it goes through is a scripted one.
#[cfg(test)]
fn scripted<'a>(
    target: &SqlTarget,
    via: Option<&'a mut dyn Connection>,
    limit: Limit<'_>,
) -> Scripted<'a> {
    let Some(via) = via else {
        return Scripted::No(None);
    };
    let to = Endpoint {
        host: target.host.clone(),
        port: target.port,
    };
    let Some(mut talk) = via.scripted_sql(&to) else {
        return Scripted::No(Some(via));
    };
    if let Err(error) = talk.open(limit) {
        return Scripted::Opened(Err(error));
    }
    Scripted::Opened(Ok(SqlSession {
        asks: channel().0,
        answers: channel().1,
        deadline: limit.deadline,
        place: target.place(),
        broken: None,
        _door: None,
        scripted: Some(talk),
    }))
}

/// The thread: connects, then answers one statement after another until nobody asks any more.
fn serve(
    options: OptsBuilder,
    authorities: Option<NamedTempFile>,
    asked: &Receiver<String>,
    answer: &Sender<Answer>,
) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where connections are made, with limits"
    )]
    let opened = Conn::new(options);
    let mut connection = match opened {
        Ok(connection) => connection,
        Err(error) => {
            drop(answer.send(Err(failure(error))));
            return;
        }
    };
    drop(authorities);
    if answer.send(Ok(Vec::new())).is_err() {
        return;
    }
    while let Ok(statement) = asked.recv() {
        let rows = ask(&mut connection, &statement);
        let is_broken = matches!(rows, Err(Failure::Broken(_)));
        if answer.send(rows).is_err() || is_broken {
            return;
        }
    }
}

fn ask(connection: &mut Conn, statement: &str) -> Answer {
    let mut result = connection.query_iter(statement).map_err(failure)?;
    let mut sets = Vec::new();
    while let Some(mut set) = result.iter() {
        let mut rows = SqlRows {
            columns: set
                .columns()
                .as_ref()
                .iter()
                .map(|column| column.name_str().into_owned())
                .collect(),
            affected: set.affected_rows(),
            last_insert_id: set.last_insert_id(),
            warnings: set.warnings(),
            ..SqlRows::default()
        };
        for row in set.by_ref() {
            let row = row.map_err(failure)?;
            let columns = row.columns();
            let mut values = Map::new();
            for (column, value) in columns.iter().zip(row.unwrap()) {
                values.insert(column.name_str().into_owned(), value_of(column, value));
            }
            rows.rows.push(values);
        }
        sets.push(rows);
    }
    Ok(sets)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every error of the library but the server's own means that the connection is of no use any more"
)]
fn failure(error: Error) -> Failure {
    match error {
        Error::MySqlError(error) => Failure::Server {
            number: error.code,
            state: error.state,
            text: error.message,
        },
        Error::IoError(error) => Failure::Broken(error.to_string()),
        other => Failure::Broken(other.to_string()),
    }
}
