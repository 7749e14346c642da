//! Every order is kept, and depends on nothing but the orders.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use kgen::description::{Description, load};
use kgen::diagnostic::Diagnostics;
use kgen::name::ModuleName;
use kgen::resolve::{Answers, resolve};
use kgen::source::{SourceTree, Sources};
use kgen::syntax::Language;

use crate::cases;

/// Modules in an order that contradicts nothing, and constraints that agree with it.
#[derive(Clone, Debug)]
struct Orders {
    /// Names in the hidden order; `HEAD` and `TAIL` are among them.
    hidden: Vec<String>,
    /// Pairs of positions, the first before the second.
    pairs: BTreeSet<(usize, usize)>,
    /// The modules that the host has.
    present: BTreeSet<String>,
}

fn orders() -> impl Strategy<Value = Orders> {
    let names =
        prop::collection::btree_set("[a-z]{1,2}", 2..14).prop_map(|names| names.into_iter().collect::<Vec<_>>());
    let shuffled = names.prop_shuffle();
    let pairs = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..20);
    (shuffled, pairs, any::<u16>(), 0_usize..4, 0_usize..4).prop_map(|(mut hidden, pairs, present, first, last)| {
        let present = hidden.iter().enumerate().filter(|(at, _)| present >> at & 1 == 1);
        let present = present.map(|(_, name)| name.clone()).collect();
        hidden.insert(first.min(hidden.len()), "HEAD".to_owned());
        hidden.insert(hidden.len() - last.min(hidden.len() - first.min(hidden.len() - 1) - 1), "TAIL".to_owned());
        let ends = pairs.into_iter().map(|(a, b)| (a.index(hidden.len()), b.index(hidden.len())));
        let pairs = ends.filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
        Orders { hidden, pairs, present }
    })
}

impl Orders {
    /// The graph files; `split` says into how many, and `turn` where each list starts.
    fn files(&self, split: usize, turn: usize) -> Vec<(String, String)> {
        let edges = self.present.iter().map(|name| format!("<edge from=\"root\" to=\"m-{name}\"/>"));
        let title = |at: usize| match self.hidden[at].as_str() {
            anchor @ ("HEAD" | "TAIL") => anchor.to_owned(),
            name => format!("m-{name}"),
        };
        let pairs = self.pairs.iter().map(|(a, b)| format!("<order head=\"{}\" tail=\"{}\"/>", title(*a), title(*b)));
        let mut lines: Vec<_> = edges.chain(pairs).collect();
        let middle = if lines.is_empty() { 0 } else { turn % lines.len() };
        lines.rotate_left(middle);
        if turn % 2 == 1 {
            lines.reverse();
        }
        let mut files = vec![String::new(); split];
        lines.iter().enumerate().for_each(|(at, line)| files[at % split].push_str(line));
        let named = files.into_iter().enumerate();
        named.map(|(at, lines)| (format!("graphs/default/{at}.xml"), format!("<graph>{lines}</graph>"))).collect()
    }

    /// The modules of a host, as kgen orders them, without the root.
    fn resolved(&self, split: usize, turn: usize) -> Vec<String> {
        let mut files = self.files(split, turn);
        let modules = self.hidden.iter().map(|name| format!("nodes/m-{name}.xml"));
        files.extend(modules.chain(["nodes/root.xml".to_owned()]).map(|path| (path, "<kickstart/>".to_owned())));
        let (description, mut diagnostics) = loaded(&files);
        let graph = &description.graphs["default"];
        let root = ModuleName::new("root").unwrap();
        let resolution = resolve(graph, &root, &Answers::default(), &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{diagnostics:?}");
        let names = resolution.modules.iter().filter_map(|module| module.name.as_str().strip_prefix("m-"));
        names.map(str::to_owned).collect()
    }

    /// All that has to stand before each, through anything.
    fn before(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        // In the hidden order, so that what is before the first of a pair is known already.
        for at in 0..self.hidden.len() {
            for (a, _) in self.pairs.iter().filter(|(_, b)| *b == at) {
                let mut all = before.get(self.hidden[*a].as_str()).cloned().unwrap_or_default();
                all.insert(&self.hidden[*a]);
                before.entry(&self.hidden[at]).or_default().extend(all);
            }
        }
        before
    }

    /// Before HEAD, between, in no order, after TAIL.
    fn zone(&self, name: &str) -> u8 {
        let before = self.before();
        let is_before = |a: &str, b: &str| before.get(b).is_some_and(|names| names.contains(a));
        let at = self.hidden.iter().position(|found| found == name).unwrap();
        if !self.pairs.iter().any(|(a, b)| *a == at || *b == at) {
            2
        } else if is_before(name, "HEAD") {
            0
        } else if is_before("TAIL", name) {
            3
        } else {
            1
        }
    }
}

fn loaded(files: &[(String, String)]) -> (Description, Diagnostics) {
    let mut tree = SourceTree::default();
    tree.files.extend(files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
    let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
    let description = load(&tree, None, Language::default(), &mut sources, &mut diagnostics);
    (description, diagnostics)
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn every_order_is_kept_also_through_absent_modules(orders in orders()) {
        let resolved = orders.resolved(1, 0);
        prop_assert_eq!(resolved.iter().cloned().collect::<BTreeSet<_>>(), orders.present.clone());
        for (tail, heads) in orders.before() {
            let place = |name: &str| resolved.iter().position(|found| found == name);
            for head in heads {
                if let (Some(head_at), Some(tail_at)) = (place(head), place(tail)) {
                    prop_assert!(head_at < tail_at, "{head} before {tail} in {resolved:?}");
                }
            }
        }
    }

    #[test]
    fn modules_stand_by_their_anchors(orders in orders()) {
        let zones: Vec<_> = orders.resolved(1, 0).iter().map(|name| orders.zone(name)).collect();
        prop_assert!(zones.is_sorted(), "{zones:?}");
    }

    #[test]
    fn what_orders_leave_open_is_by_name(orders in orders()) {
        let before = orders.before();
        let mut left = orders.present.clone();
        let mut expected: Vec<String> = Vec::new();
        while !left.is_empty() {
            let zone = left.iter().map(|name| orders.zone(name)).min().unwrap();
            let any_left = |names: &BTreeSet<&str>| names.iter().any(|name| left.contains(*name));
            let waits = |name: &String| before.get(name.as_str()).is_some_and(any_left);
            let next = left.iter().find(|name| orders.zone(name) == zone && !waits(name)).unwrap().clone();
            left.remove(&next);
            expected.push(next);
        }
        prop_assert_eq!(orders.resolved(1, 0), expected);
    }

    #[test]
    fn the_order_does_not_depend_on_files_or_lines(orders in orders(), split in 1_usize..4, turn in 0_usize..40) {
        prop_assert_eq!(orders.resolved(split, turn), orders.resolved(1, 0));
    }
}
