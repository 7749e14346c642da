//! Clauses of which each has to hold, and what they force: the half of the search that knows nothing of what is searched.
//!
//! A clause is a list of packages that are there or are not, one of which has to be so. What is chosen or forced stands on a
//! trail, in levels of choices; where a clause cannot hold, a new one is learned that says why, and the search goes back
//! (conflict-driven clause learning; Marques-Silva and Sakallah 1996). [`crate::dist::solve`] makes the choices.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::dist::formula::Literal;
use crate::dist::universe::Id;

/// One of these holds.
#[derive(Debug)]
struct Clause<C> {
    literals: Vec<Literal>,
    /// Why; a learned one has no cause of its own.
    cause: Option<C>,
    /// The clauses that a learned one follows from.
    from: Vec<usize>,
}

/// What is known of a package.
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    there: Option<bool>,
    level: usize,
    /// The clause that forced it; none for a choice.
    reason: Option<usize>,
    was_told: bool,
}

/// What following a fact comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A package is there, for the first time: it may bring clauses.
    There(Id),
    /// The clause of this number cannot hold.
    Broken(usize),
}

/// What a broken clause taught.
#[derive(Debug)]
pub struct Learned {
    literals: Vec<Literal>,
    /// Where it forces something.
    pub level: usize,
    from: Vec<usize>,
}

/// Clauses, and what is known by them. `C` is the cause of a clause.
#[derive(Debug)]
pub struct Clauses<C> {
    list: Vec<Clause<C>>,
    occurrences: HashMap<Id, Vec<usize>>,
    values: Vec<Value>,
    /// What was chosen or forced, in order.
    trail: Vec<Id>,
    /// Where each level begins in the trail.
    levels: Vec<usize>,
    /// How far of the trail was followed.
    followed: usize,
    /// Clauses before it hold, as far as choices go.
    cursor: usize,
    /// How many packages in clauses were looked at.
    work: u64,
}

impl<C: Clone + PartialEq> Clauses<C> {
    /// None yet, over so many packages.
    pub fn over(packages: usize) -> Self {
        Self {
            list: Vec::new(),
            occurrences: HashMap::new(),
            values: vec![Value::default(); packages],
            trail: Vec::new(),
            levels: Vec::new(),
            followed: 0,
            cursor: 0,
            work: 0,
        }
    }

    /// Whether a package is there, if that is known.
    pub fn is(&self, id: Id) -> Option<bool> {
        self.values[id as usize].there
    }

    fn holds(&self, literal: Literal) -> Option<bool> {
        self.is(literal.id).map(|there| there == literal.there)
    }

    /// How many packages in clauses were looked at so far: what a search costs, on every machine the same.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// How many choices were made.
    pub fn level(&self) -> usize {
        self.levels.len()
    }

    /// The fact of a number, in order; none after the last.
    pub fn fact(&self, number: usize) -> Option<Id> {
        self.trail.get(number).copied()
    }

    /// Packages that are there, in order.
    pub fn there(&self) -> Vec<Id> {
        self.trail.iter().copied().filter(|id| self.is(*id) == Some(true)).collect()
    }

    /// Makes a choice, on a level of its own.
    pub fn choose(&mut self, literal: Literal) {
        self.levels.push(self.trail.len());
        self.assign(literal, None);
    }

    /// Takes a clause in; gives its number if it cannot hold.
    pub fn add(&mut self, literals: Vec<Literal>, cause: C) -> Option<usize> {
        self.take(literals, Some(cause), Vec::new())
    }

    /// Takes in what was learned; gives its number if it cannot hold.
    pub fn add_learned(&mut self, learned: Learned) -> Option<usize> {
        self.take(learned.literals, None, learned.from)
    }

    fn take(&mut self, mut literals: Vec<Literal>, cause: Option<C>, from: Vec<usize>) -> Option<usize> {
        let mut seen = BTreeSet::new();
        literals.retain(|literal| seen.insert(*literal));
        let always = literals.iter().any(|literal| seen.contains(&Literal { there: !literal.there, ..*literal }));
        if always {
            return None;
        }
        let number = self.list.len();
        for literal in &literals {
            self.occurrences.entry(literal.id).or_default().push(number);
        }
        self.list.push(Clause { literals, cause, from });
        self.look_at(number)
    }

    /// Does what a clause forces; gives its number if it cannot hold.
    fn look_at(&mut self, number: usize) -> Option<usize> {
        let mut open = None;
        self.work += self.list[number].literals.len() as u64;
        for literal in &self.list[number].literals {
            match self.holds(*literal) {
                Some(true) => return None,
                Some(false) => {}
                None if open.is_some() => return None,
                None => open = Some(*literal),
            }
        }
        match open {
            Some(literal) => self.assign(literal, Some(number)),
            None => return Some(number),
        }
        None
    }

