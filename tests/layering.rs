//! Who may use whom, DESIGN section 4, as tables that the source is held against: modules of kgen, foreign
//! crates and their doors, and the parts of the standard library that reach the world.
//!
//! A line that nothing uses any more is a failure too, so the tables are what is true, not what once was allowed.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

#[path = "support/scan.rs"]
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use scan::{SourceFile, Used, files};

/// Each part of kgen and what it may use, from the ground up: a part uses only parts that stand above it here.
/// A part is a file or a folder; where a file of a folder has a line of its own, that line counts for it.
#[rustfmt::skip] // a line each, as a table
const LAYERS: &[(&str, &[&str])] = &[
    // ground
    ("source", &[]),
    ("name", &[]),
    ("diagnostic", &["source"]),
    ("attribute", &["name", "source"]),
    ("text", &["name", "source"]),
    ("write", &[]),
    ("shipped", &[]),
    // front end: text to profile; syntax knows no host
    ("condition", &["name"]),
    ("profile", &["name", "source", "text"]),
    ("command", &["diagnostic", "name", "profile", "source", "text"]),
    ("syntax", &["diagnostic"]),
    ("syntax::entity", &["diagnostic", "name", "source"]),
    ("syntax::encoding", &[]),
    ("syntax::xml", &["diagnostic", "name", "source", "syntax::encoding", "syntax::entity", "text"]),
    ("syntax::element", &["condition", "diagnostic", "name", "source", "syntax", "syntax::xml", "text"]),
    ("syntax::graph", &["condition", "diagnostic", "name", "source", "syntax::element", "syntax::xml"]),
    ("syntax::module", &["condition", "name", "profile", "source", "syntax::element", "text"]),
    ("syntax::content", &["diagnostic", "profile", "syntax::element", "syntax::module", "syntax::xml", "text"]),
    ("syntax::include", &[
        "condition", "diagnostic", "name", "source", "syntax::content", "syntax::element", "syntax::encoding",
        "syntax::module", "syntax::xml", "text"
    ]),
    ("syntax::items", &[
        "command", "condition", "diagnostic", "name", "profile", "syntax::content", "syntax::element",
        "syntax::module", "syntax::xml", "text"
    ]),
    ("graph", &["condition", "name", "source", "syntax::graph"]),
    ("description", &[
        "condition", "diagnostic", "graph", "name", "source", "syntax", "syntax::element", "syntax::encoding",
        "syntax::graph", "syntax::module", "syntax::xml", "text"
    ]),
    ("resolve", &["condition", "diagnostic", "graph", "name", "source", "syntax::graph"]),
    ("expand", &[
        "attribute", "condition", "description", "diagnostic", "name", "profile", "resolve", "source", "syntax",
        "syntax::element", "syntax::module", "syntax::xml", "text"
    ]),
    ("eval", &["expand"]),
    ("picture", &["description", "graph", "name"]),
    // the site: of the language it knows how strict to be (`syntax`), of commands their versions, and no module
    ("inventory", &["attribute", "command", "diagnostic", "name", "source", "syntax", "text"]),
    ("dhcp", &["inventory", "name", "source"]),
    // back end: it knows no XML
    ("emit::lines", &["source"]),
    ("emit::hosts", &["emit::lines", "inventory", "source"]),
    ("emit::groups", &["emit::lines", "inventory", "name"]),
    ("emit::zones", &["emit::hosts", "emit::lines", "inventory", "source"]),
    ("emit::dnsmasq", &["dhcp", "emit::hosts", "emit::lines", "inventory", "name"]),
    ("emit::values", &[
        "emit::dnsmasq", "emit::groups", "emit::hosts", "emit::lines", "emit::zones", "inventory", "name"
    ]),
    ("emit::template", &["attribute", "emit::values", "inventory", "name", "source", "text"]),
    ("boot", &["diagnostic", "emit::template", "inventory", "name", "source", "text"]),
    ("emit", &[
        "boot", "dhcp", "diagnostic", "emit::lines", "inventory", "name", "picture", "profile",
        "source", "text"
    ]),
    // all of it together
    ("cohort", &["attribute", "emit", "emit::template", "inventory", "name", "profile", "resolve", "source", "text"]),
    ("generation", &[
        "attribute", "cohort", "command", "description", "diagnostic", "emit", "emit::template", "expand", "inventory",
        "name", "source", "text"
    ]),
    ("compile", &[
        "attribute", "cohort", "command", "condition", "description", "diagnostic", "emit", "emit::template", "expand",
        "generation", "graph", "inventory", "name", "profile", "resolve", "source", "syntax"
    ]),
    ("lint", &["command", "condition", "diagnostic", "emit", "generation", "inventory", "name", "source"]),
    ("explain", &[
        "attribute", "cohort", "compile", "description", "emit::template", "generation", "graph", "inventory", "name",
        "profile", "source", "text"
    ]),
    ("files", &[
        "boot", "diagnostic", "emit", "emit::dnsmasq", "emit::groups", "emit::hosts", "emit::lines",
        "emit::template", "emit::zones", "generation", "inventory", "source"
    ]),
    ("simulate", &["boot", "dhcp", "emit", "files", "generation", "inventory", "name"]),
    ("readers", &[]),
    // the program
    ("cli", &[
        "attribute", "boot", "compile", "description", "dhcp", "diagnostic", "emit", "emit::template", "eval", "expand",
        "explain", "files", "generation", "inventory", "lint", "name", "picture", "profile", "readers", "shipped",
        "simulate", "source", "syntax", "text", "write"
    ]),
];

