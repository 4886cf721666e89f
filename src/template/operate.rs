//! Arithmetic and joining, as Python has them.

use std::rc::Rc;

use super::failure::{Fault, failed};
use super::object::Object;
use super::percent;
use super::rendering::{Rendering, need};
use super::tree::Operator;

/// The longest text or list that an operation may make.
const LONGEST: usize = 100_000_000;

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::DivideWhole => "//",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::Concat => "~",
        }
    }
}

/// Applies an operation to two values.
pub(crate) fn operate(
    rendering: &Rendering,
    operator: Operator,
    left: &Object,
    right: &Object,
) -> Result<Object, Fault> {
    if operator == Operator::Concat {
        let (left, right) = (rendering.print(left)?, rendering.print(right)?);
        return Ok(Object::from(left + &right));
    }
    need(left)?;
    need(right)?;
    if let (Operator::Remainder, Some(text)) = (operator, left.as_text()) {
        return percent::format(rendering, text, right).map(Object::from);
    }
    if let Some(special) = left.as_special()
        && let Some(result) = special.operate(operator.sign(), right)
    {
        return Ok(result);
    }
    if let (Some(left), Some(right)) = (left.as_int(), right.as_int()) {
        return whole(operator, left, right);
    }
    if let (Some(left), Some(right)) = (left.as_float(), right.as_float()) {
        return broken(operator, left, right);
    }
    let joined = match operator {
        Operator::Add => joined(left, right),
        Operator::Multiply => repeated(rendering, left, right)?,
        Operator::Subtract
        | Operator::Divide
        | Operator::DivideWhole
        | Operator::Remainder
        | Operator::Power
        | Operator::Concat => None,
    };
    joined.ok_or_else(|| {
        failed(format!(
            "`{}` does not fit {} and {}",
            operator.sign(),
            left.described(),
            right.described()
        ))
    })
}

/// Returns `-value`.
pub(crate) fn negate(value: &Object) -> Result<Object, Fault> {
    need(value)?;
    if let Some(number) = value.as_int() {
        number.checked_neg().map(Object::Int).ok_or_else(too_large)
    } else if let Some(number) = value.as_float() {
        Ok(Object::Float(-number))
    } else {
        Err(failed(format!("`-` does not fit {}", value.described())))
    }
}

fn too_large() -> Fault {
    failed("the number is too large")
}

fn by_zero() -> Fault {
    failed("division by zero")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Python's `/` gives a float as well"
)]
fn whole(operator: Operator, left: i128, right: i128) -> Result<Object, Fault> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => {
            return if right == 0 {
                Err(by_zero())
            } else {
                Ok(Object::Float(left as f64 / right as f64))
            };
        }
        Operator::DivideWhole | Operator::Remainder if right == 0 => return Err(by_zero()),
        Operator::DivideWhole => left.checked_div(right).and_then(|quotient| {
            let uneven = left.checked_rem(right)? != 0 && (left < 0) != (right < 0);
            quotient.checked_sub(i128::from(uneven))
        }),
        Operator::Remainder => left.checked_rem(right).and_then(|rest| {
            if rest != 0 && (rest < 0) != (right < 0) {
                rest.checked_add(right)
            } else {
                Some(rest)
            }
        }),
        Operator::Power => match u32::try_from(right) {
            Ok(right) => left.checked_pow(right),
            Err(_) => return broken(Operator::Power, left as f64, right as f64),
        },
        Operator::Concat => None,
    };
    result.map(Object::Int).ok_or_else(too_large)
}

fn broken(operator: Operator, left: f64, right: f64) -> Result<Object, Fault> {
    let divides = matches!(
        operator,
        Operator::Divide | Operator::DivideWhole | Operator::Remainder
    );
    if divides && right == 0.0 {
        return Err(by_zero());
    }
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::DivideWhole => (left / right).floor(),
        Operator::Remainder => {
            let rest = left % right;
            if rest != 0.0 && (rest < 0.0) != (right < 0.0) {
                rest + right
            } else {
                rest
            }
        }
        Operator::Power if left == 0.0 && right < 0.0 => return Err(by_zero()),
        Operator::Power => left.powf(right),
        Operator::Concat => return Err(too_large()),
    };
    Ok(Object::Float(result))
}

fn joined(left: &Object, right: &Object) -> Option<Object> {
    match (left, right) {
        (Object::Text(left), Object::Text(right)) => {
            Some(Object::from([left.as_ref(), right.as_ref()].concat()))
        }
        (Object::List(left), Object::List(right)) => Some(Object::List(left.joined(right))),
        (Object::Tuple(left), Object::Tuple(right)) => {
            let items: Rc<[Object]> = left.iter().chain(right.iter()).cloned().collect();
            Some(Object::Tuple(items))
        }
        _ => None,
    }
}

fn repeated(rendering: &Rendering, left: &Object, right: &Object) -> Result<Option<Object>, Fault> {
    let (what, times) = match (left.as_int(), right.as_int()) {
        (Some(times), None) => (right, times),
        (None, Some(times)) => (left, times),
        _ => return Ok(None),
    };
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    let fits = |length: usize| length.saturating_mul(times) <= LONGEST;
    match what {
        Object::Text(text) if fits(text.len()) => Ok(Some(Object::from(text.repeat(times)))),
        Object::List(list) if fits(list.len()) => {
            let items = list.items(rendering);
            let count = items.len().saturating_mul(times);
            Ok(Some(Object::list(
                items.iter().cycle().take(count).cloned().collect(),
            )))
        }
        Object::Text(_) | Object::List(_) => Err(failed("the result would be too long")),
        Object::Missing(_)
        | Object::None
        | Object::Bool(_)
        | Object::Int(_)
        | Object::Float(_)
        | Object::Tuple(_)
        | Object::Map(_)
        | Object::Range(_)
        | Object::Special(_)
        | Object::Omit => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_divided_towards_the_floor() {
        let cases = [
            (Operator::DivideWhole, -7, 2, "Int(-4)"),
            (Operator::DivideWhole, 7, -2, "Int(-4)"),
            (Operator::Remainder, -7, 3, "Int(2)"),
            (Operator::Remainder, 7, -3, "Int(-2)"),
            (Operator::Power, 2, 10, "Int(1024)"),
            (Operator::Power, 2, -1, "Float(0.5)"),
            (Operator::Divide, 6, 2, "Float(3.0)"),
        ];
        for (operator, left, right, expected) in cases {
            let result = whole(operator, left, right).unwrap();
            assert_eq!(
                format!("{result:?}"),
                expected,
                "{left} {operator:?} {right}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_an_error_and_no_panic() {
        assert!(whole(Operator::Multiply, i128::MAX, 2).is_err());
        assert!(whole(Operator::DivideWhole, i128::MIN, -1).is_err());
        assert!(whole(Operator::Remainder, 1, 0).is_err());
        assert!(whole(Operator::Power, 10, 1000).is_err());
        assert!(broken(Operator::Divide, 1.0, 0.0).is_err());
        assert!(negate(&Object::Int(i128::MIN)).is_err());
    }
}
