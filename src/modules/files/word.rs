//! Words that go into scripts, and the records that come back from them.

use std::collections::BTreeMap;

use crate::connection::Reply as RawReply;
use crate::modules::ModuleError;
use crate::template::shell_quote;

/// What each script starts with: messages in one language, and no surprise from the login's umask.
pub const PRELUDE: &str = "LC_ALL=C; export LC_ALL; umask 022\n";

/// Adds made text to a script.
pub trait Append {
    /// Adds a text at the end.
    fn append(&mut self, text: String);
}

impl Append for String {
    fn append(&mut self, text: String) {
        self.push_str(&text);
    }
}

/// Makes one shell word of a path; a leading `~` or `~user` stays for the host to expand, as Ansible's paths do.
pub fn path_word(path: &str) -> String {
    let Some(rest) = path.strip_prefix('~') else {
        return shell_quote(path);
    };
    let (user, rest) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !user.chars().all(plain) {
        return shell_quote(path);
    }
    match rest {
        "" => format!("~{user}"),
        "/" => format!("~{user}/"),
        _ => format!("~{user}/{}", shell_quote(rest.trim_start_matches('/'))),
    }
}

/// Splits a command line into its words as a POSIX shell would, without expanding anything (as Python's `shlex`).
pub fn argument_words(line: &str) -> Result<Vec<String>, ModuleError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => text.push(c),
                        None => return Err(unclosed(line)),
                    }
                }
            }
            '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\')) => text.push(c),
                            Some(c) => text.extend(['\\', c]),
                            None => return Err(unclosed(line)),
                        },
                        Some(c) => text.push(c),
                        None => return Err(unclosed(line)),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err(unclosed(line)),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.take());
    Ok(words)
}

fn unclosed(line: &str) -> ModuleError {
    ModuleError::failed(format!(
        "a quotation mark or backslash is left open in `{line}`"
    ))
}

/// The records of an answer: `name=value` and NUL each, then, after the record `raw`, bytes as they are.
#[derive(Debug, Default)]
pub struct Reply {
    fields: BTreeMap<String, String>,
    /// What followed the record `raw`.
    pub raw: Vec<u8>,
    /// The exit code.
    pub code: i32,
    /// The error output, trimmed.
    pub errors: String,
}

impl Reply {
    /// Reads an answer, whatever its exit code.
    pub fn parse(reply: &RawReply) -> Self {
        let mut parsed = Self {
            code: reply.code,
            errors: String::from_utf8_lossy(&reply.err).trim().to_owned(),
            ..Self::default()
        };
        let mut rest = reply.out.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == 0) {
            let (record, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            if record == b"raw" {
                parsed.raw = rest.to_vec();
                break;
            }
            let record = String::from_utf8_lossy(record);
            if let Some((name, value)) = record.split_once('=') {
                let name = name.trim_start_matches('\n').to_owned();
                parsed.fields.insert(name, value.to_owned());
            }
        }
        parsed
    }

    /// Reads an answer of a script that must succeed; `what` starts the message if it did not.
    pub fn of(reply: &RawReply, what: &str) -> Result<Self, ModuleError> {
        let parsed = Self::parse(reply);
        if parsed.code == 0 {
            Ok(parsed)
        } else {
            Err(parsed.failure(what))
        }
    }

    /// Makes a failure of what the script said.
    pub fn failure(&self, what: &str) -> ModuleError {
        let said = match self.get("error") {
            Some(error) if self.errors.is_empty() => error.to_owned(),
            Some(error) => format!("{error}: {}", self.errors),
            None if self.errors.is_empty() => format!("the shell ended with {}", self.code),
            None => self.errors.clone(),
        };
        ModuleError::failed(format!("{what}: {said}"))
    }

    /// Returns a record.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Returns the records whose names start with `prefix`, without it.
    pub fn starting_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// Returns a record without the line ends that the program added.
    pub fn line(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| value.trim_end_matches('\n'))
    }

    /// Tells whether a record says yes.
    pub fn yes(&self, name: &str) -> bool {
        self.line(name) == Some("yes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_left_to_the_host_and_the_rest_is_quoted() {
        for (path, word) in [
            ("/etc/a b", "'/etc/a b'"),
            ("~", "~"),
            ("~/x y", "~/'x y'"),
            ("~db/$x", "~db/'$x'"),
            ("~$(id)/x", "'~$(id)/x'"),
            ("a~b", "'a~b'"),
        ] {
            assert_eq!(path_word(path), word);
        }
    }

    #[test]
    fn a_command_line_is_split_as_shlex_does() {
        for (line, words) in [
            ("a  b\tc", vec!["a", "b", "c"]),
            (r#"a 'b c' "d \"e\" \n""#, vec!["a", "b c", r#"d "e" \n"#]),
            (r"a\ b '' c", vec!["a b", "", "c"]),
            (r#"x="y z"'w'"#, vec!["x=y zw"]),
            ("", vec![]),
        ] {
            assert_eq!(argument_words(line).unwrap(), words, "{line}");
        }
        assert!(argument_words("a 'b").is_err());
        assert!(argument_words(r#"a "b"#).is_err());
        assert!(argument_words("a\\").is_err());
    }

    #[test]
    fn records_and_raw_bytes_are_told_apart() {
        let reply = Reply::parse(&RawReply {
            code: 1,
            out: b"a=1\n\0b=x=y\0raw\0c=\0\xff".to_vec(),
            err: b"  no\n".to_vec(),
        });
        assert_eq!(reply.line("a"), Some("1"));
        assert_eq!(reply.get("b"), Some("x=y"));
        assert_eq!(reply.raw, b"c=\0\xff");
        assert_eq!(reply.failure("cannot").to_string(), "cannot: no");
    }
}
