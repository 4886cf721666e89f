//! What a guard's readings mean over time: pure, fed with values and moments.

use std::time::Duration;

use crate::events::GuardValue;

/// How a guard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its condition holds, or what it says is still within its grace.
    Fine,
    /// Nobody knows for longer than its grace: forward steps wait until somebody does.
    Unclear,
    /// Its condition was seen not to hold for longer than its grace. That stays so.
    Breached,
}

/// A guard's memory.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    grace: Duration,
    unknown_grace: Duration,
    value: Option<GuardValue>,
    false_since: Option<Duration>,
    unknown_since: Option<Duration>,
    breached: bool,
}

impl Judge {
    /// Makes a judge that has seen nothing.
    pub(super) fn new(grace: Duration, unknown_grace: Duration) -> Self {
        Self {
            grace,
            unknown_grace,
            value: None,
            false_since: None,
            unknown_since: None,
            breached: false,
        }
    }

    /// Returns a judge with the same patience that has seen nothing.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.grace, self.unknown_grace)
    }

    /// Tells whether the last reading was that the condition holds.
    pub(super) fn holds(&self) -> bool {
        self.value == Some(GuardValue::True)
    }

    /// Takes a reading; returns whether the value is another one than before.
    ///
    /// A reading that failed does not prove that a condition holds again: the time for which it was false goes on. But
    /// only a reading makes a breach.
    pub(super) fn see(&mut self, value: GuardValue, now: Duration) -> bool {
        match value {
            GuardValue::True => {
                self.false_since = None;
                self.unknown_since = None;
            }
            GuardValue::False => {
                self.unknown_since = None;
                let since = *self.false_since.get_or_insert(now);
                self.breached |= now.saturating_sub(since) >= self.grace;
            }
            GuardValue::Unknown => {
                self.unknown_since.get_or_insert(now);
            }
        }
        let changed = self.value != Some(value);
        self.value = Some(value);
        changed
    }

    /// Tells how the guard stands.
    pub(super) fn standing(&self, now: Duration) -> Standing {
        let unclear = |since| now.saturating_sub(since) >= self.unknown_grace;
        if self.breached {
            Standing::Breached
        } else if self.value.is_none() || self.unknown_since.is_some_and(unclear) {
            Standing::Unclear
        } else {
            Standing::Fine
        }
    }

    /// Returns how long the current value is tolerated.
    pub(super) fn grace(&self) -> Option<Duration> {
        match self.value? {
            GuardValue::True => None,
            GuardValue::False => Some(self.grace),
            GuardValue::Unknown => Some(self.unknown_grace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use GuardValue::{False, True, Unknown};
    use Standing::{Breached, Fine, Unclear};

    #[test]
    fn each_value_has_its_own_grace() {
        // Readings at seconds; how it stands after the last one. Grace 10 s, unknown 30 s.
        type Row = (&'static [(u64, GuardValue)], u64, Standing);
        let table: [Row; 11] = [
            (&[], 0, Unclear),
            (&[(0, True)], 1000, Fine),
            (&[(0, True), (5, False)], 14, Fine),
            (&[(0, False), (9, False)], 9, Fine),
            (&[(0, False), (10, False)], 10, Breached),
            (&[(0, False), (9, True), (12, False), (21, False)], 21, Fine),
            (&[(0, False), (5, Unknown), (11, False)], 11, Breached),
            (&[(0, False), (12, Unknown)], 20, Fine),
            (&[(0, True), (5, Unknown), (20, Unknown)], 34, Fine),
            (&[(0, True), (5, Unknown), (20, Unknown)], 35, Unclear),
            (&[(0, False), (10, False), (11, True)], 99, Breached),
        ];
        for (readings, now, expected) in table {
            let mut judge = Judge::new(Duration::from_secs(10), Duration::from_secs(30));
            for (at, value) in readings {
                judge.see(*value, Duration::from_secs(*at));
            }
            let standing = judge.standing(Duration::from_secs(now));
            assert_eq!(standing, expected, "{readings:?} at {now}");
        }
    }

    #[test]
    fn only_another_value_is_news() {
        let mut judge = Judge::new(Duration::ZERO, Duration::ZERO);
        let at = Duration::from_secs;
        assert!(judge.see(True, at(0)));
        assert!(!judge.see(True, at(1)));
        assert!(judge.see(False, at(2)));
        assert_eq!(judge.standing(at(2)), Breached, "no grace");
        assert!(judge.see(Unknown, at(3)));
    }
}
