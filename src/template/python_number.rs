//! What Python does with numbers, where Rust does it otherwise.

/// Reads a whole number as Python's `int(text, base)` does.
pub(crate) fn int(text: &str, base: u32) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixed = |prefix: &str, own: u32| {
        (base == own || base == 0)
            .then(|| lower.strip_prefix(prefix))
            .flatten()
            .map(|rest| (rest.strip_prefix('_').unwrap_or(rest), own))
    };
    let (digits, base) = prefixed("0x", 16)
        .or_else(|| prefixed("0o", 8))
        .or_else(|| prefixed("0b", 2))
        .unwrap_or((lower.as_str(), if base == 0 { 10 } else { base }));
    let plain = plain_digits(digits)?;
    if !(2..=36).contains(&base) {
        return None;
    }
    if plain.starts_with(['-', '+']) {
        return None;
    }
    let number = i128::from_str_radix(&plain, base).ok()?;
    if negative {
        number.checked_neg()
    } else {
        Some(number)
    }
}

/// Reads a number as Python's `float(text)` does.
pub(crate) fn float(text: &str) -> Option<f64> {
    let text = text.trim().to_ascii_lowercase();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let known = matches!(unsigned, "inf" | "infinity" | "nan");
    if !known && !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if known {
        return text.parse().ok();
    }
    plain_digits(&text)?.parse().ok()
}

/// Takes underlines out that stand between digits; none may stand elsewhere.
fn plain_digits(digits: &str) -> Option<String> {
    let wrong = digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
        || digits
            .get(1..)
            .is_some_and(|rest| rest.contains(['+']) && !rest.contains('e'));
    (!wrong).then(|| digits.replace('_', ""))
}

/// Rounds half to even, to a number of places after the point.
pub(crate) fn round(number: f64, places: i32) -> f64 {
    if !number.is_finite() {
        return number;
    }
    if let Ok(places) = usize::try_from(places) {
        if places == 0 {
            return number.round_ties_even();
        }
        return format!("{number:.places$}").parse().unwrap_or(number);
    }
    let scale = 10_f64.powi(-places);
    (number / scale).round_ties_even() * scale
}

/// Rounds a whole number half to even; only places before the point matter.
pub(crate) fn round_whole(number: i128, places: i32) -> i128 {
    let Ok(zeros @ 1..) = u32::try_from(-places) else {
        return number;
    };
    let Some(scale) = 10_i128.checked_pow(zeros) else {
        return 0;
    };
    let (quotient, rest) = (number.div_euclid(scale), number.rem_euclid(scale));
    let up = rest * 2 > scale || (rest * 2 == scale && quotient % 2 != 0);
    (quotient + i128::from(up)).saturating_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        let cases = [
            (" 7 ", 10, Some(7)),
            ("-12", 10, Some(-12)),
            ("+3", 10, Some(3)),
            ("1_000", 10, Some(1000)),
            ("0x1f", 16, Some(31)),
            ("1f", 16, Some(31)),
            ("0x1f", 10, None),
            ("0b11", 0, Some(3)),
            ("", 10, None),
            ("1__0", 10, None),
            ("-", 10, None),
            ("--1", 10, None),
            ("4.5", 10, None),
        ];
        for (text, base, expected) in cases {
            assert_eq!(int(text, base), expected, "{text:?} base {base}");
        }
        assert_eq!(float("1e3"), Some(1000.0));
        assert_eq!(float(" .5 "), Some(0.5));
        assert_eq!(float("-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(float("infx"), None);
        assert_eq!(float("x"), None);
    }

    #[test]
    fn halves_are_rounded_to_even() {
        let cases = [
            (2.5, 0, "2"),
            (3.5, 0, "4"),
            (2.675, 2, "2.67"),
            (1250.0, -2, "1200"),
        ];
        for (number, places, expected) in cases {
            assert_eq!(round(number, places).to_string(), expected, "{number}");
        }
        assert_eq!(round_whole(1250, -2), 1200);
        assert_eq!(round_whole(1350, -2), 1400);
        assert_eq!(round_whole(-1251, -2), -1300);
        assert_eq!(round_whole(7, 3), 7);
    }
}
