//! Whether a server is GOOD, BAD or FAILED, from its heartbeats: pure.

use serde::{Deserialize, Serialize};

/// The times that health is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without a heartbeat for longer, a server is BAD.
    pub ok_ms: u64,
    /// Without a heartbeat for longer, a server that is BAD has FAILED.
    pub grace_ms: u64,
}

/// What is thought of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Its heartbeats come.
    Good,
    /// They have not come for a while.
    Bad,
    /// They have not come for so long that others take over.
    Failed,
}

impl Status {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "GOOD",
            Self::Bad => "BAD",
            Self::Failed => "FAILED",
        }
    }

    /// Returns what a word says.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Good, Self::Bad, Self::Failed]
            .into_iter()
            .find(|status| status.word() == word)
    }
}

/// What a leader remembers of a server's heartbeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// The last heartbeat's own time, as the server wrote it.
    pub beat: String,
    /// When the leader first saw it.
    pub seen_ms: u64,
}

impl Pulse {
    /// Takes notice of the heartbeat that lies in the agency now.
    ///
    /// A leader that has just begun gives each server the benefit of its first lap.
    pub fn noticed(before: Option<&Self>, beat: Option<&str>, now_ms: u64) -> Self {
        match (before, beat) {
            (Some(before), Some(beat)) if before.beat == beat => before.clone(),
            (Some(before), None) => before.clone(),
            (_, beat) => Self {
                beat: beat.unwrap_or_default().to_owned(),
                seen_ms: now_ms,
            },
        }
    }
}

/// Judges a server; nobody has FAILED who was not BAD before.
pub fn judge(before: Option<Status>, pulse: &Pulse, now_ms: u64, limits: Limits) -> Status {
    let silent_ms = now_ms.saturating_sub(pulse.seen_ms);
    if silent_ms <= limits.ok_ms {
        Status::Good
    } else if silent_ms <= limits.grace_ms || !matches!(before, Some(Status::Bad | Status::Failed))
    {
        Status::Bad
    } else {
        Status::Failed
    }
}

/// Tells whether a leader knows enough to judge: all heartbeats are there, or 55 s have passed.
pub fn may_judge(led_for_ms: u64, all_beat: bool, patience_ms: u64) -> bool {
    led_for_ms > patience_ms || all_beat
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        ok_ms: 5_000,
        grace_ms: 10_000,
    };

    /// Lets a leader watch a server that falls silent, and returns its status each second.
    fn watch(silent_from_s: u64, until_s: u64) -> Vec<&'static str> {
        let mut pulse: Option<Pulse> = None;
        let mut status = None;
        let mut seen = Vec::new();
        for second in 0..=until_s {
            let beat = format!("t{}", second.min(silent_from_s));
            let noticed = Pulse::noticed(pulse.as_ref(), Some(&beat), second * 1000);
            status = Some(judge(status, &noticed, second * 1000, LIMITS));
            seen.push(status.unwrap().word());
            pulse = Some(noticed);
        }
        seen
    }

    #[test]
    fn a_silent_server_turns_bad_after_5_s_and_failed_after_10_s() {
        let seen = watch(3, 15);
        let first = |word: &str| seen.iter().position(|found| *found == word);
        assert_eq!(first("BAD"), Some(3 + 6), "{seen:?}");
        assert_eq!(first("FAILED"), Some(3 + 11), "{seen:?}");
        assert!(watch(100, 60).iter().all(|word| *word == "GOOD"));
    }

    #[test]
    fn failed_comes_only_after_bad() {
        let pulse = Pulse {
            beat: "t".into(),
            seen_ms: 0,
        };
        assert_eq!(
            judge(Some(Status::Good), &pulse, 60_000, LIMITS),
            Status::Bad
        );
        assert_eq!(judge(None, &pulse, 60_000, LIMITS), Status::Bad);
        assert_eq!(
            judge(Some(Status::Bad), &pulse, 60_000, LIMITS),
            Status::Failed
        );
        assert_eq!(
            judge(Some(Status::Failed), &pulse, 1_000, LIMITS),
            Status::Good
        );
    }

    #[test]
    fn a_new_leader_starts_counting_anew() {
        let fresh = Pulse::noticed(None, None, 77_000);
        assert_eq!(
            judge(Some(Status::Bad), &fresh, 78_000, LIMITS),
            Status::Good
        );
        let same = Pulse::noticed(Some(&fresh), None, 99_000);
        assert_eq!(same.seen_ms, 77_000, "silence is not a heartbeat");
    }

    #[test]
    fn a_new_leader_waits_for_heartbeats_or_55_s() {
        assert!(!may_judge(54_000, false, 55_000));
        assert!(may_judge(1_000, true, 55_000));
        assert!(may_judge(56_000, false, 55_000));
    }
}
