//! Disks that are full, read-only or not there.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::support::{found, program};
use crate::{Files, KGEN, Run, SITE, Site, kickstarts, leftovers};

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let site = Site::with("");
    site.file("file", "x");
    site.file("ks-is-file/ks", "x");
    site.file("ks-is-full/ks/c0.ks/x", "x");
    symlink("nowhere/at/all", site.path("broken")).unwrap();
    for target in [
        "file",
        "file/below",
        "ks-is-file",
        "ks-is-full",
        "broken",
        "/proc/kgen",
        "/dev/null",
        "/dev/full",
        "/sys/kgen",
    ] {
        let run = site.run(&["compile", "-o", target]);
        run.assert_says(3, &["cannot write", target]);
        assert!(!run.out.contains("hosts"), "a result is told: {}", run.out);
    }
    assert_eq!(fs::read(site.path("file")).unwrap(), b"x");
    assert_eq!(fs::read(site.path("ks-is-file/ks")).unwrap(), b"x");
    assert!(leftovers(&site.path("ks-is-full/ks")).is_empty());
    site.run(&["init", "file"]).assert_says(3, &["file"]);
    site.run(&["man", "file"]).assert_says(3, &["file"]);
}

#[test]
fn a_result_that_cannot_be_printed_is_told() {
    let site = Site::with("");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let run = Run::of(site.command(&["list", "hosts"]).stdout(full).output().unwrap());
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert!(run.err.contains("space"), "{}", run.err);
}

/// A shell in a private mount namespace, where that is permitted.
fn shell_with_mounts() -> Option<Command> {
    let unshare = program("unshare")?;
    let mut trial = Command::new(&unshare);
    trial.args(["-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]).stderr(Stdio::null());
    let permitted = trial.status().is_ok_and(|status| status.success());
    found("the permission to mount", permitted).then(|| {
        let mut shell = Command::new(unshare);
        shell.args(["-m", "sh", "-e", "-c"]);
        shell
    })
}

/// Compiles a small site to a disk of its own, then after `between` a larger one; gives what the second run says,
/// the files before and after, and what was left of temporary files.
fn second_compile(between: &str) -> Option<(Run, [Files; 2], Vec<String>)> {
    let mut shell = shell_with_mounts()?;
    let site = Site::with("<post>&v;</post>");
    let hosts: String = (1..5).map(|at| format!("hosts.c{at}.appliance = \"a\"\n")).collect();
    for (name, value) in [("small.toml", "x".to_owned()), ("large.toml", "y".repeat(40_000))] {
        site.file(name, format!("{SITE}{hosts}attributes.v = \"{value}\"\n"));
    }
    for name in ["disk", "before", "after"] {
        fs::create_dir(site.path(name)).unwrap();
    }
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs disk\n\
         $KGEN compile --site small.toml -o disk > said\n\
         cp -a disk/. before\n\
         {between}\n\
         code=0; $KGEN compile --site large.toml -o disk || code=$?\n\
         cp -a disk/. after\n\
         exit $code"
    );
    shell.arg(script).env("KGEN", KGEN).current_dir(site.directory.path());
    let run = Run::of(shell.output().unwrap());
    let files = ["before/ks", "after/ks"].map(|name| kickstarts(&site.path(name)));
    assert_eq!(files[0].len(), 5, "{}", run.err);
    Some((run, files, leftovers(&site.path("after/ks"))))
}

#[test]
fn a_full_disk_leaves_every_file_whole() {
    let Some((run, [before, after], left)) = second_compile("") else { return };
    run.assert_says(3, &["cannot write", "disk/ks/c", ".ks", "space"]);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, content) in &after {
        let is_new = content.ends_with(b"%end\n") && content.len() > 40_000;
        assert!(*content == before[name] || is_new, "{name} is neither the old nor the new file");
    }
    assert!(after.iter().any(|(name, content)| *content == before[name]), "the disk was not full");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_disk_that_is_full_before_keeps_all_old_files() {
    let Some((run, [before, after], left)) = second_compile("head -c 200000 /dev/zero > disk/filler || true") else {
        return;
    };
    run.assert_says(3, &["cannot write", "disk/ks/c", "space", "as it was"]);
    assert_eq!(before, after);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_disk_that_became_read_only_keeps_all_old_files() {
    let Some((run, [before, after], left)) = second_compile("mount -o remount,ro disk") else { return };
    run.assert_says(3, &["cannot write", "disk", "ead-only"]);
    assert_eq!(before, after);
    assert!(left.is_empty(), "{left:?}");
}
