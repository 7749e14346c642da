//! The server's units and packages, read by systemd, dpkg and rpm.
//!
//! Nothing is installed or started. The packages are built where `KGEN_ALL_BOOTS` or `CI` is set, of the binary that is
//! tested, so that nothing is compiled again.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{all_boots, entries, kgen, program, root, run, write};
use tempfile::TempDir;

/// A file of `examples/server`.
fn server(name: &str) -> PathBuf {
    root().join("examples/server").join(name)
}

/// What systemd says of the units, after a change to the text of the service.
fn verified(change: impl Fn(&str) -> String) -> Option<(bool, String)> {
    let analyze = program("systemd-analyze")?;
    let directory = tempfile::tempdir().unwrap();
    let units = ["kgen.service", "kgen.socket"].map(|name| directory.path().join(name));
    // It looks for the program too, which is not installed here.
    let service = fs::read_to_string(server("kgen.service")).unwrap();
    let program = format!("ExecStart={} ", env!("CARGO_BIN_EXE_kgen"));
    assert!(service.contains("\nExecStart=/usr/bin/kgen serve "));
    write(&units[0], change(&service.replace("ExecStart=/usr/bin/kgen ", &program)));
    fs::copy(server("kgen.socket"), &units[1]).unwrap();
    let (content, said) = run(Command::new(analyze).args(["verify", "--man=no"]).args(&units));
    // Units of this machine that they ask for are none of ours.
    let ours = said.lines().filter(|line| line.contains("kgen")).collect::<Vec<_>>().join("\n");
    Some((content, ours))
}

#[test]
fn systemd_reads_the_units_and_knows_every_word_of_them() {
    let Some(verified) = verified(str::to_owned) else { return };
    assert_eq!(verified, (true, String::new()));
}

#[test]
fn systemd_says_so_if_it_does_not_know_a_word() {
    let Some((_, said)) = verified(|service| service.replace("\nProtectSystem=", "\nProtectSytem=")) else { return };
    assert!(said.contains("Unknown key") && said.contains("ProtectSytem"), "{said}");
}

/// The unit is read by people only when it does not start.
#[test]
fn every_option_that_the_unit_gives_is_one_of_kgen_serve() {
    let service = fs::read_to_string(server("kgen.service")).unwrap();
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/kgen ")).unwrap();
    let (content, said) = run(kgen().args(["serve", "--help"]));
    assert!(content, "{said}");
    let options: Vec<&str> = line.split(' ').filter(|word| word.starts_with("--")).collect();
    assert_eq!(options, ["--site", "--state", "--socket"]);
    for option in options {
        assert!(said.split_whitespace().any(|word| word == option), "{option} is not in {said}");
    }
}

/// systemd judges from 0.0, which nothing that listens on a network reaches, to 10.0, which is no sandbox at all.
#[test]
fn systemd_finds_the_service_well_sandboxed() {
    let Some(analyze) = program("systemd-analyze") else { return };
    let mut security = Command::new(analyze);
    security.args(["security", "--offline=true", "--threshold=15", "--no-pager"]).arg(server("kgen.service"));
    let (content, said) = run(&mut security);
    let open = said.lines().filter(|line| !line.starts_with('✓')).collect::<Vec<_>>().join("\n");
    assert!(content, "{open}");
}

#[test]
fn the_user_of_the_service_is_made_with_the_state_as_its_home() {
    let Some(sysusers) = program("systemd-sysusers") else { return };
    let system = tempfile::tempdir().unwrap();
    fs::create_dir(system.path().join("etc")).unwrap();
    let mut make = Command::new(sysusers);
    make.arg(format!("--root={}", system.path().display()))
        .arg("-")
        .stdin(File::open(server("kgen.sysusers")).unwrap());
    let (content, said) = run(&mut make);
    assert!(content, "{said}");
    let users = fs::read_to_string(system.path().join("etc/passwd")).unwrap();
    let fields: Vec<&str> = users.trim_end().split(':').collect();
    assert_eq!([fields[0], fields[5], fields[6]], ["kgen", "/var/lib/kgen", "/usr/sbin/nologin"], "{users}");
    let groups = fs::read_to_string(system.path().join("etc/group")).unwrap();
    assert!(groups.starts_with("kgen:x:"), "{groups}");
    let service = fs::read_to_string(server("kgen.service")).unwrap();
    assert!(service.contains("\nUser=kgen\nGroup=kgen\n") && service.contains("\nStateDirectory=kgen\n"));
}

#[test]
fn shellcheck_finds_nothing_in_the_script_that_packages() {
    let Some(shellcheck) = program("shellcheck") else { return };
    let (content, said) = run(Command::new(shellcheck).arg(server("package")));
    assert!(content, "{said}");
}

