use super::*;
use crate::clock::Timestamp;
use crate::events::StepResult;

fn step(host: &str) -> StepId {
    StepId {
        play: "1".to_owned(),
        batch: 1,
        task: "1.tasks.0".to_owned(),
        turn: 0,
        host: host.to_owned(),
        item: None,
    }
}

fn intended(host: &str, attempt: u32) -> EventKind {
    EventKind::StepIntended {
        step: step(host),
        name: "upgrade".to_owned(),
        label: None,
        job: None,
        attempt,
    }
}

fn finished(host: &str, outcome: StepOutcome, ignored: bool) -> EventKind {
    EventKind::StepFinished {
        step: step(host),
        name: "upgrade".to_owned(),
        label: None,
        at: String::new(),
        uncounted: false,
        delegated_to: None,
        outcome,
        ignored,
        attempts: 1,
        took_ms: 1,
        result: StepResult::default(),
    }
}

fn bracket() -> BracketRef {
    BracketRef {
        name: "maintenance".to_owned(),
        object: String::new(),
    }
}

/// One run's events, told every 100 ms.
fn story() -> Vec<Event> {
    let kinds = vec![
        EventKind::BatchStarted {
            play: "1".to_owned(),
            batch: 1,
            of: 3,
            hosts: vec!["a".to_owned(), "b".to_owned()],
        },
        EventKind::GateStarted {
            play: "1".to_owned(),
            time: GateTime::First,
            batch: 1,
        },
        EventKind::GateWaited {
            play: "1".to_owned(),
            task: crate::events::TaskRef {
                name: "in sync".to_owned(),
                ..Default::default()
            },
            saw: "2 shards behind".to_owned(),
        },
        EventKind::GuardChanged {
            guard: "quorum".to_owned(),
            value: GuardValue::False,
            saw: "1 of 3".to_owned(),
            grace_ms: Some(5000),
        },
        EventKind::BracketEntered { bracket: bracket() },
        EventKind::MemberDown {
            member: "PRMR-1".to_owned(),
            host: "a".to_owned(),
            declared_ms: None,
        },
        intended("a", 1),
        intended("b", 1),
        EventKind::SubStepStarted {
            step: step("a"),
            name: "stop".to_owned(),
        },
        EventKind::StepWaited {
            step: step("a"),
            attempt: 2,
            of: Some(5),
            left_ms: None,
            saw: "not yet".to_owned(),
        },
        finished("b", StepOutcome::Changed, false),
        EventKind::HostLeft {
            host: "b".to_owned(),
            why: "ended".to_owned(),
        },
    ];
    (1..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: Timestamp::UNIX_EPOCH,
            elapsed_ms: seq * 100,
            kind,
        })
        .collect()
}

#[test]
fn the_state_tells_who_does_what_since_when() {
    let state = fold(&story());
    let a = state.hosts["a"].now.as_ref().unwrap();
    assert_eq!((a.since_ms, a.attempt), (700, 2));
    assert_eq!(a.part, Some(("stop".to_owned(), 900)));
    assert_eq!(a.saw.as_deref(), Some("not yet"));
    let b = &state.hosts["b"];
    assert_eq!((b.now.clone(), b.counts.changed, b.counts.ok), (None, 1, 1));
    assert_eq!(b.left.as_deref(), Some("ended"));
    let gate = state.gate.as_ref().unwrap();
    assert_eq!(gate.since_ms, 200);
    assert_eq!(
        gate.saw,
        Some(("in sync".to_owned(), "2 shards behind".to_owned()))
    );
    assert_eq!(state.guards["quorum"].value, GuardValue::False);
    assert_eq!(
        state.brackets[&bracket()],
        BracketState::Entered { since_ms: 500 }
    );
    assert_eq!(state.down["PRMR-1"].since_ms, 600);
    assert_eq!(state.batch.as_ref().unwrap().1, 3);
}

#[test]
fn events_taken_twice_change_nothing() {
    let events = story();
    let mut again = RunState::default();
    for event in &events {
        again.take(event);
        again.take(event);
        again.take(&events[0]);
    }
    assert_eq!(again, fold(&events));
}

#[test]
fn rescued_and_ignored_failures_are_not_failures() {
    let kinds = [
        finished("a", StepOutcome::Failed, false),
        finished("a", StepOutcome::Failed, true),
        EventKind::Rescued {
            host: "a".to_owned(),
            block: "1.tasks.0".to_owned(),
        },
        finished("a", StepOutcome::InDoubt, false),
    ];
    let events: Vec<Event> = (1..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: Timestamp::UNIX_EPOCH,
            elapsed_ms: 0,
            kind,
        })
        .collect();
    let counts = fold(&events).hosts["a"].counts;
    assert_eq!(
        (
            counts.failed,
            counts.ignored,
            counts.rescued,
            counts.in_doubt
        ),
        (0, 1, 1, 1)
    );
}
