//! Who may use whom, DESIGN section 4: the source is held against the tables of `layering/tables.rs`, which are of
//! modules of kgen, foreign crates and their doors, and the parts of the standard library that reach the world.
//!
//! A line that nothing uses any more is a failure too, so the tables are what is true, not what once was allowed.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

#[path = "support/scan.rs"]
mod scan;
#[path = "layering/tables.rs"]
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use scan::{SourceFile, Used, files};
use tables::{DOORS, LAYERS, WORLD};

/// The line of a table that counts for a module: its own, else that of the nearest folder around it.
fn part<'t>(module: &str, parts: &BTreeSet<&'t str>) -> Option<&'t str> {
    let inside = |part: &&&str| module == **part || module.starts_with(&format!("{part}::"));
    parts.iter().filter(inside).max_by_key(|part| part.len()).copied()
}

fn layers() -> BTreeSet<&'static str> {
    LAYERS.iter().map(|(part, _)| *part).collect()
}

/// All that a file names of kgen: `crate::a::b`, and `super::b` outside of tests as `crate::a::b`.
fn used_by(file: &SourceFile) -> Vec<Used> {
    let mut used = file.paths_from("crate");
    let outer = file.module.rsplit_once("::").map_or("", |(outer, _)| outer);
    for mut path in file.paths_from("super").into_iter().filter(|path| !path.in_test) {
        path.parts.splice(0..0, outer.split("::").filter(|part| !part.is_empty()).map(str::to_owned));
        used.push(path);
    }
    used
}

/// What each part uses, with the first place of each use.
fn uses() -> BTreeMap<(&'static str, &'static str), String> {
    let parts = layers();
    let mut uses = BTreeMap::new();
    for file in files() {
        let Some(user) = part(&file.module, &parts) else { continue };
        for used in used_by(&file) {
            let Some(other) = part(&used.parts.join("::"), &parts) else { continue };
            if other != user {
                uses.entry((user, other)).or_insert_with(|| format!("{}:{}", file.path, used.line));
            }
        }
    }
    uses
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_part_of_kgen_has_its_place() {
    let parts = layers();
    let placed = |file: &SourceFile| {
        matches!(file.path.as_str(), "src/lib.rs" | "src/main.rs") || part(&file.module, &parts).is_some()
    };
    let files = files();
    let mut problems: Vec<_> = files
        .iter()
        .filter(|file| !placed(file))
        .map(|file| format!("{} is in no line of LAYERS", file.path))
        .collect();
    let gone = parts.iter().filter(|part| !files.iter().any(|file| self::part(&file.module, &parts) == Some(part)));
    problems.extend(gone.map(|part| format!("LAYERS has `{part}`, but there is no such file")));
    assert_none(&problems);
}

#[test]
fn each_part_uses_only_what_the_table_allows() {
    let allowed: BTreeSet<_> =
        LAYERS.iter().flat_map(|(user, others)| others.iter().map(move |other| (*user, *other))).collect();
    let forbidden = uses().into_iter().filter(|(pair, _)| !allowed.contains(pair));
    let told: Vec<_> =
        forbidden.map(|((user, other), place)| format!("{place}: `{user}` may not use `{other}`")).collect();
    assert_none(&told);
}

#[test]
fn what_the_table_allows_is_used() {
    let uses = uses();
    let unused = LAYERS.iter().flat_map(|(user, others)| others.iter().map(move |other| (*user, *other)));
    let told: Vec<_> = unused
        .filter(|pair| !uses.contains_key(pair))
        .map(|(user, other)| format!("`{user}` does not use `{other}` any more"))
        .collect();
    assert_none(&told);
}

#[test]
fn each_part_stands_above_all_that_it_uses() {
    let place = |part: &str| LAYERS.iter().position(|(found, _)| *found == part);
    let upward = LAYERS.iter().flat_map(|(user, others)| others.iter().map(move |other| (*user, *other)));
    let told: Vec<_> = upward
        .filter(|(user, other)| place(other) >= place(user))
        .map(|(user, other)| format!("`{user}` stands before `{other}` in LAYERS, and may use it"))
        .collect();
    assert_none(&told);
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let files = files();
    let modules: BTreeSet<&str> =
        files.iter().map(|file| file.module.as_str()).filter(|name| !name.is_empty()).collect();
    let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in &files {
        let used = used_by(file).into_iter().filter(|used| !used.in_test);
        let others = used.filter_map(|used| part(&used.parts.join("::"), &modules));
        left.insert(&file.module, others.filter(|other| *other != file.module).collect());
    }
    // What uses nothing that is left is in no circle.
    while let Some(free) = left.iter().find(|(_, used)| used.is_empty()).map(|(file, _)| *file) {
        left.remove(free);
        left.values_mut().for_each(|used| {
            used.remove(free);
        });
    }
    assert!(left.is_empty(), "in circles, or above one: {left:#?}");
}

/// The crates of Cargo.toml, as they are written in Rust.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let inside = lines.take_while(|line| !line.starts_with('['));
    let names = inside.filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.split_once(" = ")?.0));
    names.map(|name| name.replace('-', "_")).collect()
}

/// Where a crate or a part of the standard library is used: module and place.
fn users(files: &[SourceFile], name: &str) -> BTreeMap<String, String> {
    let (root, rest) = name.split_once("::").unwrap_or((name, ""));
    let mut users = BTreeMap::new();
    for file in files {
        let paths = file.paths_from(root);
        let found = paths.iter().find(|path| rest.is_empty() || path.parts.first().is_some_and(|part| part == rest));
        if let Some(path) = found.filter(|path| !path.in_test) {
            users.insert(file.module.clone(), format!("{}:{}", file.path, path.line));
        }
    }
    users
}

