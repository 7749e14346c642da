//! Which packages of all sources are in the tree, and what is told of the others.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::made::Site;
use crate::support::files;

const TWO: &str = r#"sources = [{ name = "base", directory = "base" }, { name = "updates", directory = "updates" }]"#;

fn overridden(report: &Value) -> Vec<String> {
    let found = report[0]["overridden"].as_array().unwrap().iter();
    found
        .map(|found| {
            let word = |key: &str| found[key].as_str().unwrap_or("-").to_owned();
            format!(
                "{} of {}: {} of {} ({})",
                word("package"),
                word("source"),
                word("instead"),
                word("instead_source"),
                word("why")
            )
        })
        .collect()
}

#[test]
fn the_newest_counts_whatever_the_dates_of_files_and_the_order_of_sources() {
    let site = Site::new(TWO, &[]);
    site.put("updates", "foo-1.9-1.x86_64", &[]);
    site.put("base", "foo-1.10-1.x86_64", &[]);
    site.put("base", "bar-2:1.0-1.noarch", &[]);
    site.put("updates", "bar-1:9.0-1.noarch", &[]);
    site.put("base", "pre-1.0~rc1-1.noarch", &[]);
    site.put("updates", "pre-1.0-1.noarch", &[]);
    site.put("updates", "pre-1.0^git2-1.noarch", &[]);
    let report = site.build();
    assert_eq!(site.packages(), ["bar-1.0-1.noarch", "foo-1.10-1.x86_64", "pre-1.0^git2-1.noarch"]);
    assert_eq!(
        overridden(&report),
        [
            "bar-1:9.0-1.noarch of updates: bar-2:1.0-1.noarch of base (newer)",
            "foo-1.9-1.x86_64 of updates: foo-1.10-1.x86_64 of base (newer)",
            "pre-1.0-1.noarch of updates: pre-1.0^git2-1.noarch of updates (newer)",
            "pre-1.0~rc1-1.noarch of base: pre-1.0^git2-1.noarch of updates (newer)",
        ]
    );
    assert_eq!(report[0]["sources"], json!({ "base": 2, "updates": 1 }));
}

#[test]
fn a_lower_priority_wins_over_a_newer_version_and_a_pin_over_both() {
    let keys = r#"
sources = [{ name = "base", directory = "base" }, { name = "site", directory = "site", priority = 10 },
           { name = "old", directory = "old" }]
pins = { "pinned*" = "old", exact = { version = "2.0-1" }, both = { source = "base", version = "1*" } }
"#;
    let site = Site::new(keys, &[]);
    for (directory, version) in [("base", "3.0"), ("site", "1.0"), ("old", "2.0")] {
        for name in ["kept", "pinned-one", "exact"] {
            site.put(directory, &format!("{name}-{version}-1.noarch"), &[]);
        }
    }
    site.put("base", "both-1.5-1.noarch", &[]);
    site.put("base", "both-2.5-1.noarch", &[]);
    let report = site.build();
    assert_eq!(
        site.packages(),
        ["both-1.5-1.noarch", "exact-2.0-1.noarch", "kept-1.0-1.noarch", "pinned-one-2.0-1.noarch"]
    );
    let told = overridden(&report);
    assert!(told.contains(&"kept-3.0-1.noarch of base: kept-1.0-1.noarch of site (priority)".to_owned()), "{told:#?}");
    assert!(told.contains(&"both-2.5-1.noarch of base: both-1.5-1.noarch of base (pinned)".to_owned()), "{told:#?}");
}

#[test]
fn a_pin_that_leaves_nothing_is_an_error_and_the_old_tree_stays() {
    let site = Site::new(TWO, &[]);
    site.put("base", "foo-1.0-1.noarch", &[]);
    fs::create_dir(site.at("updates")).unwrap();
    site.build();
    let inventory = fs::read_to_string(site.at("cluster.toml")).unwrap();
    site.file("cluster.toml", format!("{inventory}pins = {{ foo = {{ version = \"2*\" }} }}\n"));
    let run = site.dist(&["build"]);
    run.says(1, &["error: nothing is left of `foo` for x86_64: no package of any source is what it is pinned to"]);
    assert_eq!(site.packages(), ["foo-1.0-1.noarch"]);
}

#[test]
fn several_versions_and_other_architectures_are_kept_where_the_site_says_so() {
    let keys = r#"
sources = [{ name = "base", directory = "base", exclude = ["*-debuginfo"] }]
several = { "kernel*" = 2 }
multilib = ["glibc"]
exclude = ["games"]
"#;
    let site = Site::new(keys, &[]);
    for nevra in [
        "kernel-1-1.x86_64",
        "kernel-3-1.x86_64",
        "kernel-2-1.x86_64",
        "glibc-1-1.x86_64",
        "glibc-1-1.i686",
        "glibc-0-1.i686",
        "zlib-1-1.i686",
        "zlib-1-1.x86_64",
        "other-1-1.aarch64",
        "games-1-1.noarch",
        "zlib-debuginfo-1-1.x86_64",
    ] {
        site.put("base", nevra, &[]);
    }
    let report = site.build();
    assert_eq!(
        site.packages(),
        ["glibc-1-1.i686", "glibc-1-1.x86_64", "kernel-2-1.x86_64", "kernel-3-1.x86_64", "zlib-1-1.x86_64"]
    );
    assert_eq!(report[0]["left_out"], 4);
}

