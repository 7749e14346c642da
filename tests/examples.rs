//! The examples, and what the README tells people to type first: each works as it stands, and shows what it is for.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{compile, examples, files, kgen, kgen_of, list, root, write};
use tempfile::TempDir;

fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// A copy of an example that can be changed.
fn copied(name: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    files(&example(name)).iter().for_each(|(path, content)| write(&copy.path().join(path), content));
    copy
}

fn profile(site: &Path, host: &str) -> Value {
    serde_json::from_str(&kgen_of(site, &["profile", host, "--format", "json"])).unwrap()
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The kickstarts that compiling a site makes.
fn kickstarts(site: &Path) -> Vec<String> {
    let output = tempfile::tempdir().unwrap();
    compile(site, output.path());
    let made = files(&output.path().join("ks")).into_iter();
    let kickstarts = made.filter(|(path, _)| path.extension().is_some_and(|extension| extension == "ks"));
    kickstarts.map(|(_, content)| String::from_utf8(content).unwrap()).collect()
}

#[test]
fn no_example_has_a_fault_and_each_host_has_a_kickstart() {
    for site in examples() {
        // The scheduler that openpbs could change to is in reach of nobody yet, which is a warning.
        let strict: &[&str] = if site.ends_with("openpbs") { &["check"] } else { &["check", "--strict"] };
        let said = kgen_of(&site, strict);
        assert!(said.starts_with("ok: "), "{}: {said}", site.display());
        assert_eq!(kickstarts(&site).len(), list(&site, "hosts").len(), "{}", site.display());
    }
}

#[test]
fn an_example_can_be_copied_away_if_it_has_a_description_of_its_own() {
    for name in ["openpbs", "rolls"] {
        assert_eq!(kickstarts(copied(name).path()), kickstarts(&example(name)), "{name}");
    }
}

#[test]
fn hydra_has_every_appliance_two_architectures_and_two_releases() {
    let site = example("hydra");
    let hosts = list(&site, "hosts");
    let of = |key: &str| hosts.iter().map(|host| host[key].as_str().unwrap()).collect::<BTreeSet<_>>();
    let appliances = list(&site, "appliances");
    let declared: BTreeSet<_> = appliances.iter().map(|one| one["appliance"].as_str().unwrap()).collect();
    assert_eq!(of("appliance"), declared);
    assert_eq!(of("arch"), BTreeSet::from(["aarch64", "x86_64"]));
    assert_eq!(of("target"), BTreeSet::from(["RHEL10", "RHEL9"]));
}

#[test]
fn every_module_that_is_shipped_is_reached_from_an_appliance_of_hydra() {
    let output = kgen().args(["check", "--format", "json", "--site"]).arg(example("hydra")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("no appliance"), "{said}");
}

#[test]
fn one_edge_changes_the_scheduler_of_every_node() {
    let copy = copied("openpbs");
    let before = profile(copy.path(), "compute-0-0");
    assert!(texts(&before["modules"]).contains("openpbs-worker"));
    assert!(texts(&before["packages"]["on"]).contains("openpbs-execution"));

    let graph = copy.path().join("graphs/default/scheduler.xml");
    let edge = "<edge from=\"scheduler-worker\" to=\"openpbs-worker\"/>";
    let text = fs::read_to_string(&graph).unwrap();
    assert_eq!(text.matches(edge).count(), 1);
    write(&graph, text.replace(edge, "<edge from=\"scheduler-worker\" to=\"slurm-worker\"/>"));

    let after = profile(copy.path(), "compute-0-0");
    assert!(texts(&after["modules"]).contains("slurm-worker"));
    assert!(texts(&after["packages"]["on"]).contains("slurm-slurmd"));
    let module = texts(&after["modules"]).into_iter().find(|module| module.contains("pbs"));
    assert_eq!(module, None, "a module of the scheduler of before");
    assert!(!after["packages"].to_string().contains("pbs") && !after["sections"].to_string().contains("pbs"));
    // The frontend has an edge of its own.
    assert_eq!(profile(copy.path(), "frontend"), profile(&example("openpbs"), "frontend"));
}

#[test]
fn the_site_of_rolls_extends_a_module_of_a_roll() {
    let site = example("rolls");
    let module = "watch (rolls/monitoring/nodes/watch.xml + site-nodes/extend-watch.xml, roll monitoring)";
    for kickstart in kickstarts(&site) {
        assert!(kickstart.contains(module), "{kickstart}");
        let (original, extension) = (kickstart.find("MailTo = ").unwrap(), kickstart.find("Detail = High").unwrap());
        assert!(original < extension, "the extension stands before what it extends");
    }
    let copy = copied("rolls");
    fs::remove_file(copy.path().join("site-nodes/extend-watch.xml")).unwrap();
    assert!(kickstarts(copy.path()).iter().all(|kickstart| !kickstart.contains("Detail = High")));
}

#[test]
fn a_starter_site_is_good_as_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    let output = kgen().arg("init").arg(&site).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = kgen_of(&site, &["check", "--strict"]);
    assert!(said.starts_with("ok: "), "{said}");
    assert_eq!(kickstarts(&site).len(), list(&site, "hosts").len());
    let again = kgen().arg("init").arg(&site).output().unwrap();
    assert_eq!(again.status.code(), Some(3), "a directory that is not empty is left alone");
}

#[test]
fn a_starter_site_has_the_description_that_this_tree_has() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    assert!(kgen().arg("init").arg(&site).output().unwrap().status.success());
    for folder in ["nodes", "graphs", "dtd"] {
        assert_eq!(files(&site.join(folder)), files(&root().join(folder)), "{folder}");
    }
}

/// The first command that the README gives.
fn first_command() -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let line = readme.lines().find(|line| line.trim_start().starts_with("cargo run ")).unwrap();
    line.trim().to_owned()
}

#[test]
fn the_first_command_of_the_readme_works() {
    let command = first_command();
    assert_eq!(command, "cargo run --release -- compile --site examples/hydra -o out");
    let (_, arguments) = command.split_once(" -- ").unwrap();
    // As typed, but for where the output goes: a test writes nothing into the tree.
    let output = tempfile::tempdir().unwrap();
    let words = arguments.split(' ').map(|word| if word == "out" { output.path().as_os_str() } else { word.as_ref() });
    let run = Command::new(env!("CARGO_BIN_EXE_kgen")).args(words).current_dir(root()).env_clear().output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let hosts = list(&example("hydra"), "hosts");
    for host in hosts {
        assert!(output.path().join(format!("ks/{}.ks", host["host"].as_str().unwrap())).is_file());
    }
}
