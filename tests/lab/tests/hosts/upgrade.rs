//! The upgrade, by the one command that an operator types, in the variants that the field has:
//! each judged by what the clients saw, what the servers hold and what the hosts show.

use lab::cluster::Security;
use lab::demo::{APPLY_LOG, Options};
use lab::fleet::{Fleet, Login};
use serde_json::{Value, json};

use crate::counted::Counted;
use crate::fingerprint::Fingerprint;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

/// How the variants are scaled; one whole upgrade is not.
pub(crate) const FACTOR: f64 = 0.1;
/// The case that tries the program as it is released.
pub(crate) const UNSCALED: &str = "upgrade::three_hosts_unscaled";
/// A client of the variants whose requests wait for a server is this patient.
const PATIENCE_S: u64 = 1_000;

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case("upgrade::five_hosts_tokens_and_a_sudo_password", five_hosts),
        case("upgrade::leaders_resign_with_tls_and_sudo", resign),
        case("upgrade::short_gaps_are_waited_out", short_gaps),
        case("upgrade::three_copies_cannot_be_moved", three_copies),
        case("upgrade::two_data_centres", two_data_centres),
        case("upgrade::one_window_for_all_dbservers", window)
            .on_demand("it ends as the one with gaps that are waited out does"),
    ];
    let cases = cases.into_iter().map(Case::heavy);
    // The released program is being built until then.
    let last = [
        case("upgrade::long_gaps_fail_reads_alone", long_gaps).alone(),
        case(UNSCALED, unscaled).alone(),
    ];
    cases.chain(last).collect()
}

/// A scaled variant.
pub(crate) fn variant(name: &str, hosts: usize) -> Options {
    Options {
        factor: FACTOR,
        ..Options::new(&format!("test: {name}"), hosts)
    }
}

/// What an upgrade left: the report, and what stagger said.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) report: Value,
    pub(crate) said: String,
}

impl Seen {
    pub(crate) fn number(&self, name: &str) -> u64 {
        let number = self.report.get(name).and_then(Value::as_u64);
        number.unwrap_or(u64::MAX)
    }

    /// Fails with what there is to be seen, unless something holds.
    pub(crate) fn check(&self, holds: bool, what: &str) -> Outcome {
        check(holds, format!("{what}\n{}", self.text()))
    }

    fn text(&self) -> String {
        let lines: Vec<_> = self.said.lines().collect();
        let end = lines.get(lines.len().saturating_sub(60)..).unwrap_or(&[]);
        // The first lines of a failure tell what it is; the command that follows may be long.
        let is_bad = |line: &str| {
            let outcome = line.split_whitespace().nth(1);
            matches!(outcome, Some("failed" | "unreachable" | "in-doubt"))
        };
        let bad = lines.iter().enumerate().filter(|(_, line)| is_bad(line));
        let bad = bad.map(|(at, _)| lines.get(at..(at + 8).min(lines.len())).unwrap_or(&[]));
        format!(
            "{:#}\nstagger said of what went wrong:\n{}\nand at the end:\n{}",
            self.report,
            bad.map(|lines| lines.join("\n"))
                .collect::<Vec<_>>()
                .join("\n"),
            end.join("\n")
        )
    }

    /// All went as it must: nothing failed, nothing was lost, nothing was ever unsafe.
    pub(crate) fn is_clean(&self) -> Outcome {
        self.check(self.report.get("ok") == Some(&json!(true)), "not ok")?;
        self.check(
            self.report.get("stagger_exit") == Some(&json!("exit code 0")),
            "the exit code",
        )?;
        for name in ["failed_requests", "lost_writes", "invariant_breaches"] {
            self.check(self.number(name) == 0, name)?;
        }
        Ok(())
    }

    /// The longest that a server of a role was out of service, in milliseconds.
    fn longest_outage(&self, role: &str) -> u64 {
        let servers = self.report.get("servers").and_then(Value::as_array);
        let servers = servers.into_iter().flatten();
        let own = servers.filter(|server| server.get("role") == Some(&json!(role)));
        let outages = own.filter_map(|server| server.get("out_of_service_ms")?.as_u64());
        outages.max().unwrap_or(u64::MAX)
    }
}

/// Upgrades a cluster on a fleet that is up.
pub(crate) fn on(lab: &Lab, fleet: &Fleet, options: &Options) -> Result<Seen, Failure> {
    // One whole upgrade is of the program as users have it.
    let product = if options.factor < 1.0 {
        lab.product()?
    } else {
        lab.released()?
    };
    let report = lab::demo::upgrade(fleet, lab.place()?, product, options, &|_| ())?;
    let log = fleet.bastion().home().join(APPLY_LOG);
    Ok(Seen {
        report,
        said: lab::files::read_if_there(&log)?.unwrap_or_default(),
    })
}

/// Upgrades a cluster on a fleet of its own.
pub(crate) fn run(lab: &Lab, options: &Options) -> Result<Seen, Failure> {
    let fleet = lab.fleet(&options.fleet)?;
    on(lab, &fleet, options)
}

fn unscaled(lab: &Lab) -> Outcome {
    let seen = run(lab, &Options::new("test: unscaled", 3))?;
    seen.is_clean()?;
    same(seen.number("gap_requests_elsewhere"), 0, "stalls elsewhere")
}

