//! What is owed, told by the hosts alone: a run is killed, its records are gone, another machine puts things back.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;

use crate::user::User;

const HOSTS: &str = "a ansible_connection=local\nb ansible_connection=local\n";

const BRACKET: &str = "\
- name: work
  hosts: all
  gather_facts: false
  bracket:
    name: the lamp is off
    read:
      - slurp: { src: \"{{ playbook_dir }}/lamp\" }
        register: lamp
    found: \"{{ lamp.content | b64decode | trim }}\"
    enter:
      - name: off
        shell: echo off > {{ playbook_dir }}/lamp
    leave:
      - name: as it was
        shell: echo {{ found }} > {{ playbook_dir }}/lamp
  tasks:
    - name: slow
      command: sleep 2
    - name: after
      shell: echo after {{ inventory_hostname }} >> {{ playbook_dir }}/log
";

/// Where the hosts keep notes.
fn owed(user: &User) -> PathBuf {
    user.hosts().join("owed")
}

fn notes(user: &User) -> Vec<PathBuf> {
    let entries = fs::read_dir(owed(user)).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Somebody whose run was killed inside of the bracket, and whose machine is gone with its records.
fn killed() -> User {
    let user = User::new()
        .with("hosts", HOSTS)
        .with("site.yml", BRACKET)
        .with("lamp", "dim\n");
    let ran = user.is_cut_off("--reason 'new bulbs'", "slow", Signal::KILL);
    assert_eq!(ran.code, None, "{ran:#?}");
    assert_eq!(user.read("lamp"), "off\n");
    assert_eq!(notes(&user).len(), 1);
    fs::remove_dir_all(user.path("state")).unwrap();
    user
}

const RECOVER: &str = "recover --from-hosts -i hosts site.yml --state second";

#[test]
fn a_second_machine_without_any_records_puts_back_what_notes_say() {
    let user = killed();
    let said = user.types("status --from-hosts -i hosts site.yml");
    for part in [
        "owed: the lamp is off\n",
        "found     \"dim\"",
        "noted on  a, b\n",
        "reason    new bulbs\n",
        "as it was",
    ] {
        assert!(said.done().contains(part), "{part}: {said:#?}");
    }
    let json = user.types("status --from-hosts -i hosts site.yml --json");
    let json: Value = serde_json::from_str(json.done()).unwrap();
    assert_eq!(json["owed"][0]["found"], "dim");

    let ran = user.types(RECOVER);
    ran.ended(7, &["owed: the lamp is off", "say why", "--reason"]);
    assert_eq!(user.read("lamp"), "off\n", "nothing was done yet");
    assert!(!user.has("second"), "nor written down");

    let ran = user.types(&format!("{RECOVER} --reason 'the bastion burnt down'"));
    ran.ended(0, &["the lamp is off", "exit code 0"]);
    assert_eq!(user.read("lamp"), "dim\n");
    assert!(!user.has("log"), "nothing else is done: {ran:#?}");
    assert!(notes(&user).is_empty());
    let runs = user.types("runs --state second");
    assert!(!runs.done().contains("OWES"), "{runs:#?}");
    user.types(&format!("{RECOVER} --reason again"))
        .ended(0, &["no note on a, b says that anything is owed"]);
}

#[test]
fn a_new_run_inherits_what_the_lost_one_found() {
    let user = killed();
    user.types("apply site.yml -i hosts --state second --check")
        .ended(0, &["`the lamp is off` is owed on a, b: run RUN"]);
    assert_eq!(notes(&user).len(), 1);
    let ran = user.types("apply site.yml -i hosts --state second --reason more");
    ran.ended(0, &["did not leave it", "what will be put back: \"dim\""]);
    assert_eq!(user.read("lamp"), "dim\n", "not `off`, which it would find");
    assert!(notes(&user).is_empty());
}

#[test]
fn a_note_that_is_torn_is_refused_and_nothing_is_done() {
    let user = killed();
    let note = notes(&user).remove(0);
    let text = fs::read_to_string(&note).unwrap();
    let file = fs::File::options().write(true).open(&note).unwrap();
    file.set_len(u64::try_from(text.len()).unwrap() / 2)
        .unwrap();
    let ran = user.types(&format!("{RECOVER} --reason x"));
    ran.ended(7, &["is torn", "by hand", "nothing was put back"]);
    assert_eq!(user.read("lamp"), "off\n");
    user.types("apply site.yml -i hosts --state second --reason more")
        .ended(2, &["is torn"]);
    assert_eq!(user.read("lamp"), "off\n");
}

#[test]
fn a_host_that_takes_no_notes_is_said_before_anything_is_switched() {
    let user = User::new()
        .with("hosts", HOSTS)
        .with("site.yml", BRACKET)
        .with("lamp", "dim\n");
    let owed = owed(&user);
    let beside = owed.parent().unwrap().join("jobs");
    fs::create_dir_all(beside).unwrap();
    fs::File::create(&owed).unwrap();
    user.types("apply site.yml -i hosts --state state --reason x")
        .ended(2, &["is not entered", "cannot be written down on a"]);
    assert_eq!(user.read("lamp"), "dim\n");
    assert!(!user.has("log"));
}

#[test]
fn the_machine_that_has_the_records_is_told_to_use_them() {
    let user = User::new()
        .with("hosts", HOSTS)
        .with("site.yml", BRACKET)
        .with("lamp", "dim\n");
    user.is_cut_off("--reason x", "slow", Signal::KILL);
    let ran = user.types("recover --from-hosts -i hosts site.yml --state state --reason y");
    ran.ended(
        1,
        &["the records of run RUN are here", "stagger recover RUN"],
    );
    user.types("recover --state state")
        .ended(0, &["the lamp is off"]);
    assert_eq!(user.read("lamp"), "dim\n");
    assert!(notes(&user).is_empty(), "the journal's way removes it too");
}

#[test]
fn a_secret_that_was_found_is_not_in_the_note_and_is_put_back_where_it_is_given_again() {
    let user = User::new()
        .with("hosts", HOSTS)
        .with("site.yml", BRACKET)
        .with("lamp", "hunter22\n");
    let secret = "-e db_password=hunter22";
    user.is_cut_off(&format!("--reason x {secret}"), "slow", Signal::KILL);
    fs::remove_dir_all(user.path("state")).unwrap();
    let text = fs::read_to_string(notes(&user).remove(0)).unwrap();
    assert!(!text.contains("hunter22"), "{text}");
    assert!(text.contains("db_password"), "{text}");
    user.types(&format!("{RECOVER} --reason gone {secret}"))
        .ended(0, &["the lamp is off"]);
    assert_eq!(user.read("lamp"), "hunter22\n");
}

#[test]
fn a_playbook_must_be_named() {
    let user = User::new().with("hosts", HOSTS);
    for command in ["recover", "status"] {
        user.types(&format!("{command} --from-hosts -i hosts"))
            .ended(1, &["--from-hosts needs the playbook"]);
    }
    user.types("recover --from-hosts -i hosts x.yml --upgrade-stranded a")
        .ended(1, &["cannot be used with"]);
    user.types("recover --from-hosts -i hosts x.yml --forgive a")
        .ended(1, &["--reason"]);
}

/// A run as the MemSQL upgrade takes its lock, which dies inside.
fn killed_with_a_lock() -> User {
    let user = User::new();
    let lock = user.path("lock/memsql").to_string_lossy().into_owned();
    user.writes(
        "hosts",
        &format!("[memsql]\nops ansible_connection=local\n[memsql_ops]\nops\n[all:vars]\nmemsql_version=5.8.12\nmemsql_lock_dir={lock}\n"),
    );
    user.writes(
        "site.yml",
        "- hosts: memsql_ops\n  gather_facts: false\n  bracket:\n    name: no other run works on this cluster\n    enter: [import_role: { name: memsql, tasks_from: lock_take }]\n    leave: [import_role: { name: memsql, tasks_from: lock_give_back }]\n  tasks:\n    - { name: slow, command: sleep 2 }\n",
    );
    user.is_cut_off("--reason x", "slow", Signal::KILL);
    fs::remove_dir_all(user.path("state")).unwrap();
    user
}

#[test]
fn the_lock_of_a_lost_run_is_given_back_when_nothing_of_it_runs_any_more() {
    let user = killed_with_a_lock();
    let owner = user.read("lock/memsql/owner");
    let said = user.types("status --from-hosts -i hosts site.yml");
    assert!(
        said.done()
            .contains("owed: no other run works on this cluster\n"),
        "{said:#?}"
    );
    let held = user.types("lock status memsql -i hosts");
    held.ended(5, &[]);
    assert!(held.out.contains(owner.trim()), "{held:#?}");
    let ran = user.types(&format!("{RECOVER} --reason 'burnt down'"));
    ran.ended(0, &["no other run works on this cluster"]);
    assert!(!user.has("lock/memsql"), "{ran:#?}");
    assert!(notes(&user).is_empty());
    user.types("lock status memsql -i hosts").done();
}

#[test]
fn a_lock_that_somebody_else_took_meanwhile_stays_theirs() {
    let user = killed_with_a_lock();
    user.writes("lock/memsql/owner", "bastion7 0123abcd r9");
    user.types(&format!("{RECOVER} --reason 'burnt down'"))
        .ended(0, &[]);
    assert_eq!(user.read("lock/memsql/owner"), "bastion7 0123abcd r9");
    assert!(notes(&user).is_empty());
}
