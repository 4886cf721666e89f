//! The live view: what each host is doing right now, below the lines that scroll away. The only file that knows the
//! progress bar library.
//!
//! Each line is cut to the terminal's width and there are no more of them than fit, so that nothing of the view stays
//! behind when it is drawn anew. Times run by themselves; no line waits for an event to tell how long something takes.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{Calm, Wanted, describe};
use crate::events::{Event, EventKind, HostState, Progress, RunState, Sink};

/// How often the elapsed times are drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// How many rows are left to the lines that scroll.
const SCROLLS: usize = 8;

/// A line of the view with the moment from which its time runs.
#[derive(Debug)]
struct Shown {
    bar: ProgressBar,
    since_ms: u64,
}

/// A view of a run on a terminal.
#[derive(Debug)]
pub(super) struct LiveView {
    all: MultiProgress,
    head: ProgressBar,
    /// The gate and the members that are down.
    watched: BTreeMap<String, Shown>,
    hosts: BTreeMap<String, Shown>,
    /// Says how many hosts are busy for which there is no room.
    more: Option<ProgressBar>,
    rows: fn() -> usize,
    state: RunState,
    wanted: Wanted,
    calm: Calm,
}

impl LiveView {
    /// Starts a view on the error output, which must be a terminal.
    pub(super) fn new(wanted: Wanted) -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(10), rows, wanted)
    }

    fn on(target: ProgressDrawTarget, rows: fn() -> usize, wanted: Wanted) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let head = all.add(ProgressBar::new_spinner().with_style(style("{wide_msg}")));
        Self {
            all,
            head,
            watched: BTreeMap::new(),
            hosts: BTreeMap::new(),
            more: None,
            rows,
            state: RunState::default(),
            wanted,
            calm: Calm::default(),
        }
    }

    fn draw(&mut self) {
        self.head.set_message(head(&self.state));
        self.draw_watched();
        self.draw_hosts();
    }

    fn draw_watched(&mut self) {
        let mut wanted: BTreeMap<String, (u64, String)> = BTreeMap::new();
        if let Some(gate) = &self.state.gate {
            let saw = gate.saw.as_ref();
            let saw = saw.map(|(task, saw)| format!(" · {task}: {saw}"));
            let text = format!("gate{}", saw.unwrap_or_default());
            wanted.insert("gate".to_owned(), (gate.since_ms, text));
        }
        for (member, down) in &self.state.down {
            let text = format!("down: {member} on {}", down.host);
            wanted.insert(format!("member {member}"), (down.since_ms, text));
        }
        let all = &self.all;
        self.watched.retain(|name, shown| {
            let stays = wanted
                .get(name)
                .is_some_and(|(since_ms, _)| *since_ms == shown.since_ms);
            if !stays {
                remove(all, &shown.bar);
            }
            stays
        });
        for (name, (since_ms, text)) in wanted {
            let shown = self.watched.entry(name).or_insert_with(|| Shown {
                bar: line(
                    all.insert_after(&self.head, ProgressBar::new_spinner()),
                    "  {elapsed:>4} {wide_msg}",
                ),
                since_ms,
            });
            shown.bar.set_message(text);
        }
    }

    fn draw_hosts(&mut self) {
        let busy: Vec<(&String, &HostState, u64)> = self
            .state
            .hosts
            .iter()
            .filter_map(|(name, host)| Some((name, host, host.now.as_ref()?.since_ms)))
            .collect();
        let all = &self.all;
        self.hosts.retain(|name, shown| {
            let stays = busy
                .iter()
                .any(|(other, _, since_ms)| *other == name && *since_ms == shown.since_ms);
            if !stays {
                remove(all, &shown.bar);
            }
            stays
        });
        let room = (self.rows)()
            .saturating_sub(SCROLLS + self.watched.len())
            .max(1);
        let mut without = 0;
        for (name, host, since_ms) in busy {
            let text = format!("{name}: {}", doing(host));
            if let Some(shown) = self.hosts.get(name) {
                shown.bar.set_message(text);
            } else if self.hosts.len() < room {
                let bar = match &self.more {
                    Some(more) => all.insert_before(more, ProgressBar::new_spinner()),
                    None => all.add(ProgressBar::new_spinner()),
                };
                let bar = line(bar, "  {elapsed:>4} {spinner} {wide_msg}");
                bar.set_message(text);
                self.hosts.insert(name.clone(), Shown { bar, since_ms });
            } else {
                without += 1;
            }
        }
        self.draw_more(without);
    }

    fn draw_more(&mut self, without: usize) {
        match (&self.more, without) {
            (None, 0) => {}
            (Some(bar), 0) => {
                remove(&self.all, bar);
                self.more = None;
            }
            (Some(bar), count) => bar.set_message(more(count)),
            (None, count) => {
                let bar = self.all.add(ProgressBar::new_spinner());
                bar.set_style(style("  {wide_msg}"));
                bar.set_message(more(count));
                self.more = Some(bar);
            }
        }
    }
}

fn more(count: usize) -> String {
    let hosts = if count == 1 { "host" } else { "hosts" };
    format!("     and {count} more {hosts}")
}

/// Makes a line whose time runs.
fn line(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.set_style(style(template));
    bar.reset_elapsed();
    bar.enable_steady_tick(TICK);
    bar
}

fn remove(all: &MultiProgress, bar: &ProgressBar) {
    bar.disable_steady_tick();
    bar.finish_and_clear();
    all.remove(bar);
}

/// Returns how many rows the terminal has.
fn rows() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(24, |size| usize::from(size.ws_row)).max(1)
}

