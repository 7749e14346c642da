//! Bytes that are no request, or two at once: one meaning, or none.

use crate::lab::{C0, STRANGER, Server, Site};
use crate::wire;

/// What is sent, then a request that would be smuggled in its body: its answer must not come.
fn smuggled(server: &Server, head: &str, body: &str) -> Vec<u16> {
    let bytes = format!("POST /healthz HTTP/1.1\r\nHost: kgen\r\n{head}\r\n{body}");
    let answers = wire::all_parsed(&server.raw(STRANGER, bytes.as_bytes()));
    answers.into_iter().map(|answer| answer.status).collect()
}

/// A request inside of a body.
const INNER: &str = "GET /readyz HTTP/1.1\r\nHost: kgen\r\nConnection: close\r\n\r\n";

#[test]
fn two_lengths_that_differ_or_are_no_numbers_are_no_request() {
    let server = Server::start(&Site::new());
    let lengths = [
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x10\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 1e1\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 5\u{a0}\r\n",
    ];
    for length in lengths {
        assert_eq!(smuggled(&server, length, INNER), [400], "{length}");
    }
}

#[test]
fn a_coding_that_is_not_chunked_is_no_request() {
    let server = Server::start(&Site::new());
    let codings =
        ["xchunked", "chunked, identity", "identity", "gzip", "chunked\r\nTransfer-Encoding: x", "\"chunked\""];
    for coding in codings {
        let head = format!("Transfer-Encoding: {coding}\r\nContent-Length: 4\r\n");
        let answers = smuggled(&server, &head, &format!("0\r\n\r\n{INNER}"));
        assert!(matches!(answers[..], [400 | 501]), "{coding}: {answers:?}");
    }
    for name in [
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "Transfer\tEncoding: chunked",
        "X: y\r\n chunked",
    ] {
        let answers = smuggled(&server, &format!("{name}\r\n"), &format!("0\r\n\r\n{INNER}"));
        assert_eq!(answers, [400], "{name}");
    }
}

#[test]
fn a_request_with_a_length_and_chunks_ends_the_connection() {
    let server = Server::start(&Site::new());
    for head in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"]
    {
        let answers = smuggled(&server, head, &format!("0\r\n\r\n{INNER}"));
        assert!(matches!(answers[..], [400 | 405]), "RFC 9112, 6.1: {head} {answers:?}");
    }
}

#[test]
fn chunks_that_are_none_are_no_body_and_nothing_after_them_is_a_request() {
    let server = Server::start(&Site::new());
    let head = "Transfer-Encoding: chunked\r\n";
    let bodies = [
        "-1\r\nx\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "\r\n0\r\n\r\n",
    ];
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(40_000));
    for body in bodies.into_iter().chain([long.as_str(), "g\r\n"]) {
        let answers = smuggled(&server, head, &format!("{body}{INNER}"));
        assert!(!answers.contains(&200), "{body}: {answers:?}");
    }
    let (_, token) = server.script(C0);
    let send = |body: &str| {
        let path = format!("/ks/c0/progress?token={token}");
        let bytes = format!("POST {path} HTTP/1.1\r\nHost: kgen\r\nConnection: close\r\n{head}\r\n{body}");
        let mut stream = wire::connected(C0.1, server.port);
        std::io::Write::write_all(&mut stream, bytes.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        wire::all_parsed(&wire::rest(&mut stream)).iter().map(|answer| answer.status).collect::<Vec<_>>()
    };
    assert_eq!(send("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nA: b\r\n\r\n"), [200]);
    assert_eq!(server.host("c0")["last"], "hello world");
    assert_ne!(send("5\r\ntorn!\r\n7\r\nno"), [200]);
    assert_eq!(server.host("c0")["last"], "hello world", "half a report is none");
}

#[test]
fn lines_that_are_none_are_no_request() {
    let server = Server::start(&Site::new());
    let requests: [&[u8]; 22] = [
        b"GET /healthz\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\n\r\n",
        b"GET /healthz HTTP/1.2\r\nHost: kgen\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /healthz http/1.1\r\n\r\n",
        b"GET /health z HTTP/1.1\r\nHost: kgen\r\n\r\n",
        b"GET  /healthz HTTP/1.1\r\nHost: kgen\r\n\r\n",
        b"GET\t/healthz\tHTTP/1.1\r\nHost: kgen\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : kgen\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost kgen\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nA\x00b: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nA: x\x00y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nA: x\r\n folded\r\n\r\n",
        b"GET /health\x00z HTTP/1.1\r\nHost: kgen\r\n\r\n",
        b"GET /healthz HTTP/1.1\rHost: kgen\r\r",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x00\r\n\r\n",
        b"{\"jsonrpc\": \"2.0\"}\r\n\r\n",
        b"\xff\xff / HTTP/1.1\r\n\r\n",
    ];
    for bytes in requests {
        let mut stream = wire::connected(STRANGER, server.port);
        let _ = std::io::Write::write_all(&mut stream, bytes);
        // No more will come: what waits for more ends too.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let came = wire::rest(&mut stream);
        let shown = bytes.escape_ascii();
        assert!(came.is_empty() || wire::only(&came, false).status >= 400, "{shown}: {}", came.escape_ascii());
    }
    assert_eq!(server.get(STRANGER, "/healthz").status, 200);
}

