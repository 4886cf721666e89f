//! `mysql_query`: statements on a server that speaks MySQL's protocol.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::sql::{
    CA_CERT, CHECK_HOSTNAME, CONNECT_TIMEOUT, Login, MACHINES, PASSWORD, TLS, USER, VIA, Values,
    filled,
};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::clock::Deadline;
use crate::connection::sql::{SqlError, SqlRows, SqlSession};
use crate::connection::{ConnError, Limit};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "mysql_query",
    aliases: &["community.mysql.mysql_query"],
    summary: "Runs statements on a server that speaks MySQL's protocol",
    notes: &[
        "Statements are sent as text, each once. One that was sent and got no answer leaves its task in doubt: its `done_when` is asked, and it is never sent again blindly.",
        "`repeatable` says that they may be sent again: where the connection breaks that is done once, and then it is a failure like any other.",
        "Statements that only read (SELECT, SHOW, EXPLAIN, DESCRIBE) are repeatable, and run in check mode too.",
    ],
    arguments: &[
        Argument::new("query", Kind::Any, "The statement, or a list of them.").required(),
        Argument::new(
            "positional_args",
            Kind::Values,
            "Values for each `%s`, quoted.",
        ),
        Argument::new(
            "named_args",
            Kind::Map,
            "Values for each `%(name)s`, quoted.",
        ),
        Argument::new(
            "single_transaction",
            Kind::Flag,
            "Whether all statements are one transaction.",
        )
        .default("false"),
        Argument::new(
            "repeatable",
            Kind::Flag,
            "Whether the statements may be sent again where the answer was lost.",
        )
        .default("false"),
        Argument::new("login_host", Kind::Str, "The server's name or address.")
            .default("127.0.0.1"),
        Argument::new("login_port", Kind::Int, "Its port.").default("3306"),
        Argument::new("login_db", Kind::Str, "The database to begin in."),
        USER,
        PASSWORD,
        TLS,
        CA_CERT,
        CHECK_HOSTNAME,
        CONNECT_TIMEOUT,
        Argument::new(
            "read_timeout",
            Kind::Duration,
            "How long the server may say nothing; by default as long as all may take.",
        ),
        Argument::new(
            "query_timeout",
            Kind::Duration,
            "How long all of it may take.",
        )
        .default("3600"),
        VIA,
        MACHINES,
    ],
    absent: &[
        ("config_file", "give the login as arguments"),
        (
            "login_unix_socket",
            "name the server's port, with `via: host`",
        ),
        ("client_cert", "only the server's certificate is checked"),
        ("client_key", "only the server's certificate is checked"),
    ],
    exclusive: &[&["positional_args", "named_args"]],
    safety: Safety::Once,
    speaks_itself: true,
    example: "\
- mysql_query:
    login_host: 10.0.0.1
    query: SELECT COUNT(*) AS n FROM shop.orders WHERE state = %s
    positional_args: [open]
  register: open_orders
