//! The text of `arangod.conf`: sections, keys, comments.

/// Returns each setting as `section.key` with its value, in the file's order.
pub fn settings(text: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.trim().clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim();
            let name = if section.is_empty() {
                key.to_owned()
            } else {
                format!("{section}.{key}")
            };
            found.push((name, value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_prefix_their_keys() {
        let text =
            "# head\nuid = x\n[server]\nendpoint = tcp://[::]:8531 # here\n\n[ssl]\nkeyfile=/k=1\n";
        let expected = [
            ("uid", "x"),
            ("server.endpoint", "tcp://[::]:8531"),
            ("ssl.keyfile", "/k=1"),
        ];
        let found = settings(text);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
}
