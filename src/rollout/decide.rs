//! What a resumed run does with a step: a pure table over what the journal says and what is so now.
//!
//! Asked before every step of every run; the first time nothing is known and everything runs. Decides nothing else:
//! how to observe and whom to ask is the engine's.

use crate::modules::spec::Safety;

/// What is known of a step from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It was never begun.
    Nothing,
    /// It did what it should, or its failure was ignored.
    Done,
    /// It failed inside of a block with a `rescue`, which goes on from there.
    Rescued,
    /// It failed, and nothing took care of that.
    Failed,
    /// Its host was not reached: nothing was sent.
    Unreachable,
    /// It was begun and not ended.
    InDoubt {
        /// Whether it had a detached job that can be asked for.
        job: bool,
    },
}

/// What the operator says of steps in doubt that nothing else can tell about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// Runs them again.
    Rerun,
    /// Takes them as done.
    Skip,
}

/// What is so now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// What running it twice means.
    pub safety: Safety,
    /// Whether the task can tell that it is done: `done_when`, `creates`, `removes`.
    pub can_ask: bool,
    /// Whether the task with its arguments is the one that was begun.
    pub same_task: bool,
    /// Whether machine and members are the ones of then.
    pub same_machine: bool,
    /// Whether the host has steps left.
    pub more_to_do: bool,
    /// What the operator said, if anything.
    pub in_doubt: Option<InDoubt>,
}

/// What is done with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is not repeated; its recorded result is taken.
    Skip,
    /// Its job, its `done_when` or the host's state is asked before anything is done.
    ObserveFirst,
    /// It runs.
    Run,
    /// Nobody but the operator can say.
    Refuse(Refusal),
}

/// Why a step cannot be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was begun, and nothing tells whether it was done.
    InDoubt,
    /// It was done as another task than the one that stands there now.
    TaskChanged,
}

/// Decides what is done with a step.
pub fn decide(before: Before, now: &Now) -> Decision {
    if !now.same_machine {
        return Decision::Run;
    }
    match before {
        Before::Nothing | Before::Unreachable => Decision::Run,
        Before::Rescued => Decision::Skip,
        Before::Done => done(*now),
        Before::Failed => match now.safety {
            Safety::Once if now.can_ask => Decision::ObserveFirst,
            Safety::Once | Safety::ReadOnly | Safety::State | Safety::Engine => Decision::Run,
        },
        Before::InDoubt { job } => match now.safety {
            Safety::ReadOnly | Safety::Engine => Decision::Run,
            Safety::State => Decision::ObserveFirst,
            Safety::Once => in_doubt(job, *now),
        },
    }
}

fn done(now: Now) -> Decision {
    match now.safety {
        Safety::ReadOnly => Decision::Run,
        Safety::Engine if now.same_task => Decision::Skip,
        Safety::Engine => Decision::Run,
        Safety::State if now.more_to_do || !now.same_task => Decision::ObserveFirst,
        Safety::State => Decision::Skip,
        Safety::Once if now.same_task => Decision::Skip,
        Safety::Once => Decision::Refuse(Refusal::TaskChanged),
    }
}

fn in_doubt(job: bool, now: Now) -> Decision {
    if job || now.can_ask {
        return Decision::ObserveFirst;
    }
    match now.in_doubt {
        Some(InDoubt::Rerun) => Decision::Run,
        Some(InDoubt::Skip) => Decision::Skip,
        None => Decision::Refuse(Refusal::InDoubt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{ObserveFirst, Run, Skip};

    const IN_DOUBT: Decision = Decision::Refuse(Refusal::InDoubt);
    const CHANGED: Decision = Decision::Refuse(Refusal::TaskChanged);
    const KINDS: [Safety; 4] = [
        Safety::ReadOnly,
        Safety::State,
        Safety::Once,
        Safety::Engine,
    ];

    fn now(safety: Safety) -> Now {
        Now {
            safety,
            can_ask: false,
            same_task: true,
            same_machine: true,
            more_to_do: true,
            in_doubt: None,
        }
    }

    /// Before x what is different now -> for a read-only step, a state, a command, the engine's own.
    #[test]
    fn the_table() {
        type Change = fn(&mut Now);
        let same: Change = |_| {};
        let asks: Change = |now| now.can_ask = true;
        let other_task: Change = |now| now.same_task = false;
        let replaced: Change = |now| now.same_machine = false;
        let last: Change = |now| now.more_to_do = false;
        let rerun: Change = |now| now.in_doubt = Some(InDoubt::Rerun);
        let skip: Change = |now| now.in_doubt = Some(InDoubt::Skip);
        let with_job = Before::InDoubt { job: true };
        let without = Before::InDoubt { job: false };
        let table: [(Before, Change, [Decision; 4]); 23] = [
            (Before::Nothing, same, [Run, Run, Run, Run]),
            (Before::Nothing, other_task, [Run, Run, Run, Run]),
            (Before::Unreachable, same, [Run, Run, Run, Run]),
            (Before::Done, same, [Run, ObserveFirst, Skip, Skip]),
            (Before::Done, last, [Run, Skip, Skip, Skip]),
            (Before::Done, asks, [Run, ObserveFirst, Skip, Skip]),
            (Before::Done, other_task, [Run, ObserveFirst, CHANGED, Run]),
            (Before::Done, replaced, [Run, Run, Run, Run]),
            (Before::Done, rerun, [Run, ObserveFirst, Skip, Skip]),
            (Before::Rescued, same, [Skip, Skip, Skip, Skip]),
            (Before::Rescued, replaced, [Run, Run, Run, Run]),
            (Before::Failed, same, [Run, Run, Run, Run]),
            (Before::Failed, asks, [Run, Run, ObserveFirst, Run]),
            (Before::Failed, replaced, [Run, Run, Run, Run]),
            (with_job, same, [Run, ObserveFirst, ObserveFirst, Run]),
            (with_job, rerun, [Run, ObserveFirst, ObserveFirst, Run]),
            (with_job, replaced, [Run, Run, Run, Run]),
            (without, same, [Run, ObserveFirst, IN_DOUBT, Run]),
            (without, asks, [Run, ObserveFirst, ObserveFirst, Run]),
            (without, rerun, [Run, ObserveFirst, Run, Run]),
            (without, skip, [Run, ObserveFirst, Skip, Run]),
            (without, other_task, [Run, ObserveFirst, IN_DOUBT, Run]),
            (without, replaced, [Run, Run, Run, Run]),
        ];
        for (row, (before, change, expected)) in table.iter().enumerate() {
            for (safety, expected) in KINDS.iter().zip(expected) {
                let mut now = now(*safety);
                change(&mut now);
                let found = decide(*before, &now);
                assert_eq!(found, *expected, "row {row}: {before:?}, {now:?}");
            }
        }
    }

    #[test]
    fn a_command_that_ended_well_is_never_run_again() {
        for more_to_do in [true, false] {
            for can_ask in [true, false] {
                for in_doubt in [None, Some(InDoubt::Rerun), Some(InDoubt::Skip)] {
                    let now = Now {
                        can_ask,
                        more_to_do,
                        in_doubt,
                        ..now(Safety::Once)
                    };
                    assert_eq!(decide(Before::Done, &now), Skip);
                }
            }
        }
    }
}
