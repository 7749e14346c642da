//! Pages for people: made here, whole, without a script; they show no secret and change nothing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};

use crate::emit::svg::svg;
use crate::explain::Explainer;
use crate::inventory::Inventory;
use crate::name::{ApplianceName, GraphName};
use crate::picture::picture;
use crate::server::answer::{Answer, kind};
use crate::server::kickstart::not_ready;
use crate::server::request::Request;
use crate::server::serving::Serving;
use crate::server::snapshot::{Broken, Served, Snapshot};
use crate::server::view::{Filter, counts, view, views};
use crate::store::clock::wall;

/// How many hosts a page has.
const ROWS: usize = 200;
/// How many events of a host are shown.
const EVENTS: u32 = 50;

const PAGES: [(&str, &str); 6] = [
    ("layout.html", include_str!("pages/layout.html")),
    ("hosts.html", include_str!("pages/hosts.html")),
    ("host.html", include_str!("pages/host.html")),
    ("generations.html", include_str!("pages/generations.html")),
    ("graph.html", include_str!("pages/graph.html")),
    ("sightings.html", include_str!("pages/sightings.html")),
];

/// What every page is about.
struct About<'a> {
    snapshot: &'a Snapshot,
    current: &'a Served,
    here: &'a str,
    title: &'a str,
}

/// Answers with a page.
pub fn answer(serving: &Serving, request: &Request, path: &[&str]) -> Answer {
    let snapshot = serving.snapshot.load_full();
    let Some(current) = snapshot.current.as_deref() else { return not_ready() };
    let about = |here, title| About { snapshot: &snapshot, current, here, title };
    match path {
        [] => hosts(serving, request, &about("/", "hosts")),
        ["hosts", name] => host(serving, request, name, &about("", name)),
        ["generations"] => generations(&about("/generations", "generations")),
        ["sightings"] => match serving.store.sightings() {
            Ok(sightings) => about("/sightings", "unknown machines")
                .page("sightings.html", context! { sightings => seen(&sightings) }),
            Err(error) => Answer::failure(&error.to_string()),
        },
        ["graph"] => graph(&about("/graph", "graph"), None),
        ["graph", name] => match name.strip_suffix(".svg") {
            Some(name) => drawn(current, name),
            None => graph(&about("/graph", "graph"), Some(name)),
        },
        _ => Answer::nothing(),
    }
}

fn seen(value: &impl serde::Serialize) -> Value {
    Value::from(Serde(value))
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_filter("ago", |then: u64| ago(wall().saturating_sub(then)));
        for (name, text) in PAGES {
            if let Err(error) = environment.add_template(name, text) {
                unreachable!("{name}: {error}");
            }
        }
        environment
    })
}

