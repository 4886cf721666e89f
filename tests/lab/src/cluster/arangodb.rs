//! An ArangoDB cluster of starters under systemd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, keys};
use crate::clock::{self, Look};
use crate::files;
use crate::fleet::{self, Bastion, Fleet, Host, quoted};
use crate::packages::arangodb as package;

/// The directory of a starter, as the documented unit has it.
pub const DATA: &str = "/var/lib/arangodb/cluster";
/// The unit of the starter.
pub const UNIT: &str = "/etc/systemd/system/arangodb.service";
/// The port of a sync master under the starter.
pub const SYNC_MASTER_PORT: u16 = 8532;
/// Where a host has the authority that signed the servers' certificates.
pub const AUTHORITY_FILE: &str = "/etc/arangodb-ca.pem";
/// Where a sync master has its certificate and key.
pub const SYNC_KEY_FILE: &str = "/etc/arangodb-sync.pem";
const SYNC_SECRET_FILE: &str = "/etc/arangodb-sync.secret";
const SECRET_FILE: &str = "/etc/arangodb.secret";
const KEY_FILE: &str = "/etc/arangodb.pem";
/// Where the simulated servers look how they are to behave.
const SWITCHES: &str = "/etc/lab/sim.json";
const STARTER_LIMIT: Duration = Duration::from_mins(1);
const CLUSTER_LIMIT: Duration = Duration::from_mins(5);

/// Who may ask the servers, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// Everybody, in the clear.
    #[default]
    Open,
    /// Who has a token, in the clear.
    Authenticated,
    /// Who has a token, over TLS with certificates of an own authority.
    Tls,
}

/// What the cluster is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The version that it runs.
    pub from: String,
    /// The version that it is to be upgraded to.
    pub to: String,
    /// Who may ask its servers.
    pub security: Security,
    /// How the simulated servers are to behave, where not as usual.
    pub switches: serde_json::Map<String, Value>,
    /// What the operator says about leadership: `move` or `wait`.
    pub leaders: String,
    /// Whether sync masters and workers run beside the servers, and a second cluster takes
    /// this one's changes.
    pub sync: bool,
    /// Further options of every starter, such as those that it passes on to its servers.
    pub starter: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            from: "3.3.20".to_owned(),
            to: "3.4.0".to_owned(),
            security: Security::default(),
            switches: serde_json::Map::new(),
            leaders: "move".to_owned(),
            sync: false,
            starter: Vec::new(),
        }
    }
}

/// A server as its starter tells it.
#[derive(Debug)]
struct Server {
    kind: String,
    port: u16,
}

/// A cluster on the hosts of a fleet.
#[derive(Debug)]
pub struct Cluster<'a> {
    hosts: Vec<&'a Host>,
    bastion: &'a Bastion,
    options: Options,
    secret: String,
    token: String,
    packages: PathBuf,
}

impl<'a> Cluster<'a> {
    /// Sets the cluster up on all hosts of a fleet and waits until it serves.
    pub fn up(fleet: &'a Fleet, program: &Path, options: Options) -> Result<Self, Error> {
        let hosts = fleet.hosts().iter().collect();
        let authority = keys::Authority::make()?;
        Self::up_on(hosts, fleet.bastion(), (program, &authority), options)
    }

    /// The same on some hosts.
    pub(super) fn up_on(
        hosts: Vec<&'a Host>,
        bastion: &'a Bastion,
        (program, authority): (&Path, &keys::Authority),
        options: Options,
    ) -> Result<Self, Error> {
        let packages = bastion.home().join("packages");
        for version in [&options.from, &options.to] {
            package::build(program, version, &packages)?;
        }
        let cluster = Self {
            hosts,
            bastion,
            secret: keys::secret()?,
            token: keys::secret()?,
            options,
            packages,
        };
        if cluster.options.security == Security::Tls {
            let file = cluster.bastion.home().join("ca.pem");
            files::write(&file, authority.certificate(), 0o644)?;
        }
        cluster.on_all(|host| cluster.prepare(host, authority))?;
        cluster.start()?;
        cluster.wait_until_up()?;
        Ok(cluster)
    }

    fn on_all(&self, work: impl Fn(&Host) -> Result<(), Error> + Sync) -> Result<(), Error> {
        fleet::on_all(self.hosts.iter().copied(), work)
    }

    /// Returns the file of the package of a version, on the bastion.
    pub fn package(&self, version: &str) -> PathBuf {
        let name = format!("{}_{version}_amd64.deb", package::NAME);
        self.packages.join(name)
    }

    /// Returns what the cluster was asked to be.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the hosts, the one that was started first in front.
    pub fn hosts(&self) -> &[&'a Host] {
        &self.hosts
    }

    /// Returns the addresses of the agents, wherever the starters have put them.
    pub fn agents(&self) -> Result<Vec<String>, Error> {
        let mut agents = Vec::new();
        for host in &self.hosts {
            for server in self.servers(host)?.1 {
                if server.kind == "agent" {
                    let address = host.address();
                    agents.push(format!("{}://{address}:{}", self.scheme(), server.port));
                }
            }
        }
        Ok(agents)
    }

