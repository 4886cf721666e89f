//! A plain rolling restart: every server and starter is another process afterwards, and nothing else is changed.

use lab::cluster::{Clusters, Options as ClusterOptions};
use lab::command::Command;
use lab::files;
use lab::fleet::{Fleet, Options};
use lab::load::beside::Beside;
use serde_json::{Value, json};

use crate::back::{cluster, clusters_of, ends, run};
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};
use crate::upgrade::FACTOR;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "restart::every_server_runs_anew_in_the_order_of_an_upgrade",
            restart,
        )
        .heavy(),
        case(
            "restart::a_package_that_waits_to_be_run_is_no_restart",
            another_program,
        )
        .heavy(),
    ]
}

/// Each process of starters and servers, with its start, its version of data and its program.
const LOOK: &str = "for p in $(pgrep -x 'arangodb?'); do \
    echo \"$(cut -d' ' -f22 /proc/$p/stat) $p $(tr '\\0' ' ' </proc/$p/cmdline | grep -o -- '--[a-z]*\\.d[a-z-]*[ =][^ ]*' | head -n 1)\"; done | sort -n";

/// Per host, the servers in the order in which they were started, by their directories.
fn processes(fleet: &Fleet) -> Result<Vec<Vec<(String, String)>>, Failure> {
    let look = |host: &lab::fleet::Host| {
        let shown = host.must(LOOK)?;
        let lines = shown.lines().filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let (start, pid, directory) = (words.next()?, words.next()?, words.next()?);
            Some((directory.to_owned(), format!("{pid} {start}")))
        });
        Ok(lines.collect())
    };
    fleet.hosts().iter().map(look).collect()
}

fn quick() -> [String; 2] {
    ["-e".to_owned(), "arangodb_leader_settle=5".to_owned()]
}

/// Clients that write and read all the time, and leave a coordinator that is drained.
fn clients(lab: &Lab, fleet: &Fleet, clusters: &Clusters<'_>) -> Result<Beside, Failure> {
    let bastion = fleet.bastion();
    files::write(&bastion.home().join("drained"), "", 0o644)?;
    let load = Command::new(&lab.place()?.program)
        .args(["load", "--agent", &clusters.main().agents()?.join(",")])
        .args(["--factor", &FACTOR.to_string(), "--drain-file", "drained"]);
    Ok(Beside::begin(bastion.command(load), bastion.home())?)
}

/// The load balancer of those clients.
fn drained(fleet: &Fleet) -> [String; 2] {
    let file = fleet.bastion().home().join("drained");
    let file = file.display();
    let hooks = json!({
        "arangodb_drain": format!("echo {{{{ ansible_host }}}}:8529 >>{file}"),
        "arangodb_undrain": format!(": >{file}"),
        "arangodb_drain_wait": 1,
        "arangodb_canary_collection": "load",
    });
    ["-e".to_owned(), hooks.to_string()]
}

/// Nothing failed, nothing was lost, nothing was ever unsafe.
fn nobody_has_noticed(report: &Value) -> Outcome {
    let told = || format!("{report:#}");
    check(report.get("ok") == Some(&json!(true)), told())?;
    for name in ["failed_requests", "lost_writes", "invariant_breaches"] {
        check(report.get(name) == Some(&json!(0)), told())?;
    }
    Ok(())
}

fn restart(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: a restart", 3))?;
    let wanted = ClusterOptions::default();
    let version = wanted.from.clone();
    let clusters = clusters_of(lab, &fleet, wanted)?;
    let before = processes(&fleet)?;
    let load = clients(lab, &fleet, &clusters)?;
    let restarted = run(
        &fleet,
        "restart.yml",
        &[&quick()[..], &drained(&fleet)].concat(),
    );
    let report = load.end()?;
    ends(&restarted?, 0)?;
    nobody_has_noticed(&report)?;
    let after = processes(&fleet)?;
    for (before, after) in before.iter().zip(&after) {
        same(after.len(), 4, "a starter and three servers")?;
        let left = after.iter().filter(|process| before.contains(process));
        same(left.count(), 0, "processes that were not restarted")?;
        // Of each host's servers the agent came first; the starter goes with every one of them, so it is the last.
        let servers: Vec<&str> = after
            .iter()
            .filter_map(|(directory, _)| directory.split('/').rev().nth(1))
            .filter(|name| name.ends_with(|c: char| c.is_ascii_digit()))
            .collect();
        same(
            servers,
            vec!["agent8531", "dbserver8530", "coordinator8529"],
            "the order",
        )?;
    }
    let host = fleet.host("node1")?;
    let there = host.must("arangod --version | sed -n 's/^server-version: //p'")?;
    same(there.trim(), version.as_str(), "the program")?;
    fleet.on_all(|host| {
        let left = "ls /etc/systemd/system/arangodb.service.d /var/lib/stagger/hold/arangodb 2>/dev/null || :";
        let left = host.must(left)?;
        if left.is_empty() {
            Ok(())
        } else {
            host.must(&format!("echo 'left behind: {left}' >&2; false")).map(drop)
        }
    })?;
    Ok(())
}

/// The new package lies there, nothing of it runs: a restart would be an upgrade without its care.
fn another_program(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: no restart", 3))?;
    cluster(lab, &fleet)?;
    ends(&run(&fleet, "upgrade.yml", &[])?, 3)?;
    let before = processes(&fleet)?;
    let refused = run(&fleet, "restart.yml", &quick())?;
    ends(&refused, 2)?;
    let said = format!("{}{}", refused.out, refused.err);
    check(said.contains("That is an upgrade"), said)?;
    same(processes(&fleet)?, before, "processes")
}
