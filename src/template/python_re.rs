//! Python's regular expressions over `fancy-regex`: what is written otherwise is translated.
//!
//! Look-around, back-references and conditions are the library's; this file translates what the two read differently
//! (`$`, `\Z`, a `[` within brackets, needless escapes, `{,n}`), expands replacements (`\1`, `\g<name>`), and goes
//! through matches as Python does, where an empty match may follow a match at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use fancy_regex::Regex;

use super::failure::{Fault, failed};

/// What a match found.
pub(crate) type Found<'t> = fancy_regex::Captures<'t, str>;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Rc<Regex>);

thread_local! {
    static KNOWN: RefCell<HashMap<(String, u8), Pattern>> = RefCell::default();
}

/// How many patterns a thread keeps.
const KEPT: usize = 200;

/// What a pattern is read with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) ignore_case: bool,
    pub(crate) multiline: bool,
}

impl Pattern {
    /// Compiles a pattern, or finds it among those that were used lately.
    pub(crate) fn new(pattern: &str, flags: Flags) -> Result<Self, Fault> {
        let key = (
            pattern.to_owned(),
            u8::from(flags.ignore_case) | (u8::from(flags.multiline) << 1),
        );
        let known = KNOWN.with_borrow(|known| known.get(&key).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let mut builder = fancy_regex::RegexBuilder::new(&translate(pattern, flags.multiline));
        builder
            .case_insensitive(flags.ignore_case)
            .multi_line(flags.multiline);
        let regex = builder
            .build()
            .map_err(|_| failed("the pattern is no regular expression"))?;
        let compiled = Self(Rc::new(regex));
        KNOWN.with_borrow_mut(|known| {
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(key, compiled.clone());
        });
        Ok(compiled)
    }

    /// Finds the first match.
    pub(crate) fn search<'t>(&self, text: &'t str) -> Result<Option<Found<'t>>, Fault> {
        self.from(text, 0)
    }

    fn from<'t>(&self, text: &'t str, at: usize) -> Result<Option<Found<'t>>, Fault> {
        self.0
            .captures_from_pos(text, at)
            .map_err(|_| failed("the pattern takes too long to match"))
    }

    /// Returns all matches, as Python finds them; at most `most`.
    pub(crate) fn all<'t>(&self, text: &'t str, most: usize) -> Result<Vec<Found<'t>>, Fault> {
        let mut found = Vec::new();
        let mut at = 0;
        while found.len() < most && at <= text.len() {
            let Some(captures) = self.from(text, at)? else {
                break;
            };
            let Some(whole) = captures.get(0) else { break };
            let (start, end) = (whole.start(), whole.end());
            at = if start == end {
                // After an empty match the next one must not be the same once more.
                let next = text.get(end..).and_then(|rest| rest.chars().next());
                end + next.map_or(1, char::len_utf8)
            } else {
                end
            };
            found.push(captures);
        }
        Ok(found)
    }

    /// Counts the groups.
    pub(crate) fn groups(&self) -> usize {
        self.0.captures_len().saturating_sub(1)
    }

    /// Tells whether a group of that name exists.
    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.0.capture_names().flatten().any(|own| own == name)
    }
}

/// A group that a replacement or a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    Number(usize),
    Name(String),
}

impl Group {
    /// Reads `\1` or `\g<name>`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('\\')?;
        if let Some(inner) = rest.strip_prefix("g<") {
            return inner.split_once('>').map(|(name, _)| Self::named(name));
        }
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().map(Self::Number)
    }

    fn named(name: &str) -> Self {
        name.parse()
            .map_or_else(|_| Self::Name(name.to_owned()), Self::Number)
    }

    /// Returns what the group matched; nothing if it took no part.
    pub(crate) fn of<'t>(&self, found: &Found<'t>) -> Option<&'t str> {
        match self {
            Self::Number(number) => found.get(*number),
            Self::Name(name) => found.name(name),
        }
        .map(|part| part.as_str())
    }

    /// Fails if the pattern has no such group.
    pub(crate) fn check(&self, pattern: &Pattern) -> Result<(), Fault> {
        let known = match self {
            Self::Number(number) => *number <= pattern.groups(),
            Self::Name(name) => pattern.has_group(name),
        };
        let shown = match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name.clone(),
        };
        if known {
            Ok(())
        } else {
            Err(failed(format!("the pattern has no group `{shown}`")))
        }
    }
}