    fn assign(&mut self, literal: Literal, reason: Option<usize>) {
        let level = self.level();
        let value = &mut self.values[literal.id as usize];
        (value.there, value.level, value.reason) = (Some(literal.there), level, reason);
        self.trail.push(literal.id);
    }

    /// Follows what is forced up to something that has to be told; none where all was followed.
    pub fn follow(&mut self) -> Option<Step> {
        while let Some(id) = self.trail.get(self.followed).copied() {
            let value = &mut self.values[id as usize];
            if value.there == Some(true) && !std::mem::replace(&mut value.was_told, true) {
                return Some(Step::There(id));
            }
            self.followed += 1;
            for number in self.occurrences.get(&id).cloned().unwrap_or_default() {
                if let Some(broken) = self.look_at(number) {
                    return Some(Step::Broken(broken));
                }
            }
        }
        None
    }

    /// The preferred package for the first clause that does not hold. What is not chosen is not installed, so that a clause
    /// which asks for something not to be there holds by itself.
    pub fn next_choice(&mut self) -> Option<Literal> {
        let ahead = self.first_unmet(self.cursor);
        // What held because something was not there may not hold any more.
        let found = ahead.or_else(|| self.first_unmet(0));
        self.cursor = found.unwrap_or(self.list.len());
        let clause = self.list.get(found?)?;
        clause.literals.iter().find(|literal| self.holds(**literal).is_none()).copied()
    }

    fn first_unmet(&self, start: usize) -> Option<usize> {
        let met = |literal: &Literal| self.holds(*literal).unwrap_or(!literal.there);
        let after = self.list.iter().enumerate().skip(start);
        after.filter(|(_, clause)| !clause.literals.iter().any(met)).map(|(number, _)| number).next()
    }

    /// Takes choices back, up to a level.
    pub fn go_back(&mut self, level: usize) {
        let Some(start) = self.levels.get(level).copied() else { return };
        for id in self.trail.drain(start..) {
            let value = &mut self.values[id as usize];
            (value.there, value.reason) = (None, None);
        }
        self.levels.truncate(level);
        self.followed = start.min(self.followed);
        self.cursor = 0;
    }

    /// The clause that would have kept the search from here, and the level at which it forces something (first unique
    /// implication point).
    pub fn learn(&self, broken: usize) -> Learned {
        let level = self.level();
        let mut seen = vec![false; self.values.len()];
        let (mut learned, mut resolved): (Vec<Literal>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut open = 0;
        let mut at = self.trail.len();
        let mut clause = Some(broken);
        let mut from: Option<Id> = None;
        loop {
            if let Some(number) = clause {
                resolved.push(number);
                for literal in self.list[number].literals.iter().filter(|literal| Some(literal.id) != from) {
                    let value = self.values[literal.id as usize];
                    if std::mem::replace(&mut seen[literal.id as usize], true) || value.level == 0 {
                        continue;
                    }
                    if value.level == level { open += 1 } else { learned.push(*literal) }
                }
            }
            while at > 0
                && !(seen[self.trail[at - 1] as usize] && self.values[self.trail[at - 1] as usize].level == level)
            {
                at -= 1;
            }
            at -= 1;
            let id = self.trail[at];
            let value = self.values[id as usize];
            open -= 1;
            if open == 0 {
                let back = learned.iter().map(|literal| self.values[literal.id as usize].level).max().unwrap_or(0);
                learned.insert(0, Literal { id, there: value.there != Some(true) });
                return Learned { literals: learned, level: back, from: resolved };
            }
            (clause, from) = (value.reason, Some(id));
        }
    }

    /// All clauses that led to a broken one, nearest first: what it follows from, and what forced what stands in it.
    pub fn causes(&self, broken: usize) -> Vec<C> {
        let mut causes = Vec::new();
        let mut seen = BTreeSet::from([broken]);
        let mut open = VecDeque::from([broken]);
        while let Some(number) = open.pop_front() {
            let clause = &self.list[number];
            if let Some(cause) = clause.cause.as_ref().filter(|cause| !causes.contains(*cause)) {
                causes.push(cause.clone());
            }
            // Only what holds whatever is chosen is a reason still.
            let values = clause.literals.iter().map(|literal| self.values[literal.id as usize]);
            let reasons =
                values.filter(|value| value.level == 0 && value.there.is_some()).filter_map(|value| value.reason);
            let before = clause.from.iter().copied().chain(reasons);
            open.extend(before.filter(|number| seen.insert(*number)));
        }
        causes
    }
}
