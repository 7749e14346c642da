//! Repositories from elsewhere: only what changed comes, everything is checked, and what is here is always whole.

use std::fs;
use std::path::Path;

use kgen::dist::repodata::read::Repository;

use crate::made::{Site, put};
use crate::support::write;
use crate::web::{Fault, Web};

/// An index of a directory of packages, as kgen writes it: what another site serves.
struct Upstream {
    site: Site,
}

impl Upstream {
    fn new() -> Self {
        let site = Site::new("sources = [{ name = \"all\", directory = \"packages\" }]\nlinks = \"copy\"\n", &[]);
        for number in 0..8 {
            site.put("packages", &format!("p{number}-1-1.x86_64"), &["provides: x", "file: /usr/bin/x"]);
        }
        site.put("packages", "git-1.0^git1+x-1.x86_64", &[]);
        site.build();
        Self { site }
    }

    fn tree(&self) -> std::path::PathBuf {
        self.site.tree()
    }
}

/// A site that mirrors a URL.
fn mirroring(url: &str) -> Site {
    Site::new(&format!("sources = [{{ name = \"up\", url = \"{url}\" }}]\n"), &[])
}

fn copy(site: &Site) -> std::path::PathBuf {
    site.at("mirror/el9/up/all")
}

/// Every package that the index names is there and has its checksum.
fn is_whole(tree: &Path) -> usize {
    let packages = Repository::open(tree).unwrap().packages().unwrap();
    for package in &packages {
        let bytes = fs::read(tree.join(&package.location)).unwrap();
        let found = kgen::dist::repodata::read::digest("sha256", &mut &bytes[..]).unwrap();
        assert_eq!(found, package.digest.value, "{}", package.location);
    }
    packages.len()
}

#[test]
fn only_what_changed_is_fetched_and_the_copy_can_be_built_from() {
    let upstream = Upstream::new();
    let web = Web::of(&upstream.tree());
    let site = mirroring(&web.url);
    site.dist(&["mirror"]).says(0, &["el9 up: 9 packages, 12 files fetched", "new: mirror/el9/up/all"]);
    assert_eq!(is_whole(&copy(&site)), 9);
    assert!(web.asked().iter().any(|path| path.contains("git-1.0%5Egit1%2Bx-1.x86_64.rpm")));
    site.dist(&["mirror"]).says(0, &["9 packages; unchanged"]);
    let asked = web.asked();
    assert!(!asked.iter().any(|path| path.ends_with(".rpm") || path.contains("primary")), "{asked:#?}");
    // One is newer, one is gone.
    upstream.site.put("packages", "p0-2-1.x86_64", &[]);
    fs::remove_file(upstream.site.at("packages/p7-1-1.x86_64.rpm")).unwrap();
    upstream.site.build();
    site.dist(&["mirror"])
        .says(0, &["8 packages, 4 files fetched", "2 vanished there and kept here (--delete takes them away)"]);
    let packages: Vec<String> = web.asked().into_iter().filter(|path| path.ends_with(".rpm")).collect();
    assert_eq!(packages, ["/Packages/p/p0-2-1.x86_64.rpm"]);
    assert_eq!(is_whole(&copy(&site)), 8);
    assert!(copy(&site).join("Packages/p/p7-1-1.x86_64.rpm").exists());
    site.dist(&["mirror", "--delete"]).says(0, &["2 taken away"]);
    assert!(!copy(&site).join("Packages/p/p7-1-1.x86_64.rpm").exists());
    site.build();
    assert_eq!(site.packages().len(), 8);
}

#[test]
fn a_transfer_is_taken_up_where_it_ended() {
    let upstream = Upstream::new();
    let web = Web::of(&upstream.tree());
    let site = mirroring(&web.url);
    web.fault("p3-1-1.x86_64.rpm", Fault::Cut(2, 1000));
    web.fault("p4-1-1.x86_64.rpm", Fault::Unavailable(2));
    site.dist(&["mirror"]).says(0, &["9 packages"]);
    assert_eq!(is_whole(&copy(&site)), 9);
    let asked: Vec<String> = web.asked().into_iter().filter(|path| path.contains("p3-")).collect();
    assert_eq!(
        asked,
        [
            "/Packages/p/p3-1-1.x86_64.rpm",
            "/Packages/p/p3-1-1.x86_64.rpm from 1000",
            "/Packages/p/p3-1-1.x86_64.rpm from 2000"
        ]
    );
    // Who knows no ranges sends it whole.
    let site = mirroring(&web.url);
    web.fault("p3-1-1.x86_64.rpm", Fault::Cut(1, 1000));
    site.dist(&["mirror", "--jobs", "1"]).says(0, &["9 packages"]);
    web.fault("p3-1-1.x86_64.rpm", Fault::NoRanges);
    let site = mirroring(&web.url);
    site.dist(&["mirror"]).says(0, &["9 packages"]);
    assert_eq!(is_whole(&copy(&site)), 9);
}

