//! A report as people read it.

use crate::clock::Timestamp;
use crate::events::{
    BracketRef, Event, EventKind, GateTime, PlayOutline, StepId, StepOutcome, StepResult, StopCause,
};
use crate::journal::{Entry, Header, Record};
use crate::report::Report;

fn step(host: &str, name: &str, outcome: StepOutcome, took_ms: u64, message: &str) -> EventKind {
    EventKind::StepFinished {
        step: StepId {
            play: "1".into(),
            batch: 1,
            task: "1.tasks.0".into(),
            turn: 0,
            host: host.into(),
            item: None,
        },
        name: name.into(),
        label: None,
        at: "site.yml:7:5".into(),
        uncounted: false,
        delegated_to: None,
        outcome,
        ignored: false,
        attempts: 1,
        took_ms,
        result: StepResult {
            message: message.into(),
            ..StepResult::default()
        },
    }
}

/// A run of two parts: the first is cut off with a member down and a bracket entered, the second puts both right.
#[expect(clippy::too_many_lines, reason = "one record after another")]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only events hold a time of their own"
)]
pub(in crate::report) fn records() -> Vec<Entry> {
    let bracket = BracketRef {
        name: "maintenance".into(),
        object: String::new(),
    };
    let part = |operator: &str| Record::PartStarted {
        version: "0.1.0".into(),
        operator: operator.into(),
        args: Vec::new(),
        answers: std::collections::BTreeMap::new(),
    };
    let event = |kind| {
        Record::Event(Event {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            elapsed_ms: 0,
            kind,
        })
    };
    let down = EventKind::MemberDown {
        member: "DBServer0001".into(),
        host: "node1".into(),
        declared_ms: None,
    };
    let told = [
        (
            0,
            Record::Opened(Header {
                run: "r1".into(),
                playbook: "site.yml".into(),
                reason: Some("3.4".into()),
                operator: "ann".into(),
                bastion: "b1".into(),
                ..Header::default()
            }),
        ),
        (0, part("ann")),
        (
            0,
            event(EventKind::PlayStarted {
                play: PlayOutline {
                    id: "1".into(),
                    name: "servers".into(),
                    batches: vec![vec!["node1".into()]],
                },
            }),
        ),
        (
            0,
            event(EventKind::GateStarted {
                play: "1".into(),
                time: GateTime::First,
                batch: 1,
            }),
        ),
        (
            5,
            event(EventKind::GatePassed {
                play: "1".into(),
                time: GateTime::First,
                took_ms: 5000,
            }),
        ),
        (
            5,
            event(EventKind::BatchStarted {
                play: "1".into(),
                batch: 1,
                of: 1,
                hosts: vec!["node1".into()],
            }),
        ),
        (
            6,
            event(EventKind::BracketEntered {
                bracket: bracket.clone(),
            }),
        ),
        (7, event(down)),
        (
            8,
            event(step(
                "node1",
                "stop it",
                StepOutcome::Changed,
                900,
                "stopped",
            )),
        ),
        (60, part("bob")),
        (
            60,
            event(step(
                "node1",
                "upgrade it",
                StepOutcome::Failed,
                2000,
                "no room",
            )),
        ),
        (
            67,
            event(EventKind::MemberUp {
                member: "DBServer0001".into(),
                host: "node1".into(),
                down_ms: 60_000,
            }),
        ),
        (70, event(EventKind::BracketLeft { bracket })),
        (
            71,
            event(EventKind::RunStopped {
                cause: StopCause::Failed,
                message: "a host is lost".into(),
                at: String::new(),
                by_hand: vec![crate::events::ByHand {
                    host: "node1".into(),
                    what: "start it".into(),
                    command: "systemctl start x".into(),
                }],
            }),
        ),
        (71, Record::Finished { exit_code: 2 }),
    ];
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    (1..)
        .zip(told)
        .map(|(seq, (second, record))| Entry {
            seq,
            at: at(second),
            record: match record {
                Record::Event(event) => Record::Event(Event {
                    at: at(second),
                    ..event
                }),
                other => other,
            },
        })
        .collect()
}

#[test]
fn a_report_tells_who_was_out_of_service_and_what_is_left() {
    let report = Report::of(&records());
    let expected = "\
run r1 of site.yml
  started by ann on b1
  reason: 3.4
  part 1, by ann: 1970-01-01 00:00:00 UTC for 8.0 s: cut off, or still going on
  part 2, by bob: 1970-01-01 00:01:00 UTC for 11.0 s: exit code 2
    stopped: a host is lost

Out of service
  DBServer0001 on node1: from 1970-01-01 00:00:07 UTC for 1 min 00 s

Brackets
  maintenance: from 1970-01-01 00:00:06 UTC for 1 min 04 s, left

Gates
  servers, before the first batch: passed in 5.0 s

What did not go well
  1970-01-01 00:01:00 UTC node1: upgrade it (site.yml:7:5): failed
    no room

To finish or undo by hand
  on node1, start it
      systemctl start x

Plays
  1970-01-01 00:00:00 UTC servers: not ended
    batch 1: node1: not ended

Longest steps
  2.0 s node1: upgrade it

Changed
  node1
    stop it: stopped

Hosts
  node1  ok=1  changed=1  unreachable=0  failed=1  skipped=0  rescued=0  ignored=0  in doubt=0
";
    assert_eq!(report.text(), expected);
    let markdown = report.markdown();
    for part in [
        "# run r1 of site.yml\n",
        "\n## Out of service\n\n- DBServer0001",
        "| node1 | 1 | 1 | 0 | 1 |",
        "```sh\n  systemctl start x\n",
    ] {
        assert!(markdown.contains(part), "{part}: {markdown}");
    }
}

#[test]
fn what_is_still_down_or_owed_is_said_so() {
    let mut cut_off = records();
    cut_off.truncate(9);
    let text = Report::of(&cut_off).text();
    for part in [
        "AND STILL IS",
        "maintenance: from 1970-01-01 00:00:06 UTC, NOT LEFT",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
