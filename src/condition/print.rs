//! Conditions to text that parses to the same condition: for people, and to know equal ones.

use std::fmt;

use crate::condition::{Condition, Expr, Op};

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

impl Expr {
    /// How tightly it binds, for parentheses in print: `or` 0, `and` 1, `not` 2, comparisons 3, operands 4.
    fn binding(&self) -> u8 {
        match self {
            Expr::Or(_) => 0,
            Expr::And(_) => 1,
            Expr::OneOf(_, items) if items.len() > 1 => 3,
            Expr::Not(_) => 2,
            Expr::Compare(..) | Expr::OneOf(..) => 3,
            _ => 4,
        }
    }

    fn print_in(&self, f: &mut fmt::Formatter<'_>, needed: u8) -> fmt::Result {
        if self.binding() < needed { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::None => write!(f, "None"),
            Expr::Bool(true) => write!(f, "True"),
            Expr::Bool(false) => write!(f, "False"),
            Expr::Int(int) => write!(f, "{int}"),
            Expr::Float(float) => write!(f, "{float:?}"),
            Expr::Text(text) => print_text(f, text),
            Expr::Name(name) => write!(f, "{name}"),
            Expr::List(items) => {
                write!(f, "[")?;
                print_joined(f, items, ", ", 0)?;
                write!(f, "]")
            }
            Expr::Not(inner) => {
                write!(f, "not ")?;
                inner.print_in(f, 2)
            }
            Expr::And(parts) => print_joined(f, parts, " and ", 2),
            Expr::Or(parts) => print_joined(f, parts, " or ", 1),
            Expr::OneOf(name, items) => {
                if let [item] = items.as_slice() {
                    write!(f, "{name} == ")?;
                    return print_text(f, item);
                }
                write!(f, "{name} in [")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}", if index > 0 { ", " } else { "" })?;
                    print_text(f, item)?;
                }
                write!(f, "]")
            }
            Expr::Compare(first, rest) => {
                first.print_in(f, 4)?;
                for (op, right) in rest {
                    write!(f, " {op}")?;
                    if !matches!(op, Op::IsNone | Op::IsNotNone) {
                        write!(f, " ")?;
                        right.print_in(f, 4)?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn print_joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str, needed: u8) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            write!(f, "{between}")?;
        }
        part.print_in(f, needed)?;
    }
    Ok(())
}

/// A text literal holds one sort of quote at most, because there are no escapes.
fn print_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') { '"' } else { '\'' };
    write!(f, "{quote}{text}{quote}")
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Equal => "==",
            Op::NotEqual => "!=",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Greater => ">",
            Op::GreaterEqual => ">=",
            Op::In => "in",
            Op::NotIn => "not in",
            Op::IsNone => "is None",
            Op::IsNotNone => "is not None",
        })
    }
}