/// A directory with both packages, made by the script that makes those that are given away.
fn packages() -> Option<TempDir> {
    if !all_boots() {
        return None;
    }
    // Each that is missing is told, not only the first.
    let tools = ["cargo-deb", "cargo-generate-rpm", "cargo", "strip", "dpkg-deb", "dpkg-shlibdeps", "rpm"].map(program);
    if tools.contains(&None) {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", root().join("target/tools/bin").display(), std::env::var("PATH").unwrap());
    let mut package = Command::new(server("package"));
    package.arg(directory.path()).arg(env!("CARGO_BIN_EXE_kgen")).env("PATH", path);
    let (content, said) = run(&mut package);
    assert!(content, "{said}");
    Some(directory)
}

/// Path and mode of each file that a package has to have: in `usr`, with those that are elsewhere on each system.
fn expected(others: &[&str]) -> BTreeMap<String, String> {
    let manual = tempfile::tempdir().unwrap();
    assert!(kgen().arg("man").arg(manual.path()).status().unwrap().success());
    let pages =
        entries(manual.path()).into_iter().filter(|page| page.extension().is_some_and(|section| section == "1"));
    let pages = pages.map(|page| format!("share/man/man1/{}.gz", page.file_name().unwrap().to_str().unwrap()));
    let both = [
        "bin/kgen",
        "lib/systemd/system/kgen.service",
        "lib/systemd/system/kgen.socket",
        "lib/sysusers.d/kgen.conf",
        "share/bash-completion/completions/kgen",
        "share/doc/kgen/CHANGELOG.md",
        "share/doc/kgen/README.md",
        "share/fish/vendor_completions.d/kgen.fish",
    ];
    let all = both.iter().chain(others).map(|path| (*path).to_owned()).chain(pages);
    let mode = |path: &str| if path == "bin/kgen" { "-rwxr-xr-x" } else { "-rw-r--r--" };
    all.map(|path| (format!("/usr/{path}"), format!("{} root", mode(&path)))).collect()
}

/// The one file of a directory whose name ends so.
fn ending(directory: &Path, end: &str) -> PathBuf {
    let mut files = entries(directory);
    files.retain(|file| file.to_str().unwrap().ends_with(end));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// What a program prints that is content.
fn printed(program: &str, arguments: &[&str], package: &Path) -> String {
    let (content, said) = run(Command::new(program).args(arguments).arg(package));
    assert!(content, "{program} {arguments:?}: {said}");
    said
}

#[test]
fn both_packages_hold_everything_with_its_rights_and_are_read_by_dpkg_and_rpm() {
    let Some(packages) = packages() else { return };
    debian(&ending(packages.path(), ".deb"));
    enterprise(&ending(packages.path(), ".rpm"));
}

fn debian(package: &Path) {
    let licences = ["LICENSE-APACHE", "LICENSE-MIT", "copyright"].map(|name| format!("share/doc/kgen/{name}"));
    let mut others = vec!["share/zsh/vendor-completions/_kgen"];
    others.extend(licences.iter().map(String::as_str));
    // -rw-r--r-- root/root 123 2026-01-01 00:00 ./usr/bin/kgen
    let listed = printed("dpkg-deb", &["-c"], package).replace(" 0/0 ", " root/root ");
    let files = listed.lines().filter(|line| !line.starts_with('d')).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[5].trim_start_matches('.').to_owned(), format!("{} {}", words[0], words[1].replace("root/root", "root")))
    });
    assert_eq!(files.collect::<BTreeMap<_, _>>(), expected(&others));
    let fields = printed("dpkg-deb", &["-I"], package);
    for field in ["Package: kgen\n", "Depends: libc6 (>= ", "Recommends: ca-certificates, git, openssh-client\n"] {
        assert!(fields.contains(field), "{field:?} is not in {fields}");
    }

    // What is inside is what was given, and it runs.
    let system = tempfile::tempdir().unwrap();
    let (content, said) = run(Command::new("dpkg-deb").arg("-x").arg(package).arg(system.path()));
    assert!(content, "{said}");
    let inside = |path: &str| fs::read(system.path().join("usr").join(path)).unwrap();
    assert_eq!(inside("lib/systemd/system/kgen.service"), fs::read(server("kgen.service")).unwrap());
    assert_eq!(inside("lib/sysusers.d/kgen.conf"), fs::read(server("kgen.sysusers")).unwrap());
    let (content, said) = run(Command::new(system.path().join("usr/bin/kgen")).arg("--version"));
    assert!(content && said.contains(env!("CARGO_PKG_VERSION")), "{said}");

    // The user is made; the service is neither started nor enabled, but one that runs is started anew.
    let script = printed("dpkg-deb", &["-I", package.to_str().unwrap(), "postinst"], Path::new("prerm"));
    for line in ["systemd-sysusers ", "deb-systemd-helper --quiet was-enabled kgen.service", "try-restart kgen.service"]
    {
        assert!(script.contains(line), "{line:?} is not in {script}");
    }
    assert!(!script.contains("deb-systemd-invoke start"), "{script}");
}

fn enterprise(package: &Path) {
    let others =
        ["share/licenses/kgen/LICENSE-APACHE", "share/licenses/kgen/LICENSE-MIT", "share/zsh/site-functions/_kgen"];
    let format = "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}\n]";
    let listed = printed("rpm", &["-qp", "--qf", format], package);
    let files = listed.lines().map(|line| line.split_once(' ').unwrap());
    let files = files.map(|(path, rest)| (path.to_owned(), rest.to_owned()));
    assert_eq!(files.collect::<BTreeMap<_, _>>(), expected(&others));
    assert!(printed("rpm", &["-K", "--nosignature"], package).contains("digests OK"));
    assert!(printed("rpm", &["-qp", "--requires"], package).contains("libc.so.6(GLIBC_"));
    assert!(printed("rpm", &["-qp", "--recommends"], package).contains("git-core"));
    let scripts = printed("rpm", &["-qp", "--scripts"], package);
    assert!(scripts.contains("try-restart kgen.service") && !scripts.contains("systemctl start"), "{scripts}");
}
