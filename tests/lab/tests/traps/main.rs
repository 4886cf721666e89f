//! What can go wrong with the upgrades of ArangoDB and of MemSQL, as a table: each gate, invariant and silence of the procedure with the
//! fault that arms it, what must come of it, who else would notice, and the cases that try it.
//!
//! A case is named by the file that holds it and by its name there; a row whose case is gone, and a gate without a fault,
//! fail here. The cheapest level that can show a thing has it: a rule on data, then the script with processes, then
//! simulated servers, then hosts.

#![cfg(test)]

mod cases;
mod cluster;
mod ends;
mod later;
mod memsql;
mod on_hosts;
mod one_host;
mod one_server;
mod seen;
mod starter;
mod whole_cluster;

// What the script's own tests and those of the program have as data: how each fault ends, and each kind of end.
#[path = "../../../cli/upgrade_whole/faults.rs"]
#[expect(dead_code, reason = "the script is run elsewhere; here its ends count")]
mod faults;
#[path = "../../../cli/ends/kinds.rs"]
mod kinds;
mod table;

use std::collections::BTreeSet;
use std::path::Path;

use ends::End;
use seen::Seen;

/// One way in which things go wrong.
#[derive(Debug)]
struct Row {
    /// The gates (G), invariants (I) and silences of the procedure (P) that it arms.
    arms: &'static str,
    fault: &'static str,
    /// What must come of it.
    end: &'static str,
    /// The same as exit codes, each with what makes it so; of ArangoDB.
    ends: &'static [End],
    /// Who notices where the gate does not.
    detector: &'static str,
    /// Where that can be looked up; of ArangoDB.
    seen: &'static [Seen],
    /// The beginning of its line on the role's page; of ArangoDB.
    page: &'static str,
    /// File and name of each case.
    cases: &'static [(&'static str, &'static str)],
}

const ROLE: &str = "tests/cli/arangodb_role.rs";
const ROLE_GATES: &str = "tests/cli/arangodb_role/gates.rs";
const ROLE_PREFLIGHT: &str = "tests/cli/arangodb_role/preflight.rs";
const ROLE_LATER: &str = "tests/cli/arangodb_role/later.rs";
const ROLE_MEMBERS: &str = "tests/cli/arangodb_role/members.rs";
const ROLE_RESTARTS: &str = "tests/cli/arangodb_role/restarts.rs";
const ROLE_ELSE: &str = "tests/cli/arangodb_role/somebody_else.rs";
const ROLE_STARTER: &str = "tests/cli/arangodb_role/starter.rs";
const ROLE_WATCH: &str = "tests/cli/arangodb_role/starter_watch.rs";
const ROLE_STRANDED: &str = "tests/cli/arangodb_role/stranded.rs";
const LOCKS: &str = "tests/cli/lock.rs";
const LOCKED: &str = "src/rollout/tests/lock.rs";
const FAULT: &str = "tests/cli/upgrade_whole/faults.rs";
const WHOLE: &str = "tests/cli/upgrade_whole.rs";
const SCRIPT: &str = "tests/cli/upgrade_script.rs";
const SCRIPT_WORDS: &str = "tests/cli/upgrade_script/words.rs";
const SCRIPT_KINDS: &str = "tests/cli/upgrade_script/kinds.rs";
const BRACKETS: &str = "src/rollout/tests/protect/brackets.rs";
const RENEWING: &str = "src/rollout/tests/protect/renewing.rs";
const SUPERVISE: &str = "tests/lab/src/sim/starter/supervise.rs";
const AGENCY: &str = "src/cluster/model/arangodb/agency.rs";
const SHARDS: &str = "src/cluster/model/arangodb/shards.rs";
const VERSIONS: &str = "src/cluster/model/arangodb/paths.rs";
const ABILITIES: &str = "src/cluster/model/arangodb/abilities.rs";
const JUDGED_LATER: &str = "src/cluster/arangodb/tests/later.rs";
const SOFT: &str = "tests/cli/upgrade_whole/soft.rs";
const MEMBER: &str = "src/cluster/arangodb/member/tests.rs";
const JUDGED: &str = "src/cluster/arangodb/tests.rs";
const STRANDED: &str = "src/cluster/model/arangodb/stranded.rs";
const COMMAND_FILE: &str = "src/modules/command_file.rs";
const READINESS: &str = "src/cluster/readiness/judge.rs";
const ORACLE: &str = "tests/lab/src/load/invariants.rs";
const HOSTS: &str = "tests/lab/tests/hosts";

