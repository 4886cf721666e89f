//! Splitting text into words: as a shell does, and as Ansible does with `name=value` words that hold templates.

/// Splits as a shell does, without substitutions; the error is a message.
pub(super) fn shell_words(text: &str) -> Result<Vec<String>, &'static str> {
    const OPEN: &str = "a quote is not closed";
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let current = word.get_or_insert_default();
        match c {
            '\'' => loop {
                match chars.next().ok_or(OPEN)? {
                    '\'' => break,
                    c => current.push(c),
                }
            },
            '"' => loop {
                match chars.next().ok_or(OPEN)? {
                    '"' => break,
                    '\\' => match chars.next().ok_or(OPEN)? {
                        c @ ('"' | '\\' | '$' | '`') => current.push(c),
                        c => current.extend(['\\', c]),
                    },
                    c => current.push(c),
                }
            },
            '\\' => current.push(chars.next().ok_or("nothing comes after a backslash")?),
            _ => current.push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A `name=value` word with the columns at which its name and its value start, in characters from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub name: String,
    pub name_column: usize,
    pub value: String,
    pub value_column: usize,
    pub quoted: bool,
}

/// Why a text is no list of `name=value` words, and the column where that is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoPairs {
    pub message: String,
    pub column: usize,
    pub width: usize,
}

/// Splits `a=1 b="x y" c={{ d | default('e f') }}`: spaces inside quotes and templates belong to the word.
pub(super) fn pairs(text: &str) -> Result<Vec<Pair>, NoPairs> {
    let mut pairs = Vec::new();
    for (word, column) in words(text)? {
        let wrong = |message: String| NoPairs {
            message,
            column,
            width: word.chars().count(),
        };
        let Some((name, value)) = split_pair(&word) else {
            return Err(wrong(format!("`{word}` is no variable: write name=value")));
        };
        let value_column = column + name.chars().count() + 1;
        let (value, quoted) = unquote(value);
        pairs.push(Pair {
            name: name.trim().to_owned(),
            name_column: column,
            value: escapes(value),
            value_column,
            quoted,
        });
    }
    Ok(pairs)
}

fn words(text: &str) -> Result<Vec<(String, usize)>, NoPairs> {
    let chars: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let (mut word, mut start) = (String::new(), 0);
    let (mut quote, mut depth): (Option<(char, usize)>, usize) = (None, 0);
    for (column, c) in chars.iter().copied().enumerate() {
        let before = column.checked_sub(1).and_then(|at| chars.get(at)).copied();
        let escaped = before == Some('\\');
        match (c, before) {
            ('{' | '%' | '#', Some('{')) if quote.is_none() => depth += 1,
            ('}', Some('}' | '%' | '#')) if quote.is_none() => depth = depth.saturating_sub(1),
            _ => {}
        }
        match quote {
            Some((open, _)) if c == open && !escaped => quote = None,
            None if matches!(c, '\'' | '"') && !escaped => quote = Some((c, column)),
            Some(_) | None => {}
        }
        if c.is_whitespace() && quote.is_none() && depth == 0 {
            if !word.is_empty() {
                words.push((std::mem::take(&mut word), start));
            }
        } else {
            if word.is_empty() {
                start = column;
            }
            word.push(c);
        }
    }
    if let Some((_, column)) = quote {
        return Err(NoPairs {
            message: "a quote is not closed".to_owned(),
            column,
            width: 1,
        });
    }
    if !word.is_empty() {
        words.push((word, start));
    }
    Ok(words)
}

/// Splits at the first `=` that no backslash escapes.
fn split_pair(word: &str) -> Option<(&str, &str)> {
    let (at, _) = word
        .match_indices('=')
        .find(|(at, _)| *at > 0 && !word.get(..*at).is_some_and(|before| before.ends_with('\\')))?;
    Some((word.get(..at)?, word.get(at + 1..)?))
}

