//! Every route: what it answers to GET and HEAD, to wrong methods, to a `Host` that is not ours; and that looking
//! changes nothing.

use crate::lab::{C0, C1, DISK, OPERATOR, SICK, STRANGER, Server, Site, until};
use crate::wire;

/// Each route with the methods that it takes.
const ROUTES: [(&str, &str); 32] = [
    ("/", "GET, HEAD"),
    ("/healthz", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/hosts/c0", "GET, HEAD"),
    ("/generations", "GET, HEAD"),
    ("/graph", "GET, HEAD"),
    ("/graph/compute", "GET, HEAD"),
    ("/graph/compute.svg", "GET, HEAD"),
    ("/sightings", "GET, HEAD"),
    ("/ks", "GET, HEAD"),
    ("/ks/c0.ks", "GET, HEAD"),
    ("/ks/c0/token", "POST"),
    ("/ks/c0/progress", "POST"),
    ("/ks/c0/success", "POST"),
    ("/install/sbin/kickstart.cgi", "GET, HEAD"),
    ("/boot/boot.ipxe", "GET, HEAD"),
    ("/boot/ipxe/52-54-00-00-00-0a.ipxe", "GET, HEAD"),
    ("/boot/ipxe/unknown.ipxe", "GET, HEAD"),
    ("/boot/pxelinux.cfg/01-52-54-00-00-00-0a", "GET, HEAD"),
    ("/boot/grub/grub.cfg-01-52-54-00-00-00-0a", "GET, HEAD"),
    ("/boot/vmlinuz", "GET, HEAD"),
    ("/install/el9/packages/a.rpm", "GET, HEAD"),
    ("/api/v1/openapi.json", "GET, HEAD"),
    ("/api/v1/hosts", "GET, HEAD"),
    ("/api/v1/hosts/c0", "GET, HEAD, DELETE"),
    ("/api/v1/events", "GET, HEAD"),
    ("/api/v1/boot", "POST"),
    ("/api/v1/refresh", "POST"),
    ("/api/v1/accept", "POST"),
    ("/api/v1/pins", "POST"),
    ("/api/v1/pins/c0", "DELETE"),
];

fn bearer() -> String {
    format!("Authorization: Bearer {OPERATOR}\r\n")
}

#[test]
fn head_is_get_without_the_body_on_every_route() {
    let server = Server::start(&Site::new());
    server.script(C0);
    let more = ["/nothing", "/install/el9/nothing", "/install", "/%2e%2e", "/ks/nobody", "/install/el9/empty"];
    for path in ROUTES.iter().map(|(path, _)| *path).chain(more) {
        for header in ["".to_owned(), bearer()] {
            let get = server.ask(C0.1, "GET", path, &header, b"");
            let head = server.ask(C0.1, "HEAD", path, &header, b"");
            assert_eq!(head.body, b"");
            assert_eq!(head.status, get.status, "{path}");
            let length = head.header("content-length").unwrap_or_else(|| panic!("{path}: {head:?}"));
            // What is measured anew each time may have another length.
            if !["/metrics", "/", "/hosts/c0", "/generations", "/sightings"].contains(&path) {
                assert_eq!(length, get.body.len().to_string(), "{path}: {get:?}");
            }
            assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
            assert_eq!(head.header("etag"), get.header("etag"), "{path}");
        }
    }
}

#[test]
fn no_route_redirects_and_every_answer_says_its_type() {
    let server = Server::start(&Site::new());
    let more = ["/install/el9", "/install/el9/", "/install/el9/packages", "/ks/", "/boot", "/boot/", "//", "/graph/"];
    for path in ROUTES.iter().map(|(path, _)| *path).chain(more) {
        for from in [C0.1, STRANGER] {
            let answer = server.get(from, path);
            assert!(!(300..400).contains(&answer.status), "{path}: {answer:?}");
            assert_eq!(answer.header("location"), None, "{path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("x-request-id").is_some(), answer.status >= 400, "{path}");
        }
    }
}

#[test]
fn a_method_that_a_route_does_not_take_is_405_with_those_that_it_takes() {
    let server = Server::start(&Site::new());
    let (script, token) = server.script(C0);
    let known = ["GET", "POST", "DELETE"];
    for (path, allowed) in ROUTES {
        for method in known.into_iter().filter(|method| !allowed.contains(method)) {
            let path = format!("{path}?token={token}");
            let answer = server.ask(C0.1, method, &path, &bearer(), b"{}");
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}: {answer:?}");
        }
    }
    assert_eq!(server.script(C0).0, script);
}

#[test]
fn a_method_that_no_route_takes_is_405_too() {
    let server = Server::start(&Site::new());
    for (path, _) in ROUTES {
        for method in ["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "G", "DELETED"] {
            let answer = server.ask(C0.1, method, path, &bearer(), b"{}");
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert!(answer.header("allow").is_some(), "{method} {path}");
            assert!(!answer.text().contains(OPERATOR), "TRACE tells nothing");
        }
    }
}

#[test]
fn what_405_allows_is_what_the_route_takes_whatever_the_method_was() {
    let server = Server::start(&Site::new());
    for (path, allowed) in ROUTES {
        let answer = server.ask(C0.1, "PUT", path, &bearer(), b"{}");
        assert_eq!(answer.header("allow"), Some(allowed), "PUT {path}: {answer:?}");
    }
}

#[test]
fn slashes_too_many_are_tolerated() {
    let server = Server::start(&Site::new());
    for path in ["//healthz", "/boot//vmlinuz", "/boot/boot.ipxe/", "///install//el9///packages/a.rpm", "/ks/c0.ks/"] {
        assert_eq!(server.get(C0.1, path).status, 200, "{path}");
    }
}

#[test]
fn a_host_that_is_not_ours_is_only_a_word() {
    let server = Server::start(&Site::new());
    let ask = |from: &str, target: &str, host: &str| {
        let bytes = format!("GET {target} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        wire::only(&server.raw(from, bytes.as_bytes()), false)
    };
    for host in ["Host: evil.example\r\n", "Host: 127.1.0.5\r\n", "Host: \r\n", "Host: a\r\nHost: b\r\n", ""] {
        for target in ["/ks/c0.ks", "http://evil.example/ks/c0.ks", "http://c0@evil.example/ks/c0.ks"] {
            let own = ask(C0.1, target, host);
            assert!([200, 400].contains(&own.status), "{host} {target}: {own:?}");
            let foreign = ask(STRANGER, target, host);
            assert!([403, 400].contains(&foreign.status), "{host} {target}: {foreign:?}");
            assert!(!own.headers.iter().any(|(_, value)| value.contains("evil")));
        }
        let script = ask(C1.1, C1.2, host);
        assert!(!script.text().contains("evil"), "{script:?}");
    }
    for target in ["*", "http://evil.example", "evil.example:80", "ks/c0.ks", "?x", "http:///ks/c0.ks", "\\ks\\c0.ks"] {
        let answer = ask(STRANGER, target, "Host: kgen\r\n");
        assert!(answer.status >= 400 || answer.text().contains("<html"), "{target}: {answer:?}");
    }
}

#[test]
fn many_looks_change_nothing_that_a_machine_is_given_next() {
    let server = Server::start(&Site::new());
    let hosts = [C0, C1, DISK, SICK];
    let scripts = || hosts.map(|(name, ..)| server.host(name)["next"].clone());
    let before = (scripts(), server.script(C0).0, server.get(C0.1, "/ks/c0.ks").body);
    let events = server.events();
    for _ in 0..5 {
        for (path, _) in ROUTES {
            for from in [STRANGER, DISK.1, "127.0.0.1"] {
                server.get(from, path);
                server.ask(from, "HEAD", path, "", b"");
            }
        }
        server.ask(C0.1, "HEAD", "/ks/c0.ks", "", b"");
        server.ask(C0.1, "HEAD", C0.2, "", b"");
    }
    let seen: Vec<_> = server.events().into_iter().filter(|event| event["host"] == "c0").collect();
    assert_eq!(seen, events);
    assert_eq!((scripts(), server.script(C0).0, server.get(C0.1, "/ks/c0.ks").body), before);
}

#[test]
fn head_records_nothing() {
    let server = Server::start(&Site::new());
    for (_, address, path) in [C0, DISK, SICK] {
        let head = server.ask(address, "HEAD", path, "", b"");
        assert_eq!(head.status, 200);
    }
    assert_eq!(server.ask(C1.1, "HEAD", "/ks/c1.ks", "", b"").status, 200);
    assert_eq!(server.events().len(), 0);
    assert_eq!(server.state("c0"), "armed");
}

#[test]
fn a_machine_that_nobody_knows_is_seen_when_it_asks() {
    let server = Server::start(&Site::new());
    let unknown = ["/boot/ipxe/52-54-00-99-99-01.ipxe", "/boot/pxelinux.cfg/01-52-54-00-99-99-02"];
    for path in unknown.into_iter().chain(["/boot/grub/grub.cfg-01-52-54-00-99-99-03", unknown[0]]) {
        assert_eq!(server.get(STRANGER, path).status, 404, "{path}");
    }
    let sightings = || server.operator("GET", "/api/v1/sightings", "").json();
    until("three sightings, one of them twice", || {
        let all = sightings();
        let all = all.as_array().unwrap();
        all.len() == 3 && all.iter().any(|one| one["address"] == "52:54:00:99:99:01" && one["count"] == 2)
    });
    assert!(server.get(STRANGER, "/boot/ipxe/unknown.ipxe").text().starts_with("#!ipxe\n# unknown machine"));
    for nonsense in
        ["/boot/ipxe/x.ipxe", "/boot/ipxe/..ipxe", "/boot/ipxe/52-54-00-99-99.ipxe", "/boot/ipxe/%3Cb%3E.ipxe"]
    {
        assert_eq!(server.get(STRANGER, nonsense).status, 404, "{nonsense}");
    }
    assert_eq!(sightings().as_array().unwrap().len(), 3);
    assert!(server.get(STRANGER, "/sightings").text().contains("52:54:00:99:99:02"));
}

#[test]
fn head_is_no_sighting() {
    let server = Server::start(&Site::new());
    server.ask(STRANGER, "HEAD", "/boot/ipxe/52-54-00-99-99-01.ipxe", "", b"");
    server.get(STRANGER, "/boot/ipxe/52-54-00-99-99-02.ipxe");
    let sightings = || server.operator("GET", "/api/v1/sightings", "").json().as_array().unwrap().clone();
    until("the sighting that is one", || sightings().iter().any(|one| one["address"] == "52:54:00:99:99:02"));
    assert_eq!(sightings().len(), 1);
}

#[test]
fn a_host_that_writes_its_address_in_capitals_is_no_unknown_machine() {
    let server = Server::start(&Site::new());
    let answer = server.get(C0.1, "/boot/ipxe/52-54-00-00-00-0A.ipxe");
    server.get(STRANGER, "/boot/ipxe/52-54-00-99-99-02.ipxe");
    let sightings = || server.operator("GET", "/api/v1/sightings", "").json().as_array().unwrap().clone();
    until("the other sighting", || sightings().iter().any(|one| one["address"] == "52:54:00:99:99:02"));
    assert_eq!(sightings().len(), 1, "{answer:?}");
}

#[test]
fn a_foreign_address_does_not_move_the_state_of_a_host() {
    let server = Server::start(&Site::new());
    for (_, _, path) in [DISK, SICK] {
        server.get(STRANGER, path);
    }
    assert_eq!((server.state("disk"), server.state("sick")), ("idle".into(), "idle".into()));
}
