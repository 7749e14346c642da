//! Whether packages can be installed together: the answers of dnf's solver for thousands of small universes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use kgen::dist::solve::{Answer, Request, solve};
use kgen::dist::universe::Universe;
use kgen::dist::wanted::{Found, look_up, taken_off};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::made::put;
use crate::support::{found, root, run};

/// Names that packages have and require.
const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// A relation as people write it; more of them can be met than not.
fn relation() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g", "v", "w", "/usr/bin/f", "nobody"]);
    let version = prop::sample::select(vec!["", "", "", " >= 2", " < 2", " = 1", " = 2", " > 1"]);
    let simple = (name, version)
        .prop_map(|(name, version)| if name.starts_with('/') { name.to_owned() } else { format!("{name}{version}") });
    let operator = prop::sample::select(vec!["or", "and", "if", "unless", "with", "without"]);
    let rich = (simple.clone(), operator, simple.clone(), prop::option::of(simple.clone())).prop_map(
        |(one, operator, two, three)| {
            match (operator, three) {
                ("if" | "unless", Some(three)) => format!("({one} {operator} {two} else {three})"),
                // The two that take no formula beside them are told apart by rpm itself when it builds.
                ("or" | "and", Some(three)) => format!("({one} {operator} {two} {operator} {three})"),
                _ => format!("({one} {operator} {two})"),
            }
        },
    );
    prop_oneof![5 => simple, 1 => rich]
}

fn requirement() -> impl Strategy<Value = String> {
    // `unless` is for conflicts (rpm: boolean dependencies).
    relation().prop_filter("rpm refuses it", |text| !text.contains(" unless "))
}

fn conflict() -> impl Strategy<Value = String> {
    relation().prop_filter("rpm refuses it", |text| !text.contains(" if "))
}

/// A package: name, version, and what it says.
fn one() -> impl Strategy<Value = (String, Vec<String>)> {
    let name = prop::sample::select(NAMES.to_vec());
    let version = prop::sample::select(vec!["1", "2", "3"]);
    let arch = prop::sample::select(vec!["x86_64", "x86_64", "noarch"]);
    let provides = prop::collection::vec(prop::sample::select(vec!["v", "v = 1", "v = 2", "w", "w = 3"]), 0..2);
    (
        (name, arch),
        version,
        provides,
        prop::collection::vec(requirement(), 0..3),
        prop::collection::vec(conflict(), 0..2),
        prop::option::weighted(0.15, prop::sample::select(NAMES.to_vec())),
    )
        .prop_map(|((name, arch), version, provides, requires, conflicts, obsoletes)| {
            let mut says: Vec<String> = provides.iter().map(|text| format!("provides: {text}")).collect();
            says.push(format!("provides: {name} = {version}-1"));
            says.extend(requires.iter().map(|text| format!("requires: {text}")));
            says.extend(
                conflicts.iter().filter(|text| !text.starts_with(name)).map(|text| format!("conflicts: {text}")),
            );
            says.extend(obsoletes.filter(|other| *other != name).map(|other| format!("obsoletes: {other} < 2")));
            if name == "f" {
                says.push("file: /usr/bin/f".to_owned());
            }
            (format!("{name}-{version}-1.{arch}"), says)
        })
}

/// What dnf says of a request: the packages that it installs for the names, and for just those that kgen chose; none where
/// there is no way.
#[derive(serde::Deserialize)]
struct Theirs {
    installs: Option<BTreeSet<String>>,
    exactly: Option<BTreeSet<String>>,
}

