//! What can go wrong with an upgrade of ArangoDB, as a table: each gate, invariant and silence of the procedure with the
//! fault that arms it, what must come of it, who else would notice, and the cases that try it.
//!
//! A case is named by the file that holds it and by its name there; a row whose case is gone, and a gate without a fault,
//! fail here. The cheapest level that can show a thing has it: a rule on data, then the script with processes, then
//! simulated servers, then hosts.

use std::collections::BTreeSet;
use std::path::Path;

/// One way in which things go wrong.
#[derive(Debug)]
struct Row {
    /// The gates (G), invariants (I) and silences of the procedure (P) that it arms.
    arms: &'static str,
    fault: &'static str,
    /// What must come of it.
    end: &'static str,
    /// Who notices where the gate does not.
    detector: &'static str,
    /// File and name of each case.
    cases: &'static [(&'static str, &'static str)],
}

const ROLE: &str = "tests/cli/arangodb_role.rs";
const WHOLE: &str = "tests/cli/upgrade_whole.rs";
const SCRIPT: &str = "tests/cli/upgrade_script.rs";
const AGENCY: &str = "src/cluster/model/arangodb/agency.rs";
const SHARDS: &str = "src/cluster/model/arangodb/shards.rs";
const VERSIONS: &str = "src/cluster/model/arangodb/versions.rs";
const MEMBER: &str = "src/cluster/arangodb/member.rs";
const JUDGED: &str = "src/cluster/arangodb/tests.rs";
const STRANDED: &str = "src/cluster/model/arangodb/stranded.rs";
const COMMAND_FILE: &str = "src/modules/command_file.rs";
const READINESS: &str = "src/cluster/readiness/judge.rs";
const ORACLE: &str = "tests/lab/src/load/invariants.rs";
const HOSTS: &str = "tests/lab/tests/hosts";

const ROWS: &[Row] = &[
    Row {
        arms: "G2 G3 I7 P1 P7",
        fault: "KillMode is missing",
        end: "exit 2, state untouched: every process lives, the starter too",
        detector: "G4: servers that are gone after the kill; the oracle: more than one server down",
        cases: &[
            (WHOLE, "KillMode is missing"),
            (WHOLE, "systemd restarts"),
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
                WHOLE,
                "the starter takes a server with it, whose data is old",
            ),
            (WHOLE, "a restart, the starter takes a server with it"),
        ],
    },
    Row {
        arms: "G7 P10",
        fault: "slow server at adoption",
        end: "exit 2: the upgraded server is down, the starter out, the slow one lives",
        detector: "the starter: it ends the slow server and starts the new program on old data",
        cases: &[
            (
                WHOLE,
                "the other server is slow when the starter would take it over",
            ),
            (WHOLE, "the other server hangs"),
            (WHOLE, "the starter starts another server anew"),
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
            (WHOLE, "the upgrade exits 1"),
            (SCRIPT, "an_upgrade_of_the_data_is_judged_by_its_own_words"),
        ],
    },
    Row {
        arms: "G6 I5",
        fault: "auto-upgrade hangs",
        end: "never ended by the tool: it goes on to its end on the host; maintenance mode is held meanwhile",
        detector: "the supervision: failover when maintenance mode ends",
        cases: &[
            (WHOLE, "the upgrade takes longer than every wait"),
            (ROLE, "maintenance_mode_is_held_while_data_is_upgraded"),
            (
                "tests/cli/background.rs",
                "the_deadline_does_to_a_job_what_the_task_says",
            ),
        ],
    },
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
            (ROLE, "somebody_else_who_upgrades_or_switches_is_seen"),
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
        arms: "G1 G11 P12",
        fault: "standalone service on 8529",
        end: "masked before the installation; where it runs nevertheless exit 3 before a server is stopped",
        detector: "G5: the coordinator's port is taken after it has ended",
        cases: &[
            (ROLE, "nobody_takes_the_coordinators_port_while_it_is_away"),
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
            (ROLE, "the_end_is_judged_by_what_is_seen"),
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
            (WHOLE, "a recycled pid in LOCK"),
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
        cases: &[(ROLE, "whoever_is_down_is_never_the_only_one_that_is_asked")],
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
        arms: "G1",
        fault: "package missing on one host",
        end: "exit 2, state untouched, the program's version named",
        detector: "G7: the server comes back with another version",
        cases: &[
            (WHOLE, "the package is missing"),
            (WHOLE, "another package was installed"),
            (WHOLE, "it comes back as it was"),
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
            (ROLE, "the_end_is_judged_by_what_is_seen"),
            (WHOLE, "systemd restarts"),
        ],
    },
    Row {
        arms: "G7",
        fault: "the starter gives up after 100 failures",
        end: "exit 2: the starter does not come up, its state told",
        detector: "G7: nobody lists the servers",
        cases: &[
            (WHOLE, "the starter gives up"),
            (WHOLE, "the starter does not start"),
            (
                "tests/lab/src/sim/starter/supervise.rs",
                "failures_are_recent_until_a_server_runs_for_30_s",
            ),
        ],
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
                ROLE,
                "the_run_stops_for_a_stranded_host_before_another_server_is_touched",
            ),
            (
                ROLE,
                "what_is_stranded_is_upgraded_only_where_the_others_carry_the_cluster",
            ),
            (
                ROLE,
                "the_starter_of_a_stranded_host_is_held_until_all_its_data_is_upgraded",
            ),
            (
                SCRIPT,
                "stranded_servers_are_upgraded_one_after_the_other_and_then_the_starter_starts",
            ),
            (SCRIPT, "the_data_of_a_stranded_server_is_nobodys"),
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
        arms: "I1 P13",
        fault: "two servers taken at a time, the leader first",
        end: "one host at a time; followers, then the leader, one election",
        detector: "the oracle: more than one server down",
        cases: &[
            (
                ROLE,
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
            (ROLE, "members_are_mapped_to_hosts_or_refused"),
            (ROLE, "a_machine_under_two_names_is_refused"),
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
        detector: "the agency: a write over what was not seen fails",
        cases: &[
            (ROLE, "a_lock_is_taken_from_nobody_who_may_be_at_work"),
            (ROLE, "a_lock_is_given_back_by_its_own_run_alone"),
        ],
    },
    Row {
        arms: "G3 G4 I10",
        fault: "somebody starts, stops or restarts the starter or a server",
        end: "found at the next step: changed by someone else, was, is; nothing made worse",
        detector: "G7: a process that is not known",
        cases: &[
            (WHOLE, "a colleague restarted the server"),
            (WHOLE, "a colleague restarted the starter"),
            (WHOLE, "a colleague starts the starter meanwhile"),
            (WHOLE, "somebody is at work"),
            (ROLE, "nobody_takes_the_coordinators_port_while_it_is_away"),
        ],
    },
    Row {
        arms: "G0 G5",
        fault: "somebody changes maintenance, or runs `arangodb upgrade`",
        end: "exit 2 at the beginning; before a DB-Server stops it waits for the mode, then exit 3",
        detector: "the supervision: failover while a server is away",
        cases: &[
            (ROLE, "somebody_else_who_upgrades_or_switches_is_seen"),
            (JUDGED, "jobs_are_told_by_what_they_are_about"),
        ],
    },
    Row {
        arms: "I10",
        fault: "a run that is started again in the middle",
        end: "goes on from versions and processes that are seen",
        detector: "the effects: a server upgraded or restarted twice",
        cases: &[
            (ROLE, "a_server_is_done_by_what_is_seen_of_it"),
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
                VERSIONS,
                "resigning_is_used_only_where_it_exists_and_is_safe",
            ),
            (
                "tests/lab/tests/hosts/upgrade.rs",
                "upgrade::three_copies_cannot_be_moved",
            ),
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
            (ROLE, "a_restart_starts_nothing_but_what_runs"),
            (WHOLE, "another package was installed"),
            (
                "tests/lab/tests/hosts/restart.rs",
                "restart::a_package_that_waits_to_be_run_is_no_restart",
            ),
        ],
    },
];

