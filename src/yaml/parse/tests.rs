//! What a text means, where its parts stand, and what is refused.

use super::*;
use serde_json::json;
use std::fmt::Write as _;

fn read(text: &str) -> Node {
    parse(&Source::new("t.yml", text)).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn problems(text: &str) -> Vec<String> {
    let shown = |problem: &Problem| {
        let loc = problem.loc.as_ref().map(ToString::to_string);
        format!(
            "{} {} | {} | {}",
            loc.unwrap_or_default(),
            problem.message,
            problem.hint.as_deref().unwrap_or("-"),
            problem.notes.join("; ")
        )
    };
    match parse(&Source::new("t", text)) {
        Ok(node) => panic!("{text} is {node:?}"),
        Err(problems) => problems.iter().map(shown).collect(),
    }
}

#[test]
fn scalars_mean_what_yaml_says() {
    let cases = [
        ("", json!(null)),
        ("# nothing\n", json!(null)),
        ("---\n", json!(null)),
        ("~", json!(null)),
        ("'~'", json!("~")),
        ("12", json!(12)),
        ("-7", json!(-7)),
        ("0x1f", json!(31)),
        ("0644", json!("0644")),
        ("1.5", json!(1.5)),
        ("18446744073709551615", json!("18446744073709551615")),
        ("true", json!(true)),
        ("yes", json!("yes")),
        ("'true'", json!("true")),
        ("!!str 12", json!("12")),
        ("text with # no comment", json!("text with")),
        ("[a, 1, {b: c}]", json!(["a", 1, {"b": "c"}])),
        ("{\"a\": [1, \"\\u00e4\"]}", json!({"a": [1, "ä"]})),
        (
            "1: x\ntrue: y\n1.0: z\n",
            json!({"1": "x", "true": "y", "1.0": "z"}),
        ),
        ("{\"a\": \"\\ud83d\\ude00\"}", json!({"a": "😀"})),
        ("a: |\n  x\n   y\n\n  z\n", json!({"a": "x\n y\n\nz\n"})),
        ("a: >-\n  x\n  y\n", json!({"a": "x y"})),
        (
            "a: &x {b: 1}\nc: *x\n",
            json!({"a": {"b": 1}, "c": {"b": 1}}),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).to_value(), expected, "{text}");
    }
}

