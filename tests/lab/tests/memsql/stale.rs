//! What was asked before a long wait is asked again behind it: a backup that began while slaves caught up stands against the
//! detach as one that ran before.

use std::time::Duration;

use lab::files;
use serde_json::json;

use crate::harness::{Case, case};
use crate::stack::{Plan, Stack};
use crate::whole::{OLD_ONLINE, assert_never};

fn a_backup_begins_while_slaves_catch_up() {
    let stack = Stack::up(&Plan {
        switches: json!({"backup_ms": 600_000, "leaf": {"replicates": false}}),
        ..Plan::default()
    });
    for n in 2..10 {
        stack.sql(&format!("INSERT INTO `s-1`.t VALUES ('k{n}', {n})"));
    }
    let quick = json!({"memsql_gate_timeout": 3});
    let mut running = stack
        .upgrading(&quick, "--approve second-group --events events.ndjson")
        .start()
        .unwrap();
    stack.until("the slaves are waited for", || {
        let events = files::read_if_there(&stack.file("events.ndjson")).unwrap();
        events.unwrap_or_default().contains("partitions are behind")
    });
    let (exit, what) = std::thread::scope(|scope| {
        let backup = scope.spawn(|| stack.say(&stack.master, "BACKUP DATABASE `s-1` TO '/x'"));
        stack.until("the backup runs", || {
            let shown = stack.say(&stack.master, "SHOW PROCESSLIST");
            format!("{shown:?}").contains("BACKUP DATABASE")
        });
        let path = |number: usize| stack.machines[number].root.join("etc/lab/memsql.json");
        for number in 0..2 {
            let text = files::read(&path(number)).unwrap();
            let follows = text.replace("\"replicates\":false", "\"replicates\":true");
            files::write(&path(number), follows, 0o644).unwrap();
        }
        let exit = running.wait(Duration::from_mins(2)).unwrap();
        assert!(!backup.is_finished(), "the backup was over too early");
        let (out, err) = running.said();
        (exit, format!("{out}\n{err}"))
    });
    assert_eq!(exit.to_string(), "exit code 2", "{what}");
    assert_eq!([stack.leaf(0), stack.leaf(1)], [OLD_ONLINE; 2], "{what}");
    assert_eq!((stack.count("detach"), stack.off()), (0, vec![]), "{what}");
    assert_never(&stack, "a backup");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case(
        "stale: a backup begins while slaves catch up",
        a_backup_begins_while_slaves_catch_up,
    )]
}
