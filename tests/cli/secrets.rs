//! No secret of a whole run is anywhere: not on the terminal, not among its events, not in its records and frozen files,
//! not in a report of any form; and what needed the secrets can still go on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::user::{Ran, User};

/// Each secret with the way by which it comes into the run.
const SECRETS: [(&str, &str); 11] = [
    ("command line", "cmdl1ne-s3cret"),
    ("file of the command line", "extraf1le-s3cret"),
    ("inventory in YAML", "inv3ntory-s3cret"),
    ("inventory in INI", "in1-host-s3cret"),
    ("inventory program", "pr0gram-s3cret"),
    ("group_vars", "gr0upvars-s3cret"),
    ("vars_files", "varsf1le-s3cret"),
    ("include_vars", "includ3d-s3cret"),
    ("play", "playv4r-s3cret"),
    ("no_log", "n0l0g-s3cret-output"),
    ("role defaults", "r0le-s3cret"),
];

const PLAYBOOK: &str = "\
- name: work
  hosts: all
  gather_facts: false
  vars:
    play_token: playv4r-s3cret
  vars_files: [secret.yml]
  roles: [r]
  tasks:
    - name: show all that is known
      shell: echo {{ cmd_password }} {{ extra_password }} {{ inv_password }} {{ ini_password }} {{ program_password }} {{ group_password }} {{ file_password }} {{ play_token }} {{ role_secret }}
      register: shown
    - name: hidden
      slurp: { src: \"{{ playbook_dir }}/hidden\" }
      no_log: true
      register: quiet
    - name: more of them
      include_vars: more.yml
    - name: a file of them
      copy:
        content: \"{{ inv_password }} {{ more_password }} {{ quiet.content | b64decode }}\"
        dest: \"{{ playbook_dir }}/written-{{ inventory_hostname }}\"
    - name: stop here once
      shell: \"test -e {{ playbook_dir }}/mended || { echo {{ more_password }} {{ group_password }} >&2; false; }\"
    - name: they are still known
      assert:
        that:
          - shown.stdout.split() == [cmd_password, extra_password, inv_password, ini_password, program_password, group_password, file_password, play_token, role_secret]
          - cmd_password | hash('sha1') == '77b5747e64099bd88f2ddc3c07ba9fdda4aa550d'
          - (inv_password + more_password) | hash('sha1') == '6cb72117bfb834bf01242ddf1605cc5bd3a91ef0'
";

fn user() -> User {
    let user = User::new()
        .with("site.yml", PLAYBOOK)
        .with("extra.json", r#"{"extra_password": "extraf1le-s3cret"}"#)
        .with(
            "inv/a.yml",
            "all:\n  hosts:\n    a: { ansible_connection: local, inv_password: inv3ntory-s3cret, x: y }\n",
        )
        .with("inv/b.ini", "[g]\na ini_password=in1-host-s3cret\n")
        .with(
            "inv/c.sh",
            "#!/bin/sh\necho '{\"p\": {\"hosts\": [\"a\"], \"vars\": {\"program_password\": \"pr0gram-s3cret\"}}, \"_meta\": {\"hostvars\": {}}}'\n",
        )
        .with("group_vars/all.yml", "group_password: 'gr0upvars-s3cret'\n")
        .with("secret.yml", "file_password: varsf1le-s3cret\n")
        .with("more.yml", "more_password: includ3d-s3cret # all\n")
        .with("hidden", "n0l0g-s3cret-output\n")
        .with("roles/r/defaults/main.yml", "role_secret: r0le-s3cret\n")
        .with("roles/r/tasks/main.yml", "- debug: { msg: \"{{ role_secret }}\" }\n");
    let program = user.path("inv/c.sh");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    user
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.file_name().is_none_or(|name| name != "ballast") {
            found.push(path);
        }
    }
}

/// Requires that a content holds no secret, as text or as a list of bytes.
fn holds_none(what: &str, content: &[u8]) {
    for (way, secret) in SECRETS {
        let numbers: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        for form in [secret.to_owned(), numbers.join(","), numbers.join(", ")] {
            let found = content
                .windows(form.len())
                .any(|part| part == form.as_bytes());
            assert!(!found, "the secret of the {way} is in {what}");
        }
    }
}

fn told(what: &str, ran: &Ran) {
    holds_none(what, ran.out.as_bytes());
    holds_none(what, ran.err.as_bytes());
}

#[test]
fn no_secret_of_a_run_is_left_anywhere() {
    let user = user();
    let line = "apply site.yml -i inv --state state -vvv -D --events events --reason 'for cmdl1ne-s3cret and inv3ntory-s3cret and gr0upvars-s3cret' -e cmd_password=cmdl1ne-s3cret -e @extra.json";
    let ran = user.types(line);
    ran.ended(2, &["stop here once"]);
    told("what was told", &ran);
    for (_, secret) in [SECRETS[2], SECRETS[7], SECRETS[9]] {
        assert!(
            user.read("written-a").contains(secret),
            "it reaches the host"
        );
    }
    user.writes("mended", "");
    let ran = user.types("resume --state state -vvv --events events-2");
    ran.ended(1, &["cmd_password"]);
    let ran =
        user.types("resume --state state -vvv --events events-2 -e cmd_password=cmdl1ne-s3cret");
    ran.ended(0, &["they are still known"]);
    told("what was told", &ran);
    for form in ["text", "markdown", "html", "json", "records"] {
        let report = user.types(&format!("report --state state --format {form}"));
        assert!(!report.done().is_empty());
        told(&format!("the report as {form}"), &report);
    }
    for line in ["status", "status --json", "runs", "runs --json"] {
        told(line, &user.types(&format!("{line} --state state")));
    }
    let mut kept = vec![user.path("events"), user.path("events-2")];
    files(&user.path("state"), &mut kept);
    assert!(kept.len() > 4, "{kept:?}");
    for path in kept {
        holds_none(&path.to_string_lossy(), &std::fs::read(&path).unwrap());
    }
}

#[test]
fn what_is_needed_again_is_taken_from_where_it_stands_now() {
    let user = user();
    let line = "apply site.yml -i inv --state state --reason x -e cmd_password=cmdl1ne-s3cret -e @extra.json";
    user.types(line).ended(2, &["stop here once"]);
    user.writes("mended", "");
    let resume = "resume --state state -e cmd_password=cmdl1ne-s3cret";
    let secret = user.read("secret.yml");
    user.writes("secret.yml", "other: 1\n");
    user.types(resume).ended(
        1,
        &[
            "the secret `file_password` of secret.yml is needed again",
            "put it back",
        ],
    );
    user.writes("secret.yml", &secret);
    // All else is as the run froze it.
    user.writes(
        "inv/a.yml",
        "all:\n  hosts:\n    gone:\n    a: { inv_password: inv3ntory-s3cret }\n",
    );
    user.types(resume).ended(0, &["they are still known"]);
}
