//! Clients and oracle beside an upgrade, and what of their report counts.

use serde_json::Value;

use super::Error;
use super::beyond::WorkedOut;
use super::scene::Scene;
use crate::load::beside::Beside;

/// What must not be, whatever befalls the cluster's servers.
const ALWAYS: [&str; 4] = [
    "lost_writes",
    "foreign_writes",
    "differing_copies",
    "stale_reads",
];
/// What must not be unless a fault harms clients by itself.
const UNHARMED: [&str; 2] = ["failed_requests", "invariant_breaches"];

/// Starts clients and waits until they are at work.
pub fn begin(scene: &impl Scene) -> Result<Beside, Error> {
    Ok(Beside::begin(scene.load(), &scene.file(""))?)
}

/// Returns what of a report must not be; where faults harm clients, only what could have been saved counts of what failed.
pub fn judged(report: &Value, harmed: bool, worked_out: &WorkedOut) -> Vec<String> {
    let unharmed = UNHARMED.into_iter().filter(|_| !harmed);
    let names = ALWAYS.into_iter().chain(unharmed);
    let wrong = names.filter_map(|name| {
        let count = report.get(name)?.as_u64()?;
        (count > 0).then(|| format!("{count} {name}"))
    });
    let mut wrong: Vec<String> = wrong.collect();
    if harmed && worked_out.savable > 0 {
        wrong.push(format!(
            "{} failed that could have been saved",
            worked_out.savable
        ));
        wrong.extend(worked_out.examples.iter().map(Value::to_string));
    }
    if !wrong.is_empty() {
        for list in ["breaches", "examples", "oddest_requests"] {
            let list = report.get(list).and_then(Value::as_array);
            let first = list.into_iter().flatten().take(3);
            wrong.extend(first.map(Value::to_string));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lost_writes_are_never_explained() {
        let report = |name: &str| json!({name: 2, "breaches": []});
        for (name, harmed, wrong) in [
            ("lost_writes", true, true),
            ("lost_writes", false, true),
            ("failed_requests", true, false),
            ("failed_requests", false, true),
            ("requests", false, false),
        ] {
            assert_eq!(
                !judged(&report(name), harmed, &WorkedOut::default()).is_empty(),
                wrong,
                "{name} {harmed}"
            );
        }
        let savable = WorkedOut {
            beyond: 3,
            savable: 1,
            examples: Vec::new(),
        };
        assert_eq!(judged(&report("requests"), true, &savable).len(), 1);
    }
}
