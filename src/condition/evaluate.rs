//! The value of a condition for a host's attributes, as the original compiler gave it (LANGUAGE section 3).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::condition::{EvalError, Expr, Op, Value};
use crate::name::AttributeName;

impl<'a> Value<'a> {
    /// Reads an attribute's text as the original compiler did: truth words, then integer, then float.
    pub fn read(text: &'a str) -> Self {
        const TRUE: [&str; 4] = ["on", "true", "yes", "y"];
        const FALSE: [&str; 4] = ["off", "false", "no", "n"];
        if TRUE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Value::Bool(true);
        }
        if FALSE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Value::Bool(false);
        }
        // Python's int() and float() strip blanks; Rust's parse does not.
        let number = text.trim();
        if let Ok(int) = number.parse::<i64>() {
            return Value::Int(int);
        }
        number.parse::<f64>().map_or(Value::Text(text), Value::Float)
    }

    /// Python's truth: empty text, zero, empty lists and `None` are false.
    pub fn is_true(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(truth) => *truth,
            Value::Int(int) => *int != 0,
            Value::Float(float) => *float != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
            #[allow(clippy::cast_precision_loss)] // 53 bits are enough to compare what people write
            Value::Int(int) => Some(*int as f64),
            Value::Float(float) => Some(*float),
            _ => None,
        }
    }

    fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Int(left), Value::Int(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::None, Value::None) => true,
            (Value::List(left), Value::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
            }
            #[allow(clippy::float_cmp)] // Python compares exactly
            _ => matches!((self.number(), other.number()), (Some(left), Some(right)) if left == right),
        }
    }

    fn describe(&self) -> String {
        match self {
            Value::None => "no value".to_owned(),
            Value::Bool(truth) => format!("the truth value {truth}"),
            Value::Int(int) => format!("the number {int}"),
            Value::Float(float) => format!("the number {float}"),
            Value::Text(text) => format!("the text '{text}'"),
            Value::List(_) => "a list".to_owned(),
        }
    }
}

type Lookup<'l, 'a> = &'l dyn Fn(&str) -> Option<&'a str>;

impl Expr {
    /// An operand and its value, for people.
    fn describe(&self, value: &Value) -> String {
        match (self, value) {
            (Expr::Name(name), Value::None) => format!("`{name}` (no value)"),
            (Expr::Name(name), value) => format!("`{name}` ({})", value.describe()),
            (_, value) => value.describe(),
        }
    }

    pub(super) fn value<'a>(&'a self, lookup: Lookup<'_, 'a>) -> Result<Value<'a>, EvalError> {
        Ok(match self {
            Expr::None => Value::None,
            Expr::Bool(truth) => Value::Bool(*truth),
            Expr::Int(int) => Value::Int(*int),
            Expr::Float(float) => Value::Float(*float),
            Expr::Text(text) => Value::Text(text),
            Expr::Name(name) => lookup(name.as_str()).map_or(Value::None, Value::read),
            Expr::List(items) => Value::List(items.iter().map(|item| item.value(lookup)).collect::<Result<_, _>>()?),
            Expr::Not(inner) => Value::Bool(!inner.value(lookup)?.is_true()),
            Expr::And(parts) => last_or_first(parts, lookup, |value| !value.is_true())?,
            Expr::Or(parts) => last_or_first(parts, lookup, Value::is_true)?,
            Expr::OneOf(name, items) => {
                Value::Bool(lookup(name.as_str()).is_some_and(|text| items.iter().any(|item| item == text)))
            }
            Expr::Compare(first, rest) => {
                let mut left = &**first;
                for (op, right) in rest {
                    if !compare(left, *op, right, lookup)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Value::Bool(true)
            }
        })
    }

    /// The value for a comparison with a text literal: an attribute's text, unconverted.
    fn text<'a>(&'a self, lookup: Lookup<'_, 'a>) -> Result<Value<'a>, EvalError> {
        match self {
            Expr::Name(name) => Ok(lookup(name.as_str()).map_or(Value::None, Value::Text)),
            other => other.value(lookup),
        }
    }

    pub(super) fn collect_names(&self, names: &mut BTreeSet<AttributeName>) {
        match self {
            Expr::Name(name) | Expr::OneOf(name, _) => {
                names.insert(name.clone());
            }
            Expr::List(parts) | Expr::And(parts) | Expr::Or(parts) => {
                parts.iter().for_each(|part| part.collect_names(names));
            }
            Expr::Not(inner) => inner.collect_names(names),
            Expr::Compare(first, rest) => {
                first.collect_names(names);
                rest.iter().for_each(|(_, part)| part.collect_names(names));
            }
            Expr::None | Expr::Bool(_) | Expr::Int(_) | Expr::Float(_) | Expr::Text(_) => {}
        }
    }

    pub(super) fn collect_none_tests(&self, names: &mut BTreeSet<AttributeName>) {
        match self {
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.collect_none_tests(names)),
            Expr::Not(inner) => inner.collect_none_tests(names),
            Expr::Compare(first, rest) if rest.iter().any(|(op, _)| matches!(op, Op::IsNone | Op::IsNotNone)) => {
                first.collect_names(names);
            }
            _ => {}
        }
    }

    pub(super) fn collect_compared(&self, names: &mut BTreeSet<AttributeName>) {
        match self {
            Expr::OneOf(name, _) => {
                names.insert(name.clone());
            }
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.collect_compared(names)),
            Expr::Not(inner) => inner.collect_compared(names),
            Expr::Compare(_, rest) if rest.iter().all(|(op, _)| matches!(op, Op::IsNone | Op::IsNotNone)) => {}
            Expr::Compare(..) => self.collect_names(names),
            _ => {}
        }
    }
}

