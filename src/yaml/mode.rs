//! File permissions as people write them.

use std::fmt;

use serde_json::Value;

use super::{Node, Problem};

/// What `chmod` without a "who" leaves out; the usual mask of a system.
const UMASK: u32 = 0o022;

/// File permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// All twelve bits, from "0644".
    Bits(u32),
    /// Changes to what a file has, from "u=rw,g+r".
    Symbolic(Vec<Clause>),
}

/// One clause of a symbolic mode, such as `go-w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Of `u`, `g`, `o`: who; all three if the text named nobody.
    who: String,
    /// Whether nobody was named, so that the mask applies.
    nobody: bool,
    /// Each operation, in order: `=`, `+` or `-`, and of `rwxXstugo` what.
    operations: Vec<(char, String)>,
}

/// Reads a mode: "0644" or "u=rw,g=r"; a bare number is refused, since 644 and 0644 are easily confused.
pub fn mode(node: &Node) -> Result<Mode, Problem> {
    mode_of(&node.to_value()).map_err(|message| {
        let problem = Problem::at(&node.loc, message);
        match &node.data {
            super::Data::Int(number) => problem.hint(format!("did you mean \"0{number}\"?")),
            super::Data::Null
            | super::Data::Bool(_)
            | super::Data::Float(_)
            | super::Data::Str(_)
            | super::Data::Seq(_)
            | super::Data::Map(_) => problem,
        }
    })
}

