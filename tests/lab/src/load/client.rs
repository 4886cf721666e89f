//! The client: so many requests a second, each begun when it is due, whatever became of the
//! ones before. No retries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Options;
use super::drain::Drain;
use super::keys::{ShardKeys, Write};
use super::tally::{Done, Tally};
use super::watch::Watch;
use crate::sim::arangod::cluster::{Catalog, responsible_shard};
use crate::sim::http::{Call, Reply, Target, call};
use crate::sim::time;

/// The client with all that it has seen.
#[derive(Debug)]
pub struct Client {
    options: Arc<Options>,
    authorization: Option<String>,
    coordinators: Vec<Target>,
    drain: Drain,
    shards: Vec<String>,
    keys: Mutex<BTreeMap<String, ShardKeys>>,
    tally: Mutex<Tally>,
    made: AtomicU64,
    run: u64,
}

/// Makes the database and the collection, if they are not there.
pub async fn prepare(options: &Options, watch: &Watch) -> Result<(), String> {
    let authorization = options.authorization()?;
    let coordinator = watch.coordinators().into_iter().next();
    let coordinator = coordinator.ok_or("there is no coordinator")?;
    let post = async |path: &str, body: Value| -> Result<u16, String> {
        let request = Call::new(&coordinator, "POST", path, Duration::from_secs(90))
            .authorized(authorization.as_deref())
            .json(&body);
        let reply = call(request).await.map_err(|error| error.to_string())?;
        match reply.status {
            200 | 201 | 409 => Ok(reply.status),
            other => Err(format!(
                "{path} answers {other}: {}",
                String::from_utf8_lossy(&reply.body)
            )),
        }
    };
    if options.database != "_system" {
        post("/_api/database", json!({"name": options.database})).await?;
    }
    let wanted = json!({
        "name": options.collection,
        "numberOfShards": options.shards,
        "replicationFactor": options.copies,
    });
    post(
        &format!("/_db/{}/_api/collection", options.database),
        wanted,
    )
    .await?;
    Ok(())
}

impl Client {
    /// Returns a client for a collection that is there.
    pub fn new(options: Arc<Options>, watch: &Watch) -> Result<Self, String> {
        Ok(Self {
            authorization: options.authorization()?,
            coordinators: watch.coordinators(),
            drain: Drain::new(options.drain_file.as_deref()),
            shards: Vec::new(),
            keys: Mutex::new(BTreeMap::new()),
            tally: Mutex::new(Tally::default()),
            made: AtomicU64::new(0),
            run: time::unix_ms(),
            options,
        })
    }

