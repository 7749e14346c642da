//! Inventories in all their forms: what is written can be read, and gives the same files; a directory is one file.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use support::{compile, files, golden_cases, kgen_of, root, write};

/// A copy of a golden site without what is expected of it.
fn copied(case: &str, to: &Path) -> PathBuf {
    for (path, content) in files(&root().join("tests/golden").join(case)) {
        if !path.starts_with("expected") {
            write(&to.join(path), content);
        }
    }
    to.join("cluster.toml")
}

/// The tables of a TOML file, `[NAME` to the next, whose names start with one of these.
fn tables(text: &str, names: &[&str]) -> String {
    let mut kept = String::new();
    let mut keeps = false;
    for line in text.split_inclusive('\n') {
        if let Some(header) = line.strip_prefix('[') {
            keeps = names.iter().any(|name| header.starts_with(name));
        }
        if keeps {
            kept.push_str(line);
        }
    }
    kept
}

/// All that kgen makes of a site, without the id of the generation, which is of the texts of the inventory.
fn made(site: &Path) -> BTreeMap<PathBuf, String> {
    let output = tempfile::tempdir().unwrap();
    compile(site, output.path());
    let plain = |content: Vec<u8>| {
        let text = String::from_utf8_lossy(&content).into_owned();
        text.lines()
            .filter(|line| !line.starts_with("# generation: "))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    files(output.path()).into_iter().map(|(path, content)| (path, plain(content))).collect()
}

/// What says how a site is run, and is not in an export.
const RUN: [&str; 4] = ["site", "language", "boot", "loaders"];

#[test]
fn what_is_exported_as_json_gives_the_same_files() {
    for case in golden_cases() {
        let name = case.file_name().unwrap().to_str().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let inventory = copied(name, directory.path());
        let before = made(directory.path());
        let exported = kgen_of(directory.path(), &["inventory", "export"]);
        let text = fs::read_to_string(&inventory).unwrap();
        write(&inventory, tables(&text, &RUN));
        write(&directory.path().join("cluster.d/all.json"), &exported);
        let after = made(directory.path());
        // The places of elements differ in no file but where a comment names them, and there are none of the inventory.
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{name}");
        for (path, content) in &before {
            assert_eq!(content, &after[path], "{name}/{}", path.display());
        }
        assert_eq!(exported, kgen_of(directory.path(), &["inventory", "export"]), "{name}: exported again");
    }
}

/// A host with all that a table can hold.
const HOST: &str = r#"
[hosts.full-0-0]
appliance = "compute"
rack = 7
rank = 3
boot = "local"
groups = ["fast", "new"]
comment = "says \"hello, you\""
attributes = { box = "b2", install_action = "special" }
interfaces = [
  { name = "eth0", address = "52:54:00:00:07:03" },
  { name = "eth1", address = "52:54:00:00:07:04" },
  { name = "bond0", network = "management", bond = ["eth0", "eth1"], ip = "10.9.0.73", options = "mode=1" },
  { name = "ib0.9", network = "fabric", vlan = 9, parent = "ib0", ip = "10.2.0.74", hostname = "full-ib" },
  { name = "ib0", network = "fabric", address = "0002:c903:000c:3773", ip = "10.2.0.73", default = true },
]
"#;

#[test]
fn hosts_that_are_exported_as_a_table_give_the_same_files() {
    let directory = tempfile::tempdir().unwrap();
    let inventory = copied("infiniband", directory.path());
    // A client identifier is what no column has.
    let text = fs::read_to_string(&inventory).unwrap();
    let plain = text.split("[hosts.own").next().unwrap().to_owned() + HOST;
    write(&inventory, &plain);
    let before = made(directory.path());
    let exported = kgen_of(directory.path(), &["inventory", "export", "--format", "csv"]);
    let others = ["site", "boot", "networks", "distributions", "appliances"];
    write(&inventory, tables(&plain, &others));
    write(&directory.path().join("cluster.d/hosts.csv"), &exported);
    assert_eq!(before, made(directory.path()));
    assert_eq!(exported, kgen_of(directory.path(), &["inventory", "export", "--format", "csv"]));
}

#[test]
fn an_inventory_in_many_files_is_the_same_as_in_one() {
    let directory = tempfile::tempdir().unwrap();
    let inventory = copied("boot", directory.path());
    let before = made(directory.path());
    let text = fs::read_to_string(&inventory).unwrap();
    let parts = directory.path().join("cluster.d");
    write(&inventory, tables(&text, &["site"]));
    write(&parts.join("networks.toml"), tables(&text, &["networks"]));
    write(&parts.join("appliances.toml"), tables(&text, &["appliances", "attributes"]));
    write(&parts.join("boot.toml"), tables(&text, &["boot", "loaders", "distributions"]));
    write(&parts.join("racks/0.toml"), tables(&text, &["ranges"]));
    for host in text.lines().filter_map(|line| line.strip_prefix("[hosts.")?.strip_suffix(']')) {
        write(&parts.join(format!("hosts/{host}.toml")), tables(&text, &[&format!("hosts.{host}]")]));
    }
    assert_eq!(before, made(directory.path()));
}

#[test]
fn a_large_inventory_is_the_same_in_pieces_and_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let head = "[site]\nname = \"x\"\ntarget = \"RHEL9\"\narch = \"x86_64\"\nserver = \"http://10.1.0.1\"\n\
                [networks.a]\nsubnet = \"10.0.0.0/8\"\n[appliances.a]\n";
    let mut toml = head.to_owned();
    let mut csv = "NAME,APPLIANCE,RACK,RANK,IP,MAC,INTERFACE,NETWORK\n".to_owned();
    for number in 0..9000 {
        let (rack, rank) = (number / 40, number % 40);
        let ip = format!("10.2.{}.{}", number / 250, number % 250 + 1);
        let mac = format!("52:54:00:{:02x}:{:02x}:01", number / 256, number % 256);
        toml.push_str(&format!(
            "[hosts.h{number}]\nappliance = \"a\"\nrack = {rack}\nrank = {rank}\n\
             interfaces = [{{ name = \"eth0\", network = \"a\", ip = \"{ip}\", address = \"{mac}\" }}]\n"
        ));
        csv.push_str(&format!("h{number},a,{rack},{rank},{ip},{mac},eth0,a\n"));
    }
    assert!(toml.len() > 1 << 20 && csv.len() > 256 << 10, "not large enough to be cut");
    write(&directory.path().join("nodes/a.xml"), "<kickstart/>\n");
    write(&directory.path().join("graphs/default/a.xml"), "<graph/>\n");
    let inventory = directory.path().join("cluster.toml");
    write(&inventory, &toml);
    let pieces = kgen_of(directory.path(), &["inventory", "export"]);
    // A text of several lines keeps a file whole.
    write(&inventory, toml.replace("name = \"x\"", "name = \"\"\"x\"\"\""));
    assert_eq!(pieces, kgen_of(directory.path(), &["inventory", "export"]));
    write(&inventory, head);
    write(&directory.path().join("cluster.d/hosts.csv"), &csv);
    assert_eq!(pieces, kgen_of(directory.path(), &["inventory", "export"]));
    write(&inventory, head.split("[networks").next().unwrap());
    fs::remove_file(directory.path().join("cluster.d/hosts.csv")).unwrap();
    write(&directory.path().join("cluster.d/all.json"), &pieces);
    assert_eq!(pieces, kgen_of(directory.path(), &["inventory", "export"]));
}

