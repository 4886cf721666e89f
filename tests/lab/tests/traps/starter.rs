//! What is wrong with the starters' own upgrade (`arangodb_method: starter`), and what can go wrong with it.

use super::{FAULT, ORACLE, ROLE_STARTER, Row};

const STATUS: &str = "src/cluster/arangodb/auto_upgrade.rs";
const SIMULATED: &str = "tests/lab/src/sim/starter/upgrade.rs";
const ON_HOSTS: &str = "tests/lab/tests/hosts/starter.rs";

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "G6 I10",
        fault: "the starter's program ends with 0 although its upgrade failed",
        end: "its program is not called: the status is asked for, and each server looked at on its own host",
        detector: "G11: servers that are not on the new version",
        cases: &[
            (STATUS, "a_status_is_read_whatever_the_starter_says"),
            (
                ROLE_STARTER,
                "how_far_a_server_is_is_said_by_the_status_and_its_host",
            ),
            (ROLE_STARTER, "each_server_is_watched_on_its_own_host"),
            (
                ON_HOSTS,
                "starter::a_run_that_died_watches_on_and_what_is_refused_is_helped",
            ),
        ],
    },
    Row {
        arms: "G0 I10",
        fault: "the starters' retry clears no failure",
        end: "the plan is ended and begun again, once; then exit 2",
        detector: "the starter: the plan stays failed, and nothing moves",
        cases: &[
            (
                ROLE_STARTER,
                "only_what_failed_or_stands_still_is_begun_again",
            ),
            (SIMULATED, "a_retry_clears_nothing"),
        ],
    },
    Row {
        arms: "G0 I5",
        fault: "the starters wait without an end",
        end: "each server has its time; then the plan is ended, maintenance mode too, and all begun again, once",
        detector: "the supervision: failover when maintenance mode ends with its hour",
        cases: &[
            (
                ROLE_STARTER,
                "only_what_failed_or_stands_still_is_begun_again",
            ),
            (
                ROLE_STARTER,
                "the_starters_are_asked_again_only_for_what_goes_by_itself",
            ),
        ],
    },
    Row {
        arms: "I3 P5",
        fault: "the starters move no leadership",
        end: "exit 2 before anything is touched unless `wait` is said, and the gap approved",
        detector: "clients: requests that wait for as long as the server is away",
        cases: &[(ROLE_STARTER, "leadership_that_stays_is_said_to_stay")],
    },
    Row {
        arms: "G5 I3 P4",
        fault: "the starters look at no shard",
        end: "they begin when every shard is in sync, twice, and each DB-Server may stop; told that nobody looks in between",
        detector: "the oracle: a shard without an in-sync copy that serves",
        cases: &[
            (
                ROLE_STARTER,
                "what_the_starters_do_not_look_at_is_looked_at_before_they_begin",
            ),
            (
                ORACLE,
                "each_invariant_is_broken_by_its_own_fault_and_by_no_other",
            ),
        ],
    },
    Row {
        arms: "I6 P9",
        fault: "a starter starts a server that refuses its data a hundred times, then ends all of its host",
        end: "that starter is held back, the plan ended, the other servers serve; exit 7, with recover --upgrade-stranded",
        detector: "the oracle: all servers of a host down",
        cases: &[
            (
                ROLE_STARTER,
                "how_far_a_server_is_is_said_by_the_status_and_its_host",
            ),
            (
                ON_HOSTS,
                "starter::a_run_that_died_watches_on_and_what_is_refused_is_helped",
            ),
        ],
    },
    Row {
        arms: "G4 G7 I7",
        fault: "a starter that is restarted alone takes servers with it, or does not take them over",
        end: "exit 2; what is stranded is named, and the starter held back where it was not started yet",
        detector: "the oracle: more than one server down",
        cases: &[
            (
                FAULT,
                "the starter alone takes a server with it, whose data is old",
            ),
            (FAULT, "the starter alone, it starts a server anew"),
            (FAULT, "the starter alone, a server hangs"),
            (FAULT, "the starter alone, KillMode is missing"),
        ],
    },
    Row {
        arms: "I9 I10",
        fault: "a run dies while the starters go on",
        end: "resume finds the plan of this run and watches it to its end; a plan of somebody else stops it",
        detector: "G11: somebody else's plan",
        cases: &[
            (
                ROLE_STARTER,
                "a_plan_of_somebody_else_is_not_watched_as_if_it_were_its_own",
            ),
            (
                ON_HOSTS,
                "starter::a_run_that_died_watches_on_and_what_is_refused_is_helped",
            ),
        ],
    },
    Row {
        arms: "G0",
        fault: "a way between versions that is bad for the starters",
        end: "exit 2 before anything is touched, or before the starters begin, with the reason",
        detector: "the vendor's support",
        cases: &[(
            ROLE_STARTER,
            "versions_that_are_bad_for_the_starters_are_refused",
        )],
    },
];
