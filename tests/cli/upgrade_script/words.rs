//! A server whose command line, environment and directory hold what a shell would split or expand: from the starter's file
//! to the program that upgrades its data, every word arrives as it is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{PLAYBOOK, definitions, shells, written};

/// A directory as somebody may call it.
const ODD: &str = r#"a b  $HOME `id` "q" 'q'; * & | \"#;

/// The program: it says what it was called with.
const SAYS: &str = "#!/bin/sh\n{ printf '<%s>\\n' \"$@\"; printf 'WORD=%s in %s\\n' \"$WORD\" \"$(pwd)\"; } >\"HERE/said\"\n";

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Lays out the program, its command file as the starter writes it, and the directory of the server.
fn lay_out(here: &Path) {
    let own = here.display().to_string();
    std::fs::create_dir_all(here.join("server")).unwrap();
    std::fs::create_dir_all(here.join("my $dir")).unwrap();
    std::fs::create_dir_all(here.join("bin")).unwrap();
    program(&here.join("a program"), &SAYS.replace("HERE", &own));
    // Only root may take another user's place; without, the same words pass through one that leaves users alone.
    let stays = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
    program(&here.join("bin/setpriv"), stays);
    let line = [
        &format!("{own}/a program"),
        "--database.directory",
        ODD,
        "--empty=",
        "--database.auto-upgrade",
        "true",
        "--last=1",
    ];
    std::fs::write(
        here.join("server/arangod_command.txt"),
        line.join(" \\\n") + "\n",
    )
    .unwrap();
}

/// The playbook of the script, with the words of the command file in it, read as the role reads them.
fn playbook() -> String {
    let role = include_str!("../../../roles/arangodb/tasks/stranded_upgrade.yml");
    assert!(role.contains("combine({'command': arangodb_line.quoted"));
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let reads = "  tasks:
    - command_file:
        path: HERE/server/arangod_command.txt
        drop: [--database.auto-upgrade]
        add: [--database.auto-upgrade=true]
      register: arangodb_line
";
    PLAYBOOK
        .replace("  tasks:\n", reads)
        .replace(
            "command: [/bin/true]",
            "command: \"{{ arangodb_line.quoted }}\"",
        )
        .replace(
            "environment_quoted: []",
            r#"environment_quoted: ["'WORD=c  $d'"]"#,
        )
        .replace("working_directory: /", "working_directory: 'HERE/my $dir'")
        .replace("uid: 0", &format!("uid: {}", user.as_raw()))
        .replace("gid: 0", &format!("gid: {}", group.as_raw()))
        .replace("PORT", "1")
        .replace("TOOLS", "{bash: /bin/bash}")
        .replace("RESTART", "false")
        .replace("STRANDED", "false")
        .replace("MORE", "false")
        .replace("ROLE", "agent")
        .replace("NUMBER", "30400")
        .replace("NAME", "script")
}

#[test]
fn no_shell_splits_or_expands_what_a_server_is_called_with() {
    let here = tempfile::tempdir().unwrap();
    lay_out(here.path());
    let script = written(here.path(), &playbook(), "script");
    let own = here.path().display();
    let wanted = format!(
        "<--database.directory>\n<{ODD}>\n<--empty=>\n<--last=1>\n<--database.auto-upgrade=true>\nWORD=c  $d in {own}/my $dir\n"
    );
    let said = here.path().join("said");
    let path = std::env::var("PATH").unwrap();
    let path = if rustix::process::geteuid().is_root() {
        path
    } else {
        format!("{own}/bin:{path}")
    };
    for shell in shells() {
        for call in ["could_upgrade", "upgrade_data"] {
            let ran = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", &format!("{}\n{call}\n", definitions(&script))])
                .env("PATH", &path)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{shell:?}: {call}: {told}");
        }
        assert_eq!(std::fs::read_to_string(&said).unwrap(), wanted, "{shell:?}");
        std::fs::remove_file(&said).unwrap();
    }
}
