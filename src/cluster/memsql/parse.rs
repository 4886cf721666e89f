//! Result sets of 5.x and of later versions, by column name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cluster::model::memsql::{Address, Aggregator, Instance, InstanceRole, Leaf, Placement};

/// A row by column name.
pub type Row = Map<String, Value>;

/// Databases that are the cluster's own, in 5.x and later.
const OWN: [&str; 4] = ["information_schema", "memsql", "sharding", "cluster"];

/// How a database is called that is replicated from another cluster.
const REPLICATED: &str = "sharding_";

/// Variables of an aggregator that matter here.
pub const SWITCHES: [&str; 3] = [
    "auto_attach",
    "leaf_failure_detection",
    "aggregator_failure_detection",
];

/// Returns a field as text, by its name in any case; NULL and absent are none.
pub fn text(row: &Row, name: &str) -> Option<String> {
    let found = row
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)?;
    match found {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

fn number<T: std::str::FromStr>(row: &Row, name: &str) -> Option<T> {
    text(row, name)?.trim().parse().ok()
}

fn address(row: &Row, host: &str, port: &str) -> Option<Address> {
    let host = text(row, host).filter(|host| !host.is_empty())?;
    Some(Address::new(host, number(row, port)?))
}

fn is_true(text: &str) -> bool {
    !matches!(
        text.trim().to_lowercase().as_str(),
        "" | "0" | "no" | "false" | "off" | "null" | "unlocked"
    )
}

/// Reads `SHOW LEAVES`. Whether they answer is not known yet.
pub fn leaves(rows: &[Row]) -> Vec<Leaf> {
    rows.iter()
        .filter_map(|row| {
            Some(Leaf {
                address: address(row, "Host", "Port")?,
                group: number(row, "Availability_Group"),
                pair: address(row, "Pair_Host", "Pair_Port"),
                state: text(row, "State").unwrap_or_default().to_lowercase(),
                answers: false,
                version: None,
            })
        })
        .collect()
}

/// Reads `SHOW AGGREGATORS`; whoever answers lists itself as this machine.
pub fn aggregators(rows: &[Row], dialled: &Address) -> Vec<Aggregator> {
    rows.iter()
        .filter_map(|row| {
            let mut address = address(row, "Host", "Port")?;
            if is_loopback(&address.host) && address.port == dialled.port {
                address.host.clone_from(&dialled.host);
            }
            Some(Aggregator {
                address,
                state: text(row, "State").unwrap_or_default().to_lowercase(),
                master: text(row, "Master_Aggregator").is_some_and(|flag| is_true(&flag)),
                answers: false,
                version: None,
            })
        })
        .collect()
}

/// Tells whether a host means the machine itself. Others of 127.0.0.0/8 are told apart, as somebody gave them out.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host == "::1" || host == "127.0.0.1"
}

/// Reads `SHOW DATABASES`: the users' databases, and those that come from another cluster.
pub fn databases(rows: &[Row]) -> (Vec<String>, Vec<String>) {
    let mut own = Vec::new();
    let mut replicated = Vec::new();
    for row in rows {
        let Some(name) = text(row, "Database").or_else(|| only_field(row)) else {
            continue;
        };
        if name.starts_with(REPLICATED) {
            replicated.push(name);
        } else if !OWN.contains(&name.to_lowercase().as_str()) {
            own.push(name);
        }
    }
    (own, replicated)
}

/// The one field of a row: `SHOW DATABASES` names its column after the database that one is in.
fn only_field(row: &Row) -> Option<String> {
    let value = row.values().next()?;
    value.as_str().map(str::to_owned)
}

/// Returns the database and number that a partition's own name means. A database may itself end in `_3`.
pub fn partition_of(name: &str, databases: &[String]) -> Option<(String, u32)> {
    databases.iter().find_map(|database| {
        let ordinal = name.strip_prefix(database.as_str())?.strip_prefix('_')?;
        let digits = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
        Some((database.clone(), ordinal.parse().ok().filter(|_| digits)?))
    })
}

/// Reads `SHOW CLUSTER STATUS`.
pub fn instances(rows: &[Row], databases: &[String]) -> Vec<Instance> {
    rows.iter()
        .filter_map(|row| {
            let name = text(row, "Database").or_else(|| text(row, "DATABASE_NAME"))?;
            let role = InstanceRole::of(&text(row, "Role").unwrap_or_default());
            let partition = match role {
                InstanceRole::Reference => None,
                InstanceRole::Master
                | InstanceRole::Slave
                | InstanceRole::Orphan
                | InstanceRole::Other(_) => partition_of(&name, databases),
            };
            if partition.is_none() && role != InstanceRole::Reference && !databases.contains(&name)
            {
                // The cluster's own, or a database that is gone: only an orphan of it is worth a word.
                if role != InstanceRole::Orphan {
                    return None;
                }
            }
            let (database, ordinal) = match partition {
                Some((database, ordinal)) => (database, Some(ordinal)),
                None => (name.clone(), None),
            };
            Some(Instance {
                address: address(row, "Host", "Port")?,
                state: text(row, "State").unwrap_or_default().to_lowercase(),
                position: text(row, "Position").and_then(|position| position.parse().ok()),
                name,
                database,
                ordinal,
                role,
            })
        })
        .collect()
}

