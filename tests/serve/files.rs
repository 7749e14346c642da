//! Files: trees that machines install from. Parts of them, what is known already, and nothing outside of them.

use std::os::unix::fs::symlink;

use crate::lab::{SECRET, STRANGER, Server, Site};
use crate::support::write;
use crate::wire::{self, Answer};

const RPM: &str = "/install/el9/packages/a.rpm";

fn content() -> Vec<u8> {
    (0..100_000_u32).map(|number| (number % 251) as u8).collect()
}

fn with(server: &Server, headers: &str) -> Answer {
    server.ask(STRANGER, "GET", RPM, headers, b"")
}

#[test]
fn a_file_is_given_whole_or_in_the_part_that_is_asked_for() {
    let server = Server::start(&Site::new());
    let all = content();
    let answer = with(&server, "");
    assert_eq!((answer.status, answer.header("accept-ranges"), &answer.body), (200, Some("bytes"), &all));
    for (range, from, to) in
        [("0-9", 0, 9), ("99990-", 99_990, 99_999), ("-10", 99_990, 99_999), ("0-999999", 0, 99_999)]
    {
        let answer = with(&server, &format!("Range: bytes={range}\r\n"));
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.header("content-range"), Some(format!("bytes {from}-{to}/100000").as_str()));
        assert!(answer.body == all[from..=to], "{range}");
    }
    for range in ["bytes=100000-", "bytes=-0", "bytes=18446744073709551615-"] {
        let answer = with(&server, &format!("Range: {range}\r\n"));
        assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */100000")), "{range}");
    }
    let odd = ["bytes=9-0", "bytes=0-1,5-6", "bytes=a-b", "bytes=", "bytes=-", "lines=0-9", "bytes=1", "bytes=--1"];
    let huge = format!("bytes={}", "0-1,".repeat(1000));
    for range in odd.into_iter().chain([huge.as_str(), "bytes=99999999999999999999-", "bytes=0-99999999999999999999"]) {
        let answer = with(&server, &format!("Range: {range}\r\n"));
        assert!(answer.status == 200 && answer.body == all || answer.status == 416, "{range}: {}", answer.status);
    }
}

#[test]
fn who_has_a_file_already_is_told_so() {
    let server = Server::start(&Site::new());
    let tag = with(&server, "").header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let answer = server.ask(STRANGER, method, RPM, &format!("If-None-Match: {known}\r\n"), b"");
            assert_eq!((answer.status, answer.header("etag")), (304, Some(tag.as_str())), "{known}");
            assert!(answer.body.is_empty());
        }
    }
    assert_eq!(with(&server, "If-None-Match: \"other\"\r\n").status, 200);
    let part = |tag: &str| with(&server, &format!("Range: bytes=0-9\r\nIf-Range: {tag}\r\n")).status;
    assert_eq!((part(&tag), part("\"other\""), part(&format!("W/{tag}"))), (206, 200, 200));
}

#[test]
fn a_304_says_no_length_that_is_not_the_files() {
    let server = Server::start(&Site::new());
    let tag = with(&server, "").header("etag").unwrap().to_owned();
    for method in ["GET", "HEAD"] {
        let answer = server.ask(STRANGER, method, RPM, &format!("If-None-Match: {tag}\r\n"), b"");
        assert!(answer.header("content-length").is_none_or(|length| length == "100000"), "{method}: {answer:?}");
    }
}

#[test]
fn a_file_that_changes_has_another_tag() {
    let site = Site::new();
    let server = Server::start(&site);
    let before = with(&server, "").header("etag").unwrap().to_owned();
    write(&site.path("site/served/tree/packages/b.rpm"), content());
    std::fs::rename(site.path("site/served/tree/packages/b.rpm"), site.path("site/served/tree/packages/a.rpm"))
        .unwrap();
    assert_ne!(with(&server, "").header("etag").unwrap(), before);
    assert_eq!(with(&server, &format!("Range: bytes=0-9\r\nIf-Range: {before}\r\n")).status, 200);
}

