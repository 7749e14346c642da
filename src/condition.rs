//! Conditions: Python-like tests of attributes, LANGUAGE section 3.
//!
//! Parsed once, where they stand; numbered in [`Conditions`], so that the answers of a host are a vector and
//! hosts that answer alike share a profile. Before it: [`crate::syntax`]; after it: [`crate::resolve`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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
        let tokens = tokens(text)?;
        let mut parser = Parser { text, tokens, next: 0, depth: 0 };
        let expr = parser.or()?;
        parser.end()?;
        Ok(Self { expr })
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
            (Expr::Name(name), Value::None) => format!("`{name}`, which has no value,"),
            (Expr::Name(name), value) => format!("`{name}`, which is {},", value.describe()),
            (_, value) => value.describe(),
        }
    }

    fn value<'a>(&'a self, lookup: Lookup<'_, 'a>) -> Result<Value<'a>, EvalError> {
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
            Expr::Or(parts) => last_or_first(parts, lookup, |value| value.is_true())?,
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

    fn collect_names(&self, names: &mut BTreeSet<AttributeName>) {
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

    fn collect_compared(&self, names: &mut BTreeSet<AttributeName>) {
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
    decides: impl Fn(&Value) -> bool,
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
        return Err(EvalError { message: format!("cannot order {} and {}", left_expr.describe(&left), right_expr.describe(&right)) });
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

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Int(i64),
    Float(f64),
    Text(String),
    /// An operator or bracket.
    Sign(&'static str),
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "-"];

/// What people coming from other languages write, and what they meant.
const FOREIGN: [(&str, &str); 6] = [
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("=~", "there are no patterns; use `in` or `==`"),
    ("<>", "write `!=`"),
    ("!", "write `not`"),
    ("=", "write `==` to compare"),
];

fn tokens(text: &str) -> Result<Vec<(Token, std::ops::Range<usize>)>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let rest = &text[at..];
        let (token, length) = if first == '\'' || first == '"' {
            quoted(rest, at)?
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            number(rest, at)?
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len());
            (Token::Name(rest[..end].to_owned()), end)
        } else {
            sign(rest, at)?
        };
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

fn quoted(rest: &str, at: usize) -> Result<(Token, usize), ParseError> {
    let quote = &rest[..1];
    match rest[1..].find(quote) {
        Some(end) => Ok((Token::Text(rest[1..=end].to_owned()), end + 2)),
        None => Err(ParseError {
            range: at..at + rest.len(),
            message: format!("the text that starts here has no closing `{quote}`"),
            hint: None,
        }),
    }
}

fn number(rest: &str, at: usize) -> Result<(Token, usize), ParseError> {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len());
    let word = &rest[..end];
    if let Ok(int) = word.parse() {
        return Ok((Token::Int(int), end));
    }
    match word.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok((Token::Float(float), end)),
        _ => Err(ParseError {
            range: at..at + end,
            message: format!("`{word}` is not a number"),
            hint: Some(format!("a text stands in quotes: '{word}'")),
        }),
    }
}

fn sign(rest: &str, at: usize) -> Result<(Token, usize), ParseError> {
    let foreign = FOREIGN.iter().find(|(sign, _)| rest.starts_with(sign));
    let known = SIGNS.iter().find(|sign| rest.starts_with(**sign));
    match (known, foreign) {
        (Some(sign), foreign) if foreign.is_none_or(|(other, _)| other.len() <= sign.len()) => {
            Ok((Token::Sign(sign), sign.len()))
        }
        (_, Some((sign, hint))) => Err(ParseError {
            range: at..at + sign.len(),
            message: format!("`{sign}` is not an operator of conditions"),
            hint: Some((*hint).to_owned()),
        }),
        _ => {
            let c = rest.chars().next().unwrap_or(' ');
            Err(ParseError {
                range: at..at + c.len_utf8(),
                message: format!("`{c}` cannot stand in a condition"),
                hint: Some("there is no arithmetic in conditions; compare attributes and values".into()),
            })
        }
    }
}

