//! What a task is repeated over: `loop`, `with_*`, and the variables of an item.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::playbook::{Loop, LoopOver, Task};
use crate::yaml::{Node, Problem};

use super::scope::{Scope, text_of};

/// The items of a task on one host.
#[derive(Debug, Clone)]
pub(super) struct Items {
    values: Vec<Value>,
    variable: String,
    index_variable: Option<String>,
    label: Option<Node>,
    /// How long to wait between two items.
    pub(super) pause: Option<Duration>,
    /// Conditions that end the loop after an item.
    pub(super) break_when: Vec<Node>,
    extended: bool,
    all_items: bool,
}

impl Items {
    /// Finds a task's items on a host; `None` when it is not repeated.
    pub(super) fn of(task: &Task, scope: &Scope) -> Result<Option<Self>, Problem> {
        let Some(written) = &task.r#loop else {
            return Ok(None);
        };
        let control = &written.control;
        let text = |node: &Option<Node>| node.as_ref().map(|node| scope.text(node)).transpose();
        Ok(Some(Self {
            values: values(written, scope)?,
            variable: text(&control.loop_var)?.unwrap_or_else(|| "item".to_owned()),
            index_variable: text(&control.index_var)?,
            label: control.label.clone(),
            pause: scope.duration(control.pause.as_ref())?,
            break_when: control.break_when.clone(),
            extended: scope.flag(control.extended.as_ref(), false)?,
            all_items: scope.flag(control.extended_allitems.as_ref(), true)?,
        }))
    }

    /// Counts them.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns the variables of one item.
    pub(super) fn variables(&self, index: usize) -> Map<String, Value> {
        let value = self.values.get(index).cloned().unwrap_or(Value::Null);
        let mut variables = Map::new();
        variables.insert(self.variable.clone(), value);
        variables.insert("ansible_loop_var".to_owned(), json!(self.variable));
        if let Some(name) = &self.index_variable {
            variables.insert(name.clone(), json!(index));
            variables.insert("ansible_index_var".to_owned(), json!(name));
        }
        if self.extended {
            variables.insert("ansible_loop".to_owned(), self.extended(index));
        }
        variables
    }

    /// Returns what people see of an item.
    pub(super) fn label(&self, index: usize, scope: &Scope) -> String {
        let label = self.label.as_ref().and_then(|label| scope.value(label).ok());
        let value = label.or_else(|| self.values.get(index).cloned());
        value.map(text_of).unwrap_or_default()
    }

    fn extended(&self, index: usize) -> Value {
        let length = self.values.len();
        let mut about = json!({
            "index": index + 1,
            "index0": index,
            "revindex": length - index,
            "revindex0": length - index - 1,
            "first": index == 0,
            "last": index + 1 == length,
            "length": length,
        });
        if let Some(about) = about.as_object_mut() {
            if self.all_items {
                about.insert("allitems".to_owned(), json!(self.values));
            }
            if let Some(before) = index.checked_sub(1).and_then(|at| self.values.get(at)) {
                about.insert("previtem".to_owned(), before.clone());
            }
            if let Some(after) = self.values.get(index + 1) {
                about.insert("nextitem".to_owned(), after.clone());
            }
        }
        about
    }
}

fn values(written: &Loop, scope: &Scope) -> Result<Vec<Value>, Problem> {
    match &written.over {
        LoopOver::Items(node) => match scope.value(node)? {
            Value::Array(items) => Ok(items),
            other => {
                let message = format!("`loop` needs a list, not {other}");
                let problem = Problem::at(&node.loc, message);
                Err(match other {
                    Value::Object(_) => problem.hint("use `| dict2items`"),
                    _ => problem,
                })
            }
        },
        LoopOver::With { lookup, terms } => {
            let value = scope.value(terms)?;
            match with(lookup, &value) {
                Some(Ok(items)) => Ok(items),
                Some(Err(message)) => Err(Problem::at(&terms.loc, message)),
                None => looked_up(lookup, value, scope),
            }
        }
    }
}

