//! `SELECT`: items, one table, filters that all must hold, an order, a limit. Pure.

use serde::{Deserialize, Serialize};

use super::TableName;
use crate::sim::memsql::wire::Fault;
use crate::sim::memsql::wire::packet::{Cell, Rows};

/// What is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// All columns.
    All,
    /// `COUNT(*)`.
    Count,
    /// A column.
    Column(String),
    /// A value.
    Value(Cell),
    /// A variable of the server.
    Variable(String),
    /// A function, such as `SLEEP(1)`.
    Call(String, Vec<Cell>),
}

/// What a row must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// How it is compared, in capitals.
    pub how: String,
    /// With what.
    pub values: Vec<Cell>,
}

/// A query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Select {
    /// What is selected, each with the name of its column.
    pub items: Vec<(Item, String)>,
    /// From which table.
    pub from: Option<TableName>,
    /// Which rows.
    pub filters: Vec<Filter>,
    /// By which column they are ordered, and whether the greatest comes first.
    pub order: Option<(String, bool)>,
    /// How many at most.
    pub limit: Option<usize>,
}

impl Filter {
    /// Tells whether a value is as it must be.
    pub fn holds(&self, value: Option<&str>) -> bool {
        let with = |compare: fn(std::cmp::Ordering) -> bool| {
            let (Some(value), Some(Some(other))) = (value, self.values.first()) else {
                return false;
            };
            compare(order(value, other))
        };
        let is_in = || {
            let mut values = self.values.iter().flatten();
            value.is_some_and(|value| values.any(|other| order(value, other).is_eq()))
        };
        match self.how.as_str() {
            "=" => with(std::cmp::Ordering::is_eq),
            "!=" => with(std::cmp::Ordering::is_ne),
            "<" => with(std::cmp::Ordering::is_lt),
            ">" => with(std::cmp::Ordering::is_gt),
            "<=" => with(std::cmp::Ordering::is_le),
            ">=" => with(std::cmp::Ordering::is_ge),
            "IN" => is_in(),
            "NOT IN" => value.is_some() && !is_in(),
            "IS NULL" => value.is_none(),
            "IS NOT NULL" => value.is_some(),
            "LIKE" | "NOT LIKE" => {
                let pattern = self.values.first().cloned().flatten().unwrap_or_default();
                value.is_some_and(|value| like(&pattern, value) == (self.how == "LIKE"))
            }
            _ => false,
        }
    }
}

/// Compares as MySQL does: numbers as numbers, texts without regard to capitals.
pub fn order(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.to_lowercase().cmp(&b.to_lowercase()),
    }
}

/// Tells whether a text matches a pattern with `%` and `_`, whatever the capitals.
pub fn like(pattern: &str, text: &str) -> bool {
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((&'%', later)), None) => matches(later, text),
            (Some((&'%', later)), Some((_, rest))) => {
                matches(later, text) || matches(pattern, rest)
            }
            (Some((&'\\', later)), Some((head, rest))) if !later.is_empty() => {
                later.first() == Some(head) && matches(later.get(1..).unwrap_or_default(), rest)
            }
            (Some((&'_', later)), Some((_, rest))) => matches(later, rest),
            (Some((wanted, later)), Some((head, rest))) => wanted == head && matches(later, rest),
            (Some(_), None) => false,
        }
    }
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    matches(&letters(pattern), &letters(text))
}

impl Select {
    /// Picks from a table what was asked for.
    pub fn pick(&self, table: &Rows) -> Result<Rows, Fault> {
        let place = |name: &str| {
            let mut names = table.columns.iter();
            let found = names.position(|column| column.eq_ignore_ascii_case(name));
            found
                .ok_or_else(|| Fault::new(1054, format!("Unknown column '{name}' in 'field list'")))
        };
        let mut rows: Vec<&Vec<Cell>> = Vec::new();
        for row in &table.rows {
            let mut holds = true;
            for filter in &self.filters {
                let cell = row.get(place(&filter.column)?).and_then(Option::as_deref);
                holds &= filter.holds(cell);
            }
            if holds {
                rows.push(row);
            }
        }
        if let Some((column, falls)) = &self.order {
            let place = place(column)?;
            let key = |row: &Vec<Cell>| row.get(place).cloned().flatten().unwrap_or_default();
            rows.sort_by(|a, b| order(&key(a), &key(b)));
            if *falls {
                rows.reverse();
            }
        }
        if self.items.iter().any(|(item, _)| *item == Item::Count) {
            return Ok(Rows {
                columns: self.items.iter().map(|(_, name)| name.clone()).collect(),
                rows: vec![vec![Some(rows.len().to_string()); self.items.len()]],
            });
        }
        rows.truncate(self.limit.unwrap_or(usize::MAX));
        self.cells(table, &rows, place)
    }

    fn cells(
        &self,
        table: &Rows,
        rows: &[&Vec<Cell>],
        place: impl Fn(&str) -> Result<usize, Fault>,
    ) -> Result<Rows, Fault> {
        let mut picked = Rows::default();
        let mut places = Vec::new();
        for (item, name) in &self.items {
            match item {
                Item::All => {
                    picked.columns.extend(table.columns.iter().cloned());
                    places.extend((0..table.columns.len()).map(Ok));
                }
                Item::Column(column) => {
                    places.push(Ok(place(column)?));
                    picked.columns.push(name.clone());
                }
                Item::Value(value) => {
                    places.push(Err(value.clone()));
                    picked.columns.push(name.clone());
                }
                Item::Count | Item::Variable(_) | Item::Call(..) => {
                    return Err(super::lex::wrong(name));
                }
            }
        }
        let cell = |row: &Vec<Cell>, place: &Result<usize, Cell>| match place {
            Ok(place) => row.get(*place).cloned().flatten(),
            Err(value) => value.clone(),
        };
        picked.rows = rows
            .iter()
            .map(|row| places.iter().map(|place| cell(row, place)).collect())
            .collect();
        Ok(picked)
    }

    /// Returns the value that the key column must have, if only one will do.
    pub fn key<'a>(filters: &'a [Filter], column: &str) -> Option<&'a str> {
        let mut filters = filters.iter();
        let found = filters
            .find(|filter| filter.how == "=" && filter.column.eq_ignore_ascii_case(column))?;
        found.values.first()?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_mysql() {
        for (pattern, text, is) in [
            ("redundancy_level", "redundancy_level", true),
            ("%failure%", "Leaf_Failure_detection", true),
            ("a%", "ba", false),
            ("a_c", "abc", true),
            (r"a\_c", "abc", false),
            ("%", "", true),
            ("", "x", false),
        ] {
            assert_eq!(like(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn numbers_compare_as_numbers() {
        let filter = |how: &str, value: &str| Filter {
            column: "x".into(),
            how: how.into(),
            values: vec![Some(value.into())],
        };
        assert!(filter(">", "9").holds(Some("10")));
        assert!(!filter(">", "9").holds(None));
        assert!(filter("=", "QUERY").holds(Some("Query")));
        assert!(filter("NOT IN", "a").holds(Some("b")));
    }
}
