//! What the agency says about databases, collections and shards: planned and current.
//!
//! Pure; made from one read of `/arango`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Where a shard hangs in the agency's tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardPath {
    /// The database.
    pub database: String,
    /// The collection's identifier.
    pub collection: String,
    /// The shard.
    pub shard: String,
}

impl ShardPath {
    /// Returns the path of the servers that are planned for the shard.
    pub fn plan(&self) -> String {
        format!(
            "/arango/Plan/Collections/{}/{}/shards/{}",
            self.database, self.collection, self.shard
        )
    }

    /// Returns the path of what is known to be so.
    pub fn current(&self) -> String {
        format!(
            "/arango/Current/Collections/{}/{}/{}",
            self.database, self.collection, self.shard
        )
    }
}

/// A collection as it is planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// Its database.
    pub database: String,
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many copies it is to have.
    pub replication_factor: u64,
    /// The collection whose shards it follows.
    pub like: Option<String>,
    /// Its shards, each with its planned servers, the leader first.
    pub shards: BTreeMap<String, Vec<String>>,
    /// The rest of what is planned for it.
    pub planned: Value,
}

impl Collection {
    /// Returns where one of its shards hangs.
    pub fn path(&self, shard: &str) -> ShardPath {
        ShardPath {
            database: self.database.clone(),
            collection: self.id.clone(),
            shard: shard.to_owned(),
        }
    }
}

/// Everything that the agency says about data and who holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// Counts the changes of the plan.
    pub plan_version: u64,
    /// The databases.
    pub databases: BTreeMap<String, Value>,
    /// The collections of all databases.
    pub collections: Vec<Collection>,
    /// The servers that hold each shard now, the leader first.
    pub current: BTreeMap<ShardPath, Vec<String>>,
    /// The DB-Servers.
    pub dbservers: BTreeSet<String>,
    /// The coordinators.
    pub coordinators: BTreeSet<String>,
    /// Where each server is reached.
    pub endpoints: BTreeMap<String, String>,
    /// Each server's short name.
    pub short_names: BTreeMap<String, String>,
    /// Whether supervision is in maintenance.
    pub maintenance: bool,
    /// Whether the whole cluster can only be read.
    pub read_only: bool,
}

/// The paths to read for a [`Catalog`].
pub const PATHS: [&str; 6] = [
    "/arango/Readonly",
    "/arango/Plan",
    "/arango/Current/Collections",
    "/arango/Current/ServersRegistered",
    "/arango/Target/MapUniqueToShortID",
    "/arango/Supervision/State",
];

impl Catalog {
    /// Reads the catalog out of the tree that an agency answered.
    pub fn of(tree: &Value) -> Self {
        tree.get("arango").map(Self::below).unwrap_or_default()
    }

    /// Reads the catalog out of what is below `/arango`.
    pub fn below(tree: &Value) -> Self {
        let at = |path: &str| tree.pointer(path).and_then(Value::as_object);
        let names = |path: &str| at(path).map(|all| all.keys().cloned().collect());
        let mut collections = Vec::new();
        for (database, all) in at("/Plan/Collections").into_iter().flatten() {
            for (id, planned) in all.as_object().into_iter().flatten() {
                collections.push(collection(database, id, planned));
            }
        }
        Self {
            plan_version: tree
                .pointer("/Plan/Version")
                .and_then(Value::as_u64)
                .unwrap_or(0),
            databases: at("/Plan/Databases")
                .map(|all| all.clone().into_iter().collect())
                .unwrap_or_default(),
            collections,
            current: current(tree),
            dbservers: names("/Plan/DBServers").unwrap_or_default(),
            coordinators: names("/Plan/Coordinators").unwrap_or_default(),
            endpoints: texts(at("/Current/ServersRegistered"), "endpoint"),
            short_names: texts(at("/Target/MapUniqueToShortID"), "ShortName"),
            maintenance: tree
                .pointer("/Supervision/State/Mode")
                .is_some_and(|mode| mode == "Maintenance"),
            read_only: tree.pointer("/Readonly") == Some(&Value::Bool(true)),
        }
    }

    /// Returns a collection by its name or identifier.
    pub fn collection(&self, database: &str, name: &str) -> Option<&Collection> {
        self.collections
            .iter()
            .find(|found| found.database == database && (found.name == name || found.id == name))
    }

    /// Returns every shard with its planned servers.
    pub fn planned(&self) -> impl Iterator<Item = (ShardPath, &Vec<String>)> {
        self.collections.iter().flat_map(|collection| {
            collection
                .shards
                .iter()
                .map(|(shard, servers)| (collection.path(shard), servers))
        })
    }

    /// Returns where a shard of that name hangs.
    pub fn shard(&self, name: &str) -> Option<ShardPath> {
        let holds = |one: &&Collection| one.shards.contains_key(name);
        self.collections
            .iter()
            .find(holds)
            .map(|one| one.path(name))
    }

    /// Returns the servers that hold a shard now.
    pub fn servers_of(&self, path: &ShardPath) -> &[String] {
        self.current.get(path).map_or(&[], Vec::as_slice)
    }

    /// Returns a shard and those that go wherever it goes.
    pub fn clones_of(&self, path: &ShardPath) -> Vec<ShardPath> {
        let mut found = vec![path.clone()];
        let Some(prototype) = self
            .collections
            .iter()
            .find(|one| one.database == path.database && one.id == path.collection)
        else {
            return found;
        };
        let Some(place) = prototype
            .shards
            .keys()
            .position(|shard| *shard == path.shard)
        else {
            return found;
        };
        for follower in &self.collections {
            if follower.database == path.database
                && follower.like.as_deref() == Some(&prototype.id)
                && let Some(shard) = follower.shards.keys().nth(place)
            {
                found.push(follower.path(shard));
            }
        }
        found
    }

