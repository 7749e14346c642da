//! The DTDs and the parser in step: what `dtd/` allows kgen knows, and what it does not allow kgen reports.
//!
//! Every element, attribute and word of a DTD becomes one small file, a probe. One run of `kgen check` reads all
//! probes; what it says of each is compared. Needs no other program.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use support::{kgen, root, write};

/// What a DTD says of one element.
#[derive(Default)]
struct Element {
    /// What may stand in it.
    children: BTreeSet<String>,
    /// Words that each attribute may have; none for any text.
    attributes: BTreeMap<String, Vec<String>>,
    /// Attributes that it must have.
    required: BTreeSet<String>,
}

type Dtd = BTreeMap<String, Element>;

/// Reads a DTD of the form that ours have: parameter entities, elements, lists of attributes.
fn read(name: &str) -> Dtd {
    let text = without_comments(&fs::read_to_string(root().join("dtd").join(name)).unwrap());
    let mut entities: Vec<(String, String)> = Vec::new();
    let mut dtd = Dtd::new();
    for declaration in text.split("<!").skip(1) {
        let declaration = declaration.trim_end().strip_suffix('>').unwrap();
        let (kind, rest) = declaration.split_once(char::is_whitespace).unwrap();
        let mut rest = rest.trim().to_owned();
        // An entity may hold earlier ones.
        entities.iter().rev().for_each(|(name, value)| rest = rest.replace(&format!("%{name};"), value));
        let (name, rest) = rest.split_once(char::is_whitespace).unwrap();
        match kind {
            "ENTITY" if name == "%" => entities.push(parameter_entity(rest)),
            "ELEMENT" => dtd.entry(name.to_owned()).or_default().children = names(rest),
            "ATTLIST" => attributes(rest, dtd.entry(name.to_owned()).or_default()),
            _ => {}
        }
    }
    dtd
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("<!--");
    let first = parts.next().unwrap().to_owned();
    first + &parts.map(|part| part.split_once("-->").unwrap().1).collect::<String>()
}

fn parameter_entity(text: &str) -> (String, String) {
    let (name, value) = text.trim().split_once(char::is_whitespace).unwrap();
    (name.to_owned(), value.trim().trim_matches('"').to_owned())
}

/// The names in a content model.
fn names(model: &str) -> BTreeSet<String> {
    let words = model.split(|c: char| !(c.is_ascii_alphanumeric() || "_#-".contains(c)));
    words.filter(|word| !["", "#PCDATA", "EMPTY"].contains(word)).map(str::to_owned).collect()
}

/// `NAME CDATA #IMPLIED NAME (one | other) #REQUIRED ..`
fn attributes(list: &str, element: &mut Element) {
    let spaced = list.replace('(', " ( ").replace([')', '|'], " ");
    let mut words = spaced.split_whitespace();
    while let Some(name) = words.next() {
        let mut choices = Vec::new();
        let mut word = words.next().unwrap();
        while !word.starts_with('#') {
            choices.extend((!["(", "CDATA"].contains(&word)).then(|| word.to_owned()));
            word = words.next().unwrap();
        }
        if word == "#REQUIRED" {
            element.required.insert(name.to_owned());
        }
        element.attributes.insert(name.to_owned(), choices);
    }
}

/// The way from the root to each element.
fn paths(dtd: &Dtd, root: &str) -> BTreeMap<String, Vec<String>> {
    let mut paths = BTreeMap::from([(root.to_owned(), vec![root.to_owned()])]);
    let mut next = vec![root.to_owned()];
    while let Some(parent) = next.pop() {
        for child in &dtd[&parent].children {
            if !paths.contains_key(child) {
                let path = [paths[&parent].clone(), vec![child.clone()]].concat();
                paths.insert(child.clone(), path);
                next.insert(0, child.clone());
            }
        }
    }
    paths
}

/// What an element needs before kgen looks at the rest of it.
fn needed(element: &str, name: &str) -> &'static str {
    match (element, name) {
        ("include" | "sinclude", "file") => "part.xml",
        ("native", "lang") => "kickstart",
        _ => "x",
    }
}

/// An element with all that it must have, `more` attributes, and `content`.
fn written(dtd: &Dtd, name: &str, more: Option<(&str, &str)>, content: &str) -> String {
    let mut attributes: BTreeMap<&str, &str> = BTreeMap::new();
    let required = dtd.get(name).map(|element| element.required.iter()).into_iter().flatten();
    required.for_each(|attribute| _ = attributes.insert(attribute, needed(name, attribute)));
    attributes.extend((name == "native").then_some(("lang", "kickstart")));
    attributes.extend(more);
    let attributes: Vec<_> = attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
    format!("<{name}{}>{content}</{name}>", attributes.concat())
}

