//! How starters come together: from a file they kept, as the first, or by joining the first.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kinds::Kind;
use super::peers::{Peer, Peers};
use super::service::{Phase, Starter, open_port};
use crate::sim::http::{Call, Reply, Target, call};
use crate::sim::time;

/// What a starter says of itself when it joins.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Hello {
    /// Its data directory.
    pub data_dir: String,
    /// Its identifier.
    #[serde(rename = "SlaveID")]
    pub slave_id: String,
    /// Where it is reached; empty if the other is to see for itself.
    pub slave_address: String,
    /// Its port.
    pub slave_port: u16,
    /// Whether it speaks TLS.
    pub is_secure: bool,
    /// Which servers it wants to run or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<bool>,
    /// See `agent`.
    #[serde(rename = "DBServer", default, skip_serializing_if = "Option::is_none")]
    pub db_server: Option<bool>,
    /// See `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<bool>,
    /// See `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_master: Option<bool>,
    /// See `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_worker: Option<bool>,
}

const A_SECOND: Duration = Duration::from_secs(1);

/// Brings the starter to where it can run its servers; its port is open then.
pub async fn begin(starter: &Arc<Starter>) -> Result<(), String> {
    if !starter.peers().all.is_empty() {
        return relaunch(starter).await;
    }
    match starter.options.list("starter.join").first() {
        Some(first) => {
            starter.enter(Phase::BootstrapSlave);
            join(starter, first).await
        }
        None => gather(starter).await,
    }
}

async fn relaunch(starter: &Arc<Starter>) -> Result<(), String> {
    starter.log.info(&format!(
        "Relaunching service with id '{}' on {}:{}...",
        starter.id,
        starter.own().map(|own| own.address).unwrap_or_default(),
        starter.master_port()
    ));
    let kind = if starter.mode == "single" {
        Kind::Single
    } else {
        Kind::DbServer
    };
    let runs_it = starter.mode == "single" || starter.own().is_some_and(|own| own.has(kind));
    if runs_it {
        let path = starter.server_dir(kind).join("data").join("ENGINE");
        let engine = std::fs::read_to_string(&path)
            .map_err(|error| format!("open {}: {error}", path.display()))?;
        engine
            .trim()
            .clone_into(&mut starter.lock_peers().server_storage_engine);
        starter
            .log
            .info(&format!("Using storage engine '{}'", engine.trim()));
    }
    keep_open(starter).await
}

/// Opens the port for as long as the process lives.
async fn keep_open(starter: &Arc<Starter>) -> Result<(), String> {
    let door = open_port(starter).await?;
    let starter = Arc::clone(starter);
    tokio::spawn(async move {
        starter.stopped().await;
        // Whoever asked for the stop gets an answer.
        door.close(A_SECOND).await;
    });
    Ok(())
}

async fn gather(starter: &Arc<Starter>) -> Result<(), String> {
    let single = starter.mode == "single";
    let options = &starter.options;
    let sync = options.is_set("starter.sync");
    let own = Peer {
        id: starter.id.clone(),
        address: options
            .text("starter.address")
            .unwrap_or_default()
            .to_owned(),
        port: starter.master_port(),
        port_offset: 0,
        data_dir: starter.data_dir.display().to_string(),
        has_agent: options.choice("cluster.start-agent").unwrap_or(!single),
        has_db_server: options.choice("cluster.start-dbserver").filter(|yes| !yes),
        has_coordinator: options
            .choice("cluster.start-coordinator")
            .filter(|yes| !yes),
        has_sync_master: sync && options.choice("sync.start-master").unwrap_or(true),
        has_sync_worker: sync && options.choice("sync.start-worker").unwrap_or(true),
        is_secure: !starter.keyfile.is_empty(),
    };
    let size = if single {
        1
    } else {
        options.number("cluster.agency-size").unwrap_or(3)
    };
    let engine = options.text("server.storage-engine").unwrap_or_else(|| {
        // RocksDB is the default from 3.4 on.
        if starter.version.at_least(3, 4, 0) {
            "rocksdb"
        } else {
            "mmfiles"
        }
    });
    starter
        .log
        .info(&format!("Using storage engine '{engine}'"));
    let now = time::iso(time::unix_ms());
    *starter.lock_peers() = Peers::beginning(own, usize::from(size), engine, now);
    keep_open(starter).await?;
    starter.log.info(&format!(
        "Serving as master with ID '{}' on :{}...",
        starter.id,
        starter.master_port()
    ));
    if !single && !starter.peers().have_enough_agents() {
        starter
            .log
            .info(&format!("Waiting for {size} servers to show up."));
    }
    while !single && !starter.peers().have_enough_agents() {
        tokio::select! {
            () = tokio::time::sleep(A_SECOND) => {}
            () = starter.stopped() => return Ok(()),
        }
    }
    starter.save_setup();
    starter.log.info("Starting service...");
    Ok(())
}

