//! Packages and metadata that are damaged, or made to do damage: told by name, bounded, and never in a tree.

use std::fs;
use std::io::Write;
use std::process::Command;

use kgen::dist::header::parse_bytes;
use kgen::dist::repodata::read::Repository;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::made::{Site, package};
use crate::support::{found, program, run, write};

const ONE: &str = "sources = [{ name = \"base\", directory = \"base\" }]\n";

fn bytes(nevra: &str, says: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    package(nevra, says).write(&mut bytes).unwrap();
    bytes
}

/// Sites with one good package and one file that is none.
fn site_with(name: &str, content: &[u8]) -> Site {
    let site = Site::new(ONE, &[]);
    site.put("base", "good-1-1.x86_64", &["file: /usr/bin/good"]);
    site.file(&format!("base/{name}"), content);
    site
}

#[test]
fn a_damaged_package_is_named_and_left_out_or_nothing_is_built() {
    let whole = bytes("foo-1-1.x86_64", &["file: /usr/bin/foo", "file: /usr/share/foo"]);
    let cut = |length: usize| whole[..length].to_vec();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let longer = [whole.clone(), vec![0; 5]].concat();
    let cases: Vec<(&str, Vec<u8>, String)> = vec![
        ("foo-1-1.x86_64.rpm", Vec::new(), "is no RPM package".to_owned()),
        ("foo-1-1.x86_64.rpm", b"#!/bin/sh\nexit 1\n".repeat(30), "is no RPM package".to_owned()),
        ("foo-1-1.x86_64.rpm", cut(100), "is truncated: it ends in its header".to_owned()),
        (
            "foo-1-1.x86_64.rpm",
            cut(whole.len() - 1),
            format!("is truncated: it has {} of {} bytes", whole.len() - 1, whole.len()),
        ),
        (
            "foo-1-1.x86_64.rpm",
            longer,
            format!("has {} bytes, but its header speaks of {}", whole.len() + 5, whole.len()),
        ),
        (
            "foo-1-1.x86_64.rpm",
            flipped(whole.len() - 60),
            "is damaged: the checksum of its payload does not fit".to_owned(),
        ),
        ("foo-1-2.x86_64.rpm", whole.clone(), "is called otherwise than what it is, `foo-1-1.x86_64.rpm`".to_owned()),
    ];
    for (name, content, words) in cases {
        let site = site_with(name, &content);
        let told = format!("warning: the package base/{name} of the source `base` {words}; it is left out");
        site.dist(&["build"]).says(0, &[&told, "1 faulty"]);
        assert_eq!(site.packages(), ["good-1-1.x86_64"]);
        // What was left out before is told again, from what was read.
        site.dist(&["build"]).says(0, &[&told]);
        let inventory = fs::read_to_string(site.at("cluster.toml")).unwrap();
        site.file("cluster.toml", format!("{inventory}faulty = \"refuse\"\n"));
        fs::remove_dir_all(site.at("served")).unwrap();
        site.dist(&["build"]).says(1, &["error: the package base/", &words]);
        assert!(!site.tree().exists());
    }
}

#[test]
fn every_torn_or_flipped_package_is_refused_or_is_what_it_was() {
    let whole = bytes("foo-1-1.x86_64", &["requires: bar >= 1", "file: /usr/bin/foo"]);
    let good = parse_bytes(&whole).unwrap();
    for length in 0..whole.len() {
        assert!(parse_bytes(&whole[..length]).is_err(), "{length} of {}", whole.len());
    }
    // The lead, and the padding between the headers, are looked at by nobody.
    for at in 96..whole.len() {
        for bit in [1, 0x80] {
            let mut flipped = whole.clone();
            flipped[at] ^= bit;
            if let Ok(found) = parse_bytes(&flipped) {
                assert_eq!(found, good, "byte {at}");
            }
        }
    }
}

/// Writes a number into a header: `at` counts from its first entry.
fn with_number(bytes: &[u8], at: usize, number: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
    bytes
}

#[test]
fn counts_and_offsets_without_end_are_refused_at_once() {
    let whole = bytes("foo-1-1.x86_64", &["file: /usr/bin/foo"]);
    let limits = [0x7fff_ffff, 0xffff_ffff, 0x1000_0000, 0x0fff_ffff, 65_536];
    // Of the signature's header: its entries and its data, and each field of its first entries.
    for number in limits {
        for at in [96 + 8, 96 + 12] {
            let said = parse_bytes(&with_number(&whole, at, number)).unwrap_err().to_string();
            assert!(said.contains("header") || said.contains("truncated"), "{at}: {said}");
        }
        for field in 0..40 {
            let _ = parse_bytes(&with_number(&whole, 96 + 16 + field * 4, number));
        }
    }
    let start = whole.windows(4).rposition(|four| four == [0x8e, 0xad, 0xe8, 1]).unwrap();
    for number in limits {
        for field in 0..200 {
            let _ = parse_bytes(&with_number(&whole, start + 8 + field * 4, number));
        }
    }
}

