//! What is wrong with the starters' own upgrade (`arangodb_method: starter`), and what can go wrong with it.

use super::ends::{By, State, end};
use super::seen::Seen;
use super::{FAULT, ORACLE, ROLE_GATES, ROLE_STARTER, ROLE_WATCH, Row, SUPERVISE};

const STATUS: &str = "src/cluster/arangodb/auto_upgrade.rs";
const SIMULATED: &str = "tests/lab/src/sim/starter/upgrade.rs";
const ON_HOSTS: &str = "tests/lab/tests/hosts/starter.rs";

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "G6 I10",
        fault: "the starter's program ends with 0 although its upgrade failed",
        end: "its program is not called: the status is asked for, and each server looked at on its own host",
        ends: &[end(
            2,
            State::Serves,
            By::Task(
                "starter_watch.yml",
                "the starters have come to an end with the {{ arangodb_server.title }}",
            ),
        )],
        detector: "G11: servers that are not on the new version",
        seen: &[Seen::Later(
            "tasks/finish.yml",
            "every server is on the new version",
        )],
        page: "`arangodb upgrade` ends with 0 although it has failed",
        cases: &[
            (STATUS, "a_status_is_read_whatever_the_starter_says"),
            (
                ROLE_WATCH,
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
        end: "the plan is ended and begun again, once",
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(
                    ROLE_WATCH,
                    "only_what_failed_or_stands_still_is_begun_again",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task(
                    "starter_watch.yml",
                    "the starters have come to an end with the {{ arangodb_server.title }}",
                ),
            ),
        ],
        detector: "the starter: the plan stays failed, and nothing moves",
        seen: &[Seen::Test(SIMULATED, "a_retry_clears_nothing")],
        page: "`arangodb retry upgrade` clears no failure",
        cases: &[
            (
                ROLE_WATCH,
                "only_what_failed_or_stands_still_is_begun_again",
            ),
            (SIMULATED, "a_retry_clears_nothing"),
        ],
    },
    Row {
        arms: "G0 I5",
        fault: "the starters wait without an end",
        end: "each server has its time; then the plan is ended, maintenance mode too, and all begun again, once",
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(
                    ROLE_WATCH,
                    "only_what_failed_or_stands_still_is_begun_again",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task(
                    "starter_watch.yml",
                    "the starters have come to an end with the {{ arangodb_server.title }}",
                ),
            ),
        ],
        detector: "the supervision: failover when maintenance mode ends with its hour; the oracle: I5",
        seen: &[Seen::Oracle(&["I5"])],
        page: "the starters wait without an end",
        cases: &[
            (
                ROLE_WATCH,
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
        end: "before anything is touched unless `wait` is said, and the gap approved",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task(
                    "preflight.yml",
                    "how leadership leaves a DB-Server is decided",
                ),
            ),
            end(3, State::Untouched, By::Approval("gap")),
        ],
        detector: "clients: requests that wait for as long as the server is away",
        seen: &[Seen::Report("longest_stall_ms")],
        page: "the starters move no leadership",
        cases: &[(ROLE_STARTER, "leadership_that_stays_is_said_to_stay")],
    },
    Row {
        arms: "G5 I3 P4",
        fault: "the starters look at no shard",
        end: "they begin when every shard is in sync, twice, and each DB-Server may stop; told that nobody looks in between",
        ends: &[
            end(
                2,
                State::Serves,
                By::Task("starter_ask.yml", "agency, servers and shards are well"),
            ),
            end(
                2,
                State::Serves,
                By::Task("starter_ask.yml", "each DB-Server may stop"),
            ),
        ],
        detector: "the oracle: I3",
        seen: &[Seen::Oracle(&["I3"])],
        page: "the starters look at no shard",
        cases: &[
            (ROLE_GATES, "no_dbserver_stops_whose_shards_do_not_allow_it"),
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
        end: "that starter is held back, the plan ended, the other servers serve; with recover --upgrade-stranded",
        ends: &[end(
            7,
            State::Held,
            By::Ran(ON_HOSTS, "ends(&stopped, 7)?;"),
        )],
        detector: "the starter itself counts; the oracle: I1",
        seen: &[Seen::Oracle(&["I1"]), Seen::Effect(SUPERVISE, "give-up")],
        page: "a starter starts a server that refuses its data a hundred times",
        cases: &[
            (
                ROLE_WATCH,
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
        end: "what is stranded is named, and the starter held back",
        ends: &[
            end(
                7,
                State::Held,
                By::Script("the starter alone takes a server with it, whose data is old"),
            ),
            end(
                2,
                State::Untouched,
                By::Script("the starter alone, a server hangs"),
            ),
            end(
                2,
                State::Untouched,
                By::Script("the starter alone, KillMode is missing"),
            ),
            end(
                7,
                State::Held,
                By::Script("the starter alone, it starts a server anew"),
            ),
        ],
        detector: "the oracle: I1",
        seen: &[Seen::Oracle(&["I1"])],
        page: "kills servers that take over 10 s to answer",
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
        ends: &[
            end(0, State::Done, By::Ran(ON_HOSTS, "ends(&resumed, 0)?;")),
            end(
                2,
                State::Serves,
                By::Task("starter_begin.yml", "nobody else has begun one"),
            ),
        ],
        detector: "the status: a plan of somebody else's",
        seen: &[Seen::Later(
            "tasks/starter_begin.yml",
            "nobody else has begun one",
        )],
        page: "a run dies while the starters go on",
        cases: &[
            (
                ROLE_WATCH,
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
        end: "before anything is touched, or before the starters begin, with the reason",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task(
                    "starter_preflight.yml",
                    "the starters may upgrade this cluster",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task(
                    "starter_versions.yml",
                    "the starters may upgrade this cluster",
                ),
            ),
        ],
        detector: "G11: servers that are not on the new version",
        seen: &[Seen::Later(
            "tasks/finish.yml",
            "every server is on the new version",
        )],
        page: "a way between versions is bad for the starters",
        cases: &[(
            ROLE_STARTER,
            "versions_that_are_bad_for_the_starters_are_refused",
        )],
    },
];
