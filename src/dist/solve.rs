//! What has to be installed for some packages to be there: a search that is complete, in a fixed order.
//!
//! Each package that is chosen brings clauses: what it requires, what it cannot be with. The search chooses the preferred
//! package for the first clause that does not hold yet and follows what that forces ([`crate::dist::clauses`]). What nothing
//! asks for is not installed. Our own, because what is preferred has to be ours, and because an answer has to say in words
//! why there is none.

use crate::dist::clauses::{Clauses, Step};
use crate::dist::formula::{Formula, Literal, formula};
use crate::dist::nevra::are_apart;
use crate::dist::relation::Relation;
use crate::dist::universe::{Id, Universe};

/// How often the search may go back; no real distribution comes near.
const MAX_CONFLICTS: usize = 20_000;
/// How many packages in clauses may be looked at: some seconds.
const MAX_WORK: u64 = 300_000_000;
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

struct Search<'u> {
    universe: &'u Universe,
    clauses: Clauses<Cause>,
    /// How often it went back so far.
    conflicts: usize,
}

/// Finds what has to be installed.
pub fn solve(universe: &Universe, request: &Request) -> Answer {
    let mut search = Search { universe, clauses: Clauses::over(universe.packages.len()), conflicts: 0 };
    let off = request.off.iter().enumerate();
    let off = off.map(|(number, id)| (vec![Literal { id: *id, there: false }], Cause::Off(number)));
    let there = |id: &Id| Literal { id: *id, there: true };
    let wanted = request.wanted.iter().enumerate();
    let wanted = wanted.map(|(number, ids)| (ids.iter().map(there).collect(), Cause::Wanted(number)));
    for (literals, cause) in off.chain(wanted) {
        if let Some(broken) = search.clauses.add(literals, cause) {
            return Answer::Impossible(search.clauses.causes(broken));
        }
    }
    match search.complete(0) {
        Outcome::Done => {}
        Outcome::Broken(clause) => return Answer::Impossible(search.clauses.causes(clause)),
        Outcome::GivenUp => return Answer::Unknown,
    }
    if request.weak {
        search.recommended();
    }
    Answer::Install(search.clauses.there())
}

enum Outcome {
    Done,
    Broken(usize),
    GivenUp,
}

impl Search<'_> {
    /// Follows everything that is forced; gives a clause that cannot hold.
    fn follow(&mut self) -> Option<usize> {
        loop {
            match self.clauses.follow()? {
                Step::Broken(broken) => return Some(broken),
                Step::There(id) => {
                    if let Some(broken) = self.expand(id) {
                        return Some(broken);
                    }
                }
            }
        }
    }

    /// Takes in the clauses that a package brings.
    fn expand(&mut self, id: Id) -> Option<usize> {
        let universe = self.universe;
        let package = universe.package(id);
        let not_me = Literal { id, there: false };
        let mut broken = None;
        let mut add = |search: &mut Self, mut literals: Vec<Literal>, cause: Cause| {
            literals.insert(0, not_me);
            let found = search.clauses.add(literals, cause);
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
                let is_other = clause.is_empty() || clause.iter().any(|literal| literal.id != id);
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
        loop {
            if let Some(broken) = self.follow() {
                self.conflicts += 1;
                if self.clauses.level() <= base {
                    return Outcome::Broken(broken);
                }
                if self.conflicts > MAX_CONFLICTS || self.clauses.work() > MAX_WORK {
                    return Outcome::GivenUp;
                }
                let learned = self.clauses.learn(broken);
                self.clauses.go_back(learned.level.max(base));
                // Below the base it is forced as soon as it is looked at, or broken there.
                if let Some(broken) = self.clauses.add_learned(learned) {
                    return Outcome::Broken(broken);
                }
                continue;
            }
            let Some(choice) = self.clauses.next_choice() else { return Outcome::Done };
            self.clauses.choose(choice);
        }
    }

    /// What is recommended, or supplements what is there, and can be installed beside what has to be; until nothing more
    /// comes in.
    fn recommended(&mut self) {
        let universe = self.universe;
        let read = |relation: &Relation| formula(relation, universe).ok();
        let supplements: Vec<(Id, Vec<Formula>)> = (0..)
            .zip(&universe.packages)
            .map(|(id, package)| (id, package.supplements.iter().filter_map(read).collect::<Vec<_>>()))
            .filter(|(_, formulas)| !formulas.is_empty())
            .collect();
        let mut at = 0;
        loop {
            while let Some(id) = self.clauses.fact(at) {
                at += 1;
                if self.clauses.is(id) == Some(true) {
                    universe.package(id).recommends.iter().filter_map(read).for_each(|wanted| self.try_for(&wanted));
                }
            }
            for (id, formulas) in &supplements {
                if self.clauses.is(*id).is_none() && formulas.iter().any(|formula| self.is_met(formula)) {
                    self.try_for(&Formula::One(vec![*id]));
                }
            }
            if self.clauses.fact(at).is_none() {
                return;
            }
        }
    }

    /// Whether a formula holds with what is there, all else being left out.
    fn is_met(&self, formula: &Formula) -> bool {
        formula.holds(&|id| self.clauses.is(id) == Some(true))
    }

    /// Installs what makes a formula hold, if one package does, and it can be.
    fn try_for(&mut self, formula: &Formula) {
        let mut ids = Vec::new();
        formula.ids(&mut ids);
        for id in ids {
            if self.is_met(formula) {
                return;
            }
            if self.clauses.is(id).is_some() || self.conflicts > MAX_CONFLICTS || self.clauses.work() > MAX_WORK {
                continue;
            }
            let base = self.clauses.level();
            self.clauses.choose(Literal { id, there: true });
            if !matches!(self.complete(base + 1), Outcome::Done) || !self.is_met(formula) {
                self.clauses.go_back(base);
            }
        }
    }
}

/// A relation as clauses; what cannot be read, or has no end, cannot be judged, so that the package cannot be installed.
fn clauses(relation: &Relation, universe: &Universe, holds: bool) -> Vec<Vec<Literal>> {
    let read = formula(relation, universe).ok().and_then(|formula| formula.clauses(holds));
    read.unwrap_or_else(|| vec![Vec::new()])
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
                    "supplements" => package.supplements = relations,
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
        let text = "a 1; recommends: (b if c)\nb 1\nc 1\nd 1; supplements: (a and c)\ne 1; supplements: d\nf 1; supplements: g";
        assert_eq!(installed(text, &["a"], &[]).unwrap(), ["a-1"]);
        assert_eq!(installed(text, &["a", "c"], &[]).unwrap(), ["a-1", "b-1", "c-1", "d-1", "e-1"]);
    }

    #[test]
    fn kernels_may_be_there_in_several_versions() {
        let text = "k 1; provides: installonlypkg(kernel)\nk 2; provides: installonlypkg(kernel)\na 1; requires: k = 1\nb 1; requires: k = 2";
        assert_eq!(installed(text, &["a", "b"], &[]).unwrap().len(), 4);
    }
}
