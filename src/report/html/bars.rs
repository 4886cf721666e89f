//! The timeline as rows of a page: a name, a bar drawn as SVG, and what it says in words.
//!
//! A bar is as wide as the page lets it be and has no text in it, so that it can be read on a phone and on paper; its
//! words stand beside it. Pauses between the parts of a run are shortened. Called by the page.

use super::markup::Html;
use crate::report::pages::span;
use crate::report::{Lane, LaneOf, Look, Span, Timeline};

/// How wide a bar is, in its own units.
const WIDE: u64 = 100_000;
/// A stretch that is narrower is drawn this wide, and those that begin within it are drawn with it.
const FINE: u64 = 150;
/// What a pause is drawn as wide as at most: one part in this many of the time that was worked.
const PAUSE: u64 = 16;
/// How many lanes of hosts are drawn; the tables name all.
const HOSTS: usize = 200;
/// How many marks the scale has behind its first.
const MARKS: u64 = 4;

/// Where a moment lies on a bar.
#[derive(Debug)]
struct Scale {
    /// From, to, and where they are drawn.
    pieces: Vec<(u64, u64, u64, u64)>,
}

impl Scale {
    fn of(timeline: &Timeline) -> Self {
        let total = timeline.took_ms.max(1);
        let pauses = timeline.pauses.iter();
        let paused: u64 = pauses.map(|(from, to)| to.saturating_sub(*from)).sum();
        let most = (total.saturating_sub(paused) / PAUSE).max(1);
        let mut cuts = Vec::new();
        let mut at = 0;
        for (from, to) in &timeline.pauses {
            cuts.push((at, *from, from.saturating_sub(at)));
            cuts.push((*from, *to, to.saturating_sub(*from).min(most)));
            at = *to;
        }
        cuts.push((at, total, total.saturating_sub(at)));
        let sum: u64 = cuts.iter().map(|(.., weight)| weight).sum::<u64>().max(1);
        let mut before = 0;
        let pieces = cuts.into_iter().map(|(from, to, weight)| {
            let begin = before * WIDE / sum;
            before += weight;
            (from, to, begin, before * WIDE / sum)
        });
        Self {
            pieces: pieces.collect(),
        }
    }

    /// Returns where a moment is drawn.
    fn at(&self, moment: u64) -> u64 {
        let piece = self.pieces.iter().find(|(_, to, ..)| moment <= *to);
        match piece {
            Some((from, to, begin, end)) => {
                let long = to.saturating_sub(*from).max(1);
                let into = moment.saturating_sub(*from);
                begin + (end - begin) * into / long
            }
            None => WIDE,
        }
    }

    /// Returns the moment that is drawn at a place.
    fn moment(&self, place: u64) -> u64 {
        let piece = self.pieces.iter().find(|(.., end)| place <= *end);
        piece.map_or(0, |(from, to, begin, end)| {
            let wide = (end - begin).max(1);
            from + (to - from) * place.saturating_sub(*begin) / wide
        })
    }
}

/// Draws the timeline.
pub(super) fn draw(html: &mut Html, timeline: &Timeline) {
    let scale = Scale::of(timeline);
    html.open("div", &[("class", "lanes")]);
    axis(html, &scale);
    let mut hosts = 0;
    let mut section = None;
    for lane in &timeline.lanes {
        if lane.of == LaneOf::Host {
            hosts += 1;
            if hosts > HOSTS {
                continue;
            }
        }
        if section != Some(lane.of) {
            section = Some(lane.of);
            html.element("h3", &[], heading(lane.of));
        }
        row(html, lane, timeline, &scale);
    }
    html.close("div");
    if hosts > HOSTS {
        let more = hosts - HOSTS;
        html.element(
            "p",
            &[],
            &format!("{more} more hosts are in the tables only."),
        );
    }
    legend(html);
}

fn heading(of: LaneOf) -> &'static str {
    match of {
        LaneOf::Batches => "Batches",
        LaneOf::Gates => "Gates waited for",
        LaneOf::Guard => "Guards",
        LaneOf::Bracket => "Brackets: what was switched",
        LaneOf::Member => "Members out of service",
        LaneOf::Host => "Steps, by host",
    }
}

