//! A power cut between the installation and the upgrade: the run stops before another server is touched and names what is
//! stranded, `recover` brings it back, and the upgrade goes on. Where the starter upgrades by itself nobody is stranded.

use std::time::Duration;

use lab::clock;
use lab::cluster::Options as ClusterOptions;
use lab::command::{Command, Output};
use lab::fleet::{Fleet, Host, Options};
use serde_json::json;

use crate::armed::{self, RESUME, arm, begin, disarm, says, upgrading};
use crate::back::{cluster, clusters_of, ends, run};
use crate::counted::{Counted, text};
use crate::fingerprint::Fingerprint;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "stranded::a_power_cut_before_the_upgrade_is_named_and_undone",
            power_cut,
        ),
        case(
            "stranded::a_starter_that_upgrades_by_itself_strands_nobody",
            by_themselves,
        ),
    ];
    cases.into_iter().map(Case::heavy).collect()
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
    same(
        roles_upgraded(fleet.host("node2")?)?,
        ["agent", "dbserver", "coordinator"]
            .map(str::to_owned)
            .to_vec(),
        "the order on node2",
    )?;
    ends(&recover(&fleet, "node2")?, 2)?;
    in_the_middle(&fleet)
}

/// Whose data was upgraded on a host, in the order of time.
fn roles_upgraded(host: &Host) -> Result<Vec<String>, Failure> {
    let counted = Counted::on(host)?;
    let begun = counted.what("auto-upgrade-begin");
    Ok(begun.map(|one| text(one, "role").to_owned()).collect())
}

/// The power of a host goes while another one's agent is in hand: that agent comes back, and then nobody is touched.
fn in_the_middle(fleet: &Fleet) -> Outcome {
    for host in fleet.hosts() {
        // Scaled: as long as it takes to boot the other host.
        arm(host, "agent", &json!({"upgrade_ms": 200_000}))?;
    }
    let apply =
        "stagger apply roles/arangodb/upgrade.yml -i inventory.yml --reason test --state state";
    let more = [
        "--approve",
        "upgrade-data",
        "-e",
        "arangodb_leader_settle=5",
    ];
    let mut running = begin(fleet, apply, &more)?;
    // The first was upgraded by `recover`.
    let in_hand = upgrading(fleet, &mut running, "agent", 2)?;
    let cut = if in_hand == "node1" { "node3" } else { "node1" };
    let host = fleet.host(cut)?;
    host.power_cut()?;
    host.power_back()?;
    for host in fleet.hosts() {
        disarm(host, "agent")?;
    }
    let said = armed::ends(running, 7)?;
    let named = [
        format!("Stranded on {cut}: "),
        format!("stagger recover --upgrade-stranded {cut}"),
    ];
    says(&said, &[&named[0], &named[1]])?;
    // Of the two hosts that were to be done the one in hand has lost its agent for its upgrade, and nothing else.
    same(
        roles_upgraded(fleet.host(&in_hand)?)?,
        vec!["agent".to_owned()],
        &in_hand,
    )?;
    same(roles_upgraded(host)?, Vec::new(), cut)?;
    ends(&recover(fleet, cut)?, 0)?;
    armed::ends(begin(fleet, RESUME, &[])?, 0)?;
    armed::is_done(fleet)
}

/// From 0.17.1 on the starter upgrades the data of a server that ends with 11, which a server of these versions does.
fn by_themselves(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new(
        "test: starters that upgrade by themselves",
        3,
    ))?;
    let mut wanted = ClusterOptions {
        from: "3.11.8".to_owned(),
        to: "3.12.4".to_owned(),
        ..ClusterOptions::default()
    };
    wanted
        .switches
        .insert("starter_version".to_owned(), json!("0.18.2"));
    wanted
        .switches
        .insert("old_directory_exit".to_owned(), json!(11));
    clusters_of(lab, &fleet, wanted)?;
    ends(&run(&fleet, "upgrade.yml", &[])?, 3)?;
    let host = fleet.host("node2")?;
    host.power_cut()?;
    host.power_back()?;
    let back = clock::wait(Duration::from_mins(2), || {
        let counted = Counted::on(host)?;
        let ready = ["agent", "dbserver", "coordinator"]
            .into_iter()
            .filter(|role| !counted.ready(role, "3.12.4").is_empty());
        let ready: Vec<&str> = ready.collect();
        Ok::<_, Failure>(if ready.len() == 3 {
            clock::Look::Done(())
        } else {
            clock::Look::NotYet(format!("{ready:?}"))
        })
    })?;
    back.map_err(|ready| Failure(format!("node2 has back only {ready}")))?;
    // A coordinator of these versions has no data of its own to be upgraded.
    let mut upgraded = roles_upgraded(host)?;
    upgraded.sort();
    same(
        upgraded,
        ["agent", "dbserver"].map(str::to_owned).to_vec(),
        "upgraded by its starter",
    )?;
    let refused = Counted::on(host)?;
    let refused = refused
        .what("exit")
        .filter(|exit| exit.pointer("/detail/code") == Some(&json!(11)));
    same(refused.count(), 2, "starts that asked for an upgrade")?;
    let approved = [
        "--approve",
        "upgrade-data",
        "-e",
        "arangodb_leader_settle=5",
    ]
    .map(str::to_owned);
    ends(&run(&fleet, "upgrade.yml", &approved)?, 0)?;
    // What was done is not done again.
    same(roles_upgraded(host)?.len(), 2, "upgrades on node2")
}
