//! Tests of what a task registered.

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::map::Map;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

const RESULT: &[&str] = &["result"];

pub(super) const TESTS: &[Plugin] = &[
    Plugin::new("change", RESULT, 1, changed),
    Plugin::new("changed", RESULT, 1, changed),
    Plugin::new("failed", RESULT, 1, |r, b| says(r, b, "failed", true)),
    Plugin::new("failure", RESULT, 1, |r, b| says(r, b, "failed", true)),
    Plugin::new("finished", RESULT, 1, |r, b| done(r, b, "finished")),
    Plugin::new("reachable", RESULT, 1, |r, b| {
        says(r, b, "unreachable", false)
    }),
    Plugin::new("skip", RESULT, 1, |r, b| says(r, b, "skipped", true)),
    Plugin::new("skipped", RESULT, 1, |r, b| says(r, b, "skipped", true)),
    Plugin::new("started", RESULT, 1, |r, b| done(r, b, "started")),
    Plugin::new("succeeded", RESULT, 1, |r, b| says(r, b, "failed", false)),
    Plugin::new("success", RESULT, 1, |r, b| says(r, b, "failed", false)),
    Plugin::new("successful", RESULT, 1, |r, b| says(r, b, "failed", false)),
    Plugin::new("timedout", RESULT, 1, |r, b| {
        let found = result(b)?.named(r, "timedout");
        let period = found.as_ref().and_then(Object::as_map);
        let period = period.and_then(|map| map.named(r, "period"));
        Ok(Object::Bool(period.map_or(Ok(false), |own| own.truth())?))
    }),
    Plugin::new("unreachable", RESULT, 1, |r, b| {
        says(r, b, "unreachable", true)
    }),
];

fn result(bound: &Bound) -> Result<Map, Fault> {
    let value = bound.value();
    value.as_map().cloned().ok_or_else(|| {
        failed(format!(
            "needs what a task registered, not {}",
            value.described()
        ))
    })
}

fn says(rendering: &Rendering, bound: &Bound, name: &str, wanted: bool) -> Result<Object, Fault> {
    let found = result(bound)?.named(rendering, name);
    let said = found.map_or(Ok(false), |own| own.truth())?;
    Ok(Object::Bool(said == wanted))
}

fn done(rendering: &Rendering, bound: &Bound, name: &str) -> Result<Object, Fault> {
    let found = result(bound)?.named(rendering, name);
    Ok(Object::Bool(found.map_or(Ok(true), |own| own.truth())?))
}

fn changed(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let result = result(bound)?;
    if let Some(changed) = result.named(rendering, "changed") {
        return Ok(Object::Bool(changed.truth()?));
    }
    if let Some(results @ Object::List(_)) = result.named(rendering, "results") {
        for item in rendering.present(&results)? {
            let changed = item
                .as_map()
                .and_then(|map| map.named(rendering, "changed"));
            if changed.map_or(Ok(false), |own| own.truth())? {
                return Ok(Object::Bool(true));
            }
        }
    }
    Ok(Object::Bool(false))
}
