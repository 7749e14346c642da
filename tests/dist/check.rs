//! What hosts ask for against what their distribution has: every fault in full, at the element that asks.

use crate::made::Site;
use crate::support::write;

const ONE: &str = "sources = [{ name = \"base\", directory = \"base\" }]\n";

/// Packages, each with what it says, built.
fn site(packages: &[(&str, &[&str])], asked: &[&str]) -> Site {
    let site = Site::new(ONE, asked);
    for (nevra, says) in packages {
        site.put("base", nevra, says);
    }
    site.build();
    site
}

fn told(site: &Site) -> String {
    let run = site.dist(&["check"]);
    assert!(run.code == 1 || run.code == 0, "{run:#?}");
    run.err
}

#[test]
fn a_package_that_is_not_there_is_named_with_the_element_that_asks() {
    let site = site(
        &[("openssh-server-8-1.x86_64", &[]), ("zlib-1-1.i686", &[])],
        &["openssh-sever", "zlib", "nothing-like-it"],
    );
    assert_eq!(
        told(&site),
        "error: the package `openssh-sever` is not in the distribution `el9` for x86_64, for `c0`
 --> nodes/client.xml:2:1
  |
2 | <package>openssh-sever</package>
  | ^^^^^^^^^
  |
hint: did you mean `openssh-server`?

error: the package `zlib` is not in the distribution `el9` for x86_64, for `c0`
 --> nodes/client.xml:3:1
  |
3 | <package>zlib</package>
  | ^^^^^^^^^

error: the package `nothing-like-it` is not in the distribution `el9` for x86_64, for `c0`
 --> nodes/client.xml:4:1
  |
4 | <package>nothing-like-it</package>
  | ^^^^^^^^^

3 errors
"
    );
    // The same as a part of `kgen check`.
    site.run(&["check"]).says(1, &["error: the package `zlib` is not in the distribution", "3 errors"]);
}

#[test]
fn what_nobody_provides_is_told_with_the_chain_to_it() {
    let packages: &[(&str, &[&str])] = &[
        ("app-1-1.x86_64", &["requires: lib >= 2"]),
        ("lib-2-1.x86_64", &["requires: /usr/bin/helper", "requires: deep"]),
        ("helper-1-1.x86_64", &["file: /usr/share/helper", "provides: deep"]),
    ];
    let text = told(&site(packages, &["app"]));
    assert_eq!(
        text,
        "error: `app` cannot be installed: `app-1-1.x86_64` requires `lib >= 2`, `lib-2-1.x86_64` requires `/usr/bin/helper`, which nothing in the distribution provides, for `c0`
 --> nodes/client.xml:2:1
  |
2 | <package>app</package>
  | ^^^^^^^^^

1 error
"
    );
}

#[test]
fn files_that_are_not_in_the_list_of_packages_are_found_all_the_same() {
    let packages: &[(&str, &[&str])] = &[
        ("app-1-1.x86_64", &["requires: /usr/share/helper", "requires: (/opt/x or nothing)"]),
        ("helper-1-1.x86_64", &["file: /usr/share/helper", "file: /opt/x"]),
    ];
    let site = site(packages, &["app"]);
    assert_eq!(told(&site), "");
    site.dist(&["list", "c0"]).says(0, &["helper", "2 packages"]);
}

#[test]
fn what_cannot_be_together_is_told_with_both_that_ask() {
    let packages: &[(&str, &[&str])] = &[
        ("exim-1-1.x86_64", &["conflicts: postfix", "provides: mta"]),
        ("postfix-1-1.x86_64", &["provides: mta"]),
        ("cron-1-1.x86_64", &["requires: mta"]),
    ];
    let text = told(&site(packages, &["cron", "exim", "postfix"]));
    assert_eq!(
        text,
        "error: `postfix` cannot be installed together with `exim`: `exim-1-1.x86_64` conflicts with `postfix`, for `c0`
 --> nodes/client.xml:4:1
  |
3 | <package>exim</package>
  | --------- asks for `exim`
4 | <package>postfix</package>
  | ^^^^^^^^^

1 error
"
    );
}

