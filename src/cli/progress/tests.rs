//! The whole view on a terminal that remembers what stands on it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::clock::{Clock as _, Stop, SystemClock};
use crate::events::{PlayOutline, Recap, StepId, StepOutcome, StepResult};

#[path = "../../../tests/cli/terminal.rs"]
mod terminal;

use terminal::Terminal;

/// What is written to a terminal of 40 columns and 13 rows.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Terminal>>);

impl Shared {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Terminal::new(40, 13))))
    }

    /// What is seen when all is drawn, the same for all times.
    fn text(&self) -> String {
        self.at_last(Terminal::text)
    }

    /// The same without what has scrolled away.
    fn seen(&self) -> String {
        self.at_last(Terminal::seen)
    }

    fn at_last(&self, what: fn(&Terminal) -> String) -> String {
        SystemClock::new().wait(Duration::from_millis(600), &Stop::new());
        let spinner = |c: char| match c {
            '\u{2800}'..='\u{28ff}' => '*',
            other => other,
        };
        what(&self.0.lock().unwrap()).chars().map(spinner).collect()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn view() -> (LiveView, Shared) {
    let shared = Shared::new();
    let terminal = Arc::clone(&shared.0);
    let size = move || terminal.lock().unwrap().size();
    let screen = Screen::on(Box::new(shared.clone()), Arc::new(size));
    (LiveView::on(screen, Wanted::default()), shared)
}

fn step(host: &str, task: &str) -> StepId {
    StepId {
        play: "1".into(),
        batch: 1,
        task: task.into(),
        turn: 0,
        host: host.into(),
        item: None,
    }
}

fn begins(host: &str, task: &str, name: &str) -> EventKind {
    EventKind::StepIntended {
        step: step(host, task),
        name: name.into(),
        label: None,
        job: None,
        attempt: 1,
    }
}

/// Shows events one after another, a second apart.
fn show(view: &mut LiveView, kinds: Vec<EventKind>) {
    for kind in kinds {
        let seq = view.state.elapsed_ms / 1000 + 1;
        let event = Event {
            seq,
            at: crate::clock::Timestamp::UNIX_EPOCH,
            elapsed_ms: seq * 1000,
            kind,
        };
        view.on_event(&event).unwrap();
    }
}

fn play() -> EventKind {
    play_called("DB-Servers")
}

fn play_called(name: &str) -> EventKind {
    EventKind::PlayStarted {
        play: PlayOutline {
            id: "1".into(),
            name: name.into(),
            batches: vec![vec!["a".into()]],
        },
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn the_view_fits_the_terminal_and_nothing_of_it_stays_behind() {
    let (mut view, screen) = view();
    show(
        &mut view,
        vec![
            play(),
            EventKind::MemberDown {
                member: "PRMR-1".into(),
                host: "a".into(),
                declared_ms: None,
            },
            begins(
                "a",
                "t",
                "upgrade the data, which has a very long name indeed",
            ),
            begins("b", "t", "upgrade"),
            begins("c", "t", "upgrade"),
            begins("d", "t", "upgrade"),
            begins("e", "t", "upgrade"),
        ],
    );
    let text = screen.text();
    let view_of = |text: &str| {
        let at = text.find("DB-Servers\n").unwrap_or(0);
        text[at..].to_owned()
    };
    let seen = view_of(&text);
    for part in [
        "DB-Servers\n",
        "down: PRMR-1 on a\n",
        "* a: upgrade the data, which h…\n",
        "* b: upgrade\n",
        "and 2 more hosts",
    ] {
        assert!(seen.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(!seen.contains("name indeed"), "a line is cut:\n{text}");

    // Who is done makes room, and a time runs from its own step's begin.
    let finished = |host: &str| EventKind::StepFinished {
        step: step(host, "t"),
        name: "upgrade".into(),
        label: None,
        at: String::new(),
        delegated_to: None,
        uncounted: false,
        outcome: StepOutcome::Ok,
        ignored: false,
        attempts: 1,
        took_ms: 1,
        result: StepResult::default(),
    };
    show(
        &mut view,
        vec![
            finished("a"),
            finished("b"),
            EventKind::MemberUp {
                member: "PRMR-1".into(),
                host: "a".into(),
                down_ms: 4,
            },
            begins("c", "u", "verify"),
        ],
    );
    let text = screen.text();
    for part in ["* c: verify", "* d: upgrade", "* e: upgrade"] {
        assert_eq!(text.matches(part).count(), 1, "`{part}` in\n{text}");
    }
    for part in ["down: PRMR-1", "more host", "* a:", "* b:", "* c: upgrade"] {
        assert!(!text.contains(part), "`{part}` stays behind in\n{text}");
    }
    show(
        &mut view,
        vec![EventKind::RunFinished {
            exit_code: 0,
            recap: Recap::default(),
            owed: Vec::new(),
        }],
    );
    let text = screen.text();
    assert!(!text.contains("* "), "{text}");
}

#[test]
fn nothing_stays_behind_when_the_terminal_becomes_narrower_or_wider() {
    let (mut view, screen) = view();
    let long = "upgrade the data, which has a long name";
    show(
        &mut view,
        vec![
            play_called("DB-Servers, which are many in this case, in fact"),
            begins("a", "t", long),
            begins("b", "t", long),
        ],
    );
    for (columns, rows) in [(20, 13), (60, 13), (30, 20), (31, 8)] {
        screen.seen();
        screen.0.lock().unwrap().resize(columns, rows);
        let text = screen.seen();
        for part in ["* a: upg", "* b: upg"] {
            assert_eq!(text.matches(part).count(), 1, "at {columns}:\n{text}");
        }
        let view = text.lines().filter(|line| line.contains('*'));
        assert!(view.clone().count() == 2, "at {columns}:\n{text}");
        let heads = text
            .lines()
            .filter(|line| line.starts_with("DB-Servers, which"));
        assert!(heads.count() == 1, "at {columns}:\n{text}");
        let fits = |line: &str| line.chars().count() <= columns;
        assert!(text.lines().all(fits), "at {columns}:\n{text}");
    }
}

#[test]
fn the_view_is_away_while_somebody_is_asked_and_no_line_is_lost() {
    let (mut view, screen) = view();
    show(&mut view, vec![play(), begins("a", "t", "upgrade")]);
    assert!(screen.text().contains("* a: upgrade"));
    let hold = view.screen.hold();
    screen.0.lock().unwrap().write(b"sure? ");
    let warned = EventKind::Warned {
        message: "look here".into(),
        host: None,
        at: None,
    };
    show(&mut view, vec![warned]);
    let text = screen.text();
    assert!(text.ends_with("sure?"), "{text}");
    assert!(
        !text.contains("* a") && !text.contains("look here"),
        "{text}"
    );
    screen.0.lock().unwrap().write(b"yes\r\n");
    drop(hold);
    let text = screen.text();
    let places: Vec<usize> = ["sure? yes\n", "look here\n", "* a: upgrade"]
        .iter()
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}:\n{text}")))
        .collect();
    assert!(places.is_sorted(), "{text}");
}
