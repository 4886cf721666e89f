//! What starters and servers answer over HTTP, and what requests do.

use serde_json::{Map, Value, json};

use super::{Arangodb, HOSTS, Role, State, host_of};

/// An answer: its status, a place that it sends to, its body.
type Answer = (u16, Option<String>, Value);

fn ok(body: Value) -> Answer {
    (200, None, body)
}

fn endpoint(host: usize, role: Role) -> String {
    format!("tcp://{}:{}", HOSTS[host], role.port())
}

/// The shards: who leads, who follows.
const SHARDS: [(&str, usize, usize); 3] = [("s1", 0, 1), ("s2", 1, 2), ("s3", 2, 0)];

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
            let role = *Role::ALL
                .iter()
                .find(|role| role.port().to_string() == port)?;
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
            return (404, None, json!({}));
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
        let server = self.server(machine, role);
        match (method, path) {
            ("GET", "/_api/version") => {
                return ok(
                    json!({"server": "arango", "version": server.program, "license": "community"}),
                );
            }
            ("GET", "/_admin/server/role") => return ok(json!({"role": role.own_name()})),
            ("GET", "/_admin/server/availability") => return ok(json!({"mode": "default"})),
            _ => {}
        }
        match role {
            Role::Agent => self.agent(machine, (method, path), body),
            Role::Coordinator => self.coordinator((method, path), body),
            Role::Dbserver => (404, None, json!({"error": true})),
        }
    }

    fn agent(&mut self, machine: usize, (method, path): (&str, &str), body: &Value) -> Answer {
        if (method, path) == ("GET", "/_api/agency/config") {
            return ok(self.configuration(machine));
        }
        if machine != self.leader {
            let to = endpoint(self.leader, Role::Agent).replace("tcp", "http");
            return (307, Some(format!("{to}{path}")), json!({}));
        }
        match path {
            "/_api/agency/read" if body == &json!([["/stagger/lock"]]) => {
                let lock = self.lock.iter().map(|lock| json!({"lock": lock}));
                let held: Vec<Value> = lock.collect();
                ok(match held.first() {
                    Some(held) => json!([{"stagger": held}]),
                    None => json!([{}]),
                })
            }
            "/_api/agency/read" => ok(json!([{"arango": self.store()}])),
            "/_api/agency/write" => self.writes(body),
            _ => (404, None, json!({"error": true})),
        }
    }

    fn configuration(&self, machine: usize) -> Value {
        let pool: Map<String, Value> = (0..HOSTS.len())
            .map(|host| (Role::Agent.id(host), json!(endpoint(host, Role::Agent))))
            .collect();
        let mut body = json!({"term": self.term, "leaderId": Role::Agent.id(self.leader), "commitIndex": 100,
            "version": self.server(machine, Role::Agent).program,
            "configuration": {"pool": pool, "active": pool.keys().collect::<Vec<_>>(), "id": Role::Agent.id(machine),
                "agency size": 3, "endpoint": endpoint(machine, Role::Agent), "min ping": 1.0, "max ping": 5.0,
                "supervision frequency": 1.0}});
        if machine == self.leader {
            let acked = (0..HOSTS.len()).map(|host| {
                let seconds = if self.is_up(host, Role::Agent) {
                    0.1
                } else {
                    999.0
                };
                (
                    Role::Agent.id(host),
                    json!({"lastAckedTime": seconds, "lastAckedIndex": 100}),
                )
            });
            body["lastAcked"] = Value::Object(acked.collect());
        }
        body
    }

    /// Writes, all or nothing, if what must be so is so.
    fn writes(&mut self, body: &Value) -> Answer {
        let refused = (412, None, json!({"results": [0]}));
        let Some(transaction) = body.pointer("/0") else {
            return refused;
        };
        let at = |index: usize| {
            transaction
                .get(index)
                .and_then(|part| part.get("/stagger/lock"))
        };
        let holds = match at(1) {
            Some(wanted) if wanted.get("oldEmpty") == Some(&json!(true)) => self.lock.is_none(),
            Some(wanted) => wanted.get("old") == self.lock.as_ref(),
            None => true,
        };
        if !holds {
            return refused;
        }
        let change = at(0).cloned().unwrap_or_default();
        self.lock = (change["op"] == "set").then(|| change["new"].clone());
        ok(json!({"results": [101]}))
    }

    fn store(&self) -> Value {
        let ids = |role: Role| -> Map<String, Value> {
            let hosts = 0..HOSTS.len();
            hosts.map(|host| (role.id(host), json!("none"))).collect()
        };
        let mut registered = Map::new();
        let mut short = Map::new();
        for host in 0..HOSTS.len() {
            for role in [Role::Dbserver, Role::Coordinator] {
                registered.insert(role.id(host), json!({"endpoint": endpoint(host, role)}));
                short.insert(
                    role.id(host),
                    json!({"ShortName": format!("{}{}", role.name(), host + 1)}),
                );
            }
        }
        let (mut planned, mut current) = (Map::new(), Map::new());
        let canary = self.canary.iter().map(|_| ("s9", 0, 1));
        for (index, (shard, leader, follower)) in SHARDS.into_iter().chain(canary).enumerate() {
            let plan = [leader, follower];
            let ids = |hosts: &[usize]| -> Vec<String> {
                hosts.iter().map(|host| Role::Dbserver.id(*host)).collect()
            };
            let up: Vec<usize> = plan
                .into_iter()
                .filter(|host| *host == leader || self.is_up(*host, Role::Dbserver))
                .collect();
            let id = (100 + index).to_string();
            planned.insert(id.clone(), json!({"name": format!("c{index}"), "replicationFactor": 2, "shards": {shard: ids(&plan)}}));
            current.insert(id, json!({shard: {"servers": ids(&up)}}));
        }
        let mode = if self.maintenance {
            "Maintenance"
        } else {
            "Normal"
        };
        let mut supervision = json!({"State": {"Mode": mode, "Timestamp": "2026-01-01T00:00:00Z"}});
        if self.maintenance {
            supervision["Maintenance"] = json!("on");
        }
        json!({"Cluster": "uuid-1", "Supervision": supervision,
            "Plan": {"Databases": {"_system": {}}, "DBServers": ids(Role::Dbserver), "Coordinators": ids(Role::Coordinator),
                "Collections": {"_system": planned}},
            "Current": {"ServersRegistered": registered, "Collections": {"_system": current}},
            "Target": {"MapUniqueToShortID": short, "ToDo": {}, "Pending": {}, "Failed": {}, "CleanedServers": [], "FailedServers": {}}})
    }

    /// What the supervision says of all servers; while it is off, what it saw last.
    fn health(&self) -> Value {
        let mut servers = Map::new();
        for host in 0..HOSTS.len() {
            for role in Role::ALL {
                let server = self.server(host, role);
                let status = if server.process.is_some() {
                    "GOOD"
                } else {
                    "FAILED"
                };
                let name = match role {
                    Role::Agent => "Agent",
                    Role::Dbserver => "DBServer",
                    Role::Coordinator => "Coordinator",
                };
                servers.insert(role.id(host), json!({"Endpoint": endpoint(host, role), "Role": name, "Status": status,
                    "Version": server.program, "ShortName": format!("{}{}", role.name(), host + 1), "CanBeDeleted": false}));
            }
        }
        json!({"ClusterId": "uuid-1", "Health": servers, "error": false, "code": 200})
    }

    fn coordinator(&mut self, (method, path): (&str, &str), body: &Value) -> Answer {
        match (method, path) {
            ("GET", "/_admin/cluster/health") => {
                ok(self.frozen.clone().unwrap_or_else(|| self.health()))
            }
            ("PUT", "/_admin/cluster/maintenance") => {
                let on = body != &json!("off");
                self.frozen = match (on, self.frozen.take()) {
                    (true, None) => Some(self.health()),
                    (true, frozen) => frozen,
                    (false, _) => None,
                };
                self.maintenance = on;
                ok(json!({"error": false, "warning": "Cluster supervision"}))
            }
            ("POST", "/_api/collection") => {
                let there = self.canary.is_some();
                self.canary.get_or_insert_default();
                (if there { 409 } else { 200 }, None, json!({}))
            }
            (_, path) if path.starts_with("/_api/collection/") => {
                let there = self.canary.is_some();
                if method == "DELETE" {
                    self.canary = None;
                }
                (if there { 200 } else { 404 }, None, json!({}))
            }
            (_, path) if path.starts_with("/_api/document/") => self.document(method, path, body),
            _ => (404, None, json!({"error": true})),
        }
    }

    fn document(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let Some(documents) = &mut self.canary else {
            return (404, None, json!({"error": true}));
        };
        let key = path.trim_start_matches("/_api/document/").split('/').nth(1);
        let key = key.or_else(|| body.get("_key").and_then(Value::as_str));
        let key = key.unwrap_or_default().to_owned();
        match method {
            "GET" => documents
                .get(&key)
                .map_or((404, None, json!({})), |found| ok(found.clone())),
            "PUT" if !documents.contains_key(&key) => (404, None, json!({})),
            "POST" if documents.contains_key(&key) => (409, None, json!({})),
            _ => {
                documents.insert(key, body.clone());
                (201, None, json!({}))
            }
        }
    }
}
