use std::time::Duration;

use serde_json::json;

use super::testing::{Reply, Server, rows};
use super::{SqlError, SqlSession};
use crate::clock::{Clock as _, Stop, StopLevel, SystemClock};
use crate::connection::Limit;

struct Bounds {
    clock: SystemClock,
    stop: Stop,
}

impl Bounds {
    fn new() -> Self {
        Self {
            clock: SystemClock::new(),
            stop: Stop::new(),
        }
    }

    fn limit(&self, milliseconds: u64) -> Limit<'_> {
        Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_millis(milliseconds)),
        }
    }
}

#[test]
fn rows_come_by_column_name_and_errors_with_their_number() {
    let server = Server::start(|statement| match statement {
        "SHOW LEAVES" => rows("Host|Port|Pair", &["10.0.0.1|3306|NULL", "b`c|3307|x"]),
        "SET a = 1" => Reply::Done(3),
        _ => Reply::Error(1777, "partition has no master instance".to_owned()),
    });
    let bounds = Bounds::new();
    let limit = bounds.limit(5000);
    let mut session = SqlSession::open(&server.target(), None, limit).unwrap();
    let sets = session.query("SHOW LEAVES", limit).unwrap();
    assert_eq!(sets[0].columns, ["Host", "Port", "Pair"]);
    let first = json!({"Host": "10.0.0.1", "Port": "3306", "Pair": null});
    assert_eq!(json!(sets[0].rows[0]), first);
    assert_eq!(sets[0].rows[1]["Host"], "b`c");
    assert_eq!(session.query("SET a = 1", limit).unwrap()[0].affected, 3);
    let error = session.query("SELECT x", limit).unwrap_err();
    assert_eq!(error.number(), Some(1777));
    assert!(error.has_no_effect());
    // An error of the server does not end the session, and nothing was asked that we did not ask.
    assert!(session.query("SET a = 1", limit).is_ok());
    assert_eq!(
        server.asked(),
        ["SHOW LEAVES", "SET a = 1", "SELECT x", "SET a = 1"]
    );
}

#[test]
fn what_broke_after_it_was_sent_is_unknown_and_sent_once() {
    let server = Server::start(|statement| match statement {
        "close" => Reply::Close,
        _ => Reply::Silence,
    });
    let bounds = Bounds::new();
    for (statement, milliseconds) in [("close", 5000), ("hang", 300)] {
        let mut session = SqlSession::open(&server.target(), None, bounds.limit(5000)).unwrap();
        let limit = bounds.limit(milliseconds);
        let error = session.query(statement, limit).unwrap_err();
        assert!(matches!(error, SqlError::Unknown(_)), "{error:?}");
        assert!(!error.has_no_effect());
        let again = session.query("again", bounds.limit(5000)).unwrap_err();
        assert!(matches!(again, SqlError::NotSent(_)), "{again:?}");
    }
    assert_eq!(server.asked(), ["close", "hang"]);
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_read_timeout() {
    let server = Server::start(|_| Reply::Silence);
    let bounds = Bounds::new();
    let mut target = server.target();
    target.read = Duration::from_millis(200);
    let mut session = SqlSession::open(&target, None, bounds.limit(20_000)).unwrap();
    let began = bounds.clock.elapsed();
    let error = session.query("x", bounds.limit(20_000)).unwrap_err();
    assert!(matches!(error, SqlError::Unknown(_)), "{error:?}");
    assert!(bounds.clock.elapsed().saturating_sub(began) < Duration::from_secs(10));
}

#[test]
fn nobody_there_means_that_nothing_was_sent() {
    let bounds = Bounds::new();
    let mut target = Server::start(|_| Reply::Done(0)).target();
    target.port = 1;
    let error = SqlSession::open(&target, None, bounds.limit(5000)).unwrap_err();
    assert!(matches!(error, SqlError::NotSent(_)), "{error:?}");
    // Somebody who listens and never greets.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    target.port = listener.local_addr().unwrap().port();
    target.connect = Duration::from_millis(300);
    let began = bounds.clock.elapsed();
    let error = SqlSession::open(&target, None, bounds.limit(20_000)).unwrap_err();
    assert!(matches!(error, SqlError::NotSent(_)), "{error:?}");
    // Its own limit, and not that of the whole.
    assert!(bounds.clock.elapsed().saturating_sub(began) < Duration::from_secs(10));
}

#[test]
fn a_stop_ends_the_wait_and_says_whether_the_statement_was_sent() {
    let server = Server::start(|_| Reply::Silence);
    let bounds = Bounds::new();
    let mut session = SqlSession::open(&server.target(), None, bounds.limit(5000)).unwrap();
    bounds.stop.raise(StopLevel::Abandon);
    let error = session.query("x", bounds.limit(5000)).unwrap_err();
    assert_eq!(error, SqlError::Stopped { sent: true });
}
