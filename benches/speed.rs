//! How fast kgen is, compared within one run: `cargo bench`.
//!
//! Prints a table; nothing is judged here, because machines differ. Ratios are what to look at: a host against
//! memcpy of the same bytes, a hundred thousand hosts against a thousand. With the conformance data beside the
//! project (or KGEN_CONFORMANCE) the real rolls are measured too, else the shipped description alone.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)] // a bench reads clocks and files
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kgen::attribute::Secrets;
use kgen::compile::{Input, compile};
use kgen::description::load;
use kgen::diagnostic::{Diagnostics, to_text};
use kgen::generation::{Generation, HostFaults};
use kgen::inventory::{Host, file};
use kgen::source::{SourceTree, Sources};
use rayon::prelude::*;

/// CPU time that the original compiler's Python 3 port took here for `compute` of the real rolls.
const ORIGINAL: Duration = Duration::from_millis(71);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--memory") {
        return memory_child(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    for subject in subjects() {
        println!("\n== {} ==", subject.name);
        cold(&subject);
        let (small, _) = hosts(&subject, 1_000);
        let (large, generation) = hosts(&subject, 100_000);
        println!(
            "100,000 hosts against 1,000, per host: whole {:.2}, one kickstart {:.2}",
            large.whole / small.whole,
            large.emit / small.emit
        );
        against_memcpy(&generation);
        cores(&generation);
        drop(generation);
        memory(&subject);
    }
}

struct Subject {
    name: &'static str,
    description: PathBuf,
    /// `[attributes]` and `[language]`, as TOML.
    head: String,
}

fn subjects() -> Vec<Subject> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("examples/hydra/cluster.toml")).unwrap();
    let attributes = example.split("[attributes]").nth(1).unwrap().split("\n[").next().unwrap();
    let attributes =
        attributes.replace("{ secret = \"rootpw\" }", "\"*\"").replace("{ secret = \"munge_key\" }", "\"x\"");
    let attributes: String =
        attributes.lines().filter(|line| line.contains('=')).map(|line| format!("{line}\n")).collect();
    let mut subjects = vec![Subject {
        name: "the shipped description",
        description: root.to_path_buf(),
        head: format!("[attributes]\n{attributes}"),
    }];
    let data = std::env::var_os("KGEN_CONFORMANCE").map_or_else(|| root.join("../shared/conformance"), PathBuf::from);
    if data.is_dir() {
        let case = data.join("rolls/cases/compute-x86_64-full/attrs.json");
        let given: serde_json::Value = serde_json::from_slice(&std::fs::read(case).unwrap()).unwrap();
        let mut head =
            "[language]\neval = \"off\"\nundefined = \"warn\"\nunknown = \"warn\"\n[attributes]\n".to_owned();
        for (name, value) in given["effective"].as_object().unwrap() {
            if !kgen::inventory::intrinsic::is_intrinsic(name) {
                let _ = writeln!(head, "\"{name}\" = {value}");
            }
        }
        subjects.push(Subject { name: "real rolls", description: data.join("rolls/tree"), head });
    } else {
        println!("the conformance data is not here: the real rolls are not measured");
    }
    subjects
}

impl Subject {
    /// A site of `count` compute hosts.
    fn inventory(&self, count: usize) -> String {
        let mut text = format!(
            "[site]\nname = \"bench\"\ndomain = \"bench.example.org\"\ndescription = {:?}\ntarget = \"RHEL7\"\narch = \"x86_64\"\n{}\n[networks.private]\nsubnet = \"10.0.0.0/8\"\ngateway = \"10.0.0.1\"\nnameservers = [\"10.0.0.1\"]\n[appliances.compute]\n",
            self.description, self.head
        );
        for host in 0..count {
            let (a, b, c) = (host / 65536 + 1, host / 256 % 256, host % 256);
            let _ = writeln!(
                text,
                "[hosts.compute-{}-{}]\nappliance = \"compute\"\nrack = {}\nrank = {}\ninterfaces = [{{ name = \"eth0\", network = \"private\", address = \"52:54:00:{a:02x}:{b:02x}:{c:02x}\", ip = \"10.{a}.{b}.{c}\" }}]",
                host / 100,
                host % 100,
                host / 100,
                host % 100
            );
        }
        text
    }