/// Deeper nesting than any person writes; bounds the recursion.
const MAX_DEPTH: usize = 64;

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token, std::ops::Range<usize>)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(name)) if name == word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.tokens.get(self.next).map_or(self.text.len()..self.text.len(), |(_, range)| range.clone())
    }

    fn found(&self) -> String {
        match self.tokens.get(self.next) {
            Some((_, range)) => format!("found `{}`", &self.text[range.clone()]),
            None => "the condition ends".to_owned(),
        }
    }

    fn fault<T>(&self, expected: &str, hint: Option<&str>) -> Result<T, ParseError> {
        let message = format!("expected {expected}, but {}", self.found());
        Err(ParseError { range: self.range(), message, hint: hint.map(str::to_owned) })
    }

    fn end(&self) -> Result<(), ParseError> {
        match self.peek() {
            None => Ok(()),
            Some(Token::Sign("(")) => self.fault("an operator", Some("there are no function calls in conditions")),
            Some(Token::Sign("[")) => self.fault("an operator", Some("there is no indexing in conditions; use `in`")),
            Some(Token::Sign("-")) => self.fault(
                "an operator",
                Some("there is no arithmetic in conditions; an attribute whose name has a `-` cannot be read by one"),
            ),
            Some(Token::Name(word)) if word == "if" => {
                self.fault("an operator", Some("there is no `if` inside conditions; use `and` and `or`"))
            }
            Some(_) => self.fault("an operator such as `and`, `or`, `==` or `in`", None),
        }
    }

    fn or(&mut self) -> Result<Expr, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("the condition is nested more than {MAX_DEPTH} deep");
            return Err(ParseError { range: self.range(), message, hint: None });
        }
        let mut parts = vec![self.and()?];
        while self.take_word("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, ParseError> {
        let mut parts = vec![self.not()?];
        while self.take_word("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, ParseError> {
        let mut negations = 0_usize;
        while self.take_word("not") {
            negations += 1;
        }
        let mut expr = self.comparison()?;
        // Two negations give a truth value, so they are not nothing; more than two are.
        for _ in 0..if negations > 2 { negations % 2 + 2 } else { negations } {
            expr = Expr::Not(Box::new(expr));
        }
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, ParseError> {
        let first = self.operand()?;
        let mut rest = Vec::new();
        while let Some(op) = self.operator()? {
            match op {
                Op::IsNone | Op::IsNotNone => rest.push((op, Expr::None)),
                _ => rest.push((op, self.operand()?)),
            }
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn operator(&mut self) -> Result<Option<Op>, ParseError> {
        let op = match self.peek() {
            Some(Token::Sign("==")) => Op::Equal,
            Some(Token::Sign("!=")) => Op::NotEqual,
            Some(Token::Sign("<")) => Op::Less,
            Some(Token::Sign("<=")) => Op::LessEqual,
            Some(Token::Sign(">")) => Op::Greater,
            Some(Token::Sign(">=")) => Op::GreaterEqual,
            Some(Token::Name(word)) if word == "in" => Op::In,
            Some(Token::Name(word)) if word == "not" => {
                self.next += 1;
                if !self.take_word("in") {
                    return self.fault("`in` after `not`", None);
                }
                return Ok(Some(Op::NotIn));
            }
            Some(Token::Name(word)) if word == "is" => {
                self.next += 1;
                let op = if self.take_word("not") { Op::IsNotNone } else { Op::IsNone };
                if !self.take_word("None") {
                    return self.fault("`None` after `is`", Some("use `==` to compare values"));
                }
                return Ok(Some(op));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(op))
    }

    fn operand(&mut self) -> Result<Expr, ParseError> {
        if self.take_sign("(") {
            return self.bracket(")");
        }
        if self.take_sign("[") {
            return self.bracket("]");
        }
        let negative = self.take_sign("-");
        let expr = match self.peek() {
            Some(Token::Int(int)) => Expr::Int(if negative { -int } else { *int }),
            Some(Token::Float(float)) => Expr::Float(if negative { -float } else { *float }),
            _ if negative => return self.fault("a number after `-`", Some("there is no arithmetic in conditions")),
            Some(Token::Text(text)) => Expr::Text(text.clone()),
            Some(Token::Name(word)) => match word.as_str() {
                "None" => Expr::None,
                "True" => Expr::Bool(true),
                "False" => Expr::Bool(false),
                "and" | "or" | "in" | "is" | "not" | "if" | "else" | "lambda" | "for" => {
                    return self.fault("a name, a number, a text or `(`", None);
                }
                name => match AttributeName::new(name) {
                    Some(name) => Expr::Name(name),
                    None => return self.fault("the name of an attribute", None),
                },
            },
            _ => return self.fault("a name, a number, a text or `(`", None),
        };
        self.next += 1;
        Ok(expr)
    }

    /// After `(` or `[`: one expression in parentheses, or a tuple or list.
    fn bracket(&mut self, close: &'static str) -> Result<Expr, ParseError> {
        let mut items = Vec::new();
        let mut is_list = close == "]";
        while !self.take_sign(close) {
            items.push(self.or()?);
            if self.take_sign(",") {
                is_list = true;
            } else if !self.take_sign(close) {
                return self.fault(&format!("`,` or `{close}`"), None);
            } else {
                break;
            }
        }
        is_list |= items.is_empty();
        Ok(if is_list { Expr::List(items) } else { one_or(items, Expr::List) })
    }
}

fn one_or(mut parts: Vec<Expr>, many: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

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
        assert_eq!(holds("arch > 5").unwrap_err(), "cannot order `arch`, which is the text 'x86_64', and the number 5");
        assert_eq!(holds("u >= 7").unwrap_err(), "cannot order `u`, which has no value, and the number 7");
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
