//! What a client's statement does: from its text to its answer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::aggregator;
use super::data::Change;
use super::node::{Node, Part, Session};
use super::peer::{self, Message, WORD};
use super::sql::{Item, Select, Statement, TableName, parse};
use super::wire::packet::{Cell, Rows};
use super::wire::{Answer, Conversation, Fault, Greeting, Peer};
use super::{leaf, operate, show};
use crate::sim::time;

/// What a MySQL client is told the version is.
const GREETING: &str = "5.5.8";

/// One server as its clients see it.
#[derive(Debug)]
pub struct Service(pub Arc<Node>);

impl Conversation for Service {
    fn greeting(&self) -> Greeting {
        Greeting {
            version: GREETING.to_owned(),
            tls: self.0.tls.clone(),
            requires_tls: self.0.switches().requires_tls,
        }
    }

    fn password(&self, user: &str) -> Option<String> {
        match user {
            peer::USER => Some(String::new()),
            "root" => {
                let password = self.0.password.lock();
                Some(
                    password
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .clone(),
                )
            }
            _ => None,
        }
    }

    async fn query(&self, peer: &mut Peer, text: &str) -> Result<Answer, Fault> {
        if let Some(message) = text.strip_prefix(WORD) {
            let message = serde_json::from_str(message)
                .map_err(|error| Fault::new(1064, error.to_string()))?;
            let value = internal(&self.0, message).await?;
            let mut rows = Rows::of(&["lab"]);
            rows.push(vec![Some(value.to_string())]);
            return Ok(Answer::Rows(rows));
        }
        if peer.user == peer::USER && text != "SELECT 1" {
            return Err(Fault::new(1142, "command denied to user 'lab'"));
        }
        self.note(peer, Some(text));
        self.count(peer, text);
        let refused = self.0.switches().refuses.clone();
        if refused.is_some_and(|words| text.starts_with(&words)) && peer.user != peer::USER {
            return Err(Fault::new(
                1227,
                "Access denied; you need the SUPER privilege",
            ));
        }
        let killed = killed(&self.0, peer.id);
        let answer = tokio::select! {
            answer = carry_out(&self.0, peer, text) => answer,
            () = killed => Ok(Answer::HangUp),
        };
        self.note(peer, None);
        let cut = self.0.switches().cut_after.clone();
        if cut.is_some_and(|words| text.starts_with(&words)) && self.0.plays("cut", 1) {
            return Ok(Answer::HangUp);
        }
        answer
    }

    fn begin(&self, peer: &Peer) {
        self.note(peer, None);
    }

    fn end(&self, peer: &Peer) {
        let mut state = self.0.state();
        state.sessions.remove(&peer.id);
        state.killed.remove(&peer.id);
    }
}

impl Service {
    fn count(&self, peer: &Peer, text: &str) {
        if peer.user == peer::USER {
            return;
        }
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        let mut state = self.0.state();
        state.statements += 1;
        *state.asked.entry(words.join(" ")).or_default() += 1;
    }

    fn note(&self, peer: &Peer, statement: Option<&str>) {
        let session = Session {
            user: peer.user.clone(),
            database: peer.database.clone(),
            statement: statement.map(|text| (text.to_owned(), time::mono_ms())),
        };
        self.0.state().sessions.insert(peer.id, session);
    }
}

async fn killed(node: &Arc<Node>, id: u32) {
    loop {
        if node.state().killed.contains(&id) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Answers another server of the cluster, or the oracle.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other messages are another function's"
)]
async fn internal(node: &Arc<Node>, message: Message) -> Result<serde_json::Value, Fault> {
    match message {
        Message::Hello => {
            let recovers = node.recovers();
            Ok(json!({
                "version": node.version,
                "part": node.part(),
                "recovers": recovers,
                "meta_version": node.state().meta.version,
            }))
        }
        Message::State => Ok(node.description()),
        Message::Meta => Ok(json!(node.meta())),
        Message::Cluster(meta) => {
            if node.part() == Part::Aggregator {
                node.take_meta(meta);
            }
            Ok(serde_json::Value::Null)
        }
        Message::Join(meta) => {
            node.become_part(Part::Aggregator);
            node.take_meta(meta);
            Ok(serde_json::Value::Null)
        }
        other => leaf::answer(node, other).await,
    }
}

