//! What can go wrong with later versions that earlier ones know nothing of.

use super::ends::{By, State, end};
use super::seen::Seen;
use super::{ABILITIES, JUDGED_LATER, ROLE_LATER, Row, SOFT, VERSIONS};

const HOSTS_LATER: &str = "tests/lab/tests/hosts/later.rs";

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "G0 I10",
        fault: "DB-Servers before coordinators from 3.12.0 - 3.12.3",
        end: "coordinators first, by the versions that run; a DB-Server whose turn comes too early is not touched",
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(
                    HOSTS_LATER,
                    "later::from_3_12_3_coordinators_before_any_dbserver",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task("dbserver.yml", "coordinators that must come first are done"),
            ),
        ],
        detector: "the coordinators: they count that DB-Servers sort otherwise than they expect",
        seen: &[Seen::Effect(
            "tests/lab/src/sim/arangod/coordinator/mod.rs",
            "misreads-order",
        )],
        page: "from 3.12.0 - 3.12.3 the usual order lets old coordinators read",
        cases: &[
            (
                VERSIONS,
                "coordinators_come_first_from_3_12_0_to_3_12_3_to_later_and_nowhere_else",
            ),
            (VERSIONS, "an_upgrade_that_was_cut_off_goes_on_in_its_order"),
            (
                ROLE_LATER,
                "coordinators_take_their_turn_by_what_the_model_says_of_the_versions_that_run",
            ),
            (
                ROLE_LATER,
                "no_dbserver_goes_before_a_coordinator_that_must_be_first",
            ),
            (
                HOSTS_LATER,
                "later::from_3_12_3_coordinators_before_any_dbserver",
            ),
            (
                HOSTS_LATER,
                "later::the_wrong_order_is_seen_by_the_coordinators",
            ),
        ],
    },
    Row {
        arms: "G0",
        fault: "3.12.0 - 3.12.3 over 3.11",
        end: "before anything is touched, with the version to take instead",
        ends: &[end(
            2,
            State::Untouched,
            By::Task(
                "preflight.yml",
                "the way from version to version is a safe one",
            ),
        )],
        detector: "G6: the data does not say that it is upgraded",
        seen: &[Seen::Script("the log does not say that the upgrade passed")],
        page: "3.12.0 - 3.12.3 must not be installed over 3.11",
        cases: &[
            (VERSIONS, "paths_are_refused_with_a_reason"),
            (HOSTS_LATER, "later::a_way_that_is_refused_touches_nothing"),
        ],
    },
    Row {
        arms: "G5 I4",
        fault: "a coordinator ends with what clients have in hand",
        end: "asked to end softly where its own version can, after its starter is out; ends by itself",
        ends: &[end(
            0,
            State::Done,
            By::GoesOn(
                HOSTS_LATER,
                "later::from_3_11_dbservers_alone_and_coordinators_softly",
            ),
        )],
        detector: "clients: cursors and transactions that are gone",
        seen: &[Seen::Effect(
            "tests/lab/src/sim/arangod/coordinator/soft.rs",
            "lost",
        )],
        page: "a coordinator that ends takes cursors and transactions with it",
        cases: &[
            (
                ABILITIES,
                "each_ability_begins_and_ends_where_the_vendor_says",
            ),
            (
                JUDGED_LATER,
                "each_server_tells_by_its_own_version_whether_it_ends_softly",
            ),
            (
                ROLE_LATER,
                "only_a_coordinator_whose_version_knows_it_is_asked_to_end_softly",
            ),
            (
                SOFT,
                "a_coordinator_ends_when_nothing_is_in_hand_or_when_its_time_runs_out",
            ),
            (
                HOSTS_LATER,
                "later::from_3_11_dbservers_alone_and_coordinators_softly",
            ),
        ],
    },
    Row {
        arms: "G5 I4",
        fault: "a soft shutdown that never ends",
        end: "ended after arangodb_soft_shutdown_timeout, what was in hand is told; the upgrade goes on",
        ends: &[end(
            0,
            State::Done,
            By::GoesOn(
                HOSTS_LATER,
                "later::from_3_12_3_coordinators_before_any_dbserver",
            ),
        )],
        detector: "clients: cursors and transactions that are gone",
        seen: &[Seen::Effect(
            "tests/lab/src/sim/arangod/coordinator/soft.rs",
            "lost",
        )],
        page: "a soft shutdown may never end",
        cases: &[
            (
                SOFT,
                "a_coordinator_ends_when_nothing_is_in_hand_or_when_its_time_runs_out",
            ),
            (
                HOSTS_LATER,
                "later::from_3_12_3_coordinators_before_any_dbserver",
            ),
        ],
    },
    Row {
        arms: "I5 P3 G5",
        fault: "a DB-Server is away in its own maintenance mode",
        end: "asked for again while it is there; ended in the agency where no request can; never taken for the whole supervision's",
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(
                    HOSTS_LATER,
                    "later::from_3_11_dbservers_alone_and_coordinators_softly",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task("before_dbserver.yml", "maintenance mode is still asked for"),
            ),
        ],
        detector: "the supervision: it gives such a server up neither then nor later",
        seen: &[Seen::Test(
            "tests/lab/src/sim/arangod/supervision/maintenance.rs",
            "one_server_is_in_maintenance_until_its_time_and_current_follows",
        )],
        page: "a DB-Server that is away can be neither put into its maintenance mode nor taken out of it",
        cases: &[
            (
                JUDGED_LATER,
                "maintenance_mode_alone_is_used_where_both_ends_have_it",
            ),
            (
                JUDGED_LATER,
                "a_dbserver_in_maintenance_mode_alone_is_seen_until_its_time",
            ),
            (
                ROLE_LATER,
                "maintenance_mode_alone_is_read_back_from_the_agency",
            ),
            (
                ROLE_LATER,
                "a_dbserver_stops_only_in_its_own_maintenance_mode",
            ),
            (
                ROLE_LATER,
                "maintenance_mode_alone_is_renewed_as_far_as_the_version_lets",
            ),
            (
                ROLE_LATER,
                "a_server_that_is_away_is_taken_out_of_maintenance_mode_in_the_agency",
            ),
            (
                "tests/lab/tests/hosts/lost.rs",
                "lost::another_bastion_ends_maintenance_mode_of_one_dbserver",
            ),
            (
                "tests/lab/src/sim/arangod/supervision/maintenance.rs",
                "one_server_is_in_maintenance_until_its_time_and_current_follows",
            ),
        ],
    },
];
