use super::*;
use crate::events::{StepId, StepOutcome, StopCause};
use crate::journal::{Header, Intent, MemoryJournal, Outcome, export};
use serde_json::json;
use std::fs;

fn at() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

fn step(task: u32) -> StepId {
    StepId {
        play: "1".to_owned(),
        batch: 1,
        task: format!("1.tasks.{task}"),
        turn: 0,
        host: "db1".to_owned(),
        item: None,
    }
}

fn intent(task: u32) -> Record {
    Record::Intent(Intent {
        step: step(task),
        attempt: 1,
        module: "command".to_owned(),
        task_digest: "sha256:0".to_owned(),
        job: Some("job-1".to_owned()),
        runs_on: "db1".to_owned(),
        boot_id: "b".to_owned(),
        machine_id: "m".to_owned(),
        members: vec!["PRMR-1".to_owned()],
        can_ask: false,
        asked_with: None,
    })
}

fn outcome(task: u32) -> Record {
    Record::Outcome(Outcome {
        step: step(task),
        outcome: StepOutcome::Skipped {
            why: "no".to_owned(),
        },
        ignored: false,
        result: json!({"rc": 0}).as_object().unwrap().clone(),
        owner: "db1".to_owned(),
        effects: vec![],
    })
}

/// One record of each kind that carries a field of its own shape.
fn all_kinds() -> Vec<Record> {
    use crate::events::{BracketRef, Event, EventKind};
    use crate::journal::BracketChange;
    let bracket = BracketRef {
        name: "m".to_owned(),
        object: "batch 2".to_owned(),
    };
    let change = |change| Record::Bracket {
        bracket: bracket.clone(),
        change,
    };
    vec![
        Record::Opened(Header {
            run: "r1".to_owned(),
            ..Header::default()
        }),
        Record::PartStarted {
            version: "0.1.0".to_owned(),
            operator: "ann".to_owned(),
            args: vec!["apply".to_owned()],
            answers: [("v".to_owned(), json!(1))].into(),
        },
        intent(1),
        outcome(1),
        change(BracketChange::Found {
            found: json!("Normal"),
        }),
        change(BracketChange::Leaving { attempt: 2 }),
        change(BracketChange::Owed {
            reason: "gone".to_owned(),
        }),
        Record::Stopped {
            cause: StopCause::Guard {
                name: "g".to_owned(),
                saw: "s".to_owned(),
            },
            place: "1/1".to_owned(),
        },
        Record::Event(Event {
            seq: 7,
            at: at(),
            elapsed_ms: 1,
            kind: EventKind::BatchFinished {
                play: "1".to_owned(),
                batch: 1,
            },
        }),
        Record::Finished { exit_code: 3 },
    ]
}

#[test]
fn what_is_written_is_read_back_after_opening_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let ballast = Ballast::new(place.path());
    let mut journal = SqliteJournal::create(&path, ballast.clone()).unwrap();
    let records = all_kinds();
    journal
        .append(at(), &records[..3], Durability::Synced)
        .unwrap();
    journal
        .append(at(), &records[3..], Durability::Lazy)
        .unwrap();
    let digest = journal.keep(b"the playbook").unwrap();
    assert_eq!(journal.keep(b"the playbook").unwrap(), digest);
    drop(journal);
    assert!(SqliteJournal::create(&path, ballast.clone()).is_err());

    let journal = SqliteJournal::open(&path, ballast).unwrap();
    let entries = journal.entries().unwrap();
    let read: Vec<Record> = entries.iter().map(|entry| entry.record.clone()).collect();
    assert_eq!(read, records);
    assert_eq!(entries[9].seq, 10);
    assert_eq!(
        journal.kept(&digest).unwrap().as_deref(),
        Some(&b"the playbook"[..])
    );
    assert_eq!(journal.kept("sha256:other").unwrap(), None);

    let mut memory = MemoryJournal::new();
    memory.append(at(), &records, Durability::Synced).unwrap();
    assert_eq!(memory.entries().unwrap(), entries, "both journals agree");
    let mut text = Vec::new();
    export(&entries, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), 11, "{text}");
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert!(
        text.contains(r#""n":9,"#) && text.contains(r#""seq":7"#),
        "{text}"
    );
}

