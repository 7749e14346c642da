//! Why something cannot be installed, in words: the chain from what is asked for to what nobody provides, or two packages
//! that cannot be together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::dist::formula::{Formula, formula};
use crate::dist::relation::Relation;
use crate::dist::solve::Cause;
use crate::dist::universe::{Id, Universe};

/// One step from a package to what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The package.
    pub package: Id,
    /// What it requires.
    pub requires: Relation,
}

/// The way from a package to something that nobody provides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its steps; the last requires what is not there.
    pub steps: Vec<Step>,
    /// The package that would provide it, and that is not to be installed.
    pub off: Option<Id>,
}

/// Which packages can be installed at all, as far as what they require goes.
#[derive(Debug, Default)]
pub struct Closure {
    /// Those that cannot: when that was seen, and what they lack.
    broken: BTreeMap<Id, (usize, Option<Relation>)>,
}

impl Closure {
    /// Follows everything that these packages may bring; `off` are not to be there.
    pub fn new(universe: &Universe, start: &[Id], off: &BTreeSet<Id>) -> Self {
        let requirements = reachable(universe, start);
        let mut closure = Self::default();
        closure.broken.extend(off.iter().map(|id| (*id, (0, None))));
        let mut users: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        for (id, relations) in &requirements {
            let mut used = Vec::new();
            relations.iter().for_each(|(_, formula)| formula.ids(&mut used));
            used.into_iter().for_each(|used| users.entry(used).or_default().push(*id));
        }
        let mut open: VecDeque<Id> = requirements.keys().copied().collect();
        while let Some(id) = open.pop_front() {
            if closure.broken.contains_key(&id) {
                continue;
            }
            let can_be = |id: Id| !closure.broken.contains_key(&id);
            let lacks = requirements[&id].iter().find(|(_, formula)| !formula.can_hold(&can_be));
            if let Some((relation, _)) = lacks {
                let turn = closure.broken.len() + 1;
                closure.broken.insert(id, (turn, Some(relation.clone())));
                open.extend(users.get(&id).into_iter().flatten());
            }
        }
        closure
    }

    /// Why none of some packages can be installed; none where one can.
    pub fn chain(&self, universe: &Universe, packages: &[Id]) -> Option<Chain> {
        let mut id = *packages.first().filter(|_| packages.iter().all(|id| self.broken.contains_key(id)))?;
        let mut chain = Chain { steps: Vec::new(), off: None };
        loop {
            let Some((turn, Some(relation))) = self.broken.get(&id) else {
                chain.off = Some(id);
                return Some(chain);
            };
            chain.steps.push(Step { package: id, requires: relation.clone() });
            let mut providers = Vec::new();
            formula(relation, universe).unwrap_or(Formula::One(Vec::new())).ids(&mut providers);
            // Each step goes to what was seen to be broken before, so that the way has an end.
            let earlier = |id: &Id| self.broken.get(id).is_some_and(|(seen, _)| seen < turn);
            match providers.into_iter().find(earlier) {
                Some(next) => id = next,
                None => return Some(chain),
            }
        }
    }
}

/// Every package that may come in, with what it requires.
fn reachable(universe: &Universe, start: &[Id]) -> BTreeMap<Id, Vec<(Relation, Formula)>> {
    let mut found: BTreeMap<Id, Vec<(Relation, Formula)>> = BTreeMap::new();
    let mut open = start.to_vec();
    while let Some(id) = open.pop() {
        if found.contains_key(&id) {
            continue;
        }
        let relations = universe.package(id).requires.iter();
        // What cannot be read cannot be met.
        let met = |relation: &Relation| formula(relation, universe).unwrap_or(Formula::One(Vec::new()));
        let read: Vec<_> = relations.map(|relation| (relation.clone(), met(relation))).collect();
        read.iter().for_each(|(_, formula)| formula.ids(&mut open));
        found.insert(id, read);
    }
    found
}

impl Chain {
    /// As a sentence: `a requires b, b requires c, which nothing provides`.
    pub fn text(&self, universe: &Universe) -> String {
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| format!("`{}` requires `{}`", universe.package(step.package).nevra, step.requires))
            .collect();
        match self.off {
            None => format!("{}, which nothing in the distribution provides", steps.join(", ")),
            Some(id) if steps.is_empty() => format!("`{}` is taken off", universe.package(id).nevra),
            Some(id) => format!("{}, but `{}` is taken off", steps.join(", "), universe.package(id).nevra),
        }
    }
}

/// Why clauses cannot all hold, as a sentence; the nearest cause that keeps packages from being together.
pub fn clash(causes: &[Cause], universe: &Universe) -> String {
    let name = |id: &Id| &universe.package(*id).nevra;
    let first = causes.iter().find_map(|cause| match cause {
        Cause::Conflicts(id, relation) => Some(format!("`{}` conflicts with `{relation}`", name(id))),
        Cause::Obsoletes(id, relation) => {
            Some(format!("`{}` stands instead of `{relation}` (it obsoletes it)", name(id)))
        }
        Cause::SameName(id) => Some(format!("`{}` is wanted, and another version of it", name(id))),
        _ => None,
    });
    let needs: Vec<_> = causes
        .iter()
        .filter_map(|cause| match cause {
            Cause::Requires(id, relation) => Some(format!("`{}` requires `{relation}`", name(id))),
            _ => None,
        })
        .take(4)
        .collect();
    let first = first.unwrap_or_else(|| "what they require cannot be together".to_owned());
    if needs.is_empty() { first } else { format!("{first}; {}", needs.join(", ")) }
}
