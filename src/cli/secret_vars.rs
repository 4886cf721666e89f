//! Variables of the command line that are secrets, told by their names.

use serde_json::Value;

use crate::secrets::Secret;

/// Words that a secret's name has in it.
const SECRETIVE: [&str; 6] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "private_key",
];
/// Shorter values are words: hiding them would hide every other text.
const SHORTEST: usize = 4;

/// Returns the variables of `-e` arguments whose names say that they are secret.
pub(super) fn find(extra_vars: &[String]) -> Vec<(String, Secret)> {
    let secret = |(name, value): (String, Value)| {
        let text = value.as_str().map(str::to_owned)?;
        (is_secret(&name) && text.len() >= SHORTEST).then(|| (name, Secret::new(text)))
    };
    pairs(extra_vars).into_iter().filter_map(secret).collect()
}

/// Ends of names that say where a secret is, or something of it, and not the secret.
const ABOUT: [&str; 12] = [
    "_file",
    "_files",
    "_path",
    "_keyfile",
    "_dir",
    "_url",
    "_length",
    "_chars",
    "_prompt",
    "_ttl",
    "update_password",
    "encrypt_password",
];

/// Tells whether a variable's name says that it is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    if ABOUT.iter().any(|end| lower.ends_with(end)) {
        return false;
    }
    SECRETIVE.iter().any(|word| lower.contains(word))
}

/// Returns the names of the variables that stand on the line itself.
pub(super) fn names(extra_vars: &[String]) -> Vec<String> {
    pairs(extra_vars)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn pairs(extra_vars: &[String]) -> Vec<(String, Value)> {
    let mut pairs = Vec::new();
    for argument in extra_vars {
        if argument.starts_with('@') {
            continue;
        }
        if let Ok(Value::Object(map)) = serde_json::from_str(argument) {
            pairs.extend(map);
            continue;
        }
        let quoted = |c| matches!(c, '"' | '\'');
        for word in argument.split_whitespace() {
            if let Some((name, value)) = word.split_once('=') {
                let value = value.trim_matches(quoted).to_owned();
                pairs.push((name.to_owned(), Value::String(value)));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        let given = [
            "who=moon db_password=hunter22".to_owned(),
            r#"{"api_token": "abcdef", "n": 1}"#.to_owned(),
            "@file".to_owned(),
            "token=x".to_owned(),
        ];
        let found: Vec<(String, String)> = find(&given)
            .into_iter()
            .map(|(name, secret)| (name, secret.reveal().to_owned()))
            .collect();
        assert_eq!(
            found,
            [
                ("db_password".to_owned(), "hunter22".to_owned()),
                ("api_token".to_owned(), "abcdef".to_owned())
            ]
        );
        assert_eq!(
            names(&given),
            ["who", "db_password", "api_token", "n", "token"]
        );
    }
}
