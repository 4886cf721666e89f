//! Filters for numbers.

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::python_number as python;
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("abs", &["x"], 1, |_, b| {
        let value = b.value();
        if let Some(whole) = value.as_int() {
            return whole
                .checked_abs()
                .map(Object::Int)
                .ok_or_else(|| failed("is too large"));
        }
        Ok(Object::Float(b.float(0, 0.0)?.abs()))
    }),
    Plugin::new("filesizeformat", &["value", "binary"], 1, file_size),
    Plugin::new("float", &["value", "default"], 1, |_, b| {
        let value = b.value();
        let number = match value.as_text() {
            Some(text) => python::float(text),
            None => value.as_float(),
        };
        let default = || b.raw(1).cloned().unwrap_or(Object::Float(0.0));
        Ok(number.map_or_else(default, Object::Float))
    }),
    Plugin::new(
        "human_readable",
        &["size", "isbits", "unit"],
        1,
        human_readable,
    ),
    Plugin::new(
        "human_to_bytes",
        &["size", "default_unit", "isbits"],
        1,
        human_to_bytes,
    ),
    Plugin::new("int", &["value", "default", "base"], 1, int),
    Plugin::new("log", &["x", "base"], 1, |_, b| {
        let number = b.float(0, 0.0)?;
        if number <= 0.0 {
            return Err(failed("needs a number above 0"));
        }
        let base = b.float(1, std::f64::consts::E)?;
        Ok(Object::Float(match b.get(1) {
            None => number.ln(),
            Some(base) if base.as_int() == Some(10) => number.log10(),
            Some(_) if base <= 0.0 => return Err(failed("needs a base above 0")),
            Some(_) => number.ln() / base.ln(),
        }))
    }),
    Plugin::new("pow", &["x", "y"], 2, |_, b| {
        Ok(Object::Float(b.float(0, 0.0)?.powf(b.float(1, 0.0)?)))
    }),
    Plugin::new("root", &["x", "base"], 1, |_, b| {
        let (number, base) = (b.float(0, 0.0)?, b.float(1, 2.0)?);
        if number < 0.0 || base <= 0.0 {
            return Err(failed("needs a number that is not below 0"));
        }
        let square = b.get(1).is_none_or(|base| base.as_int() == Some(2));
        Ok(Object::Float(if square {
            number.sqrt()
        } else {
            number.powf(1.0 / base)
        }))
    }),
    Plugin::new("round", &["value", "precision", "method"], 1, round),
];

fn int(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    let number = if let Some(text) = value.as_text() {
        let base = u32::try_from(bound.int(2, 10)?).unwrap_or(0);
        python::int(text, base)
            .or_else(|| python::float(text).and_then(super::super::spec::truncated))
    } else {
        let float = value.as_float();
        value
            .as_int()
            .or_else(|| float.and_then(super::super::spec::truncated))
    };
    let default = || bound.raw(1).cloned().unwrap_or(Object::Int(0));
    Ok(number.map_or_else(default, Object::Int))
}

fn round(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let method = bound.text(2)?;
    let places = i32::try_from(bound.int(1, 0)?.clamp(-300, 300)).unwrap_or(0);
    let value = bound.value();
    match method.as_deref().unwrap_or("common") {
        "common" => match value.as_int() {
            Some(whole) => Ok(Object::Int(python::round_whole(whole, places))),
            None => Ok(Object::Float(python::round(bound.float(0, 0.0)?, places))),
        },
        method @ ("ceil" | "floor") => {
            let scale = 10_f64.powi(places);
            let scaled = bound.float(0, 0.0)? * scale;
            let cut = if method == "ceil" {
                scaled.ceil()
            } else {
                scaled.floor()
            };
            Ok(Object::Float(cut / scale))
        }
        _ => Err(failed("`method` must be common, ceil or floor")),
    }
}

const PREFIXES: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];

fn file_size(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    let size = value.as_text().and_then(|text| python::float(text));
    let size = match size {
        Some(size) => size,
        None => bound.float(0, 0.0)?,
    };
    let binary = bound.flag(1, false)?;
    let base = if binary { 1024.0 } else { 1000.0 };
    if (1.0..=1.0).contains(&size) {
        return Ok(Object::from("1 Byte"));
    }
    if size < base {
        return Ok(Object::from(format!("{} Bytes", size.trunc())));
    }
    let mut unit = base;
    let mut text = String::new();
    for prefix in PREFIXES {
        let prefix = if binary {
            format!("{}i", prefix.to_uppercase())
        } else {
            prefix.to_owned()
        };
        text = format!("{:.1} {prefix}B", size / unit);
        unit *= base;
        if size < unit {
            break;
        }
    }
    Ok(Object::from(text))
}

const UNITS: [(char, u32); 9] = [
    ('Y', 80),
    ('Z', 70),
    ('E', 60),
    ('P', 50),
    ('T', 40),
    ('G', 30),
    ('M', 20),
    ('K', 10),
    ('B', 0),
];

fn human_readable(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let size = bound.float(0, 0.0)?;
    let bits = bound.flag(1, false)?;
    let unit = bound.text(2)?.map(|unit| unit.to_uppercase());
    let base = if bits { "bits" } else { "Bytes" };
    let limit = |power: u32| 2_f64.powi(i32::try_from(power).unwrap_or(0));
    let fits = |(letter, power): &(char, u32)| match &unit {
        Some(unit) => unit.starts_with(*letter),
        None => size >= limit(*power),
    };
    let (letter, power) = UNITS.into_iter().find(fits).unwrap_or(('B', 0));
    let suffix = if power == 0 {
        base.to_owned()
    } else {
        format!("{letter}{}", if bits { "b" } else { "B" })
    };
    Ok(Object::from(format!("{:.2} {suffix}", size / limit(power))))
}

fn human_to_bytes(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let own = text.trim_end();
    let end = own
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(own.len());
    let (digits, unit) = own.split_at(end);
    let wrong = || failed("needs a number with a unit, such as 10M or 1.5 GB");
    let number = python::float(digits).ok_or_else(wrong)?;
    let given = bound.text(1)?;
    let unit = match (unit.trim(), &given) {
        ("", Some(default)) => default.as_ref(),
        (unit, _) => unit,
    };
    let whole = |number: f64| {
        let rounded = python::round(number, 0);
        super::super::spec::truncated(rounded)
            .map(Object::Int)
            .ok_or_else(wrong)
    };
    let Some(letter) = unit.chars().next() else {
        return whole(number);
    };
    let letter = letter.to_ascii_uppercase();
    let (_, power) = UNITS
        .into_iter()
        .find(|(own, _)| *own == letter)
        .ok_or_else(wrong)?;
    let bits = bound.flag(2, false)?;
    if unit.len() > 1 && !known_unit(unit, letter, bits) {
        return Err(wrong());
    }
    whole(number * 2_f64.powi(i32::try_from(power).unwrap_or(0)))
}

fn known_unit(unit: &str, letter: char, bits: bool) -> bool {
    let name = match letter {
        'K' => "kilo",
        'M' => "mega",
        'G' => "giga",
        'T' => "tera",
        'P' => "peta",
        'E' => "exa",
        'Z' => "zeta",
        'Y' => "yotta",
        _ => "",
    };
    let (long, short) = if bits { ("bit", "b") } else { ("byte", "B") };
    let short = if letter == 'B' {
        short.to_owned()
    } else {
        format!("{letter}{short}")
    };
    unit.to_lowercase() == format!("{name}{long}") || unit == short
}
