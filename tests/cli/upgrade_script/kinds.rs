//! The script for a restart and for a stranded server: what it leaves out, and what it looks at instead.

use std::process::Command;
use std::time::Duration;

use super::{Kind, definitions, rendered_for, shells};

fn marks(script: &str) -> Vec<&str> {
    let lines = script.lines();
    lines
        .filter_map(|line| line.strip_prefix("mark begin "))
        .collect()
}

#[test]
fn a_restart_is_the_upgrade_without_its_data() {
    let here = tempfile::tempdir().unwrap();
    let tools = "{bash: /bin/bash}";
    let script =
        |name: &str, kind| rendered_for(here.path(), 1, name, tools, ("agent", 30400), kind);
    let upgrade = script("upgrade", Kind::Upgrade);
    let restart = script("restart", Kind::Restart);
    let mut wanted = marks(&upgrade);
    wanted.retain(|mark| *mark != "upgrade the data");
    assert_eq!(wanted.len() + 1, marks(&upgrade).len());
    assert_eq!(marks(&restart), wanted);
    for word in ["upgrade_data", "upgraded", "attempt"] {
        assert!(upgrade.contains(word), "{word}");
        assert!(!restart.contains(word), "{word}: {restart}");
    }
}

#[test]
fn stranded_servers_are_upgraded_one_after_the_other_and_then_the_starter_starts() {
    let here = tempfile::tempdir().unwrap();
    let tools = "{bash: /bin/bash}";
    let script =
        |name: &str, kind| rendered_for(here.path(), 1, name, tools, ("agent", 30400), kind);
    let last = script("last", Kind::Stranded { more: false });
    let upgrade = script("upgrade", Kind::Upgrade);
    let place = marks(&upgrade)
        .iter()
        .position(|mark| *mark == "stop the $role")
        .unwrap();
    let mut wanted = marks(&upgrade);
    wanted[place] = "wait until nobody runs on its data";
    assert_eq!(marks(&last), wanted);
    // There is no process to stop.
    assert!(!last.contains("kill -s TERM \"$server_pid\""));
    let more = script("more", Kind::Stranded { more: true });
    let (done, rest) = more.split_once("waits for it.\n").unwrap();
    assert_eq!(rest.lines().next(), Some("finish 0"));
    assert!(!done.contains("start the starter"), "{done}");
    assert!(!last.contains("waits for it."));
    // Servers that are taken along by its starter are told with it, and nothing is started.
    for shell in shells() {
        let asked = format!("{}\nstranded\n", definitions(&last));
        let ran = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", &asked])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&ran.stdout),
            "agent on port 1, ",
            "{shell:?}"
        );
    }
}

