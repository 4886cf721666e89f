//! What can go wrong with one server and its host, from the look before its stop to its return.

use super::ends::{By, State, end};
use super::seen::Seen;
use super::{
    BRACKETS, COMMAND_FILE, FAULT, MEMBER, ROLE, ROLE_ELSE, ROLE_GATES, Row, SCRIPT, SCRIPT_WORDS,
    SUPERVISE,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "G2 G3 I7 P1 P7",
        fault: "KillMode is missing",
        end: "state untouched: every process lives, the starter too",
        ends: &[
            end(2, State::Untouched, By::Script("KillMode is missing")),
            end(2, State::Untouched, By::Script("systemd restarts")),
            end(
                2,
                State::Serves,
                By::Task("unit_hold_it.yml", "the drop-in is in force"),
            ),
        ],
        detector: "G4: servers that are gone after the kill; the oracle: I1",
        seen: &[
            Seen::Oracle(&["I1"]),
            Seen::Test(
                FAULT,
                "the starter takes a server with it, whose data is old",
            ),
        ],
        page: "systemd's default KillMode kills all servers of the host",
        cases: &[
            (FAULT, "KillMode is missing"),
            (FAULT, "systemd restarts"),
            (
                "tests/lab/tests/hosts/cluster.rs",
                "cluster::serves_and_meets_packages_and_systemd",
            ),
        ],
    },
    Row {
        arms: "G4 I6",
        fault: "the starter takes servers with it",
        end: "with old data: the starter stays out, held back, the stranded are named; else it is started again and all answer",
        ends: &[
            end(
                7,
                State::Held,
                By::Script("the starter takes a server with it, whose data is old"),
            ),
            end(
                2,
                State::Serves,
                By::Script("a restart, the starter takes a server with it"),
            ),
        ],
        detector: "the oracle: I1",
        seen: &[Seen::Oracle(&["I1"])],
        page: "G4 after | the starter is gone and stays away",
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
        end: "before the starter is stopped: untouched; behind the upgrade: the upgraded server is down, the starter out, the slow one lives",
        ends: &[
            end(2, State::Untouched, By::Script("the other server hangs")),
            end(
                7,
                State::Held,
                By::Script("the other server is slow when the starter would take it over"),
            ),
            end(
                7,
                State::Held,
                By::Script("the starter starts another server anew, whose data is old"),
            ),
            end(
                2,
                State::Serves,
                By::Script("a restart, the starter starts another server anew"),
            ),
        ],
        detector: "the starter: it ends the slow server and starts the new program on old data",
        seen: &[
            Seen::Effect(SUPERVISE, "terminate"),
            Seen::Test(
                "tests/lab/tests/loopback.rs",
                "a_slow_server_is_ended_by_a_starter_and_started_with_the_new_program",
            ),
        ],
        page: "kills servers that take over 10 s to answer",
        cases: &[
            (
                "tests/lab/tests/loopback.rs",
                "a_slow_server_is_ended_by_a_starter_and_started_with_the_new_program",
            ),
            (
                FAULT,
                "the other server is slow when the starter would take it over",
            ),
            (FAULT, "the other server hangs"),
            (
                FAULT,
                "the starter starts another server anew, whose data is old",
            ),
            (
                "tests/lab/src/sim/starter/supervise.rs",
                "only_a_server_that_answers_in_time_and_role_is_adopted",
            ),
        ],
    },
    Row {
        arms: "G6",
        fault: "auto-upgrade exits 1",
        end: "tried again once; then the server is down, the starter held back, the others serve",
        ends: &[end(7, State::Held, By::Script("the upgrade exits 1"))],
        detector: "the starter: the server refuses its data, a hundred times",
        seen: &[
            Seen::Effect(SUPERVISE, "give-up"),
            Seen::Test(
                "tests/lab/tests/loopback.rs",
                "a_cluster_serves_and_one_server_is_upgraded_by_hand",
            ),
        ],
        page: "the upgrade of the data fails",
        cases: &[
            (FAULT, "the upgrade exits 1"),
            (SCRIPT, "an_upgrade_of_the_data_is_judged_by_its_own_words"),
        ],
    },
    Row {
        arms: "G6 I5",
        fault: "auto-upgrade hangs",
        end: "never ended by the tool: it goes on to its end on the host; maintenance mode is held meanwhile",
        ends: &[
            end(
                0,
                State::Done,
                By::Script("the upgrade takes longer than every wait"),
            ),
            end(
                7,
                State::Held,
                By::Ran(BRACKETS, "assert_eq!(ran.exit(), 7);"),
            ),
            end(
                7,
                State::Held,
                By::Bracket(
                    "tasks/dbserver_upgrade.yml",
                    "the supervision is in maintenance mode",
                ),
            ),
        ],
        detector: "the supervision: failover when maintenance mode ends; the oracle: I5",
        seen: &[Seen::Oracle(&["I5"])],
        page: "the upgrade of the data takes long, or never ends",
        cases: &[
            (
                BRACKETS,
                "a_step_in_doubt_holds_all_around_it_but_what_says_otherwise_and_is_waited_for_once",
            ),
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
        end: "masked before the installation; where it runs nevertheless nothing more is stopped",
        ends: &[
            end(
                3,
                State::Serves,
                By::Gate(
                    "processes",
                    "processes.yml",
                    "on every host the same processes run as at the beginning",
                ),
            ),
            end(
                2,
                State::Serves,
                By::Task(
                    "install_packages.yml",
                    "the new program is there and the old ones run on",
                ),
            ),
            end(
                2,
                State::Done,
                By::Task("finish.yml", "the standalone server is off, and stays off"),
            ),
        ],
        detector: "G5: the coordinator's port is taken after it has ended",
        seen: &[Seen::Test(SCRIPT, "a_port_that_somebody_took_is_seen")],
        page: "the package's own service takes port 8529",
        cases: &[
            (
                ROLE_GATES,
                "the_new_package_is_there_and_nobody_has_noticed",
            ),
            (
                ROLE_ELSE,
                "nobody_takes_the_coordinators_port_while_it_is_away",
            ),
            (SCRIPT, "a_port_that_somebody_took_is_seen"),
            (
                "tests/lab/tests/hosts/cluster.rs",
                "cluster::serves_and_meets_packages_and_systemd",
            ),
        ],
    },
    Row {
        arms: "G3 P8",
        fault: "stale command file",
        end: "the running process's words win, the difference is told",
        ends: &[end(
            0,
            State::Done,
            By::GoesOn(COMMAND_FILE, "the_running_process_wins_over_a_stale_file"),
        )],
        detector: "G7: the server comes back and is not available",
        seen: &[Seen::Script("runs but is not available")],
        page: "`arangod_command.txt` may be stale",
        cases: &[
            (COMMAND_FILE, "the_running_process_wins_over_a_stale_file"),
            (COMMAND_FILE, "a_stale_file_is_told_by_what_differs"),
        ],
    },
    Row {
        arms: "G3 G11",
        fault: "command file written during an auto-upgrade",
        end: "the option is dropped and given once; no server is left with it",
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(
                    COMMAND_FILE,
                    "options_are_dropped_in_both_forms_and_added_once",
                ),
            ),
            end(
                2,
                State::Done,
                By::Task(
                    "finish.yml",
                    "no server was left with the option of the upgrade",
                ),
            ),
        ],
        detector: "the starter: a server that ends at once each time",
        seen: &[Seen::Effect(SUPERVISE, "give-up")],
        page: "written during an upgrade keeps `--database.auto-upgrade`",
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
        ends: &[end(
            0,
            State::Done,
            By::GoesOn(
                SCRIPT_WORDS,
                "no_shell_splits_or_expands_what_a_server_is_called_with",
            ),
        )],
        detector: "G6: an upgrade of another directory says nothing in the log",
        seen: &[Seen::Script("the log does not say that the upgrade passed")],
        page: "`arangod_command.txt` may be stale, unquoted",
        cases: &[
            (
                SCRIPT_WORDS,
                "no_shell_splits_or_expands_what_a_server_is_called_with",
            ),
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
        end: "before the starter is started: the server is down, the file and the process named",
        ends: &[end(7, State::Held, By::Script("a recycled pid in LOCK"))],
        detector: "whoever owns the process that the starter ends",
        seen: &[Seen::Effect(SUPERVISE, "terminate")],
        page: "a lock file that was left over names a process that is somebody else's",
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
        end: "the job goes on to its end on the host, and is found again; where it is not, what is around it is held",
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(
                    "src/rollout/tests/resume.rs",
                    "a_command_whose_answer_was_lost_is_asked_for_at_once_and_not_sent_again",
                ),
            ),
            end(
                7,
                State::Held,
                By::Ran(BRACKETS, "assert_eq!(ran.exit(), 7);"),
            ),
        ],
        detector: "the run's record: a step in doubt",
        seen: &[Seen::Test(
            "src/rollout/tests/resume.rs",
            "a_command_in_doubt_without_an_answer_is_the_operators",
        )],
        page: "the network to a host is lost after its starter was killed",
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
];