/// Each foreign crate and the files or folders that use it: its door, and where there are several, why.
const DOORS: &[(&str, &[(&str, &str)])] = &[
    ("annotate_snippets", &[("diagnostic", "rendering for people")]),
    (
        "clap",
        &[
            ("cli", "runs the parser, and tells help from wrong use"),
            ("cli::args", "the arguments"),
            ("cli::manual", "the manual is made of the arguments"),
        ],
    ),
    ("clap_complete", &[("cli::args", "the names of shells are an argument"), ("cli::manual", "completions")]),
    ("clap_mangen", &[("cli::manual", "manual pages")]),
    ("csv", &[("inventory::hostfile", "hosts as a table")]),
    ("encoding_rs", &[("syntax::encoding", "files in the encoding that their declaration names")]),
    ("flate2", &[("emit::diskless", "an initrd that the kernel finds behind any other")]),
    ("minijinja", &[("emit::template", "templates"), ("emit::values", "what templates see, as its values")]),
    (
        "petgraph",
        &[
            ("emit::svg", "the graph that is laid out, in the type that rust_sugiyama takes"),
            ("graph", "inheritance and orders"),
            ("resolve", "walks the orders of a graph"),
        ],
    ),
    ("quick_xml", &[("syntax::xml", "XML")]),
    (
        "rayon",
        &[
            ("cli::compile", "hosts are checked on all cores"),
            ("cli::publish", "hosts are written on all cores"),
            ("cli::review", "outputs are read on all cores"),
            ("compile", "variants are made on all cores"),
            ("files", "what hosts boot is filled in on all cores"),
            ("inventory::file", "the pieces of a large inventory are read on all cores"),
        ],
    ),
    ("rust_embed", &[("shipped", "the shipped description")]),
    ("rust_sugiyama", &[("emit::svg", "places the modules of a picture")]),
    (
        "serde",
        &[
            ("attribute", "scopes as they are printed"),
            ("cli::explain", "answers as JSON"),
            ("cli::list", "lists as JSON"),
            ("cli::profile", "profiles as JSON"),
            ("cli::session", "prints whatever can be JSON"),
            ("diagnostic", "faults as JSON"),
            ("explain", "answers as JSON"),
            ("inventory::document", "JSON level by level"),
            ("name", "names are texts in JSON"),
            ("picture", "the graph as JSON"),
            ("profile", "kinds of sections as words in JSON"),
            ("simulate", "stages as JSON"),
        ],
    ),
    (
        "serde_json",
        &[
            ("cli::compile", "the summary"),
            ("cli::profile", "reads the file of --attributes"),
            ("cli::session", "prints every JSON"),
            ("diagnostic", "faults as lines of JSON"),
            ("emit::kea", "the configuration of Kea"),
            ("inventory::document", "inventories in JSON"),
            ("inventory::export", "inventories in JSON"),
        ],
    ),
    (
        "sha2",
        &[
            ("compile", "the id of a generation"),
            ("description", "the digest of a tree"),
            ("emit::zones", "the serial numbers of zones"),
            ("inventory::file", "the digest of an inventory"),
        ],
    ),
    ("strsim", &[("name", "the nearest name")]),
    ("tempfile", &[("write", "files whole or not at all")]),
    ("thiserror", &[("source", "the errors of its door"), ("write", "the errors of its door")]),
    (
        "toml",
        &[
            ("inventory::hostfile", "a table as a tree"),
            ("inventory::document", "TOML with places, and JSON as such a tree"),
            ("inventory::table", "reads the tree"),
        ],
    ),
    ("walkdir", &[("source", "trees of files")]),
];

/// Parts of the standard library that reach the world, and who may use each. What is below `cli` prints nothing,
/// reads no environment and does not exit.
const WORLD: &[(&str, &[(&str, &str)])] = &[
    ("std::env", &[("cli", "options from the environment, and where the program was started")]),
    (
        "std::fs",
        &[
            ("cli::init", "the machine's source of chance"),
            ("readers", "reads and copies what was just written"),
            ("source", "reads files"),
            ("write", "writes files"),
        ],
    ),
    (
        "std::net",
        &[
            ("boot", "addresses; nothing is sent or received"),
            ("dhcp", "the same"),
            ("emit", "the same"),
            ("inventory", "the same"),
            ("simulate", "the same"),
        ],
    ),
    (
        "std::process",
        &[
            ("cli", "exit codes"),
            ("eval", "runs programs"),
            ("main", "exit codes"),
            ("readers", "runs the programs that read our outputs"),
        ],
    ),
    ("std::thread", &[("eval", "watches a program that runs")]),
    ("std::time", &[("eval", "how long a program may run")]),
];

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
fn nothing_is_asynchronous() {
    let mut told = Vec::new();
    for file in files() {
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
