//! What starters and servers answer over HTTP, and what requests do.

use serde_json::{Map, Value, json};

use super::state::{Move, Role, Shard, State};
use super::{Arangodb, HOSTS, OLD, host_of, time_at};

/// The shard of the collection for a try.
const CANARY: &str = "s9";

/// An answer: its status, a place that it sends to, its body.
type Answer = (u16, Option<String>, Value);

fn ok(body: Value) -> Answer {
    (200, None, body)
}

fn refused(status: u16) -> Answer {
    (status, None, json!({"error": true}))
}

fn endpoint(host: usize, role: Role) -> String {
    format!("tcp://{}:{}", HOSTS[host], role.port())
}

/// The machine whose DB-Server has an id.
fn dbserver(id: &Value) -> Option<usize> {
    let id = id.as_str()?;
    (0..HOSTS.len()).find(|host| Role::Dbserver.id(*host) == id)
}

/// Lists jobs of the supervision, each with why it has failed.
fn listed<'s>(jobs: impl Iterator<Item = (&'s Move, &'s str)>) -> Map<String, Value> {
    let about = |(job, why): (&Move, &str)| {
        let about = json!({"type": "moveShard", "shard": job.shard, "fromServer": Role::Dbserver.id(job.from),
            "toServer": Role::Dbserver.id(job.to), "reason": why});
        (job.id.to_string(), about)
    };
    jobs.map(about).collect()
}

impl Arangodb {
    /// Answers a request that came whole.
    pub(super) fn answer(&self, host: &str, to: &str, said: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(said).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut words = head.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let (name, port) = to.rsplit_once(':')?;
        let machine = host_of(if name == "127.0.0.1" { host } else { name })?;
        let mut state = self.lock();
        let answer = if port == "8528" {
            state.machines[machine].starter?;
            state.starter(machine, path)
        } else {
            let role = Role::at(port)?;
            state.server(machine, role).process?;
            state.asked(machine, role, (method, path), &body)
        };
        let (status, location, body) = answer;
        let location = location.map_or_else(String::new, |to| format!("Location: {to}\r\n"));
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\n{location}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Some((head + &body).into_bytes())
    }
}

impl State {
    fn starter(&self, machine: usize, path: &str) -> Answer {
        if path != "/process" {
            return refused(404);
        }
        let servers = self.machines[machine].servers.iter();
        let servers: Vec<Value> = servers
            .filter_map(|(role, server)| {
                let pid = server.process?.pid;
                Some(json!({"type": role.name(), "ip": HOSTS[machine], "port": role.port(), "pid": pid}))
            })
            .collect();
        ok(json!({"servers-started": true, "servers": servers}))
    }

    fn asked(
        &mut self,
        machine: usize,
        role: Role,
        (method, path): (&str, &str),
        body: &Value,
    ) -> Answer {
        let version = self.server(machine, role).program;
        match (method, path) {
            ("GET", "/_api/version") => {
                ok(json!({"server": "arango", "version": version, "license": "community"}))
            }
            ("GET", "/_admin/server/role") => ok(json!({"role": role.own_name()})),
            ("GET", "/_admin/server/availability") if self.is_ready(machine, role) => {
                ok(json!({"mode": "default"}))
            }
            ("GET", "/_admin/server/availability") => refused(503),
            _ => match role {
                Role::Agent => self.agent(machine, (method, path), body),
                Role::Coordinator if !self.is_ready(machine, role) => refused(503),
                Role::Coordinator => self.coordinator((method, path), body),
                Role::Dbserver => refused(404),
            },
        }
    }

    fn agent(&self, machine: usize, (method, path): (&str, &str), body: &Value) -> Answer {
        if (method, path) == ("GET", "/_api/agency/config") {
            return ok(self.configuration(machine));
        }
        let Some(leader) = self.leads() else {
            return refused(503);
        };
        if machine != leader {
            let to = endpoint(leader, Role::Agent).replace("tcp", "http");
            return (307, Some(format!("{to}{path}")), json!({}));
        }
        if path != "/_api/agency/read" || body.pointer("/0/0") != Some(&json!("/arango/Plan")) {
            return refused(404);
        }
        ok(json!([{"arango": self.store()}]))
    }

