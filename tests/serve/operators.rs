//! Operators: at the socket, or with a bearer token. Nobody else reads or orders anything by the API.

use crate::lab::{C0, OPERATOR, STRANGER, Server, Site};

const READS: [&str; 5] =
    ["/api/v1/hosts", "/api/v1/hosts/c0", "/api/v1/events", "/api/v1/generations", "/api/v1/sightings"];
const ORDERS: [(&str, &str, &str); 6] = [
    ("POST", "/api/v1/boot", r#"{"hosts": ["c0"], "action": "local"}"#),
    ("POST", "/api/v1/refresh", ""),
    ("POST", "/api/v1/follow", ""),
    ("POST", "/api/v1/rollback", "{}"),
    ("POST", "/api/v1/pins", r#"{"target": "c0", "revision": "HEAD"}"#),
    ("DELETE", "/api/v1/pins/c0", ""),
];

#[test]
fn the_api_answers_nobody_without_a_credential() {
    let server = Server::start(&Site::new());
    let script = server.script(C0).0;
    let requests = READS.map(|path| ("GET", path, "")).into_iter().chain(ORDERS);
    for (method, path, body) in requests {
        for from in [C0.1, STRANGER, "127.0.0.1"] {
            let answer = server.ask(from, method, path, "", body.as_bytes());
            assert_eq!(answer.status, 401, "{from} {method} {path}: {answer:?}");
            assert_eq!(answer.text(), "this is for operators\n");
            assert!(answer.header("www-authenticate").is_some());
        }
    }
    assert_eq!(server.script(C0).0, script, "and nothing has changed");
}

#[test]
fn a_credential_that_is_empty_or_similar_is_none() {
    let server = Server::start(&Site::new());
    let hash = "sha256:12e6dd8ad4e1d2ce0a1ec0b4d4ae5df8ad3c2d1f0a8c0b2f4d6e8a0c2e4f6a8b";
    let longer = format!("Bearer {OPERATOR}x");
    let tokens = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer   ",
        "Bearer -1",
        "Bearer null",
        "Bearer undefined",
        "Bearer ''",
        "Bearer the operator's toke",
        "Bearer The operator's token",
        longer.as_str(),
        "Basic bWU6dGhlIG9wZXJhdG9yJ3MgdG9rZW4=",
        "Basic Og==",
        "the operator's token",
        hash,
        "Bearer me",
        "Bearer the\toperator's token",
    ];
    for token in tokens {
        let header = format!("Authorization: {token}\r\n");
        for (method, path) in [("GET", "/api/v1/hosts"), ("POST", "/api/v1/refresh")] {
            let answer = server.ask(STRANGER, method, path, &header, b"");
            assert_eq!(answer.status, 401, "{token} {path}: {answer:?}");
        }
    }
    let in_the_path = format!("/api/v1/hosts?token={}&access_token=x", OPERATOR.replace(' ', "%20"));
    assert_eq!(server.get(STRANGER, &in_the_path).status, 401);
}

#[test]
fn the_hash_that_the_inventory_holds_is_no_credential() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.inventory()).unwrap();
    let hash = text.split("sha256:").nth(1).unwrap()[..64].to_owned();
    let server = Server::start(&site);
    for token in [hash.clone(), format!("sha256:{hash}")] {
        let header = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(server.ask(STRANGER, "GET", "/api/v1/hosts", &header, b"").status, 401);
    }
}

#[test]
fn an_operator_reads_and_orders_by_the_socket_and_with_a_token() {
    let server = Server::start(&Site::new());
    let header = format!("Authorization: Bearer {OPERATOR}\r\n");
    for path in READS {
        assert_eq!(server.ask(STRANGER, "GET", path, &header, b"").status, 200, "{path}");
        assert_eq!(server.operator("GET", path, "").status, 200, "{path}");
    }
    let order = br#"{"hosts": ["c0"], "action": "rescue"}"#;
    assert_eq!(server.ask(STRANGER, "POST", "/api/v1/boot", &header, order).status, 200);
    assert_eq!(server.host("c0")["last"], "me ordered rescue");
    assert_eq!(server.ask(STRANGER, "GET", "/ks/c1.ks", &header, b"").status, 200, "operators see kickstarts");
    assert_eq!(server.state("c1"), "armed", "which is no sign of the machine");
}

#[test]
fn a_command_without_the_right_token_says_so() {
    let server = Server::start(&Site::new());
    let url = format!("http://127.0.0.1:{}", server.port);
    let with = |token: &str| {
        let mut command = crate::support::kgen();
        command.args(["status", "--server", &url]).env("KGEN_TOKEN", token).output().unwrap()
    };
    assert!(with(OPERATOR).status.success());
    let refused = with("wrong");
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("KGEN_TOKEN"), "{refused:?}");
}

#[test]
fn the_socket_is_for_its_owner_and_group_and_the_state_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let server = Server::start(&site);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.socket), 0o660);
    assert_eq!(mode(&site.state()), 0o700);
}

#[test]
fn the_state_is_for_its_owner_also_in_a_directory_that_others_read() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    std::fs::create_dir(site.state()).unwrap();
    std::fs::set_permissions(site.state(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(&site);
    server.script(C0);
    let entries = std::fs::read_dir(site.state()).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| path.to_str().unwrap().contains("sqlite")) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let directory = std::fs::metadata(site.state()).unwrap().permissions().mode() & 0o777;
        let is_open = mode & 0o077 != 0 && directory & 0o077 != 0;
        assert!(!is_open, "{}: {mode:o}: the tokens of builds are in it", path.display());
    }
}

#[test]
fn an_order_that_makes_no_sense_is_refused_as_a_whole() {
    let server = Server::start(&Site::new());
    let orders = [
        r#"{"hosts": ["c0", "nobody"], "action": "local"}"#,
        r#"{"hosts": [], "action": "local"}"#,
        r#"{"hosts": ["c0"], "action": "explode"}"#,
        r#"{"hosts": ["c0"], "action": "iscsi"}"#,
        r#"{"hosts": ["@nothing"], "action": "local"}"#,
        r#"{"hosts": ["c0"], "action": "local", "and": 1}"#,
        r#"{"hosts": "c0", "action": "local"}"#,
        r#"{"hosts": ["c0"]}"#,
        "",
        "null",
        "[[[[[[[[",
        "{\"hosts\": [\"c0\"], \"action\": \"lo\u{0}cal\"}",
        "\u{feff}{}",
    ];
    for order in orders {
        let answer = server.operator("POST", "/api/v1/boot", order);
        assert_eq!(answer.status, 400, "{order}: {answer:?}");
    }
    let deep = "[".repeat(200_000);
    assert_eq!(server.operator("POST", "/api/v1/boot", &deep).status, 400);
    assert_eq!(server.state("c0"), "armed");
    assert_eq!(server.events().len(), 0);
}
