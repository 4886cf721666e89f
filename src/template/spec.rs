//! How numbers and texts are laid out: the part after `%` or `:` in a format.

use super::print;

/// The largest width and precision that a format may ask for.
pub(crate) const WIDEST: usize = 100_000;

/// On which side of the field a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    Center,
    /// After the sign, with the filling between.
    AfterSign,
}

/// A layout.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spec {
    pub(crate) fill: Option<char>,
    pub(crate) align: Option<Align>,
    /// `+` or a blank, written before what is not negative.
    pub(crate) sign: Option<char>,
    pub(crate) alternate: bool,
    pub(crate) width: Option<usize>,
    pub(crate) grouping: Option<char>,
    pub(crate) precision: Option<usize>,
    /// How many digits a whole number has at least.
    pub(crate) digits: Option<usize>,
}

impl Spec {
    /// Reads one of the characters that may follow a `%`.
    pub(crate) fn flag(&mut self, flag: char) {
        match flag {
            '-' => self.align = Some(Align::Left),
            '0' if self.align.is_none() => {
                self.fill = Some('0');
                self.align = Some(Align::AfterSign);
            }
            '+' => self.sign = Some('+'),
            ' ' if self.sign.is_none() => self.sign = Some(' '),
            '#' => self.alternate = true,
            _ => {}
        }
        if self.align == Some(Align::Left) {
            self.fill = None;
        }
    }

    /// Reads what stands after the `:` of a replacement field, and returns it with the kind of value that it is for.
    pub(crate) fn parse(text: &str) -> Option<(Self, Option<char>)> {
        let mut spec = Self::default();
        let mut rest: Vec<char> = text.chars().rev().collect();
        let align = |c: Option<&char>| match c {
            Some('<') => Some(Align::Left),
            Some('>') => Some(Align::Right),
            Some('^') => Some(Align::Center),
            Some('=') => Some(Align::AfterSign),
            _ => None,
        };
        let second = rest.len().checked_sub(2).and_then(|at| rest.get(at));
        if align(second).is_some() {
            spec.align = align(second);
            spec.fill = rest.pop();
            rest.pop();
        } else if align(rest.last()).is_some() {
            spec.align = align(rest.pop().as_ref());
        }
        let take = |rest: &mut Vec<char>, wanted: &str| {
            let next = rest.last().copied().filter(|c| wanted.contains(*c))?;
            rest.pop();
            Some(next)
        };
        spec.sign = take(&mut rest, "+- ").filter(|sign| *sign != '-');
        spec.alternate = take(&mut rest, "#").is_some();
        if take(&mut rest, "0").is_some() && spec.align.is_none() {
            spec.fill = Some('0');
            spec.align = Some(Align::AfterSign);
        }
        let number = |rest: &mut Vec<char>| {
            let mut digits = String::new();
            while let Some(digit) = rest.last().copied().filter(char::is_ascii_digit) {
                digits.push(digit);
                rest.pop();
            }
            digits
        };
        let width = number(&mut rest);
        spec.width = parse_number(&width).ok()?;
        spec.grouping = take(&mut rest, ",_");
        if take(&mut rest, ".").is_some() {
            let precision = number(&mut rest);
            spec.precision = Some(parse_number(&precision).ok()??);
        }
        let kind = rest.pop();
        rest.is_empty().then_some((spec, kind))
    }

    /// Cuts a text to the precision.
    pub(crate) fn cut(&self, text: &str) -> String {
        let longest = self.precision.unwrap_or(usize::MAX);
        text.chars().take(longest).collect()
    }

    /// Fills a text up to the width.
    pub(crate) fn pad(&self, text: &str, number: bool) -> String {
        let count = text.chars().count();
        let lacking = self.width.unwrap_or(0).saturating_sub(count);
        let fill = self.fill.unwrap_or(' ');
        let filling = |count: usize| fill.to_string().repeat(count);
        let usual = if number { Align::Right } else { Align::Left };
        match self.align.unwrap_or(usual) {
            Align::AfterSign if !number => {
                filling_before(&filling(lacking).replace('0', " "), text)
            }
            Align::Left => text.to_owned() + &filling(lacking),
            Align::Right => filling(lacking) + text,
            Align::Center => filling(lacking / 2) + text + &filling(lacking - lacking / 2),
            Align::AfterSign => {
                let digits = text.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(0);
                let digits = if text.get(digits..).is_some_and(|rest| {
                    rest.starts_with("0x") || rest.starts_with("0o") || rest.starts_with("0b")
                }) {
                    digits + 2
                } else {
                    digits
                };
                let (sign, rest) = text.split_at(digits);
                format!("{sign}{}{rest}", filling(lacking))
            }
        }
    }

    fn signed(&self, negative: bool, digits: &str) -> String {
        let sign = match (negative, self.sign) {
            (true, _) => "-".to_owned(),
            (false, sign) => sign.map(String::from).unwrap_or_default(),
        };
        self.pad(&(sign + digits), true)
    }