/// A file with one element at the end of a path.
fn probe(dtd: &Dtd, path: &[String], more: Option<(&str, &str)>, content: &str) -> String {
    let (last, above) = path.split_last().unwrap();
    above.iter().rfold(written(dtd, last, more, content), |inner, name| written(dtd, name, None, &inner))
}

/// What kgen shall say of a probe.
enum Expected {
    /// Nothing that tells of something unknown.
    Known,
    /// One of these.
    Said(Vec<String>),
}

struct Probe {
    what: String,
    text: String,
    expected: Expected,
}

/// What kgen says of things that the language does not have.
const UNKNOWN: [&str; 6] = [
    "has no attribute",
    "is not known in",
    "is not a kickstart command",
    "can only be",
    "cannot stand in a module by itself",
    "text means nothing",
];

/// A value for an attribute that may hold any text.
fn value(element: &str, attribute: &str) -> &'static str {
    match attribute {
        "file" => needed(element, "file"),
        "perms" => "0644",
        "phase" => "post",
        "lang" => "kickstart",
        "include" => "part.xml",
        _ => "x",
    }
}

/// A probe for each attribute, with each of its words; and with another word.
fn attribute_probes(dtd: &Dtd, path: &[String], probes: &mut Vec<Probe>) {
    let element = path.last().unwrap();
    for (attribute, words) in &dtd[element].attributes {
        let free = [value(element, attribute).to_owned()];
        for word in if words.is_empty() { &free[..] } else { words } {
            probes.push(Probe {
                what: format!("<{element} {attribute}=\"{word}\">"),
                text: probe(dtd, path, Some((attribute, word)), ""),
                expected: Expected::Known,
            });
        }
        if !words.is_empty() {
            probes.push(Probe {
                what: format!("<{element} {attribute}=\"another\">"),
                text: probe(dtd, path, Some((attribute, "another")), ""),
                expected: Expected::Said(vec![format!("`{attribute}` of `<{element}>` is `another`, but can only be")]),
            });
        }
    }
}

/// A probe for each attribute of another element.
fn foreign_attribute_probes(dtd: &Dtd, path: &[String], probes: &mut Vec<Probe>) {
    let element = path.last().unwrap();
    let all: BTreeSet<_> = dtd.values().flat_map(|element| element.attributes.keys()).collect();
    for attribute in all.into_iter().filter(|name| !dtd[element].attributes.contains_key(*name)) {
        probes.push(Probe {
            what: format!("<{element} {attribute}=..>"),
            text: probe(dtd, path, Some((attribute, value(element, attribute))), ""),
            expected: Expected::Said(vec![format!("`<{element}>` has no attribute `{attribute}`")]),
        });
    }
}

/// A probe for each element in each other.
fn child_probes(dtd: &Dtd, path: &[String], children: &BTreeSet<&str>, probes: &mut Vec<Probe>) {
    let element = path.last().unwrap();
    for child in children {
        let known = dtd[element].children.contains(*child);
        let said = [
            format!("`<{child}>` is not known in"),
            format!("`<{child}>` is not a kickstart command"),
            format!("`<{child}>` cannot stand in a module by itself"),
        ];
        probes.push(Probe {
            what: format!("<{child}> in <{element}>"),
            text: probe(dtd, path, None, &written(dtd, child, None, "")),
            expected: if known { Expected::Known } else { Expected::Said(said.into()) },
        });
    }
}

fn is_documentation(element: &str) -> bool {
    ["description", "changelog", "copyright"].contains(&element)
}

/// All probes of a language. All commands are alike, so a few stand for their contents.
fn probes(dtd: &Dtd, start: &str, commands: &BTreeSet<String>) -> Vec<Probe> {
    const FEW: [&str; 2] = ["url", "text"];
    let mut probes = Vec::new();
    let children: BTreeSet<&str> = dtd
        .keys()
        .map(String::as_str)
        .filter(|name| *name != start && (!commands.contains(*name) || FEW.contains(name)))
        .collect();
    for (element, path) in paths(dtd, start) {
        // Documentation is passed over, whatever it says.
        if is_documentation(&element) {
            continue;
        }
        attribute_probes(dtd, &path, &mut probes);
        foreign_attribute_probes(dtd, &path, &mut probes);
        if !commands.contains(&element) || FEW.contains(&element.as_str()) {
            child_probes(dtd, &path, &children, &mut probes);
        }
    }
    probes
}

