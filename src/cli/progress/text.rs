//! What stands in the lines of the live view.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::events::{HostState, RunState};

/// Stands where something of a text is missing.
const MISSING: char = '…';

/// Cuts a text to as many columns, with a sign where something is missing.
pub(super) fn cut(text: &str, columns: usize) -> String {
    // A line of the view is one line, whatever a host has said.
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.width() <= columns {
        return text;
    }
    let mut left = columns.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        kept.push(c);
    }
    if columns > 0 {
        kept.push(MISSING);
    }
    kept
}

/// Returns a time in at most six characters.
pub(super) fn time(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..360_000 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{}d", hours / 24),
    }
}

/// Returns the line over the others: the batch, and the play, whose name may be long.
pub(super) fn head(state: &RunState) -> String {
    let mut parts = Vec::new();
    if let Some((batch, of, _)) = &state.batch {
        parts.push(format!("batch {batch} of {of}"));
    }
    if let Some(play) = &state.play {
        parts.push(play.name.clone());
    }
    parts.join(" · ")
}

/// Says how many hosts are not shown.
pub(super) fn more(count: usize) -> String {
    let hosts = if count == 1 { "host" } else { "hosts" };
    format!("and {count} more {hosts}")
}

/// Returns what a host is doing: the step, its part, what it waits for.
pub(super) fn doing(host: &HostState) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Current, StepId};

    #[test]
    fn a_host_shows_its_step_and_what_it_sees() {
        let now = Current {
            step: StepId {
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

    #[test]
    fn a_text_is_cut_to_its_columns_with_a_sign() {
        for (text, columns, expected) in [
            ("four", 4, "four"),
            ("fiver", 4, "fiv…"),
            ("four", 0, ""),
            ("four", 1, "…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("two\nlines\x1b[2J", 99, "two lines [2J"),
        ] {
            assert_eq!(cut(text, columns), expected, "{text} in {columns}");
        }
    }

    #[test]
    fn a_time_has_at_most_six_characters() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3599, "59m59s"),
            (3600, "1h00m"),
            (359_999, "99h59m"),
            (360_000, "4d"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), expected);
            assert!(expected.len() <= 6);
        }
    }
}
