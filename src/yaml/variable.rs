//! Values of variables, which Ansible reads as YAML 1.1: `yes` without quotes is true.
//!
//! Everywhere else (module arguments, keywords) such a word stays text and is read as a flag where a flag is wanted; a
//! variable does not know where it will be used, and `{% if no %}` must not be true.

use serde_json::Value;

use super::{Data, Node, Problem, Style, is_vaulted};

/// What Ansible's tags are called; others are no YAML for Ansible.
const TAGS: &[&str] = &["unsafe", "vault", "vault-encrypted"];

/// Returns a variable's value without its positions.
pub fn variable_value(node: &Node) -> Value {
    convert(node, &|text, _| Value::String(text.to_owned()))
}

/// Returns a variable's value to be rendered: texts tagged `!unsafe` are made so that rendering gives them back.
pub fn variable_template(node: &Node) -> Value {
    convert(node, &|text, is_unsafe| {
        Value::String(if is_unsafe {
            inert_text(text)
        } else {
            text.to_owned()
        })
    })
}

/// Makes a template that renders to a text, whatever that holds.
pub fn inert_text(text: &str) -> String {
    if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        return text.to_owned();
    }
    // No escapes: in a variable's template Ansible takes a backslash as it stands, elsewhere as Python does. The first
    // character of `\ ` is a backslash either way.
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let special = match c {
            '\'' => Some(r#""'""#),
            '\\' => Some(r"'\ '[0]"),
            _ => {
                plain.push(c);
                None
            }
        };
        if (special.is_some() || chars.peek().is_none()) && !plain.is_empty() {
            pieces.push(format!("'{}'", std::mem::take(&mut plain)));
        }
        pieces.extend(special.map(str::to_owned));
    }
    format!("{{{{ {} }}}}", pieces.join(" ~ "))
}

fn convert(node: &Node, text: &impl Fn(&str, bool) -> Value) -> Value {
    match &node.data {
        Data::Str(plain) if node.style == Style::Plain && node.tag.is_none() => {
            flag(plain).map_or_else(|| text(plain, false), Value::Bool)
        }
        Data::Str(quoted) => text(
            quoted,
            node.tag.as_deref() == Some("unsafe") || is_vaulted(node),
        ),
        Data::Seq(items) => items.iter().map(|item| convert(item, text)).collect(),
        Data::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.name.clone(), convert(value, text)))
            .collect(),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => node.to_value(),
    }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Words of Jinja's own, which no variable can be called.
const WORDS: [&str; 12] = [
    "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if",
];

/// Tells whether a template can name a variable so: letters, digits and `_`, no digit first, no word of Jinja's.
pub fn is_variable_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.chars().all(known)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !WORDS.contains(&name)
}

/// Looks for what cannot be read here (problems), and for what Ansible would read as something else (warnings).
pub fn check_variable(node: &Node, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    match node.tag.as_deref() {
        Some(tag) if !TAGS.contains(&tag) => {
            let problem = Problem::at(&node.loc, format!("unknown tag `!{tag}`"));
            problems.push(problem.did_you_mean(tag, TAGS.iter().copied()));
        }
        Some(_) | None => {}
    }
    match &node.data {
        Data::Str(text) if node.style == Style::Plain && node.tag.is_none() => {
            if let Some(other) = in_yaml_1_1(text) {
                let message =
                    format!("`{text}` without quotes is text here, and {other} in Ansible");
                let problem = Problem::at(&node.loc, message).width(text.chars().count());
                warnings.push(problem.hint("put it in quotes"));
            }
        }
        Data::Seq(items) => {
            for item in items {
                check_variable(item, problems, warnings);
            }
        }
        Data::Map(entries) => {
            for (_, value) in entries {
                check_variable(value, problems, warnings);
            }
        }
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {}
    }
}

/// Names what `PyYAML` makes of a word that is text here: octal numbers, numbers with `_`, and 12:30 as 750.
fn in_yaml_1_1(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |known: &str| digits.chars().all(|c| known.contains(c));
    let starts = |known: &str| digits.chars().next().is_some_and(|c| known.contains(c));
    if digits.len() > 1 && starts("0") && all("01234567") {
        let number = i64::from_str_radix(digits, 8).ok()?;
        return Some(format!("the number {number}"));
    }
    if starts("123456789") && all("0123456789_") && digits.contains('_') {
        return Some(format!("the number {}", digits.replace('_', "")));
    }
    let parts: Vec<&str> = digits.split(':').collect();
    let sexagesimal = parts.len() > 1
        && starts("123456789")
        && all("0123456789:")
        && parts.iter().skip(1).all(|part| {
            let small = part.parse::<u32>().is_ok_and(|number| number < 60);
            small && (part.len() <= 2)
        });
    if !sexagesimal {
        return None;
    }
    let number = parts.iter().try_fold(0_i64, |sum, part| {
        sum.checked_mul(60)?.checked_add(part.parse().ok()?)
    })?;
    Some(format!("the number {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Source, parse};
    use serde_json::json;

    fn read(text: &str) -> Node {
        parse(&Source::new("t", text)).unwrap()
    }

    #[test]
    fn bare_words_are_flags_and_quoted_ones_are_not() {
        let node =
            read("[yes, No, ON, off, no, 'yes', y, true, !unsafe yes, \"{{ a }}\", {on: off}]");
        let expected = json!([
            true, false, true, false, false, "yes", "y", true, "yes", "{{ a }}", {"on": false}
        ]);
        assert_eq!(variable_value(&node), expected);
    }

    #[test]
    fn unsafe_text_is_wrapped_to_be_rendered_to_itself() {
        let node = read("{a: [!unsafe \"it's {{ y }} \\\\\"], b: !unsafe plain, c: '{{ z }}'}");
        let inert = r#"{{ 'it' ~ "'" ~ 's {{ y }} ' ~ '\ '[0] }}"#;
        let expected = json!({"a": [inert], "b": "plain", "c": "{{ z }}"});
        assert_eq!(variable_template(&node), expected);
    }

    /// The numbers were printed by `PyYAML` 6.0.
    #[test]
    fn what_ansible_reads_differently_is_named() {
        let cases = [
            ("0644", Some("the number 420")),
            ("00", Some("the number 0")),
            ("089", None),
            ("1_000", Some("the number 1000")),
            ("12:30", Some("the number 750")),
            ("1:30:15", Some("the number 5415")),
            ("12:60", None),
            ("'0644'", None),
            ("10.0.0.1", None),
            ("a:b", None),
            ("2001:db8::1", None),
            ("yes", None),
        ];
        for (text, expected) in cases {
            let (mut problems, mut warnings) = (Vec::new(), Vec::new());
            check_variable(&read(text), &mut problems, &mut warnings);
            assert!(problems.is_empty());
            let found = warnings.first().map(|warning| warning.message.clone());
            let expected = expected.map(|other| {
                format!("`{text}` without quotes is text here, and {other} in Ansible")
            });
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn tags_that_cannot_be_read_are_problems() {
        let node = read("b: !unsafe y\nc: !vualt z\n");
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        check_variable(&node, &mut problems, &mut warnings);
        let shown: Vec<String> = problems
            .iter()
            .map(|problem| format!("{} {:?}", problem.message, problem.hint))
            .collect();
        assert_eq!(
            shown,
            ["unknown tag `!vualt` Some(\"did you mean `vault`?\")",]
        );
    }
}