#[test]
fn random_damage_never_ends_the_program() {
    let whole = bytes("foo-1-1.x86_64", &["requires: (a if b)", "provides: c = 1", "file: /etc/foo"]);
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let damage = prop::collection::vec((96..whole.len(), any::<u8>()), 1..12);
    runner
        .run(&damage, |damage| {
            let mut bytes = whole.clone();
            damage.iter().for_each(|(at, byte)| bytes[*at] = *byte);
            let _ = parse_bytes(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_package_cannot_choose_a_place_outside_of_the_tree() {
    for name in ["../../evil", "a/b", ".hidden", "a b", "a\u{1b}[2J"] {
        let mut builder = rpm::PackageBuilder::new(name, "1", "MIT", "x86_64", "x");
        builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None));
        let Ok(package) = builder.release("1").build() else { continue };
        let mut content = Vec::new();
        package.write(&mut content).unwrap();
        let site = site_with("evil-1-1.x86_64.rpm", &content);
        site.dist(&["build"]).says(0, &["which cannot be the name of a file; it is left out"]);
        assert_eq!(site.packages(), ["good-1-1.x86_64"], "{name}");
    }
}

#[test]
fn paths_that_few_bytes_make_long_are_refused() {
    let mut builder = rpm::PackageBuilder::new("long", "1", "MIT", "x86_64", "x");
    builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None));
    builder.with_file_contents("x", rpm::FileOptions::new(format!("/{}/x", "d".repeat(5000)))).unwrap();
    let mut content = Vec::new();
    builder.release("1").build().unwrap().write(&mut content).unwrap();
    let said = parse_bytes(&content).unwrap_err().to_string();
    assert!(said.contains("its paths have more than 4096 bytes each"), "{said}");
}

#[test]
fn a_signed_header_does_not_cover_another_payload() {
    let site = Site::new(&format!("{ONE}keys = [\"ours.asc\"]\n"), &[]);
    let Some(()) = signed(&site, "ours", "good-1-1.x86_64") else { return };
    let path = site.at("base/good-1-1.x86_64.rpm");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 60;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    // An index that says that this is what it should be.
    let Some(createrepo) = program("createrepo_c") else { return };
    assert!(run(Command::new(createrepo).arg("-q").arg(site.at("base"))).0);
    let inventory = fs::read_to_string(site.at("cluster.toml")).unwrap();
    let url = format!("name = \"base\", url = \"file://{}\"", site.at("base").display());
    site.file("cluster.toml", inventory.replace("name = \"base\", directory = \"base\"", &url));
    site.dist(&["mirror"]).says(0, &["1 packages"]);
    let left = "error: no package is left for the distribution `el9` for x86_64";
    site.dist(&["build"]).says(1, &["is damaged: the checksum of its payload does not fit; it is left out", left]);
}

/// A tree with an index of one file, packed by a program.
fn tree_of(primary: &[u8], open_size: Option<u64>) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    let digest = kgen::dist::repodata::read::digest("sha256", &mut &primary[..]).unwrap();
    write(&tree.path().join("repodata/primary.xml.gz"), primary);
    let open = open_size.map(|size| format!("<open-size>{size}</open-size>")).unwrap_or_default();
    write(
        &tree.path().join("repodata/repomd.xml"),
        format!(
            "<repomd><data type=\"primary\"><checksum type=\"sha256\">{digest}</checksum>{open}<location href=\"repodata/primary.xml.gz\"/><timestamp>1</timestamp></data></repomd>"
        ),
    );
    tree
}

