//! What is done to an upgrade, and how it ends by itself.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Open, Part, Upgrade};
use crate::clock;
use crate::command::{Exit, Running};
use crate::faults::case::Case;
use crate::faults::classes::Act;
use crate::faults::follow::Step;
use crate::faults::pool::Pair;
use crate::faults::scene::Scene;
use crate::faults::{Error, judge};
use crate::files;
use crate::sim::time;

/// How long a second operator may take to be refused.
const SECOND_LIMIT: Duration = Duration::from_mins(2);
/// Between two times that Ctrl-C is pressed.
const PRESS: Duration = Duration::from_millis(400);

impl<S: Scene> Upgrade<'_, S> {
    /// Lets a fault strike at a step, if there is one for it; `key` is what the undisturbed upgrade calls the step.
    pub(super) fn strike(
        &mut self,
        part: &Part,
        step: &Step,
        position: usize,
        key: &str,
    ) -> Result<(), Error> {
        let is_late = self.shared.until.is_some_and(|until| clock::now() >= until);
        if is_late || self.struck >= self.shared.most {
            return Ok(());
        }
        let mut pool = judge::locked(self.shared.pool);
        if !pool.may_strike(key, self.number, self.harming, self.shared.most) {
            return Ok(());
        }
        let pair = pool.take(key, self.harming);
        drop(pool);
        let Some(pair) = pair else { return Ok(()) };
        self.struck += 1;
        let class = pair.class;
        let mut case = Case::of(&pair, self.number, &step.host);
        case.strands = class.strands && self.scene.is_exposed()?;
        self.open = Some(Open {
            case,
            class,
            host: step.host.clone(),
            position,
            part: part.number,
            lift_at: None,
            second: None,
            edited: None,
            began: clock::now(),
        });
        self.act(part, &pair, &step.host)
    }

    fn act(&mut self, part: &Part, pair: &Pair, host: &str) -> Result<(), Error> {
        let class = pair.class;
        let mut lift_at = None;
        match class.act {
            Act::Kill => kill(&part.running),
            Act::KillAndEdit => {
                kill(&part.running);
                self.edit(pair)?;
            }
            Act::LoseBastion => {
                kill(&part.running);
                self.scene.lose_bastion()?;
            }
            Act::Interrupt(times) => {
                for press in 0..times {
                    if press > 0 {
                        clock::pause(PRESS);
                    }
                    part.running.signal(Signal::INT);
                }
            }
            Act::HangUp => part.running.signal(Signal::HUP),
            Act::SecondOperator => {
                let second = self.scene.second().start()?;
                if let Some(open) = &mut self.open {
                    open.second = Some(second);
                }
            }
            Act::Mishap(mishap) => {
                self.scene.befall(mishap, host)?;
                lift_at = Some(clock::now() + self.scene.scaled(class.lifted_after));
            }
        }
        if let Some(open) = &mut self.open {
            open.lift_at = lift_at;
        }
        Ok(())
    }

    /// Changes the file of the task that was struck, so that what is read from it again fails.
    fn edit(&mut self, pair: &Pair) -> Result<(), Error> {
        let name = pair.task.place.split(':').next().unwrap_or_default();
        let path = self.scene.file(name);
        let Some(text) = files::read_if_there(&path)? else {
            return Ok(());
        };
        let more = "\n- name: somebody has edited this meanwhile\n  fail: { msg: edited }\n";
        files::write(&path, format!("{text}{more}"), 0o644)?;
        if let Some(open) = &mut self.open {
            open.edited = Some((path, text));
        }
        Ok(())
    }

    pub(super) fn restore(&mut self) -> Result<(), Error> {
        let edited = self.open.as_mut().and_then(|open| open.edited.take());
        if let Some((path, text)) = edited {
            files::write(&path, text, 0o644)?;
        }
        Ok(())
    }

    pub(super) fn lift(&mut self) -> Result<(), Error> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if let (Some(_), Act::Mishap(mishap)) = (open.lift_at.take(), open.class.act) {
            self.scene.lift(mishap, &open.host)?;
            open.case.lasted_unix_ms.1 = time::unix_ms();
        }
        Ok(())
    }

    /// Looks whether the second operator was refused.
    pub(super) fn wait_for_second(&mut self) -> Result<(), Error> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let Some(second) = &mut open.second else {
            return Ok(());
        };
        let late = open.began.elapsed() > SECOND_LIMIT;
        let ended = second.ended()?;
        if late {
            second.signal(Signal::KILL);
            open.case
                .fail("the second operator was not refused in time");
        }
        if ended == Some(Exit::Code(0)) {
            open.case.fail("the second operator was let in");
        }
        if late || ended.is_some() {
            open.second = None;
        }
        Ok(())
    }
}

/// Kills a program and nothing that it has started.
fn kill(running: &Running) {
    let pid = i32::try_from(running.pid()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile.
        kill_process(pid, Signal::KILL).ok();
    }
}
