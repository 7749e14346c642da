//! The shipped description asks only for packages that Enterprise Linux and EPEL have.

use std::collections::BTreeSet;
use std::fs;

use crate::made::put;
use crate::support::{files, kgen, root, write};

/// `NAME` or `NAME: what it says; ..` a line; `@` before the name makes a group of it, with what follows in it.
const FIXTURE: &str = "tests/dist/packages.txt";

/// The example, with distributions that are built of the fixture.
fn built(inventory: &str) -> String {
    let described = inventory.replace("../..", &root().display().to_string());
    let ldap = "[attributes]\nldap_uri = \"ldaps://ldap.example.org\"\nldap_base = \"dc=example\"";
    let described = described.replacen("[attributes]", ldap, 1);
    let sources = "sources = [{ name = \"all\", directory = \"packages\" }]";
    ["el9", "el10"].iter().fold(described, |text, name| {
        text.replace(&format!("[distributions.{name}]"), &format!("[distributions.{name}]\n{sources}"))
    })
}

#[test]
fn every_package_that_the_shipped_description_asks_for_is_in_a_real_distribution() {
    let site = tempfile::tempdir().unwrap();
    for (path, content) in files(&root().join("examples/hydra")) {
        write(&site.path().join(path), content);
    }
    let inventory = fs::read_to_string(site.path().join("cluster.toml")).unwrap();
    write(&site.path().join("cluster.toml"), built(&inventory));
    let text = fs::read_to_string(root().join(FIXTURE)).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut groups = String::from("<comps>");
    for line in &lines {
        let (name, says) = line.split_once(": ").unwrap_or((line, ""));
        if let Some(environment) = name.strip_prefix("@^") {
            let ids: String = says.split(' ').map(|id| format!("<groupid>{id}</groupid>")).collect();
            groups.push_str(&format!("<environment><id>{environment}</id><name>{environment}</name><grouplist>{ids}</grouplist></environment>"));
        } else if let Some(group) = name.strip_prefix('@') {
            let packages: String =
                says.split(' ').map(|name| format!("<packagereq type=\"mandatory\">{name}</packagereq>")).collect();
            groups.push_str(&format!(
                "<group><id>{group}</id><name>{group}</name><packagelist>{packages}</packagelist></group>"
            ));
        } else {
            let says: Vec<&str> = says.split("; ").filter(|word| !word.is_empty()).collect();
            for arch in ["x86_64", "aarch64"] {
                put(&site.path().join("packages"), &format!("{name}-1-1.{arch}"), &says);
            }
        }
    }
    write(&site.path().join("packages/comps.xml"), format!("{groups}</comps>"));
    let run =
        |arguments: &[&str]| crate::made::Run::of(kgen().args(arguments).current_dir(site.path()).output().unwrap());
    run(&["dist", "build"]).says(0, &["x86_64"]);
    let checked = run(&["dist", "check"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.starts_with("ok: the packages of "), "{}", checked.out);
    assert!(!checked.err.contains("warning"), "{}", checked.err);
    // No line of the fixture is there for nothing.
    let hosts: Vec<serde_json::Value> = serde_json::from_str(&run(&["list", "hosts", "--format", "json"]).out).unwrap();
    let mut used = BTreeSet::new();
    for host in hosts {
        let listed = run(&["dist", "list", host["host"].as_str().unwrap(), "--format", "json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&listed.out).unwrap();
        used.extend(rows.iter().map(|row| row["package"].as_str().unwrap().to_owned()));
    }
    let unused: Vec<_> = lines
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .filter(|name| !name.starts_with('@') && !used.contains(*name))
        .collect();
    assert!(unused.is_empty(), "no host of the example installs {unused:?}");
}
