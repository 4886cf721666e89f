//! The agency's tree of values: reads, write operations, preconditions, ends of life, observers.
//!
//! Pure: the time comes in with each operation. Agents that apply the same operations in the
//! same order hold the same tree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// A tree of values with what hangs on its paths.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Store {
    root: Map<String, Value>,
    ends: BTreeMap<String, u64>,
    observers: BTreeMap<String, BTreeSet<String>>,
}

/// Somebody to be told that something under a path has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where to send it.
    pub url: String,
    /// The path that is observed.
    pub path: String,
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// Returns a path with one slash before each part.
pub fn normalized(path: &str) -> String {
    parts(path).fold(String::new(), |joined, part| joined + "/" + part)
}

impl Store {
    /// Returns the value at a path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut rest = parts(path);
        let mut at = self.root.get(rest.next()?)?;
        for part in rest {
            at = at.get(part)?;
        }
        Some(at)
    }

    /// Returns the whole tree.
    pub fn root(&self) -> &Map<String, Value> {
        &self.root
    }

    /// Returns the parts of the tree that the paths name, each below its full path.
    pub fn read(&self, paths: &[String]) -> Value {
        let mut out = Map::new();
        for path in paths {
            if parts(path).next().is_none() {
                return Value::Object(self.root.clone());
            }
            if let Some(value) = self.get(path) {
                put(&mut out, path, value.clone());
            }
        }
        Value::Object(out)
    }

    /// Tells whether every precondition of a transaction holds.
    pub fn holds(&self, preconditions: &Map<String, Value>) -> bool {
        preconditions
            .iter()
            .all(|(path, wanted)| Self::holds_at(self.get(path), wanted))
    }

    fn holds_at(found: Option<&Value>, wanted: &Value) -> bool {
        let Some(wanted) = wanted.as_object().filter(|keys| {
            ["old", "oldNot", "oldEmpty", "isArray", "in", "notin"]
                .iter()
                .any(|known| keys.contains_key(*known))
        }) else {
            return found == Some(wanted);
        };
        wanted.iter().all(|(kind, value)| match kind.as_str() {
            "old" => found.unwrap_or(&Value::Null) == value,
            "oldNot" => found.unwrap_or(&Value::Null) != value,
            "oldEmpty" => value.as_bool() == Some(found.is_none()),
            "isArray" => value.as_bool() == Some(found.is_some_and(Value::is_array)),
            "in" => has(found, value),
            "notin" => !has(found, value),
            _ => false,
        })
    }

    /// Carries out the operations of a transaction and returns the paths that they changed.
    pub fn apply(&mut self, operations: &Map<String, Value>, now_ms: u64) -> Vec<String> {
        let mut changed = Vec::new();
        for (path, operation) in operations {
            let path = normalized(path);
            if self.apply_one(&path, operation, now_ms) {
                changed.push(path);
            }
        }
        changed
    }

    fn apply_one(&mut self, path: &str, operation: &Value, now_ms: u64) -> bool {
        let Some(op) = operation.get("op").and_then(Value::as_str) else {
            self.set(path, operation.clone());
            return true;
        };
        let new = || operation.get("new").cloned().unwrap_or(Value::Null);
        match op {
            "set" => {
                self.set(path, new());
                if let Some(ttl) = operation.get("ttl").and_then(Value::as_f64) {
                    self.ends.insert(path.to_owned(), later(now_ms, ttl));
                }
            }
            "delete" => self.delete(path),
            "increment" | "decrement" => {
                let step = operation.get("step").and_then(Value::as_i64).unwrap_or(1);
                let old = self.get(path).and_then(Value::as_i64).unwrap_or(0);
                let sign = if op == "increment" { 1 } else { -1 };
                self.set(path, json!(old + sign * step));
            }
            "push" | "prepend" | "pop" | "shift" | "erase" | "replace" => {
                self.change_list(path, op, operation);
            }
            "observe" | "unobserve" => {
                if let Some(url) = operation.get("url").and_then(Value::as_str) {
                    let urls = self.observers.entry(path.to_owned()).or_default();
                    if op == "observe" {
                        urls.insert(url.to_owned());
                    } else {
                        urls.remove(url);
                    }
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    fn change_list(&mut self, path: &str, op: &str, operation: &Value) {
        let mut list = self
            .get(path)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let given = |key: &str| operation.get(key).cloned().unwrap_or(Value::Null);
        match op {
            "push" => list.push(given("new")),
            "prepend" => list.insert(0, given("new")),
            "pop" => drop(list.pop()),
            "shift" if !list.is_empty() => drop(list.remove(0)),
            "erase" => list.retain(|item| *item != given("val")),
            "replace" => {
                for item in &mut list {
                    if *item == given("val") {
                        *item = given("new");
                    }
                }
            }
            _ => {}
        }
        self.set(path, Value::Array(list));
    }

    fn set(&mut self, path: &str, value: Value) {
        self.forget_ends(path);
        put(&mut self.root, path, value);
    }

    fn delete(&mut self, path: &str) {
        self.forget_ends(path);
        let mut names: Vec<&str> = parts(path).collect();
        let Some(last) = names.pop() else { return };
        let mut at = &mut self.root;
        for name in names {
            let Some(next) = at.get_mut(name).and_then(Value::as_object_mut) else {
                return;
            };
            at = next;
        }
        at.shift_remove(last);
    }

    fn forget_ends(&mut self, path: &str) {
        let below = format!("{path}/");
        self.ends
            .retain(|end, _| end != path && !end.starts_with(&below));
    }

    /// Returns the paths whose life has ended.
    pub fn ended(&self, now_ms: u64) -> Vec<String> {
        self.ends
            .iter()
            .filter(|(_, end)| **end <= now_ms)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Returns who must be told of the changed paths.
    pub fn notices(&self, changed: &[String]) -> Vec<Notice> {
        self.observers
            .iter()
            .filter(|(path, _)| changed.iter().any(|changed| related(path, changed)))
            .flat_map(|(path, urls)| {
                urls.iter().map(|url| Notice {
                    url: url.clone(),
                    path: path.clone(),
                })
            })
            .collect()
    }
}

/// Tells whether a change at one path is one of what another path names.
pub(super) fn related(observed: &str, changed: &str) -> bool {
    let under = |outer: &str, inner: &str| {
        inner == outer || inner.starts_with(&format!("{outer}/")) || outer.is_empty()
    };
    under(observed, changed) || under(changed, observed)
}

fn has(found: Option<&Value>, item: &Value) -> bool {
    found
        .and_then(Value::as_array)
        .is_some_and(|list| list.contains(item))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a negative or endless ttl becomes the nearest time there is"
)]
fn later(now_ms: u64, ttl_s: f64) -> u64 {
    now_ms.saturating_add((ttl_s * 1000.0).max(0.0) as u64)
}

fn put(root: &mut Map<String, Value>, path: &str, value: Value) {
    let mut names: Vec<&str> = parts(path).collect();
    let Some(last) = names.pop() else {
        if let Value::Object(all) = value {
            *root = all;
        }
        return;
    };
    let mut at = root;
    for name in names {
        let next = at
            .entry(name.to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        if !next.is_object() {
            *next = Value::Object(Map::new());
        }
        let Value::Object(next) = next else { return };
        at = next;
    }
    at.insert(last.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(store: &mut Store, operations: &Value, now_ms: u64) -> Vec<String> {
        store.apply(operations.as_object().unwrap(), now_ms)
    }

    #[test]
    fn reads_give_values_below_their_full_path() {
        let mut store = Store::default();
        apply(
            &mut store,
            &json!({"/a/b": {"op": "set", "new": 1}, "a/c": 2}),
            0,
        );
        assert_eq!(store.read(&["/a/b".into()]), json!({"a": {"b": 1}}));
        assert_eq!(
            store.read(&["/a/b".into(), "/a/c".into(), "/x".into()]),
            json!({"a": {"b": 1, "c": 2}})
        );
        assert_eq!(store.read(&["/x".into()]), json!({}));
        assert_eq!(store.read(&["/".into()]), json!({"a": {"b": 1, "c": 2}}));
    }

    #[test]
    fn operations_change_what_they_say() {
        let cases = [
            (json!({"op": "increment"}), json!(1), json!(2)),
            (json!({"op": "decrement", "step": 5}), json!(1), json!(-4)),
            (json!({"op": "push", "new": 3}), json!([1]), json!([1, 3])),
            (
                json!({"op": "prepend", "new": 3}),
                json!([1]),
                json!([3, 1]),
            ),
            (json!({"op": "pop"}), json!([1, 2]), json!([1])),
            (json!({"op": "shift"}), json!([1, 2]), json!([2])),
            (json!({"op": "shift"}), json!([]), json!([])),
            (json!({"op": "erase", "val": 1}), json!([1, 2]), json!([2])),
            (
                json!({"op": "replace", "val": 1, "new": 9}),
                json!([1, 2]),
                json!([9, 2]),
            ),
            (json!({"plain": 1}), json!(0), json!({"plain": 1})),
        ];
        for (operation, old, new) in cases {
            let mut store = Store::default();
            apply(&mut store, &json!({"/k": {"op": "set", "new": old}}), 0);
            apply(&mut store, &json!({"/k": operation}), 0);
            assert_eq!(store.get("k"), Some(&new), "{operation}");
        }
        let mut store = Store::default();
        apply(&mut store, &json!({"/a/b": 1, "/a/c": 2}), 0);
        apply(&mut store, &json!({"/a/b": {"op": "delete"}}), 0);
        assert_eq!(json!(store.root()), json!({"a": {"c": 2}}));
    }

    #[test]
    fn preconditions_hold_or_not() {
        let mut store = Store::default();
        apply(
            &mut store,
            &json!({"/k": "v", "/l": [1, 2], "/o": {"x": 1}}),
            0,
        );
        for (precondition, holds) in [
            (json!({"/k": {"old": "v"}}), true),
            (json!({"/k": {"old": "w"}}), false),
            (json!({"/k": "v"}), true),
            (json!({"/o": {"x": 1}}), true),
            (json!({"/o": {"x": 2}}), false),
            (json!({"/k": {"oldNot": "w"}}), true),
            (json!({"/k": {"oldEmpty": true}}), false),
            (json!({"/none": {"oldEmpty": true}}), true),
            (json!({"/none": {"oldEmpty": false}}), false),
            (json!({"/none": {"old": "v"}}), false),
            (json!({"/l": {"isArray": true}}), true),
            (json!({"/l": {"in": 2}}), true),
            (json!({"/l": {"notin": 2}}), false),
            (
                json!({"/k": {"old": "v"}, "/none": {"oldEmpty": false}}),
                false,
            ),
        ] {
            assert_eq!(
                store.holds(precondition.as_object().unwrap()),
                holds,
                "{precondition}"
            );
        }
    }

    #[test]
    fn a_ttl_ends_a_value_and_a_new_value_has_none() {
        let mut store = Store::default();
        apply(
            &mut store,
            &json!({"/a": {"op": "set", "new": 1, "ttl": 60}}),
            1000,
        );
        assert_eq!(store.ended(60_999), Vec::<String>::new());
        assert_eq!(store.ended(61_000), ["/a"]);
        apply(
            &mut store,
            &json!({"/a": {"op": "set", "new": 1, "ttl": 60}}),
            31_000,
        );
        assert_eq!(store.ended(61_000), Vec::<String>::new(), "renewed");
        apply(&mut store, &json!({"/a": {"op": "set", "new": 2}}), 32_000);
        assert_eq!(store.ended(u64::MAX), Vec::<String>::new(), "set for good");
    }

    #[test]
    fn observers_hear_of_what_is_under_or_above_their_path() {
        let mut store = Store::default();
        let changed = apply(
            &mut store,
            &json!({"/arango/Plan": {"op": "observe", "url": "http://h/cb"}}),
            0,
        );
        assert!(changed.is_empty(), "observing changes nothing");
        let told = |store: &Store, path: &str| store.notices(&[path.to_owned()]).len();
        assert_eq!(told(&store, "/arango/Plan/Version"), 1);
        assert_eq!(told(&store, "/arango"), 1);
        assert_eq!(told(&store, "/arango/Planet"), 0);
        assert_eq!(told(&store, "/arango/Current"), 0);
        apply(
            &mut store,
            &json!({"/arango/Plan": {"op": "unobserve", "url": "http://h/cb"}}),
            0,
        );
        assert_eq!(told(&store, "/arango/Plan"), 0);
    }
}
