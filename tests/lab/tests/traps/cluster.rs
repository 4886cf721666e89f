//! What can go wrong with the cluster around the server that is away.

use super::ends::{By, State, end};
use super::seen::Seen;
use super::{
    AGENCY, BRACKETS, JUDGED, ORACLE, RENEWING, ROLE, ROLE_ELSE, ROLE_GATES, ROLE_MEMBERS,
    ROLE_PREFLIGHT, Row, SHARDS,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "I5 P3 G5",
        fault: "TTL expires in the middle",
        end: "asked for again at a third of its time; where that fails forward steps wait",
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(
                    RENEWING,
                    "a_bracket_is_renewed_while_it_is_entered_and_never_while_it_is_left",
                ),
            ),
            end(3, State::Serves, By::Ran(RENEWING, "never.exit() == 3")),
        ],
        detector: "the oracle: I5",
        seen: &[Seen::Oracle(&["I5"])],
        page: "maintenance mode runs out after an hour",
        cases: &[
            (ROLE, "maintenance_mode_is_renewed_twice_before_it_runs_out"),
            (
                RENEWING,
                "a_bracket_is_renewed_while_it_is_entered_and_never_while_it_is_left",
            ),
            (
                RENEWING,
                "while_a_bracket_cannot_be_renewed_forward_steps_wait",
            ),
            (
                "tests/lab/src/sim/arangod/agency/store.rs",
                "a_ttl_ends_a_value_and_a_new_value_has_none",
            ),
        ],
    },
    Row {
        arms: "G0 G5 G9 I3 P4",
        fault: "DB-Server out of sync",
        end: "at the beginning untouched; between two servers and inside of maintenance mode waited for, then nothing is stopped",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "every shard is in sync"),
            ),
            end(
                3,
                State::Serves,
                By::Gate(
                    "wait_health",
                    "wait_health.yml",
                    "the supervision finds every server well",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task(
                    "before_dbserver.yml",
                    "every shard is in sync, and maintenance mode is on",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task("dbserver_upgrade.yml", "every shard allows that they stop"),
            ),
            end(
                3,
                State::Serves,
                By::Settle("dbserver_upgrade.yml", "wait_shards.yml"),
            ),
        ],
        detector: "the oracle: I3",
        seen: &[Seen::Oracle(&["I3"])],
        page: "no look at shards between two DB-Servers",
        cases: &[
            (ROLE_PREFLIGHT, "each_part_of_the_cluster_must_be_well"),
            (ROLE_GATES, "no_dbserver_stops_whose_shards_do_not_allow_it"),
            (ROLE_GATES, "shards_and_health_are_waited_for"),
            (SHARDS, "in_sync_means_same_leader_and_same_followers"),
            (
                SHARDS,
                "a_stop_is_refused_when_it_would_leave_too_few_copies",
            ),
            (SHARDS, "stopping_what_is_allowed_leaves_a_synced_copy"),
            (ROLE_ELSE, "somebody_else_who_upgrades_or_switches_is_seen"),
        ],
    },
    Row {
        arms: "G0 I3 P5",
        fault: "replication factor 1",
        end: "before anything is touched, the collections named; by name it may be away",
        ends: &[end(
            2,
            State::Untouched,
            By::Task("preflight.yml", "every collection has a second copy"),
        )],
        detector: "clients: requests that fail while the server is away; the oracle: I3",
        seen: &[Seen::Oracle(&["I3"]), Seen::Report("failed_requests")],
        page: "a collection has one copy",
        cases: &[
            (ROLE_PREFLIGHT, "each_part_of_the_cluster_must_be_well"),
            (
                SHARDS,
                "a_stop_is_refused_when_it_would_leave_too_few_copies",
            ),
            (JUDGED, "a_shard_that_nobody_else_holds_keeps_its_leader"),
            (
                ORACLE,
                "only_a_shard_that_is_to_have_one_copy_may_be_away_with_it",
            ),
        ],
    },
    Row {
        arms: "G8 I2 P6",
        fault: "an agent never catches up",
        end: "waits at most arangodb_agency_timeout; no further agent is stopped",
        ends: &[end(
            3,
            State::Serves,
            By::Gate(
                "wait_agency",
                "wait_agency.yml",
                "the agency works with all its agents",
            ),
        )],
        detector: "the guard: no majority once the next agent stops",
        seen: &[Seen::Later(
            "servers.yml",
            "the agency has a leader and a majority",
        )],
        page: "an agent never catches up",
        cases: &[
            (
                ROLE_GATES,
                "no_further_agent_stops_before_the_agency_works_with_all_its_agents",
            ),
            (
                AGENCY,
                "a_healthy_agency_passes_and_each_of_the_seven_parts_can_fail",
            ),
            (AGENCY, "an_upgraded_agent_must_report_its_version"),
            (AGENCY, "a_majority_is_a_quorum_and_a_minority_is_not"),
        ],
    },
    Row {
        arms: "G8 I2",
        fault: "terms that flap, two leaders",
        end: "waits until nothing changed for arangodb_agency_settle, then goes on, or stops",
        ends: &[
            end(
                3,
                State::Serves,
                By::Gate(
                    "wait_agency",
                    "wait_agency.yml",
                    "the agency works with all its agents",
                ),
            ),
            end(
                0,
                State::Done,
                By::GoesOn(
                    AGENCY,
                    "a_term_that_moves_between_the_rounds_is_no_stable_agency",
                ),
            ),
        ],
        detector: "the guard: no leader for longer than its grace",
        seen: &[Seen::Later(
            "servers.yml",
            "the agency has a leader and a majority",
        )],
        page: "terms flap, or two agents lead",
        cases: &[
            (
                ROLE_GATES,
                "no_further_agent_stops_before_the_agency_works_with_all_its_agents",
            ),
            (
                AGENCY,
                "a_term_that_moves_between_the_rounds_is_no_stable_agency",
            ),
            (
                "src/cluster/arangodb/sightings.rs",
                "the_agency_works_from_the_first_look_of_an_unbroken_row",
            ),
        ],
    },
    Row {
        arms: "I5 I8",
        fault: "tool crash while maintenance is on",
        end: "owed, told by every later command, paid by recover",
        ends: &[end(
            0,
            State::Serves,
            By::Ran(
                "tests/cli/owed.rs",
                "ran.ended(0, &[\"the lamp is off\", \"exit code 0\"]);",
            ),
        )],
        detector: "the supervision: the mode ends with its time; the oracle: I5",
        seen: &[
            Seen::Oracle(&["I5"]),
            Seen::Test(
                "tests/lab/src/sim/arangod/agency/store.rs",
                "a_ttl_ends_a_value_and_a_new_value_has_none",
            ),
        ],
        page: "stagger, or its machine, dies while maintenance mode is on",
        cases: &[
            (
                "tests/cli/owed.rs",
                "a_second_machine_without_any_records_puts_back_what_notes_say",
            ),
            (
                "tests/cli/resume.rs",
                "what_a_killed_run_left_switched_off_is_told_and_put_back",
            ),
            (
                "src/rollout/tests/resume.rs",
                "any_crash_of_an_upgrade_resumes_to_the_same_end",
            ),
        ],
    },
    Row {
        arms: "I4 G10",
        fault: "the coordinator used for API calls is the one being upgraded",
        end: "the next one of the list is asked",
        ends: &[end(
            0,
            State::Done,
            By::GoesOn(
                ROLE_MEMBERS,
                "whoever_is_down_is_never_the_only_one_that_is_asked",
            ),
        )],
        detector: "G9: maintenance mode is not off, and health not well",
        seen: &[Seen::Later(
            "tasks/wait_health.yml",
            "the supervision finds every server well",
        )],
        page: "the coordinator that is asked is the one that is away",
        cases: &[(
            ROLE_MEMBERS,
            "whoever_is_down_is_never_the_only_one_that_is_asked",
        )],
    },
    Row {
        arms: "G10 I4",
        fault: "a coordinator that is back and does not work",
        end: "stays out of the load balancer",
        ends: &[
            end(
                7,
                State::Serves,
                By::Bracket(
                    "tasks/coordinator_upgrade.yml",
                    "the coordinators of this host are out of the load balancer",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task(
                    "canary.yml",
                    "read it back through {{ arangodb_server.endpoint }}",
                ),
            ),
        ],
        detector: "clients: errors from that coordinator",
        seen: &[Seen::Report("failed_requests")],
        page: "a coordinator is back and does not work",
        cases: &[
            (ROLE_GATES, "a_coordinator_is_tried_while_the_others_answer"),
            (
                ROLE,
                "no_client_is_sent_to_a_coordinator_that_was_not_tried",
            ),
        ],
    },
    Row {
        arms: "G9 I3",
        fault: "follower re-sync on and off during maintenance",
        end: "waits in maintenance mode for as long as shards may take, then leaves it and stops; copies catch up after",
        ends: &[
            end(
                3,
                State::Serves,
                By::Settle("dbserver_upgrade.yml", "wait_shards.yml"),
            ),
            end(
                0,
                State::Done,
                By::GoesOn(
                    BRACKETS,
                    "gate_enter_tasks_settle_leave_after_in_this_order",
                ),
            ),
        ],
        detector: "the oracle: I3",
        seen: &[Seen::Oracle(&["I3"])],
        page: "copies may not catch up while maintenance mode is on",
        cases: &[
            (
                "tests/lab/src/sim/arangod/dbserver/catch_up.rs",
                "maintenance_keeps_followers_out_only_where_the_switch_says_so",
            ),
            (
                "src/rollout/tests/protect/brackets.rs",
                "gate_enter_tasks_settle_leave_after_in_this_order",
            ),
        ],
    },
];
