//! What is refused before anything is touched, and what must hold before each step: the conditions of the beginning (P)
//! and the invariants (I).

use super::{
    APART, BEYOND, BUGS, DETECTORS, ENDS, GATES, JUDGED, KILLED, LOAD, LOCK, MODEL, ORACLE, PARSED,
    PREFLIGHT, TRAPS, VARIANTS, VERSION, row,
};
use crate::Row;

/// What is refused before anything is touched.
pub(super) const BEFORE: &[Row] = &[
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
        "the oracle: P3, if there really were two",
        &[
            (PREFLIGHT, "P3: Ops shows two master aggregators"),
            (JUDGED, "without_one_master_aggregator_nothing_is_asked"),
            (ORACLE, "a_second_master_aggregator_is_seen"),
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
            (VARIANTS, "as Ops may be"),
            (
                PREFLIGHT,
                "P4: Ops knows a machine by a name that nobody has given",
            ),
            (
                "src/cluster/model/memsql/address.rs",
                "a_machine_goes_by_several_names",
            ),
        ],
    ),
    row(
        "P4",
        "addresses of IPv6, and names for addresses",
        "the same upgrade, to the end; every statement and every connection names the server as the cluster does",
        "statements that are refused: there is no such leaf",
        &[
            (VARIANTS, "addresses of IPv6"),
            (VARIANTS, "names"),
            (
                "src/cluster/model/memsql/address.rs",
                "addresses_are_read_and_written",
            ),
        ],
    ),
    row(
        "P4",
        "an aggregator lists itself as 127.0.0.1",
        "told from the others of its machine and taken",
        "the same gate: a server that Ops does not have",
        &[
            (PARSED, "whoever_answers_lists_itself_as_this_machine"),
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
        "who reads what it says: nothing else is wrong until that machine fails",
        &[
            (VARIANTS, "variants: a pair on one machine"),
            (MODEL, "groups_and_pairs"),
        ],
    ),
    row(
        "P6",
        "a server is away, silent or detached, or no file of the target is there",
        "refused untouched",
        "the oracle: I1",
        &[
            (PREFLIGHT, "P6: a leaf is detached"),
            (PREFLIGHT, "P6: Ops has no such file"),
            (PREFLIGHT, "P6: the file is on one agent only"),
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
            (
                PREFLIGHT,
                "preflight: P9: a backup, a rebalance and copies run beside it",
            ),
            (PREFLIGHT, "preflight: P9: a table is changed beside it"),
            (
                "tests/lab/tests/memsql/stale.rs",
                "stale: a backup begins while slaves catch up",
            ),
            (
                GATES,
                "gates: at each rest point the cluster is judged anew",
            ),
            (PARSED, "what_runs_beside"),
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
        "the step itself: it has no list to go by, and fails",
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
pub(super) const ALWAYS: &[Row] = &[
    row(
        "I1 I5",
        "a leaf of the other group is away while one goes",
        "the leaf stays",
        "the oracle: I1, I5",
        &[
            (MODEL, "a leaf of the other group is detached"),
            (MODEL, "a leaf of the other group is silent"),
            (
                GATES,
                "gates: at each rest point the cluster is judged anew",
            ),
            (MODEL, "more_faults_never_allow_more"),
            (ORACLE, "each_invariant_is_seen_to_break"),
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
            (ORACLE, "each_invariant_is_seen_to_break"),
        ],
    ),
    row(
        "I3",
        "a leaf that is not detached would be stopped",
        "it is not stopped",
        "the oracle: I3",
        &[
            (MODEL, "what_this_run_detached_explains_what_is_missing"),
            (ORACLE, "each_invariant_is_seen_to_break"),
        ],
    ),
    row(
        "I3",
        "DETACH leaves a partition where it was",
        "the leaf is not stopped; it is attached again, exit 2",
        "the simulators: the count of stops",
        &[(GATES, "gates: a leaf that still leads is not stopped (I3)")],
    ),
    row(
        "I4 B2",
        "position that never converges",
        "no leaf goes; exit 2, untouched",
        "clients: a stall of more than 5 s; where nobody waits, lost writes",
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
            (
                DETECTORS,
                "slaves have caught up before a leaf goes: else what they lack is gone (lost writes)",
            ),
            (VARIANTS, "slaves that are a little behind"),
        ],
    ),
    row(
        "I5",
        "locked partition",
        "after the detach: the leaf goes back; it is the operator's to unlock",
        "the oracle: I5, a lock that stays",
        &[
            (ORACLE, "a_lock_that_is_held_too_long_is_seen"),
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
            (
                GATES,
                "gates: at each rest point the cluster is judged anew",
            ),
            (ORACLE, "each_invariant_is_seen_to_break"),
        ],
    ),
    row(
        "I7",
        "every fault of this table",
        "never FORCE, REMOVE LEAF, ATTACH ALL, --all, --hard-stop",
        "the simulators: they count each of them, and each case asks",
        &[
            (GATES, "gates: a leaf that still leads is not stopped (I3)"),
            (APART, "apart: one leaf of a set cannot be attached"),
        ],
    ),
    row(
        "I8 B5 S12",
        "the run is killed in the middle",
        "what was found is on the disk: resume goes on, recover puts it back",
        "status: what is owed",
        &[
            (BUGS, "bugs: e: what was switched off stayed off"),
            (BEYOND, "beyond: what was off stays off"),
            (KILLED, "killed: at every step"),
            (
                "tests/cli/resume.rs",
                "what_a_killed_run_left_switched_off_is_told_and_put_back",
            ),
            (
                "tests/lab/tests/hosts/cut.rs",
                "cut::ssh_dies_while_a_leaf_is_upgraded",
            ),
        ],
    ),
    row(
        "I9 B9",
        "killed behind a step and resumed",
        "nothing is done twice",
        "the simulators: the counts",
        &[
            (
                BUGS,
                "bugs: i: what was cut off after {after} could not be gone on with",
            ),
            (KILLED, "killed: at every step"),
        ],
    ),
    row(
        "I10",
        "a new leaf would lead an older one",
        "attached leaves lead nothing before the other group goes",
        "the oracle: I10",
        &[
            (MODEL, "copies_never_go_from_new_to_old"),
            (PREFLIGHT, "preflight: I10: an old leaf follows a new one"),
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
            (GATES, "gates: the lock is looked at before each set (I11)"),
        ],
    ),
];