#[test]
fn what_is_imported_is_checked_with_the_site_before_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    copied("infiniband", directory.path());
    let new = directory.path().join("new.csv");
    write(&new, "NAME,APPLIANCE,IP,INTERFACE,NETWORK\nextra,compute,10.2.0.99,ib0,fabric\n");
    let import = |site: &Path, more: &[&str]| {
        let mut command = support::kgen();
        support::run(command.args(["inventory", "import"]).arg(&new).args(more).arg("--site").arg(site))
    };
    let (content, said) = import(directory.path(), &[]);
    assert!(content && said.contains("the site has 6 hosts"), "{said}");
    assert_eq!(fs::read(directory.path().join("cluster.d/new.csv")).unwrap(), fs::read(&new).unwrap());
    let (content, said) = import(directory.path(), &[]);
    assert!(!content && said.contains("--replace"), "{said}");
    write(&new, "NAME,APPLIANCE,IP,INTERFACE,NETWORK\nextra,compute,10.2.0.11,ib0,fabric\n");
    let (content, said) = import(directory.path(), &["--replace"]);
    assert!(!content && said.contains("belongs to `compute-0-0` and to `extra`"), "{said}");
    assert!(fs::read_to_string(directory.path().join("cluster.d/new.csv")).unwrap().contains("10.2.0.99"));
}
