//! The play of 13 tasks on real hosts, by the product and by hand.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::profile::Profile;
use super::{Error, median};
use crate::clock;
use crate::command::Command;
use crate::files;
use crate::fleet::{Fleet, Host, Login};
use crate::product::Product;

/// The files of the play, as they lie beside the lab's source.
const FILES: [(&str, &str); 5] = [
    ("serial.yml", include_str!("../../bench/serial.yml")),
    ("parallel.yml", include_str!("../../bench/parallel.yml")),
    ("tasks.yml", include_str!("../../bench/tasks.yml")),
    (
        "templates/unit.j2",
        include_str!("../../bench/templates/unit.j2"),
    ),
    ("floor.sh", include_str!("../../bench/floor.sh")),
];
/// Where the product writes its events.
const EVENTS: &str = "events.ndjson";
/// No way of doing it takes a tenth of this.
const LIMIT: Duration = Duration::from_mins(10);

/// How many hosts are worked on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One host after another.
    Serial,
    /// All at once.
    Parallel,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The script, one `ssh` a host.
    Floor,
    /// The product.
    Stagger,
}

/// The play on a fleet.
#[derive(Debug)]
pub struct Bench<'a> {
    fleet: &'a Fleet,
    product: &'a Product,
    directory: PathBuf,
}

impl<'a> Bench<'a> {
    /// Puts the play and an inventory on the bastion of a fleet.
    pub fn new(fleet: &'a Fleet, product: &'a Product) -> Result<Self, Error> {
        let directory = fleet.bastion().home().join("bench");
        for (name, text) in FILES {
            files::write(&directory.join(name), text, 0o644)?;
        }
        let hosts = fleet.hosts().iter();
        let hosts = hosts.map(|host| format!("    {}: {{}}\n", host.name()));
        let user = fleet.options().login.user();
        let inventory = format!(
            "all:\n  vars: {{ansible_user: {user}}}\n  hosts:\n{}",
            hosts.collect::<Vec<_>>().concat()
        );
        files::write(&directory.join("inventory.yml"), inventory, 0o644)?;
        debug_assert!(
            fleet.options().login == Login::Root,
            "the floor has no sudo"
        );
        Ok(Self {
            fleet,
            product,
            directory,
        })
    }

    /// Runs each way in each mode so many times, interleaved, and returns the figures.
    pub fn rounds(&self, rounds: usize, tell: &dyn Fn(&str)) -> Result<Value, Error> {
        let kinds = [
            (Mode::Serial, Way::Floor, "floor_serial"),
            (Mode::Serial, Way::Stagger, "stagger_serial"),
            (Mode::Parallel, Way::Floor, "floor_parallel"),
            (Mode::Parallel, Way::Stagger, "stagger_parallel"),
        ];
        let mut times = [const { Vec::new() }; 4];
        let mut profiles = [Profile::default(), Profile::default()];
        for round in 1..=rounds {
            for ((mode, way, name), times) in kinds.iter().zip(&mut times) {
                let time = self.one(*way, *mode)?;
                tell(&format!(
                    "round {round} of {rounds}: {name} {:.2} s",
                    time.as_secs_f64()
                ));
                times.push(time);
                if *way == Way::Stagger {
                    let [serial, parallel] = &mut profiles;
                    let profile = match mode {
                        Mode::Serial => serial,
                        Mode::Parallel => parallel,
                    };
                    profile.add(&files::read(&self.directory.join(EVENTS))?)?;
                }
            }
        }
        let mut report = serde_json::Map::new();
        let mut medians = [0.0; 4];
        for (((_, _, name), times), middle) in kinds.iter().zip(&mut times).zip(&mut medians) {
            let seconds: Vec<_> = times.iter().map(Duration::as_secs_f64).collect();
            *middle = median(times).as_secs_f64();
            report.insert(format!("{name}_s"), json!(*middle));
            report.insert(format!("{name}_all_s"), json!(seconds));
        }
        let [floor_serial, serial, floor_parallel, parallel] = medians;
        report.insert("serial_ratio".to_owned(), json!(serial / floor_serial));
        report.insert(
            "parallel_ratio".to_owned(),
            json!(parallel / floor_parallel),
        );
        let [serial, parallel] = profiles;
        report.insert(
            "profile".to_owned(),
            json!({"serial": serial.json(), "parallel": parallel.json()}),
        );
        Ok(Value::Object(report))
    }

