//! Which modules a host has, in which order, and which edge brought each in.
//!
//! Before it: [`crate::graph`] and the host's answers to the conditions; after it: [`crate::expand`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Bfs, EdgeRef, Reversed};

use crate::condition::{ConditionId, Truth};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::{EdgeId, Graph, Order, cycles};
use crate::name::ModuleName;
use crate::source::Span;
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
            let place = edge.from_span.max(edge.to_span);
            diagnostics.push(Diagnostic::error(place, message).hint(hint).for_some_hosts());
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
    let projected = projected(orders, names);
    report_contradictions(orders, &projected, diagnostics);
    let find = |end: &OrderEnd| orders.node_indices().find(|node| orders[*node] == *end);
    let before_head = find(&OrderEnd::Head).map(|head| reached(Reversed(orders), head)).unwrap_or_default();
    let after_tail = find(&OrderEnd::Tail).map(|tail| reached(orders, tail)).unwrap_or_default();
    let zone = |end: &OrderEnd| match find(end) {
        None => Zone::Unordered,
        Some(node) if before_head.contains(&node) => Zone::First,
        Some(node) if after_tail.contains(&node) => Zone::Last,
        Some(_) => Zone::Middle,
    };
    let ranks = topological_ranks(&projected, zone);
    let place = |name: &&ModuleName| {
        let end = OrderEnd::Module((*name).clone());
        (zone(&end), ranks.get(&end).copied(), (*name).clone())
    };
    let mut ordered: Vec<_> = names.iter().map(place).collect();
    ordered.sort();
    ordered.into_iter().map(|(_, _, name)| name).collect()
}

/// All nodes that can be reached from `start`, itself among them.
fn reached<G>(graph: G, start: NodeIndex) -> BTreeSet<NodeIndex>
where
    G: petgraph::visit::IntoNeighbors<NodeId = NodeIndex> + petgraph::visit::Visitable + Copy,
    G::Map: petgraph::visit::VisitMap<NodeIndex>,
{
    let mut walk = Bfs::new(graph, start);
    std::iter::from_fn(|| walk.next(graph)).collect()
}

/// The orders among the anchors and the modules that the host has; those through others are one edge each, with
/// the places that they pass.
fn projected(orders: &DiGraph<OrderEnd, Order>, names: &BTreeSet<&ModuleName>) -> DiGraph<OrderEnd, Vec<Span>> {
    let present = |node: NodeIndex| match &orders[node] {
        OrderEnd::Module(name) => names.contains(name),
        OrderEnd::Head | OrderEnd::Tail => true,
    };
    let mut projected = DiGraph::new();
    let mut ends: Vec<_> = orders.node_indices().filter(|node| present(*node)).collect();
    ends.sort_by_key(|node| &orders[*node]);
    let own: BTreeMap<NodeIndex, NodeIndex> =
        ends.into_iter().map(|node| (node, projected.add_node(orders[node].clone()))).collect();
    for (start, from) in &own {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(*start, Vec::new())];
        while let Some((node, path)) = waiting.pop() {
            for edge in orders.edges(node) {
                let mut path: Vec<Span> = path.clone();
                path.push(edge.weight().span);
                match own.get(&edge.target()) {
                    Some(to) if !projected.contains_edge(*from, *to) => {
                        projected.add_edge(*from, *to, path);
                    }
                    None if seen.insert(edge.target()) => waiting.push((edge.target(), path)),
                    _ => {}
                }
            }
        }
    }
    projected
}

/// Positions in the one topological order that is smallest by zone and name. What stands in a circle, which was reported,
/// comes after all that does not.
fn topological_ranks(
    projected: &DiGraph<OrderEnd, Vec<Span>>,
    zone: impl Fn(&OrderEnd) -> Zone,
) -> BTreeMap<OrderEnd, usize> {
    let incoming = |node| projected.edges_directed(node, petgraph::Incoming).count();
    let mut waiting: BTreeMap<NodeIndex, usize> = projected.node_indices().map(|node| (node, incoming(node))).collect();
    let key = |node: NodeIndex| Reverse((zone(&projected[node]), projected[node].clone(), node));
    let mut ready: BinaryHeap<_> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(node, _)| key(*node)).collect();
    let mut ranks = BTreeMap::new();
    while let Some(Reverse((_, end, node))) = ready.pop() {
        ranks.insert(end, ranks.len());
        for edge in projected.edges(node) {
            if let Some(count) = waiting.get_mut(&edge.target()) {
                *count -= 1;
                if *count == 0 {
                    ready.push(key(edge.target()));
                }
            }
        }
    }
    let circular = projected.node_weights().filter(|end| !ranks.contains_key(*end)).cloned().collect::<Vec<_>>();
    for end in circular {
        ranks.insert(end, ranks.len());
    }
    ranks
}

/// Draws every circle among the orders of this host. One among modules that it does not have is nobody's.
fn report_contradictions(
    orders: &DiGraph<OrderEnd, Order>,
    projected: &DiGraph<OrderEnd, Vec<Span>>,
    diagnostics: &mut Diagnostics,
) {
    let places: BTreeMap<Span, (NodeIndex, NodeIndex)> =
        orders.edge_indices().filter_map(|edge| Some((orders[edge].span, orders.edge_endpoints(edge)?))).collect();
    for cycle in cycles(projected) {
        // The circle as it is written, absent modules included.
        let spans: Vec<Span> = cycle.iter().flat_map(|edge| projected[*edge].iter().copied()).collect();
        let steps: Vec<_> = spans.iter().filter_map(|span| Some((*span, *places.get(span)?))).collect();
        let mut drawn: Vec<_> = cycle
            .iter()
            .filter_map(|edge| projected.edge_endpoints(*edge))
            .map(|(head, _)| title(&projected[head]))
            .collect();
        drawn.extend(drawn.first().cloned());
        let Some((first, _)) = steps.first() else { continue };
        let message = format!("these orders contradict each other: {}", drawn.join(" before "));
        let mut fault = Diagnostic::error(*first, message).hint("take one of them out");
        for (index, (span, (head, tail))) in steps.iter().enumerate() {
            let message = format!("{} before {}", title(&orders[*head]), title(&orders[*tail]));
            fault = if index == 0 { fault.label(message) } else { fault.related(*span, message) };
        }
        diagnostics.push(fault);
    }
}

fn title(end: &OrderEnd) -> String {
    match end {
        OrderEnd::Module(name) => format!("`{name}`"),
        OrderEnd::Head => "HEAD".to_owned(),
        OrderEnd::Tail => "TAIL".to_owned(),
    }
}
