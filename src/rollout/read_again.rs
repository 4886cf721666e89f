//! What earlier parts of a run read and could not store: minted tokens, results of `no_log`. It is read again before the
//! run goes on.
//!
//! Only what changes nothing is asked again, and nothing is written down of the asking. What cannot be read again stays
//! away: who needs it fails, with the reason; nobody else does.

use std::sync::Arc;

use crate::inventory::HostName;
use crate::modules::spec::Safety;
use crate::playbook::{Action, Playbook};

use super::engine::Engine;
use super::find_task::find_task;
use super::ledger::Entry;
use super::place::Place;
use super::play_run::PlayRun;
use super::previously::Volatile;

impl Engine {
    /// Reads again what held secrets that are stored nowhere, in the order in which it was read first.
    pub(super) fn read_again(&self, playbook: &Playbook) {
        let seal = &*self.outside.seal;
        let answers = Arc::clone(&self.answers);
        let nowhere = PlayRun::new(String::new(), None, Vec::new(), Vec::new(), answers);
        let mut rest = self.outside.previously.volatile(seal);
        while let Some(first) = rest.first() {
            // What one task read on several hosts is read on all of them at once.
            let task = first.step.task.clone();
            let count = rest.iter().take_while(|one| one.step.task == task).count();
            let of_task: Vec<Volatile> = rest.drain(..count).collect();
            let place = Place::of(&nowhere, "read again");
            for done in self.each(&place, of_task, usize::MAX, |volatile| {
                let failed = self.read_one(playbook, &volatile).err();
                failed.map(|reason| (volatile, reason))
            }) {
                match done {
                    Ok(None) => {}
                    Ok(Some((volatile, reason))) => self.warn(
                        format!(
                            "`{}` held a secret that is stored nowhere, and it is not read again: {reason}",
                            volatile.name
                        ),
                        Some(&volatile.step.host),
                    ),
                    Err(panic) => self.broke(&panic),
                }
            }
        }
    }

    fn read_one(&self, playbook: &Playbook, volatile: &Volatile) -> Result<(), String> {
        let step = &volatile.step;
        let task = find_task(playbook, &step.task)
            .ok_or("its task is in a file whose name is only known when it is included")?;
        if !matches!(&task.action, Action::Module { spec, .. } if spec.safety == Safety::ReadOnly) {
            return Err(format!("`{}` may change something", task.action.name()));
        }
        if task.r#loop.is_some() {
            return Err("its task is a loop".to_owned());
        }
        let names = |names: &[String]| names.iter().map(|name| HostName::new(name)).collect();
        let owners: Vec<HostName> = names(&volatile.hosts);
        let play = self.play_again(playbook, &step.play, &owners)?;
        let mut place = Place::of(&play, "read again");
        place.batch = step.batch;
        place.way_out = true;
        place.turn = self.fresh_turn();
        let stop = self.stop_at(&place);
        let mut asked = vec![HostName::new(&step.host)];
        // What was asked once for all can be asked from any of them.
        asked.extend(
            owners
                .iter()
                .filter(|host| host.as_str() != step.host)
                .cloned(),
        );
        let mut reason = String::new();
        for host in asked {
            match self.probe(&place, &task, &host, &self.sessions, &stop) {
                Ok(result) => {
                    let record =
                        self.set_registered(&owners, &volatile.name, &result, step.clone());
                    drop(self.ledger.write(Entry::record(record)));
                    return Ok(());
                }
                Err(why) => reason = why,
            }
        }
        Err(reason)
    }
}
