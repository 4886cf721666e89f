//! Regular expressions in Python's syntax, on files of any encoding.
//!
//! Ansible's editing modules take Python's patterns. They are translated where the engine used here reads something
//! else in the same text (`$`, `\Z`, `\<`, braces and brackets that stand for themselves).

use fancy_regex::{Captures, Regex, RegexBuilder};

use crate::modules::ModuleError;

/// How the bytes of a file are seen as text: as UTF-8 if they are, else each byte as one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// The bytes are UTF-8.
    Utf8,
    /// They are not: each byte is the character of its number, as in Python's patterns on bytes.
    Bytes,
}

impl Text {
    /// Chooses for a file's content.
    pub fn of(content: &[u8]) -> Self {
        if std::str::from_utf8(content).is_ok() {
            Self::Utf8
        } else {
            Self::Bytes
        }
    }

    /// Returns bytes as text.
    pub fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Bytes => bytes.iter().map(|byte| char::from(*byte)).collect(),
        }
    }

    /// Returns text as the bytes that it came from.
    pub fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Bytes => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
                .collect(),
        }
    }
}

/// Flags of a pattern.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// `^` and `$` match at each line.
    pub multi_line: bool,
    /// `.` matches a line's end too.
    pub dot_all: bool,
}

/// A pattern in Python's syntax.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    source: String,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(source: &str, text: Text, flags: Flags) -> Result<Self, ModuleError> {
        let seen = text.decode(source.as_bytes());
        let multi_line = flags.multi_line || inline_flag(&seen, 'm');
        let regex = RegexBuilder::new(&translated(&seen, multi_line))
            .multi_line(flags.multi_line)
            .dot_matches_new_line(flags.dot_all)
            .build()
            .map_err(|error| ModuleError::failed(format!("bad pattern `{source}`: {error}")))?;
        Ok(Self {
            regex,
            source: source.to_owned(),
        })
    }

    /// Finds the first match at or after a byte position.
    pub fn captures<'t>(
        &self,
        text: &'t str,
        from: usize,
    ) -> Result<Option<Captures<'t, str>>, ModuleError> {
        self.regex
            .captures_from_pos(text, from)
            .map_err(|error| ModuleError::failed(format!("pattern `{}`: {error}", self.source)))
    }

    /// Returns the names of its groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.regex.capture_names().flatten()
    }

    /// Tells whether the pattern matches anywhere in a text.
    pub fn is_match(&self, text: &str) -> Result<bool, ModuleError> {
        Ok(self.captures(text, 0)?.is_some())
    }

    /// Tells whether the pattern matches at the start of a text (Python's `re.match`).
    pub fn matches_start(&self, text: &str) -> Result<bool, ModuleError> {
        let found = self.captures(text, 0)?;
        Ok(found.is_some_and(|groups| groups.get(0).is_some_and(|whole| whole.start() == 0)))
    }

    /// Replaces every match, as Python's `re.subn`: the text and how many.
    pub fn replace_all(&self, text: &str, template: &str) -> Result<(String, usize), ModuleError> {
        let (mut out, mut count, mut copied, mut from) = (String::new(), 0, 0, 0);
        while from <= text.len() {
            let Some(groups) = self.captures(text, from)? else {
                break;
            };
            let Some(whole) = groups.get(0) else { break };
            out.push_str(text.get(copied..whole.start()).unwrap_or_default());
            out.push_str(&expand(template, &groups)?);
            count += 1;
            copied = whole.end();
            from = if whole.end() > whole.start() {
                whole.end()
            } else {
                let next = text.get(whole.end()..).and_then(|rest| rest.chars().next());
                whole.end() + next.map_or(1, char::len_utf8)
            };
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Ok((out, count))
    }
}