#[test]
fn what_is_taken_off_and_needed_is_told_with_both_places() {
    let packages: &[(&str, &[&str])] = &[("app-1-1.x86_64", &["requires: lib"]), ("lib-1-1.x86_64", &[])];
    let text = told(&site(packages, &["app", "-lib"]));
    assert_eq!(
        text,
        "error: `app` cannot be installed: `app-1-1.x86_64` requires `lib`, but `lib-1-1.x86_64` is taken off, for `c0`
 --> nodes/client.xml:2:1
  |
2 | <package>app</package>
  | ^^^^^^^^^
3 | <package disable=\"yes\">lib</package>
  | ----------------------- taken off here

1 error
"
    );
}

#[test]
fn conflicts_below_several_choices_are_told_with_all_that_take_part() {
    let packages: &[(&str, &[&str])] = &[
        ("a-1-1.x86_64", &["requires: x"]),
        ("x1-1-1.x86_64", &["provides: x", "requires: y"]),
        ("x2-1-1.x86_64", &["provides: x", "requires: y"]),
        ("y1-1-1.x86_64", &["provides: y", "conflicts: b"]),
        ("y2-1-1.x86_64", &["provides: y", "conflicts: b"]),
        ("b-1-1.x86_64", &[]),
        ("innocent-1-1.x86_64", &[]),
    ];
    let text = told(&site(packages, &["a", "b", "innocent"]));
    assert!(text.contains("error: `b` cannot be installed together with `a`: `y"), "{text}");
    assert!(text.contains("conflicts with `b`; `x") && text.ends_with("1 error\n"), "{text}");
}

#[test]
fn what_is_recommended_is_listed_though_something_is_taken_off() {
    let site = Site::new(ONE, &["app", "-nice", "-docs-*"]);
    site.put("base", "base-1-1.x86_64", &[]);
    site.put("base", "nice-1-1.x86_64", &[]);
    site.put("base", "app-1-1.x86_64", &["recommends: extra", "recommends: docs-app"]);
    site.put("base", "extra-1-1.x86_64", &[]);
    site.put("base", "docs-app-1-1.noarch", &[]);
    write(&site.at("base/comps.xml"), GROUPS);
    site.build();
    assert_eq!(told(&site), "");
    let listed = site.dist(&["list", "c0"]).out;
    assert!(listed.contains("extra") && listed.contains("3 packages"), "{listed}");
    assert!(!listed.contains("docs-app") && !listed.contains("nice"), "{listed}");
    site.ask(&["app", "-app"]);
    site.put("base", "needs-1-1.noarch", &["requires: docs-app"]);
    site.build();
    site.ask(&["needs", "-docs-*"]);
    site.dist(&["check"]).says(1, &["`needs-1-1.noarch` requires `docs-app`, but `docs-app-1-1.noarch` is taken off"]);
}

#[test]
fn a_newer_package_for_all_machines_is_taken_before_an_older_one_for_this() {
    let packages: &[(&str, &[&str])] =
        &[("foo-1-1.x86_64", &[]), ("foo-2-1.noarch", &[]), ("old-1-1.x86_64", &["requires: foo = 1"])];
    let site = site(packages, &["foo"]);
    site.dist(&["list", "c0"]).says(0, &["noarch", "1 packages"]);
    site.ask(&["foo-2-1.noarch", "old"]);
    site.dist(&["check"]).says(1, &["error: `old` cannot be installed together with `foo-2-1.noarch`"]);
    site.ask(&["foo-1", "foo-0:1-1"]);
    assert_eq!(told(&site), "");
    site.dist(&["list", "c0"]).says(0, &["x86_64", "1 packages"]);
}

#[test]
fn a_file_may_be_asked_for_wherever_it_is() {
    let site = site(&[("app-1-1.x86_64", &["file: /usr/share/app/data"])], &["/usr/share/app/data"]);
    assert_eq!(told(&site), "");
    site.dist(&["list", "c0"]).says(0, &["app", "1 packages"]);
    site.ask(&["/usr/share/app/other"]);
    site.dist(&["check"]).says(1, &["error: the package `/usr/share/app/other` is not in the distribution"]);
}

