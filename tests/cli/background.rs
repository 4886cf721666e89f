//! `async`, `poll` and `on_deadline`: what goes on beside a run, and what is ended by its time.

use std::time::Duration;

use stagger::clock::{Clock as _, SystemClock};

use crate::user::User;

fn playbook(tasks: &str) -> User {
    User::new().with(
        "site.yml",
        &format!("- name: work\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"),
    )
}

#[test]
fn a_task_goes_on_beside_the_others_and_is_asked_for() {
    let user = playbook(
        "    - name: begin\n      shell: sleep 2; echo it is done; touch end\n      args: { chdir: HOME }\n      async: 60\n      poll: 0\n      register: work\n\
         \x20   - name: meanwhile\n      assert: { that: [work.finished == 0, work.started == 1, work is changed, not ('HOME/end' is exists)] }\n\
         \x20   - name: wait for it\n      async_status: { jid: '{{ work.ansible_job_id }}' }\n      register: state\n      until: state.finished == 1\n      retries: 20\n      delay: 1\n\
         \x20   - name: look\n      assert: { that: [state.stdout == 'it is done', state.rc == 0] }\n",
    );
    let home = user.path("").to_string_lossy().into_owned();
    user.writes("site.yml", &user.read("site.yml").replace("HOME", &home));
    let ran = user.applies("site.yml -v");
    ran.ended(0, &["wait for it"]);
    assert!(user.has("end"), "{ran:#?}");
}

#[test]
fn a_task_that_takes_longer_than_its_time_is_killed_and_fails() {
    let user = playbook(
        "    - name: too long\n      shell: sleep 30; touch HOME/late\n      async: 1\n      poll: 5\n",
    );
    let home = user.path("").to_string_lossy().into_owned();
    user.writes("site.yml", &user.read("site.yml").replace("HOME", &home));
    let clock = SystemClock::new();
    let ran = user.applies("site.yml");
    ran.ended(
        2,
        &["async task did not complete within the requested time - 1s"],
    );
    assert!(clock.elapsed() < Duration::from_secs(15), "{ran:#?}");
    let quick = playbook(
        "    - name: in time\n      command: echo hello\n      async: 30\n      register: r\n    - assert: { that: [r.finished == 1, r.stdout == 'hello', r.ansible_job_id is defined] }\n",
    );
    quick.applies("site.yml").ended(0, &[]);
}

#[test]
fn the_deadline_does_to_a_job_what_the_task_says() {
    for (on_deadline, code, told) in [
        ("term", 2, "it did not end in time: killed by signal 15"),
        ("kill", 2, "it did not end in time: killed by signal 9"),
    ] {
        let user = playbook(&format!(
            "    - name: late\n      command: sleep 30\n      timeout: 1\n      on_deadline: {on_deadline}\n"
        ));
        user.applies("site.yml").ended(code, &[told]);
    }
}

#[test]
fn what_cannot_go_on_by_itself_says_so() {
    let user = playbook(
        "    - name: a file\n      copy: { content: x, dest: /tmp/never-written }\n      async: 10\n      poll: 0\n",
    );
    let said = "`copy` cannot go on by itself, as `poll: 0` wants it to";
    user.applies("site.yml").ended(1, &[said]);
    user.writes(
        "site.yml",
        &user
            .read("site.yml")
            .replace("poll: 0", "poll: '{{ 1 - 1 }}'"),
    );
    user.applies("site.yml").ended(2, &[said]);
}