#[test]
fn the_same_package_of_two_sources_is_that_of_the_first_and_other_content_is_told() {
    let site = Site::new(TWO, &[]);
    site.put("base", "same-1-1.noarch", &[]);
    site.put("updates", "same-1-1.noarch", &[]);
    site.put("base", "other-1-1.noarch", &[]);
    site.put("updates", "other-1-1.noarch", &["provides: x"]);
    let run = site.dist(&["build"]);
    run.says(
        0,
        &["warning: `other-1-1.noarch` of the source `updates` has other content than that of `base`, which counts"],
    );
    assert!(!run.err.contains("same-1-1"), "{}", run.err);
    let [ours, theirs] =
        ["base", "updates"].map(|source| fs::metadata(site.at(source).join("other-1-1.noarch.rpm")).unwrap());
    let linked = fs::metadata(site.tree().join("Packages/o/other-1-1.noarch.rpm")).unwrap();
    assert_eq!(linked.ino(), ours.ino());
    assert_ne!(linked.ino(), theirs.ino());
}

#[test]
fn the_same_packages_give_the_same_bytes_wherever_and_whenever() {
    let index = |compression: &str| {
        let site = Site::new(&format!("{TWO}\ncompression = \"{compression}\"\n"), &[]);
        site.put("base", "foo-1-1.x86_64", &["requires: bar", "file: /usr/bin/foo"]);
        site.put("updates", "bar-1-1.noarch", &["provides: baz = 2"]);
        site.build();
        let first = files(&site.tree().join("repodata"));
        // Nothing changed: nothing is written.
        let before = fs::read_link(site.tree()).unwrap();
        assert_eq!(site.build()[0]["changed"], false);
        assert_eq!(fs::read_link(site.tree()).unwrap(), before);
        // Without what was read before, and other dates.
        fs::remove_dir_all(site.at("mirror")).unwrap();
        fs::remove_dir_all(site.at("served")).unwrap();
        for path in ["base/foo-1-1.x86_64.rpm", "updates/bar-1-1.noarch.rpm"] {
            fs::File::options()
                .write(true)
                .open(site.at(path))
                .unwrap()
                .set_modified(std::time::SystemTime::UNIX_EPOCH)
                .unwrap();
        }
        site.build();
        assert_eq!(files(&site.tree().join("repodata")), first);
        first
    };
    assert_eq!(index("gzip"), index("gzip"));
    assert_eq!(index("zstd"), index("zstd"));
}

#[test]
fn packages_come_in_as_the_site_says_and_never_as_a_silent_copy() {
    for (links, is_link, shares) in [("hard", false, true), ("symbolic", true, true), ("copy", false, false)] {
        let site = Site::new(&format!("{TWO}\nlinks = \"{links}\"\n"), &[]);
        let from = site.put("base", "foo-1-1.noarch", &[]);
        fs::create_dir(site.at("updates")).unwrap();
        site.build();
        let to = site.tree().join("Packages/f/foo-1-1.noarch.rpm");
        assert_eq!(to.symlink_metadata().unwrap().file_type().is_symlink(), is_link, "{links}");
        assert_eq!(to.metadata().unwrap().ino() == from.metadata().unwrap().ino(), shares, "{links}");
        assert_eq!(fs::read(&to).unwrap(), fs::read(&from).unwrap());
    }
}

#[test]
fn a_distribution_derives_from_another_which_is_built_first() {
    let inventory = r#"
[distributions.el9]
sources = [{ distribution = "site" }, { name = "own", directory = "own" }]
groups = "own/groups.xml"
[distributions.base]
sources = [{ name = "base", directory = "base" }]
[distributions.site]
sources = [{ distribution = "base" }, { name = "site", directory = "site" }]
"#;
    let site = Site::with(inventory);
    site.put("base", "foo-1-1.x86_64", &[]);
    site.put("base", "bar-1-1.x86_64", &[]);
    site.put("site", "foo-2-1.x86_64", &[]);
    site.put("own", "baz-1-1.x86_64", &[]);
    let group = |id: &str, name: &str, packages: &str| {
        format!("<comps><group><id>{id}</id><name>{name}</name><packagelist>{packages}</packagelist></group></comps>")
    };
    site.file("base/comps.xml", group("core", "Core", "<packagereq type=\"mandatory\">foo</packagereq>"));
    site.file("own/groups.xml", group("core", "Kernel", "<packagereq type=\"default\">baz</packagereq>"));
    let report = site.build();
    let names: Vec<_> = report.as_array().unwrap().iter().map(|report| report["distribution"].clone()).collect();
    assert_eq!(names, ["base", "site", "el9"]);
    assert_eq!(site.packages(), ["bar-1-1.x86_64", "baz-1-1.x86_64", "foo-2-1.x86_64"]);
    let repodata = files(&site.tree().join("repodata"));
    let groups = repodata.iter().find(|(path, _)| path.to_string_lossy().ends_with("comps.xml")).unwrap().1;
    let groups = String::from_utf8_lossy(groups);
    assert!(groups.contains("<name>Kernel</name>") && groups.contains(">foo<") && groups.contains(">baz<"), "{groups}");
}