#[test]
fn every_cut_of_the_log_leaves_whole_appends_only() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let mut journal = SqliteJournal::create(&path, Ballast::new(place.path())).unwrap();
    for task in 0..4 {
        let both = [intent(task), outcome(task)];
        journal.append(at(), &both, Durability::Synced).unwrap();
    }
    let main = fs::read(&path).unwrap();
    let log = fs::read(place.path().join("journal-wal")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=log.len()).rev().step_by(509) {
        let crashed = tempfile::tempdir().unwrap();
        let copy = crashed.path().join("journal");
        fs::copy(&path, &copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), main);
        let mut torn = fs::File::create(crashed.path().join("journal-wal")).unwrap();
        std::io::Write::write_all(&mut torn, &log[..cut]).unwrap();
        let Ok(after) = SqliteJournal::open(&copy, Ballast::new(crashed.path())) else {
            seen.insert(0);
            continue;
        };
        let entries = after.entries().unwrap_or_default();
        assert_eq!(entries.len() % 2, 0, "cut at {cut}: an append was torn");
        seen.insert(entries.len());
    }
    assert!(seen.contains(&8) && seen.len() >= 4, "{seen:?}");
}

#[test]
fn newer_files_and_kinds_are_read_and_not_written() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let ballast = Ballast::new(place.path());
    let journal = SqliteJournal::create(&path, ballast.clone()).unwrap();
    let database = &journal.database;
    database
        .execute(
            "INSERT INTO record (at, kind, body) VALUES ('2026-01-01T00:00:00Z', 'moon', '{\"record\":\"moon\"}')",
            [],
        )
        .unwrap();
    database
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    drop(journal);
    let mut journal = SqliteJournal::open(&path, ballast.clone()).unwrap();
    let entries = journal.entries().unwrap();
    assert!(matches!(&entries[0].record, Record::Unknown { kind, .. } if kind == "moon"));
    let refused = journal.append(at(), &[intent(1)], Durability::Synced);
    assert!(matches!(refused, Err(JournalError::Newer { found: 2, .. })));

    let other = place.path().join("other");
    fs::File::create(&other).unwrap();
    assert!(SqliteJournal::open(&other, ballast).is_err());
}

#[test]
fn a_full_disk_gives_up_the_ballast_and_tears_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let ballast = Ballast::new(place.path());
    ballast.take_on(4096).unwrap();
    let mut journal = SqliteJournal::create(&path, ballast).unwrap();
    journal
        .append(at(), &[intent(1)], Durability::Synced)
        .unwrap();
    // SQLite says "full" when it may not add a page: the same error as for a full disk.
    let pages: u32 = journal
        .database
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    journal
        .database
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
    let many: Vec<Record> = (0..200).map(intent).collect();
    let full = journal.append(at(), &many, Durability::Synced);
    assert!(matches!(full, Err(JournalError::Full { .. })), "{full:?}");
    assert!(!place.path().join("ballast").exists(), "it was kept");
    assert_eq!(journal.entries().unwrap().len(), 1, "half an append is in");
    journal
        .database
        .pragma_update(None, "max_page_count", 1_000_000)
        .unwrap();
    journal.append(at(), &many, Durability::Synced).unwrap();
    assert_eq!(journal.entries().unwrap().len(), 201);
}

#[test]
fn another_process_reads_while_this_one_writes() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let ballast = Ballast::new(place.path());
    let mut writer = SqliteJournal::create(&path, ballast.clone()).unwrap();
    let reader = SqliteJournal::open(&path, ballast).unwrap();
    writer
        .append(at(), &[intent(1)], Durability::Synced)
        .unwrap();
    writer
        .append(at(), &[outcome(1)], Durability::Lazy)
        .unwrap();
    assert_eq!(reader.entries().unwrap().len(), 2);
}