#[test]
fn what_is_not_what_it_should_be_is_refused_and_the_copy_stays() {
    let upstream = Upstream::new();
    let web = Web::of(&upstream.tree());
    let site = mirroring(&web.url);
    site.dist(&["mirror"]).says(0, &["9 packages"]);
    let before = fs::read_link(copy(&site)).unwrap();
    upstream.site.put("packages", "p0-2-1.x86_64", &[]);
    upstream.site.put("packages", "p1-2-1.x86_64", &[]);
    upstream.site.build();
    for file in ["primary.xml.gz", "repomd.xml"] {
        web.fault(file, Fault::Garbled);
        let run = site.dist(&["mirror"]);
        assert_eq!(run.code, 3, "{run:#?}");
        assert_eq!(is_whole(&copy(&site)), 9);
        web.mend();
    }
    for (fault, words) in [
        (Fault::Garbled, "its checksum is not the one that the metadata has"),
        (Fault::Gone, "there is no such file"),
        (Fault::Endless, "bytes, but should have"),
    ] {
        web.fault("p1-2-1.x86_64.rpm", fault);
        site.dist(&["mirror"]).says(3, &["cannot fetch http://127.0.0.1", "p1-2-1.x86_64.rpm", words]);
        assert_eq!(fs::read_link(copy(&site)).unwrap(), before);
        assert_eq!(is_whole(&copy(&site)), 9);
        web.mend();
    }
    // What came is not fetched again.
    web.asked();
    site.dist(&["mirror"]).says(0, &["9 packages"]);
    assert!(!web.asked().iter().any(|path| path.contains("p0-2-1")));
    assert_eq!(is_whole(&copy(&site)), 9);
}

#[test]
fn a_repository_that_is_a_directory_is_mirrored_too() {
    let upstream = Upstream::new();
    let site = mirroring(&format!("file://{}", upstream.tree().display()));
    site.dist(&["mirror", "--format", "json"]).says(0, &["\"packages\": 9", "\"fetched\": 12", "\"changed\": true"]);
    assert_eq!(is_whole(&copy(&site)), 9);
    let site = mirroring("file:///nonexistent");
    site.dist(&["mirror"]).says(3, &["cannot fetch file:///nonexistent/repodata/repomd.xml: there is no such file"]);
    assert!(!copy(&site).exists());
}

#[test]
fn metadata_that_leads_elsewhere_is_refused() {
    let upstream = Upstream::new();
    let tree = upstream.tree();
    let primary = fs::read_dir(tree.join("repodata")).unwrap().map(|entry| entry.unwrap().path());
    let primary = primary.into_iter().find(|path| path.display().to_string().contains("primary")).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut kgen::dist::repodata::bounded::unpacked(&fs::read(&primary).unwrap()[..], 1 << 30).unwrap(),
        &mut text,
    )
    .unwrap();
    for evil in [
        "../../../etc/passwd.rpm",
        "/etc/passwd.rpm",
        "a/../../b.rpm",
        "repodata/repomd.xml",
        "x\u{7}.rpm",
        "a.rpm",
        "b.rpm",
        "c.rpm",
        "d.rpm",
    ] {
        let evil_text = text.replacen("Packages/p/p0-1-1.x86_64.rpm", evil, 1);
        let evil_text = evil_text.replacen("<file>", "<file type=\"odd\">", usize::from(evil == "a.rpm"));
        let evil_text = match evil {
            // A checksum names a file, too.
            "b.rpm" => evil_text.replacen("type=\"sha256\"", "type=\"/tmp/evil\"", 1),
            "c.rpm" => evil_text.replacen("pkgid=\"YES\">", "pkgid=\"YES\">../", 1),
            "d.rpm" => evil_text[..evil_text.len() - 40].to_owned(),
            _ => evil_text,
        };
        let digest = kgen::dist::repodata::read::digest("sha256", &mut evil_text.as_bytes()).unwrap();
        let other = tempfile::tempdir().unwrap();
        write(&other.path().join("repodata/primary.xml"), &evil_text);
        write(
            &other.path().join("repodata/repomd.xml"),
            format!(
                "<repomd><data type=\"primary\"><checksum type=\"sha256\">{digest}</checksum><location href=\"repodata/primary.xml\"/><timestamp>1</timestamp><size>{}</size></data></repomd>",
                evil_text.len()
            ),
        );
        let site = mirroring(&format!("file://{}", other.path().display()));
        let run = site.dist(&["mirror"]);
        assert_eq!(run.code, 3, "{evil}: {run:#?}");
        assert!(run.err.contains("cannot be used") && !run.err.contains("panicked"), "{evil}: {run:#?}");
    }
}

