//! The real readers of what kgen writes: the installer's parser, shells, an XML parser, Graphviz.
//!
//! They read every golden kickstart, every kickstart of the examples, and every appliance of the shipped
//! description on two architectures and two releases. A reader that is missing is a skip, visibly.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::{entries, examples, files, golden_cases, list, program, root, run, write};
use tempfile::TempDir;

/// One kickstart on disk.
struct Kickstart {
    target: String,
    path: PathBuf,
    text: String,
}

/// All kickstarts that the readers are given, and the directory that they stand in.
struct Kickstarts {
    _directory: TempDir,
    all: Vec<Kickstart>,
}

/// Compiled once for all tests of this file.
fn kickstarts() -> &'static [Kickstart] {
    static KICKSTARTS: OnceLock<Kickstarts> = OnceLock::new();
    let made = KICKSTARTS.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let matrix = directory.path().join("matrix");
        write_matrix(&matrix);
        let sites = golden_cases().into_iter().chain(examples()).chain([matrix]);
        let all = sites.enumerate().flat_map(|(number, site)| {
            let name = format!("{number}-{}", site.file_name().unwrap().to_string_lossy());
            compiled(&site, &directory.path().join("out").join(name))
        });
        let all = all.collect();
        Kickstarts { _directory: directory, all }
    });
    &made.all
}

fn compiled(site: &Path, output: &Path) -> Vec<Kickstart> {
    support::compile(site, output);
    let hosts = list(site, "hosts");
    let kickstart = |host: &serde_json::Value| {
        let path = output.join(format!("ks/{}.ks", host["host"].as_str().unwrap()));
        let text = fs::read_to_string(&path).unwrap();
        Kickstart { target: host["target"].as_str().unwrap().to_owned(), path, text }
    };
    hosts.iter().map(kickstart).collect()
}

const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];
const TARGETS: [&str; 2] = ["RHEL9", "RHEL10"];

/// The example `hydra` with other hosts: each appliance on each architecture with each target.
fn write_matrix(site: &Path) {
    let example = root().join("examples/hydra");
    let inventory = fs::read_to_string(example.join("cluster.toml")).unwrap();
    let (declared, _) = inventory.split_once("\n[hosts.").unwrap();
    let line = "description = \"../..\"";
    assert!(declared.contains(line), "the example's description has moved");
    let mut inventory = declared.replace(line, &format!("description = \"{}\"", root().display()));
    for (number, (appliance, arch, target)) in combinations(&example).into_iter().enumerate() {
        write!(
            inventory,
            "\n[hosts.{appliance}-{}-{}]\nappliance = {appliance:?}\narch = {arch:?}\ntarget = {target:?}\n\
             rack = 0\nrank = {number}\n\
             interfaces = [{{ name = \"eno1\", network = \"private\", \
             address = \"52:54:00:09:00:{number:02x}\", ip = \"10.1.9.{}\" }}]\n",
            arch.replace('_', "-"),
            target.to_lowercase(),
            number + 1
        )
        .unwrap();
    }
    write(&site.join("cluster.toml"), inventory);
    files(&example.join("secrets")).iter().for_each(|(name, text)| write(&site.join("secrets").join(name), text));
}

fn combinations(example: &Path) -> Vec<(String, &'static str, &'static str)> {
    let mut combinations = Vec::new();
    for appliance in list(example, "appliances") {
        let name = appliance["appliance"].as_str().unwrap().to_owned();
        for arch in ARCHITECTURES {
            combinations.extend(TARGETS.map(|target| (name.clone(), arch, target)));
        }
    }
    combinations
}

/// A script of a kickstart.
struct Script<'k> {
    interpreter: &'k str,
    body: String,
}

