//! `kgen diff` from outside: what changes on machines between two states of a site in git, for whom, and why.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod site;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::sync::Arc;

use kgen::assemble::{Assembled, Means, Reach, assemble};
use kgen::boot::Handing;
use kgen::compare::compare;
use kgen::diagnostic::Diagnostics;
use kgen::source::Sources;
use kgen::source::revision::Revision;
use support::write;

use site::{FILES, Site, changes, said};

#[test]
fn nothing_changes_where_only_what_no_machine_reads_does() {
    let site = Site::new();
    let id = support::kgen_of(site.path(), &["list", "hosts"]);
    assert_eq!(site.diff(&[]), changes(0, "nothing changes\n"));
    site.edit("nodes/compute.xml", "<kickstart>\n", "<kickstart>\n  <description>What counts.</description>\n\n");
    site.edit("cluster.toml", "[site]", "# the site\n[site]");
    assert_eq!(site.diff(&[]), changes(0, "nothing changes\n"));
    assert_eq!(id, support::kgen_of(site.path(), &["list", "hosts"]));
}

#[test]
fn a_change_that_hosts_share_is_told_once_with_their_own_values_as_references() {
    let site = Site::new();
    site.edit("nodes/compute.xml", "is here", "is there");
    let expected = "\
kickstart of 3 hosts: c0, c1, c2
@@ nodes/compute.xml:5
  module compute, roll base
-echo &hostname; in rank &rank; is here
+echo &hostname; in rank &rank; is there
";
    assert_eq!(site.diff(&[]), changes(4, expected));
}

#[test]
fn hunks_are_told_with_the_hosts_that_have_them() {
    let site = Site::new();
    site.edit("nodes/compute.xml", "is here", "is there");
    site.edit("nodes/base.xml", "chrony", "chronyd");
    site.edit("nodes/base.xml", "bash", "zsh");
    let changes = site.json(&[])["changes"].clone();
    let told: Vec<(usize, usize)> = changes
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["hosts"].as_array().unwrap().len(), change["hunks"].as_array().unwrap().len()))
        .collect();
    assert_eq!(told, [(4, 3), (3, 1)], "{changes:#}");
}

#[test]
fn a_value_of_the_inventory_is_told_with_its_place() {
    let site = Site::new();
    site.edit("cluster.toml", "ntp = \"ntp.example.org\"", "ntp = \"time.example.org\"");
    let (code, text, _) = site.diff(&[]);
    let expected = "\
kickstart of 4 hosts: c0, c1, c2 and 1 other
@@ nodes/base.xml:4
  module base, roll base
    compute inherits base  graphs/default/g.xml:2
  ntp = ntp.example.org  (site, cluster.toml:13)
-chrony ntp.example.org
  ntp = time.example.org  (site, cluster.toml:13)
+chrony time.example.org
";
    assert_eq!((code, text.as_str()), (4, expected));
}

#[test]
fn a_condition_is_told_with_the_edge_of_the_state_that_has_the_line() {
    let site = Site::new();
    site.edit("graphs/default/g.xml", "cond=\"rdma\"", "cond=\"rdma and fast is not None\"");
    let expected = "\
kickstart of 1 host: c2
@@ nodes/rdma.xml:2
  module rdma, roll base
    compute inherits rdma  graphs/default/g.xml:4  if rdma
-rdma-core
";
    assert_eq!(site.diff(&[]), changes(4, expected));
    site.commit();
    site.edit("graphs/default/g.xml", " cond=\"rdma and fast is not None\"", "");
    let (_, text, _) = site.diff(&[]);
    assert!(text.starts_with("kickstart of 3 hosts: c0, c1, c2\n") && text.ends_with("\n+rdma-core\n"), "{text}");
}

#[test]
fn a_value_of_a_host_that_changes_stands_there_itself() {
    let site = Site::new();
    site.edit("nodes/compute.xml", "in rank &rank; is here", "is at &hostaddr;");
    site.commit();
    site.edit("cluster.toml", "10.0.1.1\"", "10.0.1.99\"");
    let document = site.json(&[]);
    let change = &document["changes"][0];
    assert_eq!((&change["output"], &change["hosts"]), (&"kickstart".into(), &serde_json::json!(["c1"])));
    let hunk = &change["hunks"][0];
    assert_eq!(hunk["removed"][0]["text"], "echo &hostname; is at 10.0.1.1");
    assert_eq!(hunk["added"][0]["text"], "echo &hostname; is at 10.0.1.99");
    let script = &document["changes"][1];
    assert_eq!(script["output"], "boot-script");
    assert_eq!(script["hunks"][0]["added"][0]["text"], "for 10.0.1.99");
    assert_eq!(script["hunks"][0]["added"][0]["source"]["file"], "cluster.toml");
}

