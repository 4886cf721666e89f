//! A report as text and as Markdown.

use std::fmt::Write as _;

use super::{Part, Report};
use crate::events::Counts;

/// Returns a time for people: `850 ms`, `12.3 s`, `4 min 05 s`, `2 h 07 min`.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {:02} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// Returns a text between fences that are longer than any inside it, as a part of a list's item.
fn fenced(language: &str, text: &str) -> String {
    let inside = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(inside + 1));
    format!(
        "\n  {fence}{language}\n  {}\n  {fence}",
        text.replace('\n', "\n  ")
    )
}

/// How a page is marked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Markup {
    Plain,
    Markdown,
}

struct Page {
    text: String,
    markup: Markup,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        match self.markup {
            Markup::Plain => self.line(&format!("\n{heading}")),
            Markup::Markdown => self.line(&format!("\n## {heading}\n")),
        }
    }

    fn item(&mut self, item: &str) {
        let mark = match self.markup {
            Markup::Plain => "  ",
            Markup::Markdown => "- ",
        };
        let mut lines = item.lines();
        self.line(&format!("{mark}{}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("  {}{line}", mark.replace('-', " ")));
        }
    }

    fn code(&mut self, code: &str) {
        match self.markup {
            Markup::Plain => {
                for line in code.lines() {
                    self.line(&format!("      {line}"));
                }
            }
            Markup::Markdown => self.line(&fenced("sh", code)),
        }
    }

    fn list(&mut self, heading: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.heading(heading);
            for item in items {
                self.item(&item);
            }
        }
    }
}

impl Report {
    /// Returns the report for a terminal.
    pub fn text(&self) -> String {
        self.page(Markup::Plain)
    }

    /// Returns the report for a ticket.
    pub fn markdown(&self) -> String {
        self.page(Markup::Markdown)
    }

    fn page(&self, markup: Markup) -> String {
        let mut page = Page {
            text: String::new(),
            markup,
        };
        self.head(&mut page);
        self.outages(&mut page);
        self.found_versions(&mut page);
        for figure in &self.figures {
            page.list(&figure.heading(), figure.lines());
        }
        self.protection(&mut page);
        self.failed(&mut page);
        self.plays_and_steps(&mut page);
        self.differences(&mut page);
        self.hosts(&mut page);
        page.text
    }

    fn head(&self, page: &mut Page) {
        let check = if self.check { ", check mode" } else { "" };
        let title = format!("run {} of {}{check}", self.run, self.playbook);
        match page.markup {
            Markup::Plain => page.line(&title),
            Markup::Markdown => page.line(&format!("# {title}\n")),
        }
        page.item(&format!("started by {} on {}", self.operator, self.bastion));
        if let Some(reason) = &self.reason {
            page.item(&format!("reason: {reason}"));
        }
        for (number, part) in (1..).zip(&self.parts) {
            page.item(&part_line(part, number, self.parts.len()));
        }
    }

    fn outages(&self, page: &mut Page) {
        page.list(
            "Out of service",
            self.members.iter().map(|outage| {
                let how_long = match outage.took_ms {
                    Some(took) => format!("for {}", span(took)),
                    None => "AND STILL IS, as far as the run knows".to_owned(),
                };
                let (member, host, since) = (&outage.member, &outage.host, &outage.since);
                format!("{member} on {host}: from {since} {how_long}")
            }),
        );
    }

    fn found_versions(&self, page: &mut Page) {
        page.list(
            "Versions",
            self.versions.iter().map(|server| {
                let (name, before) = (&server.server, &server.before);
                if server.before == server.after {
                    format!("{name}: {before}, as before")
                } else {
                    format!("{name}: {before}, then {}", server.after)
                }
            }),
        );
    }

    /// A terminal has `--diff` for them; a ticket wants them.
    fn differences(&self, page: &mut Page) {
        if page.markup == Markup::Plain || self.differences.is_empty() {
            return;
        }
        page.heading("Differences");
        for change in &self.differences {
            let (host, title, task) = (&change.host, &change.title, &change.task);
            page.item(&format!("{host}: {title} ({task})"));
            let lines: Vec<String> = change.lines.iter().map(ToString::to_string).collect();
            page.line(&fenced("diff", &lines.join("\n")));
        }
    }

