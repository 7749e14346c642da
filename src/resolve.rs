//! Which modules a host has, in which order, and which edge brought each in.
//!
//! Before it: [`crate::graph`] and the host's answers to the conditions; after it: [`crate::expand`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Bfs, EdgeRef, Reversed};

use crate::condition::{ConditionId, Truth};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::{EdgeId, Graph, cycles};
use crate::name::ModuleName;
use crate::syntax::graph::OrderEnd;

/// What a host answers to the conditions of the description.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// By [`ConditionId::index`].
    pub truths: Vec<Truth>,
    /// Why a condition has no answer.
    pub faults: BTreeMap<ConditionId, String>,
}

impl Answers {
    /// Whether the condition holds; no condition always does, one without an answer does not.
    pub fn holds(&self, condition: Option<ConditionId>) -> bool {
        condition.is_none_or(|id| self.truths.get(id.index()) == Some(&Truth::True))
    }

    /// Why the condition has no answer.
    pub fn fault(&self, condition: Option<ConditionId>) -> Option<&str> {
        self.faults.get(&condition?).map(String::as_str)
    }
}

/// The modules of one host in order.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// In order.
    pub modules: Vec<Resolved>,
}

/// A module, and how it came in.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The module.
    pub name: ModuleName,
    /// The edge that brought it in; none for the appliance's own.
    pub admitted_by: Option<EdgeId>,
}

impl Resolution {
    /// The edges from the appliance's module to `module`, in order; `None` if the host does not have it.
    pub fn chain(&self, graph: &Graph, module: &str) -> Option<Vec<EdgeId>> {
        let mut chain = Vec::new();
        let mut at = self.modules.iter().find(|resolved| resolved.name.as_str() == module)?;
        while let Some(edge) = at.admitted_by {
            chain.push(edge);
            let child = graph.ends(edge).0;
            at = self.modules.iter().find(|resolved| resolved.name == *child)?;
        }
        chain.reverse();
        Some(chain)
    }
}

/// The modules that `root` inherits for a host that gives these answers, in order.
///
/// Reports edges whose condition has no answer, and contradictory orders.
pub fn resolve(graph: &Graph, root: &ModuleName, answers: &Answers, diagnostics: &mut Diagnostics) -> Resolution {
    let reached = graph.reach(root, |id| {
        let edge = graph.edge(id);
        if let Some(fault) = answers.fault(edge.condition) {
            let (from, to) = graph.ends(id);
            let message = format!("the condition of the edge from `{from}` to `{to}` has no answer: {fault}");
            let hint = "test `is not None` first, or compare texts with texts and numbers with numbers";
            diagnostics.push(Diagnostic::error(edge.span, message).hint(hint));
        }
        answers.holds(edge.condition)
    });
    let admitted: BTreeMap<ModuleName, Option<EdgeId>> = reached.into_iter().collect();
    let names: BTreeSet<&ModuleName> = admitted.keys().collect();
    let ordered = order(graph, &names, diagnostics);
    let modules = ordered
        .into_iter()
        .map(|name| Resolved { admitted_by: admitted.get(&name).copied().flatten(), name })
        .collect();
    Resolution { modules }
}

/// Where a module stands relative to the anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Zone {
    /// Ordered before HEAD.
    First,
    /// Between the anchors.
    Middle,
    /// Mentioned by no order.
    Unordered,
    /// Ordered after TAIL.
    Last,
}

/// Puts modules in order: zones, then the constraints, then names.
fn order(graph: &Graph, names: &BTreeSet<&ModuleName>, diagnostics: &mut Diagnostics) -> Vec<ModuleName> {
    let orders = graph.orders();
    let faulty = report_contradictions(orders, names, diagnostics);
    let find = |end: &OrderEnd| orders.node_indices().find(|node| orders[*node] == *end);
    let first: BTreeSet<_> = find(&OrderEnd::Head)
        .map(|head| collect(Bfs::new(Reversed(orders), head), Reversed(orders)))
        .unwrap_or_default();
    let last: BTreeSet<_> =
        find(&OrderEnd::Tail).map(|tail| collect(Bfs::new(orders, tail), orders)).unwrap_or_default();
    let node_of: BTreeMap<&ModuleName, NodeIndex> = orders
        .node_indices()
        .filter_map(|node| match &orders[node] {
            OrderEnd::Module(name) => Some((name, node)),
            OrderEnd::Head | OrderEnd::Tail => None,
        })
        .collect();
    let zone = |name: &ModuleName| match node_of.get(name) {
        None => Zone::Unordered,
        Some(node) if first.contains(node) => Zone::First,
        Some(node) if last.contains(node) => Zone::Last,
        Some(_) => Zone::Middle,
    };
    let rank = if faulty { BTreeMap::new() } else { topological_ranks(orders, names) };
    let mut ordered: Vec<&ModuleName> = names.iter().copied().collect();
    ordered.sort_by_key(|name| (zone(name), node_of.get(name).and_then(|node| rank.get(node)), *name));
    ordered.into_iter().cloned().collect()
}

