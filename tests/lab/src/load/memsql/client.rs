//! The client: so many statements a second, each begun when it is due and on a connection of
//! its own, through the aggregators that are not drained. No retries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Options;
use crate::load::drain::Drain;
use crate::load::keys::{ShardKeys, Write};
use crate::load::tally::{Done, Tally};
use crate::sim::http::Target;
use crate::sim::memsql::Address;
use crate::sim::memsql::data::partition_of;
use crate::sim::memsql::wire::client::{ask, quoted_name, quoted_text};
use crate::sim::memsql::wire::{Answer, ClientError, Login};
use crate::sim::time;

/// The table that the load has in every database.
pub const TABLE: &str = "load_rows";

/// The client with all that it has seen.
#[derive(Debug)]
pub struct Client {
    options: Arc<Options>,
    login: Login,
    children: Vec<Target>,
    master: Vec<Target>,
    drain: Drain,
    /// Name and number of partitions of every database, once for each partition.
    shards: Vec<(String, usize, usize)>,
    keys: Mutex<BTreeMap<String, ShardKeys>>,
    tally: Mutex<Tally>,
    excused: AtomicU64,
    made: AtomicU64,
    run: u64,
}

/// Makes databases and tables on the master aggregator, if they are not there.
pub async fn prepare(options: &Options, master: &Address) -> Result<(), String> {
    let login = options.login()?;
    let limits = (Duration::from_secs(5), Duration::from_mins(2));
    for database in &options.databases {
        let name = quoted_name(database);
        for text in [
            format!("CREATE DATABASE IF NOT EXISTS {name}"),
            format!(
                "CREATE TABLE IF NOT EXISTS {name}.{TABLE} (k VARCHAR(64) PRIMARY KEY, n BIGINT, pad VARCHAR(64))"
            ),
        ] {
            ask(&master.host, master.port, &login, &text, limits)
                .await
                .map_err(|error| format!("{text}: {error}"))?;
        }
    }
    Ok(())
}

/// Returns the name that a partition goes by in the report.
pub fn shard_name(database: &str, ordinal: usize) -> String {
    format!("{database}_{ordinal}")
}

impl Client {
    /// Returns a client for databases that are there: name and number of partitions of each.
    pub fn new(
        options: Arc<Options>,
        (children, master): (Vec<Address>, Vec<Address>),
        databases: &[(String, usize)],
    ) -> Result<Self, String> {
        let target = |at: &Address| Target::parse(&format!("http://{at}"));
        let shards = databases
            .iter()
            .flat_map(|(name, count)| (0..*count).map(|ordinal| (name.clone(), *count, ordinal)));
        Ok(Self {
            login: options.login()?,
            children: children.iter().filter_map(target).collect(),
            master: master.iter().filter_map(target).collect(),
            drain: Drain::new(options.drain_file.as_deref()),
            shards: shards.collect(),
            keys: Mutex::new(BTreeMap::new()),
            tally: Mutex::new(Tally::default()),
            excused: AtomicU64::new(0),
            made: AtomicU64::new(0),
            run: time::unix_ms(),
            options,
        })
    }

    /// Returns what was acknowledged, by partition.
    pub fn keys(&self) -> MutexGuard<'_, BTreeMap<String, ShardKeys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what became of the requests.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many requests failed on an aggregator that was announced to go.
    pub fn excused(&self) -> u64 {
        self.excused.load(Ordering::Relaxed)
    }

    /// Makes requests until told to stop, and waits for their answers.
    pub async fn run(self, until: impl Future<Output = ()>) -> Arc<Self> {
        let client = Arc::new(self);
        let begin = tokio::time::Instant::now();
        let begin_ms = time::mono_ms();
        let mut under_way = JoinSet::new();
        let mut until = std::pin::pin!(until);
        for count in 0_u64.. {
            // Microseconds from the start, so that no rounding adds up.
            let due = Duration::from_micros(count * 1_000_000 / client.options.rate.max(1));
            tokio::select! {
                () = tokio::time::sleep_until(begin + due) => {}
                () = &mut until => break,
            }
            let one = Arc::clone(&client);
            under_way.spawn(async move { one.request(count, begin_ms + time::ms(due)).await });
            while under_way.try_join_next().is_some() {}
        }
        under_way.join_all().await;
        client
    }

