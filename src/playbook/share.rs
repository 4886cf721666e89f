//! The size of a batch: a number of hosts, or a share of them.

/// How many hosts a batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// A number of hosts.
    Hosts(usize),
    /// A percentage of all hosts of the play.
    Percent(u32),
}

impl Share {
    /// Reads "3" or "25%".
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().map(Self::Percent),
            None => text.trim().parse().ok().map(Self::Hosts),
        }
    }
}