/// A span of time, as people say it.
fn ago(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let unit = units.into_iter().find(|(length, _)| seconds >= *length);
    let Some((length, word)) = unit else { return "a moment".to_owned() };
    let count = seconds / length;
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

impl About<'_> {
    fn page(&self, name: &str, more: Value) -> Answer {
        let inventory = &self.current.generation().inventory;
        let page = context! {
            site => inventory.site.name.as_str(),
            title => self.title,
            here => self.here,
            generation => self.current.id(),
            broken => self.snapshot.broken.as_ref().map(Broken::sentence),
            held => self.snapshot.held.as_deref(),
            pending => self.snapshot.pending.len(),
            ..more
        };
        match environment().get_template(name).and_then(|template| template.render(page)) {
            // Only what kgen wrote, and no script at all: a name or a report of a machine stays text.
            Ok(text) => Answer::whole(kind::HTML, text)
                .private()
                .with("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
                .with("referrer-policy", "no-referrer"),
            Err(error) => Answer::failure(&format!("the page {name}: {error}")),
        }
    }
}

fn hosts(serving: &Serving, request: &Request, about: &About) -> Answer {
    let asked = |key| request.asked(key).filter(|value| !value.is_empty());
    let filter = Filter { text: asked("q"), state: asked("state"), appliance: asked("appliance") };
    let all = views(serving, about.snapshot, about.current, Filter { state: None, ..filter });
    let mut counted = counts(&all);
    counted.push(("stuck", all.iter().filter(|view| view.stuck).count()));
    let found: Vec<_> = all
        .into_iter()
        .filter(|view| filter.state.is_none_or(|state| view.state == state || state == "stuck" && view.stuck))
        .collect();
    let start = asked("from").and_then(|from| from.parse::<usize>().ok()).unwrap_or(0).min(found.len());
    let end = (start + ROWS).min(found.len());
    let link = |from: usize| {
        let mut pairs = vec![format!("from={from}")];
        let words = [("q", filter.text), ("state", filter.state), ("appliance", filter.appliance)];
        pairs.extend(words.iter().filter_map(|(key, value)| Some(format!("{key}={}", encoded((*value)?)))));
        format!("/?{}", pairs.join("&"))
    };
    about.page(
        "hosts.html",
        context! {
            hosts => seen(&&found[start..end]),
            counts => seen(&counted),
            appliances => appliances(&about.current.generation().inventory),
            q => filter.text.unwrap_or_default(),
            state => filter.state.unwrap_or_default(),
            appliance => filter.appliance.unwrap_or_default(),
            first => start + usize::from(start < end),
            last => end,
            total => found.len(),
            before => (start > 0).then(|| link(start.saturating_sub(ROWS))),
            after => (end < found.len()).then(|| link(end)),
        },
    )
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let shown = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(shown).collect()
}

fn appliances(inventory: &Inventory) -> Vec<String> {
    inventory.appliances.keys().map(ApplianceName::to_string).collect()
}

fn host(serving: &Serving, request: &Request, name: &str, about: &About) -> Answer {
    let Some(host) = about.current.host(name) else { return Answer::nothing() };
    let shown = view(serving, about.snapshot, about.current, host);
    let (served, host) = about.snapshot.of(about.current, host);
    let events = match serving.store.events(Some(name), 0, EVENTS, true) {
        Ok(mut events) => {
            events.reverse();
            events
        }
        Err(error) => return Answer::failure(&error.to_string()),
    };
    let lines = Explainer::new(served.generation(), host).map(|explainer| explainer.lines()).unwrap_or_default();
    let chosen = request.asked("line").and_then(|line| lines.get(line.parse::<usize>().ok()?.checked_sub(1)?));
    about.page(
        "host.html",
        context! {
            host => seen(&shown), events => seen(&events), lines => seen(&lines), chosen => seen(&chosen),
        },
    )
}

fn generations(about: &About) -> Answer {
    let snapshot = about.snapshot;
    let pins: Vec<BTreeMap<&str, &str>> = snapshot
        .pins
        .iter()
        .map(|pin| {
            let generation = pin.served.as_deref().map(Served::id).unwrap_or_default();
            BTreeMap::from([
                ("target", pin.target.as_str()),
                ("revision", pin.revision.as_str()),
                ("generation", generation),
                ("fault", pin.fault.as_str()),
            ])
        })
        .collect();
    let broken = snapshot.broken.as_ref();
    about.page(
        "generations.html",
        context! {
            report => broken.map(|broken| broken.report.as_str()),
            revision => broken.map(|broken| broken.revision.as_str()),
            broken_at => broken.map(|broken| broken.at),
            pins => seen(&pins),
            history => seen(&snapshot.history),
            difference => snapshot.difference.as_deref(),
        },
    )
}

fn graph(about: &About, name: Option<&str>) -> Answer {
    let inventory = &about.current.generation().inventory;
    if name.is_some_and(|name| !inventory.appliances.contains_key(name)) {
        return Answer::nothing();
    }
    let heading = name.map_or_else(|| "All modules".to_owned(), |name| format!("The appliance {name}"));
    let path = format!("/graph/{}.svg", name.unwrap_or("all modules").replace(' ', "%20"));
    about.page("graph.html", context! { heading, picture => path, appliances => appliances(inventory) })
}

/// The picture of an appliance, or of everything.
fn drawn(current: &Served, name: &str) -> Answer {
    let generation = current.generation();
    let appliance = generation.inventory.appliances.get(name);
    if appliance.is_none() && name != "all modules" {
        return Answer::nothing();
    }
    let word = appliance.and_then(|appliance| appliance.attributes.get("graph")).map(|entry| entry.value.shown());
    let graph = GraphName::new(word.unwrap_or(crate::compile::DEFAULT_GRAPH));
    let graph = graph.and_then(|graph| generation.description.graphs.get(&graph));
    let Some(graph) = graph else { return Answer::nothing() };
    let root = appliance.map(|appliance| &appliance.module);
    let title = format!("{}: {name}", generation.inventory.site.name);
    Answer::whole(kind::SVG, svg(&picture(&generation.description, graph, root, None, title)))
}
