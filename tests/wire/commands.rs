//! Commands that a person types against a real host: `exec` with its passwords and forms, `plan` with a look at the host.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::process::{Output, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use serde_json::json;

use crate::server::{PASSWORD, Server, command, write};

const PLAYBOOK: &str = "\
- name: look and write
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: which system
      command: uname -s
      changed_when: false
    - name: there already
      file: { path: HERE/key, state: file }
    - name: touch
      copy: { content: x, dest: HERE/touched }
    - name: say it
      command: logger {{ word }}
";

/// Somebody at a terminal, who types these lines when asked.
fn types(server: &Server, arguments: &[&str], lines: &[&str]) -> Output {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name);
    let mut master = File::from(master);
    for line in lines {
        master.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    command(env!("CARGO_BIN_EXE_stagger"))
        .args(arguments)
        .current_dir(server.directory.path())
        .env_clear()
        .env("HOME", server.directory.path())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::from(terminal.unwrap()))
        .output()
        .unwrap()
}

#[track_caller]
fn done(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert!(
        !out.contains(PASSWORD) && !err.contains(PASSWORD),
        "{out}\n{err}"
    );
    (out, err)
}

/// Writes an inventory of names for this one host.
fn inventory(server: &Server, names: &[&str], further: &str) {
    let here = server.directory.path().display().to_string();
    let port = server.port;
    let further = further.replace("HERE", &here);
    let lines: Vec<String> = names
        .iter()
        .map(|name| format!("{name} ansible_host=127.0.0.1 ansible_port={port} {further}\n"))
        .collect();
    write(&server.file("hosts"), &lines.concat());
    std::fs::create_dir_all(server.file(".ssh")).unwrap();
    write(
        &server.file(".ssh/known_hosts"),
        &server.known_line("host_ed25519"),
    );
}

pub(crate) fn exec_asks_for_passwords_and_shows_answers_in_every_form(server: &Server) {
    if server.root {
        inventory(server, &["node"], "ansible_user=alice");
        let line = ["exec", "all", "-i", "hosts", "-k", "--", "id -un; pwd"];
        let (out, err) = done(&types(server, &line, &[PASSWORD]));
        let home = server.file("alice").display().to_string();
        assert_eq!(out, format!("node | CHANGED | rc=0 >>\nalice\n{home}\n"));
        assert!(err.contains("Login password:"), "{err}");
        let line = [
            "exec",
            "all",
            "-i",
            "hosts",
            "-k",
            "-K",
            "-b",
            "--become-user",
            "bob",
            "--become-method",
            "su",
            "-o",
            "--",
            "id",
            "-un",
        ];
        let (out, err) = done(&types(server, &line, &[PASSWORD, PASSWORD]));
        assert_eq!(out, "node | CHANGED | rc=0 >> bob\n");
        assert!(err.contains("Password to become another user:"), "{err}");
        let refused = types(server, &line, &[PASSWORD, "wrong"]);
        assert_ne!(refused.status.code(), Some(0));
        let refused = types(server, &line, &["wrong", PASSWORD]);
        assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    }
    let user = server.target().user;
    let key = format!("ansible_user={user} ansible_private_key_file=HERE/key");
    inventory(server, &["n1", "n2", "n3"], &key);
    let line = [
        "exec",
        "all",
        "-i",
        "hosts",
        "--group",
        "-t",
        "tree",
        "--",
        "echo out; echo err >&2",
    ];
    let (out, _) = done(&types(server, &line, &[]));
    assert_eq!(out, "n1,n2,n3 | CHANGED | rc=0 >>\nout\nerr\n");
    for name in ["n1", "n2", "n3"] {
        let text = std::fs::read_to_string(server.file("tree").join(name)).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        let wanted = json!({"result": "CHANGED | rc=0", "stdout": "out\n", "stderr": "err\n"});
        assert_eq!(answer, wanted);
    }
    let line = ["exec", "n1:n2", "-i", "hosts", "-l", "n2", "--", "exit 3"];
    let failed = types(server, &line, &[]);
    assert_eq!(failed.status.code(), Some(2));
    assert_eq!(failed.stdout, b"n2 | FAILED | rc=3 >>\n");
}

pub(crate) fn a_plan_looks_at_the_host_and_changes_nothing(server: &Server) {
    let user = server.target().user;
    let key = format!("ansible_user={user} ansible_private_key_file=HERE/key");
    inventory(server, &["n1", "n2"], &key);
    let here = server.directory.path().display().to_string();
    write(&server.file("site.yml"), &PLAYBOOK.replace("HERE", &here));
    let with = ["-i", "hosts", "-e", "word=hello"];
    let plan = |form: &[&str]| {
        let line = [&["plan", "site.yml"][..], &with[..], form].concat();
        done(&types(server, &line, &[])).0
    };
    let live = plan(&["--live"]);
    for part in [
        "which may change until the run",
        "would be done",
        "n1",
        "n2",
    ] {
        assert!(live.contains(part), "`{part}` is not in {live}");
    }
    let commands = plan(&["--commands"]);
    for part in ["# on n1: ", "# on n2: ", "uname -s", "logger hello"] {
        assert!(commands.contains(part), "`{part}` is not in {commands}");
    }
    let both = plan(&["--live", "--commands"]);
    assert!(
        both.contains("would be done") && both.contains("uname -s"),
        "{both}"
    );
    assert!(!server.file("touched").exists(), "{live}");
    // A host that is not there makes the exit code true.
    inventory(server, &["n1"], &key.replace("HERE/key", "HERE/stranger"));
    let line = [&["plan", "site.yml"][..], &with[..], &["--live"][..]].concat();
    let ran = types(server, &line, &[]);
    assert_eq!(ran.status.code(), Some(4), "{ran:?}");
}
