//! What a waiting step saw when its condition did not hold, for people.

use serde_json::{Map, Value};

use crate::yaml::Node;

use super::ended::in_short;
use super::scope::{Scope, text_of};

/// What parts the two sides of a condition.
const OPERATORS: [&str; 8] = [" == ", " != ", " >= ", " <= ", " > ", " < ", " is ", " in "];

/// Longer values are cut: this is one line for a person.
const LONGEST: usize = 200;

/// Says it in one line: what the module said itself, else the value of the left side of the condition, else the
/// condition.
pub(super) fn what_was_seen(
    said: Option<String>,
    condition: Option<&Node>,
    scope: &Scope,
    result: &Map<String, Value>,
) -> String {
    let message = || {
        let message = result.get("msg").and_then(Value::as_str)?;
        Some(in_short(message, result))
    };
    let failed = result.get("failed") == Some(&Value::Bool(true));
    let text = said
        .or_else(|| message().filter(|text| failed && !text.is_empty()))
        .or_else(|| condition.and_then(|condition| unmet(condition, scope)))
        .or_else(message)
        .unwrap_or_else(|| "nothing yet".to_owned());
    cut(&text)
}

fn unmet(condition: &Node, scope: &Scope) -> Option<String> {
    let text = condition.as_str()?;
    let value = left_side(text).and_then(|left| Some((left, scope.expression(left).ok()?)));
    Some(match value {
        Some((left, value)) => {
            let wanted = text.get(left.len()..).unwrap_or_default().trim();
            let wanted = wanted.strip_prefix("== ").unwrap_or(wanted);
            format!("{left} is {}, waiting for {wanted}", text_of(value))
        }
        None => format!("`{text}` does not hold"),
    })
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > LONGEST {
        let short: String = line.chars().take(LONGEST).collect();
        format!("{short} ...")
    } else {
        line
    }
}

/// Returns the side of a condition whose value tells how far it is from being met.
fn left_side(condition: &str) -> Option<&str> {
    let mut depth = 0_i32;
    let mut quote = None;
    for (at, c) in condition.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ' ') if depth == 0 => {
                let rest = condition.get(at..).unwrap_or_default();
                if rest.starts_with(" and ") || rest.starts_with(" or ") {
                    return None;
                }
                if OPERATORS.iter().any(|operator| rest.starts_with(operator)) {
                    return condition.get(..at).map(str::trim);
                }
            }
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_left_side_of_a_condition_is_what_people_want_to_see() {
        let table = [
            (
                "cluster.out_of_sync | length == 0",
                Some("cluster.out_of_sync | length"),
            ),
            ("result.rc == 0", Some("result.rc")),
            ("x['a == b'] >= 3", Some("x['a == b']")),
            ("(a == 1) != b", Some("(a == 1)")),
            ("r is succeeded", Some("r")),
            ("r.ok", None),
            ("a and b == 1", None),
            ("not done", None),
        ];
        for (condition, expected) in table {
            assert_eq!(left_side(condition), expected, "{condition}");
        }
    }
}
