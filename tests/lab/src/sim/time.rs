//! The simulators' clocks: wall time for what is written down, monotonic time for waits.
//!
//! Nothing else in the simulators asks the machine what time it is. Pure rooms get the time
//! as milliseconds from their caller.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Returns the wall clock in microseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulators' one reading of the wall clock"
)]
pub fn unix_us() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        })
}

/// Returns the wall clock in milliseconds since 1970.
pub fn unix_ms() -> u64 {
    unix_us() / 1000
}

/// Returns milliseconds of a clock that never goes backwards, counted from its first use.
pub fn mono_ms() -> u64 {
    static START: std::sync::OnceLock<tokio::time::Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(tokio::time::Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Returns a wall clock reading as the databases write it, such as `2018-12-06T10:00:00Z`.
pub fn iso(unix_ms: u64) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).map_or_else(
        |_| String::from("1970-01-01T00:00:00Z"),
        |at| {
            at.to_zoned(TimeZone::UTC)
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string()
        },
    )
}

/// Returns a wall clock reading with milliseconds, as supervision writes it.
pub fn iso_ms(unix_ms: u64) -> String {
    let whole = iso(unix_ms);
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), unix_ms % 1000)
}

/// Returns a duration multiplied by the lab's factor for database timers.
pub fn scaled(duration: Duration, factor: f64) -> Duration {
    duration.mul_f64(factor.max(0.0))
}

/// Returns milliseconds of a duration, at most what fits.
pub fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_written_as_the_databases_write_it() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1_544_090_400_123), "2018-12-06T10:00:00Z");
        assert_eq!(iso_ms(1_544_090_400_123), "2018-12-06T10:00:00.123Z");
    }

    #[test]
    fn the_factor_scales_and_never_goes_negative() {
        assert_eq!(scaled(Duration::from_secs(10), 0.1), Duration::from_secs(1));
        assert_eq!(scaled(Duration::from_secs(10), -1.0), Duration::ZERO);
    }
}
