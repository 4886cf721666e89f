//! Waiting and measuring: the one place in the lab's fleet that asks the machine's clock.
//!
//! Every wait has a limit, and one that ends unmet says what it last saw. Nothing here knows
//! what is being waited for. The simulators keep a clock of their own, which can be scaled;
//! this one never is.

use std::time::{Duration, Instant};

/// What one look at something that is being waited for has shown.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Done(T),
    /// Not yet; this is what was seen instead.
    NotYet(String),
}

/// The moments between two looks: short at first, so that what is quick stays quick.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Returns the present moment.
#[expect(clippy::disallowed_methods, reason = "this is the lab's clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps.
#[expect(clippy::disallowed_methods, reason = "this is the lab's clock")]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// Looks again and again until the look is done or fails; past the limit, `Ok(Err(last seen))`.
pub fn wait<T, E>(
    limit: Duration,
    mut look: impl FnMut() -> Result<Look<T>, E>,
) -> Result<Result<T, String>, E> {
    let end = now() + limit;
    let mut between = FIRST_PAUSE;
    loop {
        let seen = match look()? {
            Look::Done(value) => return Ok(Ok(value)),
            Look::NotYet(seen) => seen,
        };
        let left = end.saturating_duration_since(now());
        if left.is_zero() {
            return Ok(Err(seen));
        }
        pause(between.min(left));
        between = (between * 3 / 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_at_its_limit_with_what_it_last_saw() {
        let mut looks = 0;
        let begin = now();
        let unmet: Result<Result<(), String>, ()> = wait(Duration::from_millis(60), || {
            looks += 1;
            Ok(Look::NotYet(format!("look {looks}")))
        });
        assert_eq!(unmet, Ok(Err(format!("look {looks}"))));
        assert!(looks > 3, "it looked {looks} times");
        assert!(begin.elapsed() >= Duration::from_millis(60));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_wait_ends_with_the_first_look_that_is_done_or_fails() {
        let met: Result<Result<u8, String>, ()> = wait(Duration::ZERO, || Ok(Look::Done(7)));
        assert_eq!(met, Ok(Ok(7)));
        let failed: Result<Result<u8, String>, &str> =
            wait(Duration::from_mins(1), || Err("broken"));
        assert_eq!(failed, Err("broken"));
    }
}