fn five_hosts(lab: &Lab) -> Outcome {
    let mut options = variant("five hosts", 5);
    options.cluster.security = Security::Authenticated;
    options.fleet.login = Login::SudoPassword;
    run(lab, &options)?.is_clean()
}

fn resign(lab: &Lab) -> Outcome {
    let mut options = variant("resign", 3);
    options.cluster.security = Security::Tls;
    options.fleet.login = Login::Sudo;
    options.cluster.from = "3.4.8".to_owned();
    options.cluster.to = "3.5.1".to_owned();
    // Nothing has to be copied for it: three copies on three hosts are no hindrance.
    options.load.copies = 3;
    run(lab, &options)?.is_clean()
}

fn waiting(name: &str, upgrade_s: u64) -> Options {
    let mut options = variant(name, 3);
    options.cluster.leaders = "wait".to_owned();
    options.announced_gap = true;
    options.load.deadline = std::time::Duration::from_secs(PATIENCE_S);
    let switches = &mut options.cluster.switches;
    // What clients wait for are DB-Servers; the others' upgrades would only make the case longer.
    let of_dbservers = json!({"upgrade_ms": upgrade_s * 1_000});
    switches.insert("dbserver".to_owned(), of_dbservers);
    options
}

fn short_gaps(lab: &Lab) -> Outcome {
    let seen = run(lab, &waiting("short gaps", 20))?;
    seen.is_clean()?;
    seen.check(seen.number("gap_requests") > 0, "nobody waited")?;
    same(seen.number("gap_requests_elsewhere"), 0, "stalls elsewhere")?;
    let most = seen.longest_outage("dbserver") + scaled(11_000);
    seen.check(seen.number("longest_stall_ms") <= most, "the longest stall")
}

/// As the vendor's procedure has it: maintenance mode is on from the first DB-Server to the last one.
fn window(lab: &Lab) -> Outcome {
    let mut options = waiting("one window", 20);
    options.extra.push("arangodb_maintenance=window".to_owned());
    let fleet = lab.fleet(&options.fleet)?;
    let seen = on(lab, &fleet, &options)?;
    seen.is_clean()?;
    // On once and off once, whatever is asked between for the time to go on.
    let switched = Counted::of(&fleet)?.what("maintenance").count();
    let most = format!("switched {switched} times");
    seen.check((2..=5).contains(&switched), &most)?;
    // For longer than one DB-Server is away.
    let longest = seen.longest_outage("dbserver");
    seen.check(seen.number("maintenance_ms") > 3 * longest, "the window")
}

fn long_gaps(lab: &Lab) -> Outcome {
    let seen = run(lab, &waiting("long gaps", 200))?;
    for name in [
        "failed_writes",
        "failed_elsewhere",
        "gap_requests_elsewhere",
        "lost_writes",
        "invariant_breaches",
    ] {
        seen.check(seen.number(name) == 0, name)?;
    }
    seen.check(seen.number("failed_requests") > 0, "no read failed")?;
    seen.check(seen.report.get("ok") == Some(&json!(true)), "not ok")
}

/// A time of the databases in milliseconds, scaled.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "some seconds"
)]
fn scaled(ms: u64) -> u64 {
    (ms as f64 * FACTOR) as u64
}

fn three_copies(lab: &Lab) -> Outcome {
    let mut options = variant("three copies", 3);
    options.load.copies = 3;
    let fleet = lab.fleet(&options.fleet)?;
    let before = std::cell::RefCell::new(None);
    let product = lab.product()?;
    // The first thing that is told is that the cluster serves.
    let tell = |_: &str| {
        let mut before = before.borrow_mut();
        if before.is_none() {
            *before = Some(Fingerprint::of(&fleet));
        }
    };
    let report = lab::demo::upgrade(&fleet, lab.place()?, product, &options, &tell)?;
    let log = fleet.bastion().home().join(APPLY_LOG);
    let said = lab::files::read_if_there(&log)?.unwrap_or_default();
    let seen = Seen { report, said };
    seen.check(
        seen.report.get("stagger_exit") != Some(&json!("exit code 0")),
        "it went on",
    )?;
    for name in [
        "failed_requests",
        "gap_requests",
        "lost_writes",
        "maintenance_ms",
    ] {
        seen.check(seen.number(name) == 0, name)?;
    }
    let before = before
        .into_inner()
        .ok_or_else(|| Failure("no look".to_owned()))??;
    let changes = before.changes(&Fingerprint::of(&fleet)?);
    seen.check(changes.is_empty(), &format!("it touched {changes:?}"))
}

fn two_data_centres(lab: &Lab) -> Outcome {
    let mut options = variant("two data centres", 3);
    options.fleet = options.fleet.with_far_hosts();
    options.cluster.sync = true;
    options.cluster.security = Security::Authenticated;
    let seen = run(lab, &options)?;
    seen.is_clean()?;
    seen.check(
        seen.report.get("replication") == Some(&json!("running")),
        "replication",
    )?;
    seen.check(seen.number("replication_off_ms") > 0, "it never stopped")
}
