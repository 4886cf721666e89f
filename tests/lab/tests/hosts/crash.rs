//! A lab that is killed or interrupted, and several that want the same thing at once.

use std::path::Path;
use std::time::Duration;

use lab::clock::{self, Look};
use lab::command::{Command, Exit, Running};
use lab::fleet::{Error, Fleet, once};
use rustix::process::Signal;

use crate::boot::Traces;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "crash::the_next_fleet_takes_a_killed_one_down",
            a_killed_lab,
        ),
        case(
            "crash::an_interrupted_lab_takes_its_fleet_down",
            an_interrupted_lab,
        ),
        case(
            "crash::a_kept_fleet_outlives_its_maker",
            a_kept_fleet_outlives_its_maker,
        ),
        case("crash::a_directory_is_made_once", a_directory_is_made_once),
        case(
            "crash::a_half_made_directory_is_made_again",
            a_half_made_directory_is_made_again,
        ),
    ]
}

/// Starts `lab up hosts` and waits until its hosts have processes and it is not done yet.
fn half_up(lab: &Lab, mark: &str) -> Result<(Running, Traces), Failure> {
    // The package is one that every host has: it only marks the fleet as this case's own.
    let up = lab
        .command()?
        .args(["up", "hosts", "--hosts", "2", "--package", mark]);
    let mut running = up.start()?;
    let found = clock::wait(Duration::from_mins(5), || {
        if running.ended()?.is_some() {
            return Ok::<_, Error>(Look::Done(None));
        }
        let records = lab.place().map_err(|f| Error::Unknown(f.0))?.records()?;
        let own = records.iter().find(|record| {
            let maker = record.owner.process.map(|process| process.pid);
            maker == Some(running.pid())
        });
        let Some(own) = own else {
            return Ok(Look::NotYet("no fleet".to_owned()));
        };
        let place = lab.place().map_err(|f| Error::Unknown(f.0))?;
        let fleet = Fleet::attach(place, &own.name)?;
        for host in fleet.hosts() {
            if !host.is_on()? {
                return Ok(Look::NotYet("a host is off".to_owned()));
            }
        }
        Ok(Look::Done(Some(Traces::of(&fleet)?)))
    })?;
    match found {
        Ok(Some(traces)) => Ok((running, traces)),
        Ok(None) => Err(Failure(format!("it ended too early: {:?}", running.said()))),
        Err(seen) => Err(Failure(format!("it never came up: {seen}"))),
    }
}

fn a_killed_lab(lab: &Lab) -> Outcome {
    let (mut running, traces) = half_up(lab, "sudo")?;
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(5))?;
    check(!traces.left()?.is_empty(), "nothing was left to take down")?;
    let _next = lab.hosts("after a crash", 1)?;
    // The next one may have the name of the one before: only the processes tell.
    same(traces.processes_left(), Vec::new(), "left")
}

fn an_interrupted_lab(lab: &Lab) -> Outcome {
    let (mut running, traces) = half_up(lab, "curl")?;
    // Nobody presses it only once.
    for _ in 0..20 {
        running.signal(Signal::INT);
        clock::pause(Duration::from_millis(5));
    }
    let exit = running.wait(Duration::from_mins(1))?;
    same(
        exit,
        Exit::Code(130),
        &format!("exit, {:?}", running.said()),
    )?;
    same(traces.processes_left(), Vec::new(), "left")?;
    let mine = lab.place()?.records()?.into_iter().find(|record| {
        let maker = record.owner.process.map(|process| process.pid);
        maker == Some(running.pid())
    });
    check(mine.is_none(), "its fleet is still written down")
}

fn a_kept_fleet_outlives_its_maker(lab: &Lab) -> Outcome {
    let up = lab
        .command()?
        .args(["up", "hosts", "--hosts", "1", "--sudo"]);
    let said = up.within(Duration::from_mins(5)).run()?;
    let name = said.split_whitespace().nth(1).unwrap_or_default();
    let name = name.trim_end_matches(',').to_owned();
    let _other = lab.hosts("beside a kept fleet", 1)?;
    let whoami = format!("{name}/node1");
    let ssh = lab.command()?.args(["ssh", &whoami, "--", "whoami"]);
    same(ssh.run()?.as_str(), "ops\n", "user on the kept host")?;
    let status = lab.command()?.args(["status"]).run()?;
    check(
        status.contains(&format!("{name} (up hosts)")),
        format!("status: {status}"),
    )?;
    lab.command()?.args(["down", &name]).run()?;
    check(!lab.place()?.fleet(&name).exists(), "it is still there")
}

/// A program that takes its time, counts itself, and hangs if it is told to.
const MAKE: &str = "echo run >>\"$1/count\"; cut -d' ' -f5 /proc/$$/stat >\"$1/group\"; \
                    echo half >\"$2/half\"; while [ -e \"$1/hang\" ]; do sleep 0.1; done; \
                    sleep 0.3; echo whole >\"$2/whole\"";

fn make_once(place: &Path) -> Result<(), Error> {
    let program = Command::line("sh -c").arg(MAKE).arg("make").arg(place);
    once(&place.join("made"), program)
}

fn a_directory_is_made_once(lab: &Lab) -> Outcome {
    lab.place()?;
    let scratch = tempfile::tempdir()?;
    std::thread::scope(|scope| {
        let ask = || scope.spawn(|| make_once(scratch.path()));
        let asked: Vec<_> = (0..5).map(|_| ask()).collect();
        asked.into_iter().try_for_each(joined)
    })?;
    let runs = lab::files::read(&scratch.path().join("count"))?;
    same(runs.lines().count(), 1, "runs")?;
    let whole = scratch.path().join("made/whole").exists();
    check(whole, "it is not whole")
}

/// One that is killed half-way leaves nothing that the next one could take for whole.
fn a_half_made_directory_is_made_again(lab: &Lab) -> Outcome {
    lab.place()?;
    let scratch = tempfile::tempdir()?;
    let inside = |name: &str| scratch.path().join(name);
    lab::files::write(&inside("hang"), "", 0o644)?;
    let killed = std::thread::scope(|scope| {
        let asked = scope.spawn(|| make_once(scratch.path()));
        let begun = clock::wait(Duration::from_secs(10), || {
            Ok::<_, Error>(if inside("made.making/half").exists() {
                Look::Done(())
            } else {
                Look::NotYet("nothing is half made".to_owned())
            })
        })?;
        // All that takes part in it at once, as a machine's end would.
        let group = lab::files::read(&inside("group"))?;
        Command::line("kill -9 --")
            .arg(format!("-{}", group.trim()))
            .run()?;
        begun.map_err(Failure)?;
        Ok::<_, Failure>(joined(asked))
    })?;
    check(killed.is_err(), "a maker that was killed has made it")?;
    check(!inside("made").exists(), "half of it has the final name")?;
    check(inside("made.making/half").exists(), "nothing was half made")?;
    lab::files::remove(&inside("hang"))?;
    make_once(scratch.path())?;
    check(inside("made/whole").exists(), "it was not made again")
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    let joined = thread.join();
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
