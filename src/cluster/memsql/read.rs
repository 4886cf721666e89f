//! Asking a live cluster, through whatever carries statements and commands. Only reads.

use std::collections::BTreeMap;

use super::ops::{self, Ops, Said};
use super::parse::{self, Row, Statement};
use super::unread::{Unread, is_not_understood};
use crate::cluster::model::memsql::{Address, Aliases, Cluster, ONLINE};

/// Why something could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AskError {
    /// What went wrong.
    pub message: String,
    /// The server's number for it, if it was the server that refused.
    pub number: Option<u16>,
}

impl AskError {
    /// Makes an error of our own.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            number: None,
        }
    }
}

/// Carries statements to servers, and commands to Ops.
pub trait Ask {
    /// Sends a statement that only reads.
    fn sql(&mut self, at: &Address, statement: &str) -> Result<Vec<Row>, AskError>;

    /// Ends the session with a server; the next statement opens another.
    fn leave(&mut self, at: &Address);

    /// Asks Ops: `status`, `version`, `agents`, `nodes`, `all`, `help`, `files`; or the nodes alone.
    fn ops(&mut self, all: bool) -> Result<BTreeMap<String, Said>, AskError>;
}

/// How much is read, the least first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// The states of nodes and partitions, and the switches; of Ops its nodes.
    #[default]
    State,
    /// Also what would have to be restored, and what runs.
    Cluster,
    /// All: also Ops itself, with its agents and files.
    Full,
}

/// Where to begin.
#[derive(Debug, Clone, Default)]
pub struct Where {
    /// The master aggregator, if it is known; else Ops names it.
    pub master: Option<Address>,
    /// Whether Ops is asked.
    pub with_ops: bool,
    /// What a list means that says `127.0.0.1`: the machine that Ops runs on.
    pub here: String,
    /// The names that machines go by.
    pub aliases: Aliases,
}

/// What a database would need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps that would restore its redundancy.
    pub restore: Vec<String>,
    /// The steps that would balance it.
    pub rebalance: Vec<String>,
    /// The steps of a rebalance that runs.
    pub running: Vec<String>,
}

/// A statement that runs, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The aggregator.
    pub at: Address,
    /// The statement.
    pub statement: Statement,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// How much was read.
    pub depth: Depth,
    /// The master aggregator.
    pub master: Address,
    /// The cluster.
    pub cluster: Cluster,
    /// Databases that are replicated from another cluster.
    pub replicated: Vec<String>,
    /// The switches of each aggregator.
    pub variables: BTreeMap<Address, BTreeMap<String, String>>,
    /// What each database would need.
    pub plans: BTreeMap<String, Plan>,
    /// What runs.
    pub busy: Vec<Busy>,
    /// Databases that a leaf recovers.
    pub recovering: BTreeMap<Address, Vec<String>>,
    /// What Ops says.
    pub ops: Option<Ops>,
    /// Why nodes do not answer.
    pub silent: BTreeMap<Address, String>,
    /// What else could not be read.
    pub unread: Unread,
}

/// Quotes a name for a statement.
fn name(text: &str) -> String {
    crate::template::mysql_name(text)
}

/// Reads a cluster.
pub fn read(ask: &mut dyn Ask, place: &Where, depth: Depth) -> Result<View, AskError> {
    let ops = place.with_ops.then(|| read_ops(ask, depth)).transpose()?;
    let master = master(place, ops.as_ref())?;
    let mut view = View {
        depth,
        cluster: read_positions(ask, &master, place)?,
        ops,
        ..View::default()
    };
    let (_, replicated) = parse::databases(&ask.sql(&master, "SHOW DATABASES")?);
    view.replicated = replicated;
    let rows = ask.sql(&master, "SHOW AGGREGATORS")?;
    view.cluster.aggregators = parse::aggregators(&rows, &master);
    read_leaves(ask, &master, &mut view);
    read_aggregators(ask, &master, &mut view);
    if depth >= Depth::Cluster {
        for database in view.cluster.databases.clone() {
            let plan = read_plan(ask, &master, &database)?;
            view.plans.insert(database, plan);
        }
    }
    view.master = master;
    Ok(view)
}