#[test]
fn a_copy_that_was_damaged_is_mended() {
    let upstream = Upstream::new();
    let web = Web::of(&upstream.tree());
    let site = mirroring(&web.url);
    site.dist(&["mirror"]).says(0, &["9 packages"]);
    site.build();
    fs::remove_file(copy(&site).join("Packages/p/p1-1-1.x86_64.rpm")).unwrap();
    fs::write(copy(&site).join("Packages/p/p2-1-1.x86_64.rpm"), "short").unwrap();
    site.dist(&["mirror"]).says(0, &["2 files fetched", "new: mirror/el9/up/all"]);
    assert_eq!(is_whole(&copy(&site)), 9);
    site.dist(&["mirror"]).says(0, &["unchanged"]);
    fs::remove_file(site.tree().join("Packages/p/p3-1-1.x86_64.rpm")).unwrap();
    assert_eq!(site.build()[0]["changed"], true);
    assert_eq!(is_whole(&site.tree()), 9);
    // Another way of linking is another tree.
    let inventory = fs::read_to_string(site.at("cluster.toml")).unwrap();
    site.file("cluster.toml", format!("{inventory}links = \"copy\"\n"));
    site.build();
    // A byte of a package is seen where it is looked for, of the index always.
    let package = copy(&site).join("Packages/p/p4-1-1.x86_64.rpm");
    let mut bytes = fs::read(&package).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::remove_file(&package).unwrap();
    fs::write(&package, bytes).unwrap();
    site.dist(&["build"]).says(0, &["(`kgen dist mirror --verify` mends a copy); it is left out"]);
    site.dist(&["mirror", "--verify"]).says(0, &["1 files fetched"]);
    assert_eq!(is_whole(&copy(&site)), 9);
    site.dist(&["build"]).says(0, &["9 packages"]);
    let list = crate::support::entries(&copy(&site).join("repodata")).into_iter();
    let list = list.into_iter().find(|path| path.display().to_string().contains("primary")).unwrap();
    let mut bytes = fs::read(&list).unwrap();
    bytes[20] ^= 1;
    fs::remove_file(&list).unwrap();
    fs::write(&list, bytes).unwrap();
    site.dist(&["mirror"]).says(0, &["new"]);
    assert_eq!(is_whole(&copy(&site)), 9);
}

#[test]
fn the_same_file_in_two_places_is_fetched_once() {
    let upstream = Upstream::new();
    let tree = upstream.tree();
    for path in ["images/a", "images/b"] {
        write(&tree.join(path), "the same");
    }
    let digest = kgen::dist::repodata::read::digest("sha256", &mut &b"the same"[..]).unwrap();
    write(&tree.join(".treeinfo"), format!("[checksums]\nimages/a = sha256:{digest}\nimages/b = sha256:{digest}\n"));
    let web = Web::of(&tree);
    let site = mirroring(&web.url);
    site.dist(&["mirror", "--jobs", "8"]).says(0, &["13 files fetched"]);
    assert_eq!(fs::read_to_string(copy(&site).join("images/b")).unwrap(), "the same");
}

#[test]
fn the_files_of_an_installer_come_with_the_packages() {
    let upstream = Upstream::new();
    let tree = upstream.tree();
    write(&tree.join("images/pxeboot/vmlinuz"), "kernel");
    let digest = kgen::dist::repodata::read::digest("sha256", &mut &b"kernel"[..]).unwrap();
    write(
        &tree.join(".treeinfo"),
        format!(
            "[general]\nfamily = x\n[checksums]\nimages/pxeboot/vmlinuz = sha256:{digest}\nimages/boot.iso = sha256:{digest}\n../x = sha256:{digest}\n[tree]\narch = x86_64\n"
        ),
    );
    let web = Web::of(&tree);
    let site = mirroring(&web.url);
    site.dist(&["mirror"]).says(0, &["13 files fetched"]);
    assert_eq!(fs::read_to_string(copy(&site).join("images/pxeboot/vmlinuz")).unwrap(), "kernel");
    assert!(copy(&site).join(".treeinfo").is_file());
    // They are not fetched again, and come into the tree that is built.
    site.dist(&["mirror"]).says(0, &["unchanged"]);
    site.build();
    assert_eq!(fs::read_to_string(site.tree().join("images/pxeboot/vmlinuz")).unwrap(), "kernel");
}

#[test]
fn a_site_is_mirrored_by_another_and_so_on() {
    let first = Upstream::new();
    let second = mirroring(&format!("file://{}", first.tree().display()));
    second.dist(&["mirror"]).says(0, &[]);
    let inventory = fs::read_to_string(second.at("cluster.toml")).unwrap();
    second
        .file("cluster.toml", inventory.replace("sources = [", "sources = [{ name = \"own\", directory = \"own\" }, "));
    put(&second.at("own"), "p0-5-1.x86_64", &[]);
    second.build();
    let third = mirroring(&format!("file://{}", second.tree().display()));
    third.dist(&["mirror"]).says(0, &["9 packages"]);
    third.build();
    assert!(third.packages().contains(&"p0-5-1.x86_64".to_owned()));
    assert_eq!(third.packages().len(), 9);
}
