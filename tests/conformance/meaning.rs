//! What both compilers say, in one form, and where it differs: texts, files, scripts, commands, orders.

use std::collections::{BTreeMap, BTreeSet};

use kgen::condition::Condition;
use serde_json::Value;

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

pub fn strings(value: &Value, key: &str) -> Vec<String> {
    list(value, key).iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Content in a form that both sides have: texts joined, files as a map of what is set.
#[derive(Debug, PartialEq, Clone)]
enum Piece {
    Text(String),
    File(BTreeMap<&'static str, String>, Vec<Piece>),
}

/// What the original did to text and kgen does not (LANGUAGE sections 1 and 4): `\'` for an apostrophe of a
/// value, and every line with `<?xml` lost.
fn as_the_original(text: &str) -> String {
    let text = text.replace("\\'", "'");
    text.split_inclusive('\n').filter(|line| !line.contains("<?xml")).collect()
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    let text = as_the_original(text);
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(&text),
        _ => pieces.push(Piece::Text(text)),
    }
}

const FILE_KEYS: [&str; 6] = ["name", "mode", "owner", "perms", "vars", "expr"];

fn file_of(value: &Value, children: Vec<Piece>) -> Piece {
    let default = |key: &str| match key {
        "mode" => "create",
        "vars" => "literal",
        _ => "",
    };
    let keys = FILE_KEYS.iter().map(|key| {
        let set = as_the_original(text(value, key));
        // What is not a mode was `create` for the original, and is one for kgen with a warning.
        let known = match *key {
            "mode" => ["append", "pipe"].contains(&set.as_str()),
            "vars" => set == "expanded",
            _ => !set.is_empty(),
        };
        (*key, if known { set } else { default(key).to_owned() })
    });
    Piece::File(keys.collect(), children)
}

fn ours(parts: &[Value]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for part in parts {
        match part.get("file") {
            Some(file) => pieces.push(file_of(file, ours(list(file, "parts")))),
            None => push_text(&mut pieces, text(part, "text")),
        }
    }
    pieces
}

fn theirs(segments: &[Value], attributes: &Value) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for segment in segments {
        if segment.get("element").is_none() {
            push_text(&mut pieces, text(segment, "text"));
        } else if holds(&segment["attrs"], attributes) && !text(&segment["attrs"], "name").is_empty() {
            pieces.push(file_of(&segment["attrs"], theirs(list(segment, "children"), attributes)));
        }
    }
    pieces
}

/// The conditions of a `<file>`, which the original ignored and kgen obeys.
fn holds(element: &Value, attributes: &Value) -> bool {
    let lookup = |name: &str| attributes[name].as_str();
    let listed = |key: &str| {
        let list = text(element, key);
        list.is_empty() || list.split(',').any(|item| Some(item.trim()) == lookup(key))
    };
    let condition = text(element, "cond");
    let parsed = (!condition.is_empty()).then(|| Condition::parse(condition).unwrap());
    let holds = parsed.as_ref().is_none_or(|condition| condition.holds(&lookup).unwrap());
    holds && listed("arch") && listed("os") && listed("release")
}

/// The module of a file.
fn module_of(file: &str) -> String {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".xml");
    stem.trim_start_matches("extend-").trim_start_matches("replace-").to_owned()
}

/// Scripts by their module; between modules the order is judged apart.
type Scripts = BTreeMap<String, Vec<(String, Vec<Piece>)>>;

fn their_scripts(kickstart: &Value, kind: &str, attributes: &Value) -> Scripts {
    let mut scripts = Scripts::new();
    for section in list(kickstart, kind).iter().filter(|section| section["log_marker"].is_null()) {
        let head = match kind {
            "post" => {
                let shebang = text(section, "shebang").trim_start_matches("#!").trim_end_matches("/bin/bash");
                format!("{shebang} {}", text(section, "args"))
            }
            "pre" => text(section, "header").replace("--interpreter ", ""),
            _ => text(section, "order").to_owned(),
        };
        let file = module_of(text(section, "file"));
        let content = theirs(list(section, "segments"), attributes);
        scripts.entry(file).or_default().push((head.trim().to_owned(), content));
    }
    scripts
}

