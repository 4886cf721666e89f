//! When a coordinator tries again to reach a shard's leader: pure.
//!
//! After as long as has passed since the start, at least 0.2 s and at most 10 s, so that the
//! waits about double; until 120 s for reads and 900 s for writes. A try that would come after
//! the end is not waited for: it is given up at once (`ClusterComm.cpp`, performRequests).

/// The waits between tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The shortest wait.
    pub shortest_ms: u64,
    /// The longest wait.
    pub longest_ms: u64,
    /// When it is given up.
    pub limit_ms: u64,
}

impl Schedule {
    /// Returns how long to wait before the next try; nothing once it is given up.
    pub fn wait_ms(&self, elapsed_ms: u64) -> Option<u64> {
        let wait = elapsed_ms.clamp(self.shortest_ms, self.longest_ms);
        (elapsed_ms + wait < self.limit_ms).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: Schedule = Schedule {
        shortest_ms: 200,
        longest_ms: 10_000,
        limit_ms: 120_000,
    };

    /// Returns the moments of all tries, each taking no time itself.
    fn tries(schedule: Schedule) -> Vec<u64> {
        let mut at = 0;
        let mut all = vec![0];
        while let Some(wait) = schedule.wait_ms(at) {
            at += wait;
            all.push(at);
        }
        all
    }

    #[test]
    fn waits_double_up_to_10_s_and_end_at_the_limit() {
        let reads = tries(READS);
        let begin = [0, 200, 400, 800, 1600, 3200, 6400, 12_800, 22_800, 32_800];
        assert_eq!(reads[..begin.len()], begin);
        assert_eq!(reads.last(), Some(&112_800));
        let writes = tries(Schedule {
            limit_ms: 900_000,
            ..READS
        });
        assert_eq!(writes.last(), Some(&892_800));
        assert!(writes.windows(2).all(|pair| pair[1] - pair[0] <= 10_000));
    }

    #[test]
    fn a_leader_back_within_the_limit_is_found_within_10_s() {
        for back_ms in [100, 1_500, 20_000, 60_000, 109_000] {
            let found = tries(READS).into_iter().find(|at| *at >= back_ms);
            assert!(found.is_some_and(|at| at - back_ms <= 10_000), "{back_ms}");
        }
    }

    #[test]
    fn past_the_limit_there_is_no_try() {
        assert_eq!(READS.wait_ms(112_800), None);
        assert_eq!(READS.wait_ms(109_999), Some(10_000));
        assert_eq!(READS.wait_ms(130_000), None);
    }
}