/// It was done, to no row.
const DONE: Answer = Answer::Done(0);

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other statements are another function's"
)]
async fn carry_out(node: &Arc<Node>, peer: &mut Peer, text: &str) -> Result<Answer, Fault> {
    match parse(text)? {
        Statement::Nothing => Ok(DONE),
        Statement::Use(name) => {
            let is_system = ["information_schema", "memsql"].contains(&name.as_str());
            if !is_system && !node.meta().databases.contains_key(&name) {
                return Err(Fault::new(1049, format!("Unknown database '{name}'")));
            }
            peer.database = Some(name);
            Ok(DONE)
        }
        Statement::Select(select) => query(node, peer, text, &select).await.map(Answer::Rows),
        Statement::SetGlobal(name, value) => set_global(node, &name, &value),
        Statement::Kill(id) => {
            node.state().killed.insert(id);
            Ok(DONE)
        }
        statement @ (Statement::Insert(_) | Statement::Update(..) | Statement::Delete(..)) => {
            node.must_aggregate()?;
            compile(node, text).await;
            write(node, peer, statement).await.map(Answer::Done)
        }
        statement => match shown(node, peer, &statement).await? {
            Some(rows) => Ok(Answer::Rows(rows)),
            None => operate::operate(node, peer, statement).await,
        },
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other statements are another function's"
)]
async fn write(node: &Arc<Node>, peer: &Peer, statement: Statement) -> Result<u64, Fault> {
    let used = peer.database.as_deref();
    match statement {
        Statement::Insert(insert) => {
            let table = aggregator::table(node, &insert.table, used)?;
            aggregator::insert(node, &table, &insert).await
        }
        Statement::Update(name, set, filters) => {
            let table = aggregator::table(node, &name, used)?;
            let change = Change::Update(set, filters.clone());
            aggregator::change(node, &table, &filters, change).await
        }
        Statement::Delete(name, filters) => {
            let table = aggregator::table(node, &name, used)?;
            let change = Change::Delete(filters.clone());
            aggregator::change(node, &table, &filters, change).await
        }
        _ => Ok(0),
    }
}

/// Plans a query that this server has not seen since its start.
async fn compile(node: &Node, text: &str) {
    let shape: String = text
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .take_while(|c| *c != '\'')
        .collect();
    let is_new = node.state().compiled.insert(shape);
    if is_new {
        node.pause(node.switches().compile_ms).await;
    }
}

fn set_global(node: &Arc<Node>, name: &str, value: &str) -> Result<Answer, Fault> {
    node.state().variables.set(name, value)?;
    node.effects
        .record("set", &json!({"name": name, "value": value}))
        .ok();
    if node.part() == Part::Master {
        // Aggregators are told whether somebody looks after leaves.
        node.change_meta(|_| ());
    }
    Ok(DONE)
}

async fn query(node: &Arc<Node>, peer: &Peer, text: &str, select: &Select) -> Result<Rows, Fault> {
    let Some(from) = &select.from else {
        return values(node, peer, select).await;
    };
    let is_schema = from.database.as_deref().or(peer.database.as_deref());
    if is_schema.is_some_and(|name| name.eq_ignore_ascii_case("information_schema")) {
        return select.pick(&schema(node, from)?);
    }
    node.must_aggregate()?;
    let table = aggregator::table(node, from, peer.database.as_deref())?;
    compile(node, text).await;
    aggregator::select(node, &table, select).await
}

fn schema(node: &Arc<Node>, from: &TableName) -> Result<Rows, Fault> {
    Ok(match from.table.to_uppercase().as_str() {
        "GLOBAL_VARIABLES" | "SESSION_VARIABLES" => {
            let mut rows = show::variables(node, None);
            rows.columns = vec!["VARIABLE_NAME".to_owned(), "VARIABLE_VALUE".to_owned()];
            for row in &mut rows.rows {
                if let Some(Some(name)) = row.first_mut() {
                    *name = name.to_uppercase();
                }
            }
            rows
        }
        "PROCESSLIST" => show::processlist(node),
        "SCHEMATA" => {
            let mut rows = show::databases(node, false, None);
            rows.columns = vec!["SCHEMA_NAME".to_owned()];
            rows
        }
        "TABLES" => {
            let mut rows = Rows::of(&["TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE"]);
            for (database, known) in &node.meta().databases {
                for table in known.tables.keys() {
                    let kind = Some("BASE TABLE".to_owned());
                    rows.push(vec![Some(database.clone()), Some(table.clone()), kind]);
                }
            }
            rows
        }
        other => {
            let text = format!(
                "Unknown table '{}' in information_schema",
                other.to_lowercase()
            );
            return Err(Fault::new(1109, text));
        }
    })
}

