//! What each step that fails must come to (S), the bugs of an older tool (B), and what is not known of the real thing.

use super::{
    APART, BEYOND, BUGS, DETECTORS, DOUBT, ENDS, GATES, JUDGED, MODEL, PARSED, PREFLIGHT, QUEUED,
    TRAPS, VARIANTS, row,
};
use crate::Row;

/// What a step that fails must come to.
pub(super) const STEPS: &[Row] = &[
    row(
        "S1",
        "a snapshot fails",
        "exit 2, untouched: nothing was switched yet",
        "the statement's own answer",
        &[(ENDS, "a snapshot fails")],
    ),
    row(
        "S2",
        "one switch of several, or one aggregator of two, is not set",
        "exit 2, untouched, those that were set are put back",
        "the read behind it",
        &[
            (ENDS, "one switch of three is not set, and Ops says it is"),
            (ENDS, "a switch is not set at one aggregator of two"),
        ],
    ),
    row(
        "S3",
        "DETACH stands in the queue for longer than it is waited for",
        "what has become of it is asked for as long as the task may take; never sent twice; it goes on",
        "the count of detaches",
        &[
            (
                ENDS,
                "DETACH LEAF stands in the queue for longer than its answer is waited for",
            ),
            (QUEUED, "queued: a long write holds a detach up"),
        ],
    ),
    row(
        "S3 S5 S6",
        "one leaf of a set of several fails",
        "the others are finished and take part with both copies, only that one is left behind",
        "the partitions of the others",
        &[
            (
                APART,
                "apart: one leaf of a set does not start, in each group",
            ),
            (APART, "apart: the detach of one leaf of a set is refused"),
            (
                APART,
                "apart: the upgrade of one leaf of a set is rolled back",
            ),
        ],
    ),
    row(
        "S2",
        "a switch is not set",
        "exit 2, untouched, what was switched is switched back",
        "the read behind it",
        &[
            (ENDS, "a switch is not set, and Ops says so"),
            (ENDS, "a switch is not set, and Ops says it is"),
            (ENDS, "manual control is refused"),
        ],
    ),
    row(
        "S3 B1",
        "DETACH LEAF or ATTACH LEAF is refused",
        "a leaf that is not detached is not stopped; one that is not attached stays away, and the other group is left alone",
        "the read behind it",
        &[
            (ENDS, "DETACH LEAF is refused"),
            (BUGS, "bugs: a: a failed {statement} was ignored"),
        ],
    ),
    row(
        "S3",
        "DETACH hangs",
        "asked what became of it; never sent twice",
        "the count of detaches",
        &[(ENDS, "DETACH LEAF is done, its answer late")],
    ),
    row(
        "S3 S7 S8",
        "connection cut after a statement was done",
        "asked what became of it; never sent twice; it goes on",
        "the counts",
        &[
            (ENDS, "DETACH LEAF is done, its answer lost"),
            (ENDS, "ATTACH LEAF is done, its answer lost"),
            (ENDS, "RESTORE REDUNDANCY is done, its answer lost"),
            (ENDS, "REBALANCE is done, its answer lost"),
        ],
    ),
    row(
        "S4",
        "a leaf does not stop",
        "attached again where it can be; else it stays away and is held",
        "the read behind it",
        &[
            (ENDS, "Ops does not stop a leaf"),
            (
                ENDS,
                "a leaf does not stop in time, and does not answer meanwhile",
            ),
        ],
    ),
    row(
        "S4 S5",
        "exit 0 with failure",
        "seen by what is so: attached again with the old version, exit 2",
        "the versions and states that are read behind it",
        &[
            (ENDS, "Ops says that it stopped a leaf"),
            (ENDS, "the upgrade is not done, and Ops says it is"),
        ],
    ),
    row(
        "S4 S5 S6",
        "exit 1 with success",
        "seen by what is so: it goes on",
        "the versions and states that are read behind it",
        &[
            (ENDS, "Ops stops a leaf and says that it did not"),
            (ENDS, "the upgrade is done, and Ops says it is not"),
            (ENDS, "Ops starts a leaf and says that it did not"),
        ],
    ),
    row(
        "S5",
        "the upgrade is rolled back",
        "started and attached with the old version, copies restored, exit 2",
        "the version that is read behind it",
        &[
            (ENDS, "the upgrade is rolled back"),
            (
                ENDS,
                "the upgrade is rolled back, and Ops starts the leaf again",
            ),
        ],
    ),
    row(
        "S5 S6",
        "a command of Ops does not come back",
        "nothing behind it; the leaf stays away, auto_attach and the lock are held, failure detection is on again",
        "the deadline of the step",
        &[
            (DOUBT, "doubt: an upgrade does not come back"),
            (DOUBT, "doubt: a start does not come back"),
            (
                "src/rollout/tests/protect/brackets.rs",
                "a_step_in_doubt_holds_all_around_it_but_what_says_otherwise_and_is_waited_for_once",
            ),
        ],
    ),
    row(
        "S4",
        "list of Ops is stale",
        "what is stopped counts as running: the leaf stays away and is held; when the list is fresh again, resume goes on",
        "the deadline of the wait",
        &[(DOUBT, "doubt: the list of Ops shows what was")],
    ),
    row(
        "S6",
        "list of Ops freezes in the middle",
        "the servers are believed: the leaf is attached and has its copies; exit 2, and the same command goes on when the list is fresh",
        "the servers' own answers",
        &[(DOUBT, "doubt: the list of Ops freezes in the middle")],
    ),
    row(
        "S6",
        "a leaf does not start, or does not get done with its recovery",
        "it stays away: auto_attach and manual control are held, failure detection is on, the other group is left alone",
        "the oracle: I1 if the other group went",
        &[
            (ENDS, "a leaf does not start with the new program"),
            (ENDS, "a leaf does not get done with its recovery"),
            (
                DETECTORS,
                "detached leaves are not attached by themselves (effect auto-attach)",
            ),
            (
                DETECTORS,
                "Ops starts and attaches nothing by itself (effects ops-started, ops-attached)",
            ),
            (
                TRAPS,
                "traps: auto attach takes back what was detached and restarted",
            ),
        ],
    ),
    row(
        "S7 B3",
        "ATTACH LEAF fails",
        "sent again once; for diverged data it stays away, never by FORCE",
        "SHOW LEAVES, not Ops",
        &[
            (ENDS, "ATTACH LEAF fails once"),
            (ENDS, "ATTACH LEAF fails for diverged data"),
            (BUGS, "bugs: c: Ops was asked whether a leaf takes part"),
        ],
    ),
    row(
        "S8 B4",
        "copies fail",
        "sent again; if they go on failing, exit 2 and the other group is left alone",
        "the oracle: I4",
        &[
            (ENDS, "a copy fails once"),
            (ENDS, "every copy fails"),
            (BUGS, "bugs: d: nobody waited for the copies"),
        ],
    ),
    row(
        "S8 B4",
        "RESTORE REDUNDANCY or REBALANCE says that it is done, and is not",
        "exit 2: the copies are looked for, and must have caught up; the other group, or the aggregators, are left alone",
        "the oracle: I5, if the other group went",
        &[(GATES, "gates: copies are believed when they are seen")],
    ),
    row(
        "S8",
        "slow copy",
        "waited for beyond the statement's own answer",
        "the caught-up test behind it",
        &[(ENDS, "copies take longer than is waited for an answer")],
    ),
    row(
        "S9",
        "a step fails in the second group",
        "forward only: the leaf stays away until it is mended, no copy goes from new to old",
        "the oracle: I10",
        &[
            (BEYOND, "a leaf does not stop"),
            (BEYOND, "a leaf does not start"),
            (BEYOND, "the upgrade is rolled back"),
            (BEYOND, "the upgrade is rolled back and the leaf started"),
            (BEYOND, "ATTACH LEAF fails"),
            (BEYOND, "beyond: DETACH LEAF is refused, second group"),
            (BEYOND, "beyond: every copy fails, second group"),
        ],
    ),
    row(
        "S10",
        "a child aggregator does not start",
        "it stays out of the load balancer, and the master does not go",
        "clients: failed requests",
        &[
            (BEYOND, "beyond: a child aggregator does not start"),
            (
                DETECTORS,
                "clients leave an aggregator before it stops (failed requests)",
            ),
            (PREFLIGHT, "preflight: one aggregator"),
        ],
    ),
    row(
        "S11",
        "the master aggregator does not start",
        "it stays out of the load balancer; the children serve",
        "clients: failed requests",
        &[(BEYOND, "beyond: the master aggregator does not start")],
    ),
    row(
        "B7",
        "it looked all the time",
        "looks are as far apart as the role says",
        "the simulators: the count of looks",
        &[(BUGS, "bugs: g: it looked all the time")],
    ),
    row(
        "B8",
        "the password was in the log",
        "it is nowhere: terminal, events, records, process lists",
        "the case looks through all of them",
        &[(BUGS, "bugs: h: the password was in the log")],
    ),
];

