//! A kill at any moment, two runs at once, a reader that goes away.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{Files, Run, SITE, Site, kickstarts, leftovers};

const HOSTS: usize = 300;

/// Two inventories, `0.toml` and `1.toml`, whose kickstarts all differ; and their kickstarts.
fn two_versions() -> (Site, [Files; 2]) {
    let site = Site::with("<post>&v; &hostname;</post>");
    let hosts: String = (1..HOSTS).map(|at| format!("[hosts.c{at}]\nappliance = \"a\"\n")).collect();
    let versions = ["0", "1"].map(|version| {
        let value = version.repeat(20_000);
        site.file(&format!("{version}.toml"), format!("{SITE}attributes.v = \"{value}\"\n{hosts}"));
        let run = site.run(&["compile", "--site", &format!("{version}.toml"), "-o", &format!("good-{version}")]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        kickstarts(&site.path(&format!("good-{version}/ks")))
    });
    assert_eq!(versions.each_ref().map(BTreeMap::len), [HOSTS, HOSTS]);
    (site, versions)
}

fn start(site: &Site, version: usize) -> Child {
    let mut command = site.command(&["compile", "--site", &format!("{version}.toml"), "-o", "out"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// How many files were put in place of those that had these numbers on the disk.
fn replaced(directory: &Path, before: &BTreeMap<String, u64>) -> usize {
    let now = inodes(directory);
    before.iter().filter(|(name, inode)| now.get(*name) != Some(inode)).count()
}

fn inodes(directory: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let numbered =
        entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.ino())));
    numbered.filter(|(name, _)| name.ends_with(".ks")).collect()
}

#[test]
fn a_kill_at_any_moment_leaves_only_whole_files() {
    let (site, versions) = two_versions();
    assert_eq!(start(&site, 0).wait_with_output().unwrap().status.code(), Some(0));
    let folder = site.path("out/ks");
    let mut interrupted = 0;
    for round in 1..=20 {
        let before = inodes(&folder);
        let mut run = start(&site, round % 2);
        // Another moment each time: after so many files, from none to nearly all.
        let moment = round * 97 % HOSTS;
        while run.try_wait().unwrap().is_none() && replaced(&folder, &before) < moment {}
        run.kill().unwrap();
        interrupted += usize::from(run.wait().unwrap().signal().is_some());
        let found = kickstarts(&folder);
        assert_eq!(found.len(), HOSTS);
        for (name, content) in &found {
            let whole = versions.iter().any(|version| version[name] == *content);
            assert!(whole, "{name} is neither the old nor the new file after round {round}");
        }
    }
    assert!(interrupted >= 10, "only {interrupted} of 20 runs were met at work");
    assert_eq!(start(&site, 1).wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(kickstarts(&folder), versions[1]);
    assert!(leftovers(&folder).is_empty(), "{:?}", leftovers(&folder));
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Whether a run, which is stopped or done, holds the directory.
fn is_locked(site: &Site) -> bool {
    let lock = File::options().append(true).open(site.path("out/.kgen-lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

#[test]
fn of_two_runs_into_one_directory_one_says_so() {
    let (site, versions) = two_versions();
    for _ in 0..50 {
        let mut first = start(&site, 0);
        // Once it writes it has the lock; asking for that before would take it away.
        while first.try_wait().unwrap().is_none() && inodes(&site.path("out/ks")).is_empty() {}
        if first.try_wait().unwrap().is_none() {
            signal(&first, "-STOP");
        }
        let held = is_locked(&site);
        let second = Run::of(start(&site, 1).wait_with_output().unwrap());
        if held {
            second.assert_says(3, &["another kgen is writing to out"]);
            signal(&first, "-CONT");
        }
        assert_eq!(first.wait_with_output().unwrap().status.code(), Some(0));
        if held {
            assert_eq!(kickstarts(&site.path("out/ks")), versions[0]);
            return;
        }
        fs::remove_dir_all(site.path("out")).unwrap();
    }
    panic!("no run was met at work");
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let site = Site::with("<post>x</post>");
    let hosts: String = (1..5000).map(|at| format!("[hosts.c{at}]\nappliance = \"a\"\n")).collect();
    site.file("cluster.toml", format!("{SITE}{hosts}"));
    for arguments in [
        vec!["list", "hosts"],
        vec!["list", "attributes", "--format", "json"],
        vec!["profile", "c0"],
        vec!["explain", "c0", "1"],
        vec!["graph"],
        vec!["graph", "--format", "json"],
        vec!["check"],
        vec!["compile", "-o", "out"],
        vec!["completions", "bash"],
        vec!["--help"],
        vec!["--version"],
    ] {
        let mut run = site.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(run.stdout.take());
        let run = Run::of(run.wait_with_output().unwrap());
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
    assert_eq!(kickstarts(&site.path("out/ks")).len(), 5000);
}