    /// Does it once from the same beginning, and looks whether all was done.
    pub fn one(&self, way: Way, mode: Mode) -> Result<Duration, Error> {
        self.fleet.on_all(begin_anew)?;
        let begin = clock::now();
        match way {
            Way::Floor => self.floor(mode)?,
            Way::Stagger => self.stagger(mode)?,
        }
        let took = begin.elapsed();
        let what = format!("{way:?}, {mode:?}");
        self.fleet.on_all(|host| verify(host, &what))?;
        Ok(took)
    }

    fn stagger(&self, mode: Mode) -> Result<(), Error> {
        let playbook = match mode {
            Mode::Serial => "serial.yml",
            Mode::Parallel => "parallel.yml",
        };
        let forks = self.fleet.hosts().len().to_string();
        let apply = Command::new(&self.product.program)
            .args(["apply", playbook, "--inventory", "inventory.yml"])
            .args(["--forks", &forks, "--state", "state", "--events", EVENTS]);
        files::remove(&self.directory.join(EVENTS))?;
        let apply = self.fleet.bastion().command(apply);
        apply.directory(&self.directory).within(LIMIT).run()?;
        Ok(())
    }

    fn floor(&self, mode: Mode) -> Result<(), Error> {
        let script = match mode {
            Mode::Serial => {
                "for h; do ssh -F ../.ssh/config \"$h\" bash -s <floor.sh || exit 1; done"
            }
            Mode::Parallel => {
                "for h; do ssh -F ../.ssh/config \"$h\" bash -s <floor.sh & p=\"$p $!\"; done; \
                 for p in $p; do wait \"$p\" || exit 1; done"
            }
        };
        let hosts = self.fleet.hosts().iter().map(Host::name);
        let floor = Command::line("sh -c").args([script, "floor"]).args(hosts);
        let floor = self.fleet.bastion().command(floor);
        floor.directory(&self.directory).within(LIMIT).run()?;
        Ok(())
    }
}

/// Takes away what an earlier run has left.
fn begin_anew(host: &Host) -> Result<(), Error> {
    host.must(
        "systemctl stop demo 2>/dev/null; rm -f /etc/systemd/system/demo.service /tmp/pids; \
         systemctl daemon-reload; systemctl reset-failed",
    )?;
    Ok(())
}

/// Looks whether a host is as the play and the floor alike leave it.
fn verify(host: &Host, what: &str) -> Result<(), Error> {
    let shown = host.must(
        "systemctl show --value -p ActiveState -p Restart -p NeedDaemonReload demo; \
         curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8080/; \
         p=$(systemctl show --value -p MainPID demo); \
         if grep -qx \"$p\" /tmp/pids; then echo its pid; else cat /tmp/pids; fi; \
         sha256sum </etc/systemd/system/demo.service",
    )?;
    let unit = format!(
        "[Unit]\nDescription=Demo {}\n[Service]\n\
         ExecStart=/usr/bin/python3 -m http.server 8080 --bind 127.0.0.1\n\
         Restart=on-failure\n[Install]\nWantedBy=multi-user.target\n",
        host.name()
    );
    let digest = Command::new("sha256sum").input(unit).run()?;
    let mut found: Vec<_> = shown.lines().collect();
    found.sort_unstable();
    let mut wanted = vec![
        "on-failure",
        "active",
        "no",
        "200",
        "its pid",
        digest.trim(),
    ];
    wanted.sort_unstable();
    if found == wanted {
        return Ok(());
    }
    Err(Error::WrongState {
        what: what.to_owned(),
        host: host.name().to_owned(),
        found: shown,
    })
}
