//! What must hold for any template and any value: nothing panics, written data reads back, shells read their words.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::differential::Given;
use super::room_tests::{templater, variables};
use super::{Kind, Origin, Raw, Variables};
use crate::yaml::Source;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_texts_never_panic(text in "[{}%#'\"a-c0-9 .,|()\\[\\]=<>~+*/!\\\\\n_-]{0,60}") {
        let vars = variables("v.yml", "a: 1\nb: [1, {c: x}]\nc: text\n");
        let templater = templater(&[]);
        drop(templater.value(&json!(text), Origin::Nowhere, &vars));
        drop(templater.condition(&text, Origin::Nowhere, &vars));
        drop(templater.check(&text, Kind::Expression, Origin::Nowhere));
        drop(templater.render(&Source::new("x", text.as_str()), &vars));
    }

    #[test]
    fn random_expressions_never_panic(
        value in prop::sample::select(vec!["a", "b", "c", "nope", "[]", "{}", "''", "-1", "1.5", "none", "true", "range(3)", "(1, 'x')", "b[1]", "170141183460469231731687303715884105727", "'é😀'", "omit", "{'k': [1]}"]),
        other in prop::sample::select(vec!["a", "b", "c", "nope", "''", "-1", "0", "2.5", "none", "'%s'", "'('", "[3]", "9999999999", "{'k': 1}"]),
        filter in 0_usize..200,
        test in 0_usize..90,
        operator in prop::sample::select(vec!["+", "-", "*", "/", "//", "%", "**", "~", "<", "==", "in", "and", "or"]),
    ) {
        let vars = variables("v.yml", "a: 1\nb: [1, {c: x}]\nc: text\n");
        let templater = templater(&[]);
        let mut filters: Vec<_> = super::filters::names().filter(|name| *name != "password_hash").collect();
        filters.sort_unstable();
        let filter = filters[filter % filters.len()];
        let mut tests: Vec<_> = super::jinja_tests::names().filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_')).collect();
        tests.sort_unstable();
        let test = tests[test % tests.len()];
        for text in [
            format!("{{{{ {value} | {filter} }}}}"),
            format!("{{{{ {value} | {filter}({other}) }}}}"),
            format!("{{{{ {value} | {filter}({other}, {other}) }}}}x"),
            format!("{{{{ {value} is {test} }}}}"),
            format!("{{{{ {value} is {test}({other}) }}}}"),
            format!("{{{{ {value} {operator} {other} }}}}"),
            format!("{{{{ [{value}] | map('{filter}') | list }}}}"),
            format!("{{{{ {value}[{other}:] }}}}"),
            format!("{{{{ {value}[{other}] }}}}"),
            format!("{{{{ '%5s %-3d' % ({value}, {other}) }}}}"),
            format!("{{{{ '{{:>5}} {{0:,}}'.format({value}) }}}}"),
        ] {
            drop(templater.value(&json!(text), Origin::Nowhere, &vars));
        }
    }

    #[test]
    fn json_comes_back(value in json_value()) {
        let vars: Arc<dyn Variables> = Arc::new(Given(BTreeMap::from([(
            "v".to_owned(), Raw { value: value.clone(), templated: false, origin: None },
        )])));
        let templater = templater(&[]);
        let of = |text: &str| templater.value(&json!(text), Origin::Nowhere, &vars).unwrap();
        prop_assert_eq!(&of("{{ v }}"), &value);
        prop_assert_eq!(&of("{{ v | to_json | from_json }}"), &value);
        prop_assert_eq!(&of("{{ v | to_nice_json | from_json == v }}"), &json!(true));
        prop_assert_eq!(&of("{{ v | to_yaml | from_yaml == v }}"), &json!(true));
        prop_assert_eq!(&of("{{ v | to_nice_yaml | from_yaml == v }}"), &json!(true));
        prop_assert_eq!(&of("{{ [v, [v]] | to_nice_yaml(indent=2) | from_yaml == [v, [v]] }}"), &json!(true));
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = "[ -~é\n\t]{0,12}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.prop_map(Value::from),
        prop::sample::select(vec!["yes", "0644", "1.5", "~", "- a", "a: b", "#x", "1:30", "", "\u{85}", "😀", "long words that go on and on until the line is longer than eighty columns wide and must be folded"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text, inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The words as real shells read them; a shell that is not installed, other than `sh`, is left out.
#[cfg(test)]
mod shells {
    use std::io::ErrorKind;
    use std::process::Command;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::super::shell_quote;

    #[test]
    fn quoted_words_come_back_from_shells() {
        let mut runner = TestRunner::new(Config {
            cases: 60,
            failure_persistence: None,
            ..Config::default()
        });
        let words = prop::collection::vec("[^\0]{0,20}", 1..4);
        runner
            .run(&words, |words| {
                let line: Vec<String> = words.iter().map(|word| shell_quote(word)).collect();
                let script = format!("printf '%s\\0' {}", line.join(" "));
                for shell in [&["dash"][..], &["bash"], &["busybox", "sh"], &["sh"]] {
                    #[expect(clippy::disallowed_methods, reason = "the test asks a real shell")]
                    let output = Command::new(shell[0])
                        .args(&shell[1..])
                        .arg("-c")
                        .arg(&script)
                        .output();
                    let output = match output {
                        Err(error) if error.kind() == ErrorKind::NotFound && shell != ["sh"] => {
                            continue;
                        }
                        output => output.unwrap(),
                    };
                    let back = String::from_utf8(output.stdout).unwrap();
                    let back: Vec<&str> = back.split_terminator('\0').collect();
                    prop_assert_eq!(&back, &words);
                }
                Ok(())
            })
            .unwrap();
    }
}