    /// In the form of the agent's own version: up to 3.3 plain seconds and no version, since 3.4 both, but only the leader
    /// tells who has followed.
    fn configuration(&self, machine: usize) -> Value {
        let hosts = 0..HOSTS.len();
        let pool: Map<String, Value> = hosts
            .clone()
            .map(|host| (Role::Agent.id(host), json!(endpoint(host, Role::Agent))))
            .collect();
        let leader = self.leads();
        let mut body = json!({"term": self.term, "leaderId": leader.map_or_else(String::new, |host| Role::Agent.id(host)),
            "commitIndex": 100 + self.now,
            "configuration": {"pool": pool, "active": pool.keys().collect::<Vec<_>>(), "id": Role::Agent.id(machine),
                "agency size": 3, "endpoint": endpoint(machine, Role::Agent), "min ping": 1.0, "max ping": 5.0,
                "supervision frequency": 1.0}});
        let version = self.server(machine, Role::Agent).program;
        let seconds = |host: usize| {
            if self.is_up(host, Role::Agent) {
                0.1
            } else {
                999.0
            }
        };
        if version == OLD {
            let acked = hosts.map(|host| (Role::Agent.id(host), json!(seconds(host))));
            let acked: Map<String, Value> = acked.filter(|_| leader == Some(machine)).collect();
            body["lastAcked"] = acked.into();
            return body;
        }
        body["version"] = json!(version);
        if leader == Some(machine) {
            let acked = hosts.map(|host| {
                let one = json!({"lastAckedTime": seconds(host), "lastAckedIndex": 100});
                (Role::Agent.id(host), one)
            });
            body["lastAcked"] = acked.collect::<Map<_, _>>().into();
        }
        body
    }

    /// What the agency holds.
    fn store(&self) -> Value {
        let ids = |role: Role| -> Map<String, Value> {
            let hosts = 0..HOSTS.len();
            hosts.map(|host| (role.id(host), json!("none"))).collect()
        };
        let (mut registered, mut short) = (Map::new(), Map::new());
        for host in 0..HOSTS.len() {
            for role in [Role::Dbserver, Role::Coordinator] {
                let name = format!("{}{}", role.name(), host + 1);
                registered.insert(role.id(host), json!({"endpoint": endpoint(host, role)}));
                short.insert(role.id(host), json!({"ShortName": name}));
            }
        }
        let (planned, current) = self.collections();
        let (mode, asked) = match self.maintenance {
            Some(_) => ("Maintenance", json!(true)),
            None => ("Normal", Value::Null),
        };
        let since = time_at(self.mode_since).to_string();
        let (waiting, failed) = self.jobs();
        json!({"Cluster": "uuid-1",
            "Supervision": {"State": {"Mode": mode, "Timestamp": since}, "Maintenance": asked},
            "Plan": {"Databases": {"_system": {}}, "DBServers": ids(Role::Dbserver), "Coordinators": ids(Role::Coordinator),
                "Collections": {"_system": planned}},
            "Current": {"ServersRegistered": registered, "Collections": {"_system": current}},
            "Target": {"MapUniqueToShortID": short, "ToDo": waiting, "Pending": {}, "Failed": failed, "CleanedServers": [],
                "FailedServers": {}}})
    }

    /// The shards as they are planned, and the copies that are in sync; one that is down leads until another one is told to.
    fn collections(&self) -> (Map<String, Value>, Map<String, Value>) {
        let (mut planned, mut current) = (Map::new(), Map::new());
        for shard in &self.shards {
            let ids = |hosts: &[usize]| -> Vec<String> {
                let ids = hosts.iter().map(|host| Role::Dbserver.id(*host));
                ids.collect()
            };
            let leader = shard.plan[0];
            let mut in_sync = shard.plan.clone();
            in_sync.retain(|host| *host == leader || self.is_in_sync(*host));
            let id = format!("10{}", shard.name);
            let name = format!("collection-{}", shard.name);
            let shards = json!({"name": name, "replicationFactor": 2, "shards": {shard.name: ids(&shard.plan)}});
            planned.insert(id.clone(), shards);
            current.insert(id, json!({shard.name: {"servers": ids(&in_sync)}}));
        }
        (planned, current)
    }