/// Python's `and` and `or`: the first operand that decides, else the last.
fn last_or_first<'a>(
    parts: &'a [Expr],
    lookup: Lookup<'_, 'a>,
    decides: impl Fn(&Value<'a>) -> bool,
) -> Result<Value<'a>, EvalError> {
    let mut last = Value::None;
    for part in parts {
        last = part.value(lookup)?;
        if decides(&last) {
            break;
        }
    }
    Ok(last)
}

fn compare<'a>(left: &'a Expr, op: Op, right: &'a Expr, lookup: Lookup<'_, 'a>) -> Result<bool, EvalError> {
    match op {
        Op::IsNone => return Ok(matches!(left.value(lookup)?, Value::None)),
        Op::IsNotNone => return Ok(!matches!(left.value(lookup)?, Value::None)),
        Op::In => return contains(left, right, lookup),
        Op::NotIn => return Ok(!contains(left, right, lookup)?),
        _ => {}
    }
    let (left_expr, right_expr) = (left, right);
    let (left, right) = operands(left, right, lookup)?;
    match op {
        Op::Equal => return Ok(left.equals(&right)),
        Op::NotEqual => return Ok(!left.equals(&right)),
        _ => {}
    }
    let Some(ordering) = order(&left, &right) else {
        return Err(EvalError {
            message: format!("cannot order {} and {}", left_expr.describe(&left), right_expr.describe(&right)),
        });
    };
    let Some(ordering) = ordering else { return Ok(false) };
    Ok(match op {
        Op::Less => ordering == Ordering::Less,
        Op::LessEqual => ordering != Ordering::Greater,
        Op::Greater => ordering == Ordering::Greater,
        _ => ordering != Ordering::Less,
    })
}

/// Both values; texts as they are where one side is a text literal.
fn operands<'a>(left: &'a Expr, right: &'a Expr, lookup: Lookup<'_, 'a>) -> Result<(Value<'a>, Value<'a>), EvalError> {
    if matches!(left, Expr::Text(_)) || matches!(right, Expr::Text(_)) {
        return Ok((left.text(lookup)?, right.text(lookup)?));
    }
    Ok((left.value(lookup)?, right.value(lookup)?))
}

/// `None` for values of which neither comes first; in it `None` for NaN, which no order comparison holds for.
#[allow(clippy::option_option)] // the two are different things
fn order(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        return Some(Some(left.cmp(right)));
    }
    if let (Value::Text(left), Value::Text(right)) = (left, right) {
        return Some(Some(left.cmp(right)));
    }
    Some(left.number()?.partial_cmp(&right.number()?))
}

fn contains<'a>(item: &'a Expr, container: &'a Expr, lookup: Lookup<'_, 'a>) -> Result<bool, EvalError> {
    if let Expr::List(items) = container {
        for candidate in items {
            let (left, right) = operands(item, candidate, lookup)?;
            if left.equals(&right) {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    match (item.text(lookup)?, container.text(lookup)?) {
        (Value::Text(part), Value::Text(whole)) => Ok(whole.contains(part)),
        (part, whole) => {
            let message = format!("cannot look for {} in {}", item.describe(&part), container.describe(&whole));
            Err(EvalError { message })
        }
    }
}
