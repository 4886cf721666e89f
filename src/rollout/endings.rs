//! How a step ended that did not simply do what it should: waited in vain, nothing to do, no longer waited for, cut off.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::connection::ConnError;
use crate::events::StepOutcome;
use crate::modules::spec::Safety;

use super::ended::Ended;
use super::fate::{End, Phase};
use super::step::Step;

/// Shorter than an answer may take: what a try with less time than this did not see says nothing.
const NO_TIME: Duration = Duration::from_secs(2);

/// Tells whether the last try of a wait had no time to see anything. What the one before it saw is what is known then.
pub(super) fn was_cut_off(ended: &Ended, had: Option<Duration>) -> bool {
    ended.outcome == StepOutcome::Failed && had.is_some_and(|had| had < NO_TIME)
}

/// A wait that ended unmet names what it saw last.
pub(super) fn never_met(ended: Ended, tried: u32, saw: &str) -> Ended {
    let times = if tried == 1 { "time" } else { "times" };
    let mut failed = Ended::failed(
        format!("waited for in vain, tried {tried} {times}; last seen: {saw}"),
        ended.result,
    );
    failed.attempts = tried;
    failed.diff = ended.diff;
    failed.warnings = ended.warnings;
    failed
}

/// A module had nothing to do.
pub(super) fn skipped_by_module(why: String) -> Ended {
    let mut result = Map::new();
    result.insert("changed".to_owned(), json!(false));
    result.insert("failed".to_owned(), json!(false));
    result.insert("msg".to_owned(), json!(why));
    Ended::new(StepOutcome::Ok, result, why)
}

/// A request that nobody answered. Where the task says itself what a failure is, it is one.
pub(super) fn without_answer(step: &Step, message: String, result: Map<String, Value>) -> Ended {
    if step.ignore_errors || !step.task.failed_when.is_empty() {
        return Ended::failed(message, result);
    }
    let mut ended = Ended::in_doubt(message);
    ended.may_send_again = true;
    for (name, value) in result {
        ended.result.entry(name).or_insert(value);
    }
    ended
}

/// A step that nobody waits for any more: what only read is as if it had not been asked.
pub(super) fn stopped(safety: Safety, why: String) -> Ended {
    let mut ended = match safety {
        Safety::ReadOnly | Safety::Engine => Ended::skipped(why, None),
        Safety::State | Safety::Once => Ended::in_doubt(why),
    };
    ended.stopped = true;
    ended
}

/// A step whose session broke, or which did not end in time.
pub(super) fn broken(error: &ConnError, end: End, phase: Phase) -> Ended {
    let message = error.to_string();
    match end {
        End::Unreachable => Ended::unreachable(message),
        End::Failed => Ended::failed(message, Map::new()),
        End::InDoubt => {
            let mut ended = Ended::in_doubt(message);
            ended.still_running = phase == Phase::InJob;
            ended
        }
    }
}