",
    returns: &[
        (
            "query_result",
            "for each statement its rows, by column name",
        ),
        (
            "rowcount",
            "for each statement how many rows it gave or changed",
        ),
        ("executed_queries", "the statements"),
        ("execution_time_ms", "for each statement how long it took"),
        ("error_number", "the server's number, where it refused"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct MysqlQuery;

impl Module for MysqlQuery {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let wrong = |message: String| vec![Problem::at(&arguments.loc, message)];
        let texts = match arguments.get("query") {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| wrong("`query` must be text, or a list of texts".to_owned()))?,
            _ => return Err(wrong("`query` must be text, or a list of texts".to_owned())),
        };
        let positional = arguments.get("positional_args").and_then(Value::as_array);
        let named = arguments.get("named_args").and_then(Value::as_object);
        let values = match (positional, named) {
            (Some(values), _) => Values::Positional(values.clone()),
            (None, Some(values)) => Values::Named(values.clone()),
            (None, None) => Values::None,
        };
        let statements = texts.iter().map(|text| filled(text.trim(), &values));
        let statements: Vec<String> = statements.collect::<Result<_, _>>().map_err(wrong)?;
        if statements.iter().all(String::is_empty) {
            return Err(wrong("`query` holds no statement".to_owned()));
        }
        let port = arguments.int("login_port").unwrap_or(3306);
        let total = arguments.duration("query_timeout").unwrap_or(WHOLE);
        Ok(Box::new(Queries {
            texts,
            statements,
            host: arguments
                .str("login_host")
                .unwrap_or("127.0.0.1")
                .to_owned(),
            port: u16::try_from(port).map_err(|_| wrong(format!("{port} is no port")))?,
            database: arguments.str("login_db").map(str::to_owned),
            one_transaction: arguments.flag("single_transaction"),
            repeatable: arguments.flag("repeatable"),
            read: arguments.duration("read_timeout").unwrap_or(total),
            total,
            login: Login::of(arguments),
        }))
    }
}

const WHOLE: Duration = Duration::from_hours(1);

/// The first words of statements that only read.
const READING: [&str; 6] = ["SELECT", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "HELP"];

/// Those of which the number of changed rows tells whether anything was changed.
const COUNTED: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];

#[derive(Debug)]
struct Queries {
    /// As written, with placeholders: what may be shown.
    texts: Vec<String>,
    statements: Vec<String>,
    host: String,
    port: u16,
    database: Option<String>,
    one_transaction: bool,
    repeatable: bool,
    read: Duration,
    total: Duration,
    login: Login,
}

fn first_word(statement: &str) -> String {
    statement
        .trim_start_matches(|c: char| c.is_whitespace() || c == '(')
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default()
        .to_uppercase()
}

/// Tells whether a statement only reads. One that locks, that writes a file, or that is followed by another does not.
fn only_reads(statement: &str) -> bool {
    let upper = statement.to_uppercase();
    READING.contains(&first_word(statement).as_str())
        && !upper.contains("FOR UPDATE")
        && !upper.contains(" INTO ")
        && !upper.trim_end_matches([';', ' ', '\n']).contains(';')
}

/// What came of statements: an error has what was done before it.
type Sent = Result<Outcome, (SqlError, Map<String, Value>)>;

impl Queries {
    fn only_reads(&self) -> bool {
        self.statements
            .iter()
            .all(|statement| only_reads(statement))
    }

    fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Sends the statements. Where all of them may be sent twice a connection that breaks is opened once more, within the
    /// same time: who only reads has nothing to be in doubt about.
    fn run(&self, cx: &mut HostCx<'_>) -> Result<Outcome, ModuleError> {
        let limit = cx.limit();
        let deadline = limit.deadline.earlier(limit.clock.deadline(self.total));
        let mut again = self.only_reads() || self.repeatable;
        loop {
            match self.send(cx, deadline)? {
                Ok(outcome) => return Ok(outcome),
                Err((SqlError::Unknown(_), _)) if again && !deadline.is_over(cx.limit().clock) => {
                    again = false;
                }
                Err((error, done)) => return Err(self.failed(error, done)),
            }
        }
    }

    /// Sends the statements over a session of their own; the inner error has what was done before it.
    fn send(&self, cx: &mut HostCx<'_>, deadline: Deadline) -> Result<Sent, ModuleError> {
        let server = (self.host.as_str(), self.port);
        let database = self.database.as_deref();
        let opened = self
            .login
            .open(cx, server, database, self.read, self.total)?;
        let mut session = match opened {
            Ok(session) => session,
            Err(error) => return Ok(Err((error, Map::new()))),
        };
        let limit = Limit {
            deadline,
            ..cx.limit()
        };
        let mut done = Done::default();
        let sent = self.send_over(&mut session, limit, &mut done);
        Ok(match sent {
            Ok(()) => Ok(Outcome {
                changed: done.changed,
                result: done.fields(),
                ..Outcome::default()
            }),
            Err(error) => Err((error, done.fields())),
        })
    }

