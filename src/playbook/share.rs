//! The size of a batch: a number of hosts, or a share of them.

use serde_json::Value;

/// How many hosts a batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// A number of hosts; none means all that are left.
    Hosts(usize),
    /// A percentage of all hosts of the play.
    Percent(u32),
}

impl Share {
    /// Reads "3" or "25%".
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().map(Self::Percent),
            None => text.trim().parse().ok().map(Self::Hosts),
        }
    }

    /// Reads a rendered entry of `serial`: a number or a text, or a list of them.
    pub fn of(value: &Value) -> Option<Vec<Self>> {
        match value {
            Value::Number(number) => {
                let hosts = number
                    .as_u64()
                    .and_then(|number| usize::try_from(number).ok());
                hosts.map(|hosts| vec![Self::Hosts(hosts)])
            }
            Value::String(text) => Self::parse(text).map(|share| vec![share]),
            Value::Array(items) => {
                let shares: Option<Vec<Vec<Self>>> = items.iter().map(Self::of).collect();
                shares.map(|shares| shares.concat())
            }
            Value::Null | Value::Bool(_) | Value::Object(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_are_numbers_and_percentages() {
        for (value, expected) in [
            (json!(2), Some(vec![Share::Hosts(2)])),
            (json!("2"), Some(vec![Share::Hosts(2)])),
            (json!("30%"), Some(vec![Share::Percent(30)])),
            (
                json!([1, "10 %"]),
                Some(vec![Share::Hosts(1), Share::Percent(10)]),
            ),
            (json!("-1"), None),
            (json!(-1), None),
            (json!("half"), None),
            (json!({}), None),
        ] {
            assert_eq!(Share::of(&value), expected, "{value}");
        }
    }
}
