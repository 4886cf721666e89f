//! Words in which the host expands what Ansible expands there: variables, `~`, and shell patterns. Nothing else.

use crate::modules::files::path_word;
use crate::template::shell_quote;

/// Makes a shell line of arguments in which `$NAME`, `${NAME}` and a leading `~` are expanded by the host, as Ansible's
/// `command` does; `None` if nothing is to be expanded. A name that is not set stays as it is written.
pub fn expanded_line(words: &[String]) -> Option<String> {
    let wanted = |word: &String| word.starts_with('~') || word.contains('$');
    if !words.iter().any(wanted) {
        return None;
    }
    let words: Vec<String> = words.iter().map(|word| expanded_word(word)).collect();
    Some(format!("exec {}", words.join(" ")))
}

fn expanded_word(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    if word.starts_with('~') {
        let end = rest.find(['/', '$']).unwrap_or(rest.len());
        let (home, after) = rest.split_at(end);
        let home_word = path_word(home);
        if after.starts_with('$') || home_word.starts_with('\'') {
            out.push_str(&shell_quote(home));
        } else {
            out.push_str(&home_word);
        }
        rest = after;
    }
    while !rest.is_empty() {
        let Some(at) = rest.find('$') else {
            out.push_str(&shell_quote(rest));
            break;
        };
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            out.push_str(&shell_quote(before));
        }
        let name = name_of(from);
        if let Some((name, length)) = name {
            let (written, after) = from.split_at(length);
            let literal = written.replace('$', "\\$").replace('}', "\\}");
            out.push_str(&["\"${", name, "-", &literal, "}\""].concat());
            rest = after;
        } else {
            out.push_str("'$'");
            rest = from.get(1..).unwrap_or_default();
        }
    }
    if out.is_empty() { "''".to_owned() } else { out }
}

/// Reads `$NAME` or `${NAME}` at the start of a text: the name, and how long all of it is.
fn name_of(text: &str) -> Option<(&str, usize)> {
    let after = text.strip_prefix('$')?;
    let (inner, braces) = match after.strip_prefix('{') {
        Some(inner) => (inner, 1),
        None => (after, 0),
    };
    let letter = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let length = inner.find(|c| !letter(c)).unwrap_or(inner.len());
    let name = inner.get(..length)?;
    let valid = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    let closed = braces == 0 || inner.get(length..)?.starts_with('}');
    (valid && closed).then_some((name, 1 + length + 2 * braces))
}

/// Makes a shell word in which only `*`, `?` and `[...]` are patterns, and a leading `~` is a home.
pub fn glob_word(path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return path_word(path);
    }
    let (home, path) = match path.find('/') {
        Some(at) if path.starts_with('~') => path.split_at(at),
        _ => ("", path),
    };
    let mut out = if home.is_empty() {
        String::new()
    } else {
        path_word(home)
    };
    let mut plain = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '!' | '-') {
            if !plain.is_empty() {
                out.push_str(&shell_quote(&std::mem::take(&mut plain)));
            }
            out.push(c);
        } else {
            plain.push(c);
        }
    }
    if !plain.is_empty() {
        out.push_str(&shell_quote(&plain));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn only_variables_and_homes_are_expanded() {
        assert_eq!(expanded_line(&words(&["a", "`b`", "*"])), None);
        for (word, shown) in [
            ("$HOME/x y", r#""${HOME-\$HOME}"'/x y'"#),
            ("a${B}c", r#"a"${B-\${B\}}"c"#),
            ("$(id)", r"'$''(id)'"),
            ("$1", r"'$'1"),
            ("~/x", "~/x"),
            ("~root/a b", "~root'/a b'"),
            ("${X:-`id`}", r"'$''{X:-`id`}'"),
        ] {
            assert_eq!(expanded_word(word), shown, "{word}");
        }
    }

    #[test]
    fn patterns_stay_patterns_and_the_rest_is_quoted() {
        assert_eq!(glob_word("/a b"), "'/a b'");
        assert_eq!(glob_word("/a b/*.$x"), "'/a b/'*'.$x'");
        assert_eq!(glob_word("~/x[0-9]?"), "~/x[0-9]?");
    }
}
