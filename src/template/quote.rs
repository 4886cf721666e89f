//! Quoting for a POSIX shell.

use std::fmt::Write as _;

/// Quotes a text so that a POSIX shell reads it as one word, whatever bytes it holds (as Python's `shlex.quote`).
pub fn shell_quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r#"'"'"'"#))
    }
}

/// Quotes any bytes but NUL so that a POSIX shell reads them as one word, in a text that is plain UTF-8.
///
/// Text stands between single quotes; bytes that are no UTF-8 are printed by the shell itself. A command substitution
/// drops newlines at its end, so it is used for those bytes alone.
pub fn shell_quote_bytes(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return shell_quote(text);
    }
    let mut quoted = String::new();
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            quoted.push_str(&shell_quote(chunk.valid()));
        }
        if !chunk.invalid().is_empty() {
            quoted.push_str("\"$(printf '");
            for byte in chunk.invalid() {
                let _ = write!(quoted, "\\{byte:03o}");
            }
            quoted.push_str("')\"");
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_when_they_must_be() {
        assert_eq!(shell_quote("/usr/bin/x=1"), "/usr/bin/x=1");
        assert_eq!(shell_quote(""), "''");
        assert_eq!(shell_quote("a b$c"), "'a b$c'");
        assert_eq!(shell_quote("it's"), r#"'it'"'"'s'"#);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(40))]
        #[test]
        fn any_bytes_come_through_every_shell_as_the_same_words(words in proptest::collection::vec(proptest::collection::vec(1u8..=255, 0..12), 1..8)) {
            let line: Vec<String> = words.iter().map(|word| shell_quote_bytes(word)).collect();
            let script = format!("printf '%s\\0' {}", line.join(" "));
            let expected: Vec<u8> = words.iter().flat_map(|word| word.iter().copied().chain([0])).collect();
            for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
                proptest::prop_assert_eq!(&run(shell, &script), &expected, "{:?}: {}", shell, script);
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "quoting is tried in real shells")]
    fn run(shell: &[&str], script: &str) -> Vec<u8> {
        std::process::Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", script])
            .output()
            .unwrap()
            .stdout
    }
}
