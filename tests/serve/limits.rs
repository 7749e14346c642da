//! Floods: what is too large, too many or too slow is cut off, within the time that the server says.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::lab::{C0, STRANGER, Server, Site};
use crate::wire;

/// How long the header of a request may take, and some more.
const HEADER_TIME: Duration = Duration::from_secs(23);

/// Whether tests run that take half a minute.
fn all_tests() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    crate::support::found("KGEN_ALL_BOOTS", set("KGEN_ALL_BOOTS") || set("CI"))
}

#[test]
fn a_header_that_is_too_large_or_has_too_many_lines_is_refused() {
    let server = Server::start(&Site::new());
    let many = "A: b\r\n".repeat(1000);
    let large = format!("A: {}\r\n", "x".repeat(20_000));
    let name = format!("{}: x\r\n", "A".repeat(20_000));
    for more in [many, large, name] {
        let answer = server.ask(STRANGER, "GET", "/healthz", &more, b"");
        assert_eq!(answer.status, 431, "{answer:?}");
    }
    assert_eq!(server.ask(STRANGER, "GET", "/healthz", &"A: b\r\n".repeat(60), b"").status, 200);
    let endless = format!("GET /healthz HTTP/1.1\r\nHost: kgen\r\nA: {}", "x".repeat(1 << 20));
    let came = server.raw(STRANGER, endless.as_bytes());
    assert!(came.is_empty() || wire::only(&came, false).status == 431, "{}", came.escape_ascii());
}

#[test]
fn an_address_that_is_too_long_is_refused() {
    let server = Server::start(&Site::new());
    for length in [2100, 5000, 10_000] {
        for target in [format!("/{}", "x".repeat(length)), format!("/ks?{}", "x=y&".repeat(length / 4))] {
            assert_eq!(server.get(STRANGER, &target).status, 414, "{length}");
        }
    }
    for length in [20_000, 100_000] {
        let came = server.raw(STRANGER, &wire::request("GET", &format!("/{}", "x".repeat(length)), "", b""));
        assert!(came.is_empty() || [414, 431].contains(&wire::only(&came, false).status), "{}", came.escape_ascii());
    }
    let slashes = "/".repeat(2000);
    assert_eq!(server.get(STRANGER, &format!("{slashes}healthz")).status, 200);
    let pairs = "&".repeat(1500);
    assert_eq!(server.get(STRANGER, &format!("/healthz?{pairs}")).status, 200);
}

#[test]
fn a_body_that_is_too_large_is_refused_without_being_read_whole() {
    let server = Server::start(&Site::new());
    let (_, token) = server.script(C0);
    for path in [
        format!("/ks/c0/progress?token={token}"),
        "/healthz".to_owned(),
        "/ks/c0.ks".to_owned(),
        "/api/v1/boot".to_owned(),
    ] {
        for (head, chunk) in
            [("Content-Length: 1000000000000\r\n", "x"), ("Transfer-Encoding: chunked\r\n", "10000\r\n")]
        {
            let mut stream = wire::connected(C0.1, server.port);
            stream.write_all(format!("POST {path} HTTP/1.1\r\nHost: kgen\r\n{head}\r\n").as_bytes()).unwrap();
            let piece = if chunk == "x" { "x".repeat(65_536) } else { format!("{chunk}{}\r\n", "x".repeat(65_536)) };
            let mut sent = 0;
            while sent < 200 << 20 && stream.write_all(piece.as_bytes()).is_ok() {
                sent += piece.len();
            }
            assert!(sent < 100 << 20, "{path} {head}: {sent} bytes were taken");
        }
    }
    assert_eq!(server.host("c0")["last"], "boot script served");
}

#[test]
fn a_client_that_sends_its_header_slowly_is_cut_off_in_time() {
    let server = Server::start(&Site::new());
    let start = Instant::now();
    let beginnings: [&[u8]; 4] =
        [b"", b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: kgen\r\nA: b"];
    let mut streams: Vec<_> = beginnings
        .map(|bytes| {
            let mut stream = wire::connected(STRANGER, server.port);
            stream.write_all(bytes).unwrap();
            stream
        })
        .into();
    // One that has asked already, and does not ask again.
    let mut idle = wire::connected(STRANGER, server.port);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: kgen\r\n\r\n").unwrap();
    streams.push(idle);
    // One that sends a byte now and then.
    let mut slow = wire::connected(STRANGER, server.port);
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    let mut dripping = slow.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        while start.elapsed() < HEADER_TIME && dripping.write_all(b"A: b\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    streams.push(slow);
    for stream in &mut streams {
        let left = HEADER_TIME.saturating_sub(start.elapsed()).max(Duration::from_millis(100));
        assert!(wire::ends_within(stream, left), "it is open after {:?}", start.elapsed());
    }
    drip.join().unwrap();
    assert_eq!(server.get(STRANGER, "/healthz").status, 200);
}

#[test]
fn a_client_that_sends_its_body_slowly_or_reads_nothing_is_cut_off_in_time() {
    if !all_tests() {
        return;
    }
    let site = Site::new();
    crate::support::write(&site.path("site/served/tree/large"), vec![b'x'; 64 << 20]);
    let server = Server::start(&site);
    let start = Instant::now();
    let mut body = wire::connected(STRANGER, server.port);
    body.write_all(b"POST /api/v1/boot HTTP/1.1\r\nHost: kgen\r\nContent-Length: 100\r\n\r\nx").unwrap();
    let mut reader = wire::connected(STRANGER, server.port);
    reader.write_all(b"GET /install/el9/large HTTP/1.1\r\nHost: kgen\r\n\r\n").unwrap();
    assert!(wire::ends_within(&mut body, Duration::from_secs(60)));
    assert!(start.elapsed() < Duration::from_secs(55), "{:?}", start.elapsed());
    crate::lab::until_for(Duration::from_secs(80), "its place is free again", || {
        server.metric("kgen_active{kind=\"bulk\"}") == 0.0
    });
    drop(reader);
}

#[test]
fn one_client_does_not_take_all_connections() {
    let site = Site::new();
    let what = site.path("site").to_str().unwrap().to_owned();
    let server = Server::with(&site, &what, &["--connections", "32"]).unwrap();
    let held: Vec<_> = (0..64).map(|_| wire::connected(STRANGER, server.port)).collect();
    let start = Instant::now();
    assert_eq!(server.operator("GET", "/api/v1/hosts", "").status, 200, "operators come by another door");
    assert_eq!(server.get(C0.1, C0.2).status, 200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(held);
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let server = Server::start(&Site::new());
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    server.get(STRANGER, "/healthz");
    let before = descriptors();
    for number in 0..500 {
        let mut stream = wire::connected(STRANGER, server.port);
        let bytes = wire::request("GET", "/install/el9/packages/a.rpm", "", b"");
        let _ = stream.write_all(&bytes[..number % (bytes.len() + 1)]);
    }
    crate::lab::until("all descriptors are closed", || descriptors() <= before + 1);
    assert_eq!(server.get(STRANGER, "/healthz").status, 200);
}
