//! DETACH LEAF waits for what is under way: a write whose transaction is open.

use serde_json::json;

use crate::harness::{Case, case};
use crate::stack::{Plan, Stack};

/// A long write holds it up: it is waited for, the clients of that partition wait, and it goes on.
fn a_long_write_holds_a_detach_up() {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({"leaf": {"write_ms": 60_000}}));
    let keys = ["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"];
    std::thread::scope(|scope| {
        for key in keys {
            let (stack, text) = (
                &stack,
                format!("UPDATE `s-1`.t SET n = 2 WHERE k = '{key}'"),
            );
            scope.spawn(move || stack.say(&stack.child, &text));
        }
        lab::clock::pause(std::time::Duration::from_millis(500));
        let leaf = crate::stack::node(&stack.leaves[0]);
        let began = lab::clock::now();
        stack.sql(&format!("DETACH LEAF {leaf}"));
        let took = began.elapsed().as_millis();
        assert!(took > 3_000, "{took} ms: it did not wait for the write");
    });
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case(
        "queued: a long write holds a detach up",
        a_long_write_holds_a_detach_up,
    )]
}