    /// Returns the servers planned for a shard.
    pub fn plan_of(&self, path: &ShardPath) -> Option<&Vec<String>> {
        self.collections
            .iter()
            .find(|one| one.database == path.database && one.id == path.collection)?
            .shards
            .get(&path.shard)
    }
}

fn collection(database: &str, id: &str, planned: &Value) -> Collection {
    let shards = planned.get("shards").and_then(Value::as_object);
    Collection {
        database: database.to_owned(),
        id: id.to_owned(),
        name: text(planned, "name").unwrap_or_default(),
        replication_factor: planned
            .get("replicationFactor")
            .and_then(Value::as_u64)
            .unwrap_or(1),
        like: text(planned, "distributeShardsLike").filter(|like| !like.is_empty()),
        shards: shards
            .into_iter()
            .flatten()
            .map(|(shard, servers)| (shard.clone(), strings(servers)))
            .collect(),
        planned: planned.clone(),
    }
}

fn current(tree: &Value) -> BTreeMap<ShardPath, Vec<String>> {
    let mut found = BTreeMap::new();
    let all = tree.pointer("/Current/Collections");
    for (database, collections) in all.and_then(Value::as_object).into_iter().flatten() {
        for (collection, shards) in collections.as_object().into_iter().flatten() {
            for (shard, known) in shards.as_object().into_iter().flatten() {
                let path = ShardPath {
                    database: database.clone(),
                    collection: collection.clone(),
                    shard: shard.clone(),
                };
                found.insert(path, known.get("servers").map(strings).unwrap_or_default());
            }
        }
    }
    found
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn texts(all: Option<&serde_json::Map<String, Value>>, field: &str) -> BTreeMap<String, String> {
    all.into_iter()
        .flatten()
        .filter_map(|(id, value)| Some((id.clone(), text(value, field)?)))
        .collect()
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// Returns a server's identifier without the mark of a leader that resigned.
pub fn bare(server: &str) -> &str {
    server.strip_prefix('_').unwrap_or(server)
}

/// Returns who leads a list of servers, unless the leader has resigned.
pub fn leader_of(servers: &[String]) -> Option<&str> {
    servers
        .first()
        .map(String::as_str)
        .filter(|leader| !leader.starts_with('_') && !leader.is_empty())
}

/// Returns the shard that holds a key, of shards in the order of their names.
pub fn responsible_shard<'a>(key: &str, shards: &[&'a str]) -> Option<&'a str> {
    // FNV-1a: any even spread will do, but load and coordinators must agree on it.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let count = u64::try_from(shards.len())
        .ok()
        .filter(|count| *count > 0)?;
    let place = usize::try_from((hash >> 16) % count).ok()?;
    shards.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree() -> Value {
        json!({"arango": {
            "Plan": {
                "Version": 7,
                "DBServers": {"PRMR-1": "none", "PRMR-2": "none"},
                "Collections": {"_system": {
                    "10": {"name": "_graphs", "replicationFactor": 2,
                           "shards": {"s11": ["PRMR-1", "PRMR-2"]}},
                    "20": {"name": "_users", "replicationFactor": 2,
                           "distributeShardsLike": "10", "shards": {"s21": ["PRMR-1", "PRMR-2"]}},
                    "30": {"name": "c", "replicationFactor": 1, "shards": {"s31": ["PRMR-2"]}}
                }}
            },
            "Current": {
                "Collections": {"_system": {"10": {"s11": {"servers": ["_PRMR-1", "PRMR-2"]}}}},
                "ServersRegistered": {"Version": 3, "PRMR-1": {"endpoint": "tcp://h:1"}}
            },
            "Supervision": {"State": {"Mode": "Maintenance"}}
        }})
    }

    #[test]
    fn the_catalog_says_what_the_agency_says() {
        let catalog = Catalog::of(&tree());
        assert_eq!(catalog.plan_version, 7);
        assert!(catalog.maintenance);
        assert_eq!(catalog.dbservers.len(), 2);
        assert_eq!(catalog.endpoints["PRMR-1"], "tcp://h:1");
        let graphs = catalog.collection("_system", "_graphs").unwrap();
        let path = graphs.path("s11");
        assert_eq!(
            path.plan(),
            "/arango/Plan/Collections/_system/10/shards/s11"
        );
        assert_eq!(catalog.servers_of(&path), ["_PRMR-1", "PRMR-2"]);
        assert_eq!(leader_of(catalog.servers_of(&path)), None, "resigned");
        assert_eq!(catalog.planned().count(), 3);
    }

    #[test]
    fn a_shard_takes_those_with_it_that_are_distributed_like_it() {
        let catalog = Catalog::of(&tree());
        let graphs = catalog.collection("_system", "10").unwrap().path("s11");
        let clones = catalog.clones_of(&graphs);
        let shards: Vec<&str> = clones.iter().map(|path| path.shard.as_str()).collect();
        assert_eq!(shards, ["s11", "s21"]);
        let own = catalog.collection("_system", "c").unwrap().path("s31");
        assert_eq!(catalog.clones_of(&own), [own]);
    }

    #[test]
    fn keys_spread_over_all_shards_and_stay_there() {
        let shards = ["s1", "s2", "s3", "s4"];
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for n in 0..4000 {
            let shard = responsible_shard(&format!("k{n}"), &shards).unwrap();
            *counts.entry(shard).or_default() += 1;
        }
        assert_eq!(counts.len(), 4);
        assert!(counts.values().all(|count| *count > 800), "{counts:?}");
        assert_eq!(responsible_shard("k", &[]), None);
    }
}
