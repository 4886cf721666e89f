//! Files that a disk or a power cut has torn: each opens to an error that says so, or to the beginning of what was
//! written, never to other records.

use super::*;
use crate::events::{StepId, StepOutcome};
use crate::journal::Outcome;
use serde_json::json;
use std::fs;

/// A journal at one moment: the file and its log.
struct Moment {
    main: Vec<u8>,
    log: Vec<u8>,
}

/// A journal as it came about: the file at several moments, the records and the contents that are in it.
struct Story {
    /// After each of several checkpoints: all is in the file, the log is empty.
    settled: Vec<Moment>,
    /// With some appends in the log alone.
    last: Moment,
    records: Vec<Record>,
    kept: Vec<Vec<u8>>,
}

fn at() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// A record whose text is so long; no two are alike.
fn record(number: usize, length: usize) -> Record {
    Record::Outcome(Outcome {
        step: StepId {
            play: "1".to_owned(),
            batch: 1,
            task: format!("1.tasks.{number}"),
            turn: 0,
            host: "db1".to_owned(),
            item: None,
        },
        outcome: StepOutcome::Ok,
        ignored: false,
        result: json!({"text": format!("{number}-").repeat(length)})
            .as_object()
            .unwrap()
            .clone(),
        owner: "db1".to_owned(),
        effects: vec![],
    })
}

fn moment(path: &Path) -> Moment {
    let log = path.with_file_name("journal-wal");
    Moment {
        main: fs::read(path).unwrap(),
        log: fs::read(log).unwrap_or_default(),
    }
}

impl Story {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal");
        let mut journal = SqliteJournal::create(&path, Ballast::new(place.path())).unwrap();
        let mut story = Self {
            settled: Vec::new(),
            last: Moment {
                main: vec![],
                log: vec![],
            },
            records: Vec::new(),
            kept: Vec::new(),
        };
        for round in 0..4 {
            for step in 0..12 {
                let number = story.records.len();
                // Some are longer than a page, so that they go on elsewhere.
                let length = if step == 5 { 4000 } else { 40 + step };
                let record = record(number, length);
                journal
                    .append(at(), std::slice::from_ref(&record), Durability::Synced)
                    .unwrap();
                story.records.push(record);
            }
            let content = format!("file {round} ").repeat(1500).into_bytes();
            journal.keep(&content).unwrap();
            story.kept.push(content);
            if round < 3 {
                let settle = "PRAGMA wal_checkpoint(TRUNCATE)";
                journal.database.query_row(settle, [], |_| Ok(())).unwrap();
                story.settled.push(moment(&path));
            }
        }
        story.last = moment(&path);
        assert!(story.last.log.len() > 40_000, "the log holds something");
        story
    }

    /// Opens a torn file. What opens must be the beginning of what was written; a content that is there must be whole.
    fn opens(&self, main: &[u8], log: &[u8], case: &str) -> Option<usize> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal");
        let put = |path: &Path, bytes: &[u8]| {
            use std::io::Write as _;
            fs::File::create(path).unwrap().write_all(bytes).unwrap();
        };
        put(&path, main);
        if !log.is_empty() {
            put(&place.path().join("journal-wal"), log);
        }
        let journal = SqliteJournal::open(&path, Ballast::new(place.path())).ok()?;
        for content in &self.kept {
            let digest = content_digest(content);
            if let Ok(Some(found)) = journal.kept(&digest) {
                assert!(found == *content, "{case}: another content under {digest}");
            }
        }
        let entries = journal.entries().ok()?;
        let count = entries.len();
        assert!(count <= self.records.len(), "{case}: more than was written");
        for (entry, (number, written)) in entries.iter().zip((1..).zip(&self.records)) {
            assert_eq!(entry.seq, number, "{case}");
            assert!(
                entry.record == *written,
                "{case}: record {number} is another"
            );
        }
        Some(count)
    }
}

fn page_size(main: &[u8]) -> usize {
    let size = u16::from_be_bytes([main[16], main[17]]);
    if size == 1 { 65536 } else { usize::from(size) }
}

#[test]
fn a_log_that_is_cut_anywhere_leaves_a_beginning() {
    let story = Story::new();
    let Moment { main, log } = &story.last;
    let frame = page_size(main) + 24;
    let borders = (32..log.len()).step_by(frame);
    let near = borders.flat_map(|at| [at - 1, at, at + 1, at + 24, at + frame / 2]);
    let cuts = (0..log.len()).step_by(331).chain(near);
    let mut seen = std::collections::BTreeSet::new();
    for cut in cuts.filter(|cut| *cut <= log.len()) {
        let case = format!("the log cut at {cut}");
        let found = story.opens(main, &log[..cut], &case);
        seen.insert(found.unwrap_or_else(|| panic!("{case}: it does not open")));
    }
    // From what was settled to all of it, each append by itself.
    let expected: Vec<usize> = (36..=48).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_page_of_the_log_that_is_torn_ends_what_is_read_of_it() {
    let story = Story::new();
    let Moment { main, log } = &story.last;
    let frame = page_size(main) + 24;
    for begin in (32..log.len()).step_by(frame) {
        let mut torn = log.clone();
        let half = begin + frame / 2;
        let end = (begin + frame).min(torn.len());
        torn[half..end].fill(0);
        let case = format!("the second half of the page at {begin} of the log is gone");
        story.opens(main, &torn, &case);
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_or_a_beginning() {
    let story = Story::new();
    let main = &story.settled[2].main;
    let page = page_size(main);
    let borders = (0..main.len()).step_by(page);
    let cuts = borders.flat_map(|at| [at, at + 1, at + page / 2]);
    let mut refused = 0;
    for cut in cuts.filter(|cut| *cut < main.len()) {
        let found = story.opens(&main[..cut], &[], &format!("the file cut at {cut}"));
        refused += usize::from(found.is_none());
    }
    assert!(refused > 0);
}

#[test]
fn a_page_that_is_zeroed_is_refused_or_leaves_a_beginning() {
    let story = Story::new();
    let main = &story.settled[2].main;
    let page = page_size(main);
    let mut refused = 0;
    for begin in (0..main.len()).step_by(page) {
        for (from, to) in [(begin, begin + page), (begin + page / 2, begin + page)] {
            let mut torn = main.clone();
            torn[from..to].fill(0);
            let found = story.opens(&torn, &[], &format!("bytes {from} to {to} are zeroes"));
            refused += usize::from(found.is_none());
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_page_of_an_older_state_is_refused_or_leaves_a_beginning() {
    let story = Story::new();
    let main = &story.settled[2].main;
    let page = page_size(main);
    let (mut pages, mut refused) = (0, 0);
    for (age, older) in story.settled[..2].iter().enumerate() {
        let size = older.main.len().min(main.len());
        for begin in (0..size).step_by(page) {
            let (from, to) = (begin, begin + page);
            if older.main[from..to] == main[from..to] {
                continue;
            }
            let mut torn = main.clone();
            torn[from..to].copy_from_slice(&older.main[from..to]);
            pages += 1;
            let case = format!("the page at {begin} is as it was at moment {age}");
            refused += usize::from(story.opens(&torn, &[], &case).is_none());
        }
    }
    assert!(pages > 3 && refused > 0, "{pages} pages, {refused} refused");
}