/// What is not known of the real thing, each way.
pub(super) const BOTH_WAYS: &[Row] = &[
    row(
        "P7",
        "later columns, NULL latency, Replica for Slave",
        "read all the same, and upgraded to the end",
        "every gate",
        &[
            (VARIANTS, "as later versions show it"),
            (PARSED, "leaves_of_every_version"),
            (JUDGED, "a_healthy_cluster_is_judged_well_in_every_version"),
        ],
    ),
    row(
        "I5",
        "orphans of detached leaves on and off",
        "what this run made orphans is explained, others are refused",
        "the oracle: I5",
        &[
            (VARIANTS, "as later versions show it"),
            (TRAPS, "traps: what is not known is shown both ways"),
            (MODEL, "what_this_run_detached_explains_what_is_missing"),
        ],
    ),
    row(
        "I7",
        "names of databases that need quoting",
        "quoted by the filter, upgraded to the end",
        "statements that are refused",
        &[
            (VARIANTS, "variants: names that need quoting"),
            (PARSED, "partitions_are_told_by_the_names_of_databases"),
        ],
    ),
    row(
        "I2",
        "failure detection on and off when a leaf is killed",
        "on: promoted; off: clients wait",
        "clients: the stall",
        &[(
            TRAPS,
            "traps: a killed leaf fails over only if somebody looks",
        )],
    ),
];
