//! How fast a site's inventory is read and its files are made, all in memory and compared within one run:
//! `cargo bench --bench site`. Ratios are what to look at: fifty thousand hosts against one thousand.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)] // a bench reads clocks
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use kgen::boot::Handing;
use kgen::diagnostic::{Diagnostics, to_text};
use kgen::files::{BootPlan, boot_scripts, site_files};
use kgen::inventory::{Host, Inventory, export, file, hostfile};
use kgen::source::Sources;
use rayon::prelude::*;

const HEAD: &str = r#"[site]
name = "bench"
domain = "bench.example.org"
server = "http://10.0.0.1:8080"
target = "RHEL9"
arch = "x86_64"
distribution = "el9"
boot = "install"
[distributions.el9]
url = "{{ server }}/install/{{ name }}/{{ arch }}"
[networks.private]
subnet = "10.0.0.0/8"
gateway = "10.0.0.1"
nameservers = ["10.0.0.1"]
pools = ["10.250.0.1-10.250.255.254"]
[appliances.compute]
"#;

fn inventory(count: usize) -> String {
    let mut text = HEAD.to_owned();
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

fn read(files: &[(&str, &str)]) -> Inventory {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let ids: Vec<_> = files.iter().map(|(name, text)| sources.add(*name, (*text).to_owned())).collect();
    let inventory = file::read(&ids, &mut sources, &mut diagnostics);
    let first = diagnostics.sorted().first().map(|fault| to_text(fault, &sources, false));
    assert!(first.is_none(), "{}", first.unwrap());
    inventory
}

/// Microseconds for each host, the best of three runs.
fn per_host<T>(count: usize, mut run: impl FnMut() -> T) -> f64 {
    let times = (0..3).map(|_| {
        let start = Instant::now();
        std::hint::black_box(run());
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min) * 1e6 / count as f64
}

struct Figures(Vec<(&'static str, f64)>);

fn measure(count: usize) -> Figures {
    let toml = inventory(count);
    let parsed = Arc::new(read(&[("cluster.toml", &toml)]));
    let (table, _) = hostfile::write(&parsed);
    let json = export::json(&parsed).to_string();
    let (site, run) = (HEAD, HEAD.split("[distributions").next().unwrap());
    let plan = BootPlan::new(&parsed, Handing::Files, &mut Diagnostics::default()).unwrap();
    let hosts: Vec<&Host> = parsed.hosts.values().collect();
    let scripts = || hosts.par_iter().map(|host| boot_scripts(&parsed, &plan, host).len()).sum::<usize>();
    let bytes = || site_files(&parsed, Some(&plan)).iter().map(|file| file.bytes().len()).sum::<usize>();
    println!("{count} hosts: {} boot scripts, {:.1} MB of files of the site", scripts(), bytes() as f64 / 1e6);
    let whole = || {
        let inventory = Arc::new(read(&[("cluster.toml", &toml)]));
        let plan = BootPlan::new(&inventory, Handing::Files, &mut Diagnostics::default()).unwrap();
        let hosts: Vec<&Host> = inventory.hosts.values().collect();
        let scripts = hosts.par_iter().map(|host| boot_scripts(&inventory, &plan, host).len()).sum::<usize>();
        scripts + site_files(&inventory, Some(&plan)).len()
    };
    Figures(vec![
        ("read and checked, TOML", per_host(count, || read(&[("cluster.toml", &toml)]))),
        ("read and checked, CSV", per_host(count, || read(&[("cluster.toml", site), ("hosts.csv", &table)]))),
        ("read and checked, JSON", per_host(count, || read(&[("cluster.toml", run), ("all.json", &json)]))),
        (
            "boot actions filled in",
            per_host(count, || BootPlan::new(&parsed, Handing::Files, &mut Diagnostics::default())),
        ),
        ("boot scripts of every loader", per_host(count, scripts)),
        ("DHCP, DNS and other files", per_host(count, bytes)),
        ("all of it, from the text of the inventory", per_host(count, whole)),
    ])
}

fn main() {
    let (small, large) = (measure(1_000), measure(50_000));
    println!("{:<44}{:>14}{:>14}{:>8}", "us for each host", "1,000 hosts", "50,000 hosts", "ratio");
    for ((what, small), (_, large)) in small.0.iter().zip(&large.0) {
        println!("{what:<44}{small:>14.2}{large:>14.2}{:>8.2}", large / small);
    }
}
