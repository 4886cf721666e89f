//! systemd's ways with the processes of a unit, on which everything else here rests.
//!
//! A lab whose hosts share a control group cannot show them: systemd then ends nothing.

use std::time::Duration;

use lab::clock::{self, Look};
use lab::fleet::{Error, Host};

use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "units::a_killed_main_process_takes_its_children_along",
            kill_modes,
        ),
        case(
            "units::a_changed_policy_holds_after_a_reload",
            a_changed_policy_holds_after_a_reload,
        ),
    ]
}

/// A main process with two children, as a supervisor that starts servers.
const UNIT: &str = "[Service]\nExecStart=/bin/sh -c 'sleep 1001 & sleep 1002 & wait'\n";

fn kill_modes(lab: &Lab) -> Outcome {
    // Two hosts: what is wrong with control groups shows when hosts share one.
    let fleet = lab.hosts("kill modes", 2)?;
    let (host, other) = (fleet.host("node1")?, fleet.host("node2")?);
    // What the unit says, what becomes of its children, and the state it ends in.
    let cases = [
        ("", 0, "failed"),
        ("KillMode=process\n", 2, "failed"),
        ("KillMode=control-group\nRestart=on-failure\n", 0, "active"),
        ("KillMode=process\nRestart=on-failure\n", 2, "active"),
    ];
    for (policy, survivors, state) in cases {
        let untouched = start(other, policy)?;
        let children = start(host, policy)?;
        kill_main(host)?;
        let left = settled(host, state, || alive(host, &children))?;
        let what = format!("children that live on with `{policy}`");
        same(left, survivors, &what)?;
        same(alive(other, &untouched)?, 2, "children on another host")?;
        end(host)?;
        end(other)?;
    }
    Ok(())
}

fn a_changed_policy_holds_after_a_reload(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("policy", 1)?;
    let host = fleet.host("node1")?;
    let drop_in = "/etc/systemd/system/demo.service.d/policy.conf";
    for (reload, survivors) in [("true", 0), ("systemctl daemon-reload", 2)] {
        let children = start(host, "Restart=on-failure\n")?;
        host.write(drop_in, "[Service]\nKillMode=process\nRestart=no\n", 0o644)?;
        host.must(reload)?;
        kill_main(host)?;
        let state = if survivors == 0 { "active" } else { "failed" };
        let alive = settled(host, state, || alive(host, &children))?;
        same(
            alive,
            survivors,
            &format!("children that live on after `{reload}`"),
        )?;
        host.must(&format!("rm {drop_in}"))?;
        end(host)?;
    }
    Ok(())
}

/// Starts the unit with a policy and returns its two children.
fn start(host: &Host, policy: &str) -> Result<Vec<String>, Failure> {
    host.write(
        "/etc/systemd/system/demo.service",
        format!("{UNIT}{policy}"),
        0o644,
    )?;
    host.must("systemctl daemon-reload && systemctl start demo")?;
    let found = clock::wait(Duration::from_secs(10), || {
        let pids = host.run("pgrep -f '^sleep 100[12]'")?.out;
        let pids: Vec<_> = pids.lines().map(str::to_owned).collect();
        Ok::<_, Error>(if pids.len() == 2 {
            Look::Done(pids)
        } else {
            Look::NotYet(format!("{pids:?}"))
        })
    })?;
    found.map_err(|seen| Failure(format!("the unit's children: {seen}")))
}

fn kill_main(host: &Host) -> Outcome {
    let pid = host.must("systemctl show --value -p MainPID demo")?;
    let pid = pid.trim();
    check(pid != "0", "the unit has no main process")?;
    host.must(&format!("kill -9 {pid}"))?;
    Ok(())
}

/// Waits until the unit is in a state and its children are as few as they will be.
fn settled(
    host: &Host,
    wanted: &str,
    count: impl Fn() -> Result<usize, Failure>,
) -> Result<usize, Failure> {
    let settled = clock::wait(Duration::from_secs(10), || {
        let state = host.run("systemctl is-active demo")?.out.trim().to_owned();
        Ok::<_, Error>(if state == wanted {
            Look::Done(())
        } else {
            Look::NotYet(state)
        })
    })?;
    settled.map_err(|state| Failure(format!("the unit is {state}, not {wanted}")))?;
    clock::pause(Duration::from_millis(500));
    count()
}

fn alive(host: &Host, pids: &[String]) -> Result<usize, Failure> {
    let script = format!(
        "for p in {}; do [ -e /proc/$p ] && echo $p; done; true",
        pids.join(" ")
    );
    Ok(host.must(&script)?.lines().count())
}

fn end(host: &Host) -> Outcome {
    host.must("systemctl stop demo; systemctl reset-failed demo; pkill -9 sleep; true")?;
    Ok(())
}
