//! Text to conditions: tokens, then operators by how tightly they bind.

use crate::condition::{Expr, Op, ParseError};
use crate::name::AttributeName;

/// Parses one expression.
///
/// # Errors
/// The text is not one expression of LANGUAGE section 3; the range says where.
pub(super) fn parse(text: &str) -> Result<Expr, ParseError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, next: 0, depth: 0 };
    let expr = parser.or()?;
    parser.end()?;
    Ok(expr)
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
    let mut end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len());
    if rest[..end].ends_with(['e', 'E']) && rest[end..].starts_with(['+', '-']) {
        let digits = rest[end + 1..].bytes().take_while(u8::is_ascii_digit).count();
        end += if digits > 0 { digits + 1 } else { 0 };
    }
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
