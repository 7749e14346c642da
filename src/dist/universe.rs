//! All packages of a tree that run on one architecture, by what they provide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rpmrepo_metadata::CompsData;

use crate::dist::error::DistError;
use crate::dist::modular::{Modules, artifact, documents};
use crate::dist::nevra::{Nevra, is_foreign, rank};
use crate::dist::package::Package;
use crate::dist::relation::Relation;
use crate::dist::repodata::read::Repository;

/// The number of a package in its universe.
pub type Id = u32;

/// All packages of a tree that run on one architecture.
#[derive(Debug, Default)]
pub struct Universe {
    /// The architecture.
    pub arch: String,
    /// By number.
    pub packages: Vec<Package>,
    /// Groups and environments.
    pub groups: CompsData,
    /// Who stands instead of which packages of other names.
    instead: BTreeMap<Id, Vec<Id>>,
    /// Streams of modules.
    pub modules: Modules,
    by_name: BTreeMap<Arc<str>, Vec<Id>>,
    /// Whoever provides something of a name, each with what it is: the number of the relation.
    by_capability: HashMap<Arc<str>, Vec<(Id, Relation)>>,
    by_file: HashMap<Arc<str>, Vec<Id>>,
}

impl Universe {
    /// Reads a tree. Of `files` it is known who has them, and of those that some package wants.
    ///
    /// # Errors
    /// It has no index, or one that cannot be used.
    pub fn read(tree: &std::path::Path, arch: &str, files: &BTreeSet<Arc<str>>) -> Result<Self, DistError> {
        let repository = Repository::open(tree)?;
        let mut universe = Self::new(repository.packages()?, arch);
        let missing = universe.unknown_files(files);
        if !missing.is_empty() {
            let packages = universe.packages.iter().zip(0..);
            let numbers: BTreeMap<String, Id> =
                packages.map(|(package, id)| (package.digest.value.clone(), id)).collect();
            for (package, file) in repository.owners(&missing)? {
                if let Some(id) = numbers.get(&package) {
                    universe.packages[*id as usize].files.push(Arc::clone(&file));
                    universe.by_file.entry(file).or_default().push(*id);
                }
            }
        }
        universe.groups = repository.groups()?.unwrap_or_default();
        if let Some(text) = repository.modules()? {
            let read = documents(&text, 0).map_err(|message| DistError::metadata(tree.display(), message))?;
            universe.modules = Modules::of(read);
        }
        Ok(universe)
    }

    /// What is there where some streams of modules are asked for, by their modules: packages of other streams are not,
    /// and none of other origin that is called as one of a stream. Where nothing is asked for, the default streams count.
    #[must_use]
    pub fn with_streams(&self, asked: &BTreeMap<String, String>) -> Self {
        let enabled = self.modules.enabled(asked);
        let names: BTreeSet<Arc<str>> = self
            .packages
            .iter()
            .filter(|package| enabled.contains(&artifact(&package.nevra)))
            .map(|package| Arc::clone(&package.nevra.name))
            .collect();
        let is_there = |package: &&Package| {
            let artifact = artifact(&package.nevra);
            enabled.contains(&artifact) || !(self.modules.has(&artifact) || names.contains(&package.nevra.name))
        };
        let packages = self.packages.iter().filter(is_there).cloned().collect();
        Self { groups: self.groups.clone(), modules: self.modules.clone(), ..Self::new(packages, &self.arch) }
    }