#[test]
fn the_same_text_in_other_words_is_no_change() {
    let site = Site::new();
    site.edit("nodes/base.xml", "chrony &ntp;", "echo &hostname;.&domain;\necho login");
    site.commit();
    site.edit("nodes/base.xml", "&hostname;.&domain;", "&fqdn;");
    assert_eq!(site.diff(&[]), changes(0, "nothing changes\n"));
    site.edit("nodes/base.xml", "echo login", "echo &hostname;");
    let (_, text, _) = site.diff(&[]);
    assert!(text.starts_with("kickstart of 3 hosts: c0, c1, c2\n"), "{text}");
    let own: Vec<_> = text.lines().filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(own, ["-echo login", "+echo &hostname;"]);
}

#[test]
fn a_reference_that_was_meant_as_text_is_told_from_one() {
    let site = Site::new();
    site.edit("nodes/login.xml", "<package>vim</package>", "<post>echo &amp;hostname;</post>");
    site.commit();
    site.edit("nodes/login.xml", "&amp;hostname;", "&hostname;");
    let (code, text, _) = site.diff(&[]);
    assert_eq!(code, 4);
    assert!(text.ends_with("-echo &hostname;\n  hostname = login  (intrinsic)\n+echo login\n"), "{text}");
}

#[test]
fn hosts_that_come_and_go_are_named_and_are_in_the_files_of_the_site() {
    let site = Site::new();
    site.edit("cluster.toml", "[hosts.c1]", "[hosts.c9]");
    let (code, text, _) = site.diff(&[]);
    assert_eq!(code, 4);
    assert!(
        text.starts_with("the same machine under a new name: c9, before c1\nnew: 1 host: c9\ngone: 1 host: c1\n\n"),
        "{text}"
    );
    assert!(text.contains("\nsite/hosts\n@@ cluster.toml:"), "{text}");
    assert!(!text.contains("kickstart of"), "{text}");
    let document = site.json(&[]);
    let changes = document["changes"].as_array().unwrap();
    let paths: Vec<_> = changes.iter().filter_map(|change| change["path"].as_str()).collect();
    assert!(paths.contains(&"dhcp/dhcpd.conf") && paths.contains(&"dns/example.org.zone"), "{paths:?}");
    assert!(changes.iter().all(|change| change["output"] == "file" && change["hosts"] == serde_json::json!([])));
}

#[test]
fn what_a_host_boots_is_told_once_for_every_loader() {
    let site = Site::new();
    site.edit("cluster.toml", "[appliances.compute]", "[appliances.compute]\nboot = \"install\"");
    let (_, text, _) = site.diff(&[]);
    let orders = "boot of 3 hosts: local to install: c[0-2]\n\
                  3 hosts would install, also if installed (--served asks the server): c[0-2]\n\n";
    let rest = text.strip_prefix(orders).unwrap_or_else(|| panic!("{text}"));
    assert!(rest.starts_with("boot script of 3 hosts: c0, c1, c2\n@@ cluster.toml:"), "{text}");
    assert!(text.contains("\n+argument inst.ks=http://10.0.0.1/ks/&hostname;.ks\n"), "{text}");
    site.commit();
    write(&site.path().join("cluster.d/boot.toml"), "[boot.install]\nmore_arguments = [\"console=ttyS0\"]\n");
    let expected = "\
boot script of 3 hosts: c0, c1, c2
@@ cluster.d/boot.toml:1
+argument console=ttyS0
";
    assert_eq!(site.diff(&[]), changes(4, expected));
}

#[test]
fn secrets_are_shown_by_name_and_not_even_read() {
    let site = Site::new();
    site.edit("nodes/compute.xml", "&rootpw;", "--lock &rootpw;");
    write(&site.path().join("hidden/rootpw"), "hunter2");
    for format in ["text", "json"] {
        let (code, text, said) = site.diff(&["--format", format]);
        assert_eq!((code, said.as_str()), (4, ""));
        assert!(text.contains("(secret rootpw)") && !text.contains("hunter2"), "{text}");
    }
    fs::remove_dir_all(site.path().join("hidden")).unwrap();
    assert_eq!(site.diff(&[]).0, 4);
}

