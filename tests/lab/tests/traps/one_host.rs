//! What can go wrong on one host beside the server that is upgraded: its packages, its unit, its starter, who else is there.

use super::ends::{By, State, end};
use super::seen::Seen;
use super::{
    FAULT, MEMBER, READINESS, ROLE_ELSE, ROLE_GATES, ROLE_PREFLIGHT, ROLE_RESTARTS, ROLE_STRANDED,
    Row, SCRIPT, SCRIPT_KINDS, STRANDED, SUPERVISE, WHOLE,
};

const STRANDED_HOSTS: &str = "tests/lab/tests/hosts/stranded.rs";

pub(super) const ROWS: &[Row] = &[
    Row {
        arms: "G1",
        fault: "package missing on one host",
        end: "state untouched, the program's version named; nothing is stopped before every host has it",
        ends: &[
            end(2, State::Untouched, By::Script("the package is missing")),
            end(
                2,
                State::Untouched,
                By::Script("another package was installed"),
            ),
            end(
                2,
                State::Serves,
                By::Task(
                    "install_packages.yml",
                    "the new program is there and the old ones run on",
                ),
            ),
            end(2, State::Held, By::Script("it comes back as it was")),
        ],
        detector: "G7: the server comes back with another version",
        seen: &[Seen::Test(FAULT, "it comes back as it was")],
        page: "the package is missing on one host",
        cases: &[
            (
                ROLE_GATES,
                "the_new_package_is_there_and_nobody_has_noticed",
            ),
            (FAULT, "the package is missing"),
            (FAULT, "another package was installed"),
            (FAULT, "it comes back as it was"),
        ],
    },
    Row {
        arms: "G0 G1",
        fault: "package half-configured on one host",
        end: "before anything is touched, with the command that mends it",
        ends: &[end(
            2,
            State::Untouched,
            By::Task(
                "readiness.yml",
                "the machine can go through an upgrade, and is left alone meanwhile",
            ),
        )],
        detector: "G1: the program on disk is not the wanted one after the installation",
        seen: &[Seen::Later(
            "tasks/install_packages.yml",
            "the new program is there and the old ones run on",
        )],
        page: "a package is half-configured",
        cases: &[
            (ROLE_PREFLIGHT, "the_machine_itself_must_be_fit"),
            (
                READINESS,
                "a_machine_that_is_fit_has_no_findings_and_each_lack_has_one",
            ),
        ],
    },
    Row {
        arms: "G2 G11 I8",
        fault: "unit edited without reload",
        end: "before anything is touched; at the end all is upgraded, and the unit named with what to type",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task(
                    "readiness.yml",
                    "what systemd has loaded is what lies on the disk",
                ),
            ),
            end(
                2,
                State::Done,
                By::Task("finish.yml", "the unit is its owner's again"),
            ),
        ],
        detector: "G2: what is in force is not what the drop-in says",
        seen: &[Seen::Later(
            "tasks/unit_hold_it.yml",
            "the drop-in is in force",
        )],
        page: "a unit was edited and not read by systemd",
        cases: &[
            (
                ROLE_GATES,
                "the_drop_in_is_in_force_before_anything_is_installed",
            ),
            (ROLE_ELSE, "the_end_is_judged_by_what_is_seen"),
            (FAULT, "systemd restarts"),
        ],
    },
    Row {
        arms: "G7",
        fault: "the starter gives up after 100 failures",
        end: "the starter does not come up, its state told",
        ends: &[
            end(7, State::Held, By::Script("the starter gives up")),
            end(7, State::Held, By::Script("the starter does not start")),
        ],
        detector: "G7: nobody lists the servers; the starter itself counts",
        seen: &[Seen::Effect(SUPERVISE, "give-up")],
        page: "the starter does not come up, or gives up",
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
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "no server of this host is stranded"),
            ),
            end(
                0,
                State::Serves,
                By::GoesOn(
                    STRANDED,
                    "data_that_the_program_on_disk_refuses_is_told_from_data_that_fits",
                ),
            ),
        ],
        detector: "the starter: 1 again and again, 11 upgraded by starters from 0.17.1 on",
        seen: &[
            Seen::Effect("tests/lab/src/sim/arangod/mod.rs", "exit"),
            Seen::Test(
                "tests/lab/tests/loopback.rs",
                "a_cluster_serves_and_one_server_is_upgraded_by_hand",
            ),
        ],
        page: "exit code 1, or 11 in later versions",
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
        end: "before another server is touched; named, with the command; recover upgrades them, agent first, starter last",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "no server of this host is stranded"),
            ),
            end(
                7,
                State::Held,
                By::Bracket("upgrade_servers.yml", "the starters are in stagger's hands"),
            ),
            end(
                2,
                State::Untouched,
                By::Ran(STRANDED_HOSTS, "ends(&stopped, 2)?;"),
            ),
            end(
                0,
                State::Done,
                By::Ran(STRANDED_HOSTS, "ends(&recover(&fleet, \"node2\")?, 0)?;"),
            ),
            end(
                2,
                State::Untouched,
                By::Ran(STRANDED_HOSTS, "ends(&recover(&fleet, \"node1\")?, 2)?;"),
            ),
        ],
        detector: "G8: the agency lacks an agent",
        seen: &[Seen::Later(
            "tasks/wait_agency.yml",
            "the agency works with all its agents",
        )],
        page: "between installation and upgrade an old server that crashes",
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
        end: "found at the next step: changed by someone else, was, is; nothing made worse; held where the starter is out, or somebody's hold file there",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Script("a colleague restarted the server"),
            ),
            end(
                2,
                State::Untouched,
                By::Script("a colleague restarted the starter"),
            ),
            end(
                7,
                State::Held,
                By::Script("a colleague stopped the starter"),
            ),
            end(
                7,
                State::Held,
                By::Script("a colleague ended the other server"),
            ),
            end(7, State::Held, By::Script("somebody is at work")),
            end(
                2,
                State::Serves,
                By::Script("a colleague starts the starter meanwhile"),
            ),
            end(
                7,
                State::Held,
                By::Script("a colleague ends the other server while the data is upgraded"),
            ),
        ],
        detector: "G7: a process that is not known",
        seen: &[Seen::Later(
            "tasks/upgrade_member.yml",
            "the server runs anew, the others run on, the starter has them all",
        )],
        page: "somebody restarts, stops or reboots something",
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
        ends: &[
            end(
                0,
                State::Done,
                By::GoesOn(ROLE_ELSE, "what_was_started_anew_meanwhile_is_told"),
            ),
            end(
                7,
                State::Held,
                By::Bracket("upgrade_servers.yml", "the starters are in stagger's hands"),
            ),
        ],
        detector: "G8: the agency lacks an agent",
        seen: &[Seen::Later(
            "tasks/wait_agency.yml",
            "the agency works with all its agents",
        )],
        page: "somebody restarts, stops or reboots something",
        cases: &[
            (ROLE_ELSE, "what_was_started_anew_meanwhile_is_told"),
            (MEMBER, "a_process_is_told_from_one_of_another_boot"),
            (SCRIPT_KINDS, "the_data_of_a_stranded_server_is_nobodys"),
        ],
    },
    Row {
        arms: "G5",
        fault: "a server that does not end",
        end: "after arangodb_stop_timeout: never killed, the starter held back",
        ends: &[end(7, State::Held, By::Script("it is deaf to SIGTERM"))],
        detector: "who kills it: its engine recovers at the next start",
        seen: &[Seen::Effect(SUPERVISE, "kill")],
        page: "a server does not end",
        cases: &[(WHOLE, "a_server_that_does_not_end_is_not_killed")],
    },
    Row {
        arms: "P11",
        fault: "authentication and TLS",
        end: "the header is minted, TLS found out; nobody is asked without",
        ends: &[end(
            0,
            State::Done,
            By::GoesOn(
                "src/cluster/arangodb/token.rs",
                "a_token_is_signed_with_the_trimmed_secret",
            ),
        )],
        detector: "the servers: 401",
        seen: &[Seen::Test(
            "tests/lab/tests/hosts/cluster.rs",
            "cluster::serves_with_tokens_and_tls",
        )],
        page: "authentication and TLS are absent",
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
        end: "before anything is touched: that is an upgrade",
        ends: &[
            end(
                2,
                State::Untouched,
                By::Task("preflight.yml", "what runs is what a restart would start"),
            ),
            end(
                2,
                State::Untouched,
                By::Script("another package was installed"),
            ),
            end(
                2,
                State::Untouched,
                By::Ran("tests/lab/tests/hosts/restart.rs", "ends(&refused, 2)?;"),
            ),
        ],
        detector: "the starter: the new program on old data refuses",
        seen: &[Seen::Test(
            "tests/lab/tests/loopback.rs",
            "a_cluster_serves_and_one_server_is_upgraded_by_hand",
        )],
        page: "a restart after an installation is an upgrade",
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
