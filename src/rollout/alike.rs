//! The same error on many hosts at once: what fails alike on the first hosts of a task is not tried on all others.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::inventory::HostName;
use crate::modules::spec::Safety;
use crate::playbook::OnFailure;

use super::ended::{Ended, in_short};
use super::engine::Engine;
use super::host_work::HostReport;
use super::place::{LEAVE, Left};
use super::step::TaskRun;

/// So many hosts with one error are no accident.
const MANY: usize = 3;

/// How the hosts of one task have fared.
#[derive(Debug, Default)]
struct Tally {
    good: usize,
    bad: BTreeMap<String, usize>,
}

impl Tally {
    /// Returns the error that most hosts had, if they are many and more than those that were well.
    fn breaks(&self) -> Option<(&str, usize)> {
        let most = self.bad.iter().max_by_key(|(_, count)| **count);
        most.filter(|(_, count)| **count >= MANY && **count > self.good)
            .map(|(error, count)| (error.as_str(), *count))
    }
}

/// Watches the hosts of one task.
#[derive(Debug)]
pub(super) struct Alike {
    on: bool,
    tally: Mutex<Tally>,
}

impl Alike {
    /// Counts how a host's part ended.
    pub(super) fn count(&self, report: &HostReport) {
        if !self.on {
            return;
        }
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        match report.left {
            Some(Left::Failed | Left::Unreachable) => {
                let said = report.result.get("msg").and_then(Value::as_str);
                let error = in_short(said.unwrap_or_default(), &report.result);
                let error = without_names(&error, &report.host);
                *tally.bad.entry(error).or_default() += 1;
            }
            // What is in doubt is no error, and who stopped tells nothing.
            Some(Left::InDoubt | Left::Stopped) => {}
            Some(Left::EndHost | Left::EndRole(_) | Left::EndBatch | Left::EndPlay) | None => {
                tally.good += 1;
            }
        }
    }

    /// Says why no further host begins, if so.
    pub(super) fn breaks(&self) -> Option<String> {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.breaks().map(|(error, count)| {
            format!("{count} hosts have failed at it with the same error, and no further host begins: {error}")
        })
    }

    /// Returns how a host's part ends that does not begin any more, if so.
    pub(super) fn spared(&self) -> Option<Ended> {
        self.breaks().map(|why| {
            let mut ended = Ended::failed(format!("not begun: {why}"), serde_json::Map::new());
            ended.stopped = true;
            ended
        })
    }
}

impl Engine {
    /// Begins to watch the hosts of a task: of one that changes something, where the run may stop and nothing was said of
    /// failures that do not matter.
    pub(super) fn watch_alike(&self, run: &TaskRun<'_>) -> Alike {
        let place = run.place;
        let play = place.play.play();
        let changes = matches!(run.module.spec().safety, Safety::State | Safety::Once);
        let on = changes
            && place.divisible
            && !place.way_out
            && !place.rescued
            && !place.own_pace
            && !place.gate
            && place.section != LEAVE
            && !self.settings.survey
            && play.is_none_or(|play| play.on_failure != OnFailure::Continue);
        Alike {
            on,
            tally: Mutex::default(),
        }
    }
}

/// Leaves out what differs between hosts in one and the same error: the host's name, and numbers.
fn without_names(error: &str, host: &HostName) -> String {
    let mut plain = String::with_capacity(error.len());
    let mut in_number = false;
    for letter in error.replace(host.as_str(), "<host>").chars() {
        let digit = letter.is_ascii_digit();
        if !digit {
            plain.push(letter);
        } else if !in_number {
            plain.push('#');
        }
        in_number = digit;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_alike_and_more_than_the_good_ones_break() {
        let tally = |good, bad: &[(&str, usize)]| Tally {
            good,
            bad: bad
                .iter()
                .map(|(error, count)| ((*error).to_owned(), *count))
                .collect(),
        };
        assert_eq!(tally(0, &[("full", 2)]).breaks(), None);
        assert_eq!(tally(0, &[("full", 3)]).breaks(), Some(("full", 3)));
        assert_eq!(tally(3, &[("full", 3)]).breaks(), None);
        assert_eq!(tally(3, &[("full", 4)]).breaks(), Some(("full", 4)));
        assert_eq!(tally(0, &[("full", 2), ("gone", 2)]).breaks(), None);
    }

    #[test]
    fn an_error_is_the_same_whoever_says_it() {
        let host = |name: &str| HostName::from(name);
        let one = without_names("db1: pid 4711 of 10.0.0.1 is gone", &host("db1"));
        let two = without_names("db22: pid 93 of 10.0.0.22 is gone", &host("db22"));
        assert_eq!(one, two);
        assert_ne!(one, without_names("db1: no space", &host("db1")));
    }
}
