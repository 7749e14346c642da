//! Builds and mirrors that are killed, or meet a full disk: what was served before is served on, and the next run is whole.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use kgen::dist::repodata::read::Repository;

use crate::made::Site;
use crate::support::{found, kgen, run};
use crate::web::{Fault, Web};

/// A site with a tree, and packages for another.
fn two_versions() -> Site {
    let site = Site::new("sources = [{ name = \"base\", directory = \"base\" }]\nlinks = \"copy\"\n", &[]);
    for number in 0..60 {
        site.put("base", &format!("p{number}-1-1.x86_64"), &["file: /usr/bin/x", "requires: y"]);
    }
    site.build();
    for number in 0..60 {
        site.put("base", &format!("p{number}-2-1.x86_64"), &["file: /usr/bin/x", "requires: z"]);
    }
    site
}

/// The tree is one of the two versions, whole.
fn is_whole(site: &Site) -> bool {
    let packages = Repository::open(&site.tree()).unwrap().packages().unwrap();
    assert_eq!(packages.len(), 60);
    for package in &packages {
        assert!(site.tree().join(&package.location).is_file(), "{}", package.location);
    }
    let new = packages.iter().filter(|package| &*package.nevra.evr.version == "2").count();
    assert!(new == 0 || new == 60, "{new} of 60");
    new == 60
}

#[test]
fn a_build_that_is_killed_leaves_the_old_tree_or_the_new_one() {
    let (mut old, mut new) = (0, 0);
    for step in 0..14 {
        let site = two_versions();
        let mut child = kgen()
            .args(["dist", "build"])
            .current_dir(site.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(step * 12));
        let _ = child.kill();
        child.wait().unwrap();
        if is_whole(&site) {
            new += 1
        } else {
            old += 1
        }
        site.build();
        assert!(is_whole(&site));
        let left: Vec<_> = crate::support::entries(&site.at("served/dist/el9"))
            .into_iter()
            .filter(|path| path.display().to_string().contains("-new"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
    println!("{old} old, {new} new");
    assert!(old > 0, "nothing was interrupted");
}

#[test]
fn a_mirror_that_is_killed_goes_on_with_what_came() {
    let upstream = two_versions();
    upstream.build();
    let web = Web::of(&upstream.tree());
    let site = Site::new(&format!("sources = [{{ name = \"up\", url = \"{}\" }}]\n", web.url), &[]);
    // The last file comes in pieces for ever.
    web.fault("p59-2-1.x86_64.rpm", Fault::Cut(100, 100));
    let mut child = kgen()
        .args(["dist", "mirror", "--jobs", "1"])
        .current_dir(site.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parts = site.at("mirror/el9/up/.parts");
    while crate::support::entries(&parts).len() < 30 {
        std::thread::yield_now();
        assert!(child.try_wait().unwrap().is_none() || crate::support::entries(&parts).len() >= 30);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!site.at("mirror/el9/up/all").exists());
    let came = crate::support::entries(&parts).len();
    web.mend();
    web.asked();
    site.dist(&["mirror"]).says(0, &["60 packages"]);
    let again = web.asked().iter().filter(|path| path.ends_with(".rpm")).count();
    assert!(again <= 60 - (came - 5), "{again} asked for again, though {came} files came");
    assert!(!parts.exists());
}

#[test]
fn a_full_disk_keeps_the_old_tree() {
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script]);
        command
    };
    let can = run(&mut shell("mount -t tmpfs none /mnt")).0;
    if !found("a mount of one's own", can) {
        return;
    }
    // The trees, or what is kept of packages, lie on a disk that has room for one and nothing more.
    let kgen = env!("CARGO_BIN_EXE_kgen");
    for folder in ["served", "mirror"] {
        let site = two_versions();
        let script = format!(
            "set -e; mkdir disk; mount -t tmpfs -o size=2m none disk; mv {folder} disk/; ln -s disk/{folder} {folder}; \
             dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null || true; set +e; {kgen} dist build; code=$?; \
             cp -a --no-dereference disk kept; exit $code"
        );
        let output = shell(&script).current_dir(site.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{folder}: {said}");
        assert!(said.contains("No space left on device"), "{folder}: {said}");
        // The disk went with its namespace; what was on it was kept beside.
        fs::remove_file(site.at(folder)).unwrap();
        fs::rename(site.at("kept").join(folder), site.at(folder)).unwrap();
        assert!(!is_whole(&site), "{folder}");
        site.build();
        assert!(is_whole(&site));
    }
}
