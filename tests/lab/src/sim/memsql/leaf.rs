//! A leaf: what it does with the partitions that it holds.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::address::Address;
use super::data::{Change, Entry, Position, Replica, Role};
use super::node::Node;
use super::peer::{self, Message};
use super::sql::Filter;
use super::wire::Fault;
use crate::sim::effects::eprint_line;
use crate::sim::version::Version;

/// This leaf does not take that, and another one may; only servers of the cluster see it.
pub const ELSEWHERE: u16 = 9001;

fn elsewhere(partition: &str) -> Fault {
    Fault::new(
        ELSEWHERE,
        format!("this leaf takes nothing for {partition} now"),
    )
}

fn unknown(partition: &str) -> Fault {
    Fault::new(1049, format!("Unknown database '{partition}'"))
}

/// Answers a message that is for whoever holds data.
pub async fn answer(node: &Arc<Node>, message: Message) -> Result<Value, Fault> {
    match message {
        Message::Write {
            partition,
            table,
            change,
        } => write(node, &partition, &table, &change).await,
        Message::Read {
            partition,
            table,
            filters,
        } => {
            plan(node, &partition, &table, &filters).await;
            read(node, &partition, &table, &filters)
        }
        Message::Pull {
            wants,
            wait_ms,
            version,
        } => pull(node, &wants, wait_ms, &version).await,
        Message::Copy(partition) => copy(node, &partition),
        Message::Create(partition) => {
            set(node, &partition, Replica::new(Role::Master, None));
            Ok(Value::Null)
        }
        Message::Follow {
            partition,
            source,
            copy,
        } => follow(node, &partition, source, copy).await,
        Message::Freeze(partition) => freeze(node, &partition).await,
        Message::Thaw(partition) => freezes(node, &partition, false),
        Message::Reach {
            partition,
            position,
            limit_ms,
        } => reach(node, &partition, position, limit_ms).await,
        Message::Promote(partition) => turn(node, &partition, Role::Master, None),
        Message::Orphan(partition) => turn(node, &partition, Role::Orphan, None),
        Message::Drop(partition) => {
            discard(node, |name, _| *name == partition);
            Ok(Value::Null)
        }
        Message::ClearOrphans => {
            discard(node, |_, replica| replica.role == Role::Orphan);
            Ok(Value::Null)
        }
        Message::Snapshot(partition) => {
            append(node, &partition, Entry::File)?;
            Ok(Value::Null)
        }
        Message::Status => Ok(status(node)),
        Message::Documents => Ok(documents(node)),
        Message::Hello
        | Message::State
        | Message::Cluster(_)
        | Message::Meta
        | Message::Join(_) => Err(Fault::new(1047, "not for a leaf")),
    }
}

/// Lets new writes wait, and waits for those that are open; returns where the partition is.
async fn freeze(node: &Node, partition: &str) -> Result<Value, Fault> {
    let mut changes = node.data_watch();
    let frozen = freezes(node, partition, true)?;
    while node.state().open_writes.contains_key(partition) {
        if changes.changed().await.is_err() {
            break;
        }
    }
    Ok(frozen)
}

/// Plans a query that this leaf has not seen since its start; the partitions of a database share the plan.
async fn plan(node: &Node, partition: &str, table: &str, filters: &[Filter]) {
    let database = partition
        .rsplit_once('_')
        .map_or(partition, |(database, _)| database);
    let compared = filters.iter().map(|filter| filter.column.as_str());
    let compared = compared.collect::<Vec<_>>().join(" ");
    let is_new = node
        .state()
        .compiled
        .insert(format!("leaf {database} {table} {compared}"));
    if is_new {
        node.pause(node.switches().compile_ms).await;
    }
}

/// Lets writes wait, or not any more; returns where the partition is.
fn freezes(node: &Node, partition: &str, frozen: bool) -> Result<Value, Fault> {
    with(node, partition, |replica| {
        replica.frozen = frozen;
        json!(replica.position)
    })
}

fn with<T>(node: &Node, partition: &str, work: impl FnOnce(&mut Replica) -> T) -> Result<T, Fault> {
    let mut state = node.state();
    let replica = state
        .replicas
        .get_mut(partition)
        .ok_or_else(|| unknown(partition))?;
    Ok(work(replica))
}

/// Says so if the journal could not be written.
pub(super) fn written(outcome: std::io::Result<()>) {
    if let Err(error) = outcome {
        eprint_line(&format!("lab: the journal: {error}"));
    }
}

fn set(node: &Node, partition: &str, replica: Replica) {
    let mut state = node.state();
    written(state.journal.whole(partition, &replica));
    state.replicas.insert(partition.to_owned(), replica);
    drop(state);
    node.data_changed();
}

