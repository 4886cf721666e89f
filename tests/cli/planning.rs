//! `plan`: what it says without a host, with `--live`, and as commands for a person.

use crate::user::User;

const SITE: &str = "\
- name: look
  hosts: all
  gather_facts: false
  serial: 1
  order_by: \"{{ rank | int }}\"
  tasks:
    - name: is it done
      stat: { path: \"{{ playbook_dir }}/{{ inventory_hostname }}.done\" }
      register: done
    - name: do it
      command: touch {{ playbook_dir }}/{{ inventory_hostname }}.done --password={{ app_password }}
      when: not done.stat.exists
    - name: wait for it
      stat: { path: \"{{ playbook_dir }}/{{ inventory_hostname }}.done\" }
      register: seen
      until: seen.stat.exists
      retries: 100
    - name: config
      copy: { content: \"x\", dest: \"{{ playbook_dir }}/{{ inventory_hostname }}.conf\" }
    - name: each
      command: echo {{ item }}
      loop: [one, two]
      when: rank | int == 2
";

const HOSTS: &str = "\
a ansible_connection=local rank=3
b ansible_connection=local rank=1
c ansible_connection=local rank=2
[all:vars]
app_password=hunter22
";

fn user() -> User {
    User::new().with("hosts", HOSTS).with("site.yml", SITE)
}

#[test]
fn a_live_plan_tells_what_is_so_now_and_changes_nothing() {
    let user = user().with("b.done", "");
    let ran = user.types("plan site.yml -i hosts --live");
    let told = ran.done();
    for part in [
        "order as of now: b, then c, then a",
        "now, on b: skipped: `not done.stat.exists` is false",
        "now, on c, a: not so yet: ",
        "now, on c, a: would be done",
        "now, on b, c, a: would be done",
        "now, on b, a: skipped: `rank | int == 2` is false",
    ] {
        assert!(told.contains(part), "`{part}` is not in\n{told}");
    }
    for name in ["a.done", "c.done", "a.conf", "state"] {
        assert!(!user.has(name), "{name} was made");
    }
    let digest = |text: &str| text.lines().next().unwrap().to_owned();
    let plain = user.types("plan site.yml -i hosts");
    assert_eq!(
        digest(plain.done()),
        digest(told),
        "the digest does not hold it"
    );
    assert!(!plain.out.contains("now,"), "{}", plain.out);
    let json: serde_json::Value =
        serde_json::from_str(user.types("plan site.yml -i hosts --live --json").done()).unwrap();
    assert_eq!(json["live"]["batches"]["1"][0][0], "b");
    assert!(!told.contains("hunter22"), "{told}");
}

#[test]
fn a_host_that_does_not_answer_makes_a_live_plan_end_so() {
    let hosts = "a ansible_connection=local rank=1\nz ansible_host=127.0.0.1 ansible_port=1 rank=2\n[all:vars]\napp_password=x\n";
    let user = user().with("hosts", hosts);
    let ran = user.types("plan site.yml -i hosts --live");
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.out.contains("now, on z: not reached"), "{ran:#?}");
    user.types("plan site.yml -i hosts").done();
}

#[test]
fn commands_are_what_a_person_would_type() {
    let user = user();
    let ran = user.types("plan site.yml -i hosts --commands");
    let told = ran
        .done()
        .replace(&*user.path("").to_string_lossy(), "HOME/");
    assert!(!told.contains("hunter22"), "{told}");
    let first = "\
# play 1: look

## batch 1 (b), for b
";
    assert!(told.contains(first), "{told}");
    for part in [
        "# on b: do it: ",
        "#   only when not done.stat.exists\n",
        "## batch 2 (c), for c\n",
        "echo one\n",
        "echo two\n",
        "touch ",
    ] {
        assert!(told.contains(part), "`{part}` is not in\n{told}");
    }
    assert_eq!(told.matches("echo one\n").count(), 1, "only on c: {told}");
    assert!(!user.has("b.done"));

    // What was read says which of them are left.
    user.writes("b.done", "");
    let ran = user.types("plan site.yml -i hosts --commands --live");
    assert!(!ran.done().contains("# on b: do it"), "{}", ran.out);
    assert!(ran.out.contains("# on a: do it"), "{}", ran.out);
}
