//! Values put into a statement where it says `%s` or `%(name)s`, quoted here, as nothing is prepared on the server.

use serde_json::{Map, Value};

use crate::template::mysql_text;

/// The values of a statement.
#[derive(Debug, Clone)]
pub enum Values {
    /// None: the statement is sent as it is.
    None,
    /// One for each `%s`, in order.
    Positional(Vec<Value>),
    /// By name.
    Named(Map<String, Value>),
}

/// Puts the values into a statement. With values, `%%` is a percent sign.
pub fn filled(statement: &str, values: &Values) -> Result<String, String> {
    if matches!(values, Values::None) {
        return Ok(statement.to_owned());
    }
    let mut text = String::new();
    let mut rest = statement;
    let mut used = 0;
    while let Some(at) = rest.find('%') {
        text.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix('%') {
            text.push('%');
            rest = after;
        } else if let (Some(after), Values::Positional(values)) = (rest.strip_prefix('s'), values) {
            let value = values.get(used);
            used += 1;
            text.push_str(&literal(value.ok_or("there are more `%s` than values")?));
            rest = after;
        } else if let (Some(after), Values::Named(values)) = (rest.strip_prefix('('), values) {
            let (name, after) = after
                .split_once(")s")
                .ok_or("`%(` has no `)s` after its name")?;
            let value = values.get(name);
            text.push_str(&literal(
                value.ok_or_else(|| format!("there is no value `{name}`"))?,
            ));
            rest = after;
        } else {
            return Err(
                "a `%` that stands for itself must be written `%%` beside values".to_owned(),
            );
        }
    }
    text.push_str(rest);
    if let Values::Positional(values) = values
        && used < values.len()
    {
        return Err("there are more values than `%s`".to_owned());
    }
    Ok(text)
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(flag) => i32::from(*flag).to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => mysql_text(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("({})", items.join(","))
        }
        Value::Object(_) => mysql_text(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_quoted_where_they_stand() {
        let positional = |values: Value| Values::Positional(values.as_array().unwrap().clone());
        let named = |values: Value| Values::Named(values.as_object().unwrap().clone());
        let table = [
            ("a % b", Values::None, Some("a % b")),
            (
                "x = %s AND y LIKE '%%'",
                positional(json!(["it's"])),
                Some("x = 'it''s' AND y LIKE '%'"),
            ),
            (
                "%s, %s, %s",
                positional(json!([1, null, true])),
                Some("1, NULL, 1"),
            ),
            ("IN %s", positional(json!([["a", 2]])), Some("IN ('a',2)")),
            (
                "%(a)s-%(b)s-%(a)s",
                named(json!({"a": "%(b)s", "b": 2})),
                Some("'%(b)s'-2-'%(b)s'"),
            ),
            ("%s", positional(json!([])), None),
            ("x", positional(json!([1])), None),
            ("%(c)s", named(json!({"a": 1})), None),
            ("100%", positional(json!([])), None),
        ];
        for (statement, values, expected) in table {
            let found = filled(statement, &values);
            assert_eq!(found.as_deref().ok(), expected, "{statement}: {found:?}");
        }
    }
}
