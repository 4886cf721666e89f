//! What must hold for any text: a value comes back as it was written, in whatever style, and every node stands where
//! it says it stands.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value;

use super::{Data, Loc, Node, Source, Style, parse};

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap();
}

/// Writes a value as YAML with styles chosen by `dice`, so that all of them occur.
fn write(value: &Value, indent: usize, dice: &mut impl FnMut() -> u32, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() && !dice().is_multiple_of(4) => {
            for (key, item) in map {
                put(out, format_args!("\n{pad}{}:", Value::from(key.as_str())));
                write(item, indent + 2, dice, out);
            }
        }
        Value::Array(items) if !items.is_empty() && !dice().is_multiple_of(4) => {
            for item in items {
                put(out, format_args!("\n{pad}-"));
                write(item, indent + 2, dice, out);
            }
        }
        Value::String(text) if is_blockable(text) && dice().is_multiple_of(2) => {
            *out += if text.ends_with('\n') { " |" } else { " |-" };
            for line in text.lines() {
                put(out, format_args!("\n{pad}{line}"));
            }
        }
        Value::String(text) if dice().is_multiple_of(3) && !text.contains('\n') => {
            put(out, format_args!(" '{}'", text.replace('\'', "''")));
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => put(out, format_args!(" {value}")),
    }
}

fn is_blockable(text: &str) -> bool {
    let first = text.chars().next();
    !text.ends_with("\n\n") && first.is_some_and(|c| c.is_ascii_graphic())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z0{}%:#' äö\"-]{0,12}(\n[a-z {}]{1,8}){0,3}\n?".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z ä<]{1,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Checks that what stands at a node's position is the node's text.
fn stands_there(node: &Node) {
    let rest = |loc: &Loc| -> String {
        let line = loc.source.line(loc.line).unwrap_or_default();
        line.chars().skip(loc.column as usize - 1).collect()
    };
    match &node.data {
        Data::Str(text) => match node.style {
            Style::Plain => assert!(rest(&node.loc).starts_with(text.as_str()), "{node:?}"),
            Style::Quoted => assert!(rest(&node.loc).starts_with(['"', '\'']), "{node:?}"),
            Style::Literal { .. } | Style::Folded { .. } => {
                for (number, line) in (1..).zip(text.lines()) {
                    assert_eq!(rest(&node.inside(number, 1)), line, "{node:?}");
                }
            }
        },
        Data::Seq(items) => items.iter().for_each(stands_there),
        Data::Map(entries) => {
            for (key, item) in entries {
                let written = rest(&key.loc);
                assert!(written.starts_with(&Value::from(key.name.as_str()).to_string()));
                stands_there(item);
            }
        }
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_in_any_style_is_read_back_with_its_place(value in values(), seed in any::<u64>()) {
        let mut state = seed | 1;
        let mut dice = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32
        };
        let mut text = "root:".to_owned();
        write(&value, 2, &mut dice, &mut text);
        text.push('\n');
        let node = parse(&Source::new("t", text.as_str()));
        prop_assert!(node.is_ok(), "{text}\n{node:?}");
        let node = node.unwrap();
        let root = node.entry("root").unwrap();
        prop_assert_eq!(root.to_value(), value, "{}", text);
        stands_there(root);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([a-c]|: |- |\n|  |\\[|\\]|\\{|\\}|, |&a |\\*a|<<|!x |'|\"|\\||>|#|%|\t|\r|é){0,40}") {
        if let Ok(node) = parse(&Source::new("t", text)) {
            drop(node.to_value());
        }
    }
}
