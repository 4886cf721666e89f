//! An upgrade by hand under load, and a careless one: the oracle tells them apart.

use std::time::Duration;

use lab::load::memsql::{self as load, Options as LoadOptions};
use serde_json::Value;

use crate::harness::{Case, case};
use crate::servers::{Cluster, NEW, OLD, does, on_one_thread, until};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "load: a whole upgrade loses nothing under load",
            a_whole_upgrade_loses_nothing_under_load,
        )
        .timed(),
        case(
            "load: a leaf that is killed under load is seen",
            a_leaf_that_is_killed_under_load_is_seen,
        )
        .timed(),
    ]
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
            aggregators_at_once: 1,
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
        // The oracle is to see the copies before the next leaf goes.
        tokio::time::sleep(Duration::from_secs(1)).await;
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
