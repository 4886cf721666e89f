//! What can go wrong with the cluster as a whole: which servers there are, which way they go, and who else is at work.

use super::ends::{By, State, end};
use super::seen::Seen;
use super::{
    ABILITIES, FAULT, JUDGED, LOCKED, LOCKS, MEMBER, ORACLE, ROLE, ROLE_ELSE, ROLE_LATER,
    ROLE_MEMBERS, ROLE_PREFLIGHT, ROLE_RESTARTS, Row, SHARDS, VERSIONS,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "I1 P13",
        fault: "two servers taken at a time, the leader first",
        end: "one host at a time; followers, then the leader, one election",
        ends: &[end(
            0,
            State::Done,
            By::GoesOn(
                ROLE_MEMBERS,
                "servers_end_one_host_at_a_time_and_the_agencys_leader_last",
            ),
        )],
        detector: "the oracle: I1",
        seen: &[Seen::Oracle(&["I1"])],
        page: "the leader first means up to three elections",
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
        end: "before anything is touched, with the reason; taken by name only, on record",
        ends: &[end(
            2,
            State::Untouched,
            By::Task(
                "preflight.yml",
                "the way from version to version is a safe one",
            ),
        )],
        detector: "G6: the data does not say that it is upgraded; G8: an agency that misreads its log does not come to rest",
        seen: &[
            Seen::Script("the log does not say that the upgrade passed"),
            Seen::Later(
                "tasks/wait_agency.yml",
                "the agency works with all its agents",
            ),
        ],
        page: "a way between versions is known to be bad",
        cases: &[
            (ROLE_PREFLIGHT, "the_way_is_a_safe_one_or_taken_on_record"),
            (VERSIONS, "paths_are_refused_with_a_reason"),
        ],
    },
    Row {
        arms: "G0 I1",
        fault: "members that are not hosts",
        end: "mapped one to one, or refused before anything is touched, with who is missing or named twice; of two starters on one machine, refused",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task(
                    "preflight.yml",
                    "every machine of the cluster is in the inventory, and only once",
                ),
            ),
            end(
                2,
                State::Untouched,
                By::Task(
                    "preflight.yml",
                    "every server of the cluster belongs to one host of the inventory, and every agent of the set-up is in the agency",
                ),
            ),
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "the agency works with all its agents"),
            ),
            end(
                0,
                State::Done,
                By::GoesOn(ROLE_LATER, "a_machine_in_two_groups_is_planned_once"),
            ),
        ],
        detector: "before each server: no server of the agency has that endpoint",
        seen: &[Seen::Later(
            "tasks/upgrade_one.yml",
            "the server is a member of the cluster",
        )],
        page: "two starters run on one machine",
        cases: &[
            (ROLE_PREFLIGHT, "a_part_of_the_machines_is_no_cluster"),
            (ROLE_LATER, "a_machine_in_two_groups_is_planned_once"),
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
        end: "no server is touched; taken over by name only",
        ends: &[end(
            5,
            State::Untouched,
            By::Lock("lock_take.yml", "take the lock"),
        )],
        detector: "the token: each step of a run that was taken over is refused on the host",
        seen: &[Seen::Test(
            LOCKED,
            "a_step_of_a_run_that_was_taken_over_is_refused_on_the_host",
        )],
        page: "two runs work on one cluster",
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
        end: "at the beginning, and before a DB-Server stops, with what is switched; resume switches it on again",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "the supervision is on"),
            ),
            end(
                2,
                State::Serves,
                By::Task("before_dbserver.yml", "maintenance mode is still asked for"),
            ),
        ],
        detector: "the oracle: I5",
        seen: &[Seen::Oracle(&["I5"])],
        page: "somebody switches maintenance mode off in the middle",
        cases: &[(ROLE_ELSE, "somebody_else_who_upgrades_or_switches_is_seen")],
    },
    Row {
        arms: "G0 G3",
        fault: "somebody runs `arangodb upgrade`",
        end: "at the beginning, before the next server and directly before its stop; with the starter's plan",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "nobody else is upgrading the cluster"),
            ),
            end(
                3,
                State::Serves,
                By::Gate(
                    "nobody_stranded",
                    "nobody_stranded.yml",
                    "nobody else has begun to upgrade the cluster",
                ),
            ),
            end(
                2,
                State::Untouched,
                By::Script("somebody runs `arangodb upgrade`"),
            ),
            end(
                2,
                State::Serves,
                By::Ran(
                    "tests/lab/tests/hosts/somebody_else.rs",
                    "ends(&stopped, 2)?;",
                ),
            ),
        ],
        detector: "G3: a server is another process; the oracle: I1",
        seen: &[
            Seen::Oracle(&["I1"]),
            Seen::Test(FAULT, "a colleague restarted the server"),
        ],
        page: "somebody types `arangodb upgrade`",
        cases: &[
            (ROLE_ELSE, "somebody_else_who_upgrades_or_switches_is_seen"),
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
        ends: &[end(
            0,
            State::Done,
            By::Ran(
                "tests/lab/tests/hosts/back.rs",
                "ends(&run(fleet, \"upgrade.yml\", &typed)?, 0)?;",
            ),
        )],
        detector: "the effects: a server upgraded or restarted twice",
        seen: &[Seen::Effect(
            "tests/lab/src/sim/arangod/upgrade.rs",
            "auto-upgrade-begin",
        )],
        page: "a run is started again in the middle",
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
        end: "moved again, up to three times; where it cannot leave, before anything is touched",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "leadership can be moved"),
            ),
            end(
                2,
                State::Serves,
                By::Task("dbserver.yml", "leadership stayed away"),
            ),
            end(
                0,
                State::Done,
                By::GoesOn(ROLE, "leadership_that_came_back_is_seen_before_the_stop"),
            ),
        ],
        detector: "clients: requests that wait for as long as the server is away",
        seen: &[Seen::Report("longest_stall_ms")],
        page: "leadership comes back to a DB-Server",
        cases: &[
            (ROLE_PREFLIGHT, "the_way_is_a_safe_one_or_taken_on_record"),
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
        end: "before anything is touched if nothing is said of it; both sides must agree; owed where it cannot be started",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task(
                    "sync_preflight.yml",
                    "nothing is replicated that this run does not know of",
                ),
            ),
            end(
                7,
                State::Serves,
                By::Bracket("upgrade.yml", "replication between data centres is stopped"),
            ),
        ],
        detector: "the oracle: R1",
        seen: &[Seen::Oracle(&["R1"])],
        page: "stopping the synchronisation may make the source read-only",
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
