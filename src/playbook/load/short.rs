//! Arguments in one line: `src=a dest="b c"`, and bare text for modules that take it.
//!
//! Splits as ansible-core's `parsing/splitter.py` does: on blanks, but not inside quotes or templates.

/// Splits a text on blanks that stand neither in quotes nor in a template; newlines stay at the end of what they follow.
pub(super) fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut splitter = Splitter::default();
    let lines: Vec<&str> = text.split('\n').collect();
    for (index, line) in lines.iter().enumerate() {
        splitter.line(line, index + 1 < lines.len());
    }
    if splitter.is_open() {
        Err("a quote or a template is not closed")
    } else {
        Ok(splitter.parts)
    }
}

#[derive(Debug, Default)]
struct Splitter {
    parts: Vec<String>,
    quote: Option<char>,
    depths: [usize; 3],
}

const BRACES: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

impl Splitter {
    fn is_open(&self) -> bool {
        self.quote.is_some() || self.depths.iter().any(|depth| *depth > 0)
    }

    fn line(&mut self, line: &str, ends: bool) {
        let mut continued = false;
        for (index, token) in line.split(' ').enumerate() {
            if token.is_empty() && index > 0 {
                self.append(" ");
            } else if token == "\\" && self.quote.is_none() {
                continued = true;
            } else {
                self.token(token, index);
            }
        }
        if ends && !continued {
            self.append("\n");
        }
    }

    fn token(&mut self, token: &str, index: usize) {
        let was_quoted = self.quote.is_some();
        let was_deep = self.depths.iter().any(|depth| *depth > 0);
        self.quote = quote_after(token, self.quote);
        if was_quoted || was_deep {
            if index > 0 {
                self.append(" ");
            }
            self.append(token);
        } else if !token.is_empty() || self.quote.is_some() {
            self.parts.push(token.to_owned());
        }
        for (depth, (open, close)) in self.depths.iter_mut().zip(BRACES) {
            *depth =
                (*depth + token.matches(open).count()).saturating_sub(token.matches(close).count());
        }
    }

    fn append(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(last) => last.push_str(text),
            None => self.parts.push(text.to_owned()),
        }
    }
}

/// Returns the quote that is open after a token.
fn quote_after(token: &str, mut quote: Option<char>) -> Option<char> {
    let mut before = None;
    for c in token.chars() {
        if matches!(c, '"' | '\'') && before != Some('\\') {
            match quote {
                Some(open) if open == c => quote = None,
                Some(_) => {}
                None => quote = Some(c),
            }
        }
        before = Some(c);
    }
    quote
}

/// Puts parts of [`split`] together again as they were.
pub(super) fn join(parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

/// What a line holds: pairs, and the bare text that is left.
pub(super) type Line = (Vec<(String, String)>, Option<String>);

/// Reads `key=value` pairs; what is no pair, or has a key that `takes` refuses, is the bare text that is left.
pub(super) fn pairs(text: &str, takes: impl Fn(&str) -> bool) -> Result<Line, &'static str> {
    let (mut found, mut bare) = (Vec::new(), Vec::new());
    for part in split(text)? {
        match at_equals_sign(&part) {
            Some((key, value)) if takes(key.trim()) => {
                let value = unescaped(unquoted(value.trim()));
                found.push((key.trim().to_owned(), value));
            }
            Some(_) => bare.push(part),
            None => bare.push(part.replace("\\=", "=")),
        }
    }
    let bare = (!bare.is_empty()).then(|| join(&bare));
    Ok((found, bare))
}

/// Splits at the first `=` that is neither the first character nor escaped.
fn at_equals_sign(part: &str) -> Option<(&str, &str)> {
    part.match_indices('=')
        .map(|(at, _)| (part.split_at(at).0, part.split_at(at + 1).1))
        .find(|(key, _)| !key.is_empty() && !key.ends_with('\\'))
}

/// Takes one pair of quotes off.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.ends_with('\\')) {
            return inner;
        }
    }
    value
}

/// Reads the escapes that people write in such values: `\n`, `\t`, `\\`, `\"`, `\'`.
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some(c @ ('\\' | '"' | '\'')) => text.push(c),
            Some(c) => text.extend(['\\', c]),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_as_ansible_does() {
        let cases: [(&str, &[&str]); 9] = [
            ("a b  c", &["a", "b ", "c"]),
            ("a=b c=\"foo bar\"", &["a=b", "c=\"foo bar\""]),
            ("a={{ x + 1 }} b", &["a={{ x + 1 }}", "b"]),
            ("a={{x}} {{ y }}z w", &["a={{x}}", "{{ y }}z", "w"]),
            ("echo 'it is' fine", &["echo", "'it is'", "fine"]),
            ("one\ntwo three", &["one\n", "two", "three"]),
            ("one \\\ntwo", &["one", "two"]),
            ("echo {#a b#} c", &["echo", "{#a b#}", "c"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text).unwrap(), expected, "{text:?}");
        }
        assert!(split("a 'b").is_err());
        assert!(split("a {{ b").is_err());
    }

    #[test]
    fn pairs_are_told_from_bare_text() {
        let own = |key: &str| ["creates", "chdir"].contains(&key);
        assert_eq!(
            pairs("make X=1 install creates=/x chdir='/a b'", own).unwrap(),
            (
                vec![
                    ("creates".into(), "/x".into()),
                    ("chdir".into(), "/a b".into())
                ],
                Some("make X=1 install".into())
            )
        );
        assert_eq!(
            pairs("src=a content=\"x\\ny\" dest={{ a }}", |_| true).unwrap(),
            (
                vec![
                    ("src".into(), "a".into()),
                    ("content".into(), "x\ny".into()),
                    ("dest".into(), "{{ a }}".into())
                ],
                None
            )
        );
        assert_eq!(
            pairs("echo  'a  b'\n  c", own).unwrap().1.as_deref(),
            Some("echo  'a  b'\n  c")
        );
    }
}