/// The faults that simulators must be able to make, and those that are asked for beside them.
const FAULTS: &[&str] = &[
    "KillMode is missing",
    "slow server at adoption",
    "auto-upgrade exits 1",
    "auto-upgrade hangs",
    "TTL expires in the middle",
    "DB-Server out of sync",
    "replication factor 1",
    "an agent never catches up",
    "terms that flap, two leaders",
    "standalone service on 8529",
    "stale command file",
    "command file written during an auto-upgrade",
    "command file with spaces and $",
    "recycled pid in LOCK",
    "SSH lost after kill -9",
    "tool crash while maintenance is on",
    "the coordinator used for API calls is the one being upgraded",
    "package missing on one host",
    "package half-configured on one host",
    "unit edited without reload",
    "the starter gives up after 100 failures",
    "follower re-sync on and off during maintenance",
    "exit 1 and exit 11 on an old data directory",
    "stranded members",
    "members that are not hosts",
];

fn read(file: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(top.join(file)).unwrap_or_default()
}

#[test]
fn every_gate_invariant_and_silence_has_a_fault_that_arms_it() {
    let numbered = |letter: char, from: usize, to: usize| {
        (from..=to).map(move |number| format!("{letter}{number}"))
    };
    let all = numbered('G', 0, 11).chain(numbered('I', 1, 10));
    let wanted: BTreeSet<String> = all.chain(numbered('P', 1, 13)).collect();
    let there = ROWS.iter().flat_map(|row| row.arms.split(' '));
    let there: BTreeSet<String> = there.map(str::to_owned).collect();
    assert_eq!(there, wanted);
    // The role's page has each gate, and each trap has a line there.
    let page = read("roles/arangodb/README.md");
    for gate in wanted.iter().filter(|name| name.starts_with('G')) {
        assert!(page.contains(&format!("| {gate} ")), "{gate}");
    }
}

#[test]
fn every_fault_has_one_row_and_says_how_it_ends() {
    for fault in FAULTS {
        let rows = ROWS.iter().filter(|row| row.fault == *fault).count();
        assert_eq!(rows, 1, "{fault}");
    }
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.fault).collect();
    assert_eq!(names.len(), ROWS.len());
    for row in ROWS {
        let told = [row.end, row.detector].iter().all(|text| !text.is_empty());
        assert!(told && !row.cases.is_empty(), "{}", row.fault);
    }
}

#[test]
fn every_case_of_the_table_is_there() {
    let mut gone = Vec::new();
    for row in ROWS {
        for (file, name) in row.cases {
            let text = read(file);
            let known = [format!("fn {name}("), format!("\"{name}\"")];
            if !known.iter().any(|known| text.contains(known)) {
                gone.push(format!("{}: {file}: {name}", row.fault));
            }
        }
    }
    assert!(gone.is_empty(), "{}", gone.join("\n"));
}

#[test]
fn every_file_of_host_cases_is_started() {
    let main = read(&format!("{HOSTS}/main.rs"));
    for (file, _) in ROWS.iter().flat_map(|row| row.cases) {
        if let Some(name) = file.strip_prefix(HOSTS) {
            let name = name.trim_matches('/').trim_end_matches(".rs");
            assert!(main.contains(&format!("{name}::cases()")), "{name}");
        }
    }
}