fn read_leaves(ask: &mut dyn Ask, master: &Address, view: &mut View) {
    for leaf in &mut view.cluster.leaves {
        let dial = dialled(&leaf.address, master);
        match ping(ask, &dial) {
            Ok(version) => (leaf.answers, leaf.version) = (true, version),
            Err(error) => drop(view.silent.insert(leaf.address.clone(), error.message)),
        }
        if leaf.answers && leaf.state != ONLINE {
            match ask.sql(&dial, "SHOW DATABASES EXTENDED") {
                Ok(rows) => {
                    let recovering = parse::recovering(&rows);
                    view.recovering.insert(leaf.address.clone(), recovering);
                }
                Err(error) if is_not_understood(&error) => {}
                Err(error) => {
                    let unread = &mut view.unread.recovery;
                    unread.insert(leaf.address.clone(), error.message);
                }
            }
        }
        ask.leave(&dial);
    }
}

const PROCESSES: &str =
    "SELECT ID, USER, HOST, DB, COMMAND, TIME, STATE, INFO FROM information_schema.PROCESSLIST";

fn read_aggregators(ask: &mut dyn Ask, master: &Address, view: &mut View) {
    for aggregator in &mut view.cluster.aggregators {
        let at = &aggregator.address;
        let dial = dialled(at, master);
        match ping(ask, &dial) {
            Ok(version) => (aggregator.answers, aggregator.version) = (true, version),
            Err(error) => drop(view.silent.insert(at.clone(), error.message)),
        }
        match ask.sql(&dial, "SHOW VARIABLES") {
            Ok(rows) => drop(view.variables.insert(at.clone(), parse::variables(&rows))),
            Err(error) => drop(view.unread.variables.insert(at.clone(), error.message)),
        }
        if view.depth >= Depth::Cluster {
            let busy = |statement| Busy {
                at: at.clone(),
                statement,
            };
            match ask.sql(&dial, PROCESSES) {
                Ok(rows) => view
                    .busy
                    .extend(parse::statements(&rows).into_iter().map(busy)),
                Err(error) => drop(view.unread.statements.insert(at.clone(), error.message)),
            }
        }
        if dial != *master {
            ask.leave(&dial);
        }
    }
}

fn read_plan(ask: &mut dyn Ask, master: &Address, database: &str) -> Result<Plan, AskError> {
    let quoted = name(database);
    let restore = ask.sql(master, &format!("EXPLAIN RESTORE REDUNDANCY ON {quoted}"))?;
    let rebalance = ask.sql(master, &format!("EXPLAIN REBALANCE PARTITIONS ON {quoted}"))?;
    // Not in every 5.x, where a server then refuses it; one that gives no answer hides what runs.
    let status = format!("SHOW REBALANCE STATUS ON {quoted}");
    let running = match ask.sql(master, &status) {
        Err(error) if error.number.is_some() => Vec::new(),
        other => other?,
    };
    Ok(Plan {
        restore: parse::plan(&restore),
        rebalance: parse::plan(&rebalance),
        running: parse::running(&running),
    })
}

/// Reads leaves and partitions alone, from the master aggregator; whether leaves answer is not asked.
pub fn read_positions(
    ask: &mut dyn Ask,
    master: &Address,
    place: &Where,
) -> Result<Cluster, AskError> {
    let leaves = parse::leaves(&ask.sql(master, "SHOW LEAVES")?);
    let (databases, _) = parse::databases(&ask.sql(master, "SHOW DATABASES")?);
    let mut instances = parse::instances(&ask.sql(master, "SHOW CLUSTER STATUS")?, &databases);
    let mut placements = Vec::new();
    for database in &databases {
        let rows = ask.sql(master, &format!("SHOW PARTITIONS ON {}", name(database)))?;
        placements.extend(parse::placements(&rows, database));
    }
    // The lists may spell a leaf in several ways; the one that the statements want is that of the leaves.
    let known: Vec<Address> = leaves.iter().map(|leaf| leaf.address.clone()).collect();
    for instance in &mut instances {
        let address = std::mem::take(&mut instance.address);
        instance.address = spelled(address, &known, place);
    }
    for placement in &mut placements {
        let address = placement.address.take();
        placement.address = address.map(|address| spelled(address, &known, place));
    }
    Ok(Cluster {
        leaves,
        databases,
        instances,
        placements,
        ..Cluster::default()
    })
}

