//! What can go wrong with an upgrade of MemSQL: each condition of the beginning (P), each invariant (I), each step that can
//! fail (S) and each bug of an older tool (B), with the fault that arms it, the end that it must come to, who else would
//! notice, and the cases that try it.

use super::Row;

const ENDS: &str = "tests/lab/tests/memsql/ends.rs";
const BEYOND: &str = "tests/lab/tests/memsql/beyond.rs";
const BUGS: &str = "tests/lab/tests/memsql/bugs.rs";
const DETECTORS: &str = "tests/lab/tests/memsql/detectors.rs";
const DOUBT: &str = "tests/lab/tests/memsql/doubt.rs";
const LOAD: &str = "tests/lab/tests/memsql/load.rs";
const LOCK: &str = "tests/lab/tests/memsql/lock.rs";
const PREFLIGHT: &str = "tests/lab/tests/memsql/preflight.rs";
const TRAPS: &str = "tests/lab/tests/memsql/traps.rs";
const VARIANTS: &str = "tests/lab/tests/memsql/variants.rs";
const JUDGED: &str = "src/cluster/memsql/tests.rs";
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
        detector,
        cases,
    }
}

/// What is refused before anything is touched.
const BEFORE: &[Row] = &[
    row(
        "P1 B6",
        "Ops is too old, or a newer one than known",
        "the old one is refused untouched; the newer one is taken",
        "Ops: it does not know the option",
        &[
            (PREFLIGHT, "P1: Ops is too old"),
            (BUGS, "bugs: f: a newer Ops was taken for an older"),
            (VERSION, "versions_are_compared_as_numbers"),
        ],
    ),
    row(
        "P2",
        "an agent of Ops is away, or there is no primary",
        "refused untouched",
        "Ops: its commands for that machine fail",
        &[
            (PREFLIGHT, "preflight: P2: an agent is away"),
            (JUDGED, "no primary"),
        ],
    ),
    row(
        "P3",
        "second MASTER",
        "refused untouched: nothing is asked where it is not known whom",
        "the oracle: two master aggregators",
        &[
            (PREFLIGHT, "P3: Ops shows two master aggregators"),
            (JUDGED, "without_one_master_aggregator_nothing_is_asked"),
        ],
    ),
    row(
        "P4",
        "Ops and the cluster name other servers or other groups",
        "refused untouched",
        "the step after: Ops has no such server",
        &[
            (JUDGED, "a node that Ops does not know"),
            (JUDGED, "another group"),
            (JUDGED, "an unmonitored node"),
        ],
    ),
    row(
        "P4",
        "a machine has several names",
        "found under each of them; without the inventory's help refused",
        "the same gate, which finds no such server",
        &[
            (JUDGED, "machines_have_several_names"),
            (
                "src/cluster/model/memsql/address.rs",
                "a_machine_goes_by_several_names",
            ),
        ],
    ),
    row(
        "P4",
        "an aggregator lists itself as 127.0.0.1",
        "told from the others of its machine and taken",
        "the same gate: a server that Ops does not have",
        &[
            (JUDGED, "whoever_answers_lists_itself_as_this_machine"),
            (JUDGED, "only_the_usual_names_mean_the_machine_itself"),
            (VARIANTS, "as later versions show it"),
        ],
    ),
    row(
        "P5",
        "redundancy is 1",
        "refused untouched",
        "the oracle: I2, a partition without master",
        &[(PREFLIGHT, "P5: redundancy is 1")],
    ),
    row(
        "P5 B10",
        "groups of other sizes",
        "refused untouched; groups are read and never assumed",
        "the oracle: I4",
        &[
            (PREFLIGHT, "preflight: P5: three leaves"),
            (MODEL, "groups_and_pairs"),
            (BUGS, "bugs: j: the groups were in the code"),
        ],
    ),
    row(
        "P5",
        "pair on one machine",
        "told: both copies go with that machine; it goes on",
        "the report",
        &[(MODEL, "groups_and_pairs")],
    ),
    row(
        "P6",
        "a server is away, silent or detached, or no file of the target is there",
        "refused untouched",
        "the oracle: I1",
        &[
            (PREFLIGHT, "P6: a leaf is detached"),
            (PREFLIGHT, "P6: Ops has no such file"),
            (JUDGED, "the file is not everywhere"),
            (JUDGED, "a silent leaf"),
            (PREFLIGHT, "6.0 is another procedure"),
            (PREFLIGHT, "a step back"),
            (PREFLIGHT, "not enough room"),
        ],
    ),
    row(
        "P7",
        "a partition has one copy",
        "refused untouched",
        "the oracle: I4",
        &[
            (PREFLIGHT, "P7: a partition has one copy"),
            (MODEL, "a partition has no slave"),
        ],
    ),
    row(
        "P8",
        "an orphan, or a database of another cluster",
        "refused untouched",
        "the oracle: I5",
        &[
            (PREFLIGHT, "P8: a database comes from another cluster"),
            (MODEL, "there is an orphan"),
        ],
    ),
    row(
        "P9",
        "a backup, a long statement or a rebalance runs beside it",
        "refused untouched, at each detach again",
        "DETACH: it waits for it, and clients wait for DETACH",
        &[
            (PREFLIGHT, "preflight: P9: a long statement runs beside it"),
            (PREFLIGHT, "preflight: P9: a backup runs beside it"),
            (JUDGED, "what_runs_beside"),
            (PREFLIGHT, "no backup"),
        ],
    ),
    row(
        "P10",
        "memsql-upgrade knows no single server",
        "refused untouched: it would take all of them down",
        "the simulators: the effect offline-upgrade, looked for in each case",
        &[
            (PREFLIGHT, "P10: Ops cannot upgrade one node"),
            (JUDGED, "no single upgrades"),
        ],
    ),
    row(
        "S1",
        "garbage and prompt text before JSON",
        "prompt text is passed over; garbage is refused untouched",
        "every later look",
        &[
            (PREFLIGHT, "Ops ends in the middle of its JSON"),
            (JUDGED, "garbage"),
            (
                JUDGED,
                "ops_is_heard_through_other_words_and_never_believed_without_a_list",
            ),
            (VARIANTS, "as Ops may be"),
        ],
    ),
];