fn discard(node: &Node, is_it: impl Fn(&String, &Replica) -> bool) {
    let mut state = node.state();
    let gone: Vec<String> = state
        .replicas
        .iter()
        .filter(|(name, replica)| is_it(name, replica))
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        state.replicas.remove(&name);
        written(state.journal.gone(&name));
    }
}

fn turn(node: &Node, partition: &str, role: Role, source: Option<Address>) -> Result<Value, Fault> {
    let position = {
        let mut state = node.state();
        let state = &mut *state;
        let replica = state
            .replicas
            .get_mut(partition)
            .ok_or_else(|| unknown(partition))?;
        replica.role = role;
        replica.source = source;
        replica.frozen = false;
        written(state.journal.role(partition, replica));
        replica.position
    };
    node.data_changed();
    Ok(json!(position))
}

fn append(node: &Node, partition: &str, entry: Entry) -> Result<(), Fault> {
    {
        let mut state = node.state();
        let state = &mut *state;
        let replica = state
            .replicas
            .get_mut(partition)
            .ok_or_else(|| unknown(partition))?;
        written(state.journal.entry(partition, &entry));
        replica.append(entry);
    }
    node.data_changed();
    Ok(())
}

async fn write(
    node: &Arc<Node>,
    partition: &str,
    table: &str,
    change: &Change,
) -> Result<Value, Fault> {
    if node.recovers() {
        return Err(elsewhere(partition));
    }
    let (count, position) = {
        let mut state = node.state();
        let state = &mut *state;
        let replica = state
            .replicas
            .get_mut(partition)
            .ok_or_else(|| elsewhere(partition))?;
        if replica.role != Role::Master || replica.frozen {
            return Err(elsewhere(partition));
        }
        let (entries, count) = replica.change(table, change)?;
        for entry in &entries {
            written(state.journal.entry(partition, entry));
        }
        (count, replica.position)
    };
    node.data_changed();
    stay_open(node, partition).await;
    if node.switches().sync_replication {
        acknowledged(node, partition, position).await;
    }
    Ok(json!(count))
}

/// Keeps the transaction of a write open for as long as the switches say.
async fn stay_open(node: &Arc<Node>, partition: &str) {
    let open_ms = node.switches().write_ms;
    if open_ms == 0 {
        return;
    }
    *node
        .state()
        .open_writes
        .entry(partition.to_owned())
        .or_default() += 1;
    // It ends also where who asked for it has gone.
    let (own, name) = (Arc::clone(node), partition.to_owned());
    let ended = tokio::spawn(async move {
        own.pause(open_ms).await;
        let mut state = own.state();
        if let Some(count) = state.open_writes.get_mut(&name) {
            *count = count.saturating_sub(1);
        }
        state.open_writes.retain(|_, count| *count > 0);
        drop(state);
        own.data_changed();
    });
    drop(ended.await);
}

/// How long a slave may be silent before a write no longer waits for it.
const SILENCE_MS: u64 = 5_000;

async fn acknowledged(node: &Arc<Node>, partition: &str, position: Position) {
    let mut changes = node.data_watch();
    let limit = node.switches().timer(SILENCE_MS);
    let acked = async {
        loop {
            let done = with(node, partition, |replica| {
                replica.role != Role::Master
                    || replica.acked >= position
                    || replica.acked == Position(0, 0)
            });
            if done.unwrap_or(true) || changes.changed().await.is_err() {
                return;
            }
        }
    };
    // A slave that stays silent is left behind, as the documentation of later versions says.
    drop(tokio::time::timeout(limit, acked).await);
}

fn read(node: &Node, partition: &str, table: &str, filters: &[Filter]) -> Result<Value, Fault> {
    if node.recovers() {
        return Err(elsewhere(partition));
    }
    let state = node.state();
    let replica = state
        .replicas
        .get(partition)
        .filter(|one| one.role == Role::Master);
    let replica = replica.ok_or_else(|| elsewhere(partition))?;
    Ok(json!(replica.rows(table, filters)))
}

/// Answers with what follows in the logs: at once if there is something, else when there is.
async fn pull(
    node: &Arc<Node>,
    wants: &[(String, Position)],
    wait_ms: u64,
    version: &str,
) -> Result<Value, Fault> {
    let is_older = match (Version::parse(version), Version::parse(&node.version)) {
        (Ok(theirs), Ok(ours)) => theirs < ours,
        _ => false,
    };
    if is_older && !node.switches().old_follows_new {
        return Err(Fault::new(
            ELSEWHERE,
            "an older server cannot follow a newer one",
        ));
    }
    let end = tokio::time::Instant::now() + Duration::from_millis(wait_ms);
    let mut changes = node.data_watch();
    loop {
        let (found, leads) = news(node, wants);
        let answer = json!({"leads": leads, "news": found});
        if !found.is_empty() || leads.is_empty() {
            return Ok(answer);
        }
        let waited = tokio::time::timeout_at(end, changes.changed()).await;
        if !matches!(waited, Ok(Ok(()))) {
            return Ok(answer);
        }
    }
}

