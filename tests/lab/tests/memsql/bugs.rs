//! The ten bugs of an older tool for this upgrade (online-upgrade, read in its code), each as the test that would have
//! caught it. Some are rows of other tables too; here they go by their names.

use std::time::Duration;

use lab::files;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Case, case};
use crate::servers::OLD;
use crate::stack::{PASSWORD, Plan, Stack, node, said};
use crate::whole::assert_done;

fn up() -> Stack {
    Stack::up(&Plan::default())
}

/// It tested another variable than the one that held the error of DETACH or ATTACH, and went on.
fn bug_a_a_failed_detach_or_attach_was_ignored(switch: &str, stops: usize, says: &str) {
    let mut stack = up();
    stack.arm(json!({"master": {switch: 1_000}}));
    let output = stack.upgrade(&json!({"memsql_settle_timeout": 4}));
    assert!(!output.is_ok(), "{}", said(&output));
    // What the server says is what a person goes by.
    let text = format!("{}{}", output.out, output.err);
    assert!(text.contains(says), "not said: {says}\n{}", said(&output));
    assert_eq!(
        (stack.count("memsql-stop"), stack.leaf(1)),
        (stops, format!("online {OLD}")),
    );
}

/// It looked at the roles of partitions alone, never at whether slaves replicate and how far they are.
fn bug_b_slaves_that_are_behind_were_taken_for_copies() {
    let mut stack = up();
    // DETACH itself does not wait for them here: else it would not matter that nobody asked.
    stack.arm(json!({"leaf": {"replicates": false}, "master": {"detach_drains": false}}));
    stack.sql("INSERT INTO `s-1`.t VALUES ('k2', 2)");
    stack.sql("INSERT INTO `s-1`.t VALUES ('k3', 3)");
    let output = stack.upgrade(&json!({"memsql_caught_up_timeout": 3}));
    assert!(!output.is_ok(), "{}", said(&output));
    assert_eq!(stack.count("detach"), 0, "{}", said(&output));
}

/// It waited for Ops to say ONLINE, which Ops says of a leaf that runs and takes no part.
fn bug_c_ops_was_asked_whether_a_leaf_takes_part() {
    let mut stack = up();
    stack.arm(json!({"master": {"attach_failures": 1_000}}));
    let output = stack.upgrade(&json!({"memsql_settle_timeout": 4}));
    assert!(!output.is_ok(), "{}", said(&output));
    let list = stack.ops("memsql-list --json").out;
    assert_eq!(
        list.matches("\"state\": \"ONLINE\"").count(),
        4,
        "the trap is not there: {list}"
    );
    assert_eq!(
        (stack.leaf(0).as_str(), stack.count("detach")),
        ("detached 5.7.2", 1)
    );
}

/// It did not wait after RESTORE REDUNDANCY, and took the other group away while copies were made.
fn bug_d_nobody_waited_for_the_copies() {
    let mut stack = up();
    stack.arm(json!({"leaf": {"copy_ms": 40_000}}));
    let output =
        stack.upgrade(&json!({"memsql_restore_timeout": 1, "memsql_caught_up_timeout": 20}));
    assert!(output.is_ok(), "{}", said(&output));
    let effects = stack.effects();
    let of = |what: &str| -> Vec<u64> {
        let of = effects
            .iter()
            .filter(|effect| effect["what"] == json!(what));
        of.filter_map(|effect| effect["unix_ms"].as_u64()).collect()
    };
    assert!(
        of("restore")[0] <= of("detach")[1],
        "the second group went before the first had its copies"
    );
}

/// It ended at any failure and left the switches off and the leaf detached.
fn bug_e_what_was_switched_off_stayed_off() {
    let mut stack = up();
    stack.arm(json!({"ops": {"upgrade_outcome": "fail"}}));
    let output = stack.upgrade(&json!({}));
    assert!(!output.is_ok(), "{}", said(&output));
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false)
    );
    assert_eq!(stack.leaf(0), format!("online {OLD}"));
}

