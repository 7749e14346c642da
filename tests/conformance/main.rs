//! Agreement with the original compiler, measured: `conformance/` beside the project, or KGEN_CONFORMANCE.
//!
//! Every case is run through the program, `kgen profile --format json`, and compared by meaning. A case agrees, or
//! stands in `conformance/deviations.txt` with its reason; one that is listed and agrees fails too, so that the
//! list stays true. Without the data the tests are skipped, visibly.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod meaning;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kgen::condition::{Condition, Value as CondValue};
use kgen::name::AttributeName;
use serde_json::Value;

use meaning::{compare_kickstart, compare_order, same, strings, text};

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
    let list = include_str!("deviations.txt");
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

#[test]
fn real_rolls_compile_as_they_did() {
    let Some(data) = data() else { return };
    let tree = data.join("rolls/tree");
    let mut results = Vec::new();
    for entry in support::entries(&data.join("rolls/cases")) {
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
    for case in support::entries(&data.join("micro")).into_iter().filter(|path| path.is_dir()) {
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