type News = serde_json::Map<String, Value>;

/// Returns what is new, and which of the partitions this leaf leads.
fn news(node: &Node, wants: &[(String, Position)]) -> (News, Vec<String>) {
    let mut found = serde_json::Map::new();
    let mut leads = Vec::new();
    let mut is_acked = false;
    {
        let mut state = node.state();
        for (partition, position) in wants {
            let Some(replica) = state.replicas.get_mut(partition) else {
                continue;
            };
            if replica.role != Role::Master {
                continue;
            }
            leads.push(partition.clone());
            is_acked |= replica.acked < *position;
            replica.acked = *position;
            match replica.since(*position) {
                Some(entries) if entries.is_empty() => {}
                Some(entries) => drop(found.insert(partition.clone(), json!(entries))),
                None => drop(found.insert(partition.clone(), json!("copy"))),
            }
        }
    }
    if is_acked {
        node.data_changed();
    }
    (found, leads)
}

fn copy(node: &Node, partition: &str) -> Result<Value, Fault> {
    let state = node.state();
    let replica = state
        .replicas
        .get(partition)
        .filter(|one| one.role == Role::Master);
    Ok(json!(replica.ok_or_else(|| elsewhere(partition))?))
}

async fn follow(
    node: &Arc<Node>,
    partition: &str,
    source: Address,
    fresh: bool,
) -> Result<Value, Fault> {
    if !fresh && node.state().replicas.contains_key(partition) {
        turn(node, partition, Role::Slave, Some(source))?;
        with(node, partition, |replica| replica.follows = true)?;
        node.data_changed();
        return Ok(Value::Null);
    }
    let switches = node.switches();
    if node.plays("copy", switches.copy_failures) {
        // What a copy that failed has left is nobody's.
        set(node, partition, Replica::new(Role::Orphan, None));
        return Err(Fault::new(
            1772,
            format!("Partition move failed: copying {partition}"),
        ));
    }
    node.pause(switches.copy_ms).await;
    copy_from(node, partition, &source).await?;
    node.effects
        .record("copy", &json!({"partition": partition}))
        .ok();
    Ok(Value::Null)
}

/// Takes the whole of a partition from its master.
pub(super) async fn copy_from(
    node: &Arc<Node>,
    partition: &str,
    source: &Address,
) -> Result<(), Fault> {
    let limit = Duration::from_mins(1);
    let whole = peer::say(source, &Message::Copy(partition.to_owned()), limit).await;
    let whole =
        whole.map_err(|error| Fault::new(1772, format!("Partition move failed: {error}")))?;
    let whole: Replica =
        serde_json::from_value(whole).map_err(|error| Fault::new(1772, error.to_string()))?;
    let mut replica = Replica::new(Role::Slave, Some(source.clone()));
    replica.take_over(&whole);
    set(node, partition, replica);
    Ok(())
}

async fn reach(
    node: &Arc<Node>,
    partition: &str,
    position: Position,
    limit_ms: u64,
) -> Result<Value, Fault> {
    let mut changes = node.data_watch();
    let reached = async {
        loop {
            let at = with(node, partition, |replica| replica.position)?;
            if at >= position {
                return Ok(json!(at));
            }
            if changes.changed().await.is_err() {
                return Err(unknown(partition));
            }
        }
    };
    let limit = Duration::from_millis(limit_ms);
    tokio::time::timeout(limit, reached)
        .await
        .unwrap_or_else(|_| {
            Err(Fault::new(
                1205,
                "Lock wait timeout exceeded; try restarting transaction",
            ))
        })
}

fn status(node: &Node) -> Value {
    let recovers = node.recovers();
    let state = node.state();
    let all = state.replicas.iter().map(|(partition, replica)| {
        let word = match (recovers, replica.role) {
            (true, _) => "recovering",
            (false, Role::Slave) if replica.follows => "replicating",
            (false, Role::Slave) => "pending",
            (false, Role::Master | Role::Orphan) => "online",
        };
        let known = json!({
            "role": replica.role,
            "state": word,
            "position": replica.position.to_string(),
            "source": replica.source,
        });
        (partition.clone(), known)
    });
    Value::Object(all.collect())
}

fn documents(node: &Node) -> Value {
    let state = node.state();
    let all = state.replicas.iter().map(|(partition, replica)| {
        (
            partition.clone(),
            json!({"role": replica.role, "tables": replica.tables}),
        )
    });
    Value::Object(all.collect())
}