fn of_dnf(trees: &Path, requests: &Value) -> Option<Vec<Theirs>> {
    let python = Path::new("/usr/bin/python3");
    let there = python.is_file() && run(Command::new(python).args(["-c", "import dnf"])).0;
    let required = std::env::var_os("KGEN_REQUIRE_ALL").is_some();
    assert!(there || !required, "dnf for Python is missing, and KGEN_REQUIRE_ALL is set");
    if !found("dnf for Python", there) {
        return None;
    }
    let file = trees.join("requests.json");
    std::fs::write(&file, requests.to_string()).unwrap();
    let output = Command::new(python).arg(root().join("tests/dist/dnf_answers.py")).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What kgen installs for names, others being off; none where there is no way.
fn of_kgen(universe: &Universe, names: &[&str], off: &[&str]) -> Option<BTreeSet<String>> {
    let wanted = names.iter().map(|name| match look_up(name, universe, &BTreeSet::new()) {
        Found::Packages(lists) => lists.into_iter().next().unwrap(),
        other => panic!("{name}: {other:?}"),
    });
    let off = off.iter().flat_map(|name| taken_off(name, universe)).collect();
    match solve(universe, &Request { wanted: wanted.collect(), off, weak: false }) {
        Answer::Install(ids) => Some(ids.iter().map(|id| universe.package(*id).nevra.to_string()).collect()),
        Answer::Impossible(causes) => {
            assert!(!causes.is_empty());
            None
        }
        Answer::Unknown => panic!("given up"),
    }
}

#[test]
fn what_can_be_installed_together_is_what_dnf_installs() {
    let Some(createrepo) = crate::support::program("createrepo_c") else { return };
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let universes = if ["CI", "KGEN_ALL_BOOTS"].iter().any(is_set) { 500 } else { 80 };
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let scratch = tempfile::tempdir().unwrap();
    let (mut requests, mut ours) = (Vec::new(), Vec::new());
    for number in 0..universes {
        let tree = scratch.path().join(number.to_string());
        let packages = prop::collection::vec(one(), 4..14).new_tree(&mut runner).unwrap().current();
        let packages: std::collections::BTreeMap<_, _> = packages.into_iter().collect();
        for (nevra, says) in &packages {
            put(&tree, nevra, &says.iter().map(String::as_str).collect::<Vec<_>>());
        }
        assert!(run(Command::new(&createrepo).args(["-q", "--no-database"]).arg(&tree)).0);
        let universe = Universe::read(&tree, "x86_64", &BTreeSet::new()).unwrap();
        let names = prop::collection::btree_set(prop::sample::select(NAMES.to_vec()), 1..4);
        let off = prop::option::weighted(0.3, prop::sample::select(NAMES.to_vec()));
        for _ in 0..6 {
            let (names, off) = (names.clone(), off.clone()).new_tree(&mut runner).unwrap().current();
            let off: Vec<&str> = off.into_iter().collect();
            let is_asked = |name: &&str| !universe.named(name).is_empty() && !off.contains(name);
            let names: Vec<&str> = names.into_iter().filter(is_asked).collect();
            if names.is_empty() {
                continue;
            }
            let answer = of_kgen(&universe, &names, &off);
            let exact: Vec<&String> = answer.iter().flatten().collect();
            requests.push(json!({ "tree": tree, "names": names, "off": off, "exact": exact }));
            ours.push((answer, format!("{} without {off:?}", names.join(" ")), packages.clone()));
        }
    }
    let Some(theirs) = of_dnf(scratch.path(), &json!(requests)) else { return };
    assert_eq!(ours.len(), theirs.len());
    let (mut wrong, mut possible, mut smaller) = (Vec::new(), 0, 0);
    for ((ours, names, packages), theirs) in ours.iter().zip(&theirs) {
        // There is a way for both or for none, and dnf can install just what kgen chose.
        let same = ours.is_some() == theirs.installs.is_some() && (ours.is_none() || *ours == theirs.exactly);
        if !same {
            let Theirs { installs, exactly } = theirs;
            wrong.push(format!("{names}\n  kgen {ours:?}\n  dnf  {installs:?}, {exactly:?}\n  {packages:#?}"));
        }
        if let (Some(ours), Some(theirs)) = (ours, &theirs.installs) {
            possible += 1;
            smaller += usize::from(ours.len() <= theirs.len());
        }
    }
    println!("{} requests, {possible} possible, {smaller} of them with at most as many packages as dnf", ours.len());
    let is_telling = possible > ours.len() / 10 && possible < ours.len() * 9 / 10;
    assert!(is_telling, "{possible} of {}: the universes say nothing", ours.len());
    assert!(smaller > possible * 9 / 10, "more than is needed is installed: {smaller} of {possible}");
    let shown = wrong.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {}:\n{shown}", wrong.len(), ours.len());
}