    /// Returns what was acknowledged, by shard.
    pub fn keys(&self) -> MutexGuard<'_, BTreeMap<String, ShardKeys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what became of the requests.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_shards(&mut self) {
        let path = format!(
            "/_db/{}/_api/collection/{}/shards",
            self.options.database, self.options.collection
        );
        for coordinator in self.coordinators.iter().cycle().take(30) {
            let request = Call::new(coordinator, "GET", &path, Duration::from_secs(10))
                .authorized(self.authorization.as_deref());
            if let Ok(reply) = call(request).await
                && let Some(Value::Array(shards)) = reply.json().get("shards").cloned()
                && !shards.is_empty()
            {
                let names = shards
                    .iter()
                    .filter_map(|name| name.as_str().map(str::to_owned));
                self.shards = names.collect();
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Makes requests until told to stop, and waits for their answers.
    pub async fn run(mut self, until: impl Future<Output = ()>) -> Arc<Self> {
        self.find_shards().await;
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
        let Some(shard) = self.shards.get(place) else {
            return;
        };
        // Every shard gets reads and writes in turn.
        let writes = (count / shards).is_multiple_of(2);
        let readable = if writes {
            None
        } else {
            self.keys().entry(shard.clone()).or_default().readable()
        };
        let failure = match &readable {
            Some((key, least)) => self.read(count, key, *least).await,
            None => self.write(count, shard).await,
        };
        let done = Done {
            shard: shard.clone(),
            write: readable.is_none(),
            begin_ms,
            end_ms: time::mono_ms(),
            failure,
        };
        self.tally().add(done, self.options.gap_ms);
    }

    async fn ask(
        &self,
        count: u64,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Reply, String> {
        let open = self.drain.open(&self.coordinators);
        // Turned by one each round, so that no shard is always asked for through the same one.
        let shards = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        let turn = count + count / shards;
        let place = turn.checked_rem(u64::try_from(open.len()).unwrap_or(1));
        let place = usize::try_from(place.unwrap_or(0)).unwrap_or(0);
        let coordinator = open.get(place).ok_or("no coordinator is known")?;
        let limit = Duration::from_millis(self.options.deadline_ms);
        let mut request = Call::new(coordinator, method, path, limit)
            .authorized(self.authorization.as_deref())
            .kept();
        if let Some(body) = &body {
            request = request.json(body);
        }
        call(request).await.map_err(|error| {
            if error.was_not_sent() {
                format!("{} cannot be reached", coordinator.authority())
            } else {
                format!("{} does not answer", coordinator.authority())
            }
        })
    }

    fn path(&self, key: Option<&str>) -> String {
        let base = format!(
            "/_db/{}/_api/document/{}",
            self.options.database, self.options.collection
        );
        key.map_or(base.clone(), |key| format!("{base}/{key}"))
    }

    async fn read(&self, count: u64, key: &str, least: u64) -> Option<String> {
        match self.ask(count, "GET", &self.path(Some(key)), None).await {
            Ok(reply) if reply.status == 200 => {
                let held = reply.json().get("n").and_then(Value::as_u64);
                if held.is_none_or(|held| held < least) {
                    self.tally().add_stale_read();
                }
                None
            }
            Ok(reply) => Some(said(&reply)),
            Err(why) => Some(why),
        }
    }

    async fn write(&self, count: u64, shard: &str) -> Option<String> {
        let write = {
            let mut keys = self.keys();
            keys.entry(shard.to_owned())
                .or_default()
                .begin_write(|| self.fresh_key(shard))
        };
        let answer = self.send(count, &write).await;
        let failure = match answer {
            Ok(reply) if reply.status < 300 => None,
            Ok(reply) => Some(said(&reply)),
            Err(why) => Some(why),
        };
        if let Some(keys) = self.keys().get_mut(shard) {
            keys.end_write(&write, failure.is_none());
        }
        failure
    }

    async fn send(&self, count: u64, write: &Write) -> Result<Reply, String> {
        let body = json!({"_key": write.key, "n": write.number, "pad": "x".repeat(64)});
        if write.new {
            self.ask(count, "POST", &self.path(None), Some(body)).await
        } else {
            self.ask(count, "PUT", &self.path(Some(&write.key)), Some(body))
                .await
        }
    }

    /// Makes a key that lies in a shard.
    fn fresh_key(&self, shard: &str) -> String {
        let shards: Vec<&str> = self.shards.iter().map(String::as_str).collect();
        loop {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            // Keys of another run in the same collection are another run's.
            let key = format!("k{}-{number}", self.run);
            if responsible_shard(&key, &shards) == Some(shard) || shards.is_empty() {
                return key;
            }
        }
    }
}

fn said(reply: &Reply) -> String {
    let body = reply.json();
    let number = body.get("errorNum").and_then(Value::as_u64).unwrap_or(0);
    format!("status {} errorNum {number}", reply.status)
}

/// Returns the shards of the load's collection with the servers that hold them.
pub fn holders(options: &Options, catalog: &Catalog) -> BTreeMap<String, Vec<String>> {
    let collection = catalog.collection(&options.database, &options.collection);
    collection
        .into_iter()
        .flat_map(|collection| {
            collection.shards.keys().map(|shard| {
                let servers = catalog.servers_of(&collection.path(shard)).to_vec();
                (shard.clone(), servers)
            })
        })
        .collect()
}
