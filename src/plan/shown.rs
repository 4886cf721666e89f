//! Texts of a playbook as a plan shows them: what is known only later is said to be so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::Known;
use crate::playbook::{Action, Context, Item, Play, Playbook, Task};
use crate::yaml::{Data, Node};

/// How many characters of a text a plan shows.
const WIDTH: usize = 72;

/// Shows texts of a playbook.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    known: &'a dyn Known,
    /// The variables that tasks set, with the task's name.
    later: BTreeMap<String, String>,
}

impl<'a> Shown<'a> {
    /// Learns which variables the tasks of a playbook set.
    pub(super) fn of(playbook: &Playbook, known: &'a dyn Known) -> Self {
        let mut later = BTreeMap::new();
        for play in playbook.plays() {
            for (_, items) in play.sections() {
                learn(items, &mut later);
            }
            learn(&play.gate, &mut later);
        }
        for loaded in playbook.includes.values() {
            learn(&loaded.block.block, &mut later);
        }
        Self { known, later }
    }

    /// Shows a value in one line.
    pub(super) fn value(&self, node: &Node, play: Option<&Play>, context: &Arc<Context>) -> String {
        let known = if self.comes_later(node) {
            None
        } else {
            self.known.shown(play, context, node)
        };
        let text = match known {
            Some(text) => text,
            None => match &node.data {
                Data::Str(text) => self.later(text),
                Data::Null => String::new(),
                Data::Seq(items) => {
                    let shown: Vec<String> = items
                        .iter()
                        .map(|node| self.value(node, play, context))
                        .collect();
                    shown.join(", ")
                }
                Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Map(_) => {
                    self.later(&node.to_value().to_string())
                }
            },
        };
        one_line(&text)
    }

    /// Tells whether a text uses what a task sets.
    fn comes_later(&self, node: &Node) -> bool {
        let text = node.as_str().unwrap_or_default();
        words(text)
            .into_iter()
            .any(|word| self.later.contains_key(word))
    }

    /// Puts `<after: TASK>` for each template that uses what a task sets.
    fn later(&self, text: &str) -> String {
        let mut shown = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, behind)) = after.split_once("}}") else {
                break;
            };
            shown.push_str(before);
            let task = words(inside)
                .into_iter()
                .find_map(|word| self.later.get(word));
            match task {
                Some(task) => shown.extend(["<after: ", task, ">"]),
                None => shown.extend(["{{", inside, "}}"]),
            }
            rest = behind;
        }
        shown.push_str(rest);
        shown
    }
}

/// Cuts a text to one line of readable length.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= WIDTH {
        return line;
    }
    let cut: String = line.chars().take(WIDTH - 3).collect();
    format!("{}...", cut.trim_end())
}

fn learn(items: &[Item], later: &mut BTreeMap<String, String>) {
    for item in items {
        match item {
            Item::Task(task) => learn_task(task, later),
            Item::Block(block) => {
                for items in [&block.block, &block.rescue, &block.always] {
                    learn(items, later);
                }
            }
        }
    }
}

fn learn_task(task: &Task, later: &mut BTreeMap<String, String>) {
    let mut add = |name: &str| {
        let title = one_line(task.title());
        later.entry(name.to_owned()).or_insert(title);
    };
    if let Some(name) = &task.register {
        add(name);
    }
    if let Action::Module {
        spec, arguments, ..
    } = &task.action
        && spec.name == "set_fact"
    {
        for (key, _) in arguments.as_map().unwrap_or_default() {
            if key.name != "cacheable" {
                add(&key.name);
            }
        }
    }
}

/// Returns the names in an expression: not those behind a point, a bar or inside quotes.
fn words(expression: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut before = ' ';
    let mut letters = expression.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        if matches!(c, '"' | '\'') {
            while letters.next_if(|(_, inside)| *inside != c).is_some() {}
            letters.next();
        } else if is_word(c) {
            let mut end = at + c.len_utf8();
            while let Some((next, letter)) = letters.next_if(|(_, letter)| is_word(*letter)) {
                end = next + letter.len_utf8();
            }
            if !matches!(before, '.' | '|') {
                words.extend(expression.get(at..end));
            }
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_attributes_filters_and_quotes() {
        let cases: [(&str, &[&str]); 6] = [
            (" cluster.shards | length ", &["cluster"]),
            ("a + b[c]", &["a", "b", "c"]),
            ("'quoted' ~ x", &["x"]),
            ("x|default(y)", &["x", "y"]),
            ("x | map('a') | list", &["x"]),
            ("a.b.c", &["a"]),
        ];
        for (expression, expected) in cases {
            assert_eq!(words(expression), expected, "{expression}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(one_line("a\n  b"), "a b");
        let cut = one_line(&"x".repeat(100));
        assert_eq!(cut.len(), WIDTH);
        assert!(cut.ends_with("..."));
    }
}