    /// The supervision's jobs that wait, and those that have failed.
    fn jobs(&self) -> (Map<String, Value>, Map<String, Value>) {
        let waiting = self.moves.iter().map(|job| (job, ""));
        let failed = self.failed.iter().map(|(job, why)| (job, *why));
        (listed(waiting), listed(failed))
    }

    /// What the supervision says of all servers.
    pub(super) fn health(&self) -> Value {
        let mut servers = Map::new();
        for host in 0..HOSTS.len() {
            for role in Role::ALL {
                let status = match (self.is_up(host, role), self.is_ready(host, role)) {
                    (true, true) => "GOOD",
                    (true, false) => "BAD",
                    (false, _) => "FAILED",
                };
                let name = match role {
                    Role::Agent => "Agent",
                    Role::Dbserver => "DBServer",
                    Role::Coordinator => "Coordinator",
                };
                let version = self.server(host, role).program;
                let short = format!("{}{}", role.name(), host + 1);
                servers.insert(
                    role.id(host),
                    json!({"Endpoint": endpoint(host, role), "Role": name, "Status": status,
                    "Version": version, "ShortName": short, "CanBeDeleted": false}),
                );
            }
        }
        json!({"ClusterId": "uuid-1", "Health": servers, "error": false, "code": 200})
    }

    fn coordinator(&mut self, (method, path): (&str, &str), body: &Value) -> Answer {
        match (method, path) {
            // While the supervision is off, what it saw last.
            ("GET", "/_admin/cluster/health") => {
                ok(self.frozen.clone().unwrap_or_else(|| self.health()))
            }
            ("PUT", "/_admin/cluster/maintenance") => match body.as_str() {
                // It is an agent that keeps it.
                _ if self.leads().is_none() => refused(503),
                Some(word @ ("on" | "off")) => {
                    self.looks_away(word == "on");
                    ok(json!({"error": false, "warning": "Cluster supervision"}))
                }
                _ => refused(400),
            },
            ("POST", "/_admin/cluster/moveShard") => self.move_shard(body),
            ("POST", "/_api/collection") => {
                let there = self.canary.is_some();
                if !there {
                    self.makes_canary();
                }
                (if there { 409 } else { 200 }, None, json!({}))
            }
            (_, path) if path.starts_with("/_api/collection/") => {
                let there = self.canary.is_some();
                if method == "DELETE" {
                    self.canary = None;
                    self.shards.retain(|shard| shard.name != CANARY);
                }
                (if there { 200 } else { 404 }, None, json!({}))
            }
            (_, path) if path.starts_with("/_api/document/") => self.document(method, path, body),
            _ => refused(404),
        }
    }

    fn makes_canary(&mut self) {
        self.canary = Some(std::collections::BTreeMap::new());
        self.shards.push(Shard {
            name: CANARY,
            plan: vec![0, 1],
        });
    }

    fn move_shard(&mut self, body: &Value) -> Answer {
        let servers = dbserver(&body["fromServer"]).zip(dbserver(&body["toServer"]));
        let (Some((from, to)), Some(shard)) = (servers, body["shard"].as_str()) else {
            return refused(400);
        };
        if self.leads().is_none() {
            return refused(503);
        }
        self.asks_for_move(shard, from, to);
        (202, None, json!({"error": false, "id": "1"}))
    }

    fn document(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let Some(documents) = &mut self.canary else {
            return refused(404);
        };
        let key = path.trim_start_matches("/_api/document/").split('/').nth(1);
        let key = key.or_else(|| body.get("_key").and_then(Value::as_str));
        let key = key.unwrap_or_default().to_owned();
        match method {
            "GET" => documents
                .get(&key)
                .map_or_else(|| refused(404), |found| ok(found.clone())),
            "PUT" if !documents.contains_key(&key) => refused(404),
            "POST" if documents.contains_key(&key) => refused(409),
            _ => {
                documents.insert(key, body.clone());
                (201, None, json!({}))
            }
        }
    }
}