async fn values(node: &Arc<Node>, peer: &Peer, select: &Select) -> Result<Rows, Fault> {
    let mut rows = Rows::default();
    let mut row: Vec<Cell> = Vec::new();
    for (item, name) in &select.items {
        rows.columns.push(name.clone());
        row.push(match item {
            Item::Value(value) => value.clone(),
            Item::Variable(name) => {
                let is_hidden = name.eq_ignore_ascii_case("memsql_version")
                    && !node.switches().knows_memsql_version;
                let value = node.state().variables.value(name).map(str::to_owned);
                let value = value
                    .filter(|_| !is_hidden)
                    .ok_or_else(|| Fault::new(1193, format!("Unknown system variable '{name}'")))?;
                Some(match value.as_str() {
                    "ON" => "1".to_owned(),
                    "OFF" => "0".to_owned(),
                    _ => value,
                })
            }
            Item::Call(function, arguments) => call(node, peer, function, arguments).await?,
            Item::All | Item::Count | Item::Column(_) => {
                return Err(Fault::new(1096, "No tables used"));
            }
        });
    }
    rows.push(row);
    Ok(rows)
}

async fn call(node: &Node, peer: &Peer, function: &str, arguments: &[Cell]) -> Result<Cell, Fault> {
    let first = arguments.first().cloned().flatten().unwrap_or_default();
    Ok(Some(match function {
        "SLEEP" => {
            let seconds = first.parse::<f64>().unwrap_or(0.0).clamp(0.0, 86_400.0);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            "0".to_owned()
        }
        "CONNECTION_ID" => peer.id.to_string(),
        "VERSION" => GREETING.to_owned(),
        "MEMSQL_VERSION" => node.version.clone(),
        "DATABASE" => return Ok(peer.database.clone()),
        "USER" | "CURRENT_USER" => format!("{}@%", peer.user),
        "NOW" => time::iso(time::unix_ms())
            .replace('T', " ")
            .trim_end_matches('Z')
            .to_owned(),
        "UNIX_TIMESTAMP" => (time::unix_ms() / 1000).to_string(),
        other => return Err(Fault::new(1305, format!("FUNCTION {other} does not exist"))),
    }))
}

/// Answers what only shows something.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other statements are another function's"
)]
async fn shown(
    node: &Arc<Node>,
    peer: &Peer,
    statement: &Statement,
) -> Result<Option<Rows>, Fault> {
    Ok(Some(match statement {
        Statement::ShowDatabases(extended, pattern) => {
            show::databases(node, *extended, pattern.as_deref())
        }
        Statement::ShowVariables(pattern) => show::variables(node, pattern.as_deref()),
        Statement::ShowProcesslist => show::processlist(node),
        Statement::ShowReplicationStatus => show::replication_status(node),
        Statement::ShowLeaves => {
            node.must_aggregate()?;
            show::leaves(node)
        }
        Statement::ShowAggregators => {
            node.must_aggregate()?;
            show::aggregators(node)
        }
        Statement::ShowClusterStatus => {
            node.must_aggregate()?;
            show::cluster_status(node).await
        }
        Statement::ShowPartitions(name, extended) => {
            node.must_aggregate()?;
            let name = name.as_deref().or(peer.database.as_deref());
            show::partitions(node, name, *extended)?
        }
        Statement::ShowTables(name) => {
            let meta = node.meta();
            let name = name
                .as_deref()
                .or(peer.database.as_deref())
                .unwrap_or_default();
            let tables = meta.databases.get(name).map(|known| known.tables.keys());
            let mut rows = Rows::of(&["Tables"]);
            rows.rows = tables
                .into_iter()
                .flatten()
                .map(|table| vec![Some(table.clone())])
                .collect();
            rows
        }
        Statement::ExplainRestore(name)
        | Statement::ExplainRebalance(name)
        | Statement::ShowRebalanceStatus(name) => plans(node, statement, name)?,
        _ => return Ok(None),
    }))
}

/// Answers what shows plans, which only the master aggregator makes.
fn plans(node: &Arc<Node>, statement: &Statement, name: &str) -> Result<Rows, Fault> {
    node.must_be_master()?;
    let meta = node.meta();
    if !meta.databases.contains_key(name) {
        return Err(Fault::new(1049, format!("Unknown database '{name}'")));
    }
    if matches!(statement, Statement::ExplainRestore(_)) {
        return Ok(show::plan(node, meta.restore_plan(name)));
    }
    if matches!(statement, Statement::ExplainRebalance(_)) {
        return Ok(show::plan(node, meta.rebalance_plan(name)));
    }
    if !node.switches().knows_rebalance_status {
        let text = "You have an error in your SQL syntax; check the manual that corresponds to your version";
        return Err(Fault::new(1064, text));
    }
    Ok(show::rebalance_status(node, name))
}
