//! What is done once the program has ended before the end of the run: it is judged, and then an operator types what the
//! class says, or what the program has told him to.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Open, Part, Start, Upgrade};
use crate::clock;
use crate::command::{Command, Exit};
use crate::faults::classes::Way;
use crate::faults::scene::Scene;
use crate::faults::{Error, judge};

/// How long after a stop that nobody asked for the run is resumed, or after one that a resumed run comes to.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a run is resumed for one fault before it is given up.
const MOST_RESUMES: usize = 4;
/// What a program says that knows servers to be stranded, before the host's name.
const STRANDED: &str = "--upgrade-stranded ";
/// How long anything that is typed beside may take.
const TYPED_LIMIT: Duration = Duration::from_mins(10);

impl<S: Scene> Upgrade<'_, S> {
    /// Judges a program that has ended before the end of the run; tells how the upgrade is taken up, if it is.
    pub(super) fn stopped(&mut self, part: &Part, exit: Exit) -> Result<Option<Start>, Error> {
        let (out, err) = part.running.said();
        let mut why = part.said.join("; ");
        if why.is_empty() {
            why = judge::end_of(&out, &err);
        }
        if self.open.is_none() {
            // Nothing is open: the fault before it is what it comes of.
            self.reopen(part.number);
        }
        let told = judge::told(self.scene, exit)?;
        let Some(open) = &mut self.open else {
            self.ended.judged.stuck.push(format!("{exit}: {why}"));
            return Ok(None);
        };
        let place = &open.case.task.place;
        let untold = told
            .iter()
            .map(|off| format!("{} at {place}: {off}", open.class.name));
        self.ended.judged.leftovers.extend(untold);
        open.case.stop(exit, &why);
        let is_first = open.case.stops.len() == 1;
        if open.case.stops.len() > MOST_RESUMES {
            self.settle();
            return Ok(None);
        }
        let way = if is_first {
            open.class.way
        } else {
            Way::Resume
        };
        self.wait(is_first, way)?;
        self.take_up(way, &why)
    }

    /// Lets the time pass after which the operator is there, and what is to be over by then be over.
    fn wait(&mut self, is_first: bool, way: Way) -> Result<(), Error> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let class = open.class;
        if let Some(at) = open.lift_at.filter(|_| way != Way::Forgive) {
            // Nobody resumes before the cause is gone.
            clock::pause(at.saturating_duration_since(clock::now()));
            self.lift()?;
        }
        if is_first && class.act.stops() {
            clock::pause(self.scene.scaled(class.resumed_after));
        } else {
            clock::pause(AGAIN);
        }
        if is_first && class.lapses {
            self.scene.lapse()?;
        }
        Ok(())
    }

    /// Types what goes before the upgrade is taken up.
    fn take_up(&mut self, way: Way, why: &str) -> Result<Option<Start>, Error> {
        match way {
            Way::Resume => {
                for host in stranded(why) {
                    let unstrand = self.scene.unstrand(&host);
                    if !self.types("recover --upgrade-stranded", unstrand)? {
                        self.settle();
                        return Ok(None);
                    }
                }
                Ok(Some(Start::Resume))
            }
            Way::FromHosts => {
                for _ in 0..MOST_RESUMES {
                    let recover = self.scene.recover_from_hosts();
                    let done = recover.within(TYPED_LIMIT).output()?;
                    if done.is_ok() {
                        return Ok(Some(Start::Apply));
                    }
                    // What the lost run began may go on still, and nothing is put back before it has ended.
                    self.note("recover --from-hosts", done.exit, &done.out, &done.err);
                    clock::pause(AGAIN * 5);
                }
                self.settle();
                Ok(None)
            }
            Way::Forgive => {
                let host = self.open.as_ref().map(|open| open.host.clone());
                let forgive = self.scene.forgive(&host.unwrap_or_default());
                let is_done = self.types("recover --forgive", forgive)?;
                if is_done {
                    let left = self.scene.off_elsewhere()?;
                    let left = left.into_iter();
                    let left = left.map(|off| format!("recover --forgive left {}", off.what));
                    self.ended.judged.leftovers.extend(left);
                }
                // One is there in its place, with the same disk.
                self.lift()?;
                if !is_done {
                    self.settle();
                }
                Ok(is_done.then_some(Start::Apply))
            }
        }
    }

    /// Types something that only the operator can know to be right; tells whether it went well.
    fn types(&mut self, what: &str, command: Command) -> Result<bool, Error> {
        let done = command.within(TYPED_LIMIT).output()?;
        self.note(what, done.exit, &done.out, &done.err);
        Ok(done.is_ok())
    }

    /// Notes what the operator had to type more than a class says, and how it ended.
    fn note(&mut self, what: &str, exit: Exit, out: &str, err: &str) {
        if let Some(open) = &mut self.open {
            let said = match exit {
                Exit::Code(0) => String::new(),
                Exit::Code(_) | Exit::Signal(_) => judge::end_of(out, err),
            };
            open.case.stop(exit, &format!("{what}: {said}"));
        }
    }

    fn reopen(&mut self, part: usize) {
        let Some(case) = self.ended.cases.pop() else {
            return;
        };
        self.open = Some(Open {
            class: case.class,
            host: case.host.clone(),
            // Whatever comes next is past it.
            position: 0,
            part: part.saturating_sub(1),
            lift_at: None,
            second: None,
            edited: None,
            began: clock::now(),
            case,
        });
    }
}

/// Returns the hosts that a program says are to be helped before it can go on.
fn stranded(why: &str) -> BTreeSet<String> {
    let named = why.split(STRANDED).skip(1);
    let hosts = named.map(|rest| {
        let is_of_name = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
        rest.chars()
            .skip_while(|letter| letter.is_whitespace())
            .take_while(is_of_name)
            .collect::<String>()
    });
    hosts
        .filter(|host| !host.is_empty() && host != "HOST")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_be_helped_is_read_from_what_is_said() {
        let why = "Stranded on node2: agent. Type: stagger recover --upgrade-stranded node2; then: stagger resume; \
                   Type: stagger recover --upgrade-stranded node3.";
        let hosts = stranded(why);
        assert_eq!(hosts.into_iter().collect::<Vec<_>>(), ["node2", "node3"]);
        assert!(stranded("What helps: stagger recover --upgrade-stranded HOST").is_empty());
        assert!(stranded("x failed: y").is_empty());
    }
}