#[test]
fn clients_of_http_1_0_are_answered_and_the_connection_ends() {
    let server = Server::start(&Site::new());
    for request in ["GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.0\r\nUser-Agent: firmware\r\n\r\n"] {
        assert_eq!(wire::only(&server.raw(STRANGER, request.as_bytes()), false).status, 200);
    }
    let kickstart = server.raw(C0.1, b"GET /ks/c0.ks HTTP/1.0\r\n\r\n");
    assert_eq!(wire::only(&kickstart, false).status, 200);
    let file = wire::only(&server.raw(STRANGER, b"GET /install/el9/packages/a.rpm HTTP/1.0\r\n\r\n"), false);
    assert_eq!((file.status, file.body.len(), file.header("transfer-encoding")), (200, 100_000, None));
}

#[test]
fn requests_on_one_connection_are_answered_in_their_order() {
    let server = Server::start(&Site::new());
    let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: kgen\r\n{more}\r\n");
    let all = ["/healthz", "/ks/c0.ks", "/install/el9/packages/a.rpm", "/nothing"].map(|path| one(path, "")).concat();
    let bytes = format!("{all}{}", one("/ks/c0.ks", "Connection: close\r\n"));
    let answers = wire::all_parsed(&server.raw(C0.1, bytes.as_bytes()));
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 200]);
    assert_eq!((answers[1].body == answers[4].body, answers[2].body.len()), (true, 100_000));
}

#[test]
fn a_body_that_nobody_wants_is_no_next_request() {
    let server = Server::start(&Site::new());
    let bytes = format!("GET /healthz HTTP/1.1\r\nHost: kgen\r\nContent-Length: {}\r\n\r\n{INNER}{INNER}", INNER.len());
    let answers = wire::all_parsed(&server.raw(STRANGER, bytes.as_bytes()));
    let bodies: Vec<_> = answers.iter().map(|answer| answer.text().split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(bodies, ["alive\n", "generation"]);
    for (line, status) in [("PUT /healthz", 405), (&*format!("GET /{}", "x".repeat(3000)), 414), ("GET /%zz", 400)] {
        let bytes = format!("{line} HTTP/1.1\r\nHost: kgen\r\nContent-Length: {}\r\n\r\n{INNER}", INNER.len());
        let answers = wire::all_parsed(&server.raw(STRANGER, format!("{bytes}{INNER}").as_bytes()));
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(statuses == [status] || statuses == [status, 200], "{line}: {statuses:?}");
    }
}

#[test]
fn who_forwards_is_believed_only_where_the_site_trusts_it() {
    let server = Server::start(&Site::new());
    let proxy = "127.9.0.1";
    let status = |from: &str, headers: &[u8]| {
        let head = b"GET /ks/c0.ks HTTP/1.1\r\nHost: kgen\r\nConnection: close\r\n".as_slice();
        wire::only(&server.raw(from, &[head, headers, b"\r\n"].concat()), false).status
    };
    let own: [&[u8]; 6] = [
        b"X-Forwarded-For: 127.1.0.5\r\n",
        b"X-Forwarded-For: 127.1.7.7, 127.1.0.5\r\n",
        b"X-Forwarded-For: 127.1.0.5, 127.9.0.2\r\n",
        b"X-Forwarded-For: 127.1.7.7\r\nX-Forwarded-For: 127.1.0.5\r\n",
        b"X-Forwarded-For: \xff, 127.1.7.7, 127.1.0.5\r\n",
        b"x-forwarded-for:  ::ffff:127.1.0.5 \r\n",
    ];
    for headers in own {
        assert_eq!(status(STRANGER, headers), 403, "an untrusted one: {}", headers.escape_ascii());
        if !headers.contains(&0xff) {
            assert_eq!(status(proxy, headers), 200, "{}", headers.escape_ascii());
        }
    }
    let foreign: [&[u8]; 12] = [
        b"",
        b"X-Forwarded-For: \r\n",
        b"X-Forwarded-For: garbage\r\n",
        b"X-Forwarded-For: 127.1.0.5, 127.1.7.7\r\n",
        b"X-Forwarded-For: 127.1.0.5, garbage\r\n",
        b"X-Forwarded-For: 127.1.0.5, \r\n",
        b"X-Forwarded-For: 127.1.0.5:80\r\n",
        b"X-Forwarded-For: 127.1.0.05\r\n",
        b"X-Forwarded-For: 127.1.0.5\r\nX-Forwarded-For: 127.1.7.7\r\n",
        b"X-Forwarded-For: 127.1.0.5\r\nX-Forwarded-For: garbage\r\n",
        b"X-Real-IP: 127.1.0.5\r\n",
        b"Forwarded: for=127.1.0.5\r\n",
    ];
    for headers in foreign {
        assert_eq!(status(proxy, headers), 403, "{}", headers.escape_ascii());
    }
    assert_eq!(status(C0.1, b"X-Forwarded-For: 127.1.7.7\r\n"), 200, "who is no proxy is itself");
}

#[test]
fn a_line_of_a_proxy_that_is_no_text_does_not_uncover_the_one_before() {
    let server = Server::start(&Site::new());
    let head = b"GET /ks/c0.ks HTTP/1.1\r\nHost: kgen\r\nConnection: close\r\n".as_slice();
    // The first line is the client's, the second began so and the proxy put the client's address behind it.
    let headers = b"X-Forwarded-For: 127.1.0.5\r\nX-Forwarded-For: \xff, 127.1.7.7\r\n\r\n";
    let answer = wire::only(&server.raw("127.9.0.1", &[head, headers].concat()), false);
    assert_eq!(answer.status, 403);
}