/// Users that have no line in a table of doors, and lines that have no user.
fn compare(name: &str, doors: &[(&str, &str)], files: &[SourceFile]) -> Vec<String> {
    let users = users(files, name);
    let known: BTreeSet<&str> = doors.iter().map(|(door, _)| *door).collect();
    let others = users.iter().filter(|(user, _)| part(user, &known).is_none());
    let mut told: Vec<_> = others.map(|(_, place)| format!("{place}: `{name}` is not used here")).collect();
    let idle = known.iter().filter(|door| !users.keys().any(|user| part(user, &known) == Some(door)));
    told.extend(idle.map(|door| format!("`{door}` does not use `{name}` any more")));
    told
}

#[test]
fn each_foreign_crate_is_used_through_its_doors() {
    let files = files();
    let told: Vec<_> = DOORS.iter().flat_map(|(name, doors)| compare(name, doors, &files)).collect();
    assert_none(&told);
}

#[test]
fn each_dependency_has_a_door_and_each_door_a_dependency() {
    let dependencies = dependencies();
    let doors: BTreeSet<String> = DOORS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut told: Vec<_> =
        dependencies.difference(&doors).map(|name| format!("Cargo.toml has `{name}`, DOORS has not")).collect();
    told.extend(doors.difference(&dependencies).map(|name| format!("DOORS has `{name}`, Cargo.toml has not")));
    assert_none(&told);
}

#[test]
fn the_world_is_reached_only_where_the_table_allows() {
    let files = files();
    let told: Vec<_> = WORLD.iter().flat_map(|(name, doors)| compare(name, doors, &files)).collect();
    assert_none(&told);
}

#[test]
fn nothing_below_the_command_line_prints_or_exits() {
    let mut told = Vec::new();
    for file in files().iter().filter(|file| !file.module.starts_with("cli")) {
        for (at, token) in file.tokens.iter().enumerate().filter(|(_, token)| !token.in_test) {
            let is_macro = matches!(token.text.as_str(), "print" | "println" | "eprint" | "eprintln" | "dbg")
                && file.is_at(at + 1, &["!"]);
            // `.stdout(..)` is that of a program which is run.
            let is_call = matches!(token.text.as_str(), "stdout" | "stderr" | "stdin" | "exit")
                && file.is_at(at + 1, &["("])
                && !file.is_at(at.saturating_sub(1), &["."]);
            if is_macro || is_call {
                told.push(format!("{}:{}: `{}`", file.path, token.line, token.text));
            }
        }
    }
    assert_none(&told);
}

#[test]
fn paths_are_written_from_the_crate_and_in_full() {
    let mut told = Vec::new();
    for file in files() {
        for path in ["crate", "super", "self", "std"].iter().flat_map(|root| file.paths_from(root)) {
            let is_glob = path.parts.last().is_some_and(|last| last == "*");
            // `use super::*` is how a test module sees what it tests.
            if is_glob && !(path.in_test && path.parts.len() == 1) {
                told.push(format!("{}:{}: `*` hides what is used", file.path, path.line));
            }
        }
        for path in DOORS.iter().flat_map(|(name, _)| file.paths_from(name)) {
            let is_prelude = path.parts.iter().any(|part| part == "prelude");
            if path.parts.last().is_some_and(|last| last == "*") && !is_prelude {
                told.push(format!("{}:{}: `*` hides what is used", file.path, path.line));
            }
        }
        for path in file.paths_from("super").iter().filter(|path| !path.in_test || path.parts[0] == "super") {
            told.push(format!("{}:{}: write `crate::..` instead of `super::..`", file.path, path.line));
        }
    }
    assert_none(&told);
}

#[test]
fn nothing_but_the_server_its_store_and_its_clients_is_asynchronous() {
    let mut told = Vec::new();
    let waits = |module: &str| ["server", "store", "storm", "cli::remote"].iter().any(|part| module.starts_with(part));
    for file in files().into_iter().filter(|file| !waits(&file.module)) {
        let found = file.tokens.iter().filter(|token| matches!(token.text.as_str(), "async" | "await"));
        told.extend(found.map(|token| format!("{}:{}", file.path, token.line)));
    }
    assert_none(&told);
}

#[test]
fn every_file_says_first_what_it_is() {
    let silent = files().into_iter().filter(|file| !file.text.starts_with("//! "));
    assert_none(&silent.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn the_scan_sees_through_comments_and_texts() {
    let text = concat!(
        "use crate::a::{b, c::{D, E as F}};\n// crate::x\nlet r = r#\"crate::y\"#; let c = '\"'; ",
        "crate::z::f(\"crate::w\");\n#[cfg(test)]\nmod tests { fn t() { crate::q(); } }\ncrate::last();"
    );
    let mut tokens = scan::tokens(text);
    scan::mark_tests(&mut tokens);
    let file = SourceFile { path: String::new(), module: String::new(), text: text.to_owned(), tokens };
    let found: Vec<_> =
        file.paths_from("crate").into_iter().map(|path| (path.parts.join("::"), path.in_test)).collect();
    let expected =
        [("a::b", false), ("a::c::D", false), ("a::c::E", false), ("z::f", false), ("q", true), ("last", false)];
    assert_eq!(found, expected.map(|(path, in_test)| (path.to_owned(), in_test)));
}