    /// Asks a starter for its servers; tells first what it said.
    fn servers(&self, host: &Host) -> Result<(String, Vec<Server>), Error> {
        let (code, body) = self.ask(host, 8528, "/process")?;
        let process: Value = serde_json::from_str(&body).unwrap_or_default();
        let is_done = process.get("servers-started") == Some(&json!(true));
        let servers = process.get("servers").and_then(Value::as_array);
        let servers = servers.into_iter().flatten().filter(|_| is_done);
        let servers = servers.filter_map(|server| {
            Some(Server {
                kind: server.get("type")?.as_str()?.to_owned(),
                port: server.get("port")?.as_u64()?.try_into().ok()?,
            })
        });
        Ok((format!("{code} {body}"), servers.collect()))
    }

    fn scheme(&self) -> &'static str {
        match self.options.security {
            Security::Tls => "https",
            Security::Open | Security::Authenticated => "http",
        }
    }

    /// Lets the running servers behave otherwise from now on: these switches beside those that were asked for.
    pub fn switch(&self, more: &serde_json::Map<String, Value>) -> Result<(), Error> {
        let mut switches = self.options.switches.clone();
        switches.extend(more.clone());
        let text = format!("{:#}\n", Value::Object(switches));
        for host in &self.hosts {
            host.write(SWITCHES, text.clone(), 0o644)?;
        }
        Ok(())
    }

    /// Returns the file on the bastion with the package that the upgrade brings.
    pub fn new_package(&self) -> PathBuf {
        self.package(&self.options.to)
    }

    /// Returns the addresses of the sync masters.
    pub fn sync_masters(&self) -> Vec<String> {
        let hosts = self.hosts.iter().filter(|_| self.options.sync);
        let urls = hosts.map(|host| format!("https://{}:{SYNC_MASTER_PORT}", host.address()));
        urls.collect()
    }

    /// Returns the token with which the sync servers are watched.
    pub fn monitoring_token(&self) -> &str {
        &self.token
    }

    /// Returns the secret that tokens are signed with.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    fn prepare(&self, host: &Host, authority: &keys::Authority) -> Result<(), Error> {
        let switches = Value::Object(self.options.switches.clone());
        host.write(SWITCHES, format!("{switches:#}\n"), 0o644)?;
        host.install(&[self.package(&self.options.from)])?;
        // The documentation's advice: the package's own server must not be in the way.
        host.must("systemctl disable --now arangodb3 2>&1")?;
        host.must(&format!("install -d -o arangodb -g arangodb {DATA}"))?;
        if self.options.security != Security::Open {
            put_for_arangodb(host, SECRET_FILE, &self.secret)?;
        }
        let pem = authority.server(host.name(), host.address())?;
        if self.options.security == Security::Tls {
            put_for_arangodb(host, KEY_FILE, &pem)?;
        }
        if self.options.sync {
            put_for_arangodb(host, SYNC_KEY_FILE, &pem)?;
            put_for_arangodb(host, AUTHORITY_FILE, &authority.certificate())?;
            put_for_arangodb(host, SYNC_SECRET_FILE, &self.secret)?;
        }
        host.write(UNIT, self.unit(host), 0o644)?;
        host.must("systemctl daemon-reload && systemctl enable arangodb 2>&1")?;
        Ok(())
    }

    fn unit(&self, host: &Host) -> String {
        // The first machine waits for nobody; where all name all of them, none comes up.
        let mut first = self.hosts.iter().take(1);
        let join = first.find(|first| first.name() != host.name());
        let join = join.map(|first| first.address().to_string());
        let address = host.address().to_string();
        let mut line = starter_line(&address, join, self.options.security);
        if self.options.sync {
            line.extend(sync_options(&self.token));
        }
        line.extend(self.options.starter.iter().cloned());
        unit_text(&line.join(" \\\n    "))
    }

    /// Starts the first starter, and then those that join it.
    fn start(&self) -> Result<(), Error> {
        let mut hosts = self.hosts.iter();
        if let Some(first) = hosts.next() {
            first.must("systemctl start arangodb")?;
            wait(STARTER_LIMIT, || {
                let (code, body) = self.ask(first, 8528, "/version")?;
                Ok(if code == 200 {
                    Look::Done(())
                } else {
                    Look::NotYet(format!("{}'s starter answers {code} {body}", first.name()))
                })
            })?;
        }
        for host in hosts {
            host.must("systemctl start arangodb")?;
        }
        Ok(())
    }

    /// Waits until every starter has started its servers and each of them serves.
    fn wait_until_up(&self) -> Result<(), Error> {
        wait(CLUSTER_LIMIT, || {
            for host in &self.hosts {
                if let Err(missing) = self.is_up(host)? {
                    return Ok(Look::NotYet(format!("{}: {missing}", host.name())));
                }
            }
            Ok(Look::Done(()))
        })
    }

    fn is_up(&self, host: &Host) -> Result<Result<(), String>, Error> {
        let (said, servers) = self.servers(host)?;
        if servers.is_empty() {
            return Ok(Err(format!("its starter answers {said}")));
        }
        for Server { kind, port } in servers {
            let (code, body) = match kind.as_str() {
                "coordinator" => self.ask(host, port, "/_admin/server/availability")?,
                "syncmaster" | "syncworker" => self.ask_sync(host, port, "/_api/version")?,
                _ => self.ask(host, port, "/_api/version")?,
            };
            if code != 200 {
                return Ok(Err(format!("its {kind} answers {code} {body}")));
            }
        }
        Ok(Ok(()))
    }

    /// Asks a server of a host with GET; returns the status, 0 if nobody answers, and the body.
    pub fn ask(&self, host: &Host, port: u16, path: &str) -> Result<(u16, String), Error> {
        let url = format!("{}://{}:{port}{path}", self.scheme(), host.address());
        let token = match self.options.security {
            Security::Open => String::new(),
            Security::Authenticated | Security::Tls => {
                format!("-H \"$(arangodb auth header --auth.jwt-secret={SECRET_FILE})\"")
            }
        };
        curl(host, &token, &url)
    }

    /// Asks a sync server of a host.
    pub(super) fn ask_sync(
        &self,
        host: &Host,
        port: u16,
        path: &str,
    ) -> Result<(u16, String), Error> {
        let token = format!("-H 'Authorization: bearer {}'", self.token);
        curl(
            host,
            &token,
            &format!("https://{}:{port}{path}", host.address()),
        )
    }
}

