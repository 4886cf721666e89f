//! A task's place in the playbook's tree.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The stable path of a play, block, task, bracket or guard in the tree, such as `2.tasks.3.block.1`: the key under
/// which the journal knows it. Numbers count from 1; what a dynamic include loads is appended to the include's path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// Makes an id of a path that was written down before.
    pub fn new(path: &str) -> Self {
        Self(Arc::from(path))
    }

    /// Returns the id of a part of this one.
    #[must_use]
    pub fn child(&self, part: impl fmt::Display) -> Self {
        Self(Arc::from(format!("{self}.{part}")))
    }

    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether this is `other` or lies inside of it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(&*other.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|path| Self(Arc::from(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_within_its_whole_and_not_within_a_longer_number() {
        let block = TaskId::new("1.tasks.3");
        assert_eq!(block.child("block").child(1).as_str(), "1.tasks.3.block.1");
        assert!(block.child(1).is_within(&block));
        assert!(block.is_within(&block));
        assert!(!TaskId::new("1.tasks.31").is_within(&block));
    }
}
