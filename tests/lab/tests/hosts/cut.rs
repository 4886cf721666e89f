//! The way to the host of Ops is cut in the middle of a leaf's upgrade: for a moment, and for longer than a run tries. What
//! was begun goes on without its bastion, is found again, and nothing is done twice.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::clock::{self, Look};
use lab::cluster::memsql::{Cluster, Options};
use lab::command::{Command, Exit, Running};
use lab::demo::memsql as demo;
use lab::fleet::{Fleet, Host};
use serde_json::{Value, json};

use crate::counted::Counted;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};
use crate::memsql::FACTOR;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("cut::ssh_dies_while_a_leaf_is_upgraded", cut)
            .heavy()
            .on_demand("it waits for a quarter of an hour until a run gives its host up"),
    ]
}

/// A leaf's upgrade goes on for 12 s: longer than the short cut.
const UPGRADE_MS: u32 = 60_000;

/// The point of no return, by its name.
const APPROVED: &str = "--approve=second-group";

const SHORT: Duration = Duration::from_secs(5);

fn typed(fleet: &Fleet, words: &[&str]) -> Command {
    let stagger = Command::new("stagger").args(words.iter().copied());
    let stagger = stagger.args(["--state", "state"]);
    fleet
        .bastion()
        .command(stagger.within(Duration::from_mins(12)))
}

/// Waits until so many upgrades were asked of Ops.
fn upgrades_begun(ops: &Host, count: usize, running: &mut Running) -> Outcome {
    let found = clock::wait(Duration::from_mins(3), || {
        let begun = Counted::on(ops)?.what("memsql-upgrade").count();
        Ok::<_, Failure>(if begun >= count {
            Look::Done(())
        } else {
            Look::NotYet(format!("{begun} upgrades begun"))
        })
    })?;
    found.map_err(|seen| Failure(format!("{seen}, not {count}: {:?}", running.said())))
}

fn cut(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("a cut link", 2)?;
    let switches = json!({"time_factor": FACTOR, "ops": {"upgrade_ms": UPGRADE_MS}});
    let wanted = Options {
        leaves: 2,
        switches: switches.as_object().cloned().unwrap_or_default(),
        ..Options::default()
    };
    let cluster = Cluster::up(&fleet, &lab.place()?.program, wanted)?;
    demo::provide(&fleet, &cluster, lab.place()?, lab.product()?)?;
    let ops = cluster.ops_host()?;
    let apply = [
        "apply",
        "roles/memsql/upgrade.yml",
        "-i",
        "inventory.yml",
        "--reason",
        "a link that is cut",
        APPROVED,
    ];
    let mut running = typed(&fleet, &apply).start()?;
    upgrades_begun(ops, 1, &mut running)?;
    ops.part_from_bastion()?;
    clock::pause(SHORT);
    ops.rejoin_bastion()?;
    // It has gone on by itself: the next one begins.
    upgrades_begun(ops, 2, &mut running)?;
    ops.part_from_bastion()?;
    let exit = running.wait(Duration::from_mins(9))?;
    ops.rejoin_bastion()?;
    let (out, err) = running.said();
    check(
        exit == Exit::Code(7),
        format!("cut off for good: {exit}, not code 7:\n{out}{err}"),
    )?;
    let status = typed(&fleet, &["status"]).output()?;
    check(
        status.out.contains("Brackets"),
        format!(
            "nothing is said of what is owed: {}{}",
            status.out, status.err
        ),
    )?;
    let resumed = typed(&fleet, &["resume", APPROVED]).output()?;
    same(
        resumed.exit,
        Exit::Code(0),
        &format!("resume: {}{}", resumed.out, resumed.err),
    )?;
    once_each(
        ops,
        cluster.options().leaves + cluster.options().aggregators,
    )
}

/// Each server was upgraded, and Ops was asked once for each.
fn once_each(ops: &Host, servers: usize) -> Outcome {
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for effect in Counted::on(ops)?.what("memsql-upgrade") {
        let ids = effect.pointer("/detail/values/memsql-id");
        for id in ids.and_then(Value::as_array).into_iter().flatten() {
            *asked.entry(id.to_string()).or_default() += 1;
        }
    }
    same(asked.len(), servers, "servers that were upgraded")?;
    let twice: Vec<_> = asked.iter().filter(|(_, count)| **count > 1).collect();
    check(twice.is_empty(), format!("upgraded twice: {twice:?}"))
}
