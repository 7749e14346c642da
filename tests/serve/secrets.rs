//! What nobody is told: secrets, tokens of builds, credentials of operators; in no page, metric, event, error or log.

use crate::lab::{BARE, C0, C1, DISK, OPERATOR, SECRET, STRANGER, Server, Site, until};

const PUBLIC: [&str; 24] = [
    "/",
    "/?q=c0",
    "/?state=stuck&appliance=compute&from=1",
    "/hosts/c0",
    "/hosts/c0?line=1",
    "/hosts/c0?line=8",
    "/hosts/c0?line=99999999999999999999",
    "/hosts/nobody",
    "/generations",
    "/graph",
    "/graph/compute",
    "/graph/compute.svg",
    "/graph/all%20modules.svg",
    "/sightings",
    "/healthz",
    "/readyz",
    "/metrics",
    "/ks/c0.ks",
    "/ks/c0.ks?token=00000000000000000000000000000000",
    "/boot/boot.ipxe",
    "/boot/ipxe/unknown.ipxe",
    "/boot/pxelinux.cfg/default",
    "/boot/grub/grub.cfg",
    "/api/v1/openapi.json",
];

/// Machines and operators that do all that they may, and some that may not.
fn busy(server: &Server) -> Vec<String> {
    let tokens = [C0, C1, BARE].map(|host| server.script(host).1);
    assert!(server.get(C0.1, "/ks/c0.ks").text().contains(SECRET));
    for (from, path) in [(C0.1, "progress"), (STRANGER, "progress"), (C0.1, "success"), (C0.1, "progress")] {
        server.post(from, &format!("/ks/c0/{path}?token={}", tokens[0]), b"half");
        server.post(from, &format!("/ks/c1/{path}?token={}", tokens[0]), tokens[0].as_bytes());
    }
    for token in &tokens {
        server.get(STRANGER, &format!("/ks?token={token}"));
        server.get(STRANGER, &format!("/ks/c1.ks?token={token}&x=%ff"));
        server.get(STRANGER, &format!("/ks/c0.ks?token={token}{}", "x".repeat(3000)));
        server.ask(STRANGER, "PUT", &format!("/ks/c1.ks?token={token}"), "", b"x");
    }
    let bearer = format!("Authorization: Bearer {OPERATOR}\r\n");
    server.ask(STRANGER, "POST", "/api/v1/boot", &bearer, br#"{"hosts": ["disk"], "action": "install"}"#);
    server.ask(STRANGER, "POST", "/api/v1/boot", &bearer, br#"{"hosts": "}"#);
    server.ask(STRANGER, "GET", "/api/v1/hosts", &format!("{}x\r\n", bearer.trim_end()), b"");
    let (_, fourth) = server.script(DISK);
    tokens.into_iter().chain([fourth]).collect()
}

#[test]
fn no_page_and_no_answer_of_the_api_holds_a_secret_or_a_token() {
    let server = Server::start(&Site::new());
    let tokens = busy(&server);
    let api =
        ["hosts", "hosts/c0", "hosts/c1", "events?last=1000", "events?host=c0", "generations", "sightings", "nothing"];
    let answers = PUBLIC.map(|path| (path.to_owned(), server.get(STRANGER, path).text())).into_iter();
    let api = api.map(|path| (path.to_owned(), server.operator("GET", &format!("/api/v1/{path}"), "").text()));
    for (path, text) in answers.chain(api) {
        for hidden in tokens[1..].iter().map(String::as_str).chain([SECRET, OPERATOR]) {
            assert!(!text.contains(hidden), "{path} holds {hidden}: {text}");
        }
        // What a machine says of itself is told; that c0 said it with its token is not.
        assert!(!text.contains(&tokens[0]), "{path}: {text}");
    }
}

#[test]
fn the_log_holds_no_secret_and_no_token_even_when_it_tells_every_request() {
    for format in ["text", "json"] {
        let site = Site::new();
        let server = Server::with(&site, site.path("site").to_str().unwrap(), &["--log-format", format]).unwrap();
        let tokens = busy(&server);
        site.edit("[site]\n", "[site]\nnonsense = 1\n");
        until("a broken revision is told", || server.log().contains("nonsense"));
        let log = server.log();
        for hidden in tokens.iter().map(String::as_str).chain([SECRET, OPERATOR, "token="]) {
            assert!(!log.contains(hidden), "{hidden} is in {log}");
        }
        assert!(log.contains("foreign-address") || log.contains("wrong-token"), "{log}");
    }
}

#[test]
fn a_revision_that_changes_or_breaks_where_a_secret_stands_tells_nothing_of_it() {
    let site = Site::new();
    write_key(&site, "ANOTHER-SECRET");
    let server = Server::start(&site);
    site.edit("motd = \"first\"", "motd = { secret = \"another\" }");
    until("the second", || server.get(C0.1, "/ks/c0.ks").text().contains("ANOTHER-SECRET"));
    site.edit("boot = \"install\"", "boot = \"nothing-of-that-name\"");
    until("the broken one is told", || server.get(STRANGER, "/readyz").text().contains("broken"));
    let pages = PUBLIC.map(|path| server.get(STRANGER, path).text()).concat();
    let told = format!("{pages}{}{}", server.log(), server.generations());
    for hidden in [SECRET, "ANOTHER-SECRET"] {
        assert!(!told.contains(hidden), "{hidden} is in {told}");
    }
}

#[test]
fn a_secret_that_changes_is_shown_neither_as_it_was_nor_as_it_is() {
    let site = Site::new();
    let server = Server::start(&site);
    crate::support::write(&site.path("site/secrets/rootpw"), "$6$the-next-one\n");
    server.order("/api/v1/refresh", "");
    assert!(server.get(C0.1, "/ks/c0.ks").text().contains("$6$the-next-one"));
    let pages = PUBLIC.map(|path| server.get(STRANGER, path).text()).concat();
    let told = format!("{pages}{}{}", server.log(), server.generations());
    for hidden in [SECRET, "the-next-one"] {
        assert!(!told.contains(hidden), "{hidden} is in {told}");
    }
}

fn write_key(site: &Site, text: &str) {
    crate::support::write(&site.path("site/secrets/another"), format!("{text}\n"));
}

#[test]
fn every_refusal_is_counted_and_told_with_its_reason_but_not_to_who_is_refused() {
    let server = Server::start(&Site::new());
    let (_, other) = server.script(C1);
    let asked = [
        ("unknown-host", STRANGER, "/ks/nobody.ks".to_owned()),
        ("foreign-address", STRANGER, "/ks/c0.ks".to_owned()),
        ("wrong-token", STRANGER, format!("/ks/c0.ks?token={other}")),
        ("not-installing", DISK.1, "/ks/disk.ks".to_owned()),
        ("not-operator", STRANGER, "/api/v1/hosts".to_owned()),
    ];
    for (reason, from, path) in asked {
        let answer = server.get(from, &path);
        assert!([401, 403].contains(&answer.status) && !answer.text().contains(reason), "{answer:?}");
        let id = answer.header("x-request-id").unwrap();
        let number = format!("request=\"{id}\"");
        let is_it = |line: &str| [reason, from, &number].iter().all(|part| line.contains(part));
        until(&format!("the log tells of {reason}"), || server.log().lines().any(is_it));
        assert_eq!(server.metric(&format!("kgen_refused_total{{kind=\"{reason}\"}}")), 1.0, "{reason}");
    }
}