/// What `kgen check` says of each file.
fn said(files: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
    let site = tempfile::tempdir().unwrap();
    write(&site.path().join("cluster.toml"), "site = { name = \"probes\", target = \"RHEL9\" }\n");
    write(&site.path().join("include/part.xml"), "");
    files.iter().for_each(|(path, text)| write(&site.path().join(path), text));
    let output = kgen().args(["check", "--format", "json", "--site"]).arg(site.path()).output().unwrap();
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let fault: Value = serde_json::from_str(line).unwrap();
        let path = fault["path"].as_str().unwrap_or_default().to_owned();
        said.entry(path).or_default().push(fault["message"].as_str().unwrap().to_owned());
    }
    said
}

/// The probes that kgen does not answer as the DTD has it.
fn disagreements(probes: &[Probe], folder: &str) -> Vec<String> {
    let path = |number: usize| format!("{folder}/p{number}.xml");
    let files = probes.iter().enumerate().map(|(number, probe)| (path(number), probe.text.clone()));
    let said = said(&files.collect());
    assert!(!said.is_empty(), "kgen says nothing at all");
    let mut wrong = Vec::new();
    for (number, probe) in probes.iter().enumerate() {
        let messages = said.get(&path(number)).map_or(&[][..], Vec::as_slice);
        match &probe.expected {
            Expected::Known => {
                let unknown = messages.iter().find(|said| UNKNOWN.iter().any(|unknown| said.contains(unknown)));
                wrong.extend(unknown.map(|said| format!("{}: the DTD has it, but {said}", probe.what)));
            }
            Expected::Said(any) => {
                let told = messages.iter().any(|said| any.iter().any(|part| said.contains(part.as_str())));
                wrong
                    .extend((!told).then(|| format!("{}: the DTD has it not, but kgen says {messages:?}", probe.what)));
            }
        }
    }
    wrong
}

fn commands(dtd: &Dtd) -> BTreeSet<String> {
    let others = ["eval", "include", "sinclude", "var", "debug", "native"];
    dtd["main"].children.iter().filter(|name| !others.contains(&name.as_str())).cloned().collect()
}

#[test]
fn modules_are_what_their_dtd_says() {
    let dtd = read("kickstart.dtd");
    let probes = probes(&dtd, "kickstart", &commands(&dtd));
    assert!(probes.len() >= 1500, "{} probes", probes.len());
    let wrong = disagreements(&probes, "nodes");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), probes.len(), wrong.join("\n"));
}

#[test]
fn graphs_are_what_their_dtd_says() {
    let dtd = read("graph.dtd");
    let probes = probes(&dtd, "graph", &BTreeSet::new());
    assert!(probes.len() >= 100, "{} probes", probes.len());
    let wrong = disagreements(&probes, "graphs/default");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), probes.len(), wrong.join("\n"));
}

#[test]
fn the_dtd_declares_each_element_that_it_allows_and_allows_each_that_it_declares() {
    for (name, start) in [("kickstart.dtd", "kickstart"), ("graph.dtd", "graph")] {
        let dtd = read(name);
        let allowed = dtd.values().flat_map(|element| &element.children);
        let allowed: BTreeSet<&str> = allowed.map(String::as_str).chain([start]).collect();
        assert_eq!(allowed, dtd.keys().map(String::as_str).collect(), "{name}");
    }
}

/// The commands of the table, and those of old.
fn known_commands() -> BTreeSet<String> {
    let table = fs::read_to_string(root().join("src/command/commands.txt")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("command "));
    let current = rows.map(|row| row.split(' ').next().unwrap().to_owned());
    let source = fs::read_to_string(root().join("src/command/mod.rs")).unwrap();
    let historic = source.split_once("const HISTORIC").unwrap().1.split_once("];").unwrap().0;
    let historic = historic.split('"').skip(1).step_by(2).map(str::to_owned);
    current.chain(historic).collect()
}

#[test]
fn the_dtd_s_commands_are_those_that_kgen_knows() {
    let (ours, known) = (commands(&read("kickstart.dtd")), known_commands());
    let only_dtd: Vec<_> = ours.difference(&known).collect();
    let only_kgen: Vec<_> = known.difference(&ours).collect();
    assert!(only_dtd.is_empty() && only_kgen.is_empty(), "only the DTD: {only_dtd:?}; only kgen: {only_kgen:?}");
}
