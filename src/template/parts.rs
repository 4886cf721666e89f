//! The parts of a program, for those who look through it without running it.

use super::tree::{Expression, Form, Statement};

impl Expression {
    /// Returns the expressions right inside this one.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        match &self.form {
            Form::Constant(_) | Form::Name(_) => Vec::new(),
            Form::Attribute(base, _) | Form::Not(base) | Form::Negate(base) => vec![base],
            Form::Item(left, right)
            | Form::And(left, right)
            | Form::Or(left, right)
            | Form::Operate(_, left, right) => vec![left, right],
            Form::Slice(base, bounds) => {
                let bounds = bounds.iter().flatten().map(AsRef::as_ref);
                std::iter::once(base.as_ref()).chain(bounds).collect()
            }
            Form::Compare(first, rest) => {
                let rest = rest.iter().map(|(_, right)| right);
                std::iter::once(first.as_ref()).chain(rest).collect()
            }
            Form::Choose(choice) => {
                let mut parts = vec![&choice.test, &choice.then];
                parts.extend(&choice.otherwise);
                parts
            }
            Form::Filter(filter) => {
                let arguments = filter.arguments.iter().map(|argument| &argument.value);
                filter.value.iter().chain(arguments).collect()
            }
            Form::Test(test) => {
                let arguments = test.arguments.iter().map(|argument| &argument.value);
                std::iter::once(&test.value).chain(arguments).collect()
            }
            Form::Call(callee, arguments) => {
                let arguments = arguments.iter().map(|argument| &argument.value);
                std::iter::once(callee.as_ref()).chain(arguments).collect()
            }
            Form::List(items) | Form::Tuple(items) => items.iter().collect(),
            Form::Map(entries) => entries.iter().flat_map(|(key, item)| [key, item]).collect(),
        }
    }

    /// Returns the name that a value begins with: `a` of `a.b[0] | upper`.
    pub(crate) fn root(&self) -> Option<&str> {
        match &self.form {
            Form::Name(name) => Some(name),
            Form::Attribute(base, _) | Form::Item(base, _) | Form::Call(base, _) => base.root(),
            Form::Filter(filter) => filter.value.as_ref()?.root(),
            Form::Constant(_)
            | Form::Slice(..)
            | Form::Not(_)
            | Form::Negate(_)
            | Form::And(..)
            | Form::Or(..)
            | Form::Operate(..)
            | Form::Compare(..)
            | Form::Choose(_)
            | Form::Test(_)
            | Form::List(_)
            | Form::Tuple(_)
            | Form::Map(_) => None,
        }
    }
}

impl Statement {
    /// Returns the expressions of a statement, but for the names of other templates.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Output(value)
            | Self::Do(value)
            | Self::If(value, ..)
            | Self::Set(_, value)
            | Self::FilterBlock(value, _)
            | Self::CallBlock(value, _) => vec![value],
            Self::For(repeat) => std::iter::once(&repeat.over)
                .chain(&repeat.only_if)
                .collect(),
            Self::With(assignments, _) => assignments.iter().map(|(_, value)| value).collect(),
            Self::SetBlock(_, filter, _) => filter.iter().collect(),
            Self::Macro(definition) => definition.defaults.iter().collect(),
            Self::Text(_)
            | Self::Scope(_)
            | Self::Block(_)
            | Self::Extends(_)
            | Self::Include(_)
            | Self::Import(_)
            | Self::Continue
            | Self::Break => Vec::new(),
        }
    }

    /// Returns the statements inside a statement.
    pub(crate) fn bodies(&self) -> Vec<&[Self]> {
        match self {
            Self::For(repeat) => vec![&repeat.body, &repeat.otherwise],
            Self::If(_, then, otherwise) => vec![then, otherwise],
            Self::With(_, body)
            | Self::SetBlock(_, _, body)
            | Self::FilterBlock(_, body)
            | Self::Scope(body) => vec![body],
            Self::Macro(definition) | Self::CallBlock(_, definition) => vec![&definition.body],
            Self::Text(_)
            | Self::Output(_)
            | Self::Set(..)
            | Self::Block(_)
            | Self::Extends(_)
            | Self::Include(_)
            | Self::Import(_)
            | Self::Do(_)
            | Self::Continue
            | Self::Break => Vec::new(),
        }
    }
}
