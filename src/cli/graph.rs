//! `kgen graph`: a picture of what inherits what.

use crate::cli::args::{Graph as Arguments, Picture as Format};
use crate::cli::session::{Failure, Session, typed_name};
use crate::compile::DEFAULT_GRAPH;
use crate::emit::{dot, svg};
use crate::explain::{edges_of, modules_of};
use crate::name::{GraphName, ModuleName, suggestion};
use crate::picture::{Has, Picture, picture};

/// Draws the whole graph, an appliance, or a host.
pub fn run(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let drawn = match &arguments.subject {
        None => whole(session)?,
        Some(subject) => of_subject(session, subject)?,
    };
    session.stop_on_errors()?;
    match arguments.format {
        Format::Svg => session.print(&svg::svg(&drawn)),
        Format::Dot => session.print(&dot::dot(&drawn)),
        Format::Json => session.print_json(&drawn),
    }
}

fn whole(session: &mut Session) -> Result<Picture, Failure> {
    let site = session.site()?;
    let description = session.description(&site)?;
    let name: GraphName = typed_name(DEFAULT_GRAPH)?;
    let Some(graph) = description.graphs.get(&name) else {
        session.stop_on_errors()?;
        return Err(Failure::Usage(format!("the description has no graphs/{DEFAULT_GRAPH}")));
    };
    Ok(picture(&description, graph, None, None, format!("{}: all modules", site.inventory.site.name)))
}

fn of_subject(session: &mut Session, subject: &str) -> Result<Picture, Failure> {
    let site = session.site()?;
    if site.inventory.hosts.contains_key(subject) {
        return of_host(session, subject);
    }
    let description = session.description(&site)?;
    let Some(appliance) = site.inventory.appliances.get(subject) else {
        session.stop_on_errors()?;
        let appliances = site.inventory.appliances.keys().map(crate::name::ApplianceName::as_str);
        let known: Vec<_> = appliances.chain(site.inventory.hosts.keys().map(crate::name::HostName::as_str)).collect();
        let hint = suggestion(subject, known.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
        return Err(Failure::Usage(format!("`{subject}` is neither an appliance nor a host{hint}")));
    };
    let name: GraphName =
        typed_name(appliance.attributes.get("graph").map_or(DEFAULT_GRAPH, |entry| entry.value.shown()))?;
    let Some(graph) = description.graphs.get(&name) else {
        session.stop_on_errors()?;
        return Err(Failure::Usage(format!("the description has no graphs/{name}")));
    };
    let title = format!("{}: the appliance {subject}", site.inventory.site.name);
    Ok(picture(&description, graph, Some(&appliance.module), None, title))
}

fn of_host(session: &mut Session, name: &str) -> Result<Picture, Failure> {
    // The inventory is read a second time by the compiler; what it reported the first time is the same.
    session.start_over();
    let generation = session.generation(&[name.to_owned()])?;
    let host = session.host(&generation.inventory, name)?;
    let variant = generation.variant(host);
    let graph = variant.and_then(|variant| generation.description.graphs.get(&variant.graph));
    let (Some(graph), Some(modules)) = (graph, modules_of(&generation, host)) else { return Err(Failure::Faults) };
    let has = Has { modules, edges: edges_of(&generation, host, graph) };
    let root: Option<&ModuleName> =
        generation.inventory.appliances.get(host.appliance.as_str()).map(|appliance| &appliance.module);
    let title = format!(
        "{}: the host {name}, {} of {} modules of its appliance",
        generation.inventory.site.name,
        has.modules.len(),
        { root.map_or(0, |root| graph.reach(root, |_| true).len()) }
    );
    Ok(picture(&generation.description, graph, root, Some(&has), title))
}
