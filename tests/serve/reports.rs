//! What machines report of themselves, which may be anything: it stays one line of plain text.

use crate::lab::{C0, Server, Site};
use crate::wire::{self, Answer};

fn report(server: &Server, token: &str, body: &[u8]) -> Answer {
    server.post(C0.1, &format!("/ks/c0/progress?token={token}"), body)
}

fn last(server: &Server) -> String {
    server.host("c0")["last"].as_str().unwrap().to_owned()
}

#[test]
fn progress_and_success_move_a_host_once_each() {
    let server = Server::start(&Site::new());
    let (_, token) = server.script(C0);
    server.get(C0.1, "/ks/c0.ks");
    assert_eq!(report(&server, &token, b"packages are installed").status, 200);
    assert_eq!((server.state("c0"), last(&server)), ("installing".into(), "packages are installed".into()));
    for _ in 0..2 {
        let answer = server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"done");
        assert_eq!((answer.status, answer.text()), (200, "thank you\n".into()), "also said twice");
    }
    assert_eq!(server.host("c0")["next"], "local");
    let words: Vec<_> = server.events().iter().map(|event| event["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(words, ["script-served", "kickstart-fetched", "installing", "installed"]);
    assert!(server.script(C0).0.contains("exit"));
    assert_eq!(server.state("c0"), "local");
}

#[test]
fn a_report_stays_one_short_line_of_text() {
    let server = Server::start(&Site::new());
    let (_, token) = server.script(C0);
    let long = "long ".repeat(200_000);
    let binary: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let reports: [&[u8]; 11] = [
        b"",
        b"\n\r\n",
        b"one\ntwo\r\nthree\x0bfour\x85five",
        b"\x1b[31mred\x1b]0;title\x07\x00\x08\x7f",
        "a\u{2028}b\u{2029}c\u{85}d".as_bytes(),
        b"\xff\xfe\x00",
        &binary,
        long.as_bytes(),
        b"{{ 7 * 7 }} {% raw %} ${jndi:ldap://x} %s%n",
        b"2026-01-01T00:00:00.000000Z  INFO ordered operator=\"root\"",
        "\u{202e}txet \u{feff}x".as_bytes(),
    ];
    for body in reports {
        assert_eq!(report(&server, &token, body).status, 200);
        let text = last(&server);
        assert!(!text.is_empty() && text.chars().count() <= 200, "{text:?}");
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}'), "{text:?}");
    }
    assert_eq!(server.events().len(), 1 + reports.len());
}

#[test]
fn a_report_forges_no_line_of_the_log() {
    for format in ["text", "json"] {
        let site = Site::new();
        let server = Server::with(&site, site.path("site").to_str().unwrap(), &["--log-format", format]).unwrap();
        let (_, token) = server.script(C0);
        let forged =
            "x\n2026-01-01T00:00:00.0Z ERROR forged\r\u{2028}forged\u{85}forged\",\"level\":\"forged\"\u{1b}[2K";
        report(&server, &token, forged.as_bytes());
        server.tells("forged");
        // What would stand in a line of its own comes at once with it.
        server.get(C0.1, "/healthz");
        server.tells("/healthz");
        let lines: Vec<_> = server.log().lines().filter(|line| line.contains("forged")).map(str::to_owned).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
            assert_eq!(line["level"], "INFO");
        } else {
            assert!(lines[0].contains(" INFO ") && lines[0].contains("host=\"c0\""), "{lines:?}");
        }
    }
}

#[test]
fn a_report_stays_text_on_every_page() {
    let server = Server::start(&Site::new());
    let (_, token) = server.script(C0);
    for body in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'--></td><b>&lt;", "]]>&#60;b>"] {
        report(&server, &token, body.as_bytes());
        for path in
            ["/", "/hosts/c0", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/?state=%22%3E%3Cimg%20src=x%3E&appliance='"]
        {
            let answer = server.get("127.0.0.1", path);
            let text = answer.text();
            for raw in ["<script", "<img", "</td><b>", "'--><", "]]>&#60;b"] {
                assert!(!text.contains(raw), "{path} {body}: {text}");
            }
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'") && !policy.contains("script"), "{policy}");
        }
        let json = server.operator("GET", "/api/v1/hosts/c0", "");
        assert_eq!(json.header("content-type"), Some("application/json"));
    }
}

#[test]
fn a_report_that_is_too_large_is_refused_and_none() {
    let server = Server::start(&Site::new());
    let (_, token) = server.script(C0);
    let path = format!("/ks/c0/progress?token={token}");
    let exactly = vec![b'x'; 1 << 20];
    assert_eq!(server.post(C0.1, &path, &exactly).status, 200);
    let bytes = wire::request("POST", &path, "", &vec![b'y'; (1 << 20) + 1]);
    // Who sends on may see the end of the connection before the answer.
    let answer = server.raw(C0.1, &bytes);
    assert!(answer.is_empty() || wire::only(&answer, false).status == 413, "{}", answer.escape_ascii());
    assert!(last(&server).starts_with('x'));
    assert_eq!(server.get(C0.1, "/healthz").status, 200);
}
