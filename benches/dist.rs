//! Trees of packages against createrepo_c, in one run: the same packages, read for the first time and again; how it grows
//! from a hundred packages to ten thousand; how long hosts take to be checked against ten thousand.
//!
//! `cargo bench --bench dist`. The packages are made once, below `target/`: by rpmbuild, of the files that are installed on
//! this machine (some minutes), and small ones. It needs rpmbuild, dpkg and createrepo_c.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // it measures
#![allow(clippy::print_stdout)] // its figures are for who reads them

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// How often each is measured; the best counts.
const TURNS: usize = 5;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Packages of a kind, made if they are not there.
fn packages(kind: &str, number: usize) -> PathBuf {
    let directory = root().join(format!("target/bench-packages/{kind}-{number}"));
    if !directory.join("done").exists() {
        println!("making {number} {kind} packages ..");
        let script = root().join("tests/dist/packages.py");
        let mut python = Command::new("python3");
        let made = python.arg(script).arg(kind).arg(number.to_string()).arg(&directory);
        assert!(made.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        fs::write(directory.join("done"), "").unwrap();
    }
    // In the page cache, for both.
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::read(path).unwrap();
        }
    }
    directory
}

/// Seconds, and the most memory in megabytes.
fn measured(command: &mut Command) -> (f64, f64) {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = found.unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(status.success() && status.signal().is_none());
    (start.elapsed().as_secs_f64(), peak as f64 / 1000.0)
}

fn best(mut turn: impl FnMut() -> (f64, f64)) -> (f64, f64) {
    let turns: Vec<_> = (0..TURNS).map(|_| turn()).collect();
    let least = turns.iter().map(|(seconds, _)| *seconds).fold(f64::MAX, f64::min);
    (least, turns.iter().map(|(_, peak)| *peak).fold(0.0, f64::max))
}

struct Site(tempfile::TempDir);

impl Site {
    /// Beside the packages, so that they can be linked.
    fn of(packages: &Path, asked: &[String]) -> Self {
        let site = tempfile::tempdir_in(packages.parent().unwrap()).unwrap();
        let inventory = format!(
            "[site]\nname = \"s\"\ntarget = \"RHEL9\"\narch = \"x86_64\"\n[appliances.client]\n[hosts.c0]\nappliance = \"client\"\n[distributions.el9]\ntarget = \"RHEL9\"\nsources = [{{ name = \"all\", directory = \"{}\" }}]\n",
            packages.display()
        );
        fs::write(site.path().join("cluster.toml"), inventory).unwrap();
        fs::create_dir_all(site.path().join("nodes")).unwrap();
        fs::create_dir_all(site.path().join("graphs/default")).unwrap();
        fs::write(site.path().join("graphs/default/g.xml"), "<graph/>").unwrap();
        let elements: String = asked.iter().map(|name| format!("<package>{name}</package>")).collect();
        fs::write(site.path().join("nodes/client.xml"), format!("<kickstart>{elements}</kickstart>")).unwrap();
        Self(site)
    }

    fn forget(&self, folders: &[&str]) {
        folders.iter().for_each(|folder| drop(fs::remove_dir_all(self.0.path().join(folder))));
    }

    fn kgen(&self, arguments: &[&str]) -> (f64, f64) {
        measured(Command::new(env!("CARGO_BIN_EXE_kgen")).args(arguments).current_dir(self.0.path()))
    }
}

fn createrepo(packages: &Path, options: &[&str]) -> (f64, f64) {
    measured(Command::new("createrepo_c").arg("-q").args(options).arg(packages))
}

/// A build with nothing read before, and one with everything: seconds, and MB at most.
fn cold_and_warm(site: &Site) -> ((f64, f64), (f64, f64)) {
    let cold = best(|| {
        site.forget(&["mirror", "served"]);
        site.kgen(&["dist", "build"])
    });
    let warm = best(|| {
        site.forget(&["served"]);
        site.kgen(&["dist", "build"])
    });
    (cold, warm)
}

fn against_createrepo(packages: &Path, name: &str) {
    let site = Site::of(packages, &[]);
    let repodata = packages.join("repodata");
    let (cold, warm) = cold_and_warm(&site);
    let theirs = |options: &[&str]| {
        best(|| {
            let _ = fs::remove_dir_all(&repodata);
            createrepo(packages, options)
        })
    };
    let (database, plain) = (theirs(&[]), theirs(&["--no-database"]));
    let again = best(|| createrepo(packages, &["--no-database", "--update"]));
    let _ = fs::remove_dir_all(&repodata);
    println!("\n{name}: seconds, MB at most");
    println!("  kgen dist build, nothing read before          {:.2} {:.0}", cold.0, cold.1);
    println!(
        "  createrepo_c                                  {:.2} {:.0}   {:.2} of its speed",
        database.0,
        database.1,
        database.0 / cold.0
    );
    println!("  createrepo_c --no-database                    {:.2} {:.0}   {:.2}", plain.0, plain.1, plain.0 / cold.0);
    println!("  kgen dist build, all read before              {:.2} {:.0}", warm.0, warm.1);
    println!("  createrepo_c --no-database --update           {:.2} {:.0}   {:.2}", again.0, again.1, again.0 / warm.0);
}

fn growth() {
    println!("\nmicroseconds for each small package");
    let mut first = None;
    for number in [100, 1000, 10_000] {
        let packages = packages("small", number);
        let last = format!("pkg{:05}", number - 1);
        let site = Site::of(&packages, &[last]);
        let (cold, warm) = cold_and_warm(&site);
        let check = best(|| site.kgen(&["dist", "check"]));
        let each = |seconds: f64| seconds / number as f64 * 1e6;
        let (base_cold, base_warm) = *first.get_or_insert((each(cold.0), each(warm.0)));
        println!(
            "  {number:>6}: cold {:>6.0} ({:.2} of 100), warm {:>6.0} ({:.2}), check {:>6.0}; {:.0} MB to build, {:.0} MB to check",
            each(cold.0),
            each(cold.0) / base_cold,
            each(warm.0),
            each(warm.0) / base_warm,
            each(check.0),
            cold.1,
            check.1
        );
    }
}

fn main() {
    against_createrepo(&packages("real", 1000), "1,000 packages with the files of this machine");
    against_createrepo(&packages("small", 1000), "1,000 small packages");
    growth();
}