const MODULES: &str = r#"---
document: modulemd
version: 2
data:
  name: perl
  stream: "5.26"
  version: 1
  context: aaaa
  arch: x86_64
  profiles:
    common:
      rpms: [perl-core]
    minimal:
      rpms: [perl]
  artifacts:
    rpms: [perl-0:5.26-1.x86_64, perl-core-0:5.26-1.x86_64]
...
---
document: modulemd
version: 2
data:
  name: perl
  stream: "5.32"
  version: 1
  context: aaaa
  arch: x86_64
  artifacts:
    rpms: [perl-0:5.32-1.x86_64, perl-new-0:5.32-1.x86_64]
...
---
document: modulemd-defaults
version: 1
data:
  module: perl
  stream: "5.26"
  profiles:
    "5.26": [common]
...
"#;

#[test]
fn packages_of_streams_that_nobody_asks_for_are_not_there() {
    let site = Site::new(ONE, &["perl"]);
    for nevra in [
        "perl-5.26-1.x86_64",
        "perl-core-5.26-1.x86_64",
        "perl-5.32-1.x86_64",
        "perl-new-5.32-1.x86_64",
        "perl-9-1.x86_64",
    ] {
        site.put("base", nevra, &[]);
    }
    site.file("base/modules.yaml", MODULES);
    site.build();
    // The default stream, though other versions are newer.
    site.dist(&["list", "c0"]).says(0, &["5.26-1", "1 packages"]);
    site.ask(&["perl-new"]);
    site.dist(&["check"]).says(1, &["error: the package `perl-new` is not in the distribution"]);
    site.ask(&["@perl:5.32", "perl-new", "perl"]);
    assert_eq!(told(&site), "");
    site.dist(&["list", "c0"]).says(0, &["5.32-1", "2 packages"]);
    // The default profile, and one that is named.
    site.ask(&["@perl"]);
    site.dist(&["list", "c0"]).says(0, &["perl-core", "1 packages"]);
    site.ask(&["@perl:5.26/minimal"]);
    site.dist(&["list", "c0"]).says(0, &["perl ", "1 packages"]);
    site.ask(&["@perl:5.26/none"]);
    site.dist(&["check"])
        .says(1, &["error: the profile of `perl:5.26/none` is not in", "profiles of the stream: `common`, `minimal`"]);
}

const GROUPS: &str = "<comps>
<group><id>core</id><name>Core</name><packagelist><packagereq type=\"mandatory\">base</packagereq><packagereq type=\"default\">nice</packagereq><packagereq type=\"optional\">other</packagereq><packagereq type=\"mandatory\">not-there</packagereq></packagelist></group>
<group><id>tools</id><name>Tools</name><packagelist><packagereq type=\"mandatory\">tool</packagereq></packagelist></group>
<environment><id>small-environment</id><name>Small</name><grouplist><groupid>core</groupid><groupid>tools</groupid></grouplist></environment>
</comps>";

#[test]
fn groups_and_environments_are_looked_up_and_what_is_in_them_installed() {
    let site = Site::new(ONE, &["@^small-environment", "@tools", "-nice"]);
    for nevra in ["base-1-1.x86_64", "nice-1-1.x86_64", "other-1-1.x86_64", "tool-1-1.noarch"] {
        site.put("base", nevra, &[]);
    }
    write(&site.at("base/comps.xml"), GROUPS);
    site.build();
    assert_eq!(told(&site), "");
    site.dist(&["list", "c0"]).says(0, &["base", "tool", "2 packages"]);
    // The installer takes @core without being asked.
    site.ask(&["@tool", "@^small", "@small-environment"]);
    site.dist(&["check"]).says(
        1,
        &[
            "error: the group `tool` is not in the distribution `el9` for x86_64, for `c0`",
            "hint: did you mean `tools`?",
            "error: the environment `small` is not in the distribution",
            "known here: `small-environment`",
            "it is an environment, which is written `@^small-environment`",
        ],
    );
    site.ask(&[]);
    site.dist(&["list", "c0"]).says(0, &["base", "nice", "2 packages"]);
}

