//! A user as the host has it, and the days on which it may expire.

use super::super::files::Reply;
use crate::clock::Timestamp;

/// A user as the host has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) uid: String,
    pub(super) gid: String,
    pub(super) comment: String,
    pub(super) home: String,
    pub(super) shell: String,
    /// The names of all its groups, its own first.
    pub(super) groups: Vec<String>,
    /// The number of the group that is asked for.
    pub(super) wanted_gid: Option<String>,
    /// The hash of its password, if it can be read.
    pub(super) hash: Option<String>,
    pub(super) expires: Option<String>,
}

impl Entry {
    /// Reads what the host printed of it.
    pub(super) fn of(reply: &Reply) -> Option<Self> {
        let line = reply.line("passwd").filter(|line| !line.is_empty())?;
        let parts: Vec<&str> = line.split(':').collect();
        let &[_, _, uid, gid, comment, home, shell] = parts.as_slice() else {
            return None;
        };
        let own = |text: &str| text.to_owned();
        Some(Self {
            uid: own(uid),
            gid: own(gid),
            comment: own(comment),
            home: own(home),
            shell: own(shell),
            groups: reply
                .line("groups")
                .unwrap_or_default()
                .split(' ')
                .map(own)
                .collect(),
            wanted_gid: reply
                .line("group")
                .and_then(|line| line.split(':').nth(2))
                .map(own),
            hash: reply.line("hash").map(own),
            expires: reply.line("expires").map(own),
        })
    }
}

/// Returns the day of a moment: its number since 1970, as /etc/shadow has it, and its date, as useradd takes it; `None`
/// for a moment that never comes.
pub(super) fn day_of(seconds: f64) -> Option<(i64, String)> {
    if seconds < 0.0 {
        return None;
    }
    let whole: i64 = format!("{:.0}", seconds.floor()).parse().ok()?;
    let date = Timestamp::from_second(whole)
        .ok()?
        .strftime("%Y-%m-%d")
        .to_string();
    Some((whole / 86400, date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_day() {
        assert_eq!(day_of(1_893_456_000.0), Some((21915, "2030-01-01".into())));
        assert_eq!(day_of(86_399.9), Some((0, "1970-01-01".into())));
        assert_eq!(day_of(-1.0), None);
    }
}
