//! Repositories of strangers: whatever a tree, a link or a URL says, nothing of this machine is read, run or shown.

use std::path::Path;
use std::time::{Duration, Instant};

use git2::{ObjectType, Oid, Repository};

use crate::lab::{C0, NotStarted, SECRET, STRANGER, Server, Site};

/// An entry of a tree as git writes it, whatever its name.
fn entry(mode: &str, name: &str, id: Oid) -> Vec<u8> {
    [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat()
}

/// Puts entries beside those of the newest commit, and commits them past all of git's own checks.
fn commit_with(site: &Site, entries: impl FnOnce(&Repository) -> Vec<Vec<u8>>) {
    let repository = Repository::open(site.path("site")).unwrap();
    let parent = repository.head().unwrap().peel_to_commit().unwrap();
    let odb = repository.odb().unwrap();
    let mut tree = odb.read(parent.tree_id()).unwrap().data().to_vec();
    tree.extend(entries(&repository).concat());
    let tree = odb.write(ObjectType::Tree, &tree).unwrap();
    let commit =
        format!("tree {tree}\nparent {}\nauthor n <e> 0 +0000\ncommitter n <e> 0 +0000\n\nhostile\n", parent.id());
    let commit = odb.write(ObjectType::Commit, commit.as_bytes()).unwrap();
    repository.reference("refs/heads/main", commit, true, "hostile").unwrap();
}

fn blob(repository: &Repository, content: &[u8]) -> Oid {
    repository.blob(content).unwrap()
}

fn tree(repository: &Repository, entries: &[Vec<u8>]) -> Oid {
    repository.odb().unwrap().write(ObjectType::Tree, &entries.concat()).unwrap()
}

/// Starts, or says in time why not; what is asked for holds nothing of this machine either way.
fn harmless(site: &Site) -> Result<Server, NotStarted> {
    let start = Instant::now();
    let started = Server::with(site, &site.url(), &[]);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let told = match &started {
        Ok(server) => {
            let pages =
                ["/", "/generations", "/hosts/c0", "/graph/compute.svg"].map(|path| server.get(STRANGER, path).text());
            format!("{}{}{}", pages.concat(), server.get(C0.1, "/ks/c0.ks").text(), server.log())
        }
        Err((code, said)) => {
            assert!(matches!(code, Some(1 | 3)), "{code:?}: {said}");
            said.clone()
        }
    };
    assert!(!told.contains("root:x:") && !told.contains("daemon:"), "{told}");
    started
}

#[test]
fn names_that_lead_out_of_a_tree_are_not_followed() {
    for name in ["..", ".git", ".", "", "../../secrets", "/etc", "a/../../b", "nodes\\..\\x"] {
        let site = Site::in_git();
        commit_with(&site, |repository| {
            let file = blob(repository, b"<kickstart><package>hostile</package></kickstart>");
            let folder = tree(repository, &[entry("100644", "rootpw", file), entry("100644", "compute.xml", file)]);
            vec![
                entry("40000", name, folder),
                entry("40000", "rolls", tree(repository, &[entry("40000", name, folder)])),
            ]
        });
        let _ = harmless(&site);
        assert_eq!(std::fs::read_to_string(site.state().join("secrets/rootpw")).unwrap().trim(), SECRET);
    }
}

#[test]
fn links_in_a_repository_lead_to_nothing_of_this_machine() {
    for target in ["/etc/passwd", "../../../../../../../etc/passwd", "../../state/secrets/rootpw", "secrets/rootpw"] {
        let site = Site::in_git();
        std::os::unix::fs::symlink(target, site.path("site/nodes/more.xml")).unwrap();
        std::fs::create_dir(site.path("site/include")).unwrap();
        std::os::unix::fs::symlink(target, site.path("site/include/text")).unwrap();
        let module = "<kickstart><post><include file=\"text\"/></post></kickstart>";
        crate::support::write(&site.path("site/nodes/extend-compute.xml"), module);
        site.commit("links");
        let (_, said) = harmless(&site).err().unwrap_or_else(|| panic!("{target} is taken"));
        assert!(!said.contains(SECRET), "{said}");
    }
    let site = Site::in_git();
    std::fs::remove_file(site.inventory()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", site.inventory()).unwrap();
    site.commit("the inventory is a link");
    assert!(harmless(&site).is_err());
}

#[test]
fn links_that_lead_in_circles_come_to_an_end() {
    let site = Site::in_git();
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, site.path("site").join(name)).unwrap();
    link("loop.xml", "nodes/loop.xml");
    link("b", "nodes/a");
    link("a", "nodes/b");
    link(".", "nodes/here");
    link("..", "nodes/above");
    link("../nodes", "graphs/nodes");
    site.commit("circles");
    let _ = harmless(&site);
}

#[test]
fn trees_of_trees_come_to_an_end() {
    let site = Site::in_git();
    commit_with(&site, |repository| {
        let mut inner = tree(repository, &[entry("100644", "x.xml", blob(repository, b"<kickstart/>"))]);
        for _ in 0..12 {
            let entries: Vec<_> = (0..10).map(|number| entry("40000", &format!("d{number}"), inner)).collect();
            inner = tree(repository, &entries);
        }
        vec![entry("40000", "rolls", inner)]
    });
    assert!(harmless(&site).is_err());
}

#[test]
fn a_tree_that_is_deep_or_wide_comes_to_an_end() {
    let site = Site::in_git();
    commit_with(&site, |repository| {
        let file = blob(repository, b"<kickstart/>");
        let wide: Vec<_> = (0..200_000).map(|number| entry("100644", &format!("{number:06}.txt"), file)).collect();
        let mut deep = tree(repository, &[entry("100644", "x.xml", file)]);
        for _ in 0..2000 {
            deep = tree(repository, &[entry("40000", "d", deep)]);
        }
        vec![entry("40000", "rolls", deep), entry("40000", "site-nodes", tree(repository, &wide))]
    });
    assert!(harmless(&site).is_err());
}

#[test]
fn large_files_and_repositories_in_repositories_are_not_read() {
    let site = Site::in_git();
    crate::support::write(&site.path("site/nodes/large.xml"), vec![b' '; 20 << 20]);
    site.commit("large");
    assert!(harmless(&site).err().unwrap().1.contains("nodes/large.xml"));
    let site = Site::in_git();
    commit_with(&site, |_| vec![entry("160000", "rolls", Oid::from_str(&"1".repeat(40)).unwrap())]);
    assert!(harmless(&site).err().unwrap().1.contains("submodule"));
}

/// A site in git whose inventory says this, refused.
fn refused(edits: &[(&str, &str)]) -> String {
    let site = Site::in_git();
    for (from, to) in edits {
        site.edit(from, to);
    }
    site.commit("greedy");
    crate::support::write(&site.path("outside/file"), "outside");
    match harmless(&site) {
        Err((_, said)) => said,
        Ok(server) => {
            let paths =
                ["/install/x/passwd", "/install/x/rootpw", "/install/x/state.sqlite", "/boot/passwd", "/boot/rootpw"];
            let more =
                ["/boot/state.sqlite", "/boot/secrets/rootpw", "/install/x/secrets/rootpw", "/install/x/outside/file"];
            for path in paths.into_iter().chain(more).chain(["/boot/source.git/HEAD", "/install/x/HEAD"]) {
                let answer = server.get(STRANGER, path);
                assert!(answer.status >= 400, "{path} of {edits:?}: {answer:?}");
            }
            String::new()
        }
    }
}

#[test]
fn a_repository_does_not_name_directories_of_this_machine_for_secrets_and_boot_files() {
    for path in ["/etc", "../site", "..", "boot/../.."] {
        let said = refused(&[("boot_files = \"served/boot\"", &format!("boot_files = \"{path}\""))]);
        assert!(said.contains("boot_files"), "{path}: {said}");
        let said = refused(&[(
            "boot_files = \"served/boot\"",
            &format!("boot_files = \"served/boot\"\nsecrets = \"{path}\""),
        )]);
        assert!(said.contains("secrets"), "{path}: {said}");
    }
}

#[test]
fn a_repository_does_not_name_trees_of_this_machine() {
    for path in ["/etc", "..", "../..", "served/../..", "/"] {
        refused(&[("el9 = \"served/tree\"", &format!("el9 = \"served/tree\"\nx = \"{path}\""))]);
    }
}

#[test]
fn a_repository_does_not_show_the_state_or_the_secrets() {
    for path in [".", "secrets", "./secrets", "source.git", "served/../secrets"] {
        refused(&[("el9 = \"served/tree\"", &format!("el9 = \"served/tree\"\nx = \"{path}\""))]);
    }
}

#[test]
fn boot_files_of_a_repository_are_not_the_state_or_the_secrets() {
    for path in [".", "secrets"] {
        let site = Site::in_git();
        site.edit("boot_files = \"served/boot\"", &format!("boot_files = \"{path}\""));
        site.commit("greedy");
        // The files that machines load are there too, so that nothing else is wrong with it.
        for name in ["vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi"] {
            crate::support::write(&site.state().join(path).join(name), name);
        }
        let Ok(server) = harmless(&site) else { continue };
        for name in ["rootpw", "secrets/rootpw", "state.sqlite", "source.git/HEAD", "lock"] {
            assert_eq!(server.get(STRANGER, &format!("/boot/{name}")).status, 404, "{path}: {name}");
        }
    }
}

#[test]
fn programs_of_a_repository_do_not_run() {
    let site = Site::in_git();
    let mark = site.path("it-ran");
    let module = format!("<kickstart><post><eval>touch {}; echo x</eval></post></kickstart>", mark.display());
    crate::support::write(&site.path("site/nodes/extend-compute.xml"), module);
    site.edit("[attributes]", "[language]\neval = \"on\"\n[attributes]");
    site.commit("eval");
    let (_, said) = harmless(&site).err().expect("it is taken");
    assert!(said.contains("--allow-eval") && !mark.exists(), "{said}");
}

#[test]
fn a_url_runs_no_program() {
    let site = Site::new();
    let mark = site.path("it-ran");
    let touch = format!("touch {}", mark.display());
    let urls = [
        format!("ext::sh -c \"{touch}\""),
        format!("ext::{touch}%20://x"),
        format!("--upload-pack={touch}://x"),
        format!("-u{touch}"),
        format!("ssh://-oProxyCommand={touch}/x"),
        format!("-oProxyCommand={touch}:x"),
        format!("git@-oProxyCommand={touch}:x"),
        format!("fd::17/{touch}"),
        "file:///etc/passwd".to_owned(),
        format!("file://$({touch})"),
    ];
    for url in urls {
        let mut command = crate::support::kgen();
        command.arg("serve").arg(format!("--site={url}")).arg("--state").arg(site.state());
        command.args(["--listen", "127.0.0.1:0"]).current_dir(site.path("site").parent().unwrap());
        let started = Server::of(command, &site);
        assert!(started.is_err(), "{url}");
        assert!(!Path::new(&mark).exists(), "{url}");
    }
}

#[test]
fn a_password_in_a_url_is_not_told() {
    let site = Site::new();
    let url = "http://me:the-pass-word@127.0.0.1:1/site.git";
    let (_, said) = Server::with(&site, url, &[]).err().unwrap();
    assert!(said.contains("127.0.0.1:1") && !said.contains("the-pass-word"), "{said}");
}
