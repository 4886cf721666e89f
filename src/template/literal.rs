//! The texts between quotes in a template.
//!
//! In a value of a YAML file a backslash means itself, since YAML has had its say already; in a template file it
//! begins an escape, as in Python. The parser's own reading is not used: it refuses escapes that Ansible accepts.

/// Returns the text that one or several quoted texts beside each other stand for.
pub(crate) fn decode(written: &str, backslash_is_plain: bool) -> String {
    let mut text = String::with_capacity(written.len());
    let mut rest = written.trim_start();
    while let Some(quote) = rest.chars().next().filter(|c| *c == '"' || *c == '\'') {
        let inner = rest.get(1..).unwrap_or_default();
        let end = closing(inner, quote);
        let body = inner.get(..end).unwrap_or(inner);
        if backslash_is_plain || !body.contains('\\') {
            text.push_str(body);
        } else {
            unescape(body, &mut text);
        }
        rest = inner.get(end + 1..).unwrap_or_default().trim_start();
    }
    text
}

/// Returns where the closing quote is.
fn closing(inner: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at;
        }
    }
    inner.len()
}

/// Reads escapes as Python does; what is no escape stays as it is.
fn unescape(body: &str, text: &mut String) {
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let after = escape.get(1..).unwrap_or_default();
        let Some(c) = after.chars().next() else {
            text.push('\\');
            return;
        };
        let (decoded, length) = match c {
            '\n' => (None, 1),
            '\\' | '\'' | '"' => (Some(c), 1),
            'a' => (Some('\x07'), 1),
            'b' => (Some('\x08'), 1),
            'f' => (Some('\x0c'), 1),
            'n' => (Some('\n'), 1),
            'r' => (Some('\r'), 1),
            't' => (Some('\t'), 1),
            'v' => (Some('\x0b'), 1),
            'x' => number(after, 1, 2, 16),
            'u' => number(after, 1, 4, 16),
            'U' => number(after, 1, 8, 16),
            '0'..='7' => {
                let digits = after
                    .chars()
                    .take(3)
                    .take_while(|c| ('0'..='7').contains(c));
                number(after, 0, digits.count(), 8)
            }
            _ => (Some('\\'), 0),
        };
        text.extend(decoded);
        rest = after.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
}

/// Reads a character's number; one that is no character leaves the backslash alone.
fn number(after: &str, from: usize, digits: usize, radix: u32) -> (Option<char>, usize) {
    let number = after
        .get(from..from + digits)
        .and_then(|digits| u32::from_str_radix(digits, radix).ok())
        .and_then(char::from_u32);
    match number {
        Some(c) => (Some(c), from + digits),
        None => (Some('\\'), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_pythons_in_files_and_plain_in_values() {
        let cases = [
            (r"'plain'", "plain", "plain"),
            (r"'a\nb'", "a\nb", r"a\nb"),
            (r"'it\'s'", "it's", r"it\'s"),
            (r"'\1'", "\x01", r"\1"),
            (r"'\d\.'", r"\d\.", r"\d\."),
            (r"'\x41\u00e9\U0001F600'", "Aé😀", r"\x41\u00e9\U0001F600"),
            (r"'\x4'", r"\x4", r"\x4"),
            (r#""a" 'b'"#, "ab", "ab"),
            ("'a\\\nb'", "ab", "a\\\nb"),
            (r"'\\1'", r"\1", r"\\1"),
            (r"'\101\0'", "A\0", r"\101\0"),
        ];
        for (written, in_file, in_value) in cases {
            assert_eq!(decode(written, false), in_file, "{written}");
            assert_eq!(decode(written, true), in_value, "{written}");
        }
    }
}
