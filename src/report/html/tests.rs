//! A page as a browser sees it.

use proptest::prelude::*;

use crate::events::ByHand;
use crate::report::pages::tests::records;
use crate::report::{
    Approval, BracketStory, FailedStep, GateStory, Outage, PlayStory, Report, VersionChange,
    Warning,
};

#[test]
fn a_page_tells_the_run_and_needs_nothing_else() {
    let page = Report::of(&records()).html();
    for part in [
        "<h1>Run r1 of site.yml ",
        ">stopped</span>",
        "<dd>3.4</dd>",
        "ann on b1",
        "2 of 2, by bob: 1970-01-01 00:01:00 UTC",
        "By hand, on node1: start it",
        "<pre>systemctl start x</pre>",
        "DBServer0001 on node1 out of service (1 min 00 s)",
        "no room",
        "viewport",
        "@media print",
        "prefers-color-scheme:dark",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for outside in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_first_sight_tells_how_the_run_stands() {
    let mut cut_off = records();
    cut_off.truncate(9);
    let mut report = Report::of(&cut_off);
    let page = report.html();
    for part in [
        "chip ill\">cut off<",
        "class=\"alarm\"",
        "entered 1970-01-01 00:00:06 UTC and not left",
        "out of service since 1970-01-01 00:00:07 UTC",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    report.held_by = Some("ann".into());
    let page = report.html();
    assert!(page.contains("chip busy\">goes on<") && !page.contains("class=\"alarm\""));
}

/// Returns the page's tags without what stands between them, in order: what a text must never add to.
fn tags(page: &str) -> Vec<&str> {
    let body = page.split("</style>").nth(1).unwrap();
    body.split('<')
        .skip(1)
        .map(|tag| tag.split([' ', '>']).next().unwrap())
        .collect()
}

/// A report in which every text that comes from outside is this one.
#[expect(clippy::too_many_lines, reason = "one field after another")]
fn all_of(text: &str) -> Report {
    let t = || text.to_owned();
    let mut report = Report::of(&records());
    report.run = t();
    report.playbook = t();
    report.reason = Some(t());
    report.operator = t();
    report.held_by = Some(t());
    report.bastion = t();
    report.plan_digest = t();
    report.parts[1].stopped = Some(t());
    report.parts[1].typed = vec![t()];
    report.plays.push(PlayStory {
        name: t(),
        ..PlayStory::default()
    });
    report.members.push(Outage {
        member: t(),
        host: t(),
        ..Outage::default()
    });
    report.brackets.push(BracketStory {
        name: t(),
        owed: Some(t()),
        ..BracketStory::default()
    });
    report.gates.push(GateStory {
        play: t(),
        failed: Some(t()),
        ..GateStory::default()
    });
    report.failures.push(FailedStep {
        host: t(),
        task: t(),
        place: t(),
        why: t(),
        ..FailedStep::default()
    });
    report.approvals.push(Approval {
        name: t(),
        by: t(),
        given: true,
    });
    report.warnings.push(Warning { text: t(), at: t() });
    report.versions.push(VersionChange {
        server: t(),
        before: t(),
        after: t(),
    });
    report.changes.insert(t(), vec![t()]);
    report.differences.push(crate::report::Change {
        host: t(),
        title: t(),
        task: t(),
        lines: crate::report::change::lines("", &format!("x{}", text.replace(['\n', '\r'], ""))),
        ..crate::report::Change::default()
    });
    report.by_hand = vec![ByHand {
        host: format!("h{text}"),
        what: t(),
        command: format!("c{text}"),
    }];
    for lane in &mut report.timeline.lanes {
        lane.name = format!("n{text}");
        for span in &mut lane.spans {
            span.what = t();
        }
    }
    report
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_from_outside_changes_what_the_page_is_made_of(
        text in "([<>\"'&/= \n]|script|style|svg|onload=|-->|]]>|\\PC){1,30}",
    ) {
        let plain = all_of("word").html();
        let page = all_of(&text).html();
        prop_assert_eq!(tags(&plain), tags(&page));
        prop_assert_eq!(plain.matches('"').count(), page.matches('"').count());
    }
}