fn unquote(value: &str) -> (&str, bool) {
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|value| value.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.ends_with('\\')) {
            return (inner, true);
        }
    }
    (value, false)
}

/// Replaces the escapes that Ansible knows in such words: `\n`, `\t`, `\"`, `\x41`, `\u00e4`.
fn escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut tail = after.chars();
        let simple = match tail.next() {
            Some(c @ ('\\' | '\'' | '"')) => Some(c),
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\x07'),
            Some('b') => Some('\x08'),
            Some('f') => Some('\x0c'),
            Some('v') => Some('\x0b'),
            Some(_) | None => None,
        };
        let code = |letter: char, length: usize| {
            let digits = after.strip_prefix(letter)?.get(..length)?;
            char::from_u32(u32::from_str_radix(digits, 16).ok()?).map(|c| (c, length + 1))
        };
        let found = simple
            .map(|c| (c, 1))
            .or_else(|| code('x', 2))
            .or_else(|| code('u', 4))
            .or_else(|| code('U', 8));
        if let Some((c, length)) = found {
            out.push(c);
            rest = after.get(length..).unwrap_or_default();
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shell_words_are_split_as_a_shell_does() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("-o  A=b", &["-o", "A=b"]),
            (
                "-o 'ProxyCommand=ssh -W %h:%p b' -i \"a b\"",
                &["-o", "ProxyCommand=ssh -W %h:%p b", "-i", "a b"],
            ),
            (r#"a\ b "c\"d" '' "\x""#, &["a b", "c\"d", "", r"\x"]),
        ];
        for (text, expected) in cases {
            assert_eq!(shell_words(text).unwrap(), *expected, "{text}");
        }
        for text in ["'a", "\"a", "a\\"] {
            assert!(shell_words(text).is_err(), "{text}");
        }
    }

    /// What is read was printed by `parse_kv` of ansible-core 2.19.
    #[test]
    fn pairs_are_read_as_ansible_does() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("a=1", &[("a", "1")]),
            ("a=1 b='x y'", &[("a", "1"), ("b", "x y")]),
            (
                "a={{ b | default('c d') }} e=f",
                &[("a", "{{ b | default('c d') }}"), ("e", "f")],
            ),
            ("a=\"it's\"", &[("a", "it's")]),
            (r"a=x\ny", &[("a", "x\ny")]),
            (r"a=\u00e4\x41", &[("a", "äA")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a=", &[("a", "")]),
            (
                "a={% if b %}c{% endif %}",
                &[("a", "{% if b %}c{% endif %}")],
            ),
            ("a={{b}}{{ c }} d=e", &[("a", "{{b}}{{ c }}"), ("d", "e")]),
            ("a=x'y z'", &[("a", "x'y z'")]),
        ];
        for (text, expected) in cases {
            let found = pairs(text).unwrap();
            let found: Vec<(&str, &str)> = found
                .iter()
                .map(|pair| (pair.name.as_str(), pair.value.as_str()))
                .collect();
            assert_eq!(found, *expected, "{text}");
        }
        assert_eq!(pairs("a=1 b").unwrap_err().column, 4);
        assert_eq!(pairs("a='1 b").unwrap_err().column, 2);
        let pair = &pairs("  ab='c'").unwrap()[0];
        assert_eq!(
            (pair.name_column, pair.value_column, pair.quoted),
            (2, 5, true)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_it_panic(text in "[a-c= '\"\\\\{}%#ux0é]{0,20}") {
            drop(pairs(&text));
            drop(shell_words(&text));
        }

        #[test]
        fn what_is_quoted_is_one_word(words in prop::collection::vec("[a-z '\"\\\\$]{0,8}", 0..5)) {
            let quoted: Vec<String> =
                words.iter().map(|word| crate::template::shell_quote(word)).collect();
            prop_assert_eq!(shell_words(&quoted.join(" ")).unwrap(), words);
        }
    }
}
