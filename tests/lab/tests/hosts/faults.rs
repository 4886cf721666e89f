//! Each fault does what it says, to the host it is meant for, and can be ended.

use std::time::Duration;

use lab::clock;
use lab::command::Command;
use lab::faults::arangodb::{Arangodb, RULES};
use lab::faults::{self, report};
use lab::fleet::{Disturbance, Fleet, Host};

use serde_json::{Value, json};

use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("faults::links_are_cut_and_hosts_parted", links),
        case(
            "faults::a_disturbed_link_is_slow_or_lossy_until_it_is_calmed",
            a_disturbed_link,
        ),
        case(
            "faults::a_power_cut_leaves_the_disk",
            a_power_cut_leaves_the_disk,
        ),
        case(
            "faults::a_frozen_host_does_nothing_until_it_thaws",
            freezing,
        ),
        case("faults::a_full_disk_is_full", a_full_disk_is_full),
        case("faults::several_befall_one_upgrade", several_befall).heavy(),
    ]
}

/// `lab faults arangodb` itself, with each change: what is tried here is drawn anew with each program, as its size is as
/// good a number as any.
fn several_befall(lab: &Lab) -> Outcome {
    let (place, product) = (lab.place()?, lab.product()?);
    let options = faults::Options {
        seed: std::fs::metadata(&product.program)?.len(),
        only: Some("kill-9".to_owned()),
        at_once: 1,
        most: 5,
        upgrades: 1,
        // The machine is busy with other cases, and clients would wait for it.
        rate: 0,
        ..faults::Options::default()
    };
    let figures = (options.factor, options.rate);
    let make = |harming| Arangodb::up(place, product, figures, harming);
    let totals = faults::run(&RULES, &options, &make, &|_| ())?;
    let told = format!("seed {}\n{}", options.seed, report::summary(&totals));
    let number = |name: &str| totals.get(name).and_then(Value::as_u64);
    same(totals.get("ok"), Some(&json!(true)), &told)?;
    check(number("cases") > Some(0), format!("no case: {told}"))?;
    check(
        number("not_run") > Some(30),
        format!("what is left is not counted: {told}"),
    )
}

/// Tells whether a program on one end can talk to sshd on the other within two seconds.
fn reaches(command: Command, to: &Host) -> Result<bool, Failure> {
    // The greeting must arrive: a connection alone is the kernel's work.
    let script = format!(
        "exec 3<>/dev/tcp/{}/22 && read -t 2 -u 3 line && test \"${{line#SSH-}}\" != \"$line\"",
        to.address()
    );
    let talk = Command::line("timeout 3 bash -c").arg(script);
    Ok(talk.under(command).output()?.is_ok())
}

fn from_bastion(fleet: &Fleet) -> Command {
    fleet.bastion().command(Command::line("env"))
}

fn from_host(host: &Host) -> Result<Command, Failure> {
    Ok(host.inside("exec \"$@\"")?.arg("sh"))
}

/// Looks who can talk: bastion to node1, bastion to node2, node1 to node2, node2 to node1.
///
/// A link that is there may be slow on a busy machine, and is tried for a while; one greeting over a link that is cut
/// is one too many.
fn talks(fleet: &Fleet, wanted: [bool; 4], when: &str) -> Outcome {
    let (one, two) = (fleet.host("node1")?, fleet.host("node2")?);
    let ways = [
        (from_bastion(fleet), one),
        (from_bastion(fleet), two),
        (from_host(one)?, two),
        (from_host(two)?, one),
    ];
    let mut seen = [false; 4];
    for ((seen, wanted), (from, to)) in seen.iter_mut().zip(wanted).zip(ways) {
        let last = clock::now() + Duration::from_secs(20);
        *seen = reaches(from.clone(), to)?;
        while wanted && !*seen && clock::now() < last {
            *seen = reaches(from.clone(), to)?;
        }
    }
    same(seen, wanted, when)
}

fn links(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("links", 2)?;
    let (one, two) = (fleet.host("node1")?, fleet.host("node2")?);
    fleet.bastion().make_clients()?;
    let whole = [true; 4];
    talks(&fleet, whole, "at first")?;
    one.cut_link()?;
    talks(&fleet, [false, true, false, false], "node1 is cut off")?;
    one.restore_link()?;
    talks(&fleet, whole, "node1 is back")?;
    one.part_from(two)?;
    talks(&fleet, [true, true, false, false], "the hosts are parted")?;
    one.rejoin(two)?;
    talks(&fleet, whole, "the hosts are joined")?;
    one.part_from_bastion()?;
    talks(&fleet, [false, true, true, true], "the bastion lost node1")?;
    let clients = fleet.bastion().beside(Command::line("env"));
    check(reaches(clients, one)?, "clients lost node1 as well")?;
    one.rejoin_bastion()?;
    talks(&fleet, whole, "the bastion is back")?;
    Ok(())
}

