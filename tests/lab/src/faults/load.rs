//! Clients and oracle beside an upgrade, and what of their report counts.

use std::time::Duration;

use serde_json::Value;

use super::Error;
use super::scene::Scene;
use crate::clock::{self, Look};
use crate::command::{Exit, Running};
use crate::files;

const BEGIN_LIMIT: Duration = Duration::from_mins(2);
const END_LIMIT: Duration = Duration::from_mins(5);
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
pub fn begin(scene: &impl Scene) -> Result<Running, Error> {
    let load = scene
        .load()
        .args(["--stop-file", "stop", "--ready-file", "ready"])
        .args(["--json", "load.json"]);
    let mut running = load.start()?;
    let begun = clock::wait(BEGIN_LIMIT, || {
        if scene.file("ready").exists() {
            return Ok::<_, Error>(Look::Done(()));
        }
        Ok(match running.ended()? {
            Some(exit) => return Err(Error::Load(format!("{exit}: {}", running.said().1))),
            None => Look::NotYet("has not begun".to_owned()),
        })
    })?;
    begun.map_err(Error::Load)?;
    Ok(running)
}

/// Ends the clients and returns their report.
pub fn end(scene: &impl Scene, running: &mut Running) -> Result<Value, Error> {
    files::write(&scene.file("stop"), "", 0o644)?;
    let exit = running.wait(END_LIMIT)?;
    // 0 and 2 are its verdicts; anything else is no verdict.
    if !matches!(exit, Exit::Code(0 | 2)) {
        let said = running.said().1;
        return Err(Error::Load(format!("ended with {exit}: {said}")));
    }
    let report = files::read(&scene.file("load.json"))?;
    serde_json::from_str(&report).map_err(|error| Error::Load(format!("reported {error}")))
}

/// Returns what of a report must not be.
pub fn judged(report: &Value, harmed: bool) -> Vec<String> {
    let unharmed = UNHARMED.into_iter().filter(|_| !harmed);
    let names = ALWAYS.into_iter().chain(unharmed);
    let wrong = names.filter_map(|name| {
        let count = report.get(name)?.as_u64()?;
        (count > 0).then(|| format!("{count} {name}"))
    });
    let mut wrong: Vec<String> = wrong.collect();
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
                !judged(&report(name), harmed).is_empty(),
                wrong,
                "{name} {harmed}"
            );
        }
    }
}
