//! A report as one page of HTML that needs nothing else: no network, no other file, no script.
//!
//! It is read on a screen, on a phone and on paper, in light and in dark. Whatever comes from outside goes through
//! `markup`, which escapes all of it. Called by whoever has a [`Report`](super::Report).

mod bars;
mod markup;
mod tables;

use self::markup::Html;
use super::pages::span;
use super::{Part, Report};

/// How the page looks; the only thing in it that is no text.
const STYLE: &str = include_str!("style.css");

/// What a page says about the run at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    class: &'static str,
    words: &'static str,
}

impl Report {
    /// Returns the report as a page of its own.
    pub fn html(&self) -> String {
        let mut html = Html::default();
        html.own("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.own("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.own("<meta name=\"robots\" content=\"noindex\">\n");
        html.own("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
        let title = format!("Run {} of {}", self.run, self.playbook);
        html.element("title", &[], &title);
        html.own("<style>\n");
        html.own(STYLE);
        html.own("</style>\n</head>\n<body>\n");
        self.header(&mut html, &title);
        self.still_open(&mut html);
        if !self.timeline.lanes.is_empty() {
            html.element("h2", &[], "What went on when");
            bars::draw(&mut html, &self.timeline);
        }
        self.tables(&mut html);
        self.foot(&mut html);
        html.own("</body>\n</html>\n");
        html.finish()
    }

    fn standing(&self) -> Standing {
        let (class, words) = match (&self.held_by, self.parts.last()) {
            (Some(_), _) => ("busy", "goes on"),
            (None, Some(part)) => match (part.exit_code, &part.stopped) {
                (Some(0), _) => ("good", "done"),
                (Some(8), _) => ("ill", "done but for what was skipped"),
                (Some(_), Some(_)) => ("ill", "stopped"),
                (Some(_), None) => ("ill", "ended badly"),
                (None, _) => ("ill", "cut off"),
            },
            (None, None) => ("ill", "not begun"),
        };
        Standing { class, words }
    }

    fn header(&self, html: &mut Html, title: &str) {
        let standing = self.standing();
        html.open("header", &[]);
        html.open("h1", &[]);
        html.text(title);
        html.text(" ");
        let class = format!("chip {}", standing.class);
        html.element("span", &[("class", &class)], standing.words);
        if self.check {
            html.text(" ");
            html.element(
                "span",
                &[("class", "chip")],
                "check mode: nothing was changed",
            );
        }
        html.close("h1");
        html.open("dl", &[]);
        let mut facts = vec![
            ("Reason", self.reason.clone().unwrap_or_default()),
            (
                "Started by",
                format!("{} on {}", self.operator, self.bastion),
            ),
        ];
        if let Some(holder) = &self.held_by {
            facts.push(("Worked on by", holder.clone()));
        }
        for (number, part) in (1..).zip(&self.parts) {
            facts.push(("Part", part_words(part, number, self.parts.len())));
        }
        if self.parts.len() > 1 {
            let whole = format!("{}, pauses included", span(self.timeline.took_ms));
            facts.push(("From first to last", whole));
        }
        facts.push(("Plan", self.plan_digest.clone()));
        facts.push(("Inventory", self.inventory_digest.clone()));
        for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
            html.element("dt", &[], name);
            html.element("dd", &[], &value);
        }
        html.close("dl");
        html.close("header");
    }

    /// What is still another way than it should be comes first.
    fn still_open(&self, html: &mut Html) {
        let brackets = self.brackets.iter().filter(|one| one.took_ms.is_none());
        let members = self.members.iter().filter(|one| one.took_ms.is_none());
        let mut told: Vec<String> = brackets
            .map(|bracket| {
                let why = bracket.owed.as_ref().map(|why| format!(": {why}"));
                format!(
                    "{}: entered {} and not left{}",
                    bracket.name,
                    bracket.entered,
                    why.unwrap_or_default()
                )
            })
            .collect();
        told.extend(members.map(|outage| {
            format!(
                "{} on {}: out of service since {}, as far as the run knows",
                outage.member, outage.host, outage.since
            )
        }));
        if told.is_empty() && self.by_hand.is_empty() {
            return;
        }
        let inside = self.held_by.is_some();
        html.open("section", &[("class", if inside { "" } else { "alarm" })]);
        let heading = if inside {
            "Open at this moment"
        } else {
            "Still to be done"
        };
        html.element("h2", &[], heading);
        if !told.is_empty() {
            html.open("ul", &[]);
            for line in &told {
                html.element("li", &[], line);
            }
            html.close("ul");
        }
        for hand in &self.by_hand {
            let place = match hand.host.as_str() {
                "" => "here".to_owned(),
                host => format!("on {host}"),
            };
            html.element("p", &[], &format!("By hand, {place}: {}", hand.what));
            if !hand.command.is_empty() {
                html.element("pre", &[], &hand.command);
            }
        }
        html.close("section");
    }

    fn foot(&self, html: &mut Html) {
        html.open("footer", &[]);
        for part in &self.parts {
            if !part.typed.is_empty() {
                html.text("Typed: ");
                html.element("code", &[], &format!("stagger {}", part.typed.join(" ")));
                html.own("<br>\n");
            }
        }
        let last = self.last.as_deref().unwrap_or("nothing");
        html.text(&format!(
            "Made from the records of run {}, of which the last is of {last}. Times are UTC.",
            self.run
        ));
        html.close("footer");
    }
}

fn part_words(part: &Part, number: usize, of: usize) -> String {
    let end = match part.exit_code {
        Some(code) => format!("exit code {code}"),
        None => "no end recorded".to_owned(),
    };
    let which = if of > 1 {
        format!("{number} of {of}, by {}: ", part.operator)
    } else {
        String::new()
    };
    let stopped = part.stopped.as_ref().map(|why| format!("; stopped: {why}"));
    format!(
        "{which}{} to {}, {}, {end}, stagger {}{}",
        part.started,
        part.ended.as_deref().unwrap_or("?"),
        span(part.took_ms),
        part.version,
        stopped.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;
