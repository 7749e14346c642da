//! What a drawing of the inheritance graph shows: modules by roll, edges with conditions, and what a host has
//! against what it has not. Drawn by [`crate::emit::svg`] and [`crate::emit::dot`].

use std::collections::BTreeSet;

use serde::Serialize;

use crate::description::Description;
use crate::graph::{EdgeId, Graph};
use crate::name::ModuleName;

/// A drawing before it has a format.
#[derive(Debug, Serialize)]
pub struct Picture {
    /// What is shown, in words.
    pub title: String,
    /// Every roll of the description, so that colours are the same in all of its pictures.
    pub rolls: BTreeSet<String>,
    /// Modules, by name.
    pub modules: Vec<DrawnModule>,
    /// Edges, in the order in which they are declared.
    pub edges: Vec<Edge>,
}

/// A module.
#[derive(Debug, Serialize)]
pub struct DrawnModule {
    /// Its name.
    pub name: String,
    /// Its roll; it gives the colour.
    pub roll: String,
    /// Whether it is part of its roll's face, drawn as a box.
    pub interface: bool,
    /// Whether the subject has it.
    pub has: bool,
}

/// An edge.
#[derive(Debug, Serialize)]
pub struct Edge {
    /// Who inherits.
    pub from: String,
    /// What.
    pub to: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether the subject follows it.
    pub followed: bool,
}

/// What a host has, and which conditions of edges hold for it.
#[derive(Debug)]
pub struct Has {
    /// Its modules.
    pub modules: BTreeSet<ModuleName>,
    /// The edges whose condition holds.
    pub edges: BTreeSet<EdgeId>,
}

/// Draws what can be reached from `root`, or the whole graph. Without `has`, everything counts as had.
pub fn picture(
    description: &Description,
    graph: &Graph,
    root: Option<&ModuleName>,
    has: Option<&Has>,
    title: String,
) -> Picture {
    let shown: BTreeSet<ModuleName> = match root {
        Some(root) => graph.reach(root, |_| true).into_iter().map(|(name, _)| name).collect(),
        None => graph.modules().cloned().collect(),
    };
    let drawn = |name: &ModuleName| {
        let module = description.modules.get(name);
        DrawnModule {
            name: name.to_string(),
            roll: module.map(|module| module.roll.to_string()).unwrap_or_default(),
            interface: module.is_some_and(|module| module.interface),
            has: has.is_none_or(|has| has.modules.contains(name)),
        }
    };
    let edge = |id: EdgeId| {
        let (from, to) = graph.ends(id);
        if !shown.contains(from) {
            return None;
        }
        let condition = graph.edge(id).condition.map(|id| description.conditions.get(id).to_string());
        let followed = has.is_none_or(|has| has.modules.contains(from) && has.edges.contains(&id));
        Some(Edge { from: from.to_string(), to: to.to_string(), condition, followed })
    };
    let rolls = description.modules.values().map(|module| module.roll.to_string()).collect();
    Picture {
        title,
        rolls,
        modules: shown.iter().map(drawn).collect(),
        edges: graph.edges().filter_map(edge).collect(),
    }
}
