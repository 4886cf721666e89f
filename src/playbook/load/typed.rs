//! Values of keywords as written: checked where they are no template, kept as they are.

use super::Load;
use crate::modules::spec::is_template;
use crate::yaml::{Data, Key, Node, Problem, duration, flag};

/// A key with its value, if it is there.
pub(super) type Entry<'n> = Option<(&'n Key, &'n Node)>;

impl Load<'_> {
    /// Keeps a value if `right` holds for it, it is a template, or it is nothing.
    fn checked(
        &mut self,
        entry: Entry<'_>,
        right: impl Fn(&Node) -> Result<(), String>,
    ) -> Option<Node> {
        let (key, node) = entry?;
        if node.data == Data::Null {
            return None;
        }
        if node.as_str().is_some_and(is_template) {
            return Some(node.clone());
        }
        match right(node) {
            Ok(()) => Some(node.clone()),
            Err(message) => {
                self.problem(Problem::at(&node.loc, format!("`{}`: {message}", key.name)));
                None
            }
        }
    }

    /// Takes a flag.
    pub(super) fn flag(&mut self, entry: Entry<'_>) -> Option<Node> {
        self.checked(entry, |node| match flag(node) {
            Ok(_) => Ok(()),
            Err(problem) => Err(problem.message),
        })
    }

    /// Takes a flag that must be known before the run; `otherwise` if it is absent or wrong.
    pub(super) fn literal_flag(&mut self, entry: Entry<'_>, otherwise: bool) -> bool {
        let Some((key, node)) = entry else {
            return otherwise;
        };
        if let Ok(value) = flag(node) {
            return value;
        }
        let message = format!("`{}` must be true or false, not {}", key.name, shown(node));
        self.problem(Problem::at(&node.loc, message));
        otherwise
    }

    /// Takes a time span.
    pub(super) fn time_span(&mut self, entry: Entry<'_>) -> Option<Node> {
        self.checked(entry, |node| match duration(node) {
            Ok(_) => Ok(()),
            Err(problem) => Err(problem.message),
        })
    }

    /// Takes a whole number of at least `least`.
    pub(super) fn whole_number(&mut self, entry: Entry<'_>, least: i64) -> Option<Node> {
        self.checked(entry, |node| {
            let number = match &node.data {
                Data::Int(number) => Some(*number),
                Data::Str(text) => text.trim().parse().ok(),
                Data::Null | Data::Bool(_) | Data::Float(_) | Data::Seq(_) | Data::Map(_) => None,
            };
            match number {
                Some(number) if number >= least => Ok(()),
                Some(number) => Err(format!("must be at least {least}, not {number}")),
                None => Err(format!("must be a whole number, not {}", shown(node))),
            }
        })
    }

    /// Takes a text; a number counts as its text.
    pub(super) fn text(&mut self, entry: Entry<'_>) -> Option<Node> {
        self.checked(entry, |node| match &node.data {
            Data::Str(_) | Data::Int(_) | Data::Float(_) => Ok(()),
            Data::Null | Data::Bool(_) | Data::Seq(_) | Data::Map(_) => {
                Err(format!("must be text, not {}", node.kind()))
            }
        })
    }

    /// Takes a text that must be known before the run.
    pub(super) fn literal_text(&mut self, entry: Entry<'_>) -> Option<String> {
        let (key, node) = entry?;
        match node.as_str() {
            Some(text) if !is_template(text) && !text.trim().is_empty() => Some(text.to_owned()),
            Some(_) | None => {
                let message = format!(
                    "`{}` must be text without templates, not {}",
                    key.name,
                    shown(node)
                );
                self.problem(Problem::at(&node.loc, message));
                None
            }
        }
    }

    /// Takes one of some words.
    pub(super) fn choice(&mut self, entry: Entry<'_>, choices: &[&str]) -> Option<Node> {
        let before = self.problems.len();
        let kept = self.checked(entry, |node| match node.as_str() {
            Some(text) if choices.contains(&text) => Ok(()),
            Some(_) | None => Err(format!(
                "{} is none of {}",
                shown(node),
                choices
                    .iter()
                    .map(|choice| format!("`{choice}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        });
        if let Some(word) = entry.and_then(|(_, node)| node.as_str())
            && let Some(problem) = self.problems.get_mut(before)
        {
            *problem = problem
                .clone()
                .width(word.chars().count())
                .did_you_mean(word, choices.iter().copied());
        }
        kept
    }

    /// Takes one of some words that must be known before the run.
    pub(super) fn literal_choice(&mut self, entry: Entry<'_>, choices: &[&str]) -> Option<String> {
        if let Some((key, node)) = entry.filter(|(_, node)| node.as_str().is_some_and(is_template))
        {
            let message = format!("`{}` must not be a template", key.name);
            self.problem(Problem::at(&node.loc, message));
            return None;
        }
        self.choice(entry, choices)
            .and_then(|node| node.as_str().map(str::to_owned))
    }

    /// Takes one or more conditions.
    pub(super) fn conditions(&mut self, entry: Entry<'_>) -> Vec<Node> {
        let Some((key, node)) = entry else {
            return Vec::new();
        };
        let items = node.as_seq().unwrap_or(std::slice::from_ref(node));
        let mut kept = Vec::new();
        for item in items {
            match &item.data {
                Data::Str(text) => {
                    if text.contains("{{") {
                        let message = format!("`{}` is an expression already", key.name);
                        self.notes.push(
                            Problem::at(&item.loc, message).hint("leave the `{{` and `}}` out"),
                        );
                    }
                    kept.push(item.clone());
                }
                Data::Bool(_) => kept.push(item.clone()),
                Data::Null if items.len() == 1 => {}
                Data::Null | Data::Int(_) | Data::Float(_) | Data::Seq(_) | Data::Map(_) => {
                    let message =
                        format!("`{}` must be a condition, not {}", key.name, shown(item));
                    self.problem(Problem::at(&item.loc, message));
                }
            }
        }
        kept
    }

    /// Takes one text or a list of texts.
    pub(super) fn texts(&mut self, entry: Entry<'_>) -> Vec<Node> {
        let Some((key, node)) = entry else {
            return Vec::new();
        };
        let mut kept = Vec::new();
        for item in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
            match &item.data {
                Data::Str(_) | Data::Int(_) | Data::Float(_) => kept.push(item.clone()),
                Data::Null if node.as_seq().is_none() => {}
                Data::Null | Data::Bool(_) | Data::Seq(_) | Data::Map(_) => {
                    let message = format!("`{}` must hold texts, not {}", key.name, item.kind());
                    self.problem(Problem::at(&item.loc, message));
                }
            }
        }
        kept
    }

    /// Takes the items of a list; nothing at all is an empty list.
    pub(super) fn list<'n>(&mut self, entry: Entry<'n>) -> &'n [Node] {
        let Some((key, node)) = entry else {
            return &[];
        };
        match (&node.data, node.as_seq()) {
            (_, Some(items)) => items,
            (Data::Null, None) => &[],
            (_, None) => {
                let message = format!("`{}` must be a list, not {}", key.name, node.kind());
                self.problem(Problem::at(&node.loc, message));
                &[]
            }
        }
    }
}

/// Shows a value in a message.
pub(super) fn shown(node: &Node) -> String {
    match &node.data {
        Data::Str(text) => format!("`{text}`"),
        Data::Int(_) | Data::Float(_) | Data::Bool(_) => format!("`{}`", node.to_value()),
        Data::Null | Data::Seq(_) | Data::Map(_) => node.kind().to_owned(),
    }
}