#[test]
fn a_bomb_in_metadata_does_not_go_off() {
    let pack = |text: &[&[u8]], times: usize| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
        (0..times).for_each(|_| text.iter().for_each(|part| packer.write_all(part).unwrap()));
        packer.finish().unwrap()
    };
    let megabyte = vec![b'x'; 1 << 20];
    // One text of two hundred megabytes.
    let endless = pack(&[&megabyte], 200);
    let said = Repository::open(tree_of(&endless, None).path()).unwrap().packages().unwrap_err().to_string();
    assert!(said.contains("one element has more than"), "{said}");
    // More than it says of itself.
    let longer = pack(&[b"<metadata packages=\"0\"></metadata>", &vec![b'\n'; 100_000]], 1);
    let said = Repository::open(tree_of(&longer, Some(100)).path()).unwrap().packages().unwrap_err().to_string();
    assert!(said.contains("more bytes than it should"), "{said}");
    // A file that stops, or says what nobody knows, ends no program.
    for text in [
        "<metadata packages=\"1\"><package type=\"rpm\"><name>a</name>",
        "<metadata><package type=\"rpm\"/></metadata>",
        "<metadata packages=\"1\"><package type=\"rpm\"><file type=\"odd\">/x</file></package></metadata>",
    ] {
        assert!(Repository::open(tree_of(&pack(&[text.as_bytes()], 1), None).path()).unwrap().packages().is_err());
    }
    assert!(kgen::dist::groups::parse("<comps><group><id>a</id>").is_err());
    // Entities are none.
    let entities = pack(&[b"<!DOCTYPE m [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><metadata packages=\"1\"><package type=\"rpm\"><name>&b;</name></package></metadata>"], 1);
    assert!(Repository::open(tree_of(&entities, None).path()).unwrap().packages().is_err());
    for text in [
        "",
        "<",
        "<metadata",
        "<metadata packages=\"x\">",
        "<metadata packages=\"9999999999\">",
        "\0\0\0",
        "<metadata packages=\"1\"><package>",
    ] {
        let _ = Repository::open(tree_of(&pack(&[text.as_bytes()], 1), None).path()).unwrap().packages();
    }
}

#[test]
fn metadata_that_was_changed_is_not_used() {
    let site = Site::new(ONE, &["good"]);
    site.put("base", "good-1-1.x86_64", &[]);
    site.build();
    site.dist(&["check"]).says(0, &["ok: the packages of 1 host in 1 list"]);
    let primary = crate::support::entries(&site.tree().join("repodata")).into_iter();
    let primary = primary.into_iter().find(|path| path.display().to_string().contains("primary")).unwrap();
    let mut bytes = fs::read(&primary).unwrap();
    bytes[20] ^= 1;
    fs::write(&primary, bytes).unwrap();
    site.dist(&["check"]).says(3, &["its checksum is not the one that repomd.xml has"]);
}

/// A key without a password, and packages that it signed. None where gpg or rpm are missing.
fn signed(site: &Site, key: &str, nevra: &str) -> Option<()> {
    let (gpg, rpmsign) = (program("gpg")?, program("rpmsign").or_else(|| program("rpm"))?);
    let home = site.at(&format!("gpg-{key}"));
    if !home.exists() {
        fs::create_dir_all(&home).unwrap();
        let (good, said) = run(Command::new(&gpg).env("GNUPGHOME", &home).args([
            "--batch",
            "--passphrase",
            "",
            "--quick-gen-key",
            key,
            "rsa2048",
            "sign",
            "never",
        ]));
        assert!(good, "{said}");
        let public = Command::new(&gpg).env("GNUPGHOME", &home).args(["--armor", "--export", key]).output().unwrap();
        site.file(&format!("{key}.asc"), public.stdout);
    }
    let path = site.put("base", nevra, &["file: /usr/bin/x"]);
    let (good, said) = run(Command::new(rpmsign)
        .env("GNUPGHOME", &home)
        .args(["--addsign", "--define", &format!("_gpg_name {key}"), "--define", "__gpg /usr/bin/gpg"])
        .arg(path));
    if !found("a program that signs packages", good) {
        eprintln!("{said}");
        return None;
    }
    let _ = run(Command::new("gpgconf").env("GNUPGHOME", &home).args(["--kill", "all"]));
    Some(())
}

#[test]
fn packages_are_of_the_sites_keys_where_it_has_any() {
    let site = Site::new(&format!("{ONE}keys = [\"ours.asc\"]\n"), &[]);
    let all = signed(&site, "ours", "ours-1-1.x86_64").and_then(|()| signed(&site, "theirs", "theirs-1-1.x86_64"));
    let Some(()) = all else { return };
    site.put("base", "unsigned-1-1.x86_64", &[]);
    site.dist(&["build"]).says(
        0,
        &[
            "base/unsigned-1-1.x86_64.rpm of the source `base` is not signed; it is left out",
            "base/theirs-1-1.x86_64.rpm of the source `base` is not signed by a key of the site",
        ],
    );
    assert_eq!(site.packages(), ["ours-1-1.x86_64"]);
    // Another key: what was found with the first says nothing.
    let inventory = fs::read_to_string(site.at("cluster.toml")).unwrap();
    site.file("cluster.toml", inventory.replace("ours.asc\"", "ours.asc\", \"theirs.asc\""));
    site.build();
    assert_eq!(site.packages(), ["ours-1-1.x86_64", "theirs-1-1.x86_64"]);
    site.file("ours.asc", "no key");
    site.dist(&["build"]).says(3, &["the key ours.asc cannot be used"]);
}
