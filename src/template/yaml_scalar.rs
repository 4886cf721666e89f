//! What quotes a text needs in YAML, as libyaml finds out.

/// Where a text may stand without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare {
    Nowhere,
    /// Not between brackets.
    Outside,
    Everywhere,
}

/// What may be done with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Analysis {
    pub(crate) multiline: bool,
    pub(crate) bare: Bare,
    /// Whether it may stand between single quotes.
    pub(crate) single_quoted: bool,
}

/// Tells whether a character ends a line.
pub(crate) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(c: Option<&char>) -> bool {
    c.is_none_or(|c| matches!(c, ' ' | '\t' | '\0') || is_break(*c))
}

/// Tells whether libyaml writes a character as it is.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

impl Analysis {
    /// Looks at a text.
    pub(crate) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        if chars.is_empty() {
            return Self {
                multiline: false,
                bare: Bare::Outside,
                single_quoted: true,
            };
        }
        let document = text.starts_with("---") || text.starts_with("...");
        let (mut flow_indicators, mut block_indicators) = (document, document);
        let (mut special, mut multiline) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        for (at, c) in chars.iter().copied().enumerate() {
            let before = at.checked_sub(1).and_then(|at| chars.get(at));
            let after = chars.get(at + 1);
            let (flow, block) = indicators(c, before, after);
            flow_indicators |= flow;
            block_indicators |= block;
            special |= !is_printable(c);
            multiline |= is_break(c);
            break_space |= c == ' ' && before.is_some_and(|c| is_break(*c));
            space_break |= is_break(c) && before == Some(&' ');
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let at_edge = edge(chars.first()) || edge(chars.last());
        let plain = !(at_edge || break_space || space_break || special || multiline);
        Self {
            multiline,
            bare: match (plain && !block_indicators, flow_indicators) {
                (false, _) => Bare::Nowhere,
                (true, true) => Bare::Outside,
                (true, false) => Bare::Everywhere,
            },
            single_quoted: !(break_space || space_break || special),
        }
    }
}

/// Tells whether a character means something in YAML where it stands: between brackets, and elsewhere.
fn indicators(c: char, before: Option<&char>, after: Option<&char>) -> (bool, bool) {
    let followed = is_blank(after);
    if before.is_none() {
        return match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`' => (true, true),
            '?' | ':' => (true, followed),
            '-' => (followed, followed),
            _ => (false, false),
        };
    }
    match c {
        ',' | '?' | '[' | ']' | '{' | '}' => (true, false),
        ':' => (true, followed),
        '#' if is_blank(before) => (true, true),
        _ => (false, false),
    }
}

/// Returns what stands for a character between double quotes, if not the character itself.
pub(crate) fn escape(c: char) -> Option<String> {
    let short = match c {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0b' => 'v',
        '\x0c' => 'f',
        '\r' => 'r',
        '\x1b' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c if is_printable(c) => return None,
        c => {
            let number = u32::from(c);
            return Some(match number {
                0..=0xff => format!("\\x{number:02X}"),
                0x100..=0xffff => format!("\\u{number:04X}"),
                _ => format!("\\U{number:08X}"),
            });
        }
    };
    Some(format!("\\{short}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_get_the_quotes_that_they_need() {
        // text, plain between brackets, plain elsewhere, single quotes
        let cases = [
            ("abc", true, true, true),
            ("a b", true, true, true),
            (" a", false, false, true),
            ("a: b", false, false, true),
            ("a:b", false, true, true),
            ("a,b", false, true, true),
            ("a #b", false, false, true),
            ("a#b", true, true, true),
            ("- a", false, false, true),
            ("-a", true, true, true),
            ("---", false, false, true),
            ("{a", false, false, true),
            ("a\nb", false, false, true),
            ("a \nb", false, false, false),
            ("a\n b", false, false, false),
            ("a\tb", false, false, false),
            ("é", true, true, true),
            ("😀", false, false, false),
            ("", false, true, true),
        ];
        for (text, flow, block, single) in cases {
            let analysis = Analysis::new(text);
            let found = (
                analysis.bare == Bare::Everywhere,
                analysis.bare != Bare::Nowhere,
                analysis.single_quoted,
            );
            assert_eq!(found, (flow, block, single), "{text:?}");
        }
        assert_eq!(escape('\u{1}').as_deref(), Some("\\x01"));
        assert_eq!(escape('😀').as_deref(), Some("\\U0001F600"));
        assert_eq!(escape('é'), None);
    }
}