    async fn request(&self, count: u64, begin_ms: u64) {
        let shards = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        let place = usize::try_from(count % shards).unwrap_or(0);
        let Some((database, partitions, ordinal)) = self.shards.get(place) else {
            return;
        };
        let shard = shard_name(database, *ordinal);
        // Every partition gets reads and writes in turn.
        let writes = (count / shards).is_multiple_of(2);
        let readable = if writes {
            None
        } else {
            self.keys().entry(shard.clone()).or_default().readable()
        };
        let failure = match &readable {
            Some((key, least)) => self.read(count, database, key, *least).await,
            None => self.write(count, database, (*partitions, *ordinal)).await,
        };
        let done = Done {
            shard,
            write: readable.is_none(),
            begin_ms,
            end_ms: time::mono_ms(),
            failure,
        };
        self.tally().add(done, self.options.gap_ms);
    }

    /// Children are asked as long as there is one that is not drained, then the master.
    fn aggregator(&self, count: u64) -> Option<Target> {
        let open = |all: &[Target]| -> Vec<Target> {
            let open = self.drain.open(all).into_iter();
            // If all are drained the list says all: that is no answer here.
            open.filter(|one| !self.drain.lists(one)).cloned().collect()
        };
        let mut choice = open(&self.children);
        if choice.is_empty() {
            choice = open(&self.master);
        }
        if choice.is_empty() {
            choice = self.children.iter().chain(&self.master).cloned().collect();
        }
        let shards = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        let turn =
            (count + count / shards).checked_rem(u64::try_from(choice.len()).unwrap_or(1))?;
        choice.get(usize::try_from(turn).ok()?).cloned()
    }

    async fn ask(&self, count: u64, text: &str) -> Result<Answer, String> {
        let at = self.aggregator(count).ok_or("no aggregator is known")?;
        // What was under way when it was announced was to be waited for.
        let was_announced = self.drain.lists(&at);
        let limit = Duration::from_millis(self.options.deadline_ms);
        let asked = ask(&at.host, at.port, &self.login, text, (limit, limit));
        let outcome = match tokio::time::timeout(limit, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(ClientError::Fault(fault))) => format!("error {}", fault.number),
            Ok(Err(ClientError::NotReached(_))) => format!("{} cannot be reached", at.authority()),
            Ok(Err(ClientError::Lost(_))) | Err(_) => format!("{} does not answer", at.authority()),
        };
        if was_announced {
            self.excused.fetch_add(1, Ordering::Relaxed);
        }
        Err(outcome)
    }

    async fn read(&self, count: u64, database: &str, key: &str, least: u64) -> Option<String> {
        let table = format!("{}.{TABLE}", quoted_name(database));
        let text = format!("SELECT n FROM {table} WHERE k = {}", quoted_text(key));
        match self.ask(count, &text).await {
            Ok(Answer::Rows(rows)) => {
                let cell = rows.rows.first().and_then(|row| row.first()?.clone());
                let held = cell.and_then(|text| text.parse::<u64>().ok());
                if held.is_none_or(|held| held < least) {
                    self.tally().add_stale_read();
                }
                None
            }
            Ok(Answer::Done(_) | Answer::HangUp) => Some("no rows".to_owned()),
            Err(why) => Some(why),
        }
    }

    async fn write(
        &self,
        count: u64,
        database: &str,
        (partitions, ordinal): (usize, usize),
    ) -> Option<String> {
        let shard = shard_name(database, ordinal);
        let write = {
            let mut keys = self.keys();
            let own = keys.entry(shard.clone()).or_default();
            own.begin_write(|| self.fresh_key(partitions, ordinal))
        };
        let failure = self.ask(count, &statement(database, &write)).await.err();
        if let Some(keys) = self.keys().get_mut(&shard) {
            keys.end_write(&write, failure.is_none());
        }
        failure
    }

    /// Makes a key that lies in a partition.
    fn fresh_key(&self, partitions: usize, ordinal: usize) -> String {
        loop {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            // Keys of another run in the same table are another run's.
            let key = format!("k{}-{number}", self.run);
            if partition_of(&key, partitions) == ordinal {
                return key;
            }
        }
    }
}

fn statement(database: &str, write: &Write) -> String {
    let (table, key) = (
        format!("{}.{TABLE}", quoted_name(database)),
        quoted_text(&write.key),
    );
    if write.new {
        let pad = "x".repeat(64);
        format!(
            "INSERT INTO {table} (k, n, pad) VALUES ({key}, {}, '{pad}')",
            write.number
        )
    } else {
        format!("UPDATE {table} SET n = {} WHERE k = {key}", write.number)
    }
}
