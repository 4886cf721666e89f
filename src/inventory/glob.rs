//! Names with `*`, `?` and `[...]`, and `~regex`, as regular expressions, the way Python's `fnmatch` and `re` mean them.
//!
//! Called by the evaluation of patterns.

use fancy_regex::Regex;

/// Makes a regular expression of `~regex`, which must match from the begin, or of a glob, which must match whole.
pub(super) fn compile(name: &str) -> Result<Regex, String> {
    let text = match name.strip_prefix('~') {
        Some(regex) => format!("^(?:{regex})"),
        None => glob(name),
    };
    Regex::new(&text).map_err(|error| error.to_string())
}

/// Translates a glob as Python's `fnmatch` does: `*`, `?`, `[a-c]`, `[!a-c]`; a `[` without `]` is itself.
fn glob(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = "(?s)^".to_owned();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        at += 1;
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let set = chars.get(at..).unwrap_or_default();
                // A `]` that comes first, or first after `!`, is a member.
                let skip = 1 + usize::from(set.first() == Some(&'!'));
                let length = set.iter().skip(skip).position(|c| *c == ']');
                let members = length.and_then(|length| set.get(..length + skip));
                match members {
                    None => out.push_str("\\["),
                    Some(members) => {
                        at += members.len() + 1;
                        out.push_str(&class(members));
                    }
                }
            }
            _ => out.push_str(&fancy_regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    out
}

fn class(members: &[char]) -> String {
    let (negated, members) = match members.split_first() {
        Some(('!', rest)) => ("^", rest),
        Some(_) | None => ("", members),
    };
    let mut out = format!("[{negated}");
    for (place, c) in members.iter().enumerate() {
        let is_range = *c == '-' && place > 0 && place + 1 < members.len();
        if !is_range && !c.is_alphanumeric() {
            out.push('\\');
        }
        out.push(*c);
    }
    out.push(']');
    out
}
