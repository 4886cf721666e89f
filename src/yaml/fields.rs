//! Reading a map by hand: take the keys that are known, report the rest, all of them.

use super::{Key, Node, Problem, nearest};

/// The entries of a map that nobody has taken yet.
#[derive(Debug)]
pub struct Fields<'a> {
    node: &'a Node,
    left: Vec<&'a (Key, Node)>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Starts reading a map; a node that is no map is a problem ("`what` must be a map, not text").
    pub fn new(node: &'a Node, what: &str) -> Result<Self, Problem> {
        match node.as_map() {
            Some(entries) => Ok(Self {
                node,
                left: entries.iter().collect(),
                asked: Vec::new(),
            }),
            None => Err(Problem::at(
                &node.loc,
                format!("{what} must be a map, not {}", node.kind()),
            )),
        }
    }

    /// Returns the map itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Takes a key, and remembers that it is a known one.
    pub fn take(&mut self, name: &'static str) -> Option<(&'a Key, &'a Node)> {
        self.asked.push(name);
        let index = self.left.iter().position(|(key, _)| key.name == name)?;
        let (key, value) = self.left.remove(index);
        Some((key, value))
    }

    /// Takes the first key for which `wanted` holds.
    pub fn take_where(&mut self, wanted: impl Fn(&str) -> bool) -> Option<(&'a Key, &'a Node)> {
        let index = self.left.iter().position(|(key, _)| wanted(&key.name))?;
        let (key, value) = self.left.remove(index);
        Some((key, value))
    }

    /// Returns the entries that are left.
    pub fn left(&self) -> impl Iterator<Item = (&'a Key, &'a Node)> + '_ {
        self.left.iter().map(|(key, value)| (key, value))
    }

    /// Reports each key that was never asked for: "unknown `what` `key`", with the nearest known one as hint.
    pub fn finish(self, what: &str, also_known: &[&'static str], problems: &mut Vec<Problem>) {
        for (key, _) in &self.left {
            let known = self.asked.iter().chain(also_known).copied();
            let mut problem = Problem::at(&key.loc, format!("unknown {what} `{}`", key.name))
                .width(key.name.chars().count());
            if let Some(near) = nearest(&key.name, known) {
                problem = problem.hint(format!("did you mean `{near}`?"));
            }
            problems.push(problem);
        }
    }
}
