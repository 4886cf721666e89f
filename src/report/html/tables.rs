//! What a page says in tables and lists, below its timeline.

use super::markup::Html;
use crate::events::Counts;
use crate::report::pages::span;
use crate::report::{Change, Report};

/// More differences than this are folded away on a screen; paper shows all.
const UNFOLDED: usize = 12;

type Row = Vec<String>;

fn table(html: &mut Html, heading: &'static str, columns: &[&'static str], rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    html.open("section", &[]);
    html.element("h2", &[], heading);
    html.open("table", &[]);
    html.open("thead", &[]);
    html.open("tr", &[]);
    for column in columns {
        html.element("th", &[("scope", "col")], column);
    }
    html.close("tr");
    html.close("thead");
    html.open("tbody", &[]);
    for row in rows {
        html.open("tr", &[]);
        for (column, cell) in columns.iter().zip(row) {
            html.element("td", &[("data-label", column), ("class", "pre")], cell);
        }
        html.close("tr");
    }
    html.close("tbody");
    html.close("table");
    html.close("section");
}

fn took(took_ms: Option<u64>) -> String {
    took_ms.map_or("no end recorded".to_owned(), span)
}

impl Report {
    /// Writes all tables that have something in them.
    pub(super) fn tables(&self, html: &mut Html) {
        self.what_went_wrong(html);
        self.cluster_tables(html);
        self.figure_lists(html);
        self.protection_tables(html);
        self.work_tables(html);
        differences(html, &self.differences);
        self.hosts_table(html);
    }

    fn what_went_wrong(&self, html: &mut Html) {
        let rows = self.failures.iter().map(|failed| {
            let ignored = if failed.ignored { ", ignored" } else { "" };
            vec![
                failed.at.clone(),
                failed.host.clone(),
                format!("{}\n{}", failed.task, failed.place),
                format!("{}{ignored}", failed.how),
                failed.why.clone(),
            ]
        });
        let columns = ["When", "Host", "Task", "How", "Why"];
        table(
            html,
            "What did not go well",
            &columns,
            &rows.collect::<Vec<_>>(),
        );
    }

    fn cluster_tables(&self, html: &mut Html) {
        let rows = self.members.iter().map(|outage| {
            vec![
                outage.member.clone(),
                outage.host.clone(),
                outage.since.clone(),
                took(outage.took_ms),
            ]
        });
        let columns = ["Member", "Host", "From", "For"];
        table(html, "Out of service", &columns, &rows.collect::<Vec<_>>());
        let rows = self.versions.iter().map(|server| {
            vec![
                server.server.clone(),
                server.before.clone(),
                server.after.clone(),
            ]
        });
        let columns = ["Server", "First seen", "Last seen"];
        table(html, "Versions", &columns, &rows.collect::<Vec<_>>());
    }

    fn figure_lists(&self, html: &mut Html) {
        for figure in &self.figures {
            html.open("section", &[]);
            html.element("h2", &[], &figure.heading());
            html.open("ul", &[]);
            for line in figure.lines() {
                html.element("li", &[], &line);
            }
            html.close("ul");
            html.close("section");
        }
    }

    fn protection_tables(&self, html: &mut Html) {
        let rows = self.brackets.iter().map(|bracket| {
            let end = match (bracket.took_ms, &bracket.owed) {
                (Some(_), _) => "left".to_owned(),
                (None, Some(why)) => format!("still owed: {why}"),
                (None, None) => "not left".to_owned(),
            };
            let (name, entered) = (bracket.name.clone(), bracket.entered.clone());
            vec![name, entered, took(bracket.took_ms), end]
        });
        let columns = ["Bracket", "Entered", "For", "End"];
        table(html, "Brackets", &columns, &rows.collect::<Vec<_>>());
        let rows = self.gates.iter().map(|gate| {
            let end = gate.failed.as_ref();
            let end = end.map_or("passed".to_owned(), |saw| format!("did not pass: {saw}"));
            let (play, when) = (gate.play.clone(), gate.when.clone());
            vec![play, when, span(gate.took_ms), end]
        });
        let columns = ["Play", "When", "Took", "End"];
        table(html, "Gates", &columns, &rows.collect::<Vec<_>>());
        let rows = self.approvals.iter().map(|approval| {
            let word = if approval.given { "given" } else { "not given" };
            vec![approval.name.clone(), word.to_owned(), approval.by.clone()]
        });
        let columns = ["Point of no return", "Approval", "By, or why not"];
        table(html, "Approvals", &columns, &rows.collect::<Vec<_>>());
        let rows = self.warnings.iter();
        let rows = rows.map(|warning| vec![warning.at.clone(), warning.text.clone()]);
        let columns = ["When", "What"];
        table(
            html,
            "Guards and warnings",
            &columns,
            &rows.collect::<Vec<_>>(),
        );
    }

    fn work_tables(&self, html: &mut Html) {
        let mut rows = Vec::new();
        for play in &self.plays {
            rows.push(vec![
                play.name.clone(),
                String::new(),
                String::new(),
                play.started.clone(),
                took(play.took_ms),
            ]);
            for batch in &play.batches {
                let hosts = batch.hosts.join(", ");
                let number = batch.number.to_string();
                rows.push(vec![
                    String::new(),
                    number,
                    hosts,
                    String::new(),
                    took(batch.took_ms),
                ]);
            }
        }
        let columns = ["Play", "Batch", "Hosts", "Began", "Took"];
        table(html, "Plays and batches", &columns, &rows);
        let slow = self.slowest.iter().filter(|step| step.took_ms >= 1000);
        let rows = slow.map(|step| vec![span(step.took_ms), step.host.clone(), step.task.clone()]);
        let columns = ["Took", "Host", "Task"];
        table(html, "Longest steps", &columns, &rows.collect::<Vec<_>>());
        let rows = self.changes.iter();
        let rows = rows.map(|(host, changes)| vec![host.clone(), changes.join("\n")]);
        table(
            html,
            "Changed",
            &["Host", "What"],
            &rows.collect::<Vec<_>>(),
        );
    }

    fn hosts_table(&self, html: &mut Html) {
        let mut columns = vec!["Host"];
        columns.extend(Counts::default().columns().map(|(name, _)| name));
        let rows = self.recap.iter().map(|(host, counts)| {
            let mut row = vec![host.clone()];
            row.extend(counts.columns().map(|(_, count)| count.to_string()));
            row
        });
        table(html, "Hosts", &columns, &rows.collect::<Vec<_>>());
    }
}

fn differences(html: &mut Html, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    html.element("h2", &[], "Differences");
    for change in changes {
        if changes.len() > UNFOLDED {
            html.open("details", &[]);
        } else {
            html.open("details", &[("open", "")]);
        }
        let (host, title, task) = (&change.host, &change.title, &change.task);
        html.element(
            "summary",
            &[],
            &format!("{host}: {title} ({task}, {})", change.at),
        );
        html.open("pre", &[]);
        for line in &change.lines {
            let class = match line.mark {
                '+' => "add",
                '-' => "del",
                '@' => "hunk",
                _ => "",
            };
            html.element("span", &[("class", class)], &line.to_string());
        }
        html.close("pre");
        html.close("details");
    }
}
