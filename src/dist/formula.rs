//! What a package requires as a formula over packages, and as clauses of which each has to hold.
//!
//! Most relations are one set of packages, of which one is enough. Others are formulas (rpm: boolean dependencies):
//! `(a and b)`, `(a or b)`, `(a if b else c)`, `(a unless b else c)`, `(a with b)`, `(a without b)`, in each other.

use crate::dist::nevra::Evr;
use crate::dist::relation::{Comparison, Relation};
use crate::dist::universe::{Id, Universe};

/// How deep formulas may stand in each other.
const MAX_DEPTH: usize = 32;
/// How many clauses one formula may become.
const MAX_CLAUSES: usize = 4096;

/// A formula over packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formula {
    /// One of these packages; an empty list is what nobody can give.
    One(Vec<Id>),
    /// All of these.
    All(Vec<Formula>),
    /// One of these.
    Any(Vec<Formula>),
    /// Not this.
    Not(Box<Formula>),
}

/// A package that is there, or that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Literal {
    /// Which.
    pub id: Id,
    /// Whether it is there.
    pub there: bool,
}

/// Reads a relation against what is there.
///
/// # Errors
/// It begins as a formula and is none.
pub fn formula(relation: &Relation, universe: &Universe) -> Result<Formula, String> {
    if !relation.name.starts_with('(') {
        return Ok(Formula::One(preferred(relation, universe)));
    }
    let mut parser = Parser { text: &relation.name, at: 0, universe };
    let formula = parser.operand(0)?;
    parser.skip_spaces();
    if parser.at < parser.text.len() { Err(parser.fault("nothing more")) } else { Ok(formula) }
}

fn preferred(relation: &Relation, universe: &Universe) -> Vec<Id> {
    let mut ids = universe.providers(relation);
    universe.prefer(&mut ids, &relation.name);
    ids
}

struct Parser<'p> {
    text: &'p str,
    at: usize,
    universe: &'p Universe,
}

impl Parser<'_> {
    fn fault(&self, expected: &str) -> String {
        format!("`{}` has to have {expected} at character {}", self.text, self.at + 1)
    }

    fn skip_spaces(&mut self) {
        self.at += self.text[self.at..].len() - self.text[self.at..].trim_start().len();
    }

    /// What stands up to a space or a parenthesis that closes nothing in it: `perl(a)` is a word.
    fn word(&mut self) -> &str {
        self.skip_spaces();
        let (start, mut open) = (self.at, 0_usize);
        for (at, c) in self.text[start..].char_indices() {
            match c {
                '(' => open += 1,
                ')' if open == 0 => return self.take(start, start + at),
                ')' => open -= 1,
                c if c.is_whitespace() => return self.take(start, start + at),
                _ => {}
            }
        }
        self.take(start, self.text.len())
    }

    fn take(&mut self, start: usize, end: usize) -> &str {
        self.at = end;
        &self.text[start..end]
    }

    fn peek(&mut self) -> String {
        let before = self.at;
        let word = self.word().to_owned();
        self.at = before;
        word
    }

    fn operand(&mut self, depth: usize) -> Result<Formula, String> {
        self.skip_spaces();
        if depth > MAX_DEPTH {
            return Err(self.fault("fewer formulas in each other"));
        }
        if !self.text[self.at..].starts_with('(') {
            return self.relation().map(Formula::One);
        }
        self.at += 1;
        let first = self.operand(depth + 1)?;
        let formula = self.rest(first, depth)?;
        if formula.size() > MAX_CLAUSES {
            return Err(self.fault("less in it"));
        }
        self.skip_spaces();
        if !self.text[self.at..].starts_with(')') {
            return Err(self.fault("`)`"));
        }
        self.at += 1;
        Ok(formula)
    }

    fn relation(&mut self) -> Result<Vec<Id>, String> {
        let name = self.word().to_owned();
        if name.is_empty() {
            return Err(self.fault("a name"));
        }
        let comparison = Comparison::of_sign(&self.peek());
        if comparison.is_some() {
            self.word();
        }
        let version = comparison.map(|comparison| (comparison, Evr::parse(self.word())));
        Ok(preferred(&Relation { name: name.into(), version }, self.universe))
    }

    /// The operator after the first operand, and the others.
    fn rest(&mut self, first: Formula, depth: usize) -> Result<Formula, String> {
        let operator = self.peek();
        match operator.as_str() {
            "" => Ok(first),
            "and" | "or" | "with" => {
                let mut operands = vec![first];
                while self.peek() == operator {
                    self.word();
                    operands.push(self.operand(depth + 1)?);
                }
                match operator.as_str() {
                    "and" => Ok(Formula::All(operands)),
                    "or" => Ok(self.either(operands)),
                    _ => self.with(operands, true),
                }
            }
            "without" => {
                self.word();
                let second = self.operand(depth + 1)?;
                self.with(vec![first, second], false)
            }
            "if" | "unless" => {
                self.word();
                let condition = self.operand(depth + 1)?;
                let mut otherwise = None;
                if self.peek() == "else" {
                    self.word();
                    otherwise = Some(self.operand(depth + 1)?);
                }
                Ok(conditional(&operator, first, condition, otherwise))
            }
            _ => Err(self.fault("`and`, `or`, `if`, `unless`, `with` or `without`")),
        }
    }

    /// Of alternatives the writer's order says nothing, as with dnf: where each is a set of packages, they are one set.
    fn either(&self, operands: Vec<Formula>) -> Formula {
        match set(Formula::Any(operands.clone())) {
            Some(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                self.universe.prefer(&mut ids, "");
                Formula::One(ids)
            }
            None => Formula::Any(operands),
        }
    }

    /// Packages that are in all of the sets, or in the first and not in the second.
    fn with(&self, operands: Vec<Formula>, both: bool) -> Result<Formula, String> {
        let mut sets = operands.into_iter().map(set);
        let mut ids = sets.next().flatten().ok_or_else(|| self.fault("packages on both sides"))?;
        for set in sets {
            let other = set.ok_or_else(|| self.fault("packages on both sides"))?;
            ids.retain(|id| other.contains(id) == both);
        }
        Ok(Formula::One(ids))
    }
}

