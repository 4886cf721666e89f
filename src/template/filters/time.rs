//! Filters for points in time.

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::python_number;
use super::super::rendering::Rendering;
use super::super::times;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("strftime", &["string_format", "second", "utc"], 1, strftime),
    Plugin::new("to_datetime", &["string", "format"], 1, |_, b| {
        let format = b.text(1)?;
        let format = format.as_deref().unwrap_or("%Y-%m-%d %H:%M:%S");
        times::parse(&b.need_text(0)?, format).map(times::object)
    }),
];

fn strftime(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let format = bound.printed(rendering, 0)?;
    let universal = bound.flag(2, false)?;
    let time = match bound.get(1) {
        None => times::now(rendering, universal),
        Some(Object::Text(text)) => {
            let seconds = python_number::float(text);
            let seconds = seconds.ok_or_else(|| failed("`second` must be a number"))?;
            times::from_seconds(rendering, seconds, universal)?
        }
        Some(_) => times::from_seconds(rendering, bound.float(1, 0.0)?, universal)?,
    };
    times::format(&time, &format).map(Object::from)
}
