//! What can go wrong with an upgrade of MemSQL: each condition of the beginning (P), each invariant (I), each step that can
//! fail (S) and each bug of an older tool (B), with the fault that arms it, the end that it must come to, who else would
//! notice, and the cases that try it.

mod before;
mod steps;

use super::Row;

const ENDS: &str = "tests/lab/tests/memsql/ends.rs";
const APART: &str = "tests/lab/tests/memsql/apart.rs";
const BEYOND: &str = "tests/lab/tests/memsql/beyond.rs";
const BUGS: &str = "tests/lab/tests/memsql/bugs.rs";
const DETECTORS: &str = "tests/lab/tests/memsql/detectors.rs";
const DOUBT: &str = "tests/lab/tests/memsql/doubt.rs";
const GATES: &str = "tests/lab/tests/memsql/gates.rs";
const KILLED: &str = "tests/lab/tests/memsql/killed.rs";
const LOAD: &str = "tests/lab/tests/memsql/load.rs";
const LOCK: &str = "tests/lab/tests/memsql/lock.rs";
const PREFLIGHT: &str = "tests/lab/tests/memsql/preflight.rs";
const QUEUED: &str = "tests/lab/tests/memsql/queued.rs";
const TRAPS: &str = "tests/lab/tests/memsql/traps.rs";
const VARIANTS: &str = "tests/lab/tests/memsql/variants.rs";
const JUDGED: &str = "src/cluster/memsql/tests.rs";
const PARSED: &str = "src/cluster/memsql/tests/parsing.rs";
const MODEL: &str = "src/cluster/model/memsql/tests.rs";
const VERSION: &str = "src/cluster/model/memsql/version.rs";
const ORACLE: &str = "tests/lab/src/load/memsql/invariants.rs";

/// The faults that simulators must be able to make.
pub(super) const FAULTS: &[&str] = &[
    "slow copy",
    "position that never converges",
    "locked partition",
    "DETACH hangs",
    "connection cut after a statement was done",
    "list of Ops is stale",
    "list of Ops freezes in the middle",
    "garbage and prompt text before JSON",
    "exit 0 with failure",
    "exit 1 with success",
    "a command of Ops does not come back",
    "pair on one machine",
    "an aggregator lists itself as 127.0.0.1",
    "later columns, NULL latency, Replica for Slave",
    "orphans of detached leaves on and off",
    "groups of other sizes",
    "second MASTER",
    "a machine has several names",
    "addresses of IPv6, and names for addresses",
    "RESTORE REDUNDANCY or REBALANCE says that it is done, and is not",
    "DETACH leaves a partition where it was",
    "names of databases that need quoting",
];

const fn row(
    arms: &'static str,
    fault: &'static str,
    end: &'static str,
    detector: &'static str,
    cases: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        arms,
        fault,
        end,
        ends: &[],
        detector,
        seen: &[],
        page: "",
        cases,
    }
}

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    before::BEFORE
        .iter()
        .chain(before::ALWAYS)
        .chain(steps::STEPS)
        .chain(steps::BOTH_WAYS)
}