#[test]
fn what_is_not_here_yet_is_told_with_the_command_that_brings_it() {
    let site = Site::new(r#"sources = [{ name = "base", url = "http://10.0.0.1/{arch}/os" }]"#, &[]);
    site.dist(&["build"]).says(3, &["the source `base` of `el9` is not mirrored yet; hint: kgen dist mirror el9"]);
    let site = Site::with(
        "[distributions.el9]\nsources = [{ distribution = \"a\" }]\n[distributions.a]\nsources = [{ name = \"x\", directory = \"none\" }]\n",
    );
    site.dist(&["build", "el9"]).says(
        3,
        &["the distribution `a`, which `el9` is built of, is not built for x86_64 yet; hint: kgen dist build a"],
    );
    site.dist(&["build", "a"]).says(3, &["there is no directory none, the source `x` of `a`"]);
    site.dist(&["build", "el8"]).says(2, &["there is no distribution `el8` in the inventory; did you mean `el9`?"]);
}

const STREAMS: &str = r#"---
document: modulemd
version: 2
data:
  name: nodejs
  stream: "16"
  version: 1
  context: aaaa
  arch: x86_64
  summary: old
  artifacts:
    rpms:
    - nodejs-1:16.1-1.x86_64
    - npm-1:8.1-1.x86_64
...
---
document: modulemd
version: 2
data:
  name: nodejs
  stream: "16"
  version: 2
  context: aaaa
  arch: x86_64
  artifacts:
    rpms:
    - nodejs-1:16.2-1.x86_64
    - npm-1:8.2-1.x86_64
...
---
document: modulemd
version: 2
data:
  name: nodejs
  stream: 1.10
  version: 1
  context: bbbb
  arch: x86_64
  artifacts:
    rpms:
    - nodejs-1:18.1-1.x86_64
    - missing-0:1-1.x86_64
...
---
document: modulemd-defaults
version: 1
data:
  module: nodejs
  stream: "16"
...
"#;

#[test]
fn streams_of_modules_are_kept_together_and_only_the_newest_version_of_each() {
    let site = Site::new(r#"sources = [{ name = "base", directory = "base" }]"#, &["nodejs"]);
    for nevra in [
        "nodejs-1:16.1-1.x86_64",
        "npm-1:8.1-1.x86_64",
        "nodejs-1:16.2-1.x86_64",
        "npm-1:8.2-1.x86_64",
        "nodejs-1:18.1-1.x86_64",
        "plain-1-1.x86_64",
    ] {
        site.put("base", nevra, &[]);
    }
    site.file("base/modules.yaml", STREAMS);
    let run = site.dist(&["build"]);
    run.says(0, &["warning: the stream `nodejs:1.10` has the package `missing-0:1-1.x86_64`, but no source has it"]);
    assert_eq!(
        site.packages(),
        ["nodejs-16.2-1.x86_64", "nodejs-18.1-1.x86_64", "npm-8.2-1.x86_64", "plain-1-1.x86_64"]
    );
    site.ask(&["@nodejs:16/common", "@nodejs:20"]);
    site.dist(&["check"])
        .says(1, &["error: the stream `nodejs:20` is not in the distribution `el9` for x86_64, for `c0`"]);
    // Only one stream, and what is of none.
    let inventory = fs::read_to_string(site.at("cluster.toml")).unwrap();
    site.file("cluster.toml", format!("{inventory}streams = [\"nodejs:16\"]\n"));
    site.build();
    assert_eq!(site.packages(), ["nodejs-16.2-1.x86_64", "npm-8.2-1.x86_64", "plain-1-1.x86_64"]);
    let modules = kgen::dist::repodata::read::Repository::open(&site.tree()).unwrap().modules().unwrap().unwrap();
    assert!(
        modules.contains("modulemd-defaults") && !modules.contains("1.10") && !modules.contains("summary: old"),
        "{modules}"
    );
}

#[test]
fn a_roll_gives_modules_edges_and_packages() {
    let site = Site::new(r#"sources = [{ name = "base", directory = "base" }, { roll = "hpc" }]"#, &[]);
    site.put("base", "foo-1-1.x86_64", &[]);
    site.put("rolls/hpc/RedHat/RPMS", "mpi-4-1.x86_64", &["requires: foo"]);
    site.file("rolls/hpc/nodes/mpi.xml", "<kickstart><package>mpi</package></kickstart>");
    site.file("rolls/hpc/graphs/default/hpc.xml", "<graph><edge from=\"client\" to=\"mpi\"/></graph>");
    let before = site.run(&["check"]);
    before.says(0, &["the distribution `el9` is not built for x86_64 yet"]);
    site.build();
    assert_eq!(site.packages(), ["foo-1-1.x86_64", "mpi-4-1.x86_64"]);
    let listed = site.dist(&["list", "c0"]);
    listed.says(0, &["mpi", "2 packages"]);
}
