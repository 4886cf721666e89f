//! What became of the requests: latencies, failures, gaps. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One request that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The shard it was for.
    pub shard: String,
    /// Whether it was a write.
    pub write: bool,
    /// When it was to begin.
    pub begin_ms: u64,
    /// When it was over.
    pub end_ms: u64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// All requests so far.
#[derive(Debug, Default)]
pub struct Tally {
    latencies_ms: Vec<u64>,
    reads: u64,
    writes: u64,
    failures: BTreeMap<String, u64>,
    /// Requests that failed or stalled, to be explained later.
    odd: Vec<Done>,
    stale_reads: u64,
}

/// What is said of the requests that failed or stalled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Explained {
    /// They stalled.
    pub gaps: u64,
    /// They stalled while their shard's leadership was handed over, and no longer than that takes.
    pub handovers: u64,
    /// They stalled, and neither that nor a stopped leader explains it.
    pub gaps_elsewhere: u64,
    /// They failed.
    pub failed: u64,
    /// They were writes and failed.
    pub failed_writes: u64,
    /// They failed and no stopped leader explains it.
    pub failed_elsewhere: u64,
}

impl Explained {
    /// Tells whether clients saw no more than was announced: with a gap that was announced, what waits for the stopped
    /// leader; without, what a change of leadership takes.
    pub fn is_announced(&self, gap: bool) -> bool {
        if gap {
            self.failed_elsewhere == 0 && self.gaps_elsewhere == 0
        } else {
            self.failed == 0 && self.gaps == self.handovers
        }
    }
}

/// What befell a shard in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Befell {
    /// Nothing that a client would notice.
    Nothing,
    /// The server that led it was down.
    Stopped,
    /// Its leadership was handed over, and the span is no longer than that takes.
    HandedOver,
}

impl Tally {
    /// Counts a request that is over.
    pub fn add(&mut self, done: Done, gap_ms: u64) {
        let latency = done.end_ms.saturating_sub(done.begin_ms);
        self.latencies_ms.push(latency);
        if done.write {
            self.writes += 1;
        } else {
            self.reads += 1;
        }
        if let Some(why) = &done.failure {
            *self.failures.entry(why.clone()).or_default() += 1;
        }
        if done.failure.is_some() || latency > gap_ms {
            self.odd.push(done);
        }
    }

    /// Counts a read that showed less than was acknowledged before it began.
    pub fn add_stale_read(&mut self) {
        self.stale_reads += 1;
    }

    /// Returns how many reads showed less than was acknowledged.
    pub fn stale_reads(&self) -> u64 {
        self.stale_reads
    }

    /// Returns how many requests there were.
    pub fn requests(&self) -> u64 {
        self.reads + self.writes
    }

    /// Explains what stalled or failed: what befell a shard in a span of time.
    pub fn explain(&self, gap_ms: u64, befell: impl Fn(&str, u64, u64) -> Befell) -> Explained {
        let mut explained = Explained::default();
        for done in &self.odd {
            let cause = befell(&done.shard, done.begin_ms, done.end_ms);
            let stalled = done.end_ms.saturating_sub(done.begin_ms) > gap_ms;
            if done.failure.is_some() {
                explained.failed += 1;
                explained.failed_writes += u64::from(done.write);
                explained.failed_elsewhere += u64::from(cause != Befell::Stopped);
            }
            if stalled {
                explained.gaps += 1;
                explained.handovers += u64::from(cause == Befell::HandedOver);
                explained.gaps_elsewhere += u64::from(cause == Befell::Nothing);
            }
        }
        explained
    }

    /// Returns the requests that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Done> {
        self.odd.iter().filter(|done| done.failure.is_some())
    }

    /// Returns the requests that failed or stalled, the longest first.
    pub fn oddest(&self, count: usize) -> Vec<&Done> {
        let mut odd: Vec<&Done> = self.odd.iter().collect();
        odd.sort_by_key(|done| std::cmp::Reverse(done.end_ms.saturating_sub(done.begin_ms)));
        odd.truncate(count);
        odd
    }

    /// Returns the numbers for the report.
    pub fn numbers(&self) -> Value {
        let mut sorted = self.latencies_ms.clone();
        sorted.sort_unstable();
        json!({
            "requests": self.requests(),
            "reads": self.reads,
            "writes": self.writes,
            "failures": self.failures,
            "p50_ms": percentile(&sorted, 50.0),
            "p99_ms": percentile(&sorted, 99.0),
            "longest_stall_ms": sorted.last().copied().unwrap_or(0),
            "stale_reads": self.stale_reads,
        })
    }
}

/// Returns the smallest value that so many percent of the sorted values do not exceed.
pub fn percentile(sorted: &[u64], percent: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(shard: &str, write: bool, begin_ms: u64, end_ms: u64, failure: Option<&str>) -> Done {
        Done {
            shard: shard.into(),
            write,
            begin_ms,
            end_ms,
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&values, 50.0), 100);
        assert_eq!(percentile(&values, 99.0), 198);
        assert_eq!(percentile(&[7], 99.0), 7);
        assert_eq!(percentile(&[], 99.0), 0);
    }

    #[test]
    fn stalls_and_failures_are_explained_by_a_stopped_leader_or_not() {
        let mut tally = Tally::default();
        for one in [
            done("s1", false, 0, 10, None),
            done("s1", false, 0, 1000, None),
            done("s1", false, 0, 1001, None),
            done("s2", true, 0, 5000, None),
            done("s3", true, 0, 1200, None),
            done("s1", true, 0, 9000, Some("503")),
            done("s2", false, 0, 5, Some("refused")),
        ] {
            tally.add(one, 1000);
        }
        let explained = tally.explain(1000, |shard, _, _| match shard {
            "s1" => Befell::Stopped,
            "s3" => Befell::HandedOver,
            _ => Befell::Nothing,
        });
        assert_eq!(
            explained,
            Explained {
                gaps: 4,
                handovers: 1,
                gaps_elsewhere: 1,
                failed: 2,
                failed_writes: 1,
                failed_elsewhere: 1,
            }
        );
        assert_eq!(tally.requests(), 7);
        assert_eq!(tally.oddest(1)[0].end_ms, 9000);
    }
}
