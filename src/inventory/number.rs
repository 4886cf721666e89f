//! Numbers as Python writes them: `1_000`, `0x1f`, `1e3`; what does not fit or is none stays text.
//!
//! Called by the reader of INI values.

use crate::yaml::Data;

/// Reads a number without its sign; none if it is no number.
pub(super) fn number(text: &str, negative: bool) -> Option<Data> {
    // Python takes `_` only between two digits.
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    let lower = text.replace('_', "").to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)];
    for (prefix, radix) in radix {
        if let Some(digits) = lower.strip_prefix(prefix) {
            return int(digits, radix, negative);
        }
    }
    if lower.bytes().all(|byte| byte.is_ascii_digit()) {
        let padded = lower.len() > 1 && lower.starts_with('0') && lower.bytes().any(|b| b != b'0');
        return if padded {
            None
        } else {
            int(&lower, 10, negative)
        };
    }
    let known = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-');
    if let Some(imaginary) = lower.strip_suffix('j') {
        // A complex number is no value of a variable: Ansible keeps its text.
        let is_number = imaginary.chars().all(known) && imaginary.parse::<f64>().is_ok();
        let sign = if negative { "-" } else { "" };
        return is_number.then(|| Data::Str(format!("{sign}{lower}")));
    }
    let float: f64 = lower.chars().all(known).then(|| lower.parse().ok())??;
    Some(Data::Float(if negative { -float } else { float }))
}

fn int(digits: &str, radix: u32, negative: bool) -> Option<Data> {
    let wide = i128::from_str_radix(digits, radix).ok()?;
    let wide = if negative { -wide } else { wide };
    // A number that does not fit stays text: every digit of a server's id counts.
    Some(i64::try_from(wide).map_or_else(|_| Data::Str(wide.to_string()), Data::Int))
}
