//! The cases on hosts that try rows of ArangoDB's table, beside those that stand in the rows: with the gate in its place, and
//! without it, where who is said to notice must notice.

use super::{HOSTS, read, rows};

/// The row's fault, the file below the host cases, and the case's name.
pub(super) const CASES: &[(&str, &str, &str)] = &[
    (
        "KillMode is missing",
        "detectors.rs",
        "detectors::g4_servers_that_went_with_their_starter_are_seen_by_the_oracle",
    ),
    (
        "slow server at adoption",
        "detectors.rs",
        "detectors::g7_the_starter_ends_a_slow_server",
    ),
    (
        "auto-upgrade exits 1",
        "armed.rs",
        "armed::data_that_cannot_be_upgraded_holds_its_host_and_the_others_serve",
    ),
    (
        "auto-upgrade hangs",
        "armed.rs",
        "armed::data_that_cannot_be_upgraded_holds_its_host_and_the_others_serve",
    ),
    (
        "TTL expires in the middle",
        "gates.rs",
        "gates::maintenance_mode_lasts_for_longer_than_its_time",
    ),
    (
        "DB-Server out of sync",
        "gates.rs",
        "gates::a_copy_that_stays_behind_stops_the_run",
    ),
    (
        "DB-Server out of sync",
        "oracle.rs",
        "oracle::sees_a_missing_sync_gate",
    ),
    (
        "an agent never catches up",
        "armed.rs",
        "armed::an_agency_that_does_not_settle_stops_before_the_next_agent",
    ),
    (
        "an agent never catches up",
        "detectors.rs",
        "detectors::g8_the_guard_sees_an_agency_without_majority",
    ),
    (
        "terms that flap, two leaders",
        "armed.rs",
        "armed::an_agency_that_does_not_settle_stops_before_the_next_agent",
    ),
    (
        "standalone service on 8529",
        "back.rs",
        "back::packages_go_back_and_a_second_run_changes_nothing",
    ),
    (
        "stale command file",
        "back.rs",
        "back::packages_go_back_and_a_second_run_changes_nothing",
    ),
    (
        "SSH lost after kill -9",
        "armed.rs",
        "armed::an_agency_that_does_not_settle_stops_before_the_next_agent",
    ),
    (
        "package half-configured on one host",
        "broken.rs",
        "broken::each_fault_is_named_and_nothing_is_touched",
    ),
    (
        "follower re-sync on and off during maintenance",
        "gates.rs",
        "gates::copies_that_wait_for_the_supervision_catch_up_after_the_stop",
    ),
    (
        "exit 1 and exit 11 on an old data directory",
        "stranded.rs",
        "stranded::a_starter_that_upgrades_by_itself_strands_nobody",
    ),
    (
        "a coordinator that is back and does not work",
        "armed.rs",
        "armed::data_that_cannot_be_upgraded_holds_its_host_and_the_others_serve",
    ),
    (
        "a coordinator that is back and does not work",
        "detectors.rs",
        "detectors::g10_clients_read_what_nobody_has_written",
    ),
    (
        "somebody changes maintenance",
        "somebody_else.rs",
        "somebody_else::maintenance_mode_that_is_switched_off_and_a_host_that_is_rebooted",
    ),
    (
        "a machine that is booted anew in the middle",
        "stranded.rs",
        "stranded::a_power_cut_before_the_upgrade_is_named_and_undone",
    ),
    (
        "the starters wait without an end",
        "starter.rs",
        "starter::what_stands_still_is_ended_and_begun_again",
    ),
    (
        "the starters' retry clears no failure",
        "starter.rs",
        "starter::what_stands_still_is_ended_and_begun_again",
    ),
];

#[test]
fn each_case_on_hosts_is_there_and_belongs_to_a_row() {
    for (fault, file, name) in CASES {
        assert!(rows().any(|row| row.fault == *fault), "{fault}");
        let text = read(&format!("{HOSTS}/{file}"));
        assert!(text.contains(&format!("\"{name}\"")), "{file}: {name}");
    }
}