    fn send_over(
        &self,
        session: &mut SqlSession,
        limit: Limit<'_>,
        done: &mut Done,
    ) -> Result<(), SqlError> {
        if self.one_transaction {
            session.query("START TRANSACTION", limit)?;
        }
        for (statement, text) in self.statements.iter().zip(&self.texts) {
            let began = limit.clock.elapsed();
            let sets = session.query(statement, limit)?;
            let took = limit.clock.elapsed().saturating_sub(began);
            done.add(statement, text, sets, took);
        }
        if self.one_transaction {
            session.query("COMMIT", limit)?;
        }
        Ok(())
    }

    /// Sorts an error: what may have had its effect leaves the step in doubt.
    fn failed(&self, error: SqlError, mut result: Map<String, Value>) -> ModuleError {
        match error {
            SqlError::Stopped { .. } => ConnError::Stopped.into(),
            SqlError::Unknown(reason) if !self.only_reads() && !self.repeatable => {
                ConnError::Lost {
                    host: self.place(),
                    reason,
                }
                .into()
            }
            error @ (SqlError::Unknown(_) | SqlError::NotSent(_) | SqlError::Server { .. }) => {
                result.insert("error_number".into(), json!(error.number()));
                ModuleError::Failed {
                    message: format!("{}: {error}", self.place()),
                    result,
                }
            }
        }
    }
}

/// What was done so far.
#[derive(Debug, Default)]
struct Done {
    changed: bool,
    texts: Vec<String>,
    rows: Vec<Value>,
    counts: Vec<u64>,
    took: Vec<f64>,
}

impl Done {
    fn add(&mut self, statement: &str, text: &str, sets: Vec<SqlRows>, took: Duration) {
        let set = sets.into_iter().next().unwrap_or_default();
        let word = first_word(statement);
        self.changed |= if COUNTED.contains(&word.as_str()) {
            set.affected > 0
        } else {
            !only_reads(statement) && !["USE", "SET"].contains(&word.as_str())
        };
        let given = u64::try_from(set.rows.len()).unwrap_or(u64::MAX);
        let count = if set.columns.is_empty() {
            set.affected
        } else {
            given
        };
        self.counts.push(count);
        self.rows.push(json!(set.rows));
        self.texts.push(text.to_owned());
        self.took.push(took.as_secs_f64() * 1000.0);
    }

    fn fields(&self) -> Map<String, Value> {
        fields([
            ("query_result", json!(self.rows)),
            ("rowcount", json!(self.counts)),
            ("executed_queries", json!(self.texts)),
            ("execution_time_ms", json!(self.took)),
        ])
    }
}

impl Action for Queries {
    fn describe(&self) -> String {
        format!("on {}: {}", self.place(), self.texts.join("; "))
    }

    fn by_hand(&self) -> Option<String> {
        let statements = crate::template::shell_quote(&self.texts.join("; "));
        let host = crate::template::shell_quote(&self.host);
        Some(format!(
            "mysql -h {host} -P {} -p -e {statements}",
            self.port
        ))
    }

    fn safety(&self) -> Option<Safety> {
        if self.only_reads() {
            return Some(Safety::ReadOnly);
        }
        self.repeatable.then_some(Safety::State)
    }

    fn asks_whether_it_runs(&self) -> Option<Box<dyn Action>> {
        if self.only_reads() || self.repeatable {
            return None;
        }
        Some(Box::new(Running {
            statements: self.statements.iter().map(|one| bare(one)).collect(),
            host: self.host.clone(),
            port: self.port,
            login: self.login.clone().within(ASKED_WITHIN),
        }))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if self.only_reads() {
            return self.run(cx).map(Observed::Same);
        }
        Ok(Observed::Unknown(Change::new(self.describe())))
    }