/// Reads `SHOW PARTITIONS ON` a database.
pub fn placements(rows: &[Row], database: &str) -> Vec<Placement> {
    rows.iter()
        .filter_map(|row| {
            Some(Placement {
                database: database.to_owned(),
                ordinal: number(row, "Ordinal")?,
                address: address(row, "Host", "Port"),
                role: InstanceRole::of(&text(row, "Role").unwrap_or_default()),
                locked: text(row, "Locked").is_some_and(|locked| is_true(&locked)),
            })
        })
        .collect()
}

/// Reads `SHOW VARIABLES`.
pub fn variables(rows: &[Row]) -> BTreeMap<String, String> {
    rows.iter()
        .filter_map(|row| {
            let name = text(row, "Variable_name")?.to_lowercase();
            let kept = SWITCHES.contains(&name.as_str())
                || ["redundancy_level", "memsql_version"].contains(&name.as_str());
            kept.then_some((name, text(row, "Value").unwrap_or_default()))
        })
        .collect()
}

/// Reads what `EXPLAIN RESTORE REDUNDANCY` or `EXPLAIN REBALANCE PARTITIONS` would do, one line for each step.
pub fn plan(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .map(|row| {
            let word = |name: &str| text(row, name).unwrap_or_else(|| "?".to_owned());
            format!(
                "{} {} on {}:{}",
                word("Action"),
                word("Ordinal"),
                word("Target_Host"),
                word("Target_Port")
            )
        })
        .collect()
}

/// Words that say of a step of a rebalance that it is over.
const OVER: [&str; 6] = ["", "success", "completed", "complete", "done", "finished"];

/// Reads `SHOW REBALANCE STATUS ON` a database: the steps that are not over.
pub fn running(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .filter(|row| {
            let states = ["Running_Status", "Status", "State"];
            let found = states.iter().find_map(|name| text(row, name));
            found.is_none_or(|state| !OVER.contains(&state.to_lowercase().as_str()))
        })
        .map(|row| plan(std::slice::from_ref(row)).concat())
        .collect()
}

/// What somebody's statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement.
    pub text: String,
    /// For how many seconds it has been running.
    pub seconds: u64,
    /// Whether it changes tables or the cluster, or copies data: nothing that a leaf may be detached beside.
    pub forbids: bool,
}

/// The first words of statements that a leaf may not be detached beside: they hold the locks that it needs.
const FORBIDDING: [&str; 16] = [
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "RENAME",
    "BACKUP",
    "RESTORE",
    "REBALANCE",
    "SNAPSHOT",
    "ATTACH",
    "DETACH",
    "REMOVE",
    "ADD",
    "CLEAR",
    "OPTIMIZE",
    "REPLICATE",
];

/// Reads the list of processes: statements that run, without the one that asks.
pub fn statements(rows: &[Row]) -> Vec<Statement> {
    rows.iter()
        .filter_map(|row| {
            let command = text(row, "COMMAND").unwrap_or_default();
            let statement = text(row, "INFO").filter(|info| !info.trim().is_empty())?;
            if !command.eq_ignore_ascii_case("query")
                || statement.to_uppercase().contains("PROCESSLIST")
            {
                return None;
            }
            let first = statement
                .trim_start_matches(|c: char| c.is_whitespace() || c == '(')
                .split(|c: char| !c.is_ascii_alphabetic())
                .next()
                .unwrap_or_default()
                .to_uppercase();
            Some(Statement {
                forbids: FORBIDDING.contains(&first.as_str()),
                seconds: number(row, "TIME").unwrap_or(0),
                text: statement,
            })
        })
        .collect()
}

/// The states of a database that is being made ready after a start.
const RECOVERING: [&str; 4] = ["recovering", "pending", "transition", "transitioning"];

/// Reads `SHOW DATABASES EXTENDED` of a leaf: the databases that are being recovered.
pub fn recovering(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .filter(|row| {
            let state = text(row, "State").unwrap_or_default().to_lowercase();
            RECOVERING.contains(&state.as_str())
        })
        .filter_map(|row| text(row, "Database"))
        .collect()
}