/// All rows of ArangoDB: of one server and its host, of the cluster, of the starters' own upgrade, and of later versions.
fn rows() -> impl Iterator<Item = &'static Row> {
    let by_stagger = [
        one_server::ROWS,
        one_host::ROWS,
        cluster::ROWS,
        whole_cluster::ROWS,
    ];
    let all = by_stagger.into_iter().chain([starter::ROWS, later::ROWS]);
    all.flatten()
}

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
    "the starter's program ends with 0 although its upgrade failed",
    "the starters' retry clears no failure",
    "the starters wait without an end",
    "the starters move no leadership",
    "the starters look at no shard",
    "DB-Servers before coordinators from 3.12.0 - 3.12.3",
    "a coordinator ends with what clients have in hand",
    "a soft shutdown that never ends",
    "a DB-Server is away in its own maintenance mode",
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
    let there = rows().flat_map(|row| row.arms.split(' '));
    let there: BTreeSet<String> = there.map(str::to_owned).collect();
    assert_eq!(there, wanted);
    // The role's page has each gate.
    let page = read("roles/arangodb/README.md");
    for gate in wanted.iter().filter(|name| name.starts_with('G')) {
        assert!(page.contains(&format!("| {gate} ")), "{gate}");
    }
}

/// Each trap has a line on the role's page, in which a user finds what is done about it.
#[test]
fn every_trap_has_a_line_on_the_roles_page() {
    let page = read("roles/arangodb/README.md");
    for row in rows() {
        let says = |line: &str| {
            line.starts_with("| ") && line.contains(row.page) && line.matches('|').count() > 2
        };
        let count = page.lines().filter(|line| says(line)).count();
        assert!(
            !row.page.is_empty() && count == 1,
            "{}: {count} lines: {}",
            row.fault,
            row.page
        );
    }
}

#[test]
fn every_condition_invariant_step_and_bug_of_memsql_has_a_fault_that_arms_it() {
    let numbered = |letter: char, to: usize| (1..=to).map(move |n| format!("{letter}{n}"));
    let all = numbered('P', 10).chain(numbered('I', 11));
    let all = all.chain(numbered('S', 12)).chain(numbered('B', 10));
    let wanted: BTreeSet<String> = all.collect();
    let there = memsql::rows().flat_map(|row| row.arms.split(' '));
    let there: BTreeSet<String> = there.map(str::to_owned).collect();
    assert_eq!(there, wanted);
}

/// The rows of a system, and the faults that must be among them.
fn tables() -> [(Vec<&'static Row>, &'static [&'static str]); 2] {
    [
        (rows().collect(), FAULTS),
        (memsql::rows().collect(), memsql::FAULTS),
    ]
}

#[test]
fn every_fault_has_one_row_and_says_how_it_ends() {
    for (rows, faults) in tables() {
        for fault in faults {
            let count = rows.iter().filter(|row| row.fault == *fault).count();
            assert_eq!(count, 1, "{fault}");
        }
        let names: BTreeSet<&str> = rows.iter().map(|row| row.fault).collect();
        assert_eq!(names.len(), rows.len());
    }
    for row in rows().chain(memsql::rows()) {
        let told = [row.end, row.detector].iter().all(|text| !text.is_empty());
        assert!(told && !row.cases.is_empty(), "{}", row.fault);
    }
}

#[test]
fn every_file_of_host_cases_is_started() {
    let main = read(&format!("{HOSTS}/main.rs"));
    for (file, _) in rows().flat_map(|row| row.cases) {
        if let Some(name) = file.strip_prefix(HOSTS) {
            let name = name.trim_matches('/').trim_end_matches(".rs");
            assert!(main.contains(&format!("{name}::cases()")), "{name}");
        }
    }
}