fn percent(place: u64) -> String {
    format!("left:{}.{:03}%", place / 1000, place % 1000)
}

fn axis(html: &mut Html, scale: &Scale) {
    html.open("div", &[("class", "lane axis"), ("aria-hidden", "true")]);
    html.element("span", &[("class", "name")], "since the start");
    html.open("span", &[("class", "marks")]);
    for mark in 0..=MARKS {
        let place = WIDE * mark / MARKS;
        let class = match mark {
            0 => "first",
            MARKS => "last",
            _ => "mark",
        };
        let moment = match mark {
            0 => "0".to_owned(),
            _ => span(scale.moment(place)),
        };
        html.element(
            "span",
            &[("class", class), ("style", &percent(place))],
            &moment,
        );
    }
    html.close("span");
    html.element("span", &[("class", "sum")], "");
    html.close("div");
}

fn row(html: &mut Html, lane: &Lane, timeline: &Timeline, scale: &Scale) {
    html.open("div", &[("class", "lane")]);
    let name = match lane.name.as_str() {
        "" => heading(lane.of),
        name => name,
    };
    html.element("span", &[("class", "name")], name);
    let sum = in_words(lane);
    let label = format!("{name}: {sum}");
    html.open(
        "svg",
        &[
            ("viewBox", &format!("0 0 {WIDE} 16")),
            ("preserveAspectRatio", "none"),
            ("role", "img"),
            ("aria-label", &label),
        ],
    );
    rectangle(html, "ground", (0, WIDE), None);
    for (from, to) in &timeline.pauses {
        rectangle(html, "pause", (scale.at(*from), scale.at(*to)), None);
    }
    for (look, from, to, what) in drawn(&lane.spans, scale) {
        rectangle(html, class(look), (from, to), Some(&what));
    }
    html.close("svg");
    html.element("span", &[("class", "sum")], &sum);
    html.close("div");
}

fn rectangle(html: &mut Html, class: &str, (from, to): (u64, u64), what: Option<&str>) {
    let (x, width) = (from.to_string(), to.saturating_sub(from).to_string());
    html.open(
        "rect",
        &[
            ("class", class),
            ("x", &x),
            ("y", "0"),
            ("width", &width),
            ("height", "16"),
        ],
    );
    if let Some(what) = what {
        html.element("title", &[], what);
    }
    html.close("rect");
}

/// Returns what is drawn of the stretches: those that lie closer than the eye can tell apart are one.
fn drawn(spans: &[Span], scale: &Scale) -> Vec<(Look, u64, u64, String)> {
    let mut drawn: Vec<(Look, u64, u64, String)> = Vec::new();
    let mut together = 0;
    for one in spans {
        // What did not go well must be seen, however short it was.
        let least = if weight(one.look) >= weight(Look::Unknown) {
            4 * FINE
        } else {
            FINE
        };
        let from = scale.at(one.from_ms).min(WIDE - least);
        let to = scale.at(one.to_ms).max(from + least);
        let mut long = span(one.to_ms - one.from_ms);
        if one.open {
            long.push_str(", no end recorded");
        }
        let last = drawn.last_mut();
        if let Some((look, _, end, what)) =
            last.filter(|(.., end, _)| from < *end && to <= *end + FINE)
        {
            together += 1;
            *end = to.max(*end);
            if weight(one.look) > weight(*look) {
                *look = one.look;
                *what = format!("{} ({long}), and others", one.what);
            } else if together == 1 {
                what.push_str(", and others");
            }
        } else {
            together = 0;
            drawn.push((one.look, from, to, format!("{} ({long})", one.what)));
        }
    }
    drawn
}

/// Tells which look wins where several are drawn as one.
fn weight(look: Look) -> u8 {
    match look {
        Look::Plain => 0,
        Look::Fine => 1,
        Look::Waiting => 2,
        Look::Changed => 3,
        Look::Away => 4,
        Look::Unknown => 5,
        Look::Bad => 6,
    }
}

