//! What can go wrong with the cluster around the server that is away.

use super::{
    ABILITIES, AGENCY, FAULT, JUDGED, LOCKED, LOCKS, MEMBER, ORACLE, ROLE, ROLE_ELSE, ROLE_MEMBERS,
    ROLE_RESTARTS, Row, SHARDS, VERSIONS,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "I5 P3 G5",
        fault: "TTL expires in the middle",
        end: "asked for again at a third of its time; where that fails forward steps wait",
        detector: "the supervision: failover of the shards of the server that is away",
        cases: &[
            (ROLE, "maintenance_mode_is_renewed_twice_before_it_runs_out"),
            (
                "src/rollout/tests/protect/brackets.rs",
                "a_bracket_is_renewed_while_it_is_entered_and_never_while_it_is_left",
            ),
            (
                "src/rollout/tests/protect/brackets.rs",
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
        end: "waits until it is in sync, at most arangodb_shards_timeout, then exit 3; nothing is stopped",
        detector: "the oracle: a shard without an in-sync copy that serves",
        cases: &[
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
        end: "exit 2 before anything is touched, the collections named; by name it may be away",
        detector: "the oracle: requests that fail while the server is away",
        cases: &[
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
        end: "waits at most arangodb_agency_timeout, then exit 3; no further agent is stopped",
        detector: "the guard: no majority once the next agent stops",
        cases: &[
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
        end: "waits until nothing changed for arangodb_agency_settle, then goes on, or exit 3",
        detector: "the guard: no leader for longer than its grace",
        cases: &[
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
        detector: "the supervision: the mode ends with its time",
        cases: &[
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
        detector: "the step: its request gets no answer",
        cases: &[(
            ROLE_MEMBERS,
            "whoever_is_down_is_never_the_only_one_that_is_asked",
        )],
    },
    Row {
        arms: "G10 I4",
        fault: "a coordinator that is back and does not work",
        end: "stays out of the load balancer, held, exit 7",
        detector: "clients: errors from that coordinator",
        cases: &[(
            ROLE,
            "no_client_is_sent_to_a_coordinator_that_was_not_tried",
        )],
    },
    Row {
        arms: "G9 I3",
        fault: "follower re-sync on and off during maintenance",
        end: "waits in maintenance mode for as long as shards may take, then leaves it and stops; copies catch up after",
        detector: "the oracle: the next server stops with a copy behind",
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
    Row {
        arms: "I1 P13",
        fault: "two servers taken at a time, the leader first",
        end: "one host at a time; followers, then the leader, one election",
        detector: "the oracle: more than one server down",
        cases: &[
            (
                ROLE_MEMBERS,
                "servers_end_one_host_at_a_time_and_the_agencys_leader_last",
            ),
            (
                ORACLE,
                "each_invariant_is_broken_by_its_own_fault_and_by_no_other",
            ),
        ],
    },
    Row {
        arms: "G0",
        fault: "a way between versions that is known to be bad",
        end: "exit 2 before anything is touched, with the reason; taken by name only, on record",
        detector: "the vendor's support",
        cases: &[(VERSIONS, "paths_are_refused_with_a_reason")],
    },
    Row {
        arms: "G0 I1",
        fault: "members that are not hosts",
        end: "mapped one to one, or exit 2 before anything is touched, with who is missing or named twice",
        detector: "G0: the agency lists a server that no host runs",
        cases: &[
            (ROLE_MEMBERS, "members_are_mapped_to_hosts_or_refused"),
            (ROLE_MEMBERS, "a_machine_under_two_names_is_refused"),
            (
                "src/cluster/arangodb/setup.rs",
                "the_setup_file_gives_peers_and_keeps_the_secret_apart",
            ),
            (
                MEMBER,
                "a_machine_without_an_agent_runs_what_it_is_set_up_for",
            ),
        ],
    },
    Row {
        arms: "I9",
        fault: "a second operator",
        end: "exit 5 before anything is touched; taken over by name only",
        detector: "the token: each step of a run that was taken over is refused on the host",
        cases: &[
            (LOCKS, "a_lock_is_taken_from_nobody_who_may_be_at_work"),
            (LOCKS, "a_lock_is_taken_shown_and_given_back_by_who_has_it"),
            (
                LOCKS,
                "the_lock_of_an_arangodb_cluster_lies_under_the_clusters_own_id",
            ),
            (
                LOCKS,
                "a_step_is_refused_where_a_later_run_has_taken_the_lock_over",
            ),
            (LOCKED, "a_majority_is_enough_and_nothing_less_is"),
        ],
    },
    Row {
        arms: "G0 G5",
        fault: "somebody changes maintenance",
        end: "exit 2 at the beginning, and before a DB-Server stops, with what is switched; resume switches it on again",
        detector: "the supervision: failover while a server is away",
        cases: &[
            (ROLE_ELSE, "somebody_else_who_upgrades_or_switches_is_seen"),
            (ROLE_ELSE, "maintenance mode is still asked for"),
        ],
    },
    Row {
        arms: "G0 G3",
        fault: "somebody runs `arangodb upgrade`",
        end: "exit 2 at the beginning, 3 before the next server, 2 directly before its stop; with the starter's plan",
        detector: "G3: a server is another process; the oracle: more than one server down",
        cases: &[
            (ROLE_ELSE, "nobody else has begun to upgrade the cluster"),
            (FAULT, "somebody runs `arangodb upgrade`"),
            (FAULT, "somebody ran `arangodb upgrade`, long ago"),
            (
                "tests/lab/tests/hosts/somebody_else.rs",
                "somebody_else::an_upgrade_by_the_starters_stops_the_run",
            ),
            (JUDGED, "jobs_are_told_by_what_they_are_about"),
        ],
    },
    Row {
        arms: "I10",
        fault: "a run that is started again in the middle",
        end: "goes on from versions and processes that are seen",
        detector: "the effects: a server upgraded or restarted twice",
        cases: &[
            (ROLE_RESTARTS, "a_server_is_done_by_what_is_seen_of_it"),
            (MEMBER, "a_process_is_told_from_one_of_another_boot"),
            (
                "tests/lab/tests/hosts/back.rs",
                "back::packages_go_back_and_a_second_run_changes_nothing",
            ),
        ],
    },
    Row {
        arms: "G5 P5",
        fault: "leadership comes back, or cannot leave",
        end: "moved again, up to three times; where it cannot leave exit 2 before anything is touched",
        detector: "clients: requests that wait for as long as the server is away",
        cases: &[
            (ROLE, "leadership_that_came_back_is_seen_before_the_stop"),
            (SHARDS, "leadership_goes_only_to_a_server_without_a_copy"),
            (
                ABILITIES,
                "resigning_is_used_only_where_it_exists_and_is_safe",
            ),
            (
                "tests/lab/tests/hosts/upgrade.rs",
                "upgrade::three_copies_cannot_be_moved",
            ),
        ],
    },
    Row {
        arms: "G0 G11 P2",
        fault: "replication between data centres that is not stopped, or not started",
        end: "exit 2 before anything is touched if nothing is said of it; both sides must agree; owed where it cannot be started",
        detector: "the oracle: a replication between versions",
        cases: &[
            ("src/cluster/arangodb/sync.rs", "both_sides_decide"),
            (
                "src/cluster/arangodb/sync.rs",
                "who_does_not_answer_is_neither_stopped_nor_running",
            ),
            (ORACLE, "a_replication_between_versions_is_a_breach"),
            (
                "tests/lab/tests/hosts/upgrade.rs",
                "upgrade::two_data_centres",
            ),
        ],
    },
];
