//! What fuzzing enters kgen by, and what has to hold whatever stands in a file: no panic, faults that can be
//! shown, conditions that read back as they print. Shared by the fuzz targets and by the tests.
#![allow(dead_code)] // each target and each test uses its part

use std::collections::BTreeMap;
use std::sync::Arc;

use kgen::attribute::Secrets;
use kgen::boot::Handing;
use kgen::compile::{Input, compile};
use kgen::condition::Condition;
use kgen::description::load;
use kgen::diagnostic::{Diagnostics, to_json, to_text};
use kgen::explain::Explainer;
use kgen::files::{BootPlan, boot_scripts, site_files};
use kgen::generation::{Generation, HostFaults};
use kgen::inventory::{Inventory, export, file, hostfile};
use kgen::lint::lint;
use kgen::source::{SourceTree, Sources};
use kgen::syntax::Language;

/// A site that the files of the targets are put into.
pub const INVENTORY: &str = r#"
site = { name = "s", target = "RHEL9", arch = "x86_64" }
attributes = { a = "1", b = "it's \"ü\"", c = "KGEN_EOF", d = "on", motd = "x\ny" }
networks.private.subnet = "10.1.0.0/16"
appliances.a = {}
appliances.b = { module = "a" }
[hosts.a-0]
appliance = "a"
interfaces = [ { name = "eth0", network = "private", address = "52:54:00:00:00:01", ip = "10.1.0.5" } ]
[hosts.b-0]
appliance = "b"
attributes.a = "%end"
"#;

/// What parts of an inventory are put beside.
const SITE: &str = r#"
site = { name = "s", target = "RHEL9", arch = "x86_64", domain = "example.org", server = "http://10.1.0.1:8080" }
networks.private = { subnet = "10.1.0.0/16", subnet6 = "fd00::/64", pools = ["10.1.200.1-10.1.200.9"] }
distributions.el9 = { target = "RHEL9", url = "{{ server }}/{{ arch }}" }
appliances.client = { boot = "install" }
appliances.compute = { boot = "diskless" }
"#;

/// A graph over the modules of the targets.
pub const GRAPH: &str = r#"<graph>
<edge from="a"><to>b</to><to cond="a &lt; 2">c</to></edge>
<order head="b" tail="a"/>
</graph>"#;

/// What a whole run made.
pub struct Run {
    /// The compiled state.
    pub generation: Generation,
    /// The kickstarts that are whole, by host.
    pub kickstarts: BTreeMap<String, String>,
    /// Every fault, as people see it, by place.
    pub told: Vec<String>,
}

/// Runs all passes over an inventory and the files of a description, as the commands do.
pub fn run(inventory: &str, files: &[(&str, &[u8])]) -> Run {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add("cluster.toml", inventory.to_owned());
    let inventory = file::read(&[file], &mut sources, &mut diagnostics);
    let mut tree = SourceTree::default();
    tree.files.extend(files.iter().map(|(path, content)| ((*path).to_owned(), content.to_vec())));
    let rolls = inventory.site.rolls.clone();
    let description = load(&tree, rolls.as_deref(), inventory.language, &mut sources, &mut diagnostics);
    let sources = Arc::new(sources);
    let input = Input {
        sources: &sources,
        runner: &|_| Err("is not run".to_owned()),
        language: inventory.language,
        hosts: None,
    };
    let (description, inventory) = (Arc::new(description), Arc::new(inventory));
    let generation = compile(description, inventory, Secrets::default(), input, &mut diagnostics);
    let kickstarts = emit(&generation, &mut diagnostics);
    lint(&generation, &mut diagnostics);
    site(&generation.inventory, &mut diagnostics);
    Run { told: told(&diagnostics, &sources), generation, kickstarts }
}

/// Makes all that a site is made of but kickstarts. No line of it holds what is not a character of a text.
fn site(inventory: &Arc<Inventory>, diagnostics: &mut Diagnostics) {
    let plan = BootPlan::new(inventory, Handing::Files, diagnostics);
    assert!(serde_json::to_string(&export::json(inventory)).is_ok());
    hostfile::write(inventory);
    let mut texts: Vec<(String, String)> = Vec::new();
    for file in site_files(inventory, plan.as_ref()).into_iter().filter(|file| !file.path.ends_with(".img")) {
        texts.push((file.path.clone(), String::from_utf8(file.bytes().to_vec()).expect("files are UTF-8")));
    }
    for host in plan.iter().flat_map(|plan| inventory.hosts.values().map(move |host| (plan, host))) {
        texts.extend(boot_scripts(inventory, host.0, host.1).into_iter().map(|(path, text)| (path, text.to_string())));
    }
    for (path, text) in texts {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{path}: a control character");
        if path.ends_with(".json") && !diagnostics.has_errors() {
            serde_json::from_str::<serde_json::Value>(&text).expect("the configuration of Kea is JSON");
        }
    }
}

