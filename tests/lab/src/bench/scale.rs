//! A large inventory: the time and memory of listing it and of planning an upgrade on it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, median, milliseconds};
use crate::clock;
use crate::command::{Command, Exit};
use crate::files;
use crate::product::Product;

/// How often the memory of a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_mins(5);

/// What is measured: its name and its words.
const KINDS: [(&str, &str); 2] = [
    ("inventory_list", "inventory --inventory large.yml --list"),
    (
        "plan",
        "plan roles/arangodb/upgrade.yml --inventory large.yml",
    ),
];

/// Measures both on an inventory of so many hosts, so many times, interleaved; the time is the median, the memory the
/// most that was seen.
pub(super) fn measure(
    product: &Product,
    hosts: usize,
    rounds: usize,
    tell: &dyn Fn(&str),
) -> Result<Value, Error> {
    let place = tempfile::tempdir().map_err(|error| Error::WrongOutput(error.to_string()))?;
    files::write(&place.path().join("large.yml"), large(hosts), 0o644)?;
    // The list names every host; the plan folds them into one range and counts them.
    let said = [format!("\"host{hosts:05}\""), format!("{hosts} hosts, ")];
    let mut seen = KINDS.map(|_| (Vec::new(), 0));
    for _ in 0..rounds.max(1) {
        for (((_, words), said), (times, peak)) in KINDS.iter().zip(&said).zip(&mut seen) {
            let (took, most) = once(product, place.path(), words, said)?;
            times.push(took);
            *peak = most.max(*peak);
        }
    }
    let mut figures = serde_json::Map::new();
    figures.insert("hosts".to_owned(), json!(hosts));
    for ((name, _), (times, peak)) in KINDS.iter().zip(&mut seen) {
        let all: Vec<f64> = times.iter().map(|time| milliseconds(*time)).collect();
        let (ms, megabytes) = (milliseconds(median(times)), f64::from(*peak) / 1024.0);
        tell(&format!(
            "{name} of {hosts} hosts: {ms:.0} ms, {megabytes:.0} MB"
        ));
        figures.insert(
            (*name).to_owned(),
            json!({"ms": ms, "all_ms": all, "peak_mb": megabytes}),
        );
    }
    Ok(Value::Object(figures))
}

/// Runs the product once; returns the time, and the most memory that it was seen to have in kB.
fn once(
    product: &Product,
    place: &Path,
    words: &str,
    must_say: &str,
) -> Result<(Duration, u32), Error> {
    let command = Command::new(&product.program)
        .args(words.split(' '))
        .directory(place);
    let begin = clock::now();
    let mut running = command.start()?;
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    let (exit, took) = loop {
        if let Some(exit) = running.ended()? {
            break (exit, begin.elapsed());
        }
        if running.age() > LIMIT {
            running.wait(Duration::ZERO)?;
        }
        // The kernel keeps the peak, so only what comes after the last look is missed.
        let seen = files::read_if_there(Path::new(&status)).ok().flatten();
        peak = peak.max(seen.as_deref().and_then(peak_in).unwrap_or(0));
        clock::pause(LOOK_EVERY);
    };
    let (out, err) = running.said();
    if exit != Exit::Code(0) || !out.contains(must_say) {
        return Err(Error::WrongOutput(format!("{command}: {exit}: {err}")));
    }
    Ok((took, peak))
}

/// Reads the most memory that a process has had, in kB, from `/proc/PID/status`.
fn peak_in(status: &str) -> Option<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// An inventory with every host written out, as a site's tool would write it.
fn large(hosts: usize) -> String {
    let line = |number: usize| {
        let (high, low) = (number / 250 % 250, number % 250);
        format!("        host{number:05}: {{ansible_host: 10.78.{high}.{low}, rack: r{high}}}\n")
    };
    let hosts: Vec<_> = (1..=hosts).map(line).collect();
    format!(
        "all:\n  children:\n    arangodb:\n      vars: {{ansible_user: root, \
         arangodb_version: \"3.4.0\"}}\n      hosts:\n{}",
        hosts.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_as_the_kernel_writes_it() {
        let status = "VmPeak:\t  99 kB\nVmHWM:\t   10684 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak_in(status), Some(10_684));
        assert_eq!(peak_in("Name:\tx\n"), None);
    }

    #[test]
    fn every_host_of_the_large_inventory_is_another() {
        let text = large(10_000);
        let names: std::collections::BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("host"))
            .filter(|line| line.contains("ansible_host"))
            .collect();
        assert_eq!(names.len(), 10_000);
        assert!(text.contains("host10000: "));
    }
}
