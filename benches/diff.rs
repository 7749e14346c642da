//! How fast `kgen diff` is: `cargo bench --bench diff`. Both states are read from disk and compiled, then compared; ten
//! thousand hosts of the shipped description against one thousand, in one run.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)] // a bench reads clocks
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kgen::assemble::{Assembled, assemble_shown};
use kgen::compare::compare;
use kgen::diagnostic::{Diagnostics, to_text};
use kgen::source::Sources;
use kgen::source::revision::Revision;

/// A site of the shipped description: compute hosts in one network.
fn inventory(count: usize) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("examples/hydra/cluster.toml")).unwrap();
    let attributes = example.split("[attributes]").nth(1).unwrap().split("\n[").next().unwrap();
    let attributes: String =
        attributes.lines().filter(|line| line.contains('=')).map(|line| format!("{line}\n")).collect();
    let mut text = format!(
        "[site]\nname = \"bench\"\ndomain = \"bench.example.org\"\nserver = \"http://10.0.0.1:8080\"\ntarget = \"RHEL9\"\n\
         arch = \"x86_64\"\nboot = \"install\"\ndistribution = \"el9\"\ndescription = {root:?}\n[attributes]\n{attributes}\n\
         [distributions.el9]\nurl = \"{{{{ server }}}}/el9\"\n[networks.private]\nsubnet = \"10.0.0.0/8\"\n\
         gateway = \"10.0.0.1\"\nnameservers = [\"10.0.0.1\"]\n[appliances.compute]\n"
    );
    for host in 0..count {
        let (a, b, c) = (host / 65536 + 1, host / 256 % 256, host % 256);
        let (rack, rank) = (host / 100, host % 100);
        let _ = writeln!(
            text,
            "[hosts.compute-{rack}-{rank}]\nappliance = \"compute\"\nrack = {rack}\nrank = {rank}\n\
             interfaces = [{{ name = \"eth0\", network = \"private\", address = \"52:54:00:{a:02x}:{b:02x}:{c:02x}\", \
             ip = \"10.{a}.{b}.{c}\" }}]"
        );
    }
    text
}

fn assembled(revision: &Revision) -> Assembled {
    let (mut sources, mut diagnostics) = (Arc::new(Sources::default()), Diagnostics::default());
    let made = assemble_shown(revision, &|_| Err(String::new()), &mut sources, &mut diagnostics).unwrap();
    let first = diagnostics.sorted().first().map(|fault| to_text(fault, &sources, false));
    assert!(first.is_none(), "{}", first.unwrap());
    made.unwrap()
}

/// Milliseconds, the best of five runs.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let times = (0..5).map(|_| {
        let start = Instant::now();
        std::hint::black_box(run());
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min) * 1e3
}

type Edit = (&'static str, fn(String) -> String);

const EDITS: [Edit; 5] = [
    ("nothing changed", |text| text),
    ("one attribute of all hosts", |text| text.replace("timezone = \"UTC\"", "timezone = \"Europe/Berlin\"")),
    ("one host moved", |text| text.replace("ip = \"10.1.0.7\"", "ip = \"10.9.9.9\"")),
    ("all boot something else", |text| text.replace("boot = \"install\"", "boot = \"local\"")),
    ("all moved", |text| text.replace("ip = \"10.", "ip = \"10.1")),
];

/// What each edit takes: all of it, and comparing alone.
fn measure(count: usize) -> Vec<(f64, f64)> {
    let directory = tempfile::tempdir().unwrap();
    let revision = |name: &str, text: String| {
        let path = directory.path().join(name).join("cluster.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        Revision::Directory(path)
    };
    let old = revision("old", inventory(count));
    let measured = EDITS.iter().map(|(_, edit)| {
        let new = revision("new", edit(inventory(count)));
        let both = || rayon::join(|| assembled(&old), || assembled(&new));
        let whole = best(|| {
            let (old, new) = both();
            compare(&old, &new)
        });
        let (old, new) = both();
        (whole, best(|| compare(&old, &new)))
    });
    measured.collect()
}

fn main() {
    let (small, large) = (measure(1_000), measure(10_000));
    println!("{:<30}{:>12}{:>14}{:>8}{:>18}", "ms", "1,000 hosts", "10,000 hosts", "ratio", "comparing alone");
    for (((what, _), small), large) in EDITS.iter().zip(small).zip(large) {
        println!("{what:<30}{:>12.1}{:>14.1}{:>8.1}{:>18.1}", small.0, large.0, large.0 / small.0, large.1);
    }
}
