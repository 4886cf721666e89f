//! What the run as a whole has to tell: plays, batches, why it stopped, what state it is in, what can be typed now.

use std::fmt::Write as _;

use super::watching::title;
use super::{Wanted, seconds};
use crate::events::{
    BracketState, ByHand, Counts, EventKind, PlayOutline, Recap, RunState, StopCause,
};

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
pub(super) fn run(
    kind: &EventKind,
    wanted: &Wanted,
    state: &RunState,
) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::RunStarted {
            run,
            playbook,
            check,
            resumed,
            ..
        } => {
            let how = if *resumed { "goes on" } else { "starts" };
            let check = if *check {
                ", check mode: nothing is changed"
            } else {
                ""
            };
            ("run", format!("{run} {how}: {playbook}{check}"))
        }
        EventKind::PlayStarted { play } => ("play", outline(play)),
        EventKind::BatchStarted {
            batch, of, hosts, ..
        } => ("batch", format!("{batch} of {of}: {}", hosts.join(", "))),
        EventKind::StopAsked { message, .. } => ("stopping", message.clone()),
        EventKind::RunStopped {
            cause,
            message,
            by_hand,
            ..
        } => {
            let mut text = message.clone();
            where_it_is(&mut text, state);
            hands(&mut text, by_hand);
            next(&mut text, Some(cause), wanted, state);
            ("stopped", text)
        }
        EventKind::RunFinished {
            exit_code,
            recap,
            owed,
            ..
        } => {
            let mut text = format!("exit code {exit_code}: {}", meaning(*exit_code));
            for bracket in owed {
                let _ = write!(text, "\nstill owed or held: {}", title(bracket));
            }
            if state.stopped.is_none() && *exit_code != 0 {
                next(&mut text, None, wanted, state);
            }
            for (member, host, down_ms) in &state.outages {
                let took = seconds(*down_ms);
                let _ = write!(text, "\nout of service: {member} on {host} for {took}");
            }
            let _ = write!(text, "\ntook {}", seconds(state.elapsed_ms));
            if !recap.is_empty() {
                text.push('\n');
                text.push_str(&recap_text(recap));
            }
            ("done", text)
        }
        _ => return None,
    })
}

/// Says what a run's exit code means.
fn meaning(code: u8) -> &'static str {
    match code {
        0 => "all is done",
        2 => "a step failed",
        3 => "a guard, a gate or a missing approval stopped the run",
        4 => "a host could not be reached",
        5 => "another run has the cluster",
        6 => "the run was interrupted",
        7 => "something that was switched off is still off",
        8 => "all is done but for what was skipped by name",
        _ => "stagger has a bug",
    }
}

pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn outline(play: &PlayOutline) -> String {
    let hosts = play.batches.iter().map(Vec::len).sum();
    let mut size = counted(hosts, "host", "hosts");
    if play.batches.len() > 1 {
        size.push_str(", ");
        size.push_str(&counted(play.batches.len(), "batch", "batches"));
    }
    format!("{} ({size})", play.name)
}

/// Says where the run stands: what is begun and what is not, who is down, which brackets are still entered.
fn where_it_is(text: &mut String, state: &RunState) {
    if let Some(reached) = &state.reached {
        let _ = write!(text, "\nwhere: play `{}`", reached.play.name);
        if let Some((batch, of, hosts)) = &reached.batch {
            let _ = write!(text, ", batch {batch} of {of} ({})", hosts.join(", "));
        }
        let not_begun = state.not_begun();
        if !not_begun.is_empty() {
            let _ = write!(text, "\nnot begun: {}", not_begun.join("; "));
        }
    }
    for (member, down) in &state.down {
        let since = seconds(state.elapsed_ms.saturating_sub(down.since_ms));
        let _ = write!(text, "\nDOWN: {member} on {}, for {since}", down.host);
    }
    for (bracket, how) in &state.brackets {
        let name = title(bracket);
        let _ = match how {
            BracketState::Left => write!(text, "\nbracket: {name} was left"),
            BracketState::Entered { .. } => write!(text, "\nbracket: {name} IS STILL ENTERED"),
            BracketState::Owed { reason } => write!(text, "\nOWED: {name}: {reason}"),
            BracketState::Held { reason } => write!(text, "\nHELD: {name}: {reason}"),
        };
    }
}

