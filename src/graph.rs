//! The inheritance graph of all rolls, and the order of modules: what graph files say, joined.
//!
//! Nothing is decided here: conditions stay on the edges until [`crate::resolve`] asks them for a host.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::condition::ConditionId;
use crate::name::{GraphName, ModuleName, RollName};
use crate::source::Span;
use crate::syntax::graph::{GraphFile, OrderEnd};

/// One inheritance edge.
#[derive(Clone, Debug)]
pub struct Edge {
    /// When it is followed; always if there is none.
    pub condition: Option<ConditionId>,
    /// The roll that states it.
    pub roll: RollName,
    /// The element that states it.
    pub span: Span,
    /// The name of the child.
    pub from_span: Span,
    /// The name of the parent.
    pub to_span: Span,
}

/// One order: a place that demands it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The element that states it.
    pub span: Span,
}

/// An edge of a [`Graph`].
pub type EdgeId = EdgeIndex;

/// All edges and orders of one graph (`graphs/NAME/`), of all rolls.
#[derive(Debug)]
pub struct Graph {
    /// Its name.
    pub name: GraphName,
    inheritance: DiGraph<ModuleName, Edge>,
    by_name: BTreeMap<ModuleName, NodeIndex>,
    /// Edges of each module in the order in which they are declared; petgraph gives the newest first.
    declared: Vec<Vec<EdgeIndex>>,
    orders: DiGraph<OrderEnd, Order>,
    order_by_name: BTreeMap<OrderEnd, NodeIndex>,
}

impl Graph {
    /// A graph without edges.
    pub fn new(name: GraphName) -> Self {
        Self {
            name,
            inheritance: DiGraph::new(),
            by_name: BTreeMap::new(),
            declared: Vec::new(),
            orders: DiGraph::new(),
            order_by_name: BTreeMap::new(),
        }
    }

    /// Joins a file in, whose edges belong to `roll`.
    pub fn join(&mut self, file: GraphFile, roll: &RollName) {
        for edge in file.edges {
            let from = self.node(&edge.from.name);
            let to = self.node(&edge.to.name);
            let weight = Edge {
                condition: edge.condition,
                roll: roll.clone(),
                span: edge.span,
                from_span: edge.from.span,
                to_span: edge.to.span,
            };
            let index = self.inheritance.add_edge(from, to, weight);
            self.declared[from.index()].push(index);
        }
        for order in file.orders {
            let head = self.order_node(order.head.name);
            let tail = self.order_node(order.tail.name);
            // Several orders may share an element; the later end tells them apart.
            let span = order.head.span.max(order.tail.span);
            self.orders.add_edge(head, tail, Order { span });
        }
    }

    fn node(&mut self, name: &ModuleName) -> NodeIndex {
        if let Some(node) = self.by_name.get(name) {
            return *node;
        }
        let node = self.inheritance.add_node(name.clone());
        self.by_name.insert(name.clone(), node);
        self.declared.push(Vec::new());
        node
    }

    fn order_node(&mut self, end: OrderEnd) -> NodeIndex {
        if let Some(node) = self.order_by_name.get(&end) {
            return *node;
        }
        let node = self.orders.add_node(end.clone());
        self.order_by_name.insert(end, node);
        node
    }

    /// All modules that an edge names, by name.
    pub fn modules(&self) -> impl Iterator<Item = &ModuleName> {
        self.by_name.keys()
    }

    /// All edges, in the order in which they are declared.
    pub fn edges(&self) -> impl Iterator<Item = EdgeId> {
        self.inheritance.edge_indices()
    }

