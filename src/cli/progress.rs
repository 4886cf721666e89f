//! The live view: what each host is doing right now, below the lines that scroll away. The only file that knows the
//! progress bar library.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{Calm, Wanted, describe, seconds};
use crate::events::{Event, EventKind, HostState, Progress, RunState, Sink};

/// How often the elapsed times are drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// A view of a run on a terminal.
#[derive(Debug)]
pub(super) struct LiveView {
    all: MultiProgress,
    head: ProgressBar,
    hosts: BTreeMap<String, ProgressBar>,
    state: RunState,
    wanted: Wanted,
    calm: Calm,
}

impl LiveView {
    /// Starts a view on the error output, which must be a terminal.
    pub(super) fn new(wanted: Wanted) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let head = all.add(ProgressBar::new_spinner().with_style(style("{msg}")));
        Self {
            all,
            head,
            hosts: BTreeMap::new(),
            state: RunState::default(),
            wanted,
            calm: Calm::default(),
        }
    }

    fn draw(&mut self) {
        self.head.set_message(head(&self.state));
        for (name, host) in &self.state.hosts {
            match &host.now {
                Some(_) => {
                    let bar = self.hosts.entry(name.clone()).or_insert_with(|| {
                        let bar = self.all.add(
                            ProgressBar::new_spinner()
                                .with_style(style("  {spinner} {prefix}: {msg} {elapsed}")),
                        );
                        bar.set_prefix(name.clone());
                        bar.enable_steady_tick(TICK);
                        bar
                    });
                    let text = doing(host);
                    if bar.message() != text {
                        bar.reset_elapsed();
                        bar.set_message(text);
                    }
                }
                None => {
                    if let Some(bar) = self.hosts.remove(name) {
                        bar.finish_and_clear();
                    }
                }
            }
        }
    }
}

/// Makes a style; a template that the library does not take would be a mistake in this file, and shows as plain text.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Returns the line over the hosts: play, batch, gate, guards that are not well, members that are down.
fn head(state: &RunState) -> String {
    let mut parts = Vec::new();
    if let Some(play) = &state.play {
        parts.push(play.name.clone());
    }
    if let Some((batch, of, _)) = &state.batch {
        parts.push(format!("batch {batch} of {of}"));
    }
    if let Some(gate) = &state.gate {
        let waited = seconds(state.elapsed_ms.saturating_sub(gate.since_ms));
        let saw = gate
            .saw
            .as_ref()
            .map(|(task, saw)| format!(": {task}: {saw}"))
            .unwrap_or_default();
        parts.push(format!("gate, {waited}{saw}"));
    }
    for (member, down) in &state.down {
        parts.push(format!(
            "{member} down for {}",
            seconds(state.elapsed_ms.saturating_sub(down.since_ms))
        ));
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
            && let (Some(bar), Some(host)) =
                (self.hosts.get(&step.host), self.state.hosts.get(&step.host))
        {
            bar.set_message(format!("{} ({what})", doing(host)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Current;

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
}