    /// Of these packages, those that run on an architecture.
    pub fn new(packages: Vec<Package>, arch: &str) -> Self {
        let mut universe = Self { arch: arch.to_owned(), ..Self::default() };
        universe.packages = packages.into_iter().filter(|package| rank(&package.nevra.arch, arch).is_some()).collect();
        for (package, id) in universe.packages.iter().zip(0..) {
            universe.by_name.entry(Arc::clone(&package.nevra.name)).or_default().push(id);
            // Packages provide themselves, and say so; not all do.
            let itself = package.itself();
            let capabilities = &mut universe.by_capability;
            if !package.provides.contains(&itself) {
                capabilities.entry(Arc::clone(&itself.name)).or_default().push((id, itself));
            }
            for provided in &package.provides {
                capabilities.entry(Arc::clone(&provided.name)).or_default().push((id, provided.clone()));
            }
            for file in &package.files {
                universe.by_file.entry(Arc::clone(file)).or_default().push(id);
            }
        }
        universe.instead = universe.who_stands_instead();
        universe
    }

    fn who_stands_instead(&self) -> BTreeMap<Id, Vec<Id>> {
        let mut instead: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        for (package, id) in self.packages.iter().zip(0..) {
            let old = package.obsoletes.iter().flat_map(|relation| self.obsoleted(relation));
            for old in old.filter(|old| self.package(*old).nevra.name != package.nevra.name) {
                instead.entry(old).or_default().push(id);
            }
        }
        instead
    }

    /// Files that are asked for, by a site or by a package, and that are not among those that we have.
    fn unknown_files(&self, asked: &BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
        let mut wanted = asked.clone();
        for package in &self.packages {
            let relations = [&package.requires, &package.conflicts, &package.recommends].into_iter().flatten();
            for relation in relations {
                if relation.name.starts_with('(') {
                    // Paths in a formula end where its words do.
                    let words = relation.name.split([' ', '(', ')']).filter(|word| word.starts_with('/'));
                    wanted.extend(words.map(Arc::from));
                } else if relation.is_file() {
                    wanted.insert(Arc::clone(&relation.name));
                }
            }
        }
        wanted.retain(|file| !self.by_file.contains_key(file) && !self.by_capability.contains_key(file));
        wanted
    }

    /// The package of a number.
    pub fn package(&self, id: Id) -> &Package {
        &self.packages[id as usize]
    }

    /// The packages of a name.
    pub fn named(&self, name: &str) -> &[Id] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.by_name.keys().map(|name| &**name)
    }

    /// Who meets a relation, each once, in the order of numbers.
    pub fn providers(&self, wanted: &Relation) -> Vec<Id> {
        let capabilities = self.by_capability.get(&wanted.name).into_iter().flatten();
        let mut found: Vec<Id> = capabilities.filter(|(_, has)| wanted.meets(has)).map(|(id, _)| *id).collect();
        if wanted.is_file() {
            found.extend(self.by_file.get(&wanted.name).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Packages of other names that stand instead of one: who asks for it gets them, as from dnf.
    pub fn obsoleters(&self, id: Id) -> &[Id] {
        self.instead.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Packages that a relation of the kind `Obsoletes` speaks of: by name, not by what they provide.
    pub fn obsoleted(&self, relation: &Relation) -> impl Iterator<Item = Id> {
        let ids = self.named(&relation.name).iter().copied();
        ids.filter(move |id| relation.meets(&self.package(*id).itself()))
    }

    /// Orders packages as they are preferred where one is as good as the other: those of the name that is wanted, those
    /// of the machine's own architecture, newer ones, and then by name.
    pub fn prefer(&self, ids: &mut [Id], name: &str) {
        ids.sort_by(|one, other| {
            let (a, b) = (&self.package(*one).nevra, &self.package(*other).nevra);
            let rank = |nevra: &Nevra| rank(&nevra.arch, &self.arch).unwrap_or(usize::MAX);
            let foreign = |nevra: &Nevra| is_foreign(&nevra.arch, &self.arch);
            let other_name = |nevra: &Nevra| *nevra.name != *name;
            let order = other_name(a).cmp(&other_name(b)).then_with(|| foreign(a).cmp(&foreign(b)));
            let order = order.then_with(|| if a.name == b.name { b.evr.cmp(&a.evr) } else { a.name.cmp(&b.name) });
            order.then_with(|| rank(a).cmp(&rank(b))).then(one.cmp(other))
        });
    }
}