fn hands(text: &mut String, by_hand: &[ByHand]) {
    for hand in by_hand {
        let host = if hand.host.is_empty() {
            String::new()
        } else {
            format!(" on {}", hand.host)
        };
        let _ = write!(text, "\nby hand{host}, {}", hand.what);
        for line in hand.command.lines() {
            let _ = write!(text, "\n    {line}");
        }
    }
}

/// Says what can be typed now.
fn next(text: &mut String, cause: Option<&StopCause>, wanted: &Wanted, state: &RunState) {
    let approve = match cause {
        Some(StopCause::Approval { name }) => format!(" --approve '{name}'"),
        Some(
            StopCause::Failed
            | StopCause::Unreachable
            | StopCause::Gate { .. }
            | StopCause::Guard { .. }
            | StopCause::Interrupted
            | StopCause::InDoubt
            | StopCause::Journal { .. }
            | StopCause::Asked { .. },
        )
        | None => String::new(),
    };
    let (run, records) = (&state.run, &wanted.records);
    let _ = write!(text, "\ngo on: stagger resume {run}{approve}{records}");
    let owes = |how: &BracketState| match how {
        BracketState::Left => false,
        BracketState::Entered { .. } | BracketState::Owed { .. } | BracketState::Held { .. } => {
            true
        }
    };
    if state.brackets.values().any(owes) {
        let _ = write!(
            text,
            "\nonly put back what is owed: stagger recover {run}{records}"
        );
    }
    let _ = write!(text, "\nlook at it: stagger report {run}{records}");
}

/// How many of the counts are always shown: ok, changed, unreachable, failed.
const USUAL: usize = 4;

/// Returns a table of the counts of every host.
pub(super) fn recap_text(recap: &Recap) -> String {
    let width = recap.keys().map(String::len).max().unwrap_or(0);
    // What happened on no host takes no room; the usual ones are always there.
    let is_seen = |index: usize| {
        index < USUAL
            || recap
                .values()
                .filter_map(|counts| counts.columns().get(index).copied())
                .any(|(_, count)| count > 0)
    };
    let seen: Vec<bool> = (0..8).map(is_seen).collect();
    let mut widths = [0; 8];
    for counts in recap.values() {
        for (width, (_, count)) in widths.iter_mut().zip(counts.columns()) {
            *width = count.to_string().len().max(*width);
        }
    }
    let row = |(host, counts): (&String, &Counts)| {
        let counts: Vec<String> = counts
            .columns()
            .iter()
            .zip(widths)
            .zip(&seen)
            .filter(|(_, seen)| **seen)
            .map(|(((name, count), width), _)| format!("{name}={count:<width$}"))
            .collect();
        format!("{host:width$}  {}", counts.join("  "))
            .trim_end()
            .to_owned()
    };
    recap.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_counts_is_aligned() {
        let ok = |ok| Counts {
            ok,
            ..Counts::default()
        };
        let recap = Recap::from([("a".to_owned(), ok(5)), ("long".to_owned(), ok(12))]);
        let text = recap_text(&recap);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("a     ok=5   changed=0"), "{text}");
        assert!(lines[1].starts_with("long  ok=12  changed=0"), "{text}");
        assert!(lines[1].ends_with("unreachable=0  failed=0"), "{text}");
        let rescued = Counts {
            rescued: 1,
            ..Counts::default()
        };
        let text = recap_text(&Recap::from([
            ("a".to_owned(), ok(5)),
            ("b".to_owned(), rescued),
        ]));
        assert!(
            text.lines().all(|line| line.contains("  rescued=")),
            "{text}"
        );
    }

    #[test]
    fn one_is_not_many() {
        let play = |batches: Vec<Vec<String>>| PlayOutline {
            name: "p".to_owned(),
            batches,
            ..PlayOutline::default()
        };
        let host = || "a".to_owned();
        assert_eq!(outline(&play(vec![vec![host()]])), "p (1 host)");
        let many = play(vec![vec![host(), host()], vec![host()]]);
        assert_eq!(outline(&many), "p (3 hosts, 2 batches)");
    }
}