fn class(look: Look) -> &'static str {
    match look {
        Look::Plain => "plain",
        Look::Fine => "fine",
        Look::Changed => "changed",
        Look::Waiting => "waiting",
        Look::Away => "away",
        Look::Bad => "bad",
        Look::Unknown => "unknown",
    }
}

/// Says in words what a bar shows.
fn in_words(lane: &Lane) -> String {
    let total: u64 = lane.spans.iter().map(|one| one.to_ms - one.from_ms).sum();
    let count = lane.spans.len();
    let bad = lane
        .spans
        .iter()
        .filter(|one| one.look == Look::Bad)
        .count();
    let unknown = lane.spans.iter().filter(|one| one.look == Look::Unknown);
    let open = lane.spans.last().is_some_and(|one| one.open);
    let unit = match (lane.of, count) {
        (LaneOf::Host, 1) => "1 step, ".to_owned(),
        (LaneOf::Host, _) => format!("{count} steps, "),
        (_, 1) => String::new(),
        (_, _) => format!("{count} times, "),
    };
    let mut words = format!("{unit}{}", span(total));
    for (count, word) in [(bad, "not well"), (unknown.count(), "unknown")] {
        if count > 0 {
            words.push_str(&format_count(count, word));
        }
    }
    if open {
        words.push_str(", no end recorded");
    }
    words
}

fn format_count(count: usize, word: &str) -> String {
    format!(", {count} {word}")
}

fn legend(html: &mut Html) {
    html.open("p", &[("class", "legend")]);
    for (look, word) in [
        (Look::Plain, "went on, or skipped"),
        (Look::Fine, "well, nothing changed"),
        (Look::Changed, "changed"),
        (Look::Waiting, "waited"),
        (Look::Away, "switched, or out of service"),
        (Look::Bad, "not well"),
        (Look::Unknown, "not known"),
    ] {
        html.open("span", &[]);
        html.open("svg", &[("viewBox", "0 0 16 16"), ("aria-hidden", "true")]);
        html.open(
            "rect",
            &[("class", class(look)), ("width", "16"), ("height", "16")],
        );
        html.close("rect");
        html.close("svg");
        html.text(word);
        html.close("span");
    }
    html.close("p");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(from_ms: u64, to_ms: u64, look: Look) -> Span {
        Span {
            from_ms,
            to_ms,
            open: false,
            look,
            what: format!("{from_ms}"),
        }
    }

    #[test]
    fn a_night_between_two_parts_takes_little_room() {
        let hour = 3_600_000;
        let timeline = Timeline {
            took_ms: 10 * hour,
            pauses: vec![(hour, 9 * hour)],
            lanes: vec![],
        };
        let scale = Scale::of(&timeline);
        let (before, after) = (scale.at(hour), scale.at(9 * hour));
        assert!(before > 45_000 && after < 55_000, "{before} {after}");
        assert_eq!((scale.at(0), scale.at(10 * hour)), (0, WIDE));
        assert_eq!(scale.moment(WIDE), 10 * hour);
        assert!(scale.moment(WIDE / 4).abs_diff(hour / 2) < hour / 20);
        let empty = Scale::of(&Timeline::default());
        assert_eq!(empty.at(0), 0);
    }

    #[test]
    fn what_the_eye_cannot_tell_apart_is_drawn_once_and_the_worst_is_seen() {
        let timeline = Timeline {
            took_ms: 1_000_000,
            ..Timeline::default()
        };
        let scale = Scale::of(&timeline);
        let mut spans: Vec<Span> = (0..100_000)
            .map(|n| stretch(n * 10, n * 10 + 9, Look::Fine))
            .collect();
        spans[500].look = Look::Bad;
        let drawn = drawn(&spans, &scale);
        assert!(drawn.len() <= 1000, "{}", drawn.len());
        let bad: Vec<_> = drawn
            .iter()
            .filter(|(look, ..)| *look == Look::Bad)
            .collect();
        assert_eq!(bad.len(), 1);
        assert!(bad[0].3.starts_with("5000 (9 ms)"), "{bad:?}");
        assert!(
            drawn
                .iter()
                .all(|(_, from, to, _)| from < to && *to <= WIDE + FINE)
        );
    }
}