/// It compared versions number by number, and took Ops 6.0 for older than 5.7.
fn bug_f_a_newer_ops_was_taken_for_an_older() {
    let mut stack = up();
    for (version, is_new_enough) in [
        ("6.0.11", true),
        ("5.10.0", true),
        ("5.7.0", true),
        ("5.6.99", false),
    ] {
        stack.arm(json!({"ops_version": version}));
        let preflight =
            stack.command("preflight roles/memsql/upgrade.yml -i inventory.yml --state state");
        let output = preflight.output().unwrap();
        assert_eq!(
            output.is_ok(),
            is_new_enough,
            "{version}: {}",
            said(&output)
        );
    }
}

/// It waited one nanosecond between two looks. While a leaf recovers nothing else is looked for, so looks are as far apart as
/// was said; the guard looks too, once in five seconds.
fn bug_g_it_looked_all_the_time() {
    let mut stack = up();
    stack.arm(json!({"leaf": {"recovery_ends": false}}));
    let variables = json!({"memsql_start_timeout": 10, "memsql_poll": 1});
    let mut running = stack.upgrading(&variables, "").start().unwrap();
    stack.until("the leaf recovers", || {
        stack.state(&stack.leaves[0])["recovers"] == json!(true)
    });
    let looks = || {
        stack.state(&stack.master)["asked"]["SHOW LEAVES"]
            .as_u64()
            .unwrap()
    };
    let (began, before) = (lab::clock::now(), looks());
    lab::clock::pause(Duration::from_secs(6));
    let seconds = began.elapsed().as_secs();
    let count = looks() - before;
    let most = seconds + seconds / 5 + 3;
    assert!((2..=most).contains(&count), "{count} looks in {seconds} s");
    let exit = running.wait(Duration::from_mins(2)).unwrap();
    assert_ne!(exit.to_string(), "exit code 0", "{:?}", running.said());
}

/// Returns the processes whose arguments or variables have the password, but for one that was given it.
fn telling(but: u32) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let others = all.filter(|one| one.file_name().to_string_lossy() != but.to_string());
    let tells = others.filter_map(|one| {
        let text = ["cmdline", "environ"].map(|name| {
            let bytes = std::fs::read(one.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        text.iter()
            .any(|text| text.contains(PASSWORD))
            .then(|| text.concat())
    });
    tells.collect()
}

/// It wrote the address of the database with the password into its log.
fn bug_h_the_password_was_in_the_log() {
    let mut stack = up();
    // Given on the command line, as from a prompt: what a plain inventory holds is kept with the run's other files.
    let inventory = files::read(&stack.file("inventory.yml")).unwrap();
    let without: Vec<&str> = inventory
        .lines()
        .filter(|line| !line.contains(PASSWORD))
        .collect();
    files::write(&stack.file("inventory.yml"), without.join("\n"), 0o600).unwrap();
    let typed = "-vvv --approve second-group --events events.ndjson";
    let password = json!({"memsql_password": PASSWORD});
    // A run that fails says and keeps more than one that does not.
    stack.arm(json!({"master": {"detach_refusals": 1}}));
    let failed = stack.upgrading(&password, typed).output().unwrap();
    assert_eq!(failed.exit.to_string(), "exit code 2", "{}", said(&failed));
    for (what, text) in [("output", &failed.out), ("errors", &failed.err)] {
        assert!(!text.contains(PASSWORD), "in the {what} of a failed run");
    }
    told_nowhere(&stack, "behind a failed run");
    let mut running = stack.upgrading(&password, typed).start().unwrap();
    let mut is_looked_at = false;
    let exit = loop {
        // What it starts is seen by everybody on the machine.
        let telling = telling(running.pid());
        assert!(telling.is_empty(), "a process tells it: {telling:?}");
        // With a leaf away there are jobs and notes on the hosts.
        if !is_looked_at && stack.count("memsql-upgrade") > 0 {
            is_looked_at = true;
            assert!(!stack.notes().is_empty(), "there are no notes to look at");
            told_nowhere(&stack, "in the middle");
        }
        if let Some(exit) = running.ended().unwrap() {
            break exit;
        }
        lab::clock::pause(Duration::from_millis(20));
    };
    let (out, err) = running.said();
    assert_eq!(exit.to_string(), "exit code 0", "{out}{err}");
    let report = stack.command("report --state state").output().unwrap();
    for (what, text) in [("output", &out), ("errors", &err), ("report", &report.out)] {
        assert!(!text.contains(PASSWORD), "in the {what}");
    }
    assert!(is_looked_at, "it was over before it was looked at");
    told_nowhere(&stack, "in the end");
}

/// Neither the run's records nor the hosts' jobs and notes have it.
fn told_nowhere(stack: &Stack, when: &str) {
    let found = lab::command::Command::line("grep -rlF")
        .arg(PASSWORD)
        .args(["state", "events.ndjson", "hosts"]);
    let found = found.directory(stack.file(".")).output().unwrap();
    assert_eq!(found.out, "", "{when}: {}", found.err);
}

/// It had nothing to go on from when it was cut off.
fn bug_i_what_was_cut_off_could_not_be_gone_on_with(after: &str) {
    let stack = up();
    let mut running = stack
        .upgrading(&json!({}), "--approve second-group")
        .start()
        .unwrap();
    stack.until(after, || stack.count(after) > 0);
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10)).unwrap();
    assert_ne!(
        stack.off(),
        Vec::<String>::new(),
        "{after}: it was not in the middle"
    );
    let output = stack.resume();
    assert!(output.is_ok(), "{after}: {}", said(&output));
    assert_done(&stack, after);
    assert_eq!(
        (stack.count("detach"), stack.count("attach")),
        (2, 2),
        "{after}: done twice"
    );
}