/// What must hold before each step.
const ALWAYS: &[Row] = &[
    row(
        "I1 I5",
        "a leaf of the other group is away while one goes",
        "the leaf stays",
        "the oracle: I1, I5",
        &[
            (MODEL, "a leaf of the other group is detached"),
            (MODEL, "a leaf of the other group is silent"),
            (MODEL, "more_faults_never_allow_more"),
            (ORACLE, "I1 one group has leaves out at most"),
            (LOAD, "load: a leaf that is killed under load is seen"),
        ],
    ),
    row(
        "I2",
        "a partition has two masters, or none that is online",
        "nothing goes; the guard stops a run that is under way",
        "the oracle: I2",
        &[
            (MODEL, "a partition has two masters"),
            (MODEL, "a master is not online"),
            (ORACLE, "I2 every partition has one master"),
        ],
    ),
    row(
        "I3",
        "a leaf that is not detached would be stopped",
        "it is not stopped",
        "the oracle: I3",
        &[
            (MODEL, "what_this_run_detached_explains_what_is_missing"),
            (ORACLE, "I3 no leaf is down that is not detached"),
        ],
    ),
    row(
        "I4 B2",
        "position that never converges",
        "no leaf goes; exit 2, untouched",
        "clients: a stall of more than 5 s",
        &[
            (ENDS, "slaves do not follow (I4)"),
            (
                BUGS,
                "bugs: b: slaves that are behind were taken for copies",
            ),
            (MODEL, "caught_up_is_proved_in_two_rounds"),
            (MODEL, "a_proof_means_that_the_slaves_have_it"),
            (
                DETECTORS,
                "slaves have caught up before a leaf goes: else clients wait for them (stall)",
            ),
            (VARIANTS, "slaves that are a little behind"),
        ],
    ),
    row(
        "I5",
        "locked partition",
        "after the detach: the leaf goes back; it is the operator's to unlock",
        "the oracle: I5",
        &[
            (
                ENDS,
                "a partition stays locked, which the operator must see to",
            ),
            (JUDGED, "a locked partition"),
        ],
    ),
    row(
        "I6",
        "an aggregator is down while another would go, or leaves are old when the master would",
        "the aggregator stays",
        "the oracle: I6",
        &[
            (MODEL, "aggregators_one_at_a_time_and_the_master_last"),
            (ORACLE, "I6 one aggregator down at most"),
            (ORACLE, "I6 the master aggregator comes last"),
        ],
    ),
    row(
        "I7",
        "every fault of this table",
        "never FORCE, REMOVE LEAF, ATTACH ALL, --all, --hard-stop",
        "the simulators: they count each of them, and each case asks",
        &[(ENDS, "assert_never")],
    ),
    row(
        "I8 B5 S12",
        "the run is killed in the middle",
        "what was found is on the disk: resume goes on, recover puts it back",
        "status: what is owed",
        &[
            (BUGS, "bugs: e: what was switched off stayed off"),
            (
                "tests/cli/resume.rs",
                "what_a_killed_run_left_switched_off_is_told_and_put_back",
            ),
        ],
    ),
    row(
        "I9 B9",
        "killed behind a step and resumed",
        "nothing is done twice",
        "the simulators: the counts",
        &[(BUGS, "bug_i_what_was_cut_off_could_not_be_gone_on_with")],
    ),
    row(
        "I10",
        "a new leaf would lead an older one",
        "attached leaves lead nothing before the other group goes",
        "the oracle: I10",
        &[
            (MODEL, "copies_never_go_from_new_to_old"),
            (
                DETECTORS,
                "attached leaves lead nothing: else older leaves follow newer ones (I10)",
            ),
            (
                TRAPS,
                "traps: an older leaf does not follow a newer one unless told to",
            ),
        ],
    ),
    row(
        "I11",
        "somebody else upgrades, or takes the lock in the middle",
        "the second run is refused; who has lost the lock stops where the cluster is whole",
        "the lock itself, read before each set and while it is renewed",
        &[
            (PREFLIGHT, "I11: somebody else works on the cluster"),
            (LOCK, "lock: a second run is refused (I11)"),
            (LOCK, "lock: a lost lock is noticed in a long step (I11)"),
        ],
    ),
];

/// What a step that fails must come to.
const STEPS: &[Row] = &[
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
            (BUGS, "bug_a_a_failed_detach_or_attach_was_ignored"),
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
        &[(ENDS, "the upgrade is rolled back")],
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
const BOTH_WAYS: &[Row] = &[
    row(
        "P7",
        "later columns, NULL latency, Replica for Slave",
        "read all the same, and upgraded to the end",
        "every gate",
        &[
            (VARIANTS, "as later versions show it"),
            (JUDGED, "leaves_of_every_version"),
            (JUDGED, "a_healthy_cluster_is_judged_well_in_every_version"),
        ],
    ),
    row(
        "I5",
        "orphans of detached leaves on and off",
        "what this run made orphans is explained, others are refused",
        "the oracle: I5",
        &[
            (VARIANTS, "detached_leaves_are_listed"),
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
            (JUDGED, "partitions_are_told_by_the_names_of_databases"),
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

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    BEFORE.iter().chain(ALWAYS).chain(STEPS).chain(BOTH_WAYS)
}