/// The `%pre` and `%post` sections of a kickstart. None holds a line that would end it early.
fn scripts(kickstart: &str) -> Vec<Script<'_>> {
    let mut scripts: Vec<Script> = Vec::new();
    let mut inside = false;
    for line in kickstart.lines() {
        if let Some(arguments) = line.strip_prefix("%pre ").or_else(|| line.strip_prefix("%post ")) {
            let interpreter = arguments.strip_prefix("--interpreter=").unwrap().split(' ').next().unwrap();
            scripts.push(Script { interpreter, body: String::new() });
            inside = true;
        } else if line == "%end" {
            inside = false;
        } else if let Some(script) = scripts.last_mut().filter(|_| inside) {
            script.body.push_str(line);
            script.body.push('\n');
        }
    }
    scripts
}

/// Every different script for bash, written to a directory of its own.
fn bash_scripts() -> (TempDir, Vec<PathBuf>) {
    let all = kickstarts().iter().flat_map(|kickstart| scripts(&kickstart.text));
    let bodies: BTreeSet<String> =
        all.filter(|script| script.interpreter == "/bin/bash").map(|script| script.body).collect();
    assert!(bodies.len() >= 50, "{} scripts", bodies.len());
    let directory = tempfile::tempdir().unwrap();
    let paths = bodies.iter().enumerate().map(|(number, body)| {
        let path = directory.path().join(format!("{number}.sh"));
        fs::write(&path, format!("#!/bin/bash\n{body}")).unwrap();
        path
    });
    let paths = paths.collect();
    (directory, paths)
}

/// The interpreter of Python that has pykickstart.
fn python() -> Option<PathBuf> {
    Some(program("ksvalidator")?.with_file_name("python3"))
}

#[test]
fn the_installer_s_parser_accepts_every_kickstart_and_finds_its_scripts() {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command.arg(root().join("tests/validate_kickstarts.py"));
    for kickstart in kickstarts() {
        command.arg(&kickstart.target).arg(&kickstart.path);
    }
    let (content, said) = run(&mut command);
    let problems: Vec<_> = said.lines().filter(|line| !line.ends_with(" scripts")).collect();
    assert!(content, "{}", problems.join("\n"));
    for kickstart in kickstarts() {
        let expected = format!("{}: {} scripts", kickstart.path.display(), scripts(&kickstart.text).len());
        assert!(said.lines().any(|line| line == expected), "not said: {expected}");
    }
}

#[test]
fn the_program_ksvalidator_accepts_a_kickstart_and_refuses_a_broken_one() {
    let Some(ksvalidator) = program("ksvalidator") else { return };
    // It leaves a file in the temporary directory.
    let temporary = tempfile::tempdir().unwrap();
    let validate = |target: &str, path: &Path| {
        run(Command::new(&ksvalidator).args(["-v", target]).arg(path).env("TMPDIR", temporary.path()))
    };
    let kickstart = kickstarts().iter().max_by_key(|kickstart| kickstart.text.len()).unwrap();
    let (content, said) = validate(&kickstart.target, &kickstart.path);
    assert!(content, "{said}");
    let broken = temporary.path().join("broken.ks");
    fs::write(&broken, kickstart.text.replace("%packages", "%pakages")).unwrap();
    assert!(!validate(&kickstart.target, &broken).0);
}

#[test]
fn every_appliance_of_the_shipped_description_is_there_on_both_architectures_and_releases() {
    let hosts = combinations(&root().join("examples/hydra"));
    assert!(hosts.len() >= 7 * ARCHITECTURES.len() * TARGETS.len(), "{} combinations", hosts.len());
    for (appliance, arch, target) in hosts {
        let header = format!("\n# appliance: {appliance}\n# arch: {arch}\n");
        let mut same = kickstarts().iter().filter(|kickstart| kickstart.target == target);
        assert!(same.any(|kickstart| kickstart.text.contains(&header)), "{appliance} {arch} {target}");
    }
}