async fn join(starter: &Arc<Starter>, first: &str) -> Result<(), String> {
    let master = master_url(starter, first);
    loop {
        starter.log.info(&format!("Contacting master {master}..."));
        match say_hello(starter, &master).await {
            Said::Welcome(peers) => {
                *starter.lock_peers() = peers;
                break;
            }
            Said::Again(why) => starter.log.info(&why),
            Said::Never(why) => return Err(why),
        }
        tokio::select! {
            () = tokio::time::sleep(A_SECOND) => {}
            () = starter.stopped() => return Ok(()),
        }
    }
    keep_open(starter).await?;
    starter.log.info(&format!(
        "Waiting for {} servers to show up...",
        starter.peers().agency_size
    ));
    while !starter.peers().have_enough_agents() {
        tokio::select! {
            () = tokio::time::sleep(A_SECOND) => {}
            () = starter.stopped() => return Ok(()),
        }
        let master = starter.peers().all.first().map(|first| first.url("/hello"));
        if let Some(url) = master
            && let Ok(reply) = fetch(&url, "GET", None).await
            && let Ok(peers) = serde_json::from_slice::<Peers>(&reply.body)
        {
            *starter.lock_peers() = peers;
        }
    }
    starter
        .log
        .info(&format!("Serving as slave with ID '{}'...", starter.id));
    starter.save_setup();
    Ok(())
}

fn master_url(starter: &Starter, first: &str) -> String {
    let scheme = if starter.keyfile.is_empty() {
        "http"
    } else {
        "https"
    };
    let with_port = if first.contains(':') {
        first.to_owned()
    } else {
        format!("{first}:{}", starter.master_port())
    };
    format!("{scheme}://{with_port}")
}

#[derive(Debug)]
enum Said {
    Welcome(Peers),
    Again(String),
    Never(String),
}

async fn say_hello(starter: &Starter, master: &str) -> Said {
    let options = &starter.options;
    let hello = Hello {
        data_dir: starter.data_dir.display().to_string(),
        slave_id: starter.id.clone(),
        slave_address: options
            .text("starter.address")
            .unwrap_or_default()
            .to_owned(),
        slave_port: starter.master_port(),
        is_secure: !starter.keyfile.is_empty(),
        agent: options.choice("cluster.start-agent"),
        db_server: options.choice("cluster.start-dbserver"),
        coordinator: options.choice("cluster.start-coordinator"),
        sync_master: options.choice("sync.start-master"),
        sync_worker: options.choice("sync.start-worker"),
    };
    let url = format!("{master}/hello");
    let reply = match fetch(&url, "POST", Some(json!(hello).to_string())).await {
        Ok(reply) => reply,
        Err(why) => {
            return Said::Again(format!("Cannot start because of error from master: {why}"));
        }
    };
    match reply.status {
        200 => match serde_json::from_slice::<Peers>(&reply.body) {
            Ok(peers) if peers.by_id(&starter.id).is_some() => Said::Welcome(peers),
            Ok(_) => Said::Never(
                "Master responsed with cluster config that does not contain my ID, please check master"
                    .to_owned(),
            ),
            Err(error) => Said::Never(format!("Cannot parse body from master: {error}")),
        },
        503 => Said::Again("Cannot start because service unavailable".to_owned()),
        404 => Said::Again("Cannot start because service not found".to_owned()),
        code => Said::Never(format!(
            "Cannot start because of HTTP error from master: code={code}, message={}",
            String::from_utf8_lossy(&reply.body)
        )),
    }
}

/// Asks another starter, following where it sends to.
pub async fn fetch(url: &str, method: &str, body: Option<String>) -> Result<Reply, String> {
    let mut url = url.to_owned();
    for _ in 0..5 {
        let target = Target::parse(&url).ok_or_else(|| format!("`{url}` is not a URL"))?;
        let path = url
            .strip_prefix(&target.url())
            .filter(|path| !path.is_empty())
            .unwrap_or("/")
            .to_owned();
        let mut request = Call::new(&target, method, &path, Duration::from_secs(15));
        if let Some(body) = &body {
            request.body = body.clone().into_bytes();
        }
        let reply = call(request).await.map_err(|error| error.to_string())?;
        let location = reply
            .headers
            .get("location")
            .and_then(|at| at.to_str().ok());
        match (reply.status, location) {
            (307, Some(location)) => location.clone_into(&mut url),
            _ => return Ok(reply),
        }
    }
    Err("stopped after 5 redirects".to_owned())
}

