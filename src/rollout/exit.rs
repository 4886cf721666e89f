//! The exit code of a run: the heaviest that applies.

/// What a run's end has to tell, from the lightest to the heaviest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All was done.
    Done,
    /// All was done but for what was skipped by name.
    Partial,
    /// Steps failed, or are in doubt.
    Failed,
    /// A guard, a gate or a missing approval stopped it.
    Stopped,
    /// Hosts could not be reached.
    Unreachable,
    /// Another run has the cluster.
    Locked,
    /// The operator stopped it.
    Interrupted,
    /// A bracket is owed or held.
    Owed,
    /// stagger has a bug.
    Bug,
}

impl Verdict {
    /// Returns the documented code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Partial => 8,
            Self::Failed => 2,
            Self::Stopped => 3,
            Self::Unreachable => 4,
            Self::Locked => 5,
            Self::Interrupted => 6,
            Self::Owed => 7,
            Self::Bug => 101,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_applies() {
        let heavy_first = [
            Verdict::Owed,
            Verdict::Interrupted,
            Verdict::Locked,
            Verdict::Unreachable,
            Verdict::Stopped,
            Verdict::Failed,
            Verdict::Partial,
            Verdict::Done,
        ];
        let codes: Vec<u8> = heavy_first.iter().map(|verdict| verdict.code()).collect();
        assert_eq!(codes, [7, 6, 5, 4, 3, 2, 8, 0]);
        for pair in heavy_first.windows(2) {
            assert_eq!(pair[0].max(pair[1]), pair[0]);
        }
    }
}