/// Fills a replacement template in Python's syntax: `\1`, `\g<1>`, `\g<name>`, `\n` and the like.
pub fn expand(template: &str, groups: &Captures<'_, str>) -> Result<String, ModuleError> {
    let mut out = String::new();
    let mut chars = template.chars().peekable();
    let bad = |what: String| {
        ModuleError::failed(format!("bad escape {what} in the replacement `{template}`"))
    };
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            None => return Err(bad("(end of text)".to_owned())),
            Some('g') => {
                let rest: String = chars.by_ref().take_while(|c| *c != '>').collect();
                let name = rest
                    .strip_prefix('<')
                    .ok_or_else(|| bad("\\g".to_owned()))?;
                let group = match name.parse::<usize>() {
                    Ok(number) if number < groups.len() => groups.get(number),
                    Err(_) if !name.is_empty() => groups.name(name),
                    _ => return Err(bad(format!("\\g<{name}>"))),
                };
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some('0') => {
                let digits = octal(&mut chars, 2);
                out.extend(char::from_u32(digits));
            }
            Some(digit) if digit.is_ascii_digit() => {
                let mut number = digit.to_digit(10).unwrap_or(0) as usize;
                if let Some(next) = chars.peek().and_then(|c| c.to_digit(10)) {
                    number = number * 10 + next as usize;
                    chars.next();
                }
                if number >= groups.len() {
                    return Err(bad(format!("\\{number} (no such group)")));
                }
                out.push_str(groups.get(number).map_or("", |group| group.as_str()));
            }
            Some(letter) if letter.is_ascii_alphabetic() => {
                out.push(escaped(letter).ok_or_else(|| bad(format!("\\{letter}")))?);
            }
            Some('\\') => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    Ok(out)
}

fn octal(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, most: usize) -> u32 {
    let mut value = 0;
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else {
            break;
        };
        value = value * 8 + digit;
        chars.next();
    }
    value
}

fn escaped(letter: char) -> Option<char> {
    Some(match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'v' => '\x0b',
        _ => return None,
    })
}

/// Tells whether a pattern starts with inline flags that hold `flag`.
fn inline_flag(source: &str, flag: char) -> bool {
    source
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(flags, _)| {
            flags.contains(flag) && flags.chars().all(|c| c.is_ascii_lowercase())
        })
}

/// Translates Python's syntax into that of the engine.
fn translated(source: &str, multi_line: bool) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied();
    let mut out = String::new();
    let mut index = 0;
    while let Some(c) = at(index) {
        match c {
            '\\' => {
                index += 1;
                out.push_str(&escape(at(index)));
            }
            '[' => {
                let (class, end) = class(&chars, index);
                out.push_str(&class);
                index = end;
            }
            // Without the flag for lines, Python's `$` also matches before a line end that is the text's last byte.
            '$' if !multi_line => out.push_str(r"(?=\n?\z)"),
            '{' if !is_repetition(&chars, index) => out.push_str(r"\{"),
            '}' if !closes_repetition(&chars, index) => out.push_str(r"\}"),
            c => out.push(c),
        }
        index += 1;
    }
    out
}

fn escape(c: Option<char>) -> String {
    match c {
        Some('Z') => r"\z".to_owned(),
        Some(c) if c.is_ascii_alphanumeric() => format!("\\{c}"),
        // `\<` and the like stand for themselves in Python; here they would be word boundaries.
        Some(c @ ('<' | '>')) => c.to_string(),
        Some(c) if c.is_ascii_punctuation() => format!("\\{c}"),
        Some(' ') => r"\x20".to_owned(),
        Some(c) => c.to_string(),
        None => "\\".to_owned(),
    }
}

/// Translates a class in brackets: what would nest or combine classes here stands for itself in Python.
fn class(chars: &[char], start: usize) -> (String, usize) {
    let at = |index: usize| chars.get(index).copied();
    let mut out = "[".to_owned();
    let mut index = start + 1;
    if at(index) == Some('^') {
        out.push('^');
        index += 1;
    }
    let first = index;
    while let Some(c) = at(index) {
        match c {
            ']' if index > first => {
                out.push(']');
                return (out, index);
            }
            '\\' => {
                index += 1;
                out.push_str(&match at(index) {
                    Some('b') => r"\x08".to_owned(),
                    other => escape(other),
                });
            }
            '[' | ']' | '&' | '~' => out.extend(['\\', c]),
            '-' if at(index + 1) == Some('-') && index > first => out.push_str(r"\-"),
            c => out.push(c),
        }
        index += 1;
    }
    (out, index)
}