/// Reads a mode from a value without a position; the error is a message.
pub fn mode_of(value: &Value) -> Result<Mode, String> {
    match value {
        Value::String(text) => octal(text)
            .map(Mode::Bits)
            .or_else(|| symbolic(text).map(Mode::Symbolic))
            .ok_or_else(|| format!(r#"{value} is no mode: write "0644" or "u=rw,g=r""#)),
        Value::Number(_) => Err(format!(
            "a mode must be text, so that {value} is not read as a decimal number"
        )),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!(r#"{value} is no mode: write "0644" or "u=rw,g=r""#))
        }
    }
}

fn octal(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let fits = (3..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = fits.then(|| u32::from_str_radix(digits, 8).ok())??;
    (bits <= 0o7777).then_some(bits)
}

fn symbolic(text: &str) -> Option<Vec<Clause>> {
    text.split(',').map(clause).collect()
}

fn clause(text: &str) -> Option<Clause> {
    let is_operator = |c: char| matches!(c, '=' | '+' | '-');
    let (named, mut rest) = text.split_at(text.find(is_operator)?);
    if !named.chars().all(|c| "ugoa".contains(c)) {
        return None;
    }
    let nobody = named.is_empty();
    let who = if nobody || named.contains('a') {
        "ugo".to_owned()
    } else {
        named.to_owned()
    };
    let mut operations = Vec::new();
    while let Some(operator) = rest.chars().next() {
        let tail = rest.get(1..)?;
        let end = tail.find(is_operator).unwrap_or(tail.len());
        let (what, after) = tail.split_at(end);
        let copies = what.len() == 1 && "ugo".contains(what);
        if !copies && !what.chars().all(|c| "rwxXst".contains(c)) {
            return None;
        }
        operations.push((operator, what.to_owned()));
        rest = after;
    }
    Some(Clause {
        who,
        nobody,
        operations,
    })
}

impl Mode {
    /// Returns the permissions that a file with `current` permissions should have.
    pub fn apply(&self, current: u32, is_directory: bool) -> u32 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Symbolic(clauses) => clauses.iter().fold(current & 0o7777, |mode, clause| {
                clause.apply(mode, is_directory)
            }),
        }
    }
}

impl Clause {
    fn apply(&self, current: u32, is_directory: bool) -> u32 {
        let mask = if self.nobody { !UMASK } else { !0 };
        let mut mode = current;
        for (operator, what) in &self.operations {
            // `X` looks at the permissions before the clause, as chmod does.
            let before = mode;
            for who in self.who.chars() {
                let bits = bits(who, what, before, is_directory) & mask;
                mode = match operator {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    _ => (mode & !every(who, is_directory)) | bits,
                };
            }
        }
        mode
    }
}

fn shift(who: char) -> u32 {
    match who {
        'u' => 6,
        'g' => 3,
        _ => 0,
    }
}

/// All bits that `=` clears; a directory keeps its set-id bits unless they are named.
fn every(who: char, is_directory: bool) -> u32 {
    let special = match who {
        'u' if !is_directory => 0o4000,
        'g' if !is_directory => 0o2000,
        'o' => 0o1000,
        _ => 0,
    };
    (0o7 << shift(who)) | special
}

fn bits(who: char, what: &str, current: u32, is_directory: bool) -> u32 {
    if let Some(source @ ('u' | 'g' | 'o')) = what.chars().next() {
        return ((current >> shift(source)) & 0o7) << shift(who);
    }
    let bit = |c| match c {
        'r' => 0o4 << shift(who),
        'w' => 0o2 << shift(who),
        'x' => 0o1 << shift(who),
        'X' if is_directory || current & 0o111 != 0 => 0o1 << shift(who),
        's' if who == 'u' => 0o4000,
        's' if who == 'g' => 0o2000,
        't' if who == 'o' => 0o1000,
        _ => 0,
    };
    what.chars().map(bit).fold(0, |bits, bit| bits | bit)
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits(bits) => write!(f, "{bits:04o}"),
            Self::Symbolic(clauses) => {
                for (index, clause) in clauses.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    f.write_str(if clause.nobody { "" } else { &clause.who })?;
                    for (operator, what) in &clause.operations {
                        write!(f, "{operator}{what}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Source, parse};

    fn read(text: &str) -> Result<Mode, Problem> {
        mode(&parse(&Source::new("t", text)).unwrap())
    }

    #[test]
    fn octal_modes_must_be_text() {
        for (text, bits) in [("0644", 0o644), ("'755'", 0o755), ("\"04755\"", 0o4755)] {
            assert_eq!(read(text).unwrap(), Mode::Bits(bits), "{text}");
        }
        for text in [
            "644", "0o644", "'0999'", "'17777'", "'6'", "true", "''", "u=q", "x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let problem = read("644").unwrap_err();
        assert_eq!(problem.hint.as_deref(), Some("did you mean \"0644\"?"));
    }

    /// The expected values were printed by coreutils' chmod 9.1 and `stat -c %a` with umask 022.
    #[test]
    fn symbolic_modes_change_what_is_there_as_chmod_does() {
        let file = false;
        let directory = true;
        let cases = [
            ("u=rw,g=r,o=r", 0o777, file, 0o644),
            ("u=rwX,go=rX", 0o600, file, 0o644),
            ("u=rwX,go=rX", 0o700, file, 0o755),
            ("u=rwX,go=rX", 0o600, directory, 0o755),
            ("a+x", 0o644, file, 0o755),
            ("+x", 0o644, file, 0o755),
            ("+w", 0o444, file, 0o644),
            ("go-w", 0o666, file, 0o644),
            ("g=u", 0o640, file, 0o660),
            ("u+s", 0o755, file, 0o4755),
            ("u=rwx", 0o4755, file, 0o755),
            ("u=rwx", 0o4755, directory, 0o4755),
            ("o=", 0o755, file, 0o750),
            ("u-x+w", 0o555, file, 0o655),
            ("+t", 0o777, directory, 0o1777),
        ];
        for (text, current, is_directory, expected) in cases {
            let applied = read(text).unwrap().apply(current, is_directory);
            assert_eq!(applied, expected, "{text} on {current:o} gives {applied:o}");
        }
        assert_eq!(read("a+x,go-w").unwrap().to_string(), "ugo+x,go-w");
    }
}