#[test]
fn the_data_of_a_stranded_server_is_nobodys() {
    let here = tempfile::tempdir().unwrap();
    let kind = Kind::Stranded { more: false };
    let script = rendered_for(
        here.path(),
        1,
        "unused",
        "{bash: /bin/bash}",
        ("agent", 30400),
        kind,
    );
    let data = here.path().join("server/data");
    let hold = here.path().join("hold");
    let definitions = definitions(&script).replace("/nowhere/hold", &hold.display().to_string());
    // Any program that names the directory, as an argument of its own or behind the option.
    let somebody = |word: String| {
        Command::new("sh")
            .args(["-c", "read -r line", "arangod", &word])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (_, waits) = script
        .split_once("mark begin wait until nobody runs on its data")
        .unwrap();
    let (waits, _) = waits.split_once("mark begin upgrade the data").unwrap();
    for shell in shells() {
        let says = |call: &str| {
            let ran = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", &format!("{definitions}\n{call}\n")])
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            (
                ran.status.success(),
                String::from_utf8_lossy(&ran.stdout).into_owned(),
            )
        };
        assert_eq!(says("unused"), (true, String::new()), "{shell:?}");
        for word in [
            data.display().to_string(),
            format!("--database.directory={}", data.display()),
        ] {
            let mut child = somebody(word);
            let (free, told) = says("unused");
            // Nothing is upgraded under it.
            assert!(!says(waits).0, "{shell:?}");
            drop(child.stdin.take());
            child.wait().unwrap();
            assert!(
                !free && told.contains(&format!("process {} runs on", child.id())),
                "{shell:?}: {told}"
            );
        }
        assert!(says(waits).0, "{shell:?}: nobody");
        let mut other = somebody(format!("{}2", data.display()));
        assert!(says("unused").0, "{shell:?}: another server's data");
        drop(other.stdin.take());
        other.wait().unwrap();

        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let since = stat
            .rsplit(") ")
            .next()
            .unwrap()
            .split(' ')
            .nth(19)
            .unwrap();
        let by = |since: &str| {
            let own = std::process::id();
            format!("stagger: agent is being upgraded to 3.4.0; ...\n{own} {since}")
        };
        let (goes_on, ended) = (by(since), by("1"));
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (name, content, before_boot, free) in [
            (
                "the server before it",
                "stagger: agent is stranded and is being upgraded to 3.4.0; ...",
                false,
                true,
            ),
            (
                "an upgrade that the power cut ended",
                "stagger: agent is being upgraded to 3.4.0; ...",
                true,
                true,
            ),
            (
                "an upgrade that goes on",
                "stagger: agent is being upgraded to 3.4.0; ...",
                false,
                false,
            ),
            ("an upgrade whose process lives", &goes_on, false, false),
            (
                "an upgrade that ended without its server",
                &ended,
                false,
                true,
            ),
            ("a colleague", "do not start, Kim", false, false),
            ("a colleague, long ago", "do not start, Kim", true, false),
        ] {
            std::fs::write(&hold, format!("{content}\n")).unwrap();
            if before_boot {
                let file = std::fs::File::options().write(true).open(&hold).unwrap();
                file.set_modified(long_ago).unwrap();
            }
            assert_eq!(says("held_by_others").0, free, "{shell:?}: {name}");
            std::fs::remove_file(&hold).unwrap();
        }
        assert!(says("held_by_others").0, "{shell:?}");
    }
}

#[test]
fn a_program_that_somebody_installed_meanwhile_is_seen_before_the_stop() {
    use std::os::unix::fs::PermissionsExt as _;
    let here = tempfile::tempdir().unwrap();
    let binary = here.path().join("arangod");
    let cases = [
        ("printf '3.4.0\n\nserver-version: 3.4.0\n'", 0, ""),
        ("echo 'ArangoDB 3.4.0 [linux]'", 0, ""),
        (
            "printf '3.5.0\n\nserver-version: 3.5.0\n'",
            1,
            "is 3.5.0, wanted 3.4.0",
        ),
        ("exit 5", 1, "is of an unknown version"),
    ];
    let stranded = Kind::Stranded { more: false };
    for kind in [Kind::Upgrade, Kind::Restart, stranded] {
        let script = rendered_for(
            here.path(),
            1,
            "there",
            "{bash: /bin/bash}",
            ("agent", 30400),
            kind,
        );
        assert!(script.contains("$(installed 2>&1) || changed"));
        for shell in shells() {
            for (says, code, wanted) in cases {
                std::fs::write(&binary, format!("#!/bin/sh\n{says}\n")).unwrap();
                std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
                let ran = Command::new(shell[0])
                    .args(&shell[1..])
                    .args(["-c", &format!("{}\ninstalled\n", definitions(&script))])
                    .stdin(std::process::Stdio::null())
                    .output()
                    .unwrap();
                let told = String::from_utf8_lossy(&ran.stdout);
                assert_eq!(ran.status.code(), Some(code), "{shell:?} {says}: {told}");
                assert!(told.contains(wanted), "{shell:?} {says}: {told}");
            }
        }
    }
}
