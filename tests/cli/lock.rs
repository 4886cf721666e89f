//! `stagger lock`: the lock of a cluster as the roles take it, by hand.

use crate::user::{Ran, User};

/// The primary agent of a MemSQL cluster is this machine, as far as its lock goes.
fn memsql() -> User {
    let user = User::new();
    let lock = user.path("lock/memsql").to_string_lossy().into_owned();
    user.writes(
        "hosts",
        &format!("[memsql]\nops ansible_connection=local\n[memsql_ops]\nops\n[all:vars]\nmemsql_version=5.8.12\nmemsql_lock_dir={lock}\n"),
    );
    user
}

impl User {
    fn locks(&self, who: &str, line: &str) -> Ran {
        let output = self
            .command(&format!("lock {line} -i hosts"))
            .env("USER", who)
            .output()
            .unwrap();
        self.ran(&output)
    }
}

#[test]
fn a_lock_is_taken_shown_and_given_back_by_who_has_it() {
    let user = memsql();
    let free = user.locks("ann", "status memsql");
    assert!(free.done().starts_with("free ("), "{free:#?}");
    let taken = user.locks("ann", "acquire memsql --reason 'disk swap'");
    assert!(taken.done().contains("by hand by ann: disk swap, since 20"), "{taken:#?}");

    let held = user.locks("bob", "status memsql");
    held.ended(5, &[]);
    assert!(held.out.contains("by hand by ann: disk swap"), "{held:#?}");
    let json = user.locks("bob", "status memsql --json");
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["held"], true, "{json:#?}");
    for line in ["acquire memsql --reason x", "release memsql"] {
        user.locks("bob", line)
            .ended(5, &["by hand by ann: disk swap", "--force --reason"]);
    }
    user.locks("bob", "release memsql --force")
        .ended(1, &["--reason"]);
    assert!(user.read("lock/memsql/owner").contains("disk swap"));

    let given = user.locks("ann", "release memsql");
    assert!(given.done().contains("given back"), "{given:#?}");
    assert!(!user.has("lock/memsql"));
    assert!(!user.has(".local/state/stagger/runs"), "no records are kept");
}

#[test]
fn what_a_run_has_is_given_back_only_by_force_and_with_a_reason() {
    let user = memsql();
    user.writes("lock/memsql/owner", "bastion1 0123abcd");
    user.locks("ann", "release memsql")
        .ended(5, &["held by bastion1 0123abcd", "stagger recover"]);
    let given = user.locks("ann", "release memsql --force --reason 'bastion1 burned down'");
    assert!(
        given.done().contains("bastion1 0123abcd had it: bastion1 burned down"),
        "{given:#?}"
    );
    assert!(!user.has("lock/memsql"));
    user.writes("lock/memsql/owner", "{{ lookup('pipe', 'touch evil') }}");
    user.locks("ann", "release memsql --force --reason x")
        .ended(5, &["braces"]);
    assert!(!user.has("evil"));
}

#[test]
fn a_lock_that_was_taken_by_hand_keeps_runs_out() {
    let user = memsql();
    user.locks("ann", "acquire memsql --reason 'hands off'").done();
    user.writes(
        "take.yml",
        "- hosts: memsql_ops\n  gather_facts: false\n  tasks:\n    - import_role: { name: memsql, tasks_from: lock_take }\n",
    );
    let line = "apply take.yml -i hosts --state state --reason x";
    let refused = user.types(line);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("by ann: hands off"), "{refused:#?}");
    user.locks("ann", "release memsql").done();
    user.types(line).done();
    let held = user.locks("bob", "status memsql");
    held.ended(5, &[]);
    user.locks("bob", "acquire memsql --reason x").ended(5, &["the lock is held by"]);
}