/// Asks a lookup plugin for the items.
fn looked_up(lookup: &str, terms: Value, scope: &Scope) -> Result<Vec<Value>, Problem> {
    let terms = listed(terms);
    let arguments: Vec<String> = (0..terms.len()).map(|index| format!(", _terms[{index}]")).collect();
    let expression = format!("query('{lookup}'{})", arguments.concat());
    let mut top = Map::new();
    top.insert("_terms".to_owned(), Value::Array(terms));
    scope.with(top).expression(&expression).map(listed)
}

/// Does the lookups that only rearrange their terms.
fn with(lookup: &str, terms: &Value) -> Option<Result<Vec<Value>, String>> {
    Some(match lookup {
        "items" => Ok(flat(terms, 1)),
        "flattened" => Ok(flat(terms, usize::MAX)),
        "list" => Ok(listed(terms.clone())),
        "dict" => pairs(terms),
        "indexed_items" => {
            let items = flat(terms, 1).into_iter().enumerate();
            Ok(items.map(|(index, item)| json!([index, item])).collect())
        }
        "together" => Ok(together(&lists(terms))),
        "nested" | "cartesian" => Ok(product(&lists(terms))),
        "sequence" => listed(terms.clone()).iter().try_fold(Vec::new(), |mut all, term| {
            all.extend(sequence(term)?);
            Ok(all)
        }),
        "subelements" => subelements(terms),
        _ => return None,
    })
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        one @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => vec![one],
    }
}

/// Flattens lists inside of a list, `depth` levels deep.
fn flat(value: &Value, depth: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for item in listed(value.clone()) {
        match &item {
            Value::Array(_) if depth > 0 => all.extend(flat(&item, depth - 1)),
            Value::Null if depth > 1 => {}
            _ => all.push(item),
        }
    }
    all
}

fn lists(terms: &Value) -> Vec<Vec<Value>> {
    listed(terms.clone()).into_iter().map(listed).collect()
}

fn pairs(terms: &Value) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    for term in listed(terms.clone()) {
        let Value::Object(map) = term else {
            return Err(format!("`with_dict` needs a map, not {term}"));
        };
        let pair = |(key, value): (String, Value)| json!({"key": key, "value": value});
        all.extend(map.into_iter().map(pair));
    }
    Ok(all)
}

fn together(lists: &[Vec<Value>]) -> Vec<Value> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let nth = |index: usize| -> Value {
        let of = |list: &Vec<Value>| list.get(index).cloned().unwrap_or(Value::Null);
        lists.iter().map(of).collect()
    };
    (0..longest).map(nth).collect()
}

fn product(lists: &[Vec<Value>]) -> Vec<Value> {
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists {
        let mut longer = Vec::with_capacity(all.len() * list.len());
        for head in &all {
            for item in list {
                let mut row = head.clone();
                row.push(item.clone());
                longer.push(row);
            }
        }
        all = longer;
    }
    all.into_iter().map(Value::Array).collect()
}

fn subelements(terms: &Value) -> Result<Vec<Value>, String> {
    let terms = listed(terms.clone());
    let (Some(list), Some(path)) = (terms.first(), terms.get(1).and_then(Value::as_str)) else {
        return Err("`with_subelements` needs a list and the name of a list inside".to_owned());
    };
    let skip = terms
        .get(2)
        .is_some_and(|options| options.get("skip_missing") == Some(&json!(true)));
    let mut all = Vec::new();
    for item in listed(list.clone()) {
        let inner = path.split('.').try_fold(&item, |value, key| value.get(key));
        match inner {
            Some(Value::Array(elements)) => {
                all.extend(elements.iter().map(|element| json!([item, element])));
            }
            None if skip => {}
            Some(_) | None => return Err(format!("`{path}` is no list in {item}")),
        }
    }
    Ok(all)
}

