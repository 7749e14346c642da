//! Golden trees: each directory of `tests/golden/` is a small site, and `expected/` in it all that kgen makes of
//! it, under the real names, so that other programs read the same files.
//!
//! `KGEN_UPDATE=1` rewrites `expected/`, which then has to be read before it is committed.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use support::{compile, files, golden_cases, write};

/// All that kgen makes of a site.
fn compiled(site: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let output = tempfile::tempdir().unwrap();
    compile(site, output.path());
    made(output.path())
}

/// What an output directory holds, without the lock of the programs that write to it.
fn made(output: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut made = files(output);
    made.retain(|path, content| path.file_name().unwrap() != ".kgen-lock" || !content.is_empty());
    made
}

/// The files of a case without what is expected of them.
fn inputs(case: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut inputs = files(case);
    inputs.retain(|path, _| !path.starts_with("expected"));
    inputs
}

fn update(expected: &Path, found: &BTreeMap<PathBuf, Vec<u8>>) {
    if expected.exists() {
        fs::remove_dir_all(expected).unwrap();
    }
    found.iter().for_each(|(path, content)| write(&expected.join(path), content));
}

/// The first line in which two texts differ, for people.
fn difference(expected: &[u8], found: &[u8]) -> String {
    let (expected, found) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(found));
    let mut pairs = (1..).zip(
        expected
            .split('\n')
            .map(Some)
            .chain(std::iter::repeat(None))
            .zip(found.split('\n').map(Some).chain(std::iter::repeat(None))),
    );
    let (line, (expected, found)) = pairs.find(|(_, (one, other))| one != other).unwrap();
    format!("line {line}\n  expected {expected:?}\n  found    {found:?}")
}

/// Everything in which two sets of files differ.
fn differences(expected: &BTreeMap<PathBuf, Vec<u8>>, found: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let mut differences = Vec::new();
    for (path, content) in expected {
        match found.get(path) {
            None => differences.push(format!("{}: is not made", path.display())),
            Some(other) if other != content => {
                differences.push(format!("{}: {}", path.display(), difference(content, other)));
            }
            Some(_) => {}
        }
    }
    let more = found.keys().filter(|path| !expected.contains_key(*path));
    differences.extend(more.map(|path| format!("{}: is not expected", path.display())));
    differences
}

#[test]
fn every_case_compiles_to_just_the_files_that_are_expected() {
    let mut wrong = Vec::new();
    for case in golden_cases() {
        let (expected, found) = (case.join("expected"), compiled(&case));
        if std::env::var_os("KGEN_UPDATE").is_some() {
            update(&expected, &found);
            continue;
        }
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        wrong.extend(differences(&files(&expected), &found).into_iter().map(|what| format!("{name}/{what}")));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_host_has_a_kickstart_and_nobody_else() {
    for case in golden_cases() {
        let hosts = support::list(&case, "hosts");
        let name = |host: &serde_json::Value| PathBuf::from(format!("ks/{}.ks", host["host"].as_str().unwrap()));
        let names: BTreeSet<_> = hosts.iter().map(name).collect();
        let expected = files(&case.join("expected")).into_keys();
        let expected: BTreeSet<_> = expected.filter(|path| path.extension().is_some_and(|end| end == "ks")).collect();
        assert_eq!(expected, names, "{}", case.display());
    }
}

#[test]
fn compiling_twice_gives_the_same_bytes_and_writes_nothing() {
    for case in golden_cases() {
        let output = tempfile::tempdir().unwrap();
        compile(&case, output.path());
        let first = made(output.path());
        let said = support::kgen_of(&case, &["compile", "-o", output.path().to_str().unwrap()]);
        assert!(said.contains(&format!(": 0 new, 0 changed, {} unchanged", first.len())), "{said}");
        assert_eq!(differences(&first, &made(output.path())), [""; 0], "{}", case.display());
        assert_eq!(differences(&first, &compiled(&case)), [""; 0], "{}", case.display());
    }
}

#[test]
fn neither_the_place_of_a_site_nor_the_order_in_which_its_files_were_made_is_in_the_bytes() {
    for case in golden_cases() {
        let copy = tempfile::tempdir().unwrap();
        inputs(&case).into_iter().rev().for_each(|(path, content)| write(&copy.path().join(path), content));
        assert_eq!(differences(&compiled(&case), &compiled(copy.path())), [""; 0], "{}", case.display());
    }
}

#[test]
fn what_compiling_one_host_gives_is_what_compiling_all_gives() {
    for case in golden_cases() {
        let all = compiled(&case);
        let output = tempfile::tempdir().unwrap();
        for host in support::list(&case, "hosts") {
            support::kgen_of(
                &case,
                &["compile", host["host"].as_str().unwrap(), "-o", output.path().to_str().unwrap()],
            );
        }
        let own = made(output.path());
        let kickstarts =
            |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().filter(|path| path.starts_with("ks")).count();
        assert_eq!(kickstarts(&own), kickstarts(&all), "{}", case.display());
        let same = all.into_iter().filter(|(path, _)| own.contains_key(path)).collect();
        assert_eq!(differences(&same, &own), [""; 0], "{}", case.display());
    }
}

#[test]
fn what_a_site_no_longer_has_is_removed_and_nothing_else() {
    let site = tempfile::tempdir().unwrap();
    let case = support::root().join("tests/golden/boot");
    inputs(&case).into_iter().for_each(|(path, content)| write(&site.path().join(path), content));
    let output = tempfile::tempdir().unwrap();
    compile(site.path(), output.path());
    write(&output.path().join("boot/ipxe/notes"), "mine\n");
    write(&output.path().join("dns/own.zone"), "@ IN SOA mine\n");
    let before = made(output.path());
    let inventory = site.path().join("cluster.toml");
    let text = fs::read_to_string(&inventory).unwrap();
    let start = text.find("[hosts.odd-0-0]").unwrap();
    let end = start + text[start..].find("[hosts.rescue-0-0]").unwrap();
    let text = [&text[..start], &text[end..]].concat().replace("boot = \"diskless\"", "boot = \"local\"");
    let text = text
        .replace("[boot.install.host.odd-0-0]", "[boot.install.host.arm-0-0]")
        .replace("attributes.odd", "site.name");
    fs::write(&inventory, &text).unwrap();
    compile(site.path(), output.path());
    let after = made(output.path());
    let gone: Vec<_> =
        before.keys().filter(|path| !after.contains_key(*path)).map(|path| path.to_str().unwrap()).collect();
    let expected = [
        "boot/grub/grub.cfg-01-52-54-00-05-00-00",
        "boot/grub/grub.cfg-0A010501",
        "boot/ipxe/10.1.5.1.ipxe",
        "boot/ipxe/52-54-00-05-00-00.ipxe",
        "boot/kgen-overlay.img",
        "boot/pxelinux.cfg/01-52-54-00-05-00-00",
        "boot/pxelinux.cfg/0A010501",
        "dns/5.1.10.in-addr.arpa.zone",
        "ks/thin-0-0.sh",
        "site/exports",
    ];
    assert_eq!(gone, expected);
    fs::write(&inventory, text.replace("server = \"http://10.1.1.1:8080\"\n", "")).unwrap();
    compile(site.path(), output.path());
    let left = made(output.path());
    let scripts = left.keys().filter(|path| path.starts_with("boot/ipxe") || path.starts_with("dhcp"));
    assert_eq!(scripts.collect::<Vec<_>>(), [Path::new("boot/ipxe/notes")]);
    assert!(left.contains_key(Path::new("dns/own.zone")) && left.contains_key(Path::new("ks/odd-0-0.ks")));
}
