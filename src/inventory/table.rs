//! A table of variables as a person wrote it, with the position of every name and value.

use std::collections::HashMap;

use crate::yaml::{Data, Key, Node, Problem, check_variable, is_variable_name};

/// Tables up to this size are searched from end to end, which is faster than hashing and takes no memory.
const SMALL: usize = 8;

/// Variables in the order in which they were written; of a name that is given again, the last one counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VarTable {
    entries: Vec<(Key, Node)>,
    places: HashMap<String, usize>,
    replaced: Vec<(Key, Node)>,
}

impl VarTable {
    /// Makes a table of a node that must be a map, or nothing at all.
    pub fn from_node(node: &Node, what: &str) -> Result<Self, Problem> {
        let mut table = Self::default();
        match &node.data {
            Data::Null => {}
            Data::Map(entries) => {
                for (key, value) in entries {
                    table.set(key.clone(), value.clone());
                }
            }
            Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Seq(_) => {
                let message = format!("{what} must be a map of variables, not {}", node.kind());
                return Err(Problem::at(&node.loc, message));
            }
        }
        Ok(table)
    }

    /// Sets a variable; what it replaces is kept to be shown.
    pub fn set(&mut self, key: Key, value: Node) {
        let place = self.place(&key.name);
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            self.replaced.push(std::mem::replace(entry, (key, value)));
            return;
        }
        let place = self.entries.len();
        if place == SMALL {
            for (place, (key, _)) in self.entries.iter().enumerate() {
                self.places.insert(key.name.clone(), place);
            }
        }
        if place >= SMALL {
            self.places.insert(key.name.clone(), place);
        }
        self.entries.push((key, value));
    }

    /// Finds a variable by its name.
    pub fn find(&self, name: &str) -> Option<&(Key, Node)> {
        self.place(name).and_then(|place| self.entries.get(place))
    }

    /// Returns what was written for a name before the last one, in the order of the text.
    pub fn replaced(&self, name: &str) -> impl Iterator<Item = &(Key, Node)> {
        self.replaced
            .iter()
            .filter(move |(key, _)| key.name == name)
    }

    /// Returns the variables in their order.
    pub fn iter(&self) -> impl Iterator<Item = &(Key, Node)> {
        self.entries.iter()
    }

    /// Returns whether there is no variable.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Looks for values that cannot be read, and for names that no template can use.
    pub fn check(&self, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
        for (key, value) in &self.entries {
            check_variable(value, problems, warnings);
            if !is_variable_name(&key.name) {
                let message = format!("`{}` is no name that a template can use", key.name);
                let problem = Problem::at(&key.loc, message).width(key.name.chars().count());
                warnings.push(problem.hint("use letters, digits and `_`"));
            }
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        if self.places.is_empty() {
            return self.entries.iter().position(|(key, _)| key.name == name);
        }
        self.places.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Source, parse};

    #[test]
    fn small_and_large_tables_find_the_last_value() {
        for size in [1, SMALL - 1, SMALL, SMALL + 1, 100] {
            let lines: Vec<String> = (0..size).map(|n| format!("v{n}: {n}")).collect();
            let text = lines.join("\n");
            let node = parse(&Source::new("t", text)).unwrap();
            let mut table = VarTable::from_node(&node, "t").unwrap();
            let (key, value) = table.find("v0").unwrap().clone();
            let again = Node {
                data: Data::Int(99),
                ..value
            };
            table.set(key, again);
            assert_eq!(table.iter().count(), size);
            for n in 0..size {
                let expected = if n == 0 {
                    99
                } else {
                    i64::try_from(n).unwrap()
                };
                let (_, found) = table.find(&format!("v{n}")).unwrap();
                assert_eq!(found.data, Data::Int(expected), "size {size}");
            }
            assert!(table.find("w").is_none());
            assert_eq!(table.replaced("v0").count(), 1);
        }
    }

    #[test]
    fn only_maps_are_tables() {
        let read = |text: &str| {
            let node = parse(&Source::new("t", text)).unwrap();
            VarTable::from_node(&node, "this file")
        };
        assert!(read("").unwrap().is_empty());
        assert_eq!(
            read("- a\n").unwrap_err().message,
            "this file must be a map of variables, not a list"
        );
    }
}