/// Ways out of a tree, to a file beside it.
const WAYS_OUT: [&str; 28] = [
    "../secrets/rootpw",
    "..//secrets/rootpw",
    "./../secrets/rootpw",
    "packages/../../secrets/rootpw",
    "%2e%2e/secrets/rootpw",
    "%2E%2E/secrets/rootpw",
    ".%2e/secrets/rootpw",
    "%2e./secrets/rootpw",
    "..%2fsecrets%2frootpw",
    "%2e%2e%2fsecrets%2frootpw",
    "..%5csecrets%5crootpw",
    "..\\secrets\\rootpw",
    "%252e%252e/secrets/rootpw",
    "%252e%252e%252fsecrets%252frootpw",
    "..%c0%afsecrets%c0%afrootpw",
    "%c0%ae%c0%ae/secrets/rootpw",
    "%e0%80%ae%e0%80%ae/secrets/rootpw",
    "..;/secrets/rootpw",
    "..%00/secrets/rootpw",
    "../secrets/rootpw%00.rpm",
    "%uff0e%uff0e/secrets/rootpw",
    "\u{ff0e}\u{ff0e}/secrets/rootpw",
    "....//secrets/rootpw",
    "..?/secrets/rootpw",
    "..#/secrets/rootpw",
    "/secrets/rootpw",
    "//secrets/rootpw",
    "%2fetc/passwd",
];

#[test]
fn nothing_outside_of_a_tree_is_given_however_it_is_written() {
    let server = Server::start(&Site::new());
    for way in WAYS_OUT {
        for tree in ["/install/el9/", "/install/", "/boot/", "/boot/ipxe/", "/ks/", "/", "/graph/", "/hosts/"] {
            let bytes = format!("GET {tree}{way} HTTP/1.1\r\nHost: kgen\r\nConnection: close\r\n\r\n");
            let answer = wire::only(&server.raw(STRANGER, bytes.as_bytes()), false);
            let text = answer.text();
            assert!(!text.contains(SECRET) && !text.contains("root:"), "{tree}{way}: {answer:?}");
            // Where the way begins a query, what is asked for is what stands before it.
            let is_page = tree == "/" && way.starts_with('?');
            assert!([400, 403, 404].contains(&answer.status) || is_page, "{tree}{way}: {answer:?}");
        }
    }
}

#[test]
fn links_lead_to_files_within_their_tree_only() {
    let site = Site::new();
    let tree = site.path("site/served/tree");
    symlink("packages/a.rpm", tree.join("inside.rpm")).unwrap();
    symlink("packages", tree.join("also")).unwrap();
    symlink("../secrets/rootpw", tree.join("file")).unwrap();
    symlink("../secrets", tree.join("directory")).unwrap();
    symlink("/etc/passwd", tree.join("absolute")).unwrap();
    symlink("file", tree.join("twice")).unwrap();
    symlink("nothing", tree.join("broken")).unwrap();
    write(&site.path("site/served/tree-of-another/x"), SECRET);
    symlink("../tree-of-another/x", tree.join("neighbour")).unwrap();
    let server = Server::start(&site);
    for good in ["inside.rpm", "also/a.rpm"] {
        assert_eq!(server.get(STRANGER, &format!("/install/el9/{good}")).status, 200, "{good}");
    }
    for bad in ["file", "directory/rootpw", "absolute", "twice", "broken", "neighbour"] {
        let answer = server.get(STRANGER, &format!("/install/el9/{bad}"));
        assert_eq!(answer.status, 404, "{bad}: {answer:?}");
    }
    symlink("loop", tree.join("loop")).unwrap();
    assert!(server.get(STRANGER, "/install/el9/loop").status >= 400);
}

#[test]
fn directories_and_hidden_and_special_files_are_nothing() {
    let site = Site::new();
    let tree = site.path("site/served/tree");
    for name in [".git/config", ".hidden", "packages/.a.rpm.swp", ".ssh/id"] {
        write(&tree.join(name), SECRET);
    }
    let made = std::process::Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap();
    assert!(made.success());
    let _listener = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    let server = Server::start(&site);
    let names = ["", "/", ".git/config", ".git", ".hidden", "packages/.a.rpm.swp", ".ssh/id", "packages", "packages/"];
    let long = "x".repeat(300);
    for name in names.into_iter().chain(["pipe", "socket", "nothing", "packages/a.rpm/x", "%2egit/config", &long]) {
        let answer = server.get(STRANGER, &format!("/install/el9/{name}"));
        assert_eq!((answer.status, answer.text()), (404, "there is nothing here\n".to_owned()), "{name}");
    }
    assert_eq!(server.get(STRANGER, "/install/el9/.treeinfo").text(), "[general]\n");
    assert_eq!(server.get(STRANGER, "/install/el9/empty").body, b"");
    assert_eq!(server.get(STRANGER, "/install/other/a").status, 404);
}

#[test]
fn what_cannot_be_read_is_a_failure_of_ours_that_tells_no_path() {
    let site = Site::new();
    let server = Server::start(&site);
    std::fs::rename(site.path("site/served/tree"), site.path("site/served/elsewhere")).unwrap();
    let answer = with(&server, "");
    assert_eq!(answer.status, 500);
    assert!(!answer.text().contains("site"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some());
    server.tells("served/tree");
}
