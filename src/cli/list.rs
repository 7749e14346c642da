//! `kgen list`: what there is.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::args::printed::Format;
use crate::cli::args::{List, Listed};
use crate::cli::session::{Failure, Session, Site};
use crate::cli::table::columns;
use crate::description::Description;
use crate::inventory::Inventory;
use crate::inventory::intrinsic::INTRINSIC;

/// Lists one sort of things.
pub fn run(session: &mut Session, arguments: &List) -> Result<(), Failure> {
    if arguments.host.is_some() && arguments.what != Listed::Attributes {
        return Err(Failure::Usage("a host goes with `kgen list attributes`".to_owned()));
    }
    let site = session.site()?;
    match arguments.what {
        Listed::Hosts => show(session, &hosts(&site.inventory)),
        Listed::Appliances => show(session, &appliances(&site.inventory)),
        Listed::Modules => {
            let description = session.description(&site)?;
            let modules = modules(session, &description);
            show(session, &modules)
        }
        Listed::Rolls => {
            let description = session.description(&site)?;
            show(session, &rolls(&description))
        }
        Listed::Attributes => {
            let rows = match &arguments.host {
                Some(host) => of_host(session, &site, host)?,
                None => all_attributes(session, &site.inventory),
            };
            show(session, &rows)
        }
    }
}

/// A list that is a table for people and an array of objects for programs: the head gives the keys.
#[derive(Debug)]
struct Rows {
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Serialize for Rows {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = |row: &Vec<String>| self.head.iter().copied().zip(row.clone()).collect::<BTreeMap<_, _>>();
        serializer.collect_seq(self.rows.iter().map(object))
    }
}

fn show(session: &Session, rows: &Rows) -> Result<(), Failure> {
    if session.format == Format::Json {
        return session.print_json(rows);
    }
    let head = rows.head.iter().map(|word| word.to_uppercase()).collect();
    let table: Vec<_> = std::iter::once(head).chain(rows.rows.iter().cloned()).collect();
    session.print(&columns(&table))
}

fn hosts(inventory: &Inventory) -> Rows {
    let row = |host: &crate::inventory::Host| {
        let value = |name| inventory.intrinsic(host, name).unwrap_or_default();
        ["hostname", "appliance", "arch", "target", "rack", "rank", "hostaddr", "ksmac"].map(value).to_vec()
    };
    let head = &["host", "appliance", "arch", "target", "rack", "rank", "address", "mac"];
    Rows { head, rows: inventory.hosts.values().map(row).collect() }
}

fn appliances(inventory: &Inventory) -> Rows {
    let row = |(name, appliance): (&crate::name::ApplianceName, &crate::inventory::Appliance)| {
        let hosts = inventory.hosts.values().filter(|host| host.appliance == *name).count();
        vec![name.to_string(), appliance.module.to_string(), hosts.to_string()]
    };
    Rows { head: &["appliance", "module", "hosts"], rows: inventory.appliances.iter().map(row).collect() }
}

fn modules(session: &Session, description: &Description) -> Rows {
    let row = |module: &crate::description::Module| {
        let file = module.files.first().map(|file| session.sources.file(*file).path.clone()).unwrap_or_default();
        vec![module.name.to_string(), module.roll.to_string(), file, module.description.clone()]
    };
    Rows { head: &["module", "roll", "file", "description"], rows: description.modules.values().map(row).collect() }
}

fn rolls(description: &Description) -> Rows {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for module in description.modules.values() {
        counts.entry(module.roll.as_str()).or_default().0 += 1;
    }
    for graph in description.graphs.values() {
        for edge in graph.edges() {
            counts.entry(graph.edge(edge).roll.as_str()).or_default().1 += 1;
        }
    }
    let row = |(roll, (modules, edges)): (&str, (usize, usize))| {
        vec![roll.to_owned(), modules.to_string(), edges.to_string()]
    };
    Rows { head: &["roll", "modules", "edges"], rows: counts.into_iter().map(row).collect() }
}

fn all_attributes(session: &Session, inventory: &Inventory) -> Rows {
    let mut rows = Vec::new();
    let mut add = |scope: &str, layer: &crate::attribute::Layer| {
        for (name, entry) in layer {
            let place = entry
                .span
                .map(|span| session.sources.location(span))
                .map(|place| format!("{}:{}", place.path, place.line));
            rows.push(vec![
                name.to_string(),
                scope.to_owned(),
                entry.value.shown().to_owned(),
                place.unwrap_or_default(),
            ]);
        }
    };
    add("site", &inventory.attributes);
    inventory.os.iter().for_each(|(os, layer)| add(&format!("os {os}"), layer));
    inventory.appliances.iter().for_each(|(name, appliance)| add(&format!("appliance {name}"), &appliance.attributes));
    inventory.hosts.values().for_each(|host| add(&format!("host {}", host.name), &host.attributes));
    for (name, what) in INTRINSIC {
        rows.push(vec![name.to_owned(), "intrinsic".to_owned(), what.to_owned(), String::new()]);
    }
    rows.sort_by(|a, b| a[0].cmp(&b[0]));
    Rows { head: &["attribute", "scope", "value", "place"], rows }
}

fn of_host(session: &Session, site: &Site, name: &str) -> Result<Rows, Failure> {
    let host = session.host(&site.inventory, name)?;
    let attributes = site.inventory.attributes(host);
    let row =
        |(name, (scope, entry)): (&crate::name::AttributeName, (crate::attribute::Scope, &crate::attribute::Entry))| {
            let place = entry
                .span
                .map(|span| session.sources.location(span))
                .map(|place| format!("{}:{}", place.path, place.line));
            vec![name.to_string(), scope.to_string(), entry.value.shown().to_owned(), place.unwrap_or_default()]
        };
    Ok(Rows { head: &["attribute", "scope", "value", "place"], rows: attributes.all().into_iter().map(row).collect() })
}
