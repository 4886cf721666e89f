//! A MemSQL cluster of simulators on loopback, in this process: what an upgrade counts on, and
//! every trap that it must not step into, each switch both ways.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as it must be"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lab::load::memsql::{self as load, Options as LoadOptions};
use lab::sim::effects::Effects;
use lab::sim::memsql::Address;
use lab::sim::memsql::node::{Made, Node};
use lab::sim::memsql::peer::{self, Message};
use lab::sim::memsql::server;
use lab::sim::memsql::switches::{Live, Switches};
use lab::sim::memsql::wire::client::ask;
use lab::sim::memsql::wire::{Answer, ClientError, Fault, Login, Rows, Tls};
use serde_json::Value;

/// A server in a thread of its own; dropping it is a kill.
struct Server {
    at: Address,
    directory: std::path::PathBuf,
    running: Option<(
        tokio::sync::oneshot::Sender<()>,
        std::thread::JoinHandle<()>,
    )>,
    node: Arc<Node>,
}

const FACTOR: f64 = 0.1;

fn switches() -> Switches {
    Switches {
        time_factor: FACTOR,
        heartbeats_missed: 2,
        ..Switches::default()
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Server {
    fn start(
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

    fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    fn restart(&mut self, version: &str) {
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

    fn set(&self, change: impl FnOnce(&mut Switches)) {
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

struct Cluster {
    home: tempfile::TempDir,
    master: Server,
    child: Server,
    leaves: Vec<Server>,
}

const OLD: &str = "5.5.12";
const NEW: &str = "5.7.2";

async fn say(at: &Address, text: &str) -> Result<Answer, ClientError> {
    let login = Login {
        user: "root".to_owned(),
        ..Login::default()
    };
    let limit = Duration::from_secs(20);
    ask(&at.host, at.port, &login, text, (limit, limit)).await
}

async fn rows(at: &Address, text: &str) -> Rows {
    match say(at, text).await {
        Ok(Answer::Rows(rows)) => rows,
        other => panic!("{text}: {other:?}"),
    }
}

async fn does(at: &Address, text: &str) {
    if let Err(error) = say(at, text).await {
        panic!("{text}: {error}");
    }
}

async fn number(at: &Address, text: &str) -> u16 {
    match say(at, text).await {
        Err(ClientError::Fault(Fault { number, .. })) => number,
        other => panic!("{text}: {other:?}"),
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    for _ in 0..200 {
        if look().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

impl Cluster {
    async fn up(leaves: usize) -> Self {
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

    fn leaf(&self, n: usize) -> String {
        format!("'127.0.0.1':{}", self.leaves[n].at.port)
    }

    async fn state(&self, n: usize) -> String {
        let shown = rows(&self.master.at, "SHOW LEAVES").await;
        let port = self.leaves[n].at.port.to_string();
        let row = shown
            .rows
            .iter()
            .find(|row| shown.cell(row, "Port") == Some(&port))
            .unwrap();
        shown.cell(row, "State").unwrap().to_owned()
    }

    async fn masters_on(&self, n: usize) -> usize {
        let shown = rows(&self.master.at, "SHOW PARTITIONS ON `s-1`").await;
        let port = self.leaves[n].at.port.to_string();
        let own = shown.rows.iter().filter(|row| {
            shown.cell(row, "Port") == Some(&port) && shown.cell(row, "Role") == Some("Master")
        });
        own.count()
    }

    async fn fill(&self, count: usize) {
        for n in 0..count {
            does(
                &self.child.at,
                &format!("INSERT INTO `s-1`.t VALUES ('k{n}', {n})"),
            )
            .await;
        }
    }

    async fn held(&self) -> usize {
        let found = rows(&self.child.at, "SELECT COUNT(*) FROM `s-1`.t").await;
        let all = rows(&self.child.at, "SELECT k, n FROM `s-1`.t").await;
        assert_eq!(found.rows[0][0], Some(all.rows.len().to_string()));
        all.rows.len()
    }

    async fn explained(&self, what: &str) -> usize {
        rows(&self.master.at, &format!("EXPLAIN {what} ON `s-1`"))
            .await
            .rows
            .len()
    }
}

fn leaves_count(leaves: &[Server]) -> usize {
    leaves.len().max(1)
}

fn on_one_thread(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work);
}

const SWITCHES: [&str; 3] = [
    "auto_attach",
    "leaf_failure_detection",
    "aggregator_failure_detection",
];

impl Cluster {
    fn load(&self) -> LoadOptions {
        LoadOptions {
            aggregators: vec![self.master.at.clone(), self.child.at.clone()],
            rate: 100,
            databases: vec!["s-1".to_owned()],
            deadline_ms: 10_000,
            gap_ms: 1_000,
            drain_file: Some(self.home.path().join("drained")),
            user: "root".to_owned(),
            password: None,
            tls: false,
            seconds: None,
            stop_file: None,
            ready_file: None,
            json: None,
            prepare_only: false,
        }
    }

    async fn switch(&self, value: &str) {
        for name in SWITCHES {
            does(&self.master.at, &format!("SET @@GLOBAL.{name} = {value}")).await;
        }
    }

    async fn upgrade_leaf(&mut self, n: usize) {
        let master = self.master.at.clone();
        does(&master, &format!("DETACH LEAF {}", self.leaf(n))).await;
        assert_eq!(
            (self.state(n).await.as_str(), self.masters_on(n).await),
            ("detached", 0)
        );
        self.leaves[n].restart(NEW);
        until("recovered", || async { !self.leaves[n].node.recovers() }).await;
        does(
            &master,
            &format!("ATTACH LEAF {} NO REBALANCE", self.leaf(n)),
        )
        .await;
        assert_eq!(self.explained("RESTORE REDUNDANCY").await, 4);
        does(&master, "RESTORE REDUNDANCY ON `s-1`").await;
        assert_eq!(self.explained("RESTORE REDUNDANCY").await, 0);
    }

    async fn upgrade_aggregators(&mut self) {
        let drained = self.home.path().join("drained");
        let line = format!("{}\n", self.child.at);
        lab::sim::files::replace(&drained, line.as_bytes(), 0o644).unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        self.child.restart(NEW);
        lab::sim::files::replace(&drained, b"", 0o644).unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        self.master.restart(NEW);
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
}

#[test]
fn a_whole_upgrade_loses_nothing_under_load() {
    on_one_thread(async {
        let mut cluster = Cluster::up(2).await;
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let loading = load::judge(cluster.load(), async move { drop(ended.await) });
        let loading = tokio::spawn(loading);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        cluster.switch("OFF").await;
        for n in 0..2 {
            cluster.upgrade_leaf(n).await;
        }
        does(&cluster.master.at, "REBALANCE PARTITIONS ON `s-1`").await;
        assert_eq!(
            [cluster.masters_on(0).await, cluster.masters_on(1).await],
            [2, 2]
        );
        cluster.upgrade_aggregators().await;
        cluster.switch("ON").await;
        end.send(()).unwrap();
        let report = loading.await.unwrap().unwrap().unwrap();
        for name in [
            "failed_requests",
            "lost_writes",
            "invariant_breaches",
            "stale_reads",
            "differing_copies",
        ] {
            assert_eq!(report[name], Value::from(0), "{name}: {report:#}");
        }
        assert_eq!(report["ok"], Value::from(true), "{report:#}");
        assert!(report["requests"].as_u64().unwrap() > 200, "{report:#}");
    });
}

/// The oracle sees what a careless tool does: here a leaf is killed that was not detached.
#[test]
fn a_leaf_that_is_killed_under_load_is_seen() {
    on_one_thread(async {
        let mut cluster = Cluster::up(2).await;
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let loading = load::judge(cluster.load(), async move { drop(ended.await) });
        let loading = tokio::spawn(loading);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        cluster.leaves[0].set(|switches| switches.replicates = false);
        cluster.leaves[1].set(|switches| switches.replicates = false);
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.leaves[0].kill();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        end.send(()).unwrap();
        cluster.leaves[0].restart(OLD);
        cluster.leaves[0].set(|switches| switches.replicates = true);
        cluster.leaves[1].set(|switches| switches.replicates = true);
        let report = loading.await.unwrap().unwrap().unwrap();
        for name in ["failed_requests", "lost_writes", "invariant_breaches"] {
            assert_ne!(report[name], Value::from(0), "{name}: {report:#}");
        }
        assert_eq!(report["ok"], Value::from(false));
    });
}

#[test]
fn a_killed_leaf_fails_over_only_if_somebody_looks() {
    on_one_thread(async {
        let mut cluster = Cluster::up(2).await;
        cluster.fill(20).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster.leaves[0].kill();
        until("offline", || async { cluster.state(0).await == "offline" }).await;
        assert_eq!((cluster.masters_on(1).await, cluster.held().await), (4, 20));
        // Back again it is attached by itself, as auto_attach is on, and masters are evened out.
        cluster.leaves[0].restart(OLD);
        until("online", || async { cluster.state(0).await == "online" }).await;
        until("even", || async { cluster.masters_on(0).await == 2 }).await;

        does(
            &cluster.master.at,
            "SET @@GLOBAL.leaf_failure_detection = OFF",
        )
        .await;
        cluster.leaves[0].kill();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(
            (cluster.state(0).await.as_str(), cluster.masters_on(1).await),
            ("online", 2)
        );
        // Nobody moves the masters, so whoever asks waits.
        let waits = tokio::time::timeout(Duration::from_secs(1), cluster.held()).await;
        assert!(waits.is_err(), "it was answered");
    });
}

#[test]
fn auto_attach_takes_back_what_was_detached_and_restarted() {
    on_one_thread(async {
        for (auto, state) in [("ON", "online"), ("OFF", "detached")] {
            let mut cluster = Cluster::up(2).await;
            does(
                &cluster.master.at,
                &format!("SET @@GLOBAL.auto_attach = {auto}"),
            )
            .await;
            does(
                &cluster.master.at,
                &format!("DETACH LEAF {}", cluster.leaf(0)),
            )
            .await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(cluster.state(0).await, "detached", "it was not away");
            cluster.leaves[0].kill();
            tokio::time::sleep(Duration::from_millis(500)).await;
            cluster.leaves[0].restart(OLD);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            assert_eq!(cluster.state(0).await, state, "auto_attach {auto}");
        }
    });
}

#[test]
fn statements_are_refused_with_the_known_numbers() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        let (master, child, leaf) = (&cluster.master.at, &cluster.child.at, &cluster.leaves[0].at);
        let detach = format!("DETACH LEAF {}", cluster.leaf(0));
        let attach = format!("ATTACH LEAF {} NO REBALANCE", cluster.leaf(0));
        assert_eq!(number(child, &detach).await, 1752);
        assert_eq!(number(leaf, "SHOW LEAVES").await, 1736);
        assert_eq!(number(master, "DETACH LEAF 'nowhere':1").await, 1738);
        assert_eq!(number(master, &attach).await, 1803);
        assert_eq!(number(master, "SNAPSHOT DATABASE nosuch").await, 1049);
        does(master, &detach).await;
        assert_eq!(number(master, &detach).await, 1804);
        cluster.master.set(|switches| switches.attach_failures = 1);
        assert_eq!(number(master, &attach).await, 1811);
        does(master, &attach).await;
        assert_eq!(number(master, "SELEKT").await, 1064);
        let wrong = Login {
            user: "root".to_owned(),
            password: "wrong".to_owned(),
            ..Login::default()
        };
        let limit = Duration::from_secs(5);
        let refused = ask(
            &master.host,
            master.port,
            &wrong,
            "SELECT 1",
            (limit, limit),
        )
        .await;
        assert!(
            matches!(refused, Err(ClientError::Fault(Fault { number: 1045, .. }))),
            "{refused:?}"
        );
    });
}

#[test]
fn the_last_copy_goes_and_comes_back_with_its_leaf() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        cluster.fill(8).await;
        for n in 0..2 {
            does(
                &cluster.master.at,
                &format!("DETACH LEAF {}", cluster.leaf(n)),
            )
            .await;
        }
        assert_eq!(
            number(&cluster.child.at, "SELECT * FROM `s-1`.t").await,
            1777
        );
        does(
            &cluster.master.at,
            &format!("ATTACH LEAF {} NO REBALANCE", cluster.leaf(1)),
        )
        .await;
        assert_eq!(cluster.held().await, 8);
    });
}

#[test]
fn what_is_not_known_is_shown_both_ways() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        let master = &cluster.master.at;
        let words = async |column: &str| -> Vec<String> {
            let shown = rows(master, "SHOW CLUSTER STATUS").await;
            let mut words: Vec<String> = shown
                .rows
                .iter()
                .filter_map(|row| shown.cell(row, column).map(str::to_owned))
                .collect();
            words.sort();
            words.dedup();
            words
        };
        assert_eq!(words("Role").await, ["Master", "Reference", "Slave"]);
        cluster
            .master
            .set(|switches| switches.slave_word = "Replica".to_owned());
        assert_eq!(words("Role").await, ["Master", "Reference", "Replica"]);
        let leaves = rows(master, "SHOW LEAVES").await;
        assert_eq!(leaves.columns.len(), 8);
        assert!(
            leaves
                .cell(&leaves.rows[0], "Average_Roundtrip_Latency_ms")
                .is_some()
        );
        cluster
            .master
            .set(|switches| (switches.later_columns, switches.null_latency) = (true, true));
        let leaves = rows(master, "SHOW LEAVES").await;
        assert!(leaves.columns.len() > 8);
        assert_eq!(
            leaves.cell(&leaves.rows[0], "Average_Roundtrip_Latency_ms"),
            None
        );
        let own = rows(master, "SHOW AGGREGATORS").await;
        assert_eq!(own.rows[0][0].as_deref(), Some("127.0.0.1"));
        does(master, &format!("DETACH LEAF {}", cluster.leaf(0))).await;
        assert!(words("Role").await.contains(&"Orphan".to_owned()));
        cluster
            .master
            .set(|switches| switches.detached_leaves_are_listed = false);
        assert!(!words("Role").await.contains(&"Orphan".to_owned()));
    });
}

#[test]
fn an_older_leaf_does_not_follow_a_newer_one_unless_told_to() {
    on_one_thread(async {
        for follows in [false, true] {
            let mut cluster = Cluster::up(2).await;
            for n in 0..2 {
                cluster.leaves[n].set(|switches| switches.old_follows_new = follows);
            }
            does(
                &cluster.master.at,
                "SET @@GLOBAL.leaf_failure_detection = OFF",
            )
            .await;
            // Attached with a rebalance the new leaf leads, and the old one has to follow it.
            does(
                &cluster.master.at,
                &format!("DETACH LEAF {}", cluster.leaf(0)),
            )
            .await;
            cluster.leaves[0].restart(NEW);
            until("recovered", || async { !cluster.leaves[0].node.recovers() }).await;
            does(
                &cluster.master.at,
                &format!("ATTACH LEAF {}", cluster.leaf(0)),
            )
            .await;
            assert_eq!(cluster.masters_on(0).await, 2);
            cluster.fill(20).await;
            tokio::time::sleep(Duration::from_millis(600)).await;
            let held = async |n: usize| {
                let at: &Address = &cluster.leaves[n].at;
                peer::say(at, &Message::Documents, Duration::from_secs(5))
                    .await
                    .unwrap()
            };
            let (new, old) = (held(0).await, held(1).await);
            let same = (0..4).all(|n| {
                let path = format!("/s-1_{n}/tables");
                new.pointer(&path) == old.pointer(&path)
            });
            assert_eq!(same, follows);
        }
    });
}

#[test]
fn faults_do_what_they_say() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        let master = &cluster.master.at;
        // The statement is done, and nobody hears of it.
        cluster
            .master
            .set(|switches| switches.cut_after = Some("DETACH".to_owned()));
        let lost = say(master, &format!("DETACH LEAF {}", cluster.leaf(0))).await;
        assert!(matches!(lost, Err(ClientError::Lost(_))), "{lost:?}");
        assert_eq!(cluster.state(0).await, "detached");
        // A copy that fails leaves an orphan, and is made by the next try.
        cluster.leaves[0].set(|switches| switches.copy_failures = 1);
        does(
            master,
            &format!("ATTACH LEAF {} NO REBALANCE", cluster.leaf(0)),
        )
        .await;
        assert_eq!(number(master, "RESTORE REDUNDANCY ON `s-1`").await, 1772);
        assert_eq!(cluster.explained("RESTORE REDUNDANCY").await, 1);
        does(master, "RESTORE REDUNDANCY ON `s-1`").await;
        assert_eq!(cluster.explained("RESTORE REDUNDANCY").await, 0);
        // A locked partition keeps who asks for it waiting.
        cluster
            .master
            .set(|switches| switches.stays_locked = Some("s-1_0".to_owned()));
        does(master, "REBALANCE PARTITIONS ON `s-1`").await;
        let shown = rows(master, "SHOW PARTITIONS ON `s-1`").await;
        let locked = shown
            .rows
            .iter()
            .filter(|row| shown.cell(row, "Locked") == Some("1"))
            .count();
        let waits = tokio::time::timeout(Duration::from_millis(800), cluster.held()).await;
        assert_eq!(locked > 0, waits.is_err(), "{shown:?}");
        assert!(
            locked > 0,
            "the partition was not among those that moved: {shown:?}"
        );
    });
}

#[test]
fn tls_is_spoken_where_it_is_wanted() {
    on_one_thread(async {
        let home = tempfile::tempdir().unwrap();
        let pem = lab::sim::tls::self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let tls = Tls(lab::sim::tls::acceptor_of(pem.as_bytes()).unwrap());
        let wanted = Switches {
            requires_tls: true,
            ..switches()
        };
        let server = Server::start(home.path(), free_port(), OLD, wanted, Some(tls));
        let login = |tls| Login {
            user: "root".to_owned(),
            tls,
            ..Login::default()
        };
        let limit = Duration::from_secs(5);
        let asked = async |tls: bool| {
            ask(
                &server.at.host,
                server.at.port,
                &login(tls),
                "SELECT 1",
                (limit, limit),
            )
            .await
        };
        assert!(matches!(asked(true).await, Ok(Answer::Rows(_))));
        assert!(matches!(
            asked(false).await,
            Err(ClientError::Fault(Fault { number: 3159, .. }))
        ));
    });
}