#[test]
fn names_are_looked_up_as_the_installer_looks_them_up() {
    let packages: &[(&str, &[&str])] = &[
        ("glibc-1-1.x86_64", &[]),
        ("glibc-1-1.i686", &[]),
        ("tool-a-1-1.noarch", &[]),
        ("tool-b-1-1.noarch", &[]),
        ("vim-enhanced-1-1.x86_64", &["provides: vim = 1-1", "file: /usr/bin/vim"]),
    ];
    let site = Site::new(&format!("{ONE}multilib = [\"*\"]\n"), &["glibc.i686", "tool-*", "vim"]);
    packages.iter().for_each(|(nevra, says)| drop(site.put("base", nevra, says)));
    site.build();
    assert_eq!(told(&site), "");
    let listed = site.dist(&["list", "c0"]).out;
    assert!(listed.contains("i686") && !listed.contains("glibc         1-1      x86_64"), "{listed}");
    assert!(listed.contains("4 packages"), "{listed}");
    site.ask(&["glibc"]);
    site.dist(&["list", "c0"]).says(0, &["x86_64", "1 packages"]);
}

#[test]
fn what_is_obsoleted_is_replaced_and_told() {
    let packages: &[(&str, &[&str])] = &[("old-1-1.x86_64", &[]), ("new-2-1.x86_64", &["obsoletes: old < 2"])];
    let site = site(packages, &["old"]);
    assert_eq!(
        told(&site),
        "note: `old-1-1.x86_64` is obsoleted by `new-2-1.x86_64`, which is installed instead, for `c0`
 --> nodes/client.xml:2:1
  |
2 | <package>old</package>
  | ^^^^^^^^^
  |
hint: ask for `new`, or leave one of them out of the distribution

"
    );
    site.dist(&["list", "c0"]).says(0, &["new", "1 packages"]);
}

#[test]
fn a_difference_of_two_builds_tells_which_hosts_install_it() {
    let site =
        site(&[("app-1-1.x86_64", &["requires: lib"]), ("lib-1-1.x86_64", &[]), ("gone-1-1.x86_64", &[])], &["app"]);
    site.dist(&["diff", "el9"]).says(2, &["`el9` was built once only"]);
    site.put("base", "lib-2-1.x86_64", &[]);
    site.put("base", "fresh-1-1.noarch", &[]);
    std::fs::remove_file(site.at("base/gone-1-1.x86_64.rpm")).unwrap();
    site.build();
    let run = site.dist(&["diff", "el9"]);
    assert_eq!(run.code, 4, "{run:#?}");
    assert_eq!(
        run.out,
        "x86_64: 1 added, 1 removed, 1 upgraded
  added      fresh.noarch 1-1: no host installs it
  removed    gone.x86_64 1-1: no host installs it
  upgraded   lib.x86_64 1-1 -> 2-1: `c0`
"
    );
    let tree = site.tree().display().to_string();
    site.dist(&["diff", &tree, "el9"]).says(0, &["no package differs"]);
    site.dist(&["diff", "el9", "nowhere"])
        .says(2, &["`nowhere` is neither a distribution of the inventory nor a directory with `repodata/repomd.xml`"]);
    site.dist(&["diff", "el9", "--format", "json"]).says(4, &["\"kind\": \"upgraded\"", "\"hosts\": ["]);
}

#[test]
fn a_fault_of_the_inventory_is_told_once() {
    let site = site(&[("app-1-1.x86_64", &[])], &["app"]);
    let path = site.at("cluster.toml");
    let inventory = std::fs::read_to_string(&path).unwrap();
    // No server is there to boot from.
    std::fs::write(&path, inventory.replacen("[hosts.c0]", "[hosts.c0]\nboot = \"install\"", 1)).unwrap();
    let tree = site.tree().display().to_string();
    for arguments in [&["diff", &tree, "el9"][..], &["check", "el9"], &["list", "c0"], &["build"]] {
        let run = site.dist(arguments);
        assert_eq!(run.err.matches("has the boot action `install`").count(), 1, "{arguments:?} {run:#?}");
    }
}