/// What a starter that says hello is told.
#[derive(Debug, PartialEq)]
pub enum Greeting {
    /// All starters.
    Peers(Peers),
    /// Another starter is to be asked.
    Elsewhere(String),
    /// It cannot be told now.
    Unavailable,
    /// It may not join.
    Refused(String),
}

impl Starter {
    /// Answers a starter that says hello, or asks who takes part.
    pub fn greet(
        &self,
        asked_as: &str,
        from: &str,
        hello: Option<Hello>,
        update: bool,
    ) -> Greeting {
        match self.phase() {
            Phase::BootstrapSlave => {
                return match self.peers().all.first() {
                    Some(first) => Greeting::Elsewhere(first.url("/hello")),
                    None => Greeting::Refused("No master known".to_owned()),
                };
            }
            Phase::RunningSlave => {
                let master = self.known_master();
                if !master.is_empty() {
                    return Greeting::Elsewhere(format!("{}/hello", master.trim_end_matches('/')));
                }
                if hello.is_some() || update {
                    return Greeting::Unavailable;
                }
            }
            Phase::BootstrapMaster | Phase::RunningMaster => {}
        }
        self.learn_address(asked_as);
        if let Some(hello) = hello
            && let Err(why) = self.admit(hello, from)
        {
            return Greeting::Refused(why);
        }
        Greeting::Peers(self.peers())
    }

    /// The first starter learns its address from the one that found it.
    fn learn_address(&self, asked_as: &str) {
        if self.learns_address.swap(false, Ordering::SeqCst) {
            let mut peers = self.lock_peers();
            if let Some(own) = peers.all.iter_mut().find(|peer| peer.id == self.id)
                && own.address.is_empty()
            {
                asked_as.clone_into(&mut own.address);
            }
        }
    }

    fn admit(&self, hello: Hello, from: &str) -> Result<(), String> {
        let address = if hello.slave_address.is_empty() {
            from.to_owned()
        } else {
            hello.slave_address
        };
        if hello.is_secure == self.keyfile.is_empty() {
            return Err("Cannot mix secure / non-secure peers.".to_owned());
        }
        if self.mode == "single" {
            return Err("In single server mode, slaves cannot be added.".to_owned());
        }
        let mut peers = self.lock_peers();
        let same_place = |peer: &Peer| {
            peer.address == address && peer.data_dir == hello.data_dir && peer.id != hello.slave_id
        };
        if peers.all.iter().any(same_place) {
            return Err("Cannot use same directory as peer.".to_owned());
        }
        let sync = self.options.is_set("starter.sync");
        let offset = peers.free_port_offset(
            &address,
            hello.slave_port,
            self.options.is_set("starter.unique-port-offsets"),
        );
        if let Some(known) = peers.all.iter_mut().find(|peer| peer.id == hello.slave_id) {
            known.address = address;
            known.port = hello.slave_port;
            known.data_dir = hello.data_dir;
        } else {
            let has_agent = hello.agent.unwrap_or(!peers.have_enough_agents());
            self.log.info(&format!(
                "Added new peer '{}': {address}, portOffset: {offset}",
                hello.slave_id
            ));
            peers.all.push(Peer {
                id: hello.slave_id,
                address,
                port: hello.slave_port,
                port_offset: offset,
                data_dir: hello.data_dir,
                has_agent,
                has_db_server: hello.db_server.filter(|yes| !yes),
                has_coordinator: hello.coordinator.filter(|yes| !yes),
                has_sync_master: hello.sync_master.unwrap_or(sync),
                has_sync_worker: hello.sync_worker.unwrap_or(sync),
                is_secure: hello.is_secure,
            });
        }
        peers.last_modified = Some(time::iso(time::unix_ms()));
        let complete = peers.have_enough_agents();
        drop(peers);
        if complete {
            self.save_setup();
        }
        Ok(())
    }

    /// Takes over what the starter that speaks for all says of the others.
    pub fn update_peers(&self, new: Peers) {
        if new.by_id(&self.id).is_none() {
            self.log
                .warn("Updated cluster config does not contain myself. Rejecting");
            return;
        }
        let changed = {
            let mut peers = self.lock_peers();
            let changed = *peers != new;
            *peers = new;
            changed
        };
        if changed {
            self.save_setup();
        }
    }
}
