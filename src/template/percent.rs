//! `'%s: %d' % (a, b)`: Python's old way to format a text.

use super::failure::{Fault, failed};
use super::object::Object;
use super::rendering::Rendering;
use super::spec::{self, Align, Spec};

/// Formats a text with a value, a tuple of values, or a map of named ones.
pub(crate) fn format(rendering: &Rendering, text: &str, values: &Object) -> Result<String, Fault> {
    let mut arguments: Vec<Object> = if let Object::Tuple(items) = values {
        items.to_vec()
    } else {
        vec![values.clone()]
    };
    arguments.reverse();
    let mut out = String::with_capacity(text.len());
    let mut used_names = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut name = None;
        if chars.next_if_eq(&'(').is_some() {
            let own: String = chars.by_ref().take_while(|c| *c != ')').collect();
            name = Some(own);
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "#0- +".contains(*c)) {
            spec.flag(flag);
        }
        spec.width = number(&mut chars, &mut arguments)?;
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut chars, &mut arguments)?.unwrap_or(0));
        }
        while chars.next_if(|c| "hlL".contains(*c)).is_some() {}
        let Some(kind) = chars.next() else {
            return Err(failed("the format ends within a `%`"));
        };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match &name {
            Some(name) => {
                used_names = true;
                let map = values.as_map();
                let found = map.and_then(|map| map.named(rendering, name));
                found.ok_or_else(|| failed(format!("the format needs `{name}`")))?
            }
            None => arguments
                .pop()
                .ok_or_else(|| failed("the format needs more values than were given"))?,
        };
        out.push_str(&one(rendering, kind, spec, &value)?);
    }
    if !used_names && !arguments.is_empty() && values.as_map().is_none() {
        return Err(failed("the format needs fewer values than were given"));
    }
    Ok(out)
}

fn number(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    arguments: &mut Vec<Object>,
) -> Result<Option<usize>, Fault> {
    if chars.next_if_eq(&'*').is_some() {
        let given = arguments.pop().and_then(|value| value.as_int());
        return match given.and_then(|number| usize::try_from(number).ok()) {
            Some(number) if number <= spec::WIDEST => Ok(Some(number)),
            _ => Err(failed("`*` in a format needs a whole number")),
        };
    }
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    if digits.is_empty() {
        return Ok(None);
    }
    match digits.parse() {
        Ok(number) if number <= spec::WIDEST => Ok(Some(number)),
        _ => Err(failed("a width in the format is too large")),
    }
}

fn one(rendering: &Rendering, kind: char, mut spec: Spec, value: &Object) -> Result<String, Fault> {
    super::rendering::need(value)?;
    spec.align = spec.align.or(Some(Align::Right));
    match kind {
        's' => Ok(spec.pad(&spec.cut(&rendering.print(value)?), false)),
        'r' | 'a' => Ok(spec.pad(&spec.cut(&rendering.repr(value)?), false)),
        'c' => match (value.as_text(), value.as_int()) {
            (Some(text), _) if text.chars().count() == 1 => Ok(spec.pad(text, false)),
            (None, Some(number)) => {
                let c = u32::try_from(number).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| failed("`%c` needs a character"))?;
                Ok(spec.pad(&c.to_string(), false))
            }
            _ => Err(failed("`%c` needs a character")),
        },
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let float = value.as_float().filter(|_| "diu".contains(kind));
            let whole = value
                .as_int()
                .or_else(|| float.and_then(spec::truncated))
                .ok_or_else(|| wrong(kind, value))?;
            spec.precision = spec.precision.take().inspect(|digits| {
                spec.digits = Some(*digits);
            });
            Ok(spec.whole(if "iu".contains(kind) { 'd' } else { kind }, whole))
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = value.as_float().ok_or_else(|| wrong(kind, value))?;
            Ok(spec.float(kind, number))
        }
        _ => Err(failed(format!("`%{kind}` is no format"))),
    }
}

fn wrong(kind: char, value: &Object) -> Fault {
    failed(format!(
        "`%{kind}` needs a number, not {}",
        value.described()
    ))
}