/// Makes a style; a template that the library does not take would be a mistake in this file, and shows as plain text.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Returns the line over the others: play, batch, guards that are not well.
fn head(state: &RunState) -> String {
    let mut parts = Vec::new();
    if let Some(play) = &state.play {
        parts.push(play.name.clone());
    }
    if let Some((batch, of, _)) = &state.batch {
        parts.push(format!("batch {batch} of {of}"));
    }
    for (name, guard) in &state.guards {
        if guard.value != crate::events::GuardValue::True {
            parts.push(format!("guard {name}: {}", guard.saw));
        }
    }
    parts.join(" · ")
}

/// Returns what a host is doing: the step, its part, what it waits for.
fn doing(host: &HostState) -> String {
    let Some(now) = &host.now else {
        return String::new();
    };
    let label = now
        .label
        .as_ref()
        .map(|label| format!(" [{label}]"))
        .unwrap_or_default();
    let part = now
        .part
        .as_ref()
        .map(|(part, _)| format!(" › {part}"))
        .unwrap_or_default();
    let saw = now
        .saw
        .as_ref()
        .map(|saw| format!(" ({saw})"))
        .unwrap_or_default();
    let attempt = if now.attempt > 1 {
        format!(", try {}", now.attempt)
    } else {
        String::new()
    };
    format!("{}{label}{attempt}{part}{saw}", now.name)
}

impl Sink for LiveView {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        self.state.take(event);
        let text = describe(event, &self.wanted, &self.state);
        if !text.is_empty() && self.calm.lets_through(event) {
            self.all.println(text.trim_end())?;
        }
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            self.all.clear()?;
            return Ok(());
        }
        self.draw();
        Ok(())
    }

    fn on_progress(&mut self, progress: &Progress) -> io::Result<()> {
        if let Progress::Saw { step, what } = progress
            && let (Some(shown), Some(host)) =
                (self.hosts.get(&step.host), self.state.hosts.get(&step.host))
        {
            let text = format!("{}: {} ({what})", step.host, doing(host));
            shown.bar.set_message(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;
    use crate::events::{Current, PlayOutline, Recap, StepId, StepOutcome, StepResult};

    #[test]
    fn a_host_shows_its_step_and_what_it_sees() {
        let now = Current {
            step: crate::events::StepId {
                play: "1".into(),
                batch: 1,
                task: "t".into(),
                turn: 0,
                host: "node1".into(),
                item: None,
            },
            name: "upgrade the agent".into(),
            label: None,
            since_ms: 0,
            attempt: 1,
            saw: Some("port 8531 does not answer".into()),
            part: Some(("wait for the agent".into(), 3)),
        };
        let host = HostState {
            now: Some(now),
            ..HostState::default()
        };
        assert_eq!(
            doing(&host),
            "upgrade the agent › wait for the agent (port 8531 does not answer)"
        );
    }

    /// A terminal of 12 rows and 40 columns that remembers what stands on it.
    #[derive(Debug, Clone, Default)]
    struct Fake(Arc<Mutex<Screen>>);

    #[derive(Debug, Default)]
    struct Screen {
        lines: Vec<String>,
        row: usize,
        column: usize,
    }

    const COLUMNS: usize = 40;

    impl Fake {
        fn with<R>(&self, act: impl FnOnce(&mut Screen) -> R) -> R {
            act(&mut self.0.lock().unwrap())
        }

        /// What is seen, without times that may have moved on.
        fn text(&self) -> String {
            let lines = self.with(|screen| screen.lines.clone());
            let lines = lines.iter().map(|line| line.trim_end());
            let text = lines.collect::<Vec<_>>().join("\n");
            let spinner = |c: char| match c {
                '\u{2800}'..='\u{28ff}' => '*',
                other => other,
            };
            text.trim_end().chars().map(spinner).collect()
        }
    }

    impl Screen {
        fn put(&mut self, text: &str) {
            for c in text.chars() {
                if c == '\n' {
                    self.row += 1;
                    self.column = 0;
                    continue;
                }
                if self.column == COLUMNS {
                    self.row += 1;
                    self.column = 0;
                }
                while self.lines.len() <= self.row {
                    self.lines.push(String::new());
                }
                let mut line: Vec<char> = self.lines[self.row].chars().collect();
                line.resize(line.len().max(self.column + 1), ' ');
                line[self.column] = c;
                self.lines[self.row] = line.into_iter().collect();
                self.column += 1;
            }
        }
    }

    impl TermLike for Fake {
        fn width(&self) -> u16 {
            u16::try_from(COLUMNS).unwrap()
        }

        fn height(&self) -> u16 {
            12
        }

        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            self.with(|screen| screen.row = screen.row.saturating_sub(n));
            Ok(())
        }

        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            self.with(|screen| screen.row += n);
            Ok(())
        }

        fn move_cursor_right(&self, n: usize) -> io::Result<()> {
            self.with(|screen| screen.column += n);
            Ok(())
        }

        fn move_cursor_left(&self, n: usize) -> io::Result<()> {
            self.with(|screen| screen.column = screen.column.saturating_sub(n));
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.with(|screen| screen.put(&format!("{text}\n")));
            Ok(())
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.with(|screen| screen.put(text));
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.with(|screen| {
                let row = screen.row;
                if let Some(line) = screen.lines.get_mut(row) {
                    line.clear();
                }
                screen.column = 0;
            });
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
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
        EventKind::PlayStarted {
            play: PlayOutline {
                id: "1".into(),
                name: "DB-Servers".into(),
                batches: vec![vec!["a".into()]],
            },
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one story, told in order")]
    fn the_view_fits_the_terminal_and_nothing_of_it_stays_behind() {
        let screen = Fake::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let mut view = LiveView::on(target, || 12, Wanted::default());
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
            "* a: upgrade the data, which",
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
}
