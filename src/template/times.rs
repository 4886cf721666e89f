//! Points in time and the spans between them, as Python's `datetime` shows them.

use std::rc::Rc;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::arguments::Arguments;
use super::failure::{Fault, failed};
use super::object::Object;
use super::print::float;
use super::rendering::Rendering;
use super::special::{Special, callable};

/// Returns the time, local or universal.
pub(crate) fn now(rendering: &Rendering, universal: bool) -> Zoned {
    at(rendering, rendering.templater.clock().now(), universal)
}

/// Returns a point in time, local or universal.
pub(crate) fn at(rendering: &Rendering, time: Timestamp, universal: bool) -> Zoned {
    let zone = if universal {
        TimeZone::UTC
    } else {
        rendering.templater.zone().clone()
    };
    time.to_zoned(zone)
}

/// Formats a point in time with the directives of `strftime`.
pub(crate) fn format(time: &Zoned, format: &str) -> Result<String, Fault> {
    strtime::format(format, time).map_err(|_| failed("the format of the time is not understood"))
}

/// Reads a point in time with the directives of `strptime`.
pub(crate) fn parse(text: &str, format: &str) -> Result<Zoned, Fault> {
    let parsed = strtime::parse(format, text).map_err(|_| {
        failed(format!(
            "the text is no point in time of the form `{format}`"
        ))
    })?;
    let date = parsed.to_date().unwrap_or(jiff::civil::date(1900, 1, 1));
    let time = parsed.to_time().unwrap_or(jiff::civil::Time::midnight());
    date.to_datetime(time)
        .to_zoned(TimeZone::UTC)
        .map_err(|_| failed("the point in time is out of range"))
}

/// Makes a point in time a value.
pub(crate) fn object(time: Zoned) -> Object {
    Object::Special(Rc::new(Time(time)))
}

/// A point in time.
#[derive(Debug)]
struct Time(Zoned);

impl Special for Time {
    fn kind(&self) -> &'static str {
        "a point in time"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        let time = self.0.clone();
        let whole = |number: i64| Some(Object::Int(i128::from(number)));
        match name {
            "year" => whole(time.year().into()),
            "month" => whole(time.month().into()),
            "day" => whole(time.day().into()),
            "hour" => whole(time.hour().into()),
            "minute" => whole(time.minute().into()),
            "second" => whole(time.second().into()),
            "microsecond" => whole(i64::from(time.subsec_nanosecond()) / 1000),
            "strftime" => Some(callable(
                "strftime",
                move |_, arguments: Arguments| match arguments
                    .positional
                    .first()
                    .and_then(Object::as_text)
                {
                    Some(own) => format(&time, own).map(Object::from),
                    None => Err(failed("`strftime` needs a format")),
                },
            )),
            "isoformat" => Some(callable("isoformat", move |_, _| {
                Ok(Object::from(shown(&time).replacen(' ', "T", 1)))
            })),
            "timestamp" => Some(callable("timestamp", move |_, _| {
                Ok(Object::Float(seconds(time.timestamp().as_duration())))
            })),
            "weekday" => Some(callable("weekday", move |_, _| {
                let day = time.weekday().to_monday_zero_offset();
                Ok(Object::Int(i128::from(day)))
            })),
            "date" => Some(callable("date", move |_, _| {
                let midnight = time.date().to_datetime(jiff::civil::Time::midnight());
                let zoned = midnight.to_zoned(TimeZone::UTC);
                zoned
                    .map(object)
                    .map_err(|_| failed("the date is out of range"))
            })),
            _ => None,
        }
    }

    fn print(&self) -> Option<String> {
        Some(shown(&self.0))
    }

    fn order(&self) -> Option<i128> {
        Some(self.0.timestamp().as_nanosecond())
    }

    fn operate(&self, sign: &str, other: &Object) -> Option<Object> {
        let own = self.0.timestamp().as_nanosecond();
        let other = other.as_special()?;
        let theirs = other.order()?;
        match (sign, other.kind()) {
            ("-", "a point in time") => Some(span(own - theirs)),
            ("-", "a span of time") => moved(&self.0, -theirs),
            ("+", "a span of time") => moved(&self.0, theirs),
            _ => None,
        }
    }
}

fn moved(time: &Zoned, nanoseconds: i128) -> Option<Object> {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    let rest = i32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?;
    let moved = time.checked_add(SignedDuration::new(seconds, rest)).ok()?;
    Some(object(moved))
}

fn shown(time: &Zoned) -> String {
    let civil: DateTime = time.datetime();
    let base = civil.strftime("%Y-%m-%d %H:%M:%S").to_string();
    match civil.subsec_nanosecond() / 1000 {
        0 => base,
        micros => format!("{base}.{micros:06}"),
    }
}

/// A span of time.
#[derive(Debug)]
struct Span(i128);

fn span(nanoseconds: i128) -> Object {
    Object::Special(Rc::new(Span(nanoseconds)))
}

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64()
}

impl Special for Span {
    fn kind(&self) -> &'static str {
        "a span of time"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        let own = self.0;
        Some(match name {
            "days" => Object::Int(own.div_euclid(DAY)),
            "seconds" => Object::Int(own.rem_euclid(DAY) / SECOND),
            "microseconds" => Object::Int(own.rem_euclid(SECOND) / 1000),
            "total_seconds" => callable("total_seconds", move |_, _| {
                Ok(Object::Float(total_seconds(own)))
            }),
            _ => return None,
        })
    }

    fn print(&self) -> Option<String> {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let all = rest / SECOND;
        let clock = format!("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60);
        let clock = match rest % SECOND / 1000 {
            0 => clock,
            micros => format!("{clock}.{micros:06}"),
        };
        Some(match days {
            0 => clock,
            1 | -1 => format!("{days} day, {clock}"),
            days => format!("{days} days, {clock}"),
        })
    }

    fn order(&self) -> Option<i128> {
        Some(self.0)
    }

    fn truth(&self) -> bool {
        self.0 != 0
    }

    fn operate(&self, sign: &str, other: &Object) -> Option<Object> {
        let other = other.as_special()?;
        let theirs = other.order().filter(|_| other.kind() == self.kind())?;
        match sign {
            "+" => Some(span(self.0 + theirs)),
            "-" => Some(span(self.0 - theirs)),
            _ => None,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Python's total_seconds is a float as well"
)]
fn total_seconds(nanoseconds: i128) -> f64 {
    nanoseconds as f64 / SECOND as f64
}

/// Returns a point in time from seconds since 1970.
pub(crate) fn from_seconds(
    rendering: &Rendering,
    since: f64,
    universal: bool,
) -> Result<Zoned, Fault> {
    let whole = SignedDuration::try_from_secs_f64(since)
        .ok()
        .and_then(|duration| Timestamp::from_duration(duration).ok());
    match whole {
        Some(time) => Ok(at(rendering, time, universal)),
        None => Err(failed(format!("{} is no point in time", float(since)))),
    }
}