    /// What is known of an edge.
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.inheritance[id]
    }

    /// Who inherits by this edge, and what.
    pub fn ends(&self, id: EdgeId) -> (&ModuleName, &ModuleName) {
        match self.inheritance.edge_endpoints(id) {
            Some((from, to)) => (&self.inheritance[from], &self.inheritance[to]),
            None => unreachable!("edges are never taken out of a graph"),
        }
    }

    /// The edges by which `module` inherits, in the order in which they are declared.
    pub fn edges_from(&self, module: &ModuleName) -> &[EdgeId] {
        self.by_name.get(module).map_or(&[], |node| &self.declared[node.index()])
    }

    /// The edges by which `module` is inherited, in the order in which they are declared.
    pub fn edges_to(&self, module: &ModuleName) -> Vec<EdgeId> {
        let Some(node) = self.by_name.get(module) else { return Vec::new() };
        let mut edges: Vec<_> =
            self.inheritance.edges_directed(*node, petgraph::Incoming).map(|edge| edge.id()).collect();
        edges.sort_unstable();
        edges
    }

    /// The modules that `root` reaches by edges that `follow` allows, each with the edge that brought it in: the
    /// nearest, and among equally near ones the first declared. The root is first and has none.
    pub fn reach(
        &self,
        root: &ModuleName,
        mut follow: impl FnMut(EdgeId) -> bool,
    ) -> Vec<(ModuleName, Option<EdgeId>)> {
        let mut reached = vec![(root.clone(), None)];
        let mut seen: BTreeSet<ModuleName> = BTreeSet::from([root.clone()]);
        let mut next = 0;
        while next < reached.len() {
            let module = reached[next].0.clone();
            next += 1;
            for id in self.edges_from(&module) {
                let to = self.ends(*id).1;
                if follow(*id) && seen.insert(to.clone()) {
                    reached.push((to.clone(), Some(*id)));
                }
            }
        }
        reached
    }

    /// Inheritance cycles, each as its edges in order. They do no harm.
    pub fn cycles(&self) -> Vec<Vec<EdgeId>> {
        let mut cycles = cycles(&self.inheritance);
        cycles.sort();
        cycles
    }

    /// The modules that orders name, each with a place.
    pub fn ordered_modules(&self) -> impl Iterator<Item = (&ModuleName, Span)> {
        let places = self
            .orders
            .edge_references()
            .flat_map(|edge| [(edge.source(), edge.weight().span), (edge.target(), edge.weight().span)]);
        let places: BTreeMap<NodeIndex, Span> = places.collect();
        places.into_iter().filter_map(|(node, span)| match &self.orders[node] {
            OrderEnd::Module(name) => Some((name, span)),
            OrderEnd::Head | OrderEnd::Tail => None,
        })
    }

    /// The orders: who stands before whom, also for modules that a host does not have.
    pub fn orders(&self) -> &DiGraph<OrderEnd, Order> {
        &self.orders
    }
}

/// The edges of one cycle in each strongly connected part of a graph.
pub fn cycles<N, E>(graph: &DiGraph<N, E>) -> Vec<Vec<EdgeIndex>> {
    let loops = |part: &Vec<NodeIndex>| part.len() > 1 || part.iter().any(|node| graph.contains_edge(*node, *node));
    tarjan_scc(graph).iter().filter(|part| loops(part)).map(|part| cycle_in(graph, part)).collect()
}

/// The shortest cycle through the first node of a strongly connected part, found breadth first.
fn cycle_in<N, E>(graph: &DiGraph<N, E>, part: &[NodeIndex]) -> Vec<EdgeIndex> {
    let inside: BTreeSet<_> = part.iter().copied().collect();
    let Some(start) = inside.first().copied() else { return Vec::new() };
    let mut came_by: BTreeMap<NodeIndex, EdgeIndex> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut edges: Vec<_> = graph.edges(node).filter(|edge| inside.contains(&edge.target())).collect();
        edges.sort_by_key(EdgeRef::id);
        for edge in edges {
            if edge.target() == start {
                let mut path = vec![edge.id()];
                let mut at = node;
                while let Some(id) = came_by.get(&at).filter(|_| at != start) {
                    path.push(*id);
                    at = graph.edge_endpoints(*id).map_or(start, |(from, _)| from);
                }
                path.reverse();
                return path;
            }
            if let Entry::Vacant(vacant) = came_by.entry(edge.target()) {
                vacant.insert(edge.id());
                queue.push_back(edge.target());
            }
        }
    }
    Vec::new()
}
