//! A cluster of simulated servers in threads of this process, without Ops: what the cases of the simulators use.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use lab::sim::effects::Effects;
use lab::sim::memsql::Address;
use lab::sim::memsql::node::{Made, Node};
use lab::sim::memsql::server;
use lab::sim::memsql::switches::{Live, Switches};
use lab::sim::memsql::wire::client::ask;
use lab::sim::memsql::wire::{Answer, ClientError, Fault, Login, Rows, Tls};

/// A server in a thread of its own; dropping it is a kill.
pub(crate) struct Server {
    pub(crate) at: Address,
    pub(crate) directory: std::path::PathBuf,
    pub(crate) running: Option<(
        tokio::sync::oneshot::Sender<()>,
        std::thread::JoinHandle<()>,
    )>,
    pub(crate) node: Arc<Node>,
}

pub(crate) const FACTOR: f64 = 0.1;

pub(crate) fn switches() -> Switches {
    Switches {
        time_factor: FACTOR,
        heartbeats_missed: 2,
        start_delay_ms: 500,
        recovery_ms: 300,
        stop_delay_ms: 300,
        copy_ms: 200,
        ..Switches::default()
    }
}

pub(crate) fn free_port() -> u16 {
    // Below what clients are given, and never the same twice: the port is free until its server has started.
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 30_000, "no port is free");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    pub(crate) fn start(
        directory: &Path,
        port: u16,
        version: &str,
        switches: Switches,
        tls: Option<Tls>,
    ) -> Self {
        let at = Address::new("127.0.0.1", port);
        let effects = Effects::open(
            &directory.join("effects.log"),
            "memsqld",
            version,
            &at.to_string(),
        )
        .unwrap();
        let configuration =
            std::fs::read_to_string(directory.join("memsql.cnf")).unwrap_or_default();
        let node = Node::new(Made {
            at: at.clone(),
            version: version.to_owned(),
            directory: directory.to_owned(),
            live: Live::fixed(switches),
            effects,
            tls,
            configuration,
        })
        .unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let own = Arc::clone(&node);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
                    .await
                    .unwrap();
                server::begin(&own).await;
                ready.send(()).unwrap();
                tokio::select! {
                    () = server::accept(listener, own) => {}
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self {
            at,
            directory: directory.to_owned(),
            running: Some((stop, thread)),
            node,
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    pub(crate) fn restart(&mut self, version: &str) {
        self.kill();
        let switches = (*self.node.switches()).clone();
        *self = Self::start(
            &self.directory.clone(),
            self.at.port,
            version,
            switches,
            None,
        );
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Switches)) {
        let mut switches = (*self.node.switches()).clone();
        change(&mut switches);
        self.node.live.set(switches);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) struct Cluster {
    pub(crate) home: tempfile::TempDir,
    pub(crate) master: Server,
    pub(crate) child: Server,
    pub(crate) leaves: Vec<Server>,
}

pub(crate) const OLD: &str = "5.5.12";
pub(crate) const NEW: &str = "5.7.2";

pub(crate) async fn say(at: &Address, text: &str) -> Result<Answer, ClientError> {
    let login = Login {
        user: "root".to_owned(),
        ..Login::default()
    };
    let limit = Duration::from_secs(20);
    ask(&at.host, at.port, &login, text, (limit, limit)).await
}

pub(crate) async fn rows(at: &Address, text: &str) -> Rows {
    match say(at, text).await {
        Ok(Answer::Rows(rows)) => rows,
        other => panic!("{text}: {other:?}"),
    }
}

pub(crate) async fn does(at: &Address, text: &str) {
    if let Err(error) = say(at, text).await {
        panic!("{text}: {error}");
    }
}

pub(crate) async fn number(at: &Address, text: &str) -> u16 {
    match say(at, text).await {
        Err(ClientError::Fault(Fault { number, .. })) => number,
        other => panic!("{text}: {other:?}"),
    }
}

pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    for _ in 0..200 {
        if look().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

impl Cluster {
    pub(crate) async fn up(leaves: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let start = |name: &str| {
            let directory = home.path().join(name);
            std::fs::create_dir_all(&directory).unwrap();
            if name == "master" {
                lab::sim::files::replace(
                    &directory.join("memsql.cnf"),
                    b"redundancy_level = 2\n",
                    0o644,
                )
                .unwrap();
            }
            Server::start(&directory, free_port(), OLD, switches(), None)
        };
        let (master, child) = (start("master"), start("child"));
        let leaves: Vec<Server> = (0..leaves).map(|n| start(&format!("leaf{n}"))).collect();
        does(
            &master.at,
            &format!(
                "BOOTSTRAP AGGREGATOR '{}':{}",
                master.at.host, master.at.port
            ),
        )
        .await;
        for (n, leaf) in leaves.iter().enumerate() {
            let group = 1 + n * 2 / leaves_count(&leaves);
            does(
                &master.at,
                &format!(
                    "ADD LEAF root@'127.0.0.1':{} INTO GROUP {group}",
                    leaf.at.port
                ),
            )
            .await;
        }
        does(
            &master.at,
            &format!("ADD AGGREGATOR root@'127.0.0.1':{}", child.at.port),
        )
        .await;
        does(&master.at, "CREATE DATABASE `s-1` PARTITIONS 4").await;
        does(
            &master.at,
            "CREATE TABLE `s-1`.t (k VARCHAR(9) PRIMARY KEY, n BIGINT)",
        )
        .await;
        Self {
            home,
            master,
            child,
            leaves,
        }
    }

    pub(crate) fn leaf(&self, n: usize) -> String {
        format!("'127.0.0.1':{}", self.leaves[n].at.port)
    }

    pub(crate) async fn state(&self, n: usize) -> String {
        let shown = rows(&self.master.at, "SHOW LEAVES").await;
        let port = self.leaves[n].at.port.to_string();
        let row = shown
            .rows
            .iter()
            .find(|row| shown.cell(row, "Port") == Some(&port))
            .unwrap();
        shown.cell(row, "State").unwrap().to_owned()
    }

    pub(crate) async fn masters_on(&self, n: usize) -> usize {
        let shown = rows(&self.master.at, "SHOW PARTITIONS ON `s-1`").await;
        let port = self.leaves[n].at.port.to_string();
        let own = shown.rows.iter().filter(|row| {
            shown.cell(row, "Port") == Some(&port) && shown.cell(row, "Role") == Some("Master")
        });
        own.count()
    }

    pub(crate) async fn fill(&self, count: usize) {
        for n in 0..count {
            does(
                &self.child.at,
                &format!("INSERT INTO `s-1`.t VALUES ('k{n}', {n})"),
            )
            .await;
        }
    }

    pub(crate) async fn held(&self) -> usize {
        let found = rows(&self.child.at, "SELECT COUNT(*) FROM `s-1`.t").await;
        let all = rows(&self.child.at, "SELECT k, n FROM `s-1`.t").await;
        assert_eq!(found.rows[0][0], Some(all.rows.len().to_string()));
        all.rows.len()
    }

    pub(crate) async fn explained(&self, what: &str) -> usize {
        rows(&self.master.at, &format!("EXPLAIN {what} ON `s-1`"))
            .await
            .rows
            .len()
    }
}

pub(crate) fn leaves_count(leaves: &[Server]) -> usize {
    leaves.len().max(1)
}

pub(crate) fn on_one_thread(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work);
}
