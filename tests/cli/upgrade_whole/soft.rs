//! A coordinator that is asked to end when nothing is in hand any more.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use super::faults::{CASES, Case};
use super::{Stage, render_as, run_on};

/// What clients have in hand: as long as this file is there, they have.
const HAND: &str = "hand";
/// Written when a server is asked to end softly.
const ASKED: &str = "asked";
/// Written when a server has told that clients have something in hand.
const TOLD: &str = "told";

/// Answers `/_admin/shutdown` as a coordinator does that can end softly; beside a file `refuses` as one that may not.
#[expect(
    clippy::exit,
    reason = "this program is the server that ends by itself"
)]
pub(super) fn serve(stream: &mut TcpStream, asked: &str) {
    let busy = || Path::new(HAND).exists();
    let (code, body) = if Path::new("refuses").exists() {
        (403, "{}".to_owned())
    } else if asked.starts_with("DELETE /_admin/shutdown?soft=true ") {
        std::fs::write(ASKED, "").unwrap();
        std::thread::spawn(move || {
            while busy() {
                std::thread::sleep(Duration::from_millis(50));
            }
            std::thread::sleep(Duration::from_millis(700));
            std::process::exit(0);
        });
        (200, "\"OK\"".to_owned())
    } else {
        let count = u8::from(busy());
        if count > 0 {
            std::fs::write(TOLD, "").unwrap();
        }
        let body = format!(
            "{{\"softShutdownOngoing\":true,\"AQLcursors\":{count},\"transactions\":0,\"allClear\":{}}}",
            count == 0
        );
        (200, body)
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {code} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    drop(stream.write_all((head + &body).as_bytes()));
}

/// Name, script, whether it restarts, what arms it, what is said, by which signal the server ended, whether it was asked.
type Row<'a> = (
    &'static str,
    &'a str,
    bool,
    &'static str,
    &'static str,
    Option<i32>,
    bool,
);

/// How the coordinator ended: by itself, or by a signal.
fn ended(stage: &mut Stage) -> Option<i32> {
    stage.children[0].wait().unwrap().signal()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_coordinator_ends_when_nothing_is_in_hand_or_when_its_time_runs_out() {
    let here = tempfile::tempdir().unwrap();
    // The servers of the stage answer as agents; what the script does for a coordinator it does by its own variable.
    let script = |role: &str, restart: bool| {
        let script = render_as(here.path(), restart, false, role);
        script.replace("server_role=COORDINATOR", "server_role=AGENT")
    };
    let coordinator = script("coordinator", false);
    let again = script("coordinator", true);
    let agent = script("agent", false);
    let by_itself = None;
    let by_signal = Some(15);
    let cases: &[Row<'_>] = &[
        (
            "nothing is in hand",
            &coordinator,
            false,
            "",
            "",
            by_itself,
            true,
        ),
        (
            "clients finish",
            &coordinator,
            false,
            "touch hand; (until [ -e told ]; do sleep 0.1; done; rm hand) >/dev/null 2>&1 &",
            "saw in hand: softShutdownOngoing:true,AQLcursors:1,transactions:0,allClear:false",
            by_itself,
            true,
        ),
        ("a restart", &again, true, "", "", by_itself, true),
        (
            "they never do",
            &coordinator,
            false,
            "touch hand",
            "soft shutdown: after 3 s the coordinator was ended with what clients had in hand: in hand: softShutdownOngoing:true,AQLcursors:1",
            by_signal,
            true,
        ),
        (
            "it does not take it",
            &coordinator,
            false,
            "touch refuses",
            "soft shutdown: the coordinator does not take it, and was ended at once",
            by_signal,
            false,
        ),
        ("no coordinator", &agent, false, "", "", by_signal, false),
    ];
    for (name, script, restart, armed, said, signal, asked) in cases {
        let case = Case {
            name,
            restart: *restart,
            armed,
            said,
            ..CASES[0]
        };
        let mut stage = Stage::new(false);
        run_on(&stage, script, &case).unwrap();
        assert_eq!(ended(&mut stage), *signal, "{name}");
        let was_asked = stage.here.path().join(ASKED).exists();
        assert_eq!(was_asked, *asked, "{name}");
    }
}