fn curl(host: &Host, token: &str, url: &str) -> Result<(u16, String), Error> {
    let said = host.run(&format!(
        "curl -sk --max-time 5 -w '\\n%{{http_code}}' {token} {}",
        quoted(url)
    ))?;
    let (body, code) = said.out.rsplit_once('\n').unwrap_or(("", "0"));
    Ok((code.trim().parse().unwrap_or(0), body.to_owned()))
}

fn put_for_arangodb(host: &Host, path: &str, text: &str) -> Result<(), Error> {
    host.write(path, text, 0o600)?;
    host.must(&format!("chown arangodb:arangodb {path}"))?;
    Ok(())
}

/// The command line of a starter, one argument a line.
fn starter_line(address: &str, join: Option<String>, security: Security) -> Vec<String> {
    let mut line = vec![
        "/usr/bin/arangodb".to_owned(),
        format!("--starter.data-dir={DATA}"),
        format!("--starter.address={address}"),
        "--server.storage-engine=rocksdb".to_owned(),
    ];
    line.extend(join.map(|first| format!("--starter.join={first}")));
    if security != Security::Open {
        line.push(format!("--auth.jwt-secret={SECRET_FILE}"));
    }
    if security == Security::Tls {
        line.push(format!("--ssl.keyfile={KEY_FILE}"));
    }
    line
}

/// What the documentation of DC2DC adds to it.
fn sync_options(token: &str) -> [String; 5] {
    [
        "--starter.sync".to_owned(),
        format!("--sync.master.jwt-secret={SYNC_SECRET_FILE}"),
        format!("--sync.server.keyfile={SYNC_KEY_FILE}"),
        format!("--sync.server.client-cafile={AUTHORITY_FILE}"),
        format!("--sync.monitoring.token={token}"),
    ]
}

/// The unit file of the starter's documentation; it says nothing of `KillMode`.
fn unit_text(line: &str) -> String {
    format!(
        "[Unit]\nDescription=Run the ArangoDB Starter\nAfter=network.target\n\n\
         [Service]\nRestart=on-failure\nUser=arangodb\nGroup=arangodb\n\
         EnvironmentFile=-/etc/arangodb.env\nLimitNOFILE=8192\n\
         ExecStart={line}\nTimeoutStopSec=60\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

fn wait(limit: Duration, look: impl FnMut() -> Result<Look<()>, Error>) -> Result<(), Error> {
    clock::wait(limit, look)?.map_err(Error::NotUp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_documented_one_and_only_others_join() {
        let line = |join, security| {
            let line = starter_line("10.77.0.12", join, security);
            line.join(" \\\n    ")
        };
        assert_eq!(
            line(None, Security::Open),
            "/usr/bin/arangodb \\\n    --starter.data-dir=/var/lib/arangodb/cluster \\\n    \
             --starter.address=10.77.0.12 \\\n    --server.storage-engine=rocksdb"
        );
        let tls = line(Some("10.77.0.11".to_owned()), Security::Tls);
        for part in [
            "--starter.join=10.77.0.11",
            "--auth.jwt-secret=/etc/arangodb.secret",
            "--ssl.keyfile=/etc/arangodb.pem",
        ] {
            assert!(tls.contains(part), "{part} in {tls}");
        }
        let unit = unit_text(&tls);
        assert!(unit.contains("\nRestart=on-failure\n"), "{unit}");
        assert!(!unit.contains("KillMode"), "{unit}");
    }
}
