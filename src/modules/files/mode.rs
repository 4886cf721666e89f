//! Permissions as people write them, "0644" or "u=rw,g=r", applied to permission bits.

use serde_json::Value;

use crate::modules::ModuleError;

/// Permissions that a file shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// All of the bits.
    Bits(u32),
    /// A change of the bits, in `chmod`'s words.
    Symbolic(String),
}

/// The bits that `chmod` can set.
const ALL: u32 = 0o7777;

/// What a clause without `u`, `g`, `o` or `a` leaves out.
const UMASK: u32 = 0o022;

impl Mode {
    /// Reads an argument: a number of bits, octal digits, or symbolic text.
    pub fn parse(value: &Value) -> Result<Self, ModuleError> {
        let wrong = || {
            ModuleError::failed(format!(
                "`{value}` is no mode: write \"0644\" or \"u=rw,g=r\""
            ))
        };
        match value {
            Value::Number(number) => {
                let bits = number.as_u64().and_then(|bits| u32::try_from(bits).ok());
                bits.filter(|bits| *bits <= ALL)
                    .map(Self::Bits)
                    .ok_or_else(wrong)
            }
            Value::String(text) if text.chars().all(|c| c.is_ascii_digit()) => {
                let bits = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
                if bits > ALL {
                    return Err(wrong());
                }
                Ok(Self::Bits(bits))
            }
            Value::String(text) => {
                let mode = Self::Symbolic(text.clone());
                mode.apply(0, false).map_err(|()| wrong())?;
                Ok(mode)
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(wrong()),
        }
    }

    /// Returns the bits that a file with these bits gets.
    pub fn bits(&self, now: u32, directory: bool) -> u32 {
        self.apply(now, directory).unwrap_or(now & ALL)
    }

    /// Returns the words for `chmod`.
    pub fn words(&self) -> String {
        match self {
            Self::Bits(bits) => format!("{bits:04o}"),
            Self::Symbolic(text) => text.clone(),
        }
    }

    fn apply(&self, now: u32, directory: bool) -> Result<u32, ()> {
        let text = match self {
            Self::Bits(bits) => return Ok(*bits),
            Self::Symbolic(text) => text,
        };
        text.split(',').try_fold(now & ALL, |bits, clause| {
            one_clause(bits, clause, directory)
        })
    }
}

/// Applies one clause such as `ug+rX-w`.
fn one_clause(mut bits: u32, clause: &str, directory: bool) -> Result<u32, ()> {
    let split = clause.find(['+', '-', '=']).ok_or(())?;
    let (who, mut actions) = clause.split_at(split);
    if !who.chars().all(|c| "ugoa".contains(c)) {
        return Err(());
    }
    let all = who.is_empty() || who.contains('a');
    while let Some(operator) = actions.chars().next() {
        let rest = actions.get(1..).unwrap_or_default();
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (permissions, after) = rest.split_at(end);
        actions = after;
        for (user, shift, special) in [('u', 6, 0o4000), ('g', 3, 0o2000), ('o', 0, 0o1000)] {
            if !all && !who.contains(user) {
                continue;
            }
            let mut wanted = permission_bits(bits, permissions, shift, special, directory)?;
            if who.is_empty() {
                wanted &= !UMASK;
            }
            // As chmod, `=` leaves the set-id bits of a directory alone unless they are named.
            let own = (0o7 << shift) | if directory { 0 } else { special };
            bits = match operator {
                '+' => bits | wanted,
                '-' => bits & !wanted,
                _ => (bits & !own) | wanted,
            };
        }
    }
    Ok(bits)
}

fn permission_bits(
    now: u32,
    permissions: &str,
    shift: u32,
    special: u32,
    directory: bool,
) -> Result<u32, ()> {
    permissions.chars().try_fold(0, |bits, c| {
        let executable = directory || now & 0o111 != 0;
        Ok(bits
            | match c {
                'r' => 4 << shift,
                'w' => 2 << shift,
                'x' => 1 << shift,
                'X' if executable => 1 << shift,
                's' if special != 0o1000 => special,
                't' if special == 0o1000 => special,
                's' | 't' | 'X' => 0,
                'u' => ((now >> 6) & 7) << shift,
                'g' => ((now >> 3) & 7) << shift,
                'o' => (now & 7) << shift,
                _ => return Err(()),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn symbolic_modes_are_worked_out_as_chmod_does() {
        for (now, text, directory, then) in [
            (0o644, "u=rw,g=r,o=r", false, 0o644),
            (0o600, "u+x", false, 0o700),
            (0o777, "go-w", false, 0o755),
            (0o644, "a+X", false, 0o644),
            (0o744, "a+X", false, 0o755),
            (0o600, "a+rX", true, 0o755),
            (0o640, "o=g", false, 0o644),
            (0o755, "u+s,g+s", false, 0o6755),
            (0o777, "+t", false, 0o1777),
            (0o000, "+rw", false, 0o644),
            (0o755, "u=rwx,g=,o=", false, 0o700),
            (0o644, "ug+x-w", false, 0o554),
        ] {
            let mode = Mode::parse(&json!(text)).unwrap();
            assert_eq!(mode.bits(now, directory), then, "{now:o} {text}");
        }
    }

    #[test]
    fn modes_that_are_none_are_refused() {
        for value in [
            json!("u"),
            json!("z=r"),
            json!("u=q"),
            json!("9"),
            json!("77777"),
            json!(4096),
            json!(null),
            json!(true),
        ] {
            assert!(Mode::parse(&value).is_err(), "{value}");
        }
        assert_eq!(Mode::parse(&json!("0644")).unwrap(), Mode::Bits(0o644));
        assert_eq!(Mode::parse(&json!(0o640)).unwrap(), Mode::Bits(0o640));
    }
}