/// It knew the groups 1 and 2; which is begun is asked of the cluster: the one that has more upgraded leaves.
fn bug_j_the_groups_were_in_the_code() {
    let stack = Stack::up(&Plan {
        groups: vec![2, 1],
        ..Plan::default()
    });
    // A leaf of group 2 was upgraded by hand, so that group is the first.
    stack.must("cluster-manual-control --enable");
    stack.sql("SET @@GLOBAL.auto_attach = OFF");
    let at = &stack.leaves[0];
    stack.sql(&format!("DETACH LEAF {}", node(at)));
    stack.mend(at);
    stack.sql(&format!("ATTACH LEAF {} NO REBALANCE", node(at)));
    stack.sql("RESTORE REDUNDANCY ON `s-1`");
    stack.sql("SET @@GLOBAL.auto_attach = ON");
    stack.must("cluster-manual-control --disable");
    let output = stack.upgrading(&json!({}), "").output().unwrap();
    // Group 2 is done already; what is left is beyond the point of no return.
    assert_eq!(output.exit.to_string(), "exit code 3", "{}", said(&output));
    assert_eq!(stack.leaf(1), format!("online {OLD}"));
}

pub(crate) fn cases() -> Vec<Case> {
    let ignored = |statement: &str, switch: &'static str, stops, says: &'static str| {
        let name = format!("bugs: a: a failed {statement} was ignored");
        case(name, move || {
            bug_a_a_failed_detach_or_attach_was_ignored(switch, stops, says);
        })
    };
    let cut_off = ["detach", "memsql-stop", "upgraded", "attach"].map(|after| {
        let name = format!("bugs: i: what was cut off after {after} could not be gone on with");
        case(name, move || {
            bug_i_what_was_cut_off_could_not_be_gone_on_with(after);
        })
    });
    let mut cases = Vec::from(cut_off);
    cases.extend([
        ignored("DETACH", "detach_refusals", 0, "Concurrent node removal"),
        ignored(
            "ATTACH",
            "attach_failures",
            1,
            "the data on it has diverged",
        ),
        case(
            "bugs: b: slaves that are behind were taken for copies",
            bug_b_slaves_that_are_behind_were_taken_for_copies,
        ),
        case(
            "bugs: c: Ops was asked whether a leaf takes part",
            bug_c_ops_was_asked_whether_a_leaf_takes_part,
        ),
        case(
            "bugs: d: nobody waited for the copies",
            bug_d_nobody_waited_for_the_copies,
        ),
        case(
            "bugs: e: what was switched off stayed off",
            bug_e_what_was_switched_off_stayed_off,
        ),
        case(
            "bugs: f: a newer Ops was taken for an older",
            bug_f_a_newer_ops_was_taken_for_an_older,
        ),
        case(
            "bugs: g: it looked all the time",
            bug_g_it_looked_all_the_time,
        ),
        case(
            "bugs: h: the password was in the log",
            bug_h_the_password_was_in_the_log,
        ),
        case(
            "bugs: j: the groups were in the code",
            bug_j_the_groups_were_in_the_code,
        ),
    ]);
    cases
}