#[test]
fn a_generation_that_holds_secrets_is_compared_without_them() {
    let site = Site::new();
    let template = "<post template=\"yes\">echo {{ attributes.rootpw }}</post>";
    site.edit("nodes/login.xml", "<package>vim</package>", template);
    let made = |secret: &str| -> Assembled {
        let (mut sources, mut diagnostics) = (Arc::new(Sources::default()), Diagnostics::default());
        let secret = |_: &str| Some(secret.to_owned());
        let runner = |_: &kgen::expand::Program| Err(String::new());
        let (directory, reach) = (site.path(), Reach::Anywhere);
        let means =
            Means { directory, secret: &secret, runner: &runner, handing: Handing::Files, reach, keeps_reports: false };
        let revision = Revision::Directory(site.path().join("cluster.toml"));
        assemble(&revision, means, &mut sources, &mut diagnostics).unwrap().unwrap()
    };
    let old = made("hunter2");
    assert!(compare(&old, &made("hunter3")).is_empty());
    site.edit("nodes/compute.xml", "&rootpw;", "--lock &rootpw;");
    site.edit("nodes/login.xml", "echo {{", "echo is {{");
    let compared = serde_json::to_string(&compare(&old, &made("hunter2"))).unwrap();
    assert!(compared.contains("echo is (secret rootpw)") && !compared.contains("hunter"), "{compared}");
}

#[test]
fn the_document_for_programs_has_these_fields() {
    let site = Site::new();
    site.edit("nodes/login.xml", "vim", "emacs");
    site.commit();
    let document = site.json(&["HEAD~1..main"]);
    let step = serde_json::json!({ "from": document["from"], "to": document["to"] });
    assert_eq!(step["from"]["commit"].as_str().unwrap().len(), 40);
    let cause = serde_json::json!({ "source": { "file": "nodes/login.xml", "line": 1 }, "module": "login",
        "roll": "base", "chain": [], "attributes": [] });
    let line = |text: &str| {
        let mut line = cause.clone();
        line["text"] = text.into();
        line
    };
    let expected = serde_json::json!({
        "from": { "name": "HEAD~1", "commit": step["from"]["commit"] },
        "to": { "name": "main", "commit": step["to"]["commit"] },
        "orders": { "renamed": [], "doubtful": [], "replaced": [], "actions": [], "new": [], "loosens": [] },
        "new": [], "gone": [],
        "changes": [
            { "output": "kickstart", "hosts": ["login"], "hunks": [
                { "removed": [line("vim")], "added": [line("emacs")] },
            ] },
        ],
    });
    assert_eq!(document, expected);
}

#[test]
fn states_are_revisions_or_directories() {
    let site = Site::new();
    let other = tempfile::tempdir().unwrap();
    FILES.iter().for_each(|(path, text)| write(&other.path().join(path), text));
    let other = other.path().to_str().unwrap();
    site.edit("nodes/login.xml", "vim", "emacs");
    site.git(&["tag", "before"]);
    assert_eq!(site.diff(&[".", other]).0, 4);
    assert_eq!(site.diff(&["before", other]).0, 0);
    assert_eq!(site.diff(&[other]).0, 4);
    assert_eq!(site.diff(&["before", "--revision", "main"]).0, 0);
    site.commit();
    assert_eq!(site.diff(&[]).0, 0);
    assert_eq!(site.diff(&["before"]).0, 4);
    assert_eq!(site.diff(&["main", "before"]).0, 4);
    assert_eq!(site.diff(&["before..main"]).0, 4);
    assert_eq!(site.diff(&["main..main"]).0, 0);
    let bare = site.path().join(".git/bare");
    site.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let (code, text, _) = said(support::kgen().args(["diff", "main~1..main", "--site"]).arg(&bare).current_dir("/"));
    assert_eq!(code, 4, "{text}");
}