/// Tells whether `{` at `index` starts `{2}`, `{2,}`, `{,3}` or `{2,3}`.
fn is_repetition(chars: &[char], index: usize) -> bool {
    let inner: String = chars
        .iter()
        .skip(index + 1)
        .take_while(|c| **c != '}')
        .collect();
    let closed = chars.get(index + 1 + inner.chars().count()) == Some(&'}');
    let number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    index > 0
        && closed
        && inner.chars().any(|c| c.is_ascii_digit())
        && match inner.split_once(',') {
            Some((least, most)) => number(least) && number(most),
            None => number(&inner),
        }
}

fn closes_repetition(chars: &[char], index: usize) -> bool {
    let open = chars.iter().take(index).rposition(|c| *c == '{');
    open.is_some_and(|open| {
        is_repetition(chars, open) && !chars.iter().take(index).skip(open).any(|c| *c == '}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str) -> Pattern {
        Pattern::new(source, Text::Utf8, Flags::default()).unwrap()
    }

    #[test]
    fn patterns_mean_what_python_means() {
        for (source, text, matches) in [
            ("^foo$", "foo\n", true),
            ("^foo$", "foo\nbar", false),
            (r"foo\Z", "foo\n", false),
            ("(?m)^bar$", "foo\nbar\nbaz", true),
            (r"a{b}", "a{b}", true),
            (r"a{2}$", "aa", true),
            (r"\{\{ x \}\}", "{{ x }}", true),
            ("{{ x }}", "{{ x }}", true),
            (r"\<b\>", "<b>", true),
            ("[[]x[]]", "[x]", true),
            ("[a&&b]", "&", true),
            (r"^\s*(?!#)key", "  key", true),
            (r"^\s*(?!#)key", "# key", false),
            (r"(?P<q>['\x22])x(?P=q)", "'x'", true),
            (r"(a)\1", "aa", true),
            ("(?i)KEY", "key", true),
            (r"^Restart\=", "Restart=no", true),
            (r"a\ b\/c\-d", "a b/c-d", true),
        ] {
            let found = pattern(source).is_match(text).unwrap();
            assert_eq!(found, matches, "`{source}` on {text:?}");
        }
        assert!(Pattern::new("(", Text::Utf8, Flags::default()).is_err());
    }

    #[test]
    fn replacing_counts_as_python_does() {
        for (source, template, text, result, count) in [
            ("x*", "-", "abxd", "-a-b--d-", 5),
            ("(a)(b)?", r"[\1\2]", "aba", "[ab][a]", 2),
            (
                r"(?P<k>\w+)=(\d+)",
                r"\g<k>:\g<2>0",
                "a=1 b=2",
                "a:10 b:20",
                2,
            ),
            ("a", r"\\n\t", "a", "\\n\t", 1),
        ] {
            let replaced = pattern(source).replace_all(text, template).unwrap();
            assert_eq!(replaced, (result.to_owned(), count), "{source}");
        }
        assert!(pattern("a").replace_all("a", r"\2").is_err());
        assert!(pattern("a").replace_all("a", r"\q").is_err());
    }

    #[test]
    fn bytes_that_are_no_text_survive() {
        let bytes = b"caf\xe9 = \xff\n";
        let text = Text::of(bytes);
        assert_eq!(text, Text::Bytes);
        assert_eq!(text.encode(&text.decode(bytes)), bytes);
        let regex = Pattern::new("caf. = (.)", text, Flags::default()).unwrap();
        assert!(regex.is_match(&text.decode(bytes)).unwrap());
    }
}
