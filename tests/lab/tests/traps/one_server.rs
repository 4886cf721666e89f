//! What can go wrong with one server and its host, from the look before its stop to its return.

use super::{
    COMMAND_FILE, FAULT, MEMBER, READINESS, ROLE, ROLE_ELSE, ROLE_RESTARTS, ROLE_STRANDED, Row,
    SCRIPT, SCRIPT_KINDS, STRANDED, WHOLE,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "G2 G3 I7 P1 P7",
        fault: "KillMode is missing",
        end: "exit 2, state untouched: every process lives, the starter too",
        detector: "G4: servers that are gone after the kill; the oracle: more than one server down",
        cases: &[
            (FAULT, "KillMode is missing"),
            (FAULT, "systemd restarts"),
            (
                "tests/lab/tests/hosts/cluster.rs",
                "the_default_unit_takes_the_servers_along",
            ),
        ],
    },
    Row {
        arms: "G4 I6",
        fault: "the starter takes servers with it",
        end: "with old data: the starter stays out, held back, the stranded are named; else it is started again and all answer",
        detector: "the oracle: two servers down",
        cases: &[
            (
                FAULT,
                "the starter takes a server with it, whose data is old",
            ),
            (FAULT, "a restart, the starter takes a server with it"),
        ],
    },
    Row {
        arms: "G7 P10",
        fault: "slow server at adoption",
        end: "exit 2: the upgraded server is down, the starter out, the slow one lives",
        detector: "the starter: it ends the slow server and starts the new program on old data",
        cases: &[
            (
                FAULT,
                "the other server is slow when the starter would take it over",
            ),
            (FAULT, "the other server hangs"),
            (FAULT, "the starter starts another server anew"),
            (
                "tests/lab/src/sim/starter/supervise.rs",
                "only_a_server_that_answers_in_time_and_role_is_adopted",
            ),
        ],
    },
    Row {
        arms: "G6",
        fault: "auto-upgrade exits 1",
        end: "tried again once; then exit 2, the server down, the starter held back, the others serve",
        detector: "the starter: the server refuses its data, a hundred times",
        cases: &[
            (FAULT, "the upgrade exits 1"),
            (SCRIPT, "an_upgrade_of_the_data_is_judged_by_its_own_words"),
        ],
    },
    Row {
        arms: "G6 I5",
        fault: "auto-upgrade hangs",
        end: "never ended by the tool: it goes on to its end on the host; maintenance mode is held meanwhile",
        detector: "the supervision: failover when maintenance mode ends",
        cases: &[
            (FAULT, "the upgrade takes longer than every wait"),
            (ROLE, "maintenance_mode_is_held_while_data_is_upgraded"),
            (
                "tests/cli/background.rs",
                "the_deadline_does_to_a_job_what_the_task_says",
            ),
        ],
    },
    Row {
        arms: "G1 G11 P12",
        fault: "standalone service on 8529",
        end: "masked before the installation; where it runs nevertheless exit 3 before a server is stopped",
        detector: "G5: the coordinator's port is taken after it has ended",
        cases: &[
            (
                ROLE_ELSE,
                "nobody_takes_the_coordinators_port_while_it_is_away",
            ),
            (SCRIPT, "a_port_that_somebody_took_is_seen"),
            (
                "tests/lab/tests/hosts/cluster.rs",
                "the_package_meets_the_cluster",
            ),
        ],
    },
    Row {
        arms: "G3 P8",
        fault: "stale command file",
        end: "the running process's words win, the difference is told",
        detector: "G7: the server comes back and does not find its peers",
        cases: &[(COMMAND_FILE, "a_stale_file_is_told_by_what_differs")],
    },
    Row {
        arms: "G3 G11",
        fault: "command file written during an auto-upgrade",
        end: "the option is dropped and given once; no server is left with it",
        detector: "the starter: a server that ends at once each time",
        cases: &[
            (
                COMMAND_FILE,
                "options_are_dropped_in_both_forms_and_added_once",
            ),
            (ROLE_ELSE, "the_end_is_judged_by_what_is_seen"),
            (
                "tests/lab/src/sim/starter/command.rs",
                "a_file_first_written_in_an_upgrade_keeps_the_upgrade",
            ),
        ],
    },
    Row {
        arms: "G3 P8",
        fault: "command file with spaces and $",
        end: "no shell splits or expands anything of it",
        detector: "G6: an upgrade of another directory says nothing in the log",
        cases: &[
            (
                COMMAND_FILE,
                "a_command_file_is_one_argument_a_line_and_never_split",
            ),
            (COMMAND_FILE, "arguments_that_are_no_text_keep_their_bytes"),
        ],
    },
    Row {
        arms: "G3 G7",
        fault: "recycled pid in LOCK",
        end: "exit 2 before the starter is started, the file and the process named",
        detector: "whoever owns the process that the starter ends",
        cases: &[
            (FAULT, "a recycled pid in LOCK"),
            (MEMBER, "a_recycled_pid_in_a_lock_is_nobody"),
            (
                "tests/lab/src/sim/starter/process.rs",
                "only_a_living_process_holds_a_directory",
            ),
        ],
    },
    Row {
        arms: "I7",
        fault: "SSH lost after kill -9",
        end: "the job goes on to its end on the host, and is found again",
        detector: "the report: a step in doubt",
        cases: &[
            (
                "src/connection/trials/claims.rs",
                "a_job_outlives_its_session_and_is_found_again",
            ),
            (
                "src/rollout/tests/resume.rs",
                "a_command_whose_answer_was_lost_is_asked_for_at_once_and_not_sent_again",
            ),
        ],
    },
    Row {
        arms: "G1",
        fault: "package missing on one host",
        end: "exit 2, state untouched, the program's version named",
        detector: "G7: the server comes back with another version",
        cases: &[
            (FAULT, "the package is missing"),
            (FAULT, "another package was installed"),
            (FAULT, "it comes back as it was"),
        ],
    },
    Row {
        arms: "G0 G1",
        fault: "package half-configured on one host",
        end: "exit 2 before anything is touched, with the command that mends it",
        detector: "the installation: dpkg refuses",
        cases: &[(
            READINESS,
            "a_machine_that_is_fit_has_no_findings_and_each_lack_has_one",
        )],
    },
    Row {
        arms: "G2 G11 I8",
        fault: "unit edited without reload",
        end: "exit 2 before anything is touched; at the end it would be owed",
        detector: "G2: what is in force is not what the drop-in says",
        cases: &[
            (ROLE_ELSE, "the_end_is_judged_by_what_is_seen"),
            (FAULT, "systemd restarts"),
        ],
    },
    Row {
        arms: "G7",
        fault: "the starter gives up after 100 failures",
        end: "exit 2: the starter does not come up, its state told",
        detector: "G7: nobody lists the servers",
        cases: &[
            (FAULT, "the starter gives up"),
            (FAULT, "the starter does not start"),
            (
                "tests/lab/src/sim/starter/supervise.rs",
                "failures_are_recent_until_a_server_runs_for_30_s",
            ),
        ],
    },
    Row {
        arms: "I6 P9",
        fault: "exit 1 and exit 11 on an old data directory",
        end: "nothing is judged by that code: data against program, read before the start",
        detector: "the starter: 1 again and again, 11 upgraded by starters from 0.17.1 on",
        cases: &[
            (
                STRANDED,
                "data_that_the_program_on_disk_refuses_is_told_from_data_that_fits",
            ),
            (
                MEMBER,
                "a_server_is_stranded_when_only_a_program_that_refuses_its_data_is_left",
            ),
        ],
    },
    Row {
        arms: "I1 I6 P9",
        fault: "stranded members",
        end: "exit 2 at the beginning, 3 in the middle, before another server is touched; named, with the command; recover upgrades them, agent first, starter last",
        detector: "G8: the agency lacks an agent",
        cases: &[
            (
                ROLE_STRANDED,
                "the_run_stops_for_a_stranded_host_before_another_server_is_touched",
            ),
            (
                ROLE_STRANDED,
                "what_is_stranded_is_upgraded_only_where_the_others_carry_the_cluster",
            ),
            (
                ROLE_STRANDED,
                "the_starter_of_a_stranded_host_is_held_until_all_its_data_is_upgraded",
            ),
            (
                SCRIPT_KINDS,
                "stranded_servers_are_upgraded_one_after_the_other_and_then_the_starter_starts",
            ),
            (SCRIPT_KINDS, "the_data_of_a_stranded_server_is_nobodys"),
            (
                "tests/cli/stranded.rs",
                "it_is_a_run_of_its_own_that_can_be_resumed",
            ),
            (
                "tests/lab/tests/hosts/stranded.rs",
                "stranded::a_power_cut_before_the_upgrade_is_named_and_undone",
            ),
        ],
    },
    Row {
        arms: "G3 G4 I10",
        fault: "somebody starts, stops or restarts the starter or a server",
        end: "found at the next step: changed by someone else, was, is; nothing made worse",
        detector: "G7: a process that is not known",
        cases: &[
            (FAULT, "a colleague restarted the server"),
            (FAULT, "a colleague restarted the starter"),
            (
                FAULT,
                "a colleague restarted the starter, it is told since when",
            ),
            (FAULT, "a colleague stopped the starter"),
            (FAULT, "a colleague ended the other server"),
            (
                FAULT,
                "a colleague ends the other server while the data is upgraded",
            ),
            (FAULT, "a colleague starts the starter meanwhile"),
            (FAULT, "somebody is at work"),
            (
                ROLE_ELSE,
                "nobody_takes_the_coordinators_port_while_it_is_away",
            ),
        ],
    },
    Row {
        arms: "G3 I10",
        fault: "a machine that is booted anew in the middle",
        end: "its servers are told to be others; a process that is known by its boot is never taken for another; stranded where its data is old",
        detector: "G8: the agency lacks an agent",
        cases: &[
            (ROLE_ELSE, "what_was_started_anew_meanwhile_is_told"),
            (MEMBER, "a_process_is_told_from_one_of_another_boot"),
            (SCRIPT_KINDS, "the_data_of_a_stranded_server_is_nobodys"),
        ],
    },
    Row {
        arms: "G5",
        fault: "a server that does not end",
        end: "exit 2 after arangodb_stop_timeout: never killed, the starter held back",
        detector: "its engine: recovery at the next start",
        cases: &[(WHOLE, "a_server_that_does_not_end_is_not_killed")],
    },
    Row {
        arms: "P11",
        fault: "authentication and TLS",
        end: "the header is minted, TLS found out; nobody is asked without",
        detector: "the servers: 401",
        cases: &[
            (
                "src/cluster/arangodb/token.rs",
                "a_token_is_signed_with_the_trimmed_secret",
            ),
            (SCRIPT, "servers_are_asked_the_same_with_curl_and_without"),
            (
                "tests/lab/tests/hosts/cluster.rs",
                "cluster::serves_with_tokens_and_tls",
            ),
        ],
    },
    Row {
        arms: "I6 G1",
        fault: "a restart where another package lies",
        end: "exit 2 before anything is touched: that is an upgrade",
        detector: "the starter: the new program on old data refuses",
        cases: &[
            (ROLE_RESTARTS, "a_restart_starts_nothing_but_what_runs"),
            (FAULT, "another package was installed"),
            (
                "tests/lab/tests/hosts/restart.rs",
                "restart::a_package_that_waits_to_be_run_is_no_restart",
            ),
        ],
    },
];
