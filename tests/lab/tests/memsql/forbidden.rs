//! What an upgrade never does is counted when somebody does it: else looking for it would prove nothing.

use lab::load::memsql::never::never;

use crate::harness::{Case, case};
use crate::servers::NEW;
use crate::stack::{Plan, Stack, node};

/// Does something and demands that it is told, by these words.
fn told(stack: &Stack, words: &str, does: impl FnOnce(&Stack)) {
    let before = stack.effects().len();
    does(stack);
    let effects = stack.effects().split_off(before);
    let found = never(&effects);
    let is_told = found.iter().any(|one| one.contains(words));
    assert!(is_told, "{words}: {found:?} in {effects:?}");
}

fn what_is_never_done_is_counted() {
    let stack = Stack::up(&Plan::default());
    let leaf = node(&stack.leaves[0]);
    let id = stack.id(&stack.leaves[0]).unwrap();
    stack.must("cluster-manual-control --enable");
    stack.sql("SET @@GLOBAL.auto_attach = OFF");
    told(&stack, "\"what\":\"rebalance\"", |stack| {
        stack.sql("REBALANCE PARTITIONS ON `s-1` FORCE");
    });
    told(&stack, "\"what\":\"clear-orphans\"", |stack| {
        stack.sql("CLEAR ORPHAN DATABASES");
    });
    told(&stack, "\"force\":true", |stack| {
        stack.sql(&format!("DETACH LEAF {leaf}"));
        stack.sql(&format!("ATTACH LEAF {leaf} FORCE"));
    });
    told(&stack, "\"what\":\"attach-all\"", |stack| {
        stack.sql("ATTACH LEAF ALL");
    });
    told(&stack, "hard-stop", |stack| {
        stack.must(&format!("memsql-stop {id} --hard-stop --no-prompt"));
    });
    told(&stack, "memsql-start", |stack| {
        stack.must("memsql-start --all --no-prompt");
    });
    told(&stack, "memsql-update-config", |stack| {
        stack.must("memsql-update-config --all --key auto_attach --value OFF --no-prompt");
    });
    told(&stack, "\"what\":\"offline-upgrade\"", |stack| {
        let one = "--no-prompt --skip-snapshot --no-backup-data-directories";
        stack.must(&format!("memsql-upgrade {one} --version {NEW}"));
    });
    told(&stack, "\"what\":\"remove\"", |stack| {
        stack.sql(&format!("REMOVE LEAF {leaf} FORCE"));
    });
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case(
        "forbidden: what is never done is counted (I7)",
        what_is_never_done_is_counted,
    )]
}