fn our_scripts(profile: &Value, kind: &str) -> Scripts {
    let mut scripts = Scripts::new();
    for section in list(profile, "sections") {
        let head = match (kind, text(section, "kind")) {
            ("post", "post") | ("pre", "pre") => {
                format!("{} {}", text(section, "interpreter"), text(section, "arguments"))
            }
            ("boot", "boot-pre") => "pre".to_owned(),
            ("boot", "boot-post") => "post".to_owned(),
            _ => continue,
        };
        scripts
            .entry(text(section, "module").to_owned())
            .or_default()
            .push((head.trim().to_owned(), ours(list(section, "parts"))));
    }
    scripts
}

/// `only_ours` are modules that the original lost by letting the first edge met decide (LANGUAGE section 2): what
/// they bring is ours alone, all else is compared.
pub fn compare_kickstart(
    profile: &Value,
    kickstart: &Value,
    attributes: &Value,
    only_ours: &[String],
) -> Result<(), String> {
    let on: BTreeSet<_> = strings(kickstart, "packages_on").into_iter().collect();
    let off: BTreeSet<_> = strings(kickstart, "packages_off").into_iter().filter(|name| !on.contains(name)).collect();
    let mut our_on = strings(&profile["packages"], "on");
    if !only_ours.is_empty() {
        our_on.retain(|name| on.contains(name));
    }
    same("packages on", on.into_iter().collect(), our_on)?;
    same("packages off", off.into_iter().collect(), strings(&profile["packages"], "off"))?;
    let is_ours = |module: &str| only_ours.iter().any(|ours| ours == module);
    for kind in ["pre", "post", "boot"] {
        let (theirs, ours) = (their_scripts(kickstart, kind, attributes), our_scripts(profile, kind));
        for file in theirs.keys().chain(ours.keys()).filter(|file| !is_ours(file)) {
            same(&format!("{kind} of {file}"), theirs.get(file).cloned(), ours.get(file).cloned())?;
        }
    }
    let mut theirs: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for command in list(kickstart, "main") {
        let name = text(command, "line").split_whitespace().next().unwrap_or_default().to_owned();
        let line: String = list(command, "segments").iter().map(|segment| text(segment, "text")).collect();
        let file = module_of(text(command, "file"));
        theirs.entry(file).or_default().push((name, as_the_original(&line).trim().to_owned()));
    }
    let mut ours: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for command in list(profile, "commands").iter().filter(|command| !is_ours(text(command, "module"))) {
        let line = as_the_original(text(command, "text")).trim().to_owned();
        ours.entry(text(command, "module").to_owned()).or_default().push((text(command, "name").to_owned(), line));
    }
    same("commands", theirs, ours)
}

pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, theirs: T, ours: T) -> Result<(), String> {
    if theirs == ours { Ok(()) } else { Err(format!("{what}:\n  original {theirs:?}\n  kgen     {ours:?}")) }
}

/// The order of modules against the constraints that the original derived.
pub fn compare_order(order: &[String], constraints: &Value) -> Result<(), String> {
    let position: BTreeMap<&str, usize> =
        order.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    for key in ["declared", "implied_by_HEAD_TAIL"] {
        for pair in list(constraints, key) {
            let ends = (position.get(pair[0].as_str().unwrap()), position.get(pair[1].as_str().unwrap()));
            if let (Some(before), Some(after)) = ends
                && before > after
            {
                return Err(format!("{key}: {pair} in {order:?}"));
            }
        }
    }
    let block: Vec<usize> =
        strings(constraints, "tail_block").iter().filter_map(|name| position.get(name.as_str()).copied()).collect();
    if block.windows(2).any(|pair| pair[1] != pair[0] + 1) {
        return Err(format!("the tail block is not together: {order:?}"));
    }
    let (Some(first), Some(last)) = (block.first(), block.last()) else { return Ok(()) };
    let at = |key: &str| {
        strings(constraints, key)
            .into_iter()
            .filter_map(|name| position.get(name.as_str()).copied())
            .collect::<Vec<_>>()
    };
    let late = at("before_tail").iter().any(|position| position > first);
    let early = at("after_tail").iter().any(|position| position < last);
    if late || early { Err(format!("modules on the wrong side of the tail block: {order:?}")) } else { Ok(()) }
}
