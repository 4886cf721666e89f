//! A plain rolling restart: every server and starter is another process afterwards, and nothing else is changed.

use lab::fleet::{Fleet, Options};

use crate::back::{cluster, ends, run};
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

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

fn restart(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options::new("test: a restart", 3))?;
    let (version, _) = cluster(lab, &fleet)?;
    let before = processes(&fleet)?;
    ends(&run(&fleet, "restart.yml", &quick())?, 0)?;
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