#[test]
fn faults_are_told_with_the_state_that_has_them() {
    let site = Site::new();
    site.edit("graphs/default/g.xml", "to=\"rdma\"", "to=\"rmda\"");
    site.commit();
    site.edit("graphs/default/g.xml", "to=\"rmda\"", "to=\"rdma\"");
    let (code, out, said) = site.diff(&[]);
    assert_eq!((code, out.as_str()), (1, ""));
    let first =
        "error: edge from `compute` to `rmda`, but there is no module `rmda`, in HEAD\n --> graphs/default/g.xml:4";
    assert!(said.starts_with(first), "{said}");
    site.edit("nodes/login.xml", "</kickstart>", "");
    let (code, _, said) = site.diff(&[]);
    assert_eq!(code, 1);
    assert!(said.contains(", in HEAD\n") && said.contains(", in the files\n"), "{said}");
    site.git(&["checkout", "-q", "."]);
    let (code, _, said) = site.diff(&["HEAD~1", "--format", "json"]);
    assert_eq!((code, said.lines().count()), (1, 1));
}

#[test]
fn what_is_not_there_is_told_as_for_every_command() {
    let site = Site::new();
    let (code, _, said) = site.diff(&["nonsense"]);
    assert_eq!(code, 3);
    assert!(said.contains("nonsense"), "{said}");
    assert_eq!(site.diff(&["main..nonsense"]).0, 3);
    fs::remove_dir_all(site.path().join(".git")).unwrap();
    let (code, _, said) = site.diff(&["main"]);
    assert_eq!(code, 2);
    assert!(said.contains("there is no revision `main`"), "{said}");
}

#[test]
fn what_a_site_says_does_not_command_the_terminal() {
    let site = Site::new();
    site.edit("cluster.toml", "ntp = \"ntp.example.org\"", "ntp = \"\\u001b[31m\"");
    let (_, text, _) = site.diff(&[]);
    assert!(text.ends_with("\n+chrony ?[31m\n"), "{text}");
}

#[test]
fn colours_are_for_terminals_and_who_asks() {
    let site = Site::new();
    site.edit("nodes/login.xml", "vim", "emacs");
    assert!(!site.diff(&[]).1.contains('\x1b'));
    assert!(site.diff(&["--color", "always"]).1.contains("\x1b[32m+emacs\x1b[0m\n"));
}

#[test]
fn what_a_commit_means_for_orders_is_said_first() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.path().join("cluster.toml")).unwrap();
    let put = |text: &str| write(&site.path().join("cluster.toml"), text);
    let renamed = text.replace("[hosts.c0]", "[hosts.n0]").replace("[hosts.c1]", "[hosts.n1]");
    put(&renamed);
    let (code, said, _) = site.diff(&[]);
    assert_eq!((code, said.lines().next()), (4, Some("the same 2 machines under new names: n[0-1], before c[0-1]")));
    // Other words, and a machine that takes the place of another.
    let words = text
        .replace("[hosts.c1]\n", "[hosts.c1]\nboot = \"install\"\n")
        .replace("[hosts.c2]\n", "[hosts.c2]\nboot = \"rescue\"\n")
        .replace("52:54:00:00:00:0f", "52:54:00:00:00:ff");
    put(&words);
    let expected = "1 host with another machine, which this does not arm: login\n\
                    boot of 1 host: local to install: c1\nboot of 1 host: local to rescue: c2\n\
                    1 host would install, also if installed (--served asks the server): c1\n";
    assert!(site.diff(&[]).1.starts_with(expected), "{}", site.diff(&[]).1);
    write(&site.path().join("hidden/rootpw"), "x");
    let check =
        |revision: &str| site::said(support::kgen().args(["check", "--against", revision]).current_dir(site.path()));
    let (code, said, _) = check("HEAD");
    assert!(code == 0 && said.starts_with(expected) && said.contains("\nok: "), "{code} {said}");
    assert_eq!(check("nothing").0, 3);
    let swapped = text
        .replace("52:54:00:00:00:00", "ZZ")
        .replace("52:54:00:00:00:01", "52:54:00:00:00:00")
        .replace("ZZ", "52:54:00:00:00:01");
    put(&swapped);
    assert!(
        site.diff(&[])
            .1
            .starts_with("2 doubtful hosts, with what others are known by; they boot from their own disk: c[0-1]\n")
    );
    let loose = text.replace("[site]\n", "[site]\ninstall_new = true\n")
        + "[hosts.new]\nappliance = \"login\"\nboot = \"install\"\n";
    put(&loose);
    let said = site.diff(&[]).1;
    assert!(said.contains("1 new host would wait, or install with `install_new`: new\n"), "{said}");
    assert!(said.contains("loosens what guards against commits, until `kgen revision accept`: `install_new = true` in the place of false"), "{said}");
    assert_eq!(site.json(&[])["orders"]["new"], serde_json::json!(["new"]));
}
