//! The cluster that an upgrade begins with is one: it serves, runs under the documented unit,
//! and meets packages and systemd as the real one would.

use std::time::Duration;

use lab::clock::{self, Look};
use lab::cluster::{Cluster, Error, Options, Security};
use lab::fleet::{Fleet, Host};
use lab::packages::EFFECTS;
use serde_json::Value;

use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("cluster::serves_and_meets_packages_and_systemd", serves),
        case(
            "cluster::serves_with_tokens_and_tls",
            serves_with_tokens_and_tls,
        ),
    ]
}

fn up<'a>(lab: &Lab, fleet: &'a Fleet, options: Options) -> Result<Cluster<'a>, Failure> {
    Ok(Cluster::up(fleet, &lab.place()?.program, options)?)
}

/// The pids of a host's servers, as its starter tells them.
fn pids(cluster: &Cluster<'_>, host: &Host) -> Result<Vec<u64>, Error> {
    let (_, body) = cluster.ask(host, 8528, "/process")?;
    let process: Value = serde_json::from_str(&body).unwrap_or_default();
    let servers = process.get("servers").and_then(Value::as_array);
    let servers = servers.into_iter().flatten();
    Ok(servers
        .filter_map(|server| server.get("pid")?.as_u64())
        .collect())
}

fn version(cluster: &Cluster<'_>, host: &Host, port: u16) -> Result<String, Error> {
    let (_, body) = cluster.ask(host, port, "/_api/version")?;
    let answer: Value = serde_json::from_str(&body).unwrap_or_default();
    let version = answer.get("version").and_then(Value::as_str);
    Ok(version.unwrap_or("?").to_owned())
}

fn serves(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("cluster", 3)?;
    let cluster = up(lab, &fleet, Options::default())?;
    let host = fleet.host("node2")?;
    let before = pids(&cluster, host)?;
    same(before.len(), 3, "servers of a host")?;
    for pid in &before {
        let exe = host.must(&format!("readlink /proc/{pid}/exe; stat -c %U /proc/{pid}"))?;
        same(
            exe.as_str(),
            "/usr/sbin/arangod\narangodb\n",
            "program and user",
        )?;
    }
    the_package_meets_the_cluster(&cluster, host, &before)?;
    the_default_unit_takes_the_servers_along(host, &before)
}

/// A newer package: what runs goes on as it was, and the package's own server is kept off.
fn the_package_meets_the_cluster(
    cluster: &Cluster<'_>,
    host: &Host,
    pids_before: &[u64],
) -> Outcome {
    host.install(&[cluster.package("3.4.0")])?;
    same(
        pids(cluster, host)?,
        pids_before.to_vec(),
        "pids after the package",
    )?;
    for port in [8529, 8530, 8531] {
        same(
            version(cluster, host, port)?.as_str(),
            "3.3.20",
            "a running server",
        )?;
    }
    let (_, disk) = cluster.ask(host, 8528, "/database-version")?;
    check(disk.contains("3.4.0"), format!("on the disk: {disk}"))?;
    let own = host.run("systemctl is-active arangodb3; systemctl is-enabled arangodb3")?;
    same(
        own.out.as_str(),
        "inactive\ndisabled\n",
        "the package's own server",
    )?;
    let counted = host.read(EFFECTS)?.unwrap_or_default();
    let counted = counted.lines().filter(|line| line.contains("\"postinst\""));
    same(counted.count(), 2, "installations that were counted")
}

/// The trap of the shipped unit: `kill -9` of the starter takes its servers along.
fn the_default_unit_takes_the_servers_along(host: &Host, before: &[u64]) -> Outcome {
    let alive = |pid: &u64| {
        host.run(&format!("test -e /proc/{pid}"))
            .is_ok_and(|o| o.is_ok())
    };
    check(before.iter().all(alive), "a server is gone already")?;
    host.must("kill -9 $(systemctl show --value -p MainPID arangodb)")?;
    let gone = clock::wait(Duration::from_secs(10), || {
        let left: Vec<_> = before.iter().filter(|pid| alive(pid)).collect();
        Ok::<_, Error>(if left.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(format!("{left:?}"))
        })
    })?;
    gone.map_err(|left| Failure(format!("servers that lived on: {left}")))?;
    Ok(())
}

fn serves_with_tokens_and_tls(lab: &Lab) -> Outcome {
    for security in [Security::Authenticated, Security::Tls] {
        let fleet = lab.hosts("secured cluster", 3)?;
        let options = Options {
            security,
            ..Options::default()
        };
        let cluster = up(lab, &fleet, options)?;
        let host = fleet.host("node1")?;
        let scheme = if security == Security::Tls {
            "https"
        } else {
            "http"
        };
        let url = format!("{scheme}://node2:8530/_api/version");
        let stranger = host.must(&format!("curl -sk -o /dev/null -w '%{{http_code}}' {url}"))?;
        same(stranger.as_str(), "401", "who asks without a token")?;
        same(
            version(&cluster, host, 8530)?.as_str(),
            "3.3.20",
            "with a token",
        )?;
        if security == Security::Tls {
            let ca = fleet.bastion().home().join("ca.pem");
            let verified = format!("curl -s --cacert {} {url}", ca.display());
            let verified = lab::command::Command::line("sh -c").arg(verified);
            let verified = fleet.bastion().command(verified).output()?;
            check(
                verified.is_ok(),
                format!("the certificate does not hold: {verified:?}"),
            )?;
        }
    }
    Ok(())
}