/// The packages of which one is enough.
fn set(formula: Formula) -> Option<Vec<Id>> {
    match formula {
        Formula::One(ids) => Some(ids),
        Formula::Any(parts) => parts.into_iter().map(set).collect::<Option<Vec<_>>>().map(|sets| sets.concat()),
        Formula::All(_) | Formula::Not(_) => None,
    }
}

fn conditional(operator: &str, first: Formula, condition: Formula, otherwise: Option<Formula>) -> Formula {
    let not = |formula: Formula| Formula::Not(Box::new(formula));
    if operator == "if" {
        let then = Formula::Any(vec![first, not(condition.clone())]);
        return match otherwise {
            Some(otherwise) => Formula::All(vec![then, Formula::Any(vec![otherwise, condition])]),
            None => then,
        };
    }
    let then = Formula::All(vec![first, not(condition.clone())]);
    match otherwise {
        Some(otherwise) => Formula::Any(vec![then, Formula::All(vec![condition, otherwise])]),
        None => then,
    }
}

impl Formula {
    /// Clauses that all hold where the formula holds, or where it does not if `holds` is false. None where there would be
    /// too many.
    pub fn clauses(&self, holds: bool) -> Option<Vec<Vec<Literal>>> {
        match self {
            Self::One(ids) if holds => Some(vec![ids.iter().map(|id| Literal { id: *id, there: true }).collect()]),
            Self::One(ids) => Some(ids.iter().map(|id| vec![Literal { id: *id, there: false }]).collect()),
            Self::Not(inner) => inner.clauses(!holds),
            Self::All(parts) | Self::Any(parts) => {
                let parts = parts.iter().map(|part| part.clauses(holds)).collect::<Option<Vec<_>>>()?;
                let every = matches!(self, Self::All(_)) == holds;
                let clauses = if every { parts.concat() } else { one_of(parts)? };
                (clauses.len() <= MAX_CLAUSES).then_some(clauses)
            }
        }
    }

    /// How many parts it has; a condition counts where it stands and where it does not hold.
    fn size(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Not(inner) => 1 + inner.size(),
            Self::All(parts) | Self::Any(parts) => 1 + parts.iter().map(Self::size).sum::<usize>(),
        }
    }

    /// Whether it can hold where only these packages can be there, and all others can be left out.
    pub fn can_hold(&self, can_be: &dyn Fn(Id) -> bool) -> bool {
        match self {
            Self::One(ids) => ids.iter().any(|id| can_be(*id)),
            Self::All(parts) => parts.iter().all(|part| part.can_hold(can_be)),
            Self::Any(parts) => parts.iter().any(|part| part.can_hold(can_be)),
            Self::Not(_) => true,
        }
    }

    /// Whether it holds where just these packages are there.
    pub fn holds(&self, is_there: &dyn Fn(Id) -> bool) -> bool {
        match self {
            Self::One(ids) => ids.iter().any(|id| is_there(*id)),
            Self::All(parts) => parts.iter().all(|part| part.holds(is_there)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(is_there)),
            Self::Not(inner) => !inner.holds(is_there),
        }
    }

    /// Every package that it speaks of.
    pub fn ids(&self, found: &mut Vec<Id>) {
        match self {
            Self::One(ids) => found.extend(ids),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.ids(found)),
            Self::Not(inner) => inner.ids(found),
        }
    }
}

/// One of several sets of clauses holds: each clause of one beside each of the others.
fn one_of(parts: Vec<Vec<Vec<Literal>>>) -> Option<Vec<Vec<Literal>>> {
    let mut product: Vec<Vec<Literal>> = vec![Vec::new()];
    for part in parts {
        if product.len().checked_mul(part.len())? > MAX_CLAUSES {
            return None;
        }
        product = product.iter().flat_map(|left| part.iter().map(|right| [&left[..], &right[..]].concat())).collect();
    }
    Some(product)
}