/// A command whose text stands on lines of its own is written on one line, or refused; never as two commands.
#[test]
fn a_command_over_several_lines_is_what_the_installer_accepts_or_a_fault() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path();
    write(
        &site.join("cluster.toml"),
        "site = { name = \"s\", target = \"RHEL9\", arch = \"x86_64\" }\n\
         appliances.node = {}\nhosts.n1.appliance = \"node\"\n",
    );
    write(&site.join("graphs/default/g.xml"), "<graph/>");
    write(
        &site.join("nodes/node.xml"),
        "<kickstart><main>\n<keyboard>\n  us\n</keyboard>\n\
         <clearpart>--all\n  --initlabel</clearpart>\n</main></kickstart>",
    );
    let compiled =
        support::kgen().args(["compile", "-o"]).arg(site.join("out")).arg("--site").arg(site).output().unwrap();
    if compiled.status.code() == Some(1) {
        return;
    }
    let script = root().join("tests/validate_kickstarts.py");
    let (content, said) = run(Command::new(python).arg(script).arg("RHEL9").arg(site.join("out/ks/n1.ks")));
    assert!(content, "kgen found nothing wrong, but {said}");
}

#[test]
fn bash_reads_every_script() {
    let Some(bash) = program("bash") else { return };
    let (_directory, paths) = bash_scripts();
    for path in paths {
        let (content, said) = run(Command::new(&bash).arg("-n").arg(&path));
        // A here-document that does not end is a warning for bash.
        assert!(content && said.is_empty(), "{said}\n{}", fs::read_to_string(&path).unwrap());
    }
}

#[test]
fn shellcheck_finds_no_error_in_any_script() {
    let Some(shellcheck) = program("shellcheck") else { return };
    let (_directory, paths) = bash_scripts();
    let (content, said) = run(Command::new(shellcheck).args(["-S", "error", "-f", "gcc"]).args(paths));
    assert!(content, "{said}");
}

/// The XML files of the project that name one of its DTDs.
fn described_files() -> Vec<PathBuf> {
    let folders = ["nodes", "graphs", "examples", "tests/golden"].map(|folder| root().join(folder));
    let below = |folder: PathBuf| {
        let all = files(&folder).into_iter();
        let described = all.filter(|(path, content)| {
            path.extension().is_some_and(|extension| extension == "xml")
                && String::from_utf8_lossy(content).contains("<!DOCTYPE")
                && String::from_utf8_lossy(content).contains(" SYSTEM \"")
        });
        described.map(|(path, _)| folder.join(path)).collect::<Vec<_>>()
    };
    folders.into_iter().flat_map(below).collect()
}

#[test]
fn every_module_and_graph_is_valid_by_the_dtd_that_it_names() {
    let Some(xmllint) = program("xmllint") else { return };
    let described = described_files();
    let shipped = entries(&root().join("nodes")).len() + entries(&root().join("graphs/default")).len();
    assert!(described.len() > shipped, "{} files name a DTD", described.len());
    for path in shipped_files() {
        assert!(described.contains(&path), "{} names no DTD", path.display());
    }
    let (content, said) = run(Command::new(xmllint).args(["--noout", "--nonet", "--valid"]).args(described));
    assert!(content, "{said}");
}

/// Those that `--check-with-readers` knows.
const PROGRAMS: [&str; 9] = [
    "bash",
    "dhcpd",
    "kea-dhcp4",
    "kea-dhcp6",
    "dnsmasq",
    "named-checkconf",
    "named-checkzone",
    "grub-script-check",
    "ksvalidator",
];

/// kgen with all that is installed in its path.
fn with_readers(site: &Path, output: &Path) -> (bool, String) {
    let path = format!("{}:/usr/sbin:/sbin:/usr/bin:/bin", root().join("target/checkers/bin").display());
    let mut command = support::kgen();
    command.args(["compile", "--check-with-readers", "-o"]).arg(output).arg("--site").arg(site);
    run(command.env("PATH", path))
}

fn all_programs() -> bool {
    // Each that is missing is told, not only the first.
    let there: Vec<bool> = PROGRAMS.iter().map(|name| program(name).is_some()).collect();
    there.iter().all(|there| *there)
}

