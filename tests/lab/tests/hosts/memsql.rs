//! A MemSQL cluster on hosts: Ops with its agents, its traps, and the upgrade of the whole.

use lab::cluster::memsql::{Cluster, Options, SWITCHES};
use lab::command::Output;
use lab::demo::memsql as demo;
use lab::fleet::{Fleet, Host};
use serde_json::{Value, json};

use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

/// How the timers are scaled.
pub(crate) const FACTOR: f64 = 0.2;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("memsql::ops_looks_after_its_servers", ops),
        case("memsql::a_failed_upgrade_is_rolled_back", rollback),
        case("memsql::the_whole_upgrade", upgrade).heavy(),
        case(
            "memsql::eight_leaves_three_children_odd_names_and_tls",
            large,
        )
        .heavy(),
    ]
}

fn small() -> Options {
    let switches = json!({"time_factor": FACTOR});
    Options {
        leaves: 2,
        switches: switches.as_object().cloned().unwrap_or_default(),
        ..Options::default()
    }
}

fn said(output: &Output) -> String {
    format!("{}: {}{}", output.exit, output.out, output.err)
}

fn memsql_ops(host: &Host, line: &str) -> Result<Output, Failure> {
    Ok(host.run(&format!("memsql-ops {line}"))?)
}

fn must(host: &Host, line: &str) -> Result<String, Failure> {
    let output = memsql_ops(host, line)?;
    check(
        output.is_ok(),
        format!("memsql-ops {line}: {}", said(&output)),
    )?;
    Ok(output.out)
}

fn list(host: &Host) -> Result<Vec<Value>, Failure> {
    let text = must(host, "memsql-list --json")?;
    Ok(serde_json::from_str(&text)?)
}

/// Returns a word of the first leaf.
fn of_leaf(host: &Host, name: &str) -> Result<String, Failure> {
    let all = list(host)?;
    let leaf = all
        .iter()
        .find(|one| one.get("role") == Some(&json!("LEAF")));
    let word = leaf.and_then(|leaf| leaf.get(name)?.as_str());
    word.map(str::to_owned)
        .ok_or_else(|| Failure(format!("no {name} in {all:?}")))
}

fn wait_for(host: &Host, name: &str, wanted: &str) -> Outcome {
    let mut last = String::new();
    for _ in 0..60 {
        last = of_leaf(host, name)?;
        if last == wanted {
            return Ok(());
        }
        lab::clock::pause(std::time::Duration::from_millis(200));
    }
    check(false, format!("{name} is {last}, not {wanted}"))
}

fn up<'a>(lab: &Lab, fleet: &'a Fleet) -> Result<Cluster<'a>, Failure> {
    Ok(Cluster::up(fleet, &lab.place()?.program, small())?)
}

fn ops(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("ops", 2)?;
    let cluster = up(lab, &fleet)?;
    let host = cluster.ops_host()?;
    // The other machine's agent hands over to the primary.
    let other = fleet.host("node2")?;
    same(list(other)?.len(), 4, "servers")?;
    let id = of_leaf(host, "memsql_id")?;
    // Without manual control what was stopped comes back by itself.
    must(host, &format!("memsql-stop {id} --no-prompt"))?;
    wait_for(host, "run_state", "RUNNING")?;
    must(host, "cluster-manual-control --enable")?;
    must(host, &format!("memsql-stop {id} --no-prompt"))?;
    lab::clock::pause(std::time::Duration::from_secs(4));
    same(
        of_leaf(host, "run_state")?,
        "NOT RUNNING".to_owned(),
        "under manual control",
    )?;
    must(host, &format!("memsql-start {id} --no-prompt"))?;
    wait_for(host, "run_state", "RUNNING")?;
    // An agent that ends leaves its servers running.
    host.must("systemctl restart memsql-ops")?;
    wait_for(host, "run_state", "RUNNING")?;
    // A setting is in the file, and so is there after a start.
    let set = "memsql-update-config --key auto_attach --value OFF --set-global --no-prompt";
    let master = list(host)?
        .into_iter()
        .find(|one| one.get("role") == Some(&json!("MASTER")));
    let master = master.and_then(|one| Some(one.get("memsql_id")?.as_str()?.to_owned()));
    let master = master.ok_or_else(|| Failure("no master".to_owned()))?;
    must(host, &format!("{set} {master}"))?;
    must(host, &format!("memsql-restart --no-prompt {master}"))?;
    let file = host.must("cat /var/lib/memsql/master-*/memsql.cnf")?;
    check(file.contains("auto_attach = OFF"), file)?;
    for (line, wanted) in [
        ("memsql-stop --hardstop", "code 2"),
        ("memsql-upgrade", "code 1"),
    ] {
        let output = memsql_ops(host, line)?;
        check(output.exit.to_string().contains(wanted), said(&output))?;
    }
    Ok(())
}

