//! What Python does with text, where Rust does it otherwise.

use super::failure::{Fault, failed};
use super::spec::WIDEST;

/// The sides of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
    Both,
}

/// Returns how often something is done at most; a negative number means without limit.
pub(crate) fn limit(number: i128) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Returns the position that an index means in a text of so many characters.
pub(crate) fn clamp(index: i128, count: usize) -> usize {
    let length = i128::try_from(count).unwrap_or(i128::MAX);
    let index = if index < 0 {
        index.saturating_add(length)
    } else {
        index
    };
    usize::try_from(index.clamp(0, length)).unwrap_or(count)
}

/// Splits a text; without a separator at white space.
pub(crate) fn split(text: &str, separator: Option<&str>, max: i128) -> Result<Vec<String>, Fault> {
    let most = limit(max).saturating_add(1);
    let Some(separator) = separator else {
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            if parts.len() + 1 == most {
                parts.push(rest.to_owned());
                break;
            }
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            parts.push(part.to_owned());
            rest = after.trim_start();
        }
        return Ok(parts);
    };
    if separator.is_empty() {
        return Err(failed("the separator is empty"));
    }
    Ok(text.splitn(most, separator).map(str::to_owned).collect())
}

/// Splits a text from its end.
pub(crate) fn rsplit(text: &str, separator: Option<&str>, max: i128) -> Result<Vec<String>, Fault> {
    let most = limit(max).saturating_add(1);
    let mut parts: Vec<String> = Vec::new();
    match separator {
        Some("") => return Err(failed("the separator is empty")),
        Some(separator) => parts.extend(text.rsplitn(most, separator).map(str::to_owned)),
        None => {
            let mut rest = text.trim_end();
            while !rest.is_empty() {
                if parts.len() + 1 == most {
                    parts.push(rest.to_owned());
                    break;
                }
                let part = rest.rsplit(char::is_whitespace).next().unwrap_or(rest);
                parts.push(part.to_owned());
                rest = rest
                    .get(..rest.len() - part.len())
                    .unwrap_or_default()
                    .trim_end();
            }
        }
    }
    parts.reverse();
    Ok(parts)
}

/// Splits a text into lines, at every end of line that Python knows.
pub(crate) fn lines(text: &str, keep_ends: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let ends = matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        );
        if !ends {
            line.push(c);
            continue;
        }
        let second = if c == '\r' {
            chars.next_if_eq(&'\n')
        } else {
            None
        };
        if keep_ends {
            line.push(c);
            line.extend(second);
        }
        lines.push(std::mem::take(&mut line));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Takes characters off the sides of a text; white space, if none are given.
pub(crate) fn strip<'t>(text: &'t str, chars: Option<&str>, side: Side) -> &'t str {
    let off = |c: char| chars.map_or(c.is_whitespace(), |chars| chars.contains(c));
    let text = if side == Side::Right {
        text
    } else {
        text.trim_start_matches(off)
    };
    if side == Side::Left {
        text
    } else {
        text.trim_end_matches(off)
    }
}

/// Fills a text up to a width, on these sides.
pub(crate) fn pad(text: &str, width: usize, fill: char, side: Side) -> Result<String, Fault> {
    if width > WIDEST {
        return Err(failed("the width is too large"));
    }
    let count = text.chars().count();
    let lacking = width.saturating_sub(count);
    let fill = |count: usize| fill.to_string().repeat(count);
    let left = match side {
        Side::Left => lacking,
        Side::Right => 0,
        // Python puts the odd one at the left if the width is odd.
        Side::Both => lacking / 2 + (lacking & width & 1),
    };
    Ok(fill(left) + text + &fill(lacking - left))
}

/// Makes the first character upper case and all others lower case.
pub(crate) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + &chars.as_str().to_lowercase()
}

/// Makes every letter that follows no letter upper case and all others lower case.
pub(crate) fn title(text: &str) -> String {
    let mut after_letter = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if after_letter {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        after_letter = c.is_alphabetic();
    }
    out
}

/// Turns upper case to lower case and the other way round.
pub(crate) fn swap_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
}

/// Tells whether a text has letters and all are lower case.
pub(crate) fn is_lower(text: &str) -> bool {
    text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)
}

/// Tells whether a text has letters and all are upper case.
pub(crate) fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_as_python_splits_them() {
        let cases: [(&str, Option<&str>, i128, &[&str]); 8] = [
            ("  a  b c ", None, -1, &["a", "b", "c"]),
            ("  a  b c ", None, 1, &["a", "b c "]),
            ("a,b,,c", Some(","), -1, &["a", "b", "", "c"]),
            ("a,b,c", Some(","), 1, &["a", "b,c"]),
            ("", Some(","), -1, &[""]),
            ("", None, -1, &[]),
            ("a", Some(","), 0, &["a"]),
            (" a b", None, 0, &["a b"]),
        ];
        for (text, separator, max, expected) in cases {
            assert_eq!(split(text, separator, max).unwrap(), expected, "{text:?}");
        }
        assert_eq!(rsplit("a,b,c", Some(","), 1).unwrap(), ["a,b", "c"]);
        assert_eq!(rsplit(" a  b c", None, 1).unwrap(), [" a  b", "c"]);
        assert!(split("a", Some(""), -1).is_err());
        assert_eq!(lines("a\r\nb\n\nc", false), ["a", "b", "", "c"]);
        assert_eq!(lines("a\r\nb\n", true), ["a\r\n", "b\n"]);
    }

    #[test]
    fn texts_are_changed_as_python_changes_them() {
        assert_eq!(title("it's a DAY"), "It'S A Day");
        assert_eq!(capitalize("hELLO wORLD"), "Hello world");
        assert_eq!(pad("ab", 5, '.', Side::Both).unwrap(), "..ab.");
        assert_eq!(pad("abc", 6, '.', Side::Both).unwrap(), ".abc..");
        assert_eq!(strip("xxaxx", Some("x"), Side::Left), "axx");
        assert!(is_lower("ab1") && !is_lower("1") && !is_lower("aB"));
        assert_eq!(clamp(-2, 5), 3);
        assert_eq!(clamp(-9, 5), 0);
        assert_eq!(clamp(9, 5), 5);
    }
}
