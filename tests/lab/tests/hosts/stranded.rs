//! A power cut between the installation and the upgrade: the run stops before another server is touched and names what is
//! stranded, `recover` brings it back, and the upgrade goes on.

use std::time::Duration;

use lab::command::{Command, Output};
use lab::fleet::{Fleet, Options};

use crate::back::{cluster, ends, run};
use crate::fingerprint::Fingerprint;
use crate::harness::{Case, Failure, Lab, Outcome, case, check};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "stranded::a_power_cut_before_the_upgrade_is_named_and_undone",
            power_cut,
        )
        .heavy(),
    ]
}

fn recover(fleet: &Fleet, host: &str) -> Result<Output, Failure> {
    let recover = Command::line("stagger recover --state state --upgrade-stranded")
        .arg(host)
        .within(Duration::from_mins(10));
    Ok(fleet.bastion().command(recover).output()?)
}

fn power_cut(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: stranded", 3))?;
    cluster(lab, &fleet)?;
    // Not approved: the new packages lie there, and no data was touched.
    ends(&run(&fleet, "upgrade.yml", &[])?, 3)?;
    let host = fleet.host("node2")?;
    host.power_cut()?;
    host.power_back()?;
    let others = Fingerprint::of(&fleet)?;
    let typed = [
        "--approve",
        "upgrade-data",
        "-e",
        "arangodb_leader_settle=5",
    ]
    .map(str::to_owned);
    let stopped = run(&fleet, "upgrade.yml", &typed)?;
    ends(&stopped, 2)?;
    let said = format!("{}{}", stopped.out, stopped.err);
    for word in [
        "Stranded on node2: ",
        "agent on port 8531",
        "stagger recover --upgrade-stranded node2",
    ] {
        check(
            said.contains(word),
            format!("it does not say `{word}`: {said}"),
        )?;
    }
    let mut touched = others.changes(&Fingerprint::of(&fleet)?);
    // Its starter tries again and again.
    touched.retain(|line| !line.contains("node2"));
    check(touched.is_empty(), format!("it touched {touched:#?}"))?;

    ends(&recover(&fleet, "node1")?, 2)?;
    ends(&recover(&fleet, "node2")?, 0)?;
    ends(&recover(&fleet, "node2")?, 2)?;
    ends(&run(&fleet, "upgrade.yml", &typed)?, 0)
}