/// A piece of a replacement.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(Group),
}

/// A text that replaces matches.
#[derive(Debug)]
pub(crate) struct Replacement(Vec<Piece>);

impl Replacement {
    /// Reads a replacement, and checks that the pattern has the groups that it names.
    pub(crate) fn new(text: &str, pattern: &Pattern) -> Result<Self, Fault> {
        let pieces = pieces(text)?;
        for piece in &pieces {
            if let Piece::Group(group) = piece {
                group.check(pattern)?;
            }
        }
        Ok(Self(pieces))
    }

    /// Writes what replaces a match.
    pub(crate) fn write(&self, out: &mut String, found: &Found<'_>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Group(group) => out.push_str(group.of(found).unwrap_or_default()),
            }
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (piece, length) = escape_of(after)?;
        match piece {
            Piece::Text(text) => plain.push_str(&text),
            group @ Piece::Group(_) => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(group);
            }
        }
        rest = after.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// Reads what follows a backslash in a replacement, and how long it is.
fn escape_of(after: &str) -> Result<(Piece, usize), Fault> {
    let Some(c) = after.chars().next() else {
        return Err(failed("the replacement ends with a backslash"));
    };
    let text = |c: char| Piece::Text(c.to_string());
    let octal = after
        .chars()
        .take(3)
        .take_while(|c| ('0'..='7').contains(c));
    Ok(match c {
        'g' => {
            let name = after
                .strip_prefix("g<")
                .and_then(|inner| inner.split_once('>'));
            let Some((name, _)) = name else {
                return Err(failed(r"`\g` in a replacement needs `<name>`"));
            };
            (Piece::Group(Group::named(name)), name.len() + 3)
        }
        '0'..='7' if c == '0' || octal.clone().count() == 3 => {
            let count = octal.count();
            (text(character(after, count)), count)
        }
        '1'..='9' => {
            let digits = after.chars().take(2).take_while(char::is_ascii_digit);
            let digits: String = digits.collect();
            let group = Group::Number(digits.parse().unwrap_or(0));
            (Piece::Group(group), digits.len())
        }
        'a' => (text('\x07'), 1),
        'b' => (text('\x08'), 1),
        'f' => (text('\x0c'), 1),
        'n' => (text('\n'), 1),
        'r' => (text('\r'), 1),
        't' => (text('\t'), 1),
        'v' => (text('\x0b'), 1),
        '\\' => (text('\\'), 1),
        c if c.is_ascii_alphabetic() => {
            return Err(failed(format!(r"`\{c}` in a replacement means nothing")));
        }
        c => (Piece::Text(format!("\\{c}")), c.len_utf8()),
    })
}

fn character(digits: &str, count: usize) -> char {
    let number = digits
        .get(..count)
        .and_then(|own| u32::from_str_radix(own, 8).ok());
    number.and_then(char::from_u32).unwrap_or('\0')
}

/// Writes a text so that a pattern matches it literally, as Python's `re.escape` does.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"()[]{}?*+-|^$\.&~# ".contains(c) || "\t\n\r\x0b\x0c".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Writes a Python pattern as the library reads it.
fn translate(pattern: &str, multiline: bool) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    // Whether we are between brackets, and at their first member.
    let (mut in_class, mut first) = (false, false);
    while let Some(c) = chars.get(at).copied() {
        let next = chars.get(at + 1).copied();
        let was_first = std::mem::replace(&mut first, false);
        at += 1;
        match c {
            '\\' => {
                at += 1;
                escaped(&mut out, next, in_class);
            }
            '[' if in_class => out.push_str(r"\["),
            '[' => {
                in_class = true;
                first = true;
                out.push('[');
                if next == Some('^') {
                    out.push('^');
                    at += 1;
                }
            }
            ']' if in_class && was_first => out.push_str(r"\]"),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            _ if in_class => out.push(c),
            '$' if !multiline => out.push_str(r"(?=\n?\z)"),
            '{' => at += counted(&mut out, &chars, at),
            c => out.push(c),
        }
    }
    out
}