fn emit(generation: &Generation, diagnostics: &mut Diagnostics) -> BTreeMap<String, String> {
    let mut faults = HostFaults::default();
    let mut kickstarts = BTreeMap::new();
    for host in generation.inventory.hosts.values() {
        let mut out = Vec::new();
        if generation.emit(host, &mut out, &mut faults) {
            let text = String::from_utf8(out).expect("kickstarts are UTF-8");
            let explained = Explainer::new(generation, host).map(|explainer| explainer.lines().len());
            assert_eq!(explained, Some(text.lines().count()), "a line of output without a line of its explanation");
            kickstarts.insert(host.name.to_string(), text);
        }
    }
    faults.report(diagnostics);
    kickstarts
}

/// Shows every fault in every form.
fn told(diagnostics: &Diagnostics, sources: &Sources) -> Vec<String> {
    let show = |diagnostic| {
        assert!(!to_json(diagnostic, sources).is_empty());
        assert!(!to_text(diagnostic, sources, true).is_empty());
        to_text(diagnostic, sources, false)
    };
    diagnostics.sorted().into_iter().map(show).collect()
}

/// A module of these bytes, with another that includes them as text and as XML.
pub fn module(data: &[u8]) {
    let including = br#"<kickstart><include file="x" mode="xml"/>
<post><include file="x"/><file name="f" include="x"/></post></kickstart>"#;
    run(
        INVENTORY,
        &[
            ("graphs/default/g.xml", GRAPH.as_bytes()),
            ("include/x", data),
            ("nodes/a.xml", data),
            ("nodes/b.xml", including),
            ("nodes/c.xml", b"<kickstart/>"),
            ("nodes/extend-a.xml", b"<kickstart><post>&a; <var name=\"v\"/></post></kickstart>"),
        ],
    );
}

/// A graph of these bytes.
pub fn graph(data: &[u8]) {
    let module = b"<kickstart><package>p</package></kickstart>";
    run(
        INVENTORY,
        &[
            ("graphs/default/g.xml", data),
            ("graphs/default/h.xml", GRAPH.as_bytes()),
            ("nodes/a.xml", module),
            ("nodes/b.xml", module),
            ("nodes/c.xml", module),
            ("nodes/client.xml", module),
        ],
    );
}

/// A condition of these bytes, if they are text.
pub fn condition(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Condition::parse(text) {
        Ok(condition) => {
            let printed = condition.to_string();
            assert_eq!(Condition::parse(&printed).as_ref(), Ok(&condition), "{text:?} prints as {printed:?}");
            assert!(condition.compared_attributes().is_subset(&condition.attributes()));
            for value in [None, Some(""), Some("1"), Some("-1.5"), Some("on"), Some("ü")] {
                let _ = condition.holds(&|_| value);
            }
        }
        Err(fault) => {
            assert!(text.get(fault.range.clone()).is_some(), "{text:?}: {fault:?} is no place of it");
            assert!(!fault.message.is_empty());
        }
    }
}

/// An inventory of these bytes, if they are text.
pub fn inventory(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let module = b"<kickstart><package>&a;</package><post>&hostname; &a;</post></kickstart>";
    run(text, &[("graphs/default/g.xml", GRAPH.as_bytes()), ("nodes/a.xml", module), ("nodes/client.xml", module)]);
}

/// A table of hosts, or an inventory in JSON, of these bytes, beside a site, if they are text.
pub fn part(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for name in ["hosts.csv", "all.json"] {
        let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
        let files = [sources.add("cluster.toml", SITE.to_owned()), sources.add(name, text.to_owned())];
        let inventory = Arc::new(file::read(&files, &mut sources, &mut diagnostics));
        site(&inventory, &mut diagnostics);
        told(&diagnostics, &sources);
    }
}

/// Loads a description of these files alone, and shows its faults.
pub fn description(files: &[(String, Vec<u8>)]) {
    let (mut sources, mut diagnostics) = (Sources::default(), Diagnostics::default());
    let mut tree = SourceTree::default();
    tree.files.extend(files.iter().cloned());
    load(&tree, None, Language::default(), &mut sources, &mut diagnostics);
    told(&diagnostics, &sources);
}