    /// Lays out a whole number.
    pub(crate) fn whole(&self, kind: char, number: i128) -> String {
        let size = number.unsigned_abs();
        let (prefix, digits) = match kind {
            'x' => ("0x", format!("{size:x}")),
            'X' => ("0X", format!("{size:X}")),
            'o' => ("0o", format!("{size:o}")),
            'b' => ("0b", format!("{size:b}")),
            _ => ("", size.to_string()),
        };
        let lacking = self.digits.unwrap_or(0).saturating_sub(digits.len());
        let digits = "0".repeat(lacking) + &digits;
        let digits = self.grouped(&digits, if prefix.is_empty() { 3 } else { 4 });
        let prefix = if self.alternate { prefix } else { "" };
        self.signed(number < 0, &format!("{prefix}{digits}"))
    }

    /// Lays out any number.
    pub(crate) fn float(&self, kind: char, number: f64) -> String {
        let negative = number.is_sign_negative() && !number.is_nan();
        let size = number.abs();
        let precision = self.precision.unwrap_or(6);
        let upper = kind.is_ascii_uppercase();
        let mut digits = match kind.to_ascii_lowercase() {
            _ if !size.is_finite() => print::float(size),
            'e' => scientific(size, precision),
            'g' => general(size, precision, self.alternate),
            '%' => format!("{:.precision$}%", size * 100.0),
            _ => format!("{size:.precision$}"),
        };
        if upper {
            digits = digits.to_uppercase();
        }
        let (whole, rest) = digits
            .split_at_checked(
                digits
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(digits.len()),
            )
            .unwrap_or((&digits, ""));
        let digits = self.grouped(whole, 3) + rest;
        self.signed(negative, &digits)
    }

    fn grouped(&self, digits: &str, size: usize) -> String {
        let Some(separator) = self.grouping else {
            return digits.to_owned();
        };
        let mut out = String::new();
        let count = digits.len();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (count - index).is_multiple_of(size) {
                out.push(separator);
            }
            out.push(digit);
        }
        out
    }
}

fn filling_before(filling: &str, text: &str) -> String {
    filling.to_owned() + text
}

/// A width or a precision that is too large.
struct TooLarge;

/// Reads a number that may be absent.
fn parse_number(digits: &str) -> Result<Option<usize>, TooLarge> {
    if digits.is_empty() {
        return Ok(None);
    }
    match digits.parse() {
        Ok(number) if number <= WIDEST => Ok(Some(number)),
        _ => Err(TooLarge),
    }
}

fn scientific(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn general(size: f64, precision: usize, keep_zeros: bool) -> String {
    let precision = precision.max(1);
    let text = format!("{size:.*e}", precision - 1);
    let exponent: i32 = text
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        let text = scientific(size, precision - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, ""));
        let mantissa = if keep_zeros {
            mantissa
        } else {
            trimmed(mantissa)
        };
        return format!("{mantissa}e{exponent}");
    }
    let places = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    let text = format!("{size:.places$}");
    if keep_zeros {
        text
    } else {
        trimmed(&text).to_owned()
    }
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// Returns the whole part of a number, if it fits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the number is finite and within the range of the result"
)]
pub(crate) fn truncated(number: f64) -> Option<i128> {
    (number.is_finite() && number.abs() < 1e38).then_some(number as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_pythons() {
        let cases = [
            ("05d", "-42", "-0042"),
            ("+d", "42", "+42"),
            (",d", "1234567", "1,234,567"),
            ("#x", "255", "0xff"),
            ("08b", "5", "00000101"),
            ("<5d", "42", "42   "),
            ("^6d", "42", "  42  "),
            ("*>5d", "42", "***42"),
            ("#06x", "10", "0x000a"),
        ];
        for (layout, number, expected) in cases {
            let (spec, kind) = Spec::parse(layout).unwrap();
            let number: i128 = number.parse().unwrap();
            assert_eq!(spec.whole(kind.unwrap(), number), expected, "{layout}");
        }
        let cases = [
            (".2f", 2.345, "2.35"),
            ("06.1f", -2.5, "-002.5"),
            (".3e", 12345.678, "1.235e+04"),
            ("g", 0.0001, "0.0001"),
            ("g", 1e10, "1e+10"),
            (".3g", 1234.5, "1.23e+03"),
            (".1%", 0.256, "25.6%"),
            (",.2f", 1234.5, "1,234.50"),
        ];
        for (layout, number, expected) in cases {
            let (spec, kind) = Spec::parse(layout).unwrap();
            assert_eq!(spec.float(kind.unwrap(), number), expected, "{layout}");
        }
        assert!(Spec::parse("5zz").is_none());
        assert!(Spec::parse("99999999999d").is_none());
    }
}
