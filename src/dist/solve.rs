//! What has to be installed for some packages to be there: a search that is complete, in a fixed order.
//!
//! Each package that is chosen brings clauses: what it requires, what it cannot be with. The search chooses the preferred
//! package for the first clause that does not hold yet, follows what that forces, and where two clauses cannot both
//! hold it learns why and goes back to the choice that caused it (conflict-driven clause learning; Marques-Silva and
//! Sakallah 1996). What nothing asks for is not installed. Our own, because what is preferred has to be ours, and
//! because an answer has to say in words why there is none.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::dist::formula::{Formula, Literal, formula};
use crate::dist::nevra::are_apart;
use crate::dist::relation::Relation;
use crate::dist::universe::{Id, Universe};

/// How often the search may go back; no real distribution comes near.
const MAX_CONFLICTS: usize = 20_000;
/// Packages that may be there in several versions say so.
const INSTALL_ONLY: &str = "installonlypkg(";

/// Why a clause holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is asked for: the number of what was asked.
    Wanted(usize),
    /// It is not to be there: the number among those.
    Off(usize),
    /// A package requires it.
    Requires(Id, Relation),
    /// A package cannot be with it.
    Conflicts(Id, Relation),
    /// A package stands instead of it.
    Obsoletes(Id, Relation),
    /// One version of it is enough.
    SameName(Id),
    /// It follows from others.
    Learned,
}

/// What is asked for.
#[derive(Debug, Default)]
pub struct Request {
    /// Of each of these lists one package, the preferred first.
    pub wanted: Vec<Vec<Id>>,
    /// None of these.
    pub off: Vec<Id>,
    /// Whether to install what packages recommend, as far as that is possible.
    pub weak: bool,
}

/// What the search found.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// These packages, in the order in which they were chosen.
    Install(Vec<Id>),
    /// There is no way; these clauses cannot all hold, the first being where it was seen.
    Impossible(Vec<Cause>),
    /// The search was given up.
    Unknown,
}

struct Clause {
    literals: Vec<Literal>,
    cause: Cause,
    /// The clauses that a learned one follows from.
    from: Vec<usize>,
}

/// What is known of a package.
#[derive(Clone, Copy, Default)]
struct Value {
    there: Option<bool>,
    level: usize,
    /// The clause that forced it; none for a choice.
    reason: Option<usize>,
    is_expanded: bool,
}

struct Search<'u> {
    universe: &'u Universe,
    clauses: Vec<Clause>,
    occurrences: HashMap<Id, Vec<usize>>,
    values: Vec<Value>,
    /// What was decided or forced, in order.
    trail: Vec<Id>,
    /// Where each level begins in the trail.
    levels: Vec<usize>,
    /// How far of the trail was followed.
    followed: usize,
    /// Clauses before it hold, as far as choices go.
    cursor: usize,
}

/// Finds what has to be installed.
pub fn solve(universe: &Universe, request: &Request) -> Answer {
    let mut search = Search {
        universe,
        clauses: Vec::new(),
        occurrences: HashMap::new(),
        values: vec![Value::default(); universe.packages.len()],
        trail: Vec::new(),
        levels: Vec::new(),
        followed: 0,
        cursor: 0,
    };
    let off = request
        .off
        .iter()
        .enumerate()
        .map(|(number, id)| (vec![Literal { id: *id, there: false }], Cause::Off(number)));
    let there = |id: &Id| Literal { id: *id, there: true };
    let wanted = request.wanted.iter().enumerate();
    let wanted = wanted.map(|(number, ids)| (ids.iter().map(there).collect(), Cause::Wanted(number)));
    for (literals, cause) in off.chain(wanted) {
        if let Some(broken) = search.add(literals, cause) {
            return Answer::Impossible(search.causes(broken));
        }
    }
    match search.complete(0) {
        Outcome::Done => {}
        Outcome::Broken(clause) => return Answer::Impossible(search.causes(clause)),
        Outcome::GivenUp => return Answer::Unknown,
    }
    if request.weak {
        search.recommended();
    }
    let chosen = search.trail.iter().filter(|id| search.is(**id) == Some(true));
    Answer::Install(chosen.copied().collect())
}

