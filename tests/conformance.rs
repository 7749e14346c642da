//! Agreement with the original compiler, measured: `conformance/` beside the project, or KGEN_CONFORMANCE.
//!
//! Every case is run through the program, `kgen profile --format json`, and compared by meaning. A case agrees, or
//! stands in `conformance/deviations.txt` with its reason; one that is listed and agrees fails too, so that the
//! list stays true. Without the data the tests are skipped, visibly.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kgen::condition::{Condition, Value as CondValue};
use kgen::name::AttributeName;
use serde_json::Value;

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("KGEN_CONFORMANCE").map(PathBuf::from);
    let path = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"));
    support::found("the conformance data", path.is_dir()).then_some(path)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// `NAME: reason` by section of the list.
fn deviations(section: &str) -> BTreeMap<String, String> {
    let list = include_str!("conformance/deviations.txt");
    let start = list.find(&format!("[{section}]")).expect("a section of the list");
    let lines = list[start..].lines().skip(1).take_while(|line| !line.starts_with('['));
    let entries = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    entries
        .map(|line| line.split_once(" :: ").expect("NAME :: reason"))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

/// Fails for every case that disagrees and is not listed, and for every listed one that agrees.
fn judge(section: &str, results: Vec<(String, Result<(), String>)>) {
    let listed = deviations(section);
    let mut wrong = Vec::new();
    let total = results.len();
    let mut agreed = BTreeMap::new();
    for (name, result) in results {
        let all_agree = agreed.entry(name.clone()).or_insert(true);
        if let Err(difference) = result {
            *all_agree = false;
            if !listed.contains_key(&name) {
                wrong.push(format!("{name}: {difference}"));
            }
        }
    }
    let stale = listed.keys().filter(|name| agreed.get(*name).copied().unwrap_or(true));
    wrong.extend(stale.map(|name| format!("{name}: is listed as a deviation, but agrees or does not exist")));
    assert!(wrong.is_empty(), "{} of {total} {section} cases:\n{}", wrong.len(), wrong.join("\n"));
    println!("{section}: {total} cases, {} deviations listed", listed.len());
}

fn profile(description: &Path, root: &str, attributes: &Value, eval: &str) -> Result<Value, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), attributes.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kgen"))
        .args([
            "profile",
            "--module",
            root,
            "--format",
            "json",
            "--undefined",
            "warn",
            "--unknown",
            "warn",
            "--eval",
            eval,
        ])
        .arg("--description")
        .arg(description)
        .arg("--attributes")
        .arg(file.path())
        .output()
        .unwrap();
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        Some(code @ 1..=3) => Err(format!(
            "exit {code}: {}",
            String::from_utf8_lossy(&output.stderr).lines().find(|line| line.contains("error")).unwrap_or_default()
        )),
        code => panic!("{description:?} {root}: {code:?}"),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value, key: &str) -> Vec<String> {
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
fn compare_kickstart(
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

fn same<T: PartialEq + std::fmt::Debug>(what: &str, theirs: T, ours: T) -> Result<(), String> {
    if theirs == ours { Ok(()) } else { Err(format!("{what}:\n  original {theirs:?}\n  kgen     {ours:?}")) }
}

/// The order of modules against the constraints that the original derived.
fn compare_order(order: &[String], constraints: &Value) -> Result<(), String> {
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

#[test]
fn real_rolls_compile_as_they_did() {
    let Some(data) = data() else { return };
    let tree = data.join("rolls/tree");
    let mut results = Vec::new();
    for entry in sorted(&data.join("rolls/cases")) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        let root = json(&entry.join("case.json"))["root"].as_str().unwrap().to_owned();
        let attributes = json(&entry.join("attrs.json"))["effective"].clone();
        results.push((name, roll_case(&tree, &entry, &root, &attributes)));
    }
    assert!(results.len() >= 47, "{} cases", results.len());
    judge("rolls", results);
}

fn roll_case(tree: &Path, case: &Path, root: &str, attributes: &Value) -> Result<(), String> {
    let profile = profile(tree, root, attributes, "off")?;
    let modules = json(&case.join("modules.json"));
    let order = strings(&profile, "modules");
    let set = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>();
    same("modules", set(strings(&modules, "path_semantics")), set(order.clone()))?;
    compare_order(&order, &modules["constraints"])?;
    match fs::exists(case.join("kickstart.json")) {
        Ok(true) => {
            let only_ours = strings(&modules, "path_semantics_only");
            compare_kickstart(&profile, &json(&case.join("kickstart.json")), attributes, &only_ours)
        }
        _ => Ok(()),
    }
}

#[test]
fn single_behaviours_are_the_original_s_or_listed() {
    let Some(data) = data() else { return };
    let mut results = Vec::new();
    for case in sorted(&data.join("micro")).into_iter().filter(|path| path.is_dir()) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        results.push((name, micro_case(&case)));
    }
    assert!(results.len() >= 194, "{} cases", results.len());
    judge("micro", results);
}

fn micro_case(case: &Path) -> Result<(), String> {
    let (spec, expected) = (json(&case.join("spec.json")), json(&case.join("expected.json")));
    let mut attributes = spec["attrs"].clone();
    // What the original compiler added to the attributes that it was given.
    let major = text(&spec, "version").split('.').next().unwrap_or_default().to_owned();
    let added = [
        ("version", text(&spec, "version")),
        ("release", text(&spec, "release")),
        ("root", text(&spec, "root")),
        ("rocks_version_major", &major),
        ("membership", "Frontend"),
        ("distribution", "rocks-dist"),
        ("graph", "default"),
    ];
    for (name, value) in added {
        if attributes.get(name).is_none() {
            attributes[name] = value.into();
        }
    }
    let eval = if spec["eval"] == "yes" { "on" } else { "off" };
    let profile = profile(&case.join("build"), text(&spec, "root"), &attributes, eval);
    if expected["status"] == "error" {
        return profile.map_or(Ok(()), |_| Err(format!("the original refuses it: {}", text(&expected, "message"))));
    }
    let profile = profile?;
    let order = strings(&profile, "modules");
    let set = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>();
    same("modules", set(strings(&expected, "modules_in_order")), set(order.clone()))?;
    compare_order(&order, &expected["constraints"])?;
    compare_kickstart(&profile, &expected["kickstart"], &attributes, &[])
}

#[test]
fn conditions_answer_as_they_did() {
    let Some(data) = data() else { return };
    let cases = json(&data.join("cond.json"));
    let mut results = Vec::new();
    for case in cases.as_array().unwrap() {
        let name = match text(case, "expr") {
            "" => format!("{:?}", text(case, "cond")),
            expr if case["cond"].is_null() || case["arch"].is_string() => expr.to_owned(),
            _ => text(case, "cond").trim_end_matches('\n').to_owned(),
        };
        results.push((name, condition_case(case)));
    }
    assert!(results.len() >= 556, "{} cases", results.len());
    judge("conditions", results);
}

fn condition_case(case: &Value) -> Result<(), String> {
    let attributes = &case["attrs"];
    let lookup = |name: &str| attributes[name].as_str();
    let mut parts = Vec::new();
    for key in ["arch", "os", "release"] {
        if let Some(list) = case[key].as_str().filter(|list| !list.is_empty()) {
            parts.push(Condition::one_of(AttributeName::new(key).unwrap(), list));
        }
    }
    let refused = !case["error"].is_null();
    if let Some(condition) = case["cond"].as_str().filter(|condition| !condition.is_empty()) {
        match Condition::parse(condition) {
            Ok(condition) => parts.push(condition),
            Err(_) if refused => return Ok(()),
            Err(error) => return Err(format!("does not parse: {}", error.message)),
        }
    }
    let Some(condition) = Condition::all(parts) else {
        return same("truth of no condition", case["truth"].as_bool(), Some(true));
    };
    match condition.value(&lookup) {
        Err(_) if refused => Ok(()),
        Err(error) => Err(format!("no answer: {}", error.message)),
        Ok(value) if refused => Err(format!("the original refuses it, kgen answers {value:?}")),
        Ok(value) => {
            same("truth", case["truth"].as_bool(), Some(value.is_true()))?;
            match python(&value) {
                Some(value) => same("value", text(case, "value").to_owned(), value),
                None => Ok(()),
            }
        }
    }
}

/// The value as Python 2 prints it, where kgen prints the same; numbers beyond 64 bits are compared by truth.
fn python(value: &CondValue) -> Option<String> {
    Some(match value {
        CondValue::None => "None".to_owned(),
        CondValue::Bool(true) => "True".to_owned(),
        CondValue::Bool(false) => "False".to_owned(),
        CondValue::Int(int) => int.to_string(),
        CondValue::Float(float) if float.abs() < 1e15 => format!("{float:?}"),
        CondValue::Text(text) => format!("'{text}'"),
        CondValue::Float(_) | CondValue::List(_) => return None,
    })
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}