    fn generation(&self, count: usize) -> Generation {
        let mut sources = Sources::default();
        let mut diagnostics = Diagnostics::default();
        let id = sources.add("cluster.toml", self.inventory(count));
        let inventory = file::read(&[id], &mut sources, &mut diagnostics);
        let tree = SourceTree::read(&self.description).unwrap();
        let description = load(&tree, None, inventory.language, &mut sources, &mut diagnostics);
        let input = Input {
            sources: &Arc::new(sources),
            runner: &|_| Err(String::new()),
            language: inventory.language,
            hosts: None,
        };
        // RHEL7 commands of rolls from 2017 may be unknown to it; what counts here is the time.
        let mut faults = Diagnostics::default();
        let generation = compile(Arc::new(description), Arc::new(inventory), Secrets::default(), input, &mut faults);
        let errors: Vec<_> = diagnostics
            .sorted()
            .into_iter()
            .filter(|fault| fault.severity == kgen::diagnostic::Severity::Error)
            .collect();
        assert!(
            errors.is_empty(),
            "{}",
            errors.first().map(|fault| to_text(fault, &generation.sources, false)).unwrap_or_default()
        );
        generation
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The best of several runs: what the code costs, without what the machine did besides.
fn best(runs: usize, mut run: impl FnMut()) -> Duration {
    let time = |()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    std::iter::repeat_n((), runs).map(time).min().unwrap()
}

/// The whole process for one host, started from nothing.
fn cold(subject: &Subject) {
    let site = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(site.path(), subject.inventory(1)).unwrap();
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_kgen")).args(arguments).arg("--site").arg(site.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let time = best(20, || run(&["profile", "compute-0-0", "--format", "json"]));
    println!("whole process, one host, cold: {:.1} ms", time.as_secs_f64() * 1e3);
}

struct PerHost {
    whole: f64,
    emit: f64,
}

fn emit_all(generation: &Generation) -> usize {
    let hosts: Vec<&Host> = generation.inventory.hosts.values().collect();
    let bytes = hosts.par_chunks(64).map_init(Vec::new, |buffer: &mut Vec<u8>, hosts| {
        let mut bytes = 0;
        for host in hosts {
            buffer.clear();
            assert!(generation.emit(host, buffer, &mut HostFaults::default()));
            bytes += buffer.len();
        }
        bytes
    });
    bytes.sum()
}

/// Reading the inventory, compiling, and all kickstarts, per host.
fn hosts(subject: &Subject, count: usize) -> (PerHost, Generation) {
    let start = Instant::now();
    let generation = subject.generation(count);
    let compiled = start.elapsed();
    let bytes = emit_all(&generation);
    let whole = start.elapsed();
    let emit = best(3, || assert_eq!(emit_all(&generation), bytes));
    let per_host = PerHost { whole: micros(whole) / count as f64, emit: micros(emit) / count as f64 };
    println!(
        "{count} hosts, {} variants: compiled in {:.0} ms, {:.1} MB of kickstarts; per host {:.1} us in all, {:.2} us for one kickstart on both cores",
        generation.variants.len(),
        compiled.as_secs_f64() * 1e3,
        bytes as f64 / 1e6,
        per_host.whole,
        per_host.emit
    );
    (per_host, generation)
}

/// One core: a host's kickstart against memcpy of the same bytes, and against the original compiler.
fn against_memcpy(generation: &Generation) {
    let hosts: Vec<&Host> = generation.inventory.hosts.values().take(1000).collect();
    let mut buffer = Vec::new();
    let mut texts = Vec::new();
    for host in hosts.iter().take(64) {
        buffer.clear();
        assert!(generation.emit(host, &mut buffer, &mut HostFaults::default()));
        texts.push(buffer.clone());
    }
    let emit = best(20, || {
        for host in &hosts {
            buffer.clear();
            generation.emit(host, &mut buffer, &mut HostFaults::default());
            std::hint::black_box(&buffer);
        }
    });
    let copy = best(20, || {
        for index in 0..hosts.len() {
            buffer.clear();
            buffer.extend_from_slice(&texts[index % texts.len()]);
            std::hint::black_box(&buffer);
        }
    });
    let (emit, copy) = (micros(emit) / hosts.len() as f64, micros(copy) / hosts.len() as f64);
    println!(
        "one further host, one core: {emit:.2} us for {} bytes; memcpy of them {copy:.2} us, ratio {:.2}; {:.0} times faster than the original's {} ms",
        texts[0].len(),
        emit / copy,
        micros(ORIGINAL) / emit,
        ORIGINAL.as_millis()
    );
}

fn cores(generation: &Generation) {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let one = best(3, || {
        alone.install(|| emit_all(generation));
    });
    let all = best(3, || {
        emit_all(generation);
    });
    println!("all kickstarts on all cores against one: {:.2} times as fast", one.as_secs_f64() / all.as_secs_f64());
}

/// A process of its own, so that its memory is its own.
fn memory(subject: &Subject) {
    for count in [1_000, 100_000] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--memory", subject.name, &count.to_string()])
            .output()
            .unwrap();
        println!("{}", String::from_utf8_lossy(&output.stdout).trim());
    }
}

fn memory_child(name: &str, count: usize) {
    let subject = subjects().into_iter().find(|subject| subject.name == name).unwrap();
    let generation = subject.generation(count);
    let status: BTreeMap<String, String> = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned())))
        .collect();
    println!("memory for {count} hosts: {} now, {} at most", status["VmRSS"], status["VmHWM"]);
    drop(generation);
}