/// Writes an escape.
fn escaped(out: &mut String, next: Option<char>, in_class: bool) {
    match next {
        Some('Z') if !in_class => out.push_str(r"\z"),
        Some('a') => out.push_str(r"\x07"),
        Some('b') if in_class => out.push_str(r"\x08"),
        Some('0') => out.push_str(r"\x00"),
        Some(c) if c.is_ascii_alphanumeric() => {
            out.push('\\');
            out.push(c);
        }
        // An escape that Python does not need may mean something else to the library, as `\<` does.
        Some(c) if c.is_ascii_punctuation() => {
            if r"\.+*?()|[]{}^$#&-~".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        Some(' ') => out.push_str(r"\x20"),
        Some(c) => out.push(c),
        None => out.push('\\'),
    }
}

/// Writes a `{` that counts, or one that stands for itself; returns how many characters were read after it.
fn counted(out: &mut String, chars: &[char], at: usize) -> usize {
    let rest = chars.get(at..).unwrap_or_default();
    let end = rest.iter().position(|c| *c == '}');
    let inner: Option<String> = end
        .and_then(|end| rest.get(..end))
        .map(|own| own.iter().collect());
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match inner.as_deref().map(|inner| {
        inner
            .split_once(',')
            .map_or((inner, None), |(a, b)| (a, Some(b)))
    }) {
        Some((low, None)) if !low.is_empty() && digits(low) => {
            let _ = write!(out, "{{{low}}}");
            low.len() + 1
        }
        Some((low, Some(high))) if digits(low) && digits(high) && (low.len() + high.len()) > 0 => {
            let lowest = if low.is_empty() { "0" } else { low };
            let _ = write!(out, "{{{lowest},{high}}}");
            low.len() + high.len() + 2
        }
        _ => {
            out.push_str(r"\{");
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str, replacement: &str, text: &str) -> String {
        let pattern = Pattern::new(pattern, Flags::default()).unwrap();
        let replacement = Replacement::new(replacement, &pattern).unwrap();
        let mut out = String::new();
        let mut last = 0;
        for found in pattern.all(text, usize::MAX).unwrap() {
            let whole = found.get(0).unwrap();
            out.push_str(&text[last..whole.start()]);
            replacement.write(&mut out, &found);
            last = whole.end();
        }
        out + &text[last..]
    }

    #[test]
    fn patterns_mean_what_they_mean_in_python() {
        let cases = [
            (r"x*", "-", "abxd", "-a-b--d-"),
            (r"(\w+) (\w+)", r"\2 \1", "a b", "b a"),
            (r"(?P<n>\d+)", r"<\g<n>>", "x12", "x<12>"),
            (r"(?<=a)b", "X", "abcb", "aXcb"),
            (r"b(?!c)", "X", "bcb", "bcX"),
            (r"(a)\1", "X", "aab", "Xb"),
            (r"a$", "X", "ba\n", "bX\n"),
            (r"a\Z", "X", "a\na", "a\nX"),
            (r"[[]", "X", "[a]", "Xa]"),
            (r"[]a]", "X", "]ab", "XXb"),
            (r"[^]]+", "X", "ab]", "X]"),
            (r"\<a\>", "X", "<a>", "X"),
            (r"a{,2}", "X", "aaab", "XXXbX"),
            (r"a{b", "X", "a{b", "X"),
            (r"\/|\-|\:", "X", "/-:", "XXX"),
            (r"[a&&b]", "X", "a&b", "XXX"),
            (r"a|b", r"[\g<0>]", "ab", "[a][b]"),
            (r"a", r"\n\\", "a", "\n\\"),
            (r"(?i)A", "X", "aA", "XX"),
            (r"\.", r"\.", "a.b", r"a\.b"),
        ];
        for (pattern, replacement, text, expected) in cases {
            assert_eq!(replaced(pattern, replacement, text), expected, "{pattern}");
        }
    }

    #[test]
    fn mistakes_in_patterns_are_errors() {
        assert!(Pattern::new("(", Flags::default()).is_err());
        let pattern = Pattern::new("(a)", Flags::default()).unwrap();
        for replacement in [r"\2", r"\g<x>", r"\g", r"\q", "\\"] {
            assert!(
                Replacement::new(replacement, &pattern).is_err(),
                "{replacement}"
            );
        }
        assert_eq!(escape("a.b-c d"), r"a\.b\-c\ d");
        assert_eq!(Group::read(r"\12"), Some(Group::Number(12)));
        assert_eq!(Group::read(r"\g<x>"), Some(Group::Name("x".to_owned())));
        assert_eq!(Group::read("x"), None);
    }
}
