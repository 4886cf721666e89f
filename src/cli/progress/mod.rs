//! The live view: what each host is doing right now, below the lines that scroll away. The only room that knows the
//! progress bar library.
//!
//! Each line is cut to the terminal's width, with a sign where something is missing, and there are no more of them than
//! fit. Times run by themselves; no line waits for an event to tell how long something takes. `screen` writes what the
//! library draws, `text` says what stands in the lines.

mod screen;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::lines::{Calm, Wanted, describe};
use crate::events::{Event, EventKind, GuardValue, HostState, Progress, RunState, Sink};
use text::{cut, doing, head, more, time};

pub(super) use screen::Screen;

/// How often the elapsed times are drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// How often in a second the terminal is written to at most.
const HERTZ: u8 = 10;

/// How many rows are left to the lines that scroll.
const SCROLLS: usize = 8;

/// How many columns stand before the text of a line with a time, and of one with a spinner too.
const BEFORE_WATCHED: usize = 9;
const BEFORE_HOST: usize = 11;

/// A line of the view with the moment from which its time runs.
#[derive(Debug)]
struct Shown {
    line: Line,
    since_ms: u64,
}

/// A bar whose text is cut to the width that the terminal has when it is drawn.
#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    text: Arc<Mutex<String>>,
}

impl Line {
    /// Makes a line of a bar that has its place already.
    fn new(bar: ProgressBar, template: &str, before: usize, screen: &Screen) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (shown, screen) = (Arc::clone(&text), screen.clone());
        let writes_text = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let text = shown.lock().unwrap_or_else(PoisonError::into_inner);
            let room = screen.columns().saturating_sub(before);
            let _ = out.write_str(&cut(&text, room));
        };
        let writes_time = |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(&time(state.elapsed()));
        };
        let style = ProgressStyle::with_template(&format!("{}{template}", screen::MARK));
        // A template that the library does not take would be a mistake in this file, and shows as plain text.
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = style.with_key("text", writes_text);
        bar.set_style(style.with_key("time", writes_time));
        Self { bar, text }
    }

    /// Makes its time run.
    fn runs(self) -> Self {
        self.bar.reset_elapsed();
        self.bar.enable_steady_tick(TICK);
        self
    }

    fn says(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
        // Only a change of what the library knows makes it draw.
        self.bar.set_message("");
    }

    fn goes(&self, all: &MultiProgress) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        all.remove(&self.bar);
    }
}

/// A view of a run on a terminal.
#[derive(Debug)]
pub(super) struct LiveView {
    all: MultiProgress,
    screen: Screen,
    head: Line,
    /// The gate, the guards that are not well, and the members that are down.
    watched: BTreeMap<String, Shown>,
    hosts: BTreeMap<String, Shown>,
    /// Says how many hosts are busy for which there is no room.
    more: Option<Line>,
    state: RunState,
    wanted: Wanted,
    calm: Calm,
}

impl LiveView {
    /// Starts a view on a screen.
    pub(super) fn on(screen: Screen, wanted: Wanted) -> Self {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), HERTZ);
        let all = MultiProgress::with_draw_target(target);
        let head = all.add(ProgressBar::new_spinner());
        // Its clock is not shown: it makes the line be drawn anew when the terminal has become wider.
        let head = Line::new(head, "{text}", 0, &screen).runs();
        Self {
            all,
            screen,
            head,
            watched: BTreeMap::new(),
            hosts: BTreeMap::new(),
            more: None,
            state: RunState::default(),
            wanted,
            calm: Calm::default(),
        }
    }

    fn draw(&mut self) {
        self.head.says(head(&self.state));
        self.draw_watched();
        self.draw_hosts();
    }

    /// Returns the lines between the head and the hosts, each with the moment from which its time runs.
    fn watching(&self) -> BTreeMap<String, (u64, String)> {
        let mut wanted = BTreeMap::new();
        if let Some(gate) = &self.state.gate {
            let saw = gate.saw.as_ref();
            let saw = saw.map(|(task, saw)| format!(" · {task}: {saw}"));
            let text = format!("gate{}", saw.unwrap_or_default());
            wanted.insert("gate".to_owned(), (gate.since_ms, text));
        }
        for (name, guard) in &self.state.guards {
            if guard.value != GuardValue::True {
                let text = format!("guard {name}: {}", guard.saw);
                wanted.insert(format!("guard {name}"), (0, text));
            }
        }
        for (member, down) in &self.state.down {
            let text = format!("down: {member} on {}", down.host);
            wanted.insert(format!("member {member}"), (down.since_ms, text));
        }
        wanted
    }

    fn draw_watched(&mut self) {
        let wanted = self.watching();
        let all = &self.all;
        self.watched.retain(|name, shown| {
            let stays = wanted
                .get(name)
                .is_some_and(|(since_ms, _)| *since_ms == shown.since_ms);
            if !stays {
                shown.line.goes(all);
            }
            stays
        });
        for (name, (since_ms, text)) in wanted {
            let shown = self.watched.entry(name).or_insert_with(|| {
                let bar = all.insert_after(&self.head.bar, ProgressBar::new_spinner());
                let template = "  {time:>6} {text}";
                let line = Line::new(bar, template, BEFORE_WATCHED, &self.screen).runs();
                Shown { line, since_ms }
            });
            shown.line.says(text);
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
                shown.line.goes(all);
            }
            stays
        });
        let room = self.screen.rows();
        let room = room.saturating_sub(SCROLLS + self.watched.len()).max(1);
        let mut without = 0;
        for (name, host, since_ms) in busy {
            let text = format!("{name}: {}", doing(host));
            if let Some(shown) = self.hosts.get(name) {
                shown.line.says(text);
            } else if self.hosts.len() < room {
                let bar = match &self.more {
                    Some(more) => all.insert_before(&more.bar, ProgressBar::new_spinner()),
                    None => all.add(ProgressBar::new_spinner()),
                };
                let template = "  {time:>6} {spinner} {text}";
                let line = Line::new(bar, template, BEFORE_HOST, &self.screen).runs();
                line.says(text);
                self.hosts.insert(name.clone(), Shown { line, since_ms });
            } else {
                without += 1;
            }
        }
        self.draw_more(without);
    }

    fn draw_more(&mut self, without: usize) {
        match (&self.more, without) {
            (None, 0) => {}
            (Some(line), 0) => {
                line.goes(&self.all);
                self.more = None;
            }
            (Some(line), count) => line.says(more(count)),
            (None, count) => {
                let bar = self.all.add(ProgressBar::new_spinner());
                let line = Line::new(bar, "         {text}", BEFORE_WATCHED, &self.screen);
                line.says(more(count));
                self.more = Some(line);
            }
        }
    }
}

impl Sink for LiveView {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        self.state.take(event);
        let text = describe(event, &self.wanted, &self.state);
        if !text.is_empty() && self.calm.lets_through(event) {
            self.all.println(text.trim_end())?;
        }
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            // What nobody waits for any more would go on to draw itself.
            let watched = std::mem::take(&mut self.watched).into_values();
            let hosts = std::mem::take(&mut self.hosts).into_values();
            self.head.bar.disable_steady_tick();
            watched
                .chain(hosts)
                .map(|shown| shown.line)
                .chain(self.more.take())
                .for_each(|line| line.goes(&self.all));
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
            shown.line.says(text);
        }
        Ok(())
    }
}
