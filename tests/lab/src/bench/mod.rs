//! How fast the product is, beside what the same work costs by hand.
//!
//! Two kinds of figures. On real hosts: a play of 13 tasks, timed against the *floor*, a
//! script that does the same, one `ssh` a host; both one host at a time and all at once,
//! interleaved, so that what else goes on on the machine slows both (`play`). Without a
//! host: the time and memory of a large inventory (`scale`). The product's own events tell
//! where its time goes (`profile`), and the report says which targets were met. A run that leaves the hosts in
//! any other state than the one wanted is an error, not a figure.

mod play;
mod profile;
mod scale;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock;
use crate::command::{self, Command};
use crate::fleet::{self, Fleet, Options, Place};
use crate::product::Product;
use crate::{files, product};

pub use play::{Bench, Mode, Way};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Measure {
    /// On how many hosts the play runs.
    pub hosts: usize,
    /// How many times each way of doing it is run.
    pub rounds: usize,
    /// How many hosts the large inventory has.
    pub inventory_hosts: usize,
    /// Which of the two kinds of figures is wanted, if not both.
    pub only: Option<Part>,
    /// The program to measure; without it the product is built.
    pub program: Option<PathBuf>,
}

/// One of the two kinds of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The play on real hosts.
    Play,
    /// The large inventory.
    Scale,
}

/// A benchmark that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hosts failed.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// The product could not be built.
    #[error(transparent)]
    Product(#[from] product::Error),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file failed.
    #[error(transparent)]
    File(#[from] files::Error),
    /// What was measured is not what was meant.
    #[error("{what} left {host} in another state than wanted: {found}")]
    WrongState {
        /// What was run.
        what: String,
        /// The host.
        host: String,
        /// How it was found.
        found: String,
    },
    /// The program did something else than asked.
    #[error("`{0}` printed something else than it should")]
    WrongOutput(String),
}

/// Builds the product unless a program is named, measures it, and returns all figures; tells what it is doing.
pub fn run(place: &Place, measure: &Measure, tell: &dyn Fn(&str)) -> Result<Value, Error> {
    let product = match &measure.program {
        Some(program) => product::look_at(program)?,
        None => product::build("stagger")?,
    };
    tell(&format!("measured: {product}"));
    let start_ms = time_to_start(&product)?;
    tell(&format!("starts in {start_ms:.1} ms"));
    let mut report = json!({
        "product": product.json(),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "start_ms": start_ms,
    });
    if measure.only != Some(Part::Play) {
        let scale = scale::measure(&product, measure.inventory_hosts, measure.rounds, tell)?;
        merge(&mut report, json!({"scale": scale}));
    }
    if measure.only != Some(Part::Scale) {
        let purpose = format!("bench: {} hosts", measure.hosts);
        let fleet = Fleet::up(place, &Options::new(&purpose, measure.hosts))?;
        let times = Bench::new(&fleet, &product)?.rounds(measure.rounds, tell)?;
        fleet.down()?;
        merge(&mut report, times);
        merge(
            &mut report,
            json!({"hosts": measure.hosts, "rounds": measure.rounds}),
        );
    }
    let (met, missed) = targets(&report);
    merge(&mut report, json!({"met": met, "missed": missed}));
    Ok(report)
}

/// What the figures must not exceed; those of the hosts are ratios to the floor.
const TARGETS: [(&str, f64); 7] = [
    ("/start_ms", 10.0),
    ("/serial_ratio", 0.8),
    ("/parallel_ratio", 1.0),
    ("/scale/inventory_list/ms", 1_000.0),
    ("/scale/inventory_list/peak_mb", 300.0),
    ("/scale/plan/ms", 1_000.0),
    ("/scale/plan/peak_mb", 300.0),
];

/// Returns the targets that were met and those that were missed, as far as they were measured.
fn targets(report: &Value) -> (Vec<String>, Vec<String>) {
    let measured = TARGETS.iter().filter_map(|(name, most)| {
        let figure = report.pointer(name)?.as_f64()?;
        let text = format!("{} {figure:.2} of {most}", name.trim_start_matches('/'));
        Some((text, figure <= *most))
    });
    let (met, missed): (Vec<_>, Vec<_>) = measured.partition(|(_, met)| *met);
    let texts = |list: Vec<(String, bool)>| list.into_iter().map(|(text, _)| text).collect();
    (texts(met), texts(missed))
}

fn merge(report: &mut Value, more: Value) {
    if let (Value::Object(report), Value::Object(more)) = (report, more) {
        report.extend(more);
    }
}

fn time_to_start(product: &Product) -> Result<f64, Error> {
    let mut times = Vec::new();
    for _ in 0..20 {
        let begin = clock::now();
        Command::new(&product.program).arg("--version").run()?;
        times.push(begin.elapsed());
    }
    Ok(milliseconds(median(&mut times)))
}

/// Returns the middle of some times; of an even number the lower one of the two in the middle.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let middle = times.len().saturating_sub(1) / 2;
    times.get(middle).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_as_far_as_they_were_measured() {
        let report =
            json!({"start_ms": 9.0, "serial_ratio": 0.81, "scale": {"plan": {"ms": 1000.0}}});
        let (met, missed) = targets(&report);
        assert_eq!(
            met,
            ["start_ms 9.00 of 10", "scale/plan/ms 1000.00 of 1000"]
        );
        assert_eq!(missed, ["serial_ratio 0.81 of 0.8"]);
    }

    #[test]
    fn the_median_is_one_of_the_times() {
        let cases: [(&[u64], u64); 4] = [(&[], 0), (&[7], 7), (&[9, 1, 5], 5), (&[4, 1, 3, 2], 2)];
        for (times, middle) in cases {
            let mut times: Vec<_> = times.iter().copied().map(Duration::from_secs).collect();
            assert_eq!(median(&mut times), Duration::from_secs(middle));
        }
    }
}
