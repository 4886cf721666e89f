//! The small grammar of `ssh_config`: words with quotes, patterns with `*` and `?`, lists with `!`, spans of time. Pure.

use std::time::Duration;

/// Splits what follows a keyword into words: quotes of both kinds, backslashes before quotes and blanks, `#` ends it.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\\', _) => {
                    let escaped = chars.next_if(|next| {
                        matches!(next, '"' | '\'' | '\\') || (quote.is_none() && *next == ' ')
                    });
                    word.push(escaped.unwrap_or('\\'));
                }
                (' ' | '\t', None) => break,
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote is not closed".to_owned());
        }
        words.push(word);
    }
}

/// Splits a keyword from what follows: blanks, or blanks around one `=`.
pub(super) fn keyword(line: &str) -> (&str, &str) {
    let is_end = |c: char| c == ' ' || c == '\t' || c == '=';
    let (word, rest) = line.split_at(line.find(is_end).unwrap_or(line.len()));
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    (word.trim_matches('"'), rest.trim_start_matches([' ', '\t']))
}

/// Tells whether a text matches a pattern with `*` and `?`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(here) => {
                at += 1;
                here += 1;
            }
            _ => match star {
                // The last star takes one character more.
                Some((star_at, taken)) => {
                    at = star_at + 1;
                    here = taken + 1;
                    star = Some((star_at, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

/// Tells whether a text matches one of several patterns, and none of those with `!`.
pub(super) fn any_matches<'p>(patterns: impl Iterator<Item = &'p str>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

/// Reads a span of time: seconds, or numbers with `s`, `m`, `h`, `d`, `w`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut total = 0_u64;
    let mut number = String::new();
    for c in text.chars() {
        let unit = match c.to_ascii_lowercase() {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    if !number.is_empty() {
        total = total.checked_add(number.parse().ok()?)?;
    }
    (!text.is_empty()).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_ssh_does() {
        let cases: [(&str, &[&str]); 7] = [
            ("a b\tc", &["a", "b", "c"]),
            ("\"a b\" c", &["a b", "c"]),
            ("'a \"b' c # d", &["a \"b", "c"]),
            ("a#b # c", &["a#b"]),
            (r"a\ b \x \\", &["a b", r"\x", r"\"]),
            ("\"\" x", &["", "x"]),
            ("  # nothing", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
        assert!(split("\"a").is_err());
    }

    #[test]
    fn a_keyword_may_be_followed_by_one_equal_sign() {
        for line in [
            "Port 22",
            "Port=22",
            "Port = 22",
            "Port\t=22",
            "\"Port\" 22",
        ] {
            assert_eq!(keyword(line), ("Port", "22"), "{line}");
        }
        assert_eq!(keyword("Port"), ("Port", ""));
        assert_eq!(keyword("A ==b"), ("A", "=b"));
    }

    #[test]
    fn patterns_match() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*.example.org", "a.example.org", true),
            ("*.example.org", "example.org", false),
            ("10.0.?.*", "10.0.1.22", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b", "aXc", false),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        let list = |text: &str| any_matches(["*", "!b?"].into_iter(), text);
        assert!(list("a1") && !list("b1"));
        assert!(
            !any_matches(["!a"].into_iter(), "b"),
            "only `!` matches nothing"
        );
    }

    #[test]
    fn spans_of_time_are_read() {
        for (text, expected) in [
            ("90", Some(90)),
            ("1m30s", Some(90)),
            ("1H", Some(3600)),
            ("1d1", Some(86_401)),
            ("", None),
            ("x", None),
            ("s", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_secs), "{text}");
        }
    }
}