fn rollback(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("rollback", 2)?;
    let cluster = up(lab, &fleet)?;
    let host = cluster.ops_host()?;
    must(host, "cluster-manual-control --enable")?;
    let id = of_leaf(host, "memsql_id")?;
    let upgrade = format!(
        "memsql-upgrade --memsql-id {id} --no-prompt --skip-snapshot --no-backup-data-directories --version 5.7.2"
    );
    let arm = |outcome: &str| {
        let switches = json!({"time_factor": FACTOR, "ops": {"upgrade_outcome": outcome}});
        host.write(SWITCHES, switches.to_string(), 0o644)?;
        lab::clock::pause(std::time::Duration::from_millis(400));
        Ok::<_, Failure>(())
    };
    for (outcome, is_ok, version, state) in [
        ("lie", true, "5.5.12", "RUNNING"),
        ("fail", false, "5.5.12", "NOT RUNNING"),
        ("deny", false, "5.7.2", "NOT RUNNING"),
    ] {
        arm(outcome)?;
        let output = memsql_ops(host, &upgrade)?;
        same(
            output.is_ok(),
            is_ok,
            &format!("{outcome}: {}", said(&output)),
        )?;
        same(of_leaf(host, "memsql_version")?.as_str(), version, outcome)?;
        same(of_leaf(host, "run_state")?.as_str(), state, outcome)?;
    }
    must(host, &format!("memsql-start {id} --no-prompt"))?;
    wait_for(host, "run_state", "RUNNING")
}

fn upgrade(lab: &Lab) -> Outcome {
    goes_through(lab, &scaled("test: memsql", Options::default()))
}

/// Two leaves on each machine and a whole group at once, several children and databases, names that need quoting, and TLS.
fn large(lab: &Lab) -> Outcome {
    let cluster = Options {
        leaves: 8,
        leaves_per_host: 2,
        aggregators: 3,
        databases: ["shop", "a b", "it`s-1"].map(str::to_owned).to_vec(),
        tls: true,
        ..Options::default()
    };
    let mut options = scaled("test: large memsql", cluster);
    options.extra.push("memsql_leaves_at_once=all".to_owned());
    goes_through(lab, &options)
}

fn scaled(purpose: &str, cluster: Options) -> demo::Options {
    demo::Options {
        factor: FACTOR,
        ..demo::Options::new(purpose, cluster)
    }
}

fn goes_through(lab: &Lab, options: &demo::Options) -> Outcome {
    let fleet = lab.fleet(&options.fleet)?;
    let report = demo::upgrade(&fleet, lab.place()?, lab.product()?, options, &|_| ())?;
    let log = fleet.bastion().home().join(lab::demo::APPLY_LOG);
    let log = lab::files::read_if_there(&log)?.unwrap_or_default();
    let end: Vec<_> = log.lines().rev().take(60).collect();
    let end: Vec<_> = end.into_iter().rev().collect();
    let is_ok = report.get("ok") == Some(&json!(true));
    check(
        is_ok,
        format!("{report:#}\nstagger said at the end:\n{}", end.join("\n")),
    )
}
