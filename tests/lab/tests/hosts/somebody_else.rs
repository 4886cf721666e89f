//! A colleague at work in the middle of a run: it stops at the next server, says what was changed, and goes on when the
//! colleague is done.

use std::time::Duration;

use serde_json::json;

use lab::clock;
use lab::cluster::Options as ClusterOptions;
use lab::command::Command;
use lab::fleet::{Fleet, Options};

use crate::back::{clusters_of, ends, run};
use crate::harness::{Case, Failure, Lab, Outcome, case, check};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "somebody_else::an_upgrade_by_the_starters_stops_the_run",
            begins_an_upgrade,
        )
        .heavy(),
    ]
}

/// How long the starters may take for nine servers.
const AT_MOST: Duration = Duration::from_mins(3);

/// A load balancer's hook, in which a colleague types `arangodb upgrade` on the first machine, once.
fn hook(fleet: &Fleet) -> Result<String, Failure> {
    let once = fleet.bastion().home().join("typed");
    let once = once.display();
    Ok(format!(
        "test -e {once} || {{ touch {once}; curl -s -X POST {}; }}",
        plan(fleet)?
    ))
}

fn plan(fleet: &Fleet) -> Result<String, Failure> {
    let address = fleet.host("node1")?.address();
    Ok(format!("http://{address}:8528/database-auto-upgrade"))
}

fn begins_an_upgrade(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: somebody else", 3))?;
    let clusters = clusters_of(lab, &fleet, ClusterOptions::default())?;
    // Between two servers the starters wait for long, while all of the cluster answers: the run gets as far as its script.
    let slowly = [("starter".to_owned(), json!({"time_factor": 3.0}))];
    clusters.main().switch(&slowly.into_iter().collect())?;
    let typed = [
        "-e".to_owned(),
        "arangodb_leader_settle=5".to_owned(),
        "-e".to_owned(),
        // So long the starters take for their first agent, which is not told from a crash.
        format!(
            "{{\"arangodb_drain\": \"{}\", \"arangodb_drain_wait\": 2}}",
            hook(&fleet)?
        ),
    ];
    let stopped = run(&fleet, "restart.yml", &typed)?;
    ends(&stopped, 2)?;
    let said = format!("{}{}", stopped.out, stopped.err);
    let why = "changed by someone else: the starters have begun an upgrade of their own";
    check(
        said.contains(why),
        format!("it does not say `{why}`: {said}"),
    )?;

    clusters.main().switch(&serde_json::Map::new())?;
    let began = clock::now();
    loop {
        let asked = Command::line("curl -s").arg(plan(&fleet)?);
        let told = fleet.bastion().command(asked).output()?.out;
        if told.replace(' ', "").contains("\"ready\":true") {
            break;
        }
        check(began.elapsed() < AT_MOST, format!("the starters: {told}"))?;
        clock::pause(Duration::from_millis(500));
    }
    let resume = Command::line("stagger resume --state state").within(Duration::from_mins(10));
    ends(&fleet.bastion().command(resume).output()?, 0)
}