    fn apply(&self, cx: &mut HostCx<'_>, _: &Change) -> Result<Outcome, ModuleError> {
        self.run(cx)
    }
}

/// What a server tells of the statements that it carries out; one whose client is gone stays in it until it ends.
const PROCESSES: &str = "SELECT COMMAND, INFO FROM information_schema.PROCESSLIST";

/// How long the server may take to let in who asks, and to answer.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// Asks a server whether it carries statements out.
#[derive(Debug)]
struct Running {
    statements: Vec<String>,
    host: String,
    port: u16,
    login: Login,
}

/// A statement without what a server may leave out of its list.
fn bare(statement: &str) -> String {
    statement.trim().trim_end_matches(';').trim_end().to_owned()
}

/// Tells whether a row of a server's list is one of these statements, carried out.
fn is_of_them(statements: &[String], row: &Map<String, Value>) -> bool {
    let field = |name: &str| {
        let mut fields = row.iter();
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.as_str())
    };
    let sleeps = field("COMMAND").is_some_and(|text| text.eq_ignore_ascii_case("sleep"));
    let info = field("INFO").map(bare);
    !sleeps && info.is_some_and(|info| statements.contains(&info))
}

impl Action for Running {
    fn describe(&self) -> String {
        format!("ask {}:{} what it carries out", self.host, self.port)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let place = format!("{}:{}", self.host, self.port);
        let told = |error: SqlError| match error {
            SqlError::Stopped { .. } => ConnError::Stopped.into(),
            error @ (SqlError::Unknown(_) | SqlError::NotSent(_) | SqlError::Server { .. }) => {
                ModuleError::failed(format!("{place}: {error}"))
            }
        };
        let server = (self.host.as_str(), self.port);
        let opened = self
            .login
            .open(cx, server, None, ASKED_WITHIN, ASKED_WITHIN)?;
        let mut session = opened.map_err(told)?;
        let limit = cx.limit();
        let deadline = limit.deadline.earlier(limit.clock.deadline(ASKED_WITHIN));
        let sets = session
            .query(PROCESSES, Limit { deadline, ..limit })
            .map_err(told)?;
        let mut rows = sets.iter().flat_map(|set| &set.rows);
        let running = rows.any(|row| is_of_them(&self.statements, row));
        Ok(Observed::Same(Outcome {
            result: fields([("running", json!(running)), ("where", json!(place))]),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _: &mut HostCx<'_>, _: &Change) -> Result<Outcome, ModuleError> {
        Err(ModuleError::failed("it only reads"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_found_among_those_that_a_server_carries_out() {
        let statements = [bare("DETACH LEAF 'a':1;\n")];
        let row =
            |command: &str, info: Value| fields([("Command", json!(command)), ("Info", info)]);
        for (row, expected) in [
            (row("Query", json!("DETACH LEAF 'a':1")), true),
            (row("Query", json!(" DETACH LEAF 'a':1 ;")), true),
            (row("Query", json!("DETACH LEAF 'a':11")), false),
            (row("Sleep", json!("DETACH LEAF 'a':1")), false),
            (row("Query", Value::Null), false),
        ] {
            assert_eq!(is_of_them(&statements, &row), expected, "{row:?}");
        }
    }

    #[test]
    fn what_only_reads() {
        for reading in [
            "SELECT 1",
            " (select 1)",
            "show leaves",
            "EXPLAIN RESTORE REDUNDANCY ON x",
            "SELECT 1;",
        ] {
            assert!(only_reads(reading), "{reading}");
        }
        for changing in [
            "DETACH LEAF 'x':1",
            "SELECT 1; DROP DATABASE x",
            "SELECT * FROM t FOR UPDATE",
            "SELECT 1 INTO OUTFILE '/x'",
            "SET GLOBAL x = 1",
            "",
        ] {
            assert!(!only_reads(changing), "{changing}");
        }
    }
}
