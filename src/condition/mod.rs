//! Conditions: Python-like tests of attributes, LANGUAGE section 3.
//!
//! Parsed once, where they stand; numbered in [`Conditions`], so that the answers of a host are a vector and
//! hosts that answer alike share a profile. Before it: [`crate::syntax`]; after it: [`crate::resolve`].

mod evaluate;
mod parse;
mod print;

use std::collections::{BTreeMap, BTreeSet};

use crate::name::AttributeName;

/// A parsed condition: `arch` and `os` and `release` and `cond` of one element or edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    expr: Expr,
}

/// The number of a condition in [`Conditions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConditionId(u32);

impl ConditionId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A condition does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Bytes of the source text.
    pub range: std::ops::Range<usize>,
    /// What is there and what was expected.
    pub message: String,
    /// The next action.
    pub hint: Option<String>,
}

/// A condition has no answer for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    /// Why, with the values.
    pub message: String,
}

/// The answer to a condition for one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It does not hold.
    False,
    /// It holds.
    True,
    /// It has no answer; an error only if somebody asks.
    Fault,
}

/// A value of a condition. Text is borrowed from the attributes or the condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `None`, or an attribute that the host lacks.
    None,
    /// `True`, `on`, `yes`, ..
    Bool(bool),
    /// A number without point.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Everything else.
    Text(&'a str),
    /// A tuple or list.
    List(Vec<Value<'a>>),
}

#[derive(Clone, Debug, PartialEq)]
enum Expr {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Name(AttributeName),
    List(Vec<Expr>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// `1 < x < 9` is one chain, as in Python.
    Compare(Box<Expr>, Vec<(Op, Expr)>),
    /// `arch="i386, x86_64"`: the attribute's text is one of these.
    OneOf(AttributeName, Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
    IsNone,
    IsNotNone,
}

impl Condition {
    /// Parses an expression.
    ///
    /// # Errors
    /// The text is not one expression of LANGUAGE section 3; the range says where.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text).map(|expr| Self { expr })
    }

    /// `attribute="a, b"` of an element: the text of `attribute` is one of a comma list, trimmed.
    pub fn one_of(attribute: AttributeName, list: &str) -> Self {
        let items = list.split(',').map(|item| item.trim().to_owned()).collect();
        Self { expr: Expr::OneOf(attribute, items) }
    }

    /// All of these must hold; `None` where there are none.
    pub fn all(conditions: impl IntoIterator<Item = Condition>) -> Option<Self> {
        let mut exprs = Vec::new();
        for condition in conditions {
            match condition.expr {
                Expr::And(parts) => exprs.extend(parts),
                expr => exprs.push(expr),
            }
        }
        match exprs.len() {
            0 => None,
            1 => exprs.pop().map(|expr| Self { expr }),
            _ => Some(Self { expr: Expr::And(exprs) }),
        }
    }

    /// The names of the attributes that are read, sorted.
    pub fn attributes(&self) -> BTreeSet<AttributeName> {
        let mut names = BTreeSet::new();
        self.expr.collect_names(&mut names);
        names
    }

    /// The attributes that are tested with `is None` or `is not None`: whoever does that knows that they may be unset.
    pub fn tested_for_none(&self) -> BTreeSet<AttributeName> {
        let mut names = BTreeSet::new();
        self.expr.collect_none_tests(&mut names);
        names
    }

    /// The attributes whose text decides, not only whether there is one.
    pub fn compared_attributes(&self) -> BTreeSet<AttributeName> {
        let mut names = BTreeSet::new();
        self.expr.collect_compared(&mut names);
        names
    }

    /// The value for these attributes, as Python's `and` and `or` give it.
    ///
    /// # Errors
    /// A number is ordered against text or against an attribute that has no value.
    pub fn value<'a>(&'a self, lookup: &dyn Fn(&str) -> Option<&'a str>) -> Result<Value<'a>, EvalError> {
        self.expr.value(lookup)
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// As [`Condition::value`].
    pub fn holds<'a>(&'a self, lookup: &dyn Fn(&str) -> Option<&'a str>) -> Result<bool, EvalError> {
        self.value(lookup).map(|value| value.is_true())
    }
}

/// All conditions of a description, each once.
#[derive(Debug, Default)]
pub struct Conditions {
    list: Vec<Condition>,
    by_text: BTreeMap<String, ConditionId>,
}

impl Conditions {
    /// The number of a condition; equal conditions have one.
    pub fn intern(&mut self, condition: Condition) -> ConditionId {
        let text = condition.to_string();
        if let Some(id) = self.by_text.get(&text) {
            return *id;
        }
        let id = ConditionId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(condition);
        self.by_text.insert(text, id);
        id
    }

    /// The condition of a number.
    pub fn get(&self, id: ConditionId) -> &Condition {
        &self.list[id.index()]
    }

    /// All numbers, in order.
    pub fn ids(&self) -> impl Iterator<Item = ConditionId> + use<> {
        (0..u32::try_from(self.list.len()).unwrap_or(u32::MAX)).map(ConditionId)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> Result<bool, String> {
        let attributes = [
            ("t", "true"),
            ("f", "off"),
            ("empty", ""),
            ("major", "7"),
            ("release", "7.1"),
            ("arch", "x86_64"),
            ("list", "a,b,c"),
            ("enabled", "true"),
            ("sp", " 5 "),
        ];
        let lookup = |name: &str| attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let condition = Condition::parse(text).map_err(|error| error.message)?;
        condition.holds(&lookup).map_err(|error| error.message)
    }

    #[test]
    fn conditions_that_hold() {
        for text in [
            "t",
            "not f",
            "not u",
            "u is None",
            "major == 7",
            "major == '7'",
            "release == '7.1'",
            "release >= 7",
            "enabled == 'true'",
            "enabled == True",
            "1 < major < 9",
            "arch in ['i386', 'x86_64']",
            "arch in ('x86_64',)",
            "'86' in arch",
            "'b' in list",
            "arch not in ('i386', 'ia64')",
            "t and (f or major > 6)",
            "not (t and f)",
            "not u == t",
            "sp == 5",
            "u == None",
            "empty is not None",
            "u != 'x'",
            "-1 < major",
            "not not t",
            " t\n",
        ] {
            assert_eq!(holds(text), Ok(true), "{text}");
        }
    }

    #[test]
    fn conditions_that_do_not_hold() {
        for text in [
            "f",
            "u",
            "empty",
            "major != 7",
            "arch == 'i386'",
            "u == 0",
            "u == ''",
            "t and f",
            "0",
            "''",
            "()",
            "None",
            "u in ('a',)",
        ] {
            assert_eq!(holds(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn ordering_needs_two_numbers_or_two_texts() {
        assert_eq!(holds("arch > 5").unwrap_err(), "cannot order `arch` (the text 'x86_64') and the number 5");
        assert_eq!(holds("u >= 7").unwrap_err(), "cannot order `u` (no value) and the number 7");
        assert_eq!(holds("major < '8'"), Ok(true));
    }

    #[test]
    fn faults_are_at_their_place() {
        for (text, range, message) in [
            ("t &&  f", 2..4, "`&&` is not an operator of conditions"),
            ("a = 1", 2..3, "`=` is not an operator of conditions"),
            ("t and", 5..5, "expected a name, a number, a text or `(`, but the condition ends"),
            ("a b", 2..3, "expected an operator such as `and`, `or`, `==` or `in`, but found `b`"),
            ("len(a)", 3..4, "expected an operator, but found `(`"),
            ("'abc", 0..4, "the text that starts here has no closing `'`"),
            ("a is 5", 5..6, "expected `None` after `is`, but found `5`"),
            ("x + 1", 2..3, "`+` cannot stand in a condition"),
            ("(a", 2..2, "expected `,` or `)`, but the condition ends"),
            ("  ", 2..2, "expected a name, a number, a text or `(`, but the condition ends"),
            ("7L", 0..2, "`7L` is not a number"),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert_eq!((error.range, error.message.as_str()), (range, message), "{text}");
        }
        assert!(Condition::parse(&"(".repeat(5000)).unwrap_err().message.contains("nested"));
        assert!(Condition::parse(&"not ".repeat(50_000)).is_err());
    }

    #[test]
    fn printing_keeps_the_meaning() {
        for text in [
            "not (a or b) and c == 1",
            "a and (b or c)",
            "a in ['x', \"it's\"]",
            "(a == b) == c",
            "x is not None",
            "1 < a <= 2.0",
        ] {
            let condition = Condition::parse(text).unwrap();
            assert_eq!(Condition::parse(&condition.to_string()).unwrap(), condition, "{text}");
        }
    }

    #[test]
    fn equal_conditions_have_one_number() {
        let mut conditions = Conditions::default();
        let first = conditions.intern(Condition::parse("a  and b").unwrap());
        assert_eq!(conditions.intern(Condition::parse("a and (b)").unwrap()), first);
        assert_ne!(conditions.intern(Condition::parse("a or b").unwrap()), first);
    }
}
