//! `recover --upgrade-stranded`: a run of its own, with what the run that stopped was told.

use crate::user::User;

const SITE: &str = "\
- name: work
  hosts: all
  gather_facts: false
  tasks:
    - name: it stops
      command: 'false'
";

const STRANDED: &str = "\
- name: the stranded servers come back
  hosts: \"{{ arangodb_stranded | default('nobody') }}\"
  gather_facts: false
  tasks:
    - name: which host
      shell: echo {{ inventory_hostname }} {{ word }} >> {{ playbook_dir }}/../../log
    - name: is it well
      command: test -e {{ playbook_dir }}/../../well
";

fn user() -> User {
    User::new()
        .with(
            "hosts",
            "a ansible_connection=local\nb ansible_connection=local\n",
        )
        .with("site.yml", SITE)
        .with("roles/arangodb/stranded.yml", STRANDED)
}

#[test]
fn it_is_a_run_of_its_own_that_can_be_resumed() {
    let user = user();
    user.types("apply site.yml -i hosts --state state -e word=first --reason why")
        .ended(2, &[]);
    user.types("recover --upgrade-stranded b --state state")
        .ended(2, &["is it well"]);
    // Only that host, with the variables of the run that stopped.
    assert_eq!(user.read("log"), "b first\n");
    user.writes("well", "");
    user.types("resume --state state").ended(0, &[]);
    assert_eq!(user.read("log"), "b first\n");
    // The run that stopped is as it was, and so is the host that is meant.
    user.types("recover --upgrade-stranded a --state state")
        .ended(0, &[]);
    assert_eq!(user.read("log"), "b first\na first\n");
}

#[test]
fn a_run_of_a_plan_that_was_kept_is_told_what_to_type() {
    let user = user();
    user.types("plan site.yml -i hosts -e word=x --out kept.plan")
        .done();
    user.types("apply kept.plan --state state").ended(2, &[]);
    user.types("recover --upgrade-stranded b --state state")
        .ended(1, &["from a plan", "roles/arangodb/stranded.yml"]);
    assert!(!user.has("log"));
}
