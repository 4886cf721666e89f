//! How many hosts may fail before no further batch starts.

use crate::playbook::OnFailure;

/// What a play says about failures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Budget {
    /// What a failed host means for the batches that follow.
    pub(super) on_failure: OnFailure,
    /// The share of the run's hosts that may fail, in percent.
    pub(super) max_fail_percentage: Option<f64>,
}

/// How many hosts are lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// The hosts of the run.
    pub(super) of_run: usize,
    /// Those of them that failed, were unreachable or are in doubt, in the whole run.
    pub(super) in_run: usize,
    /// The hosts of this batch.
    pub(super) of_batch: usize,
    /// Those of them that are lost.
    pub(super) in_batch: usize,
}

impl Budget {
    /// Says why no further step of the play may begin, if so: asked at every rest point.
    pub(super) fn exceeded(&self, lost: Lost) -> Option<String> {
        let limit = self.max_fail_percentage?;
        #[expect(clippy::cast_precision_loss, reason = "counts of hosts are small")]
        let share = lost.in_run as f64 * 100.0 / lost.of_run.max(1) as f64;
        (lost.in_run > 0 && share > limit).then(|| {
            format!(
                "{} of {} hosts of the run are lost, more than max_fail_percentage: {limit} allows",
                lost.in_run, lost.of_run
            )
        })
    }

    /// Says why no further batch may begin, if so.
    pub(super) fn ends_after_batch(&self, lost: Lost) -> Option<String> {
        if let Some(why) = self.exceeded(lost) {
            return Some(why);
        }
        match (self.on_failure, self.max_fail_percentage) {
            (OnFailure::Continue, _) => (lost.in_batch > 0 && lost.in_batch == lost.of_batch)
                .then(|| "every host of the batch is lost".to_owned()),
            (OnFailure::Stop, Some(_)) => None,
            (OnFailure::Stop, None) => (lost.in_batch > 0).then(|| {
                let hosts = if lost.in_batch == 1 { "host" } else { "hosts" };
                format!(
                    "{} {hosts} of this batch of {} lost, and no further batch starts",
                    lost.in_batch, lost.of_batch
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(in_run: usize, in_batch: usize) -> Lost {
        Lost {
            of_run: 10,
            in_run,
            of_batch: 3,
            in_batch,
        }
    }

    #[test]
    fn one_lost_host_stops_unless_the_play_says_otherwise() {
        use OnFailure::{Continue, Stop};
        // on_failure, max_fail_percentage, lost in run and batch -> stops inside the batch, stops after it
        let table = [
            (Stop, None, (0, 0), false, false),
            (Stop, None, (1, 1), false, true),
            (Stop, None, (3, 0), false, false),
            (Continue, None, (2, 2), false, false),
            (Continue, None, (3, 3), false, true),
            (Stop, Some(20.0), (2, 2), false, false),
            (Stop, Some(20.0), (3, 1), true, true),
            (Stop, Some(0.0), (1, 1), true, true),
            (Stop, Some(0.0), (0, 0), false, false),
            (Continue, Some(20.0), (3, 1), true, true),
            (Continue, Some(90.0), (3, 3), false, true),
        ];
        for (on_failure, max_fail_percentage, (in_run, in_batch), inside, after) in table {
            let budget = Budget {
                on_failure,
                max_fail_percentage,
            };
            let lost = lost(in_run, in_batch);
            assert_eq!(
                budget.exceeded(lost).is_some(),
                inside,
                "{budget:?} {lost:?}"
            );
            let ends = budget.ends_after_batch(lost).is_some();
            assert_eq!(ends, after, "{budget:?} {lost:?}");
        }
    }
}