fn a_disturbed_link(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("disturbed link", 2)?;
    let (one, two) = (fleet.host("node1")?, fleet.host("node2")?);
    one.must("setsid python3 -m http.server 80 --directory /usr/lib >/dev/null 2>&1 &")?;
    let time_to = |host: &Host, other: &str| -> Result<Duration, Failure> {
        // The best of three: a busy machine must not look like a slow link.
        let ask = format!(
            "curl -s -o /dev/null -w '%{{time_connect}}\\n' --retry 5 \
                           --retry-connrefused http://{other}/"
        );
        let said = host.must(&format!("{ask}; {ask}; {ask}"))?;
        let times = said.lines().filter_map(|line| line.parse::<f64>().ok());
        Ok(Duration::from_secs_f64(times.fold(f64::MAX, f64::min)))
    };
    let delay = Duration::from_millis(40);
    let usual = time_to(two, "node1")?;
    check(usual < delay, format!("a connect took {usual:?} at first"))?;
    let slow = Disturbance {
        delay,
        jitter: Duration::ZERO,
        loss_percent: 0,
    };
    one.disturb_link(slow)?;
    let there_and_back = time_to(two, "node1")?;
    let wanted = delay * 2..delay * 4;
    check(
        wanted.contains(&there_and_back),
        format!("with delay {there_and_back:?}"),
    )?;
    // Bulk gets through whole, too.
    let copy = "curl -s http://node1/x86_64-linux-gnu/libc.so.6 | sha256sum";
    let whole = one.must("sha256sum </usr/lib/x86_64-linux-gnu/libc.so.6")?;
    same(two.must(copy)?, whole, "what came over the slow link")?;
    one.disturb_link(Disturbance {
        loss_percent: 100,
        ..slow
    })?;
    check(
        !reaches(from_host(two)?, one)?,
        "all is lost and something arrived",
    )?;
    one.calm_link()?;
    let calm = time_to(two, "node1")?;
    check(calm < delay, format!("a connect still takes {calm:?}"))
}

fn a_power_cut_leaves_the_disk(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("power cut", 2)?;
    let (one, two) = (fleet.host("node1")?, fleet.host("node2")?);
    let ids = "cat /etc/machine-id /proc/sys/kernel/random/boot_id";
    let before = one.must(ids)?;
    one.must("echo kept >/root/kept; echo gone >/run/gone; setsid sleep 1003 >/dev/null 2>&1 &")?;
    one.power_cut()?;
    same(one.is_on()?, false, "processes of a host without power")?;
    check(two.ssh("true")?.is_ok(), "the other host lost power too")?;
    check(one.run("true").is_err(), "a host without power was entered")?;
    one.power_back()?;
    let after = one.must(ids)?;
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    same(before.first(), after.first(), "machine-id")?;
    check(before.get(1) != after.get(1), "the boot_id is the same")?;
    same(
        one.read("/root/kept")?.as_deref(),
        Some("kept\n"),
        "on the disk",
    )?;
    same(one.read("/run/gone")?, None, "in the memory")?;
    check(
        !one.run("pgrep -f '[s]leep 1003'")?.is_ok(),
        "a process lived on",
    )?;
    check(one.ssh("true")?.is_ok(), "no ssh after the power is back")
}

fn freezing(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("freezing", 2)?;
    let (one, two) = (fleet.host("node1")?, fleet.host("node2")?);
    one.must(
        "setsid sh -c 'while :; do date +%s%N >/run/tick; sleep 0.05; done' >/dev/null 2>&1 &",
    )?;
    clock::pause(Duration::from_millis(200));
    one.freeze()?;
    let tick = |host: &Host| -> Result<String, Failure> {
        // A frozen host cannot be entered: its memory is looked at through its processes.
        let pids = host.processes()?;
        let mut views = pids.iter().map(|pid| format!("/proc/{pid}/root/run/tick"));
        let tick = views.find_map(|view| lab::files::read(view.as_ref()).ok());
        tick.ok_or_else(|| Failure("no tick to be seen".to_owned()))
    };
    let then = tick(one)?;
    check(
        !reaches(from_bastion(&fleet), one)?,
        "a frozen host answers",
    )?;
    check(
        reaches(from_bastion(&fleet), two)?,
        "the other host is frozen too",
    )?;
    same(tick(one)?, then.clone(), "the tick of a frozen host")?;
    one.thaw()?;
    clock::pause(Duration::from_millis(500));
    check(tick(one)? != then, "the host did not go on")?;
    check(one.ssh("true")?.is_ok(), "no ssh after the thaw")
}

fn a_full_disk_is_full(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("full disk", 1)?;
    let host = fleet.host("node1")?;
    host.must("mkdir -p /var/lib/thing/in; chmod 750 /var/lib/thing; echo a >/var/lib/thing/in/a")?;
    host.small_disk("/var/lib/thing", 4 << 20)?;
    same(
        host.read("/var/lib/thing/in/a")?.as_deref(),
        Some("a\n"),
        "what was there",
    )?;
    same(
        host.must("stat -c %a /var/lib/thing")?.as_str(),
        "750\n",
        "its mode",
    )?;
    host.fill_disk("/var/lib/thing")?;
    let write = host.ssh("echo b >/var/lib/thing/in/b")?;
    check(!write.is_ok(), "a full disk took more")?;
    check(
        write.err.contains("No space left"),
        format!("it said {}", write.err),
    )?;
    check(
        host.ssh("echo b >/var/lib/b")?.is_ok(),
        "the whole host is full",
    )?;
    host.free_disk("/var/lib/thing")?;
    check(
        host.ssh("echo b >/var/lib/thing/in/b")?.is_ok(),
        "it is still full",
    )
}