fn spelled(address: Address, known: &[Address], place: &Where) -> Address {
    if known.contains(&address) {
        return address;
    }
    place.aliases.spelled(address, known)
}

/// Returns where to connect: a list may say `127.0.0.1` for what is on the master aggregator's machine.
fn dialled(address: &Address, master: &Address) -> Address {
    if parse::is_loopback(&address.host) {
        Address::new(&master.host, address.port)
    } else {
        address.clone()
    }
}

/// Asks a server whether it is there, and for its version.
fn ping(ask: &mut dyn Ask, at: &Address) -> Result<Option<String>, AskError> {
    ask.sql(at, "SELECT 1")?;
    let version =
        |rows: Vec<Row>, field: &str| rows.first().and_then(|row| parse::text(row, field));
    if let Ok(rows) = ask.sql(at, "SELECT @@memsql_version AS version")
        && let Some(version) = version(rows, "version")
    {
        return Ok(Some(version));
    }
    let rows = ask.sql(at, "SHOW VARIABLES LIKE 'memsql_version'")?;
    Ok(version(rows, "Value"))
}

/// Finds the master aggregator: as named, else the only one that Ops knows.
fn master(place: &Where, ops: Option<&Ops>) -> Result<Address, AskError> {
    if let Some(master) = &place.master {
        return Ok(master.clone());
    }
    let nodes = ops.iter().flat_map(|ops| &ops.nodes);
    let mut masters = nodes.filter(|node| node.role == "MASTER");
    match (masters.next(), masters.next()) {
        (Some(node), None) => {
            let mut address = node.address.clone();
            if parse::is_loopback(&address.host) {
                address.host.clone_from(&place.here);
            }
            Ok(address)
        }
        (None, _) => {
            let why = ops.map(|ops| ops.problems.join("; ")).unwrap_or_default();
            Err(AskError::new(format!(
                "Ops names no master aggregator; {why}"
            )))
        }
        (Some(_), Some(_)) => Err(AskError::new("Ops names several master aggregators")),
    }
}

/// Asks Ops alone.
pub fn read_ops(ask: &mut dyn Ask, depth: Depth) -> Result<Ops, AskError> {
    let full = depth == Depth::Full;
    let said = ask.ops(full)?;
    let mut read = Ops::default();
    let of = |name: &str| said.get(name).cloned().unwrap_or_default();
    match ops::nodes(&of("nodes")) {
        Ok(nodes) => read.nodes = nodes,
        Err(problem) => read.problems.push(format!("memsql-list: {problem}")),
    }
    if !full {
        return Ok(read);
    }
    let status = of("status");
    read.runs = Some(status.code == 0 && status.text.contains("is running"));
    read.version = ops::version(&of("version"));
    read.has_memsql_id = Some(of("help").text.contains("--memsql-id"));
    match ops::agents(&of("agents")) {
        Ok(agents) => read.agents = Some(agents),
        Err(problem) => read.problems.push(format!("agent-list: {problem}")),
    }
    match ops::nodes(&of("all")) {
        Ok(nodes) => read.with_unmonitored = Some(nodes.len()),
        Err(problem) => read
            .problems
            .push(format!("memsql-list --include-unmonitored: {problem}")),
    }
    match ops::files(&of("files")) {
        Ok(files) => read.files = Some(files),
        Err(problem) => read.problems.push(format!("file-list: {problem}")),
    }
    Ok(read)
}