#[test]
fn merged_keys_come_first_and_give_way() {
    let text = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\none:\n  y: 9\n  <<: *b\ntwo:\n  <<: [*b, *m]\n  a: 0\n\
                three: {'<<': 1}\n";
    let value = read(text).to_value();
    let shown = |name: &str| value.get(name).unwrap().to_string();
    assert_eq!(shown("one"), r#"{"x":1,"y":9}"#);
    assert_eq!(shown("two"), r#"{"y":2,"z":4,"x":1,"a":0}"#);
    assert_eq!(shown("three"), r#"{"<<":1}"#);
    assert_eq!(
        problems("a: {<<: 3}"),
        ["t:1:9 `<<` takes a map or a list of maps | - | "]
    );
}

#[test]
fn tags_stay_visible() {
    let node =
        read("a: !vault |\n  $ANSIBLE_VAULT;1.1\n  33\nb: !unsafe '{{ x }}'\nc: [!unsafe 1]\n");
    let a = node.entry("a").unwrap();
    assert_eq!(a.tag.as_deref(), Some("vault"));
    assert_eq!(a.as_str(), Some("$ANSIBLE_VAULT;1.1\n33\n"));
    assert_eq!(a.loc.to_string(), "t.yml:2:3");
    let b = node.entry("b").unwrap();
    assert_eq!((b.tag.as_deref(), b.style), (Some("unsafe"), Style::Quoted));
    let c = node.entry("c").and_then(Node::as_seq).unwrap();
    assert_eq!(c[0].tag.as_deref(), Some("unsafe"));
}

#[test]
fn every_key_and_value_knows_where_it_stands() {
    let text = "# first\n- name: ä\n  deep: {k: [1, 'two']}\n  block: |\n\n    first\n      second {{ x }}\n  \
                folded: >\n    one\n    two\n  keep: |2\n      x\n  al: &a\n    q: 1\n  use: *a\n";
    let node = read(text);
    let task = &node.as_seq().unwrap()[0];
    let at = |name: &str| task.entry(name).unwrap().loc.to_string();
    assert_eq!(task.loc.to_string(), "t.yml:2:3");
    assert_eq!(at("name"), "t.yml:2:9");
    let deep = task.entry("deep").unwrap().entry("k").unwrap();
    assert_eq!(deep.as_seq().unwrap()[1].loc.to_string(), "t.yml:3:17");
    let keys: Vec<String> = task
        .as_map()
        .unwrap()
        .iter()
        .map(|(key, _)| format!("{}@{}:{}", key.name, key.loc.line, key.loc.column))
        .collect();
    assert_eq!(
        keys,
        [
            "name@2:3",
            "deep@3:3",
            "block@4:3",
            "folded@8:3",
            "keep@11:3",
            "al@13:3",
            "use@15:3"
        ]
    );
    let block = task.entry("block").unwrap();
    assert_eq!(
        block.style,
        Style::Literal {
            first_line: 5,
            indent: 4
        }
    );
    assert_eq!(block.inside(3, 13).to_string(), "t.yml:7:17");
    let folded = task.entry("folded").unwrap();
    assert_eq!(
        folded.style,
        Style::Folded {
            first_line: 9,
            indent: 4
        }
    );
    let keep = task.entry("keep").unwrap();
    assert_eq!(keep.as_str(), Some("  x\n"));
    assert_eq!(
        keep.style,
        Style::Literal {
            first_line: 12,
            indent: 4
        }
    );
    assert_eq!(at("use"), "t.yml:14:5");
}

#[test]
fn what_nobody_means_is_refused_with_its_place() {
    let cases: &[(&str, &[&str])] = &[
        (
            "a: 1\nb: 2\na: 3\nb: 4\n",
            &[
                "t:3:1 `a` is given twice in this map | - | the first is at t:1:1",
                "t:4:1 `b` is given twice in this map | - | the first is at t:2:1",
            ],
        ),
        (
            "x:\n  path: {{ dir }}\n",
            &["t:2:10 a key must be text, not a list or a map | \
               a value that starts with `{{` must be quoted | "],
        ),
        (
            "x: {{ dir }}/file\n",
            &["t:1:13 this is no YAML: did not find expected key | \
               a value that starts with `{{` must be quoted | while parsing a block mapping"],
        ),
        (
            "a: b: c\n",
            &[
                "t:1:5 this is no YAML: mapping values are not allowed in this context | \
               text with `: ` in it must be quoted; else look at the indentation | ",
            ],
        ),
        (
            "a:\n\tb: c\n",
            &[
                "t:2:1 this is no YAML: found character that cannot start any token | \
               indent with spaces, not with tabs | while scanning for the next token",
            ],
        ),
        (
            "a: 'x\nb: 1\n",
            &[
                "t:2:5 this is no YAML: found unexpected end of stream | - | \
               while scanning a quoted scalar that starts at line 1 column 4",
            ],
        ),
        (
            "a: *nowhere\n",
            &["t:1:4 this is no YAML: unknown anchor | - | "],
        ),
        (
            "a: 1\n---\nb: 1\n",
            &["t:3:1 a second document: this file must hold one | - | "],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), *expected, "{text}");
    }
}

#[test]
fn bombs_and_endless_aliases_are_refused() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        writeln!(bomb, "a{level}: &a{level} [*a{below}, *a{below}]").unwrap();
    }
    assert!(parse(&Source::new("t", bomb)).is_err());
    assert!(parse(&Source::new("t", "&a [*a]")).is_err());
    let deep = "[".repeat(5_000);
    assert!(parse(&Source::new("t", deep)).is_err());
}

#[test]
fn parsers_that_disagree_cost_a_column_and_no_value() {
    let source = Source::new("t", "a: [1, 2]\nb: x\n");
    let tree = || Tree::documents(&source.text).unwrap().remove(0);
    let right = parse(&source).unwrap();
    let wrong = [
        None,
        marks::documents("just text").pop(),
        marks::documents("[1, 2, 3]").pop(),
        marks::documents("a: {c: 1}\nb: [x]\n").pop(),
        marks::documents("a: [1]\n").pop(),
    ];
    for mark in wrong {
        let mut join = Join::new(&source);
        let node = join.node(tree(), mark.as_ref(), &Loc::start(&source));
        assert_eq!(node.to_value(), right.to_value());
        assert!(join.problems.is_empty());
    }
}