    fn protection(&self, page: &mut Page) {
        page.list(
            "Brackets",
            self.brackets.iter().map(|bracket| {
                let (name, entered) = (&bracket.name, &bracket.entered);
                match (bracket.took_ms, &bracket.owed) {
                    (Some(took), _) => format!("{name}: from {entered} for {}, left", span(took)),
                    (None, Some(reason)) => {
                        format!("{name}: from {entered}, STILL OWED: {reason}")
                    }
                    (None, None) => format!("{name}: from {entered}, NOT LEFT"),
                }
            }),
        );
        page.list(
            "Gates",
            self.gates.iter().map(|gate| {
                let took = span(gate.took_ms);
                let end = match &gate.failed {
                    None => format!("passed in {took}"),
                    Some(saw) => format!("DID NOT PASS after {took}: {saw}"),
                };
                format!("{}, {}: {end}", gate.play, gate.when)
            }),
        );
        page.list(
            "Approvals",
            self.approvals.iter().map(|approval| {
                let word = if approval.given { "given" } else { "not given" };
                format!("{}: {word}, {}", approval.name, approval.by)
            }),
        );
        let warnings = self.warnings.iter();
        page.list(
            "Guards and warnings",
            warnings.map(|warning| format!("{} {}", warning.at, warning.text)),
        );
    }

    fn failed(&self, page: &mut Page) {
        page.list(
            "What did not go well",
            self.failures.iter().map(|failed| {
                let ignored = if failed.ignored { ", ignored" } else { "" };
                format!(
                    "{} {}: {} ({}): {}{ignored}\n{}",
                    failed.at, failed.host, failed.task, failed.place, failed.how, failed.why
                )
            }),
        );
        if !self.by_hand.is_empty() {
            page.heading("To finish or undo by hand");
        }
        for hand in &self.by_hand {
            let host = match hand.host.as_str() {
                "" => "here",
                host => host,
            };
            page.item(&format!("on {host}, {}", hand.what));
            if !hand.command.is_empty() {
                page.code(&hand.command);
            }
        }
    }

    fn plays_and_steps(&self, page: &mut Page) {
        page.list(
            "Plays",
            self.plays.iter().map(|play| {
                let took = |took: Option<u64>| took.map_or("not ended".to_owned(), span);
                let mut text = format!("{} {}: {}", play.started, play.name, took(play.took_ms));
                for batch in &play.batches {
                    let hosts = batch.hosts.join(", ");
                    // Writing to a String cannot fail.
                    let _ = write!(
                        text,
                        "\nbatch {}: {hosts}: {}",
                        batch.number,
                        took(batch.took_ms)
                    );
                }
                text
            }),
        );
        let slow = self.slowest.iter().filter(|step| step.took_ms >= 1000);
        page.list(
            "Longest steps",
            slow.map(|step| format!("{} {}: {}", span(step.took_ms), step.host, step.task)),
        );
        page.list(
            "Changed",
            self.changes
                .iter()
                .map(|(host, changes)| format!("{host}\n{}", changes.join("\n"))),
        );
    }

    fn hosts(&self, page: &mut Page) {
        if self.recap.is_empty() {
            return;
        }
        page.heading("Hosts");
        if page.markup == Markup::Markdown {
            let names = Counts::default().columns().map(|(name, _)| name);
            page.line(&format!("| host | {} |", names.join(" | ")));
            page.line(&format!("|---|{}", "---:|".repeat(names.len())));
        }
        let width = self.recap.keys().map(String::len).max().unwrap_or(0);
        for (host, counts) in &self.recap {
            match page.markup {
                Markup::Plain => {
                    let cells = counts
                        .columns()
                        .map(|(name, count)| format!("{name}={count}"));
                    page.line(&format!("  {host:width$}  {}", cells.join("  ")));
                }
                Markup::Markdown => {
                    let cells = counts.columns().map(|(_, count)| count.to_string());
                    page.line(&format!("| {host} | {} |", cells.join(" | ")));
                }
            }
        }
    }
}

fn part_line(part: &Part, number: usize, of: usize) -> String {
    let part_of = if of > 1 {
        format!("part {number}, by {}: ", part.operator)
    } else {
        String::new()
    };
    let took = span(part.took_ms);
    let end = match part.exit_code {
        Some(0) => "all done, exit code 0".to_owned(),
        Some(code) => format!("exit code {code}"),
        None => "cut off, or still going on".to_owned(),
    };
    let stopped = part.stopped.as_ref();
    let stopped = stopped.map(|why| format!("\nstopped: {why}"));
    format!(
        "{part_of}{} for {took}: {end}{}",
        part.started,
        stopped.unwrap_or_default()
    )
}

#[cfg(test)]
pub(super) mod tests;