/// Counts, as Ansible's `sequence`: `start=1 end=5 stride=2 format=host%02d`, or `count=5`.
fn sequence(term: &Value) -> Result<Vec<Value>, String> {
    let text = text_of(term.clone());
    let (mut start, mut end, mut stride, mut format) = (1_i64, None, 1_i64, "%d".to_owned());
    for word in text.split_whitespace() {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` in `with_sequence` is not key=value"))?;
        let number = || {
            let parsed = value.parse::<i64>();
            parsed.map_err(|_| format!("`{value}` in `with_sequence` is not a whole number"))
        };
        match key {
            "start" => start = number()?,
            "end" => end = Some(number()?),
            "count" => end = Some(start + number()? - 1),
            "stride" => stride = number()?,
            "format" => value.clone_into(&mut format),
            _ => return Err(format!("`with_sequence` knows no `{key}`")),
        }
    }
    let end = end.ok_or("`with_sequence` needs `end` or `count`")?;
    if stride == 0 {
        return Err("the stride of `with_sequence` must not be 0".to_owned());
    }
    let mut all = Vec::new();
    let mut at = start;
    while (stride > 0 && at <= end) || (stride < 0 && at >= end) {
        all.push(Value::String(formatted(&format, at)));
        at += stride;
    }
    Ok(all)
}

/// Fills one `%d`, `%02d`, `%x` into a text.
fn formatted(format: &str, number: i64) -> String {
    let Some((before, after)) = format.split_once('%') else {
        return format.to_owned();
    };
    let digits = after.chars().take_while(char::is_ascii_digit).count();
    let width = after.get(..digits).unwrap_or_default();
    let rest = after.get(digits..).unwrap_or_default();
    let wide: usize = width.parse().unwrap_or(0);
    let zero = width.starts_with('0');
    let plain = match rest.chars().next() {
        Some('x') => format!("{number:x}"),
        Some('o') => format!("{number:o}"),
        _ => number.to_string(),
    };
    let filled = if zero {
        format!("{plain:0>wide$}")
    } else {
        format!("{plain:>wide$}")
    };
    let tail: String = rest.chars().skip(1).collect();
    format!("{before}{filled}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_loops_rearrange_their_terms_as_ansible_does() {
        let table = [
            ("items", json!([1, [2, [3]], "a"]), json!([1, 2, [3], "a"])),
            ("items", json!("one"), json!(["one"])),
            ("list", json!([[1], [2]]), json!([[1], [2]])),
            ("flattened", json!([1, [2, [3, [4]]]]), json!([1, 2, 3, 4])),
            ("dict", json!({"a": 1}), json!([{"key": "a", "value": 1}])),
            ("indexed_items", json!(["x", "y"]), json!([[0, "x"], [1, "y"]])),
            ("together", json!([[1, 2], ["a"]]), json!([[1, "a"], [2, null]])),
            ("nested", json!([[1, 2], ["a", "b"]]), json!([[1, "a"], [1, "b"], [2, "a"], [2, "b"]])),
            ("sequence", json!("start=1 end=5 stride=2"), json!(["1", "3", "5"])),
            ("sequence", json!("count=2 format=db%02d.eu"), json!(["db01.eu", "db02.eu"])),
            ("sequence", json!("start=4 end=0 stride=-2"), json!(["4", "2", "0"])),
            (
                "subelements",
                json!([[{"n": 1, "k": ["a", "b"]}], "k"]),
                json!([[{"n": 1, "k": ["a", "b"]}, "a"], [{"n": 1, "k": ["a", "b"]}, "b"]]),
            ),
        ];
        for (lookup, terms, expected) in table {
            let found = with(lookup, &terms).unwrap().unwrap();
            assert_eq!(json!(found), expected, "with_{lookup}: {terms}");
        }
        for (lookup, terms) in [
            ("dict", json!([1])),
            ("sequence", json!("start=1")),
            ("sequence", json!("count=1 stride=0")),
            ("subelements", json!([[{"n": 1}], "k"])),
        ] {
            assert!(with(lookup, &terms).unwrap().is_err(), "with_{lookup}");
        }
        assert!(with("fileglob", &json!("*")).is_none());
    }
}