fn collect<G>(mut walk: Bfs<NodeIndex, G::Map>, graph: G) -> BTreeSet<NodeIndex>
where
    G: petgraph::visit::IntoNeighbors<NodeId = NodeIndex> + petgraph::visit::Visitable,
    G::Map: petgraph::visit::VisitMap<NodeIndex>,
{
    let mut found = BTreeSet::new();
    while let Some(node) = walk.next(graph) {
        found.insert(node);
    }
    found
}

/// Positions in the one topological order that is smallest by name. Modules that the host does not have are
/// taken out first, so that they pass constraints on but move nobody.
fn topological_ranks(
    orders: &DiGraph<OrderEnd, crate::graph::Order>,
    names: &BTreeSet<&ModuleName>,
) -> BTreeMap<NodeIndex, usize> {
    let mut waiting: BTreeMap<NodeIndex, usize> =
        orders.node_indices().map(|node| (node, orders.edges_directed(node, petgraph::Incoming).count())).collect();
    let key = |node: NodeIndex| {
        let present = matches!(&orders[node], OrderEnd::Module(name) if names.contains(name));
        Reverse((present, orders[node].clone(), node))
    };
    let mut ready: BinaryHeap<_> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(node, _)| key(*node)).collect();
    let mut ranks = BTreeMap::new();
    while let Some(Reverse((_, _, node))) = ready.pop() {
        ranks.insert(node, ranks.len());
        for edge in orders.edges(node) {
            if let Some(count) = waiting.get_mut(&edge.target()) {
                *count -= 1;
                if *count == 0 {
                    ready.push(key(edge.target()));
                }
            }
        }
    }
    ranks
}

/// Draws every cycle that contradicts itself for this host: one with two of its modules or anchors. A cycle
/// through absent modules only is nobody's.
fn report_contradictions(
    orders: &DiGraph<OrderEnd, crate::graph::Order>,
    names: &BTreeSet<&ModuleName>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let present = |node: NodeIndex| match &orders[node] {
        OrderEnd::Module(name) => names.contains(name),
        OrderEnd::Head | OrderEnd::Tail => true,
    };
    let mut found = false;
    for cycle in cycles(orders) {
        let ends: Vec<_> = cycle.iter().filter_map(|edge| orders.edge_endpoints(*edge)).collect();
        let held = ends.iter().filter(|(head, _)| present(*head)).count();
        found = true;
        if held == 0 || (held == 1 && ends.len() > 1) {
            continue;
        }
        let title = |node: NodeIndex| match &orders[node] {
            OrderEnd::Module(name) => format!("`{name}`"),
            OrderEnd::Head => "HEAD".to_owned(),
            OrderEnd::Tail => "TAIL".to_owned(),
        };
        let mut drawn: Vec<_> = ends.iter().map(|(head, _)| title(*head)).collect();
        drawn.extend(drawn.first().cloned());
        let spans: Vec<_> = cycle.iter().map(|edge| orders[*edge].span).collect();
        let Some(first) = spans.first() else { continue };
        let mut fault =
            Diagnostic::error(*first, format!("these orders contradict each other: {}", drawn.join(" before ")))
                .hint("take one of them out");
        for (span, (head, tail)) in spans.iter().zip(&ends) {
            let message = format!("{} before {}", title(*head), title(*tail));
            if span == first {
                fault = fault.label(message);
            } else {
                fault = fault.related(*span, message);
            }
        }
        diagnostics.push(fault);
    }
    found
}