/// What a broken clause taught.
struct Learned {
    literals: Vec<Literal>,
    /// Where it forces something.
    level: usize,
    from: Vec<usize>,
}

enum Outcome {
    Done,
    Broken(usize),
    GivenUp,
}

impl Search<'_> {
    fn is(&self, id: Id) -> Option<bool> {
        self.values[id as usize].there
    }

    fn holds(&self, literal: Literal) -> Option<bool> {
        self.is(literal.id).map(|there| there == literal.there)
    }

    fn level(&self) -> usize {
        self.levels.len()
    }

    /// Takes a clause in; gives its number if it cannot hold.
    fn add(&mut self, mut literals: Vec<Literal>, cause: Cause) -> Option<usize> {
        let mut seen = BTreeSet::new();
        literals.retain(|literal| seen.insert(*literal));
        let always = literals.iter().any(|literal| seen.contains(&Literal { there: !literal.there, ..*literal }));
        if always {
            return None;
        }
        let number = self.clauses.len();
        for literal in &literals {
            self.occurrences.entry(literal.id).or_default().push(number);
        }
        self.clauses.push(Clause { literals, cause, from: Vec::new() });
        self.look_at(number)
    }

    /// Does what a clause forces; gives its number if it cannot hold.
    fn look_at(&mut self, number: usize) -> Option<usize> {
        let mut open = None;
        for literal in &self.clauses[number].literals {
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

    /// Follows everything that is forced; gives a clause that cannot hold.
    fn follow(&mut self) -> Option<usize> {
        while let Some(id) = self.trail.get(self.followed).copied() {
            self.followed += 1;
            if self.is(id) == Some(true)
                && let Some(broken) = self.expand(id)
            {
                return Some(broken);
            }
            for number in self.occurrences.get(&id).cloned().unwrap_or_default() {
                if let Some(broken) = self.look_at(number) {
                    return Some(broken);
                }
            }
        }
        None
    }

    /// Takes in the clauses that a package brings, once.
    fn expand(&mut self, id: Id) -> Option<usize> {
        if std::mem::replace(&mut self.values[id as usize].is_expanded, true) {
            return None;
        }
        let universe = self.universe;
        let package = universe.package(id);
        let not_me = Literal { id, there: false };
        let mut broken = None;
        let mut add = |search: &mut Self, mut literals: Vec<Literal>, cause: Cause| {
            literals.insert(0, not_me);
            let found = search.add(literals, cause);
            broken = broken.or(found);
        };
        for relation in &package.requires {
            for clause in clauses(relation, universe, true) {
                add(self, clause, Cause::Requires(id, relation.clone()));
            }
        }
        for relation in &package.conflicts {
            for mut clause in clauses(relation, universe, false) {
                // Nobody conflicts with itself.
                let is_other = clause.iter().any(|literal| literal.id != id);
                clause.retain(|literal| literal.id != id);
                if is_other {
                    add(self, clause, Cause::Conflicts(id, relation.clone()));
                }
            }
        }
        for relation in &package.obsoletes {
            for other in universe.obsoleted(relation).filter(|other| *other != id) {
                add(self, vec![Literal { id: other, there: false }], Cause::Obsoletes(id, relation.clone()));
            }
        }
        let is_several = package.provides.iter().any(|provided| provided.name.starts_with(INSTALL_ONLY));
        let others = universe.named(&package.nevra.name).iter().filter(|other| **other != id && !is_several);
        let apart = |other: &Id| are_apart(&universe.package(*other).nevra.arch, &package.nevra.arch, &universe.arch);
        for other in others.filter(|other| !apart(other)) {
            add(self, vec![Literal { id: *other, there: false }], Cause::SameName(id));
        }
        broken
    }

    /// Chooses until every clause holds. Choices up to level `base` stay.
    fn complete(&mut self, base: usize) -> Outcome {
        let mut conflicts = 0;
        loop {
            if let Some(broken) = self.follow() {
                conflicts += 1;
                if self.level() <= base {
                    return Outcome::Broken(broken);
                }
                if conflicts > MAX_CONFLICTS {
                    return Outcome::GivenUp;
                }
                let learned = self.learn(broken);
                self.go_back(learned.level.max(base));
                let number = self.clauses.len();
                let broken = self.add(learned.literals, Cause::Learned);
                self.clauses[number].from = learned.from;
                // Below the base it is forced as soon as it is looked at, or broken there.
                if let Some(broken) = broken {
                    return Outcome::Broken(broken);
                }
                continue;
            }
            let Some(choice) = self.next_choice() else { return Outcome::Done };
            self.levels.push(self.trail.len());
            self.assign(choice, None);
        }
    }

    /// The preferred package for the first clause that does not hold. What is not chosen is not installed, so that a clause
    /// which asks for something not to be there holds by itself.
    fn next_choice(&mut self) -> Option<Literal> {
        let ahead = self.first_unmet(self.cursor);
        // What held because something was not there may not hold any more.
        let found = ahead.or_else(|| self.first_unmet(0));
        self.cursor = found.unwrap_or(self.clauses.len());
        let clause = self.clauses.get(found?)?;
        clause.literals.iter().find(|literal| self.holds(**literal).is_none()).copied()
    }

    fn first_unmet(&self, start: usize) -> Option<usize> {
        let met = |literal: &Literal| self.holds(*literal).unwrap_or(!literal.there);
        let after = self.clauses.iter().enumerate().skip(start);
        after.filter(|(_, clause)| !clause.literals.iter().any(met)).map(|(number, _)| number).next()
    }

    fn go_back(&mut self, level: usize) {
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
    fn learn(&self, broken: usize) -> Learned {
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
                for literal in self.clauses[number].literals.iter().filter(|literal| Some(literal.id) != from) {
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

    /// What is recommended and can be installed beside what has to be; in the order in which packages were chosen.
    fn recommended(&mut self) {
        let universe = self.universe;
        let mut at = 0;
        while let Some(id) = self.trail.get(at).copied() {
            at += 1;
            if self.is(id) != Some(true) {
                continue;
            }
            for relation in &universe.package(id).recommends {
                let Ok(Formula::One(ids)) = formula(relation, universe) else { continue };
                if ids.iter().any(|id| self.is(*id) == Some(true)) {
                    continue;
                }
                let Some(best) = ids.into_iter().find(|id| self.is(*id).is_none()) else { continue };
                let base = self.level();
                self.levels.push(self.trail.len());
                self.assign(Literal { id: best, there: true }, None);
                if !matches!(self.complete(base + 1), Outcome::Done) {
                    self.go_back(base);
                }
            }
        }
    }

    /// All clauses that led to a broken one, nearest first: what it follows from, and what forced what stands in it.
    fn causes(&self, broken: usize) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut seen = BTreeSet::from([broken]);
        let mut open = VecDeque::from([broken]);
        while let Some(number) = open.pop_front() {
            let clause = &self.clauses[number];
            if clause.cause != Cause::Learned && !causes.contains(&clause.cause) {
                causes.push(clause.cause.clone());
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

/// A relation as clauses; a requirement that cannot be read, or has no end, cannot be met.
fn clauses(relation: &Relation, universe: &Universe, holds: bool) -> Vec<Vec<Literal>> {
    let read = formula(relation, universe).ok().and_then(|formula| formula.clauses(holds));
    read.unwrap_or_else(|| if holds { vec![Vec::new()] } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::nevra::{Evr, Nevra};
    use crate::dist::package::{Digested, Package};
    use crate::dist::relation::Comparison;

    fn relation(text: &str) -> Relation {
        let words: Vec<&str> = text.split(' ').collect();
        if text.starts_with('(') || words.len() == 1 {
            return Relation { name: text.into(), version: None };
        }
        let version = Some((Comparison::of_sign(words[1]).unwrap(), Evr::parse(words[2])));
        Relation { name: words[0].into(), version }
    }

    /// `name version; requires: a, b; conflicts: c` lines.
    fn universe(text: &str) -> Universe {
        let packages = text.trim().lines().map(|line| {
            let mut parts = line.split(';').map(str::trim);
            let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
            let nevra = Nevra { name: name.into(), evr: Evr::parse(version), arch: "noarch".into() };
            let mut package = Package::new(nevra, Digested { kind: "sha256".into(), value: line.into() });
            for part in parts {
                let (kind, relations) = part.split_once(": ").unwrap();
                let relations = relations.split(", ").map(relation).collect();
                match kind {
                    "requires" => package.requires = relations,
                    "provides" => package.provides = relations,
                    "conflicts" => package.conflicts = relations,
                    "obsoletes" => package.obsoletes = relations,
                    "recommends" => package.recommends = relations,
                    other => panic!("{other}"),
                }
            }
            package
        });
        Universe::new(packages.collect(), "x86_64")
    }

    fn installed(text: &str, wanted: &[&str], off: &[&str]) -> Result<Vec<String>, Vec<Cause>> {
        let universe = universe(text);
        let request = Request {
            wanted: wanted.iter().map(|name| universe.named(name).to_vec()).collect(),
            off: off.iter().flat_map(|name| universe.named(name).to_vec()).collect(),
            weak: true,
        };
        match solve(&universe, &request) {
            Answer::Install(mut ids) => {
                ids.sort_unstable();
                Ok(ids
                    .iter()
                    .map(|id| format!("{}-{}", universe.package(*id).nevra.name, universe.package(*id).nevra.evr))
                    .collect())
            }
            Answer::Impossible(causes) => Err(causes),
            Answer::Unknown => panic!("given up"),
        }
    }

    #[test]
    fn what_is_required_comes_in_and_nothing_else() {
        let found =
            installed("a 1; requires: b >= 2, c\nb 1\nb 2; requires: d\nc 1\nd 1; requires: a\ne 1", &["a"], &[]);
        assert_eq!(found.unwrap(), ["a-1", "b-2", "c-1", "d-1"]);
    }

    #[test]
    fn the_search_goes_back_to_the_choice_that_was_wrong() {
        // The first provider of `mta` cannot be with `b`.
        let text = "a 1; requires: mta, b\nexim 1; provides: mta; conflicts: lib < 2\npostfix 1; provides: mta\nb 1; requires: lib\nlib 1";
        assert_eq!(installed(text, &["a"], &[]).unwrap(), ["a-1", "postfix-1", "b-1", "lib-1"]);
    }

    #[test]
    fn what_cannot_be_is_impossible() {
        assert!(installed("a 1; requires: b\nb 1; conflicts: a", &["a"], &[]).is_err());
        assert!(installed("a 1; requires: b\nb 1", &["a"], &["b"]).is_err());
        assert!(installed("a 1; requires: nothing", &["a"], &[]).is_err());
        assert!(installed("a 1\nb 1; obsoletes: a < 2", &["a", "b"], &[]).is_err());
        assert!(installed("a 1; requires: c = 1\nb 1; requires: c = 2\nc 1\nc 2", &["a", "b"], &[]).is_err());
    }

    #[test]
    fn formulas_hold() {
        let text =
            "a 1; requires: (b if c else d), (e or f), (g with h)\nb 1\nc 1\nd 1\nf 1\ng 1\ngg 1; provides: g, h";
        assert_eq!(installed(text, &["a"], &[]).unwrap(), ["a-1", "d-1", "f-1", "gg-1"]);
        assert_eq!(installed(text, &["a", "c"], &[]).unwrap(), ["a-1", "b-1", "c-1", "f-1", "gg-1"]);
        let text = "a 1; conflicts: (b and c), (d unless e)\nb 1\nc 1\nd 1\ne 1";
        assert!(installed(text, &["a", "b", "c"], &[]).is_err());
        assert_eq!(installed(text, &["a", "d"], &[]).unwrap(), ["a-1", "d-1", "e-1"]);
        assert!(installed(text, &["a", "d"], &["e"]).is_err());
    }

    #[test]
    fn what_is_recommended_comes_in_where_it_can() {
        let text = "a 1; recommends: b, c, nothing\nb 1; requires: nothing\nc 1; requires: d\nd 1";
        assert_eq!(installed(text, &["a"], &[]).unwrap(), ["a-1", "c-1", "d-1"]);
        assert_eq!(installed(text, &["a"], &["d"]).unwrap(), ["a-1"]);
    }

    #[test]
    fn kernels_may_be_there_in_several_versions() {
        let text = "k 1; provides: installonlypkg(kernel)\nk 2; provides: installonlypkg(kernel)\na 1; requires: k = 1\nb 1; requires: k = 2";
        assert_eq!(installed(text, &["a", "b"], &[]).unwrap().len(), 4);
    }
}