#[test]
fn every_output_of_every_site_is_read_by_its_own_reader() {
    if !all_programs() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut readers = BTreeSet::new();
    for (number, site) in golden_cases().into_iter().chain(examples()).enumerate() {
        let (content, said) = with_readers(&site, &directory.path().join(number.to_string()));
        assert!(content && !said.contains("not everything was read"), "{}:\n{said}", site.display());
        let line = said.lines().find_map(|line| line.strip_prefix("read: ")).unwrap().to_owned();
        readers.extend(line.split(", ").map(|read| read.split(' ').next().unwrap().to_owned()));
    }
    assert_eq!(readers, PROGRAMS.iter().map(|name| (*name).to_owned()).collect());
}

/// Text for one format only is nobody's to check but that format's reader's.
#[test]
fn what_a_reader_refuses_is_told_at_its_cause_and_nothing_is_written() {
    if !all_programs() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    let inventory = "[site]\nname = \"x\"\narch = \"x86_64\"\ntarget = \"RHEL9\"\n[appliances.a]\n\
                     [hosts.h]\nappliance = \"a\"\n";
    write(&site.join("cluster.toml"), inventory);
    write(
        &site.join("nodes/a.xml"),
        "<kickstart>\n  <native lang=\"kickstart\">\nfrobnicate --now\n</native>\n</kickstart>\n",
    );
    write(&site.join("graphs/default/a.xml"), "<graph/>\n");
    let output = directory.path().join("out");
    let (content, said) = with_readers(&site, &output);
    assert!(!content, "{said}");
    assert!(said.contains("error: ksvalidator refuses ks/h.ks in line ") && said.contains("frobnicate"), "{said}");
    assert!(said.contains("--> nodes/a.xml:3:1"), "{said}");
    assert!(!output.exists(), "{said}");
}

fn shipped_files() -> Vec<PathBuf> {
    ["nodes", "graphs/default"].iter().flat_map(|folder| entries(&root().join(folder))).collect()
}

#[test]
fn graphviz_draws_every_graph_and_what_it_draws_is_xml() {
    let (Some(dot), Some(xmllint)) = (program("dot"), program("xmllint")) else { return };
    let directory = tempfile::tempdir().unwrap();
    for (number, site) in examples().into_iter().chain(golden_cases()).enumerate() {
        let path = directory.path().join(format!("{number}.dot"));
        fs::write(&path, support::kgen_of(&site, &["graph", "--format", "dot"])).unwrap();
        let drawn = path.with_extension("svg");
        let (content, said) = run(Command::new(&dot).arg("-Tsvg").arg("-o").arg(&drawn).arg(&path));
        assert!(content, "{}: {said}", site.display());
        let (content, said) = run(Command::new(&xmllint).args(["--noout", "--nonet", "--noent"]).arg(&drawn));
        assert!(content, "{}: {said}", site.display());
    }
}

#[test]
fn every_picture_that_kgen_draws_itself_is_xml() {
    let Some(xmllint) = program("xmllint") else { return };
    let directory = tempfile::tempdir().unwrap();
    for (number, site) in examples().into_iter().chain(golden_cases()).enumerate() {
        let hosts = list(&site, "hosts");
        let subjects = [vec!["graph"], vec!["graph", hosts[0]["host"].as_str().unwrap()]];
        for (which, subject) in subjects.iter().enumerate() {
            let path = directory.path().join(format!("{number}-{which}.svg"));
            fs::write(&path, support::kgen_of(&site, subject)).unwrap();
            let (content, said) = run(Command::new(&xmllint).args(["--noout", "--nonet"]).arg(&path));
            assert!(content, "{} {subject:?}: {said}", site.display());
        }
    }
}

#[test]
fn the_table_of_commands_is_the_installer_s() {
    let Some(python) = python() else { return };
    let (content, table) = run(Command::new(python).arg(root().join("tests/kickstart_table.py")));
    assert!(content, "{table}");
    let ours = fs::read_to_string(root().join("src/command/commands.txt")).unwrap();
    let pair = table.lines().zip(ours.lines()).find(|(theirs, ours)| theirs != ours);
    assert_eq!(pair, None, "the first line that differs: pykickstart's, ours");
    assert_eq!(table.len(), ours.len(), "one of the tables has more lines");
}
