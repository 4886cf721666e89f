//! What is wrong with a host or with the way to it, as the binary tells it: the exact text, the exit code, and a host on
//! which nothing was done.
//!
//! The texts stand in `tests/fixtures/wrong`, as `host_*.snap`.

use std::process::Output;

use regex::Regex;

use crate::server::{Server, command, write};

const PLAYBOOK: &str = "\
- name: never begun
  hosts: all
  gather_facts: false
  tasks:
    - name: touch
      copy: { content: x, dest: HERE/touched }
";

/// What one case changes: of the inventory's line, of the playbook, of the known hosts.
struct Case {
    name: &'static str,
    host: &'static str,
    playbook: &'static str,
    known: Option<&'static str>,
    code: i32,
}

const CASES: &[Case] = &[
    Case {
        name: "host_key_refused",
        host: "ansible_private_key_file=HERE/stranger",
        playbook: PLAYBOOK,
        known: Some("host_ed25519"),
        code: 4,
    },
    Case {
        name: "host_key_unknown",
        host: "ansible_private_key_file=HERE/key",
        playbook: PLAYBOOK,
        known: None,
        code: 4,
    },
    Case {
        name: "host_key_changed",
        host: "ansible_private_key_file=HERE/key",
        playbook: PLAYBOOK,
        known: Some("stranger"),
        code: 4,
    },
    Case {
        name: "host_without_sudo",
        host: "ansible_private_key_file=HERE/key ansible_become=true ansible_become_exe=HERE/no/sudo",
        playbook: PLAYBOOK,
        known: Some("host_ed25519"),
        code: 2,
    },
    Case {
        name: "host_sudo_asks",
        host: "ansible_private_key_file=HERE/key ansible_become=true ansible_become_exe=HERE/sudo",
        playbook: PLAYBOOK,
        known: Some("host_ed25519"),
        code: 2,
    },
    Case {
        name: "host_disk_full",
        host: "ansible_private_key_file=HERE/key",
        playbook: "\
- hosts: all
  gather_facts: false
  tasks:
    - name: too much
      copy: { content: \"{{ 'x' * 200000 }}\", dest: HERE/small/file }
    - name: touch
      copy: { content: x, dest: HERE/touched }
",
        known: Some("host_ed25519"),
        code: 2,
    },
];

/// Runs all cases; the texts name root, so that it is only tried as root.
pub(crate) fn what_is_wrong_with_a_host_is_told_exactly(server: &Server) {
    // A sudo that wants a password, and is given none.
    let sudo = "#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in -p) printf '%s' \"$2\" >&2;; esac; shift; done\nread -r x\n\
                echo 'sudo: a password is required' >&2\nexit 1\n";
    write(&server.file("sudo"), sudo);
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(server.file("sudo"), runs).unwrap();
    for case in CASES {
        let ran = type_it(server, case);
        let told = steady(server, &String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code(), Some(case.code), "{}: {told}", case.name);
        assert!(
            !server.file("touched").exists(),
            "{} touched the host",
            case.name
        );
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wrong"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let told = format!("exit code {}\n{told}", case.code);
        settings.bind(|| insta::assert_snapshot!(case.name, told));
    }
}

/// The records' disk is full: nothing begins.
pub(crate) fn a_full_disk_for_the_records_is_told_before_anything(server: &Server) {
    let here = server.directory.path().display().to_string();
    let case = Case {
        name: "records",
        host: "ansible_private_key_file=HERE/key",
        playbook: PLAYBOOK,
        known: Some("host_ed25519"),
        code: 1,
    };
    prepare(server, &case);
    let binary = env!("CARGO_BIN_EXE_stagger");
    let line = format!(
        "mkdir -p {here}/full && mount -t tmpfs -o size=16k none {here}/full && cd {here} && \
         exec {binary} apply site.yml -i hosts --state {here}/full"
    );
    let ran = command("unshare")
        .args(["-m", "/bin/sh", "-c", &line])
        .env_clear()
        .env("HOME", &here)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(
        told.contains("is full") && told.contains("--state DIR"),
        "{told}"
    );
    assert!(!server.file("touched").exists());
}

fn prepare(server: &Server, case: &Case) {
    let here = server.directory.path().display().to_string();
    let host = case.host.replace("HERE", &here);
    let port = server.port;
    let line =
        format!("node ansible_host=127.0.0.1 ansible_port={port} ansible_user=root {host}\n");
    write(&server.file("hosts"), &line);
    write(
        &server.file("site.yml"),
        &case.playbook.replace("HERE", &here),
    );
    std::fs::create_dir_all(server.file(".ssh")).unwrap();
    let known = case.known.map(|key| server.known_line(key));
    write(&server.file(".ssh/known_hosts"), &known.unwrap_or_default());
}

fn type_it(server: &Server, case: &Case) -> Output {
    prepare(server, case);
    command(env!("CARGO_BIN_EXE_stagger"))
        .args(["apply", "site.yml", "-i", "hosts", "--state", "records"])
        .current_dir(server.directory.path())
        .env_clear()
        .env("HOME", server.directory.path())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap()
}

/// Takes out of a text what differs from run to run.
fn steady(server: &Server, text: &str) -> String {
    let mut text = text.replace(&server.directory.path().display().to_string(), "HERE");
    text = text.replace(&server.port.to_string(), "PORT");
    for (what, name) in [
        (r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN"),
        (r"(?m)^\d\d:\d\d:\d\d ", "TIME "),
        (r"SHA256:[A-Za-z0-9+/=]+", "SHA256:KEY"),
        (r"took .*", "took TIME"),
        (r"-[0-9a-f]{16}-", "-TOKEN-"),
    ] {
        text = Regex::new(what)
            .unwrap()
            .replace_all(&text, name)
            .into_owned();
    }
    text
}
