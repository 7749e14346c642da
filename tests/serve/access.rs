//! Who gets what: machines by their address or the token of their build, nobody by what a request says of itself.

use crate::lab::{BARE, C0, C1, DISK, SECRET, SICK, STRANGER, Server, Site, is_token, until};
use crate::wire::Answer;

fn ks(host: &str, token: &str) -> String {
    format!("/ks/{host}.ks?token={token}")
}

/// It is the kickstart of this host.
fn is_kickstart(answer: &Answer, host: &str) -> bool {
    let text = answer.text();
    answer.status == 200 && text.contains(SECRET) && text.contains(&format!("echo first of {host} "))
}

/// It is refused in one sentence that says nothing.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 403 && answer.text() == "access denied\n"
}

#[test]
fn a_host_gets_its_own_kickstart_from_its_own_address() {
    let server = Server::start(&Site::new());
    for path in ["/ks/c0.ks", "/ks/c0", "/ks", "//ks//c0.ks", "/install/sbin/kickstart.cgi?arch=x86_64&np=4"] {
        let answer = server.get(C0.1, path);
        assert!(is_kickstart(&answer, "c0"), "{path}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn a_foreign_address_gets_no_kickstart_and_no_token() {
    let server = Server::start(&Site::new());
    for from in [C1.1, DISK.1, STRANGER, "127.0.0.1"] {
        for path in ["/ks/c0.ks", "/ks/c0", "/ks/c0.sh", "//ks/c0.ks", "/ks/c0.ks?token=", C0.2] {
            let answer = server.get(from, path);
            assert!(is_refused(&answer), "{from} {path}: {answer:?}");
        }
    }
    for path in ["/ks", "/install/sbin/kickstart.cgi", "/ks/nobody.ks", "/ks/c0.ks.ks"] {
        assert!(is_refused(&server.get(STRANGER, path)), "{path}");
    }
    assert_eq!(server.state("c0"), "armed");
    assert_eq!(server.events().len(), 0, "who was refused has left no trace in what is known of hosts");
}

#[test]
fn no_parameter_and_no_header_names_another_host() {
    let server = Server::start(&Site::new());
    let names = ["client=c0", "host=c0", "hostname=c0", "name=c0", "ip=127.1.0.5", "mac=52:54:00:00:00:0a", "c0"];
    for name in names {
        for path in [format!("/ks?{name}"), format!("/install/sbin/kickstart.cgi?arch=x86_64&{name}")] {
            assert!(is_refused(&server.get(STRANGER, &path)), "{path}");
            let answer = server.get(C1.1, &path);
            assert!(is_kickstart(&answer, "c1"), "{path}: {answer:?}");
        }
    }
    let headers = [
        "X-RHN-Provisioning-MAC-0: eth0 52:54:00:00:00:0a",
        "X-Forwarded-For: 127.1.0.5",
        "X-Real-IP: 127.1.0.5",
        "Forwarded: for=127.1.0.5",
        "Client-IP: 127.1.0.5",
        "X-Original-URL: /ks/c0.ks",
        "X-Rewrite-URL: /ks/c0.ks",
        "X-HTTP-Method-Override: POST",
        "Host: 127.1.0.5",
        "Referer: http://127.1.0.5/",
        "Cookie: host=c0",
    ];
    for header in headers {
        for path in ["/ks/c0.ks", "/ks"] {
            let answer = server.ask(STRANGER, "GET", path, &format!("{header}\r\n"), b"");
            assert!(is_refused(&answer) || answer.status == 400, "{header} {path}: {answer:?}");
        }
    }
}

#[test]
fn an_installer_that_has_another_hosts_port_is_refused() {
    let server = Server::start(&Site::new());
    let ask = |headers: &str| server.ask(C0.1, "GET", "/ks/c0.ks", headers, b"");
    assert!(is_kickstart(&ask("X-RHN-Provisioning-MAC-0: eth0 52:54:00:00:00:0A\r\n"), "c0"));
    assert!(is_kickstart(&ask("X-RHN-Provisioning-MAC-0: eth0 52:54:00:99:99:99\r\n"), "c0"), "a port nobody knows");
    assert!(is_kickstart(&ask("X-RHN-Provisioning-MAC-0: garbage\r\nAccept: */*\r\n"), "c0"));
    assert!(is_refused(&ask("X-RHN-Provisioning-MAC-0: eth0 52:54:00:00:00:0b\r\nAccept: */*\r\n")));
    let own = "X-RHN-Provisioning-MAC-0: eth0 52:54:00:00:00:0a\r\n";
    assert!(is_refused(&ask(&format!("{own}X-RHN-Provisioning-MAC-1: eth1 52:54:00:00:00:0b\r\n"))));
    let (_, token) = server.script(C0);
    let other = "X-RHN-Provisioning-MAC-0: eth0 52:54:00:00:00:0b\r\nAccept: */*\r\n";
    assert!(is_refused(&server.ask(STRANGER, "GET", &ks("c0", &token), other, b"")));
}

#[test]
fn the_token_of_a_build_stands_for_the_address() {
    let server = Server::start(&Site::new());
    let (script, token) = server.script(C0);
    assert!(is_token(&token), "{script}");
    assert!(is_kickstart(&server.get(STRANGER, &ks("c0", &token)), "c0"));
    assert!(is_kickstart(&server.get(STRANGER, &format!("/ks?token={token}")), "c0"));
    assert!(is_kickstart(&server.get(STRANGER, &ks("c0", &token.to_uppercase())), "c0"));
    assert_eq!(server.script(C0).1, token, "a script that is asked for again has the same token");
    assert!(is_kickstart(&server.get(C1.1, &format!("/ks?token={token}")), "c1"), "who has an address is who has it");
}

#[test]
fn a_token_that_is_another_hosts_or_guessed_or_torn_opens_nothing() {
    let server = Server::start(&Site::new());
    let ((_, token), (_, other)) = (server.script(C0), server.script(C1));
    assert_ne!(token, other);
    let mut guesses = vec![other, "0".repeat(32), "f".repeat(32), token[..31].to_owned(), format!("{token}0")];
    guesses.extend([
        format!("{token}%00"),
        format!("%20{token}"),
        format!("+{}", &token[1..]),
        "KGEN_BUILD_TOKEN".into(),
    ]);
    guesses.extend([format!("{}%0a", &token), format!("&token={token}&token=x").replacen("&token=", "x&token=", 1)]);
    guesses.extend((0..50_u128).map(|guess| format!("{:032x}", guess * 0x0123_4567_89ab_cdef)));
    for guess in guesses {
        let answer = server.get(STRANGER, &ks("c0", &guess));
        assert!(is_refused(&answer), "{guess}: {answer:?}");
    }
    let halves = format!("{}&token={token}", ks("c0", "wrong"));
    assert!(is_refused(&server.get(STRANGER, &halves)), "the first of two counts");
}

#[test]
fn a_token_ends_with_success_and_is_replaced_by_the_next_order() {
    let server = Server::start(&Site::new());
    let (_, token) = server.script(C0);
    assert!(is_kickstart(&server.get(STRANGER, &ks("c0", &token)), "c0"));
    assert_eq!(server.post(STRANGER, &format!("/ks/c0/success?token={token}"), b"done").status, 200);
    assert_eq!(server.state("c0"), "installed");
    assert!(is_refused(&server.get(STRANGER, &ks("c0", &token))));
    assert!(is_refused(&server.get(STRANGER, &format!("/ks?token={token}"))));
    assert!(is_refused(&server.get(C0.1, "/ks/c0.ks")), "who is installed gets no secrets");
    assert!(is_refused(&server.post(STRANGER, &format!("/ks/c0/progress?token={token}"), b"again")));
    server.order("/api/v1/boot", r#"{"hosts": ["c0"], "action": "install"}"#);
    let (_, next) = server.script(C0);
    assert_ne!(next, token);
    for path in [ks("c0", &token), format!("/ks?token={token}")] {
        assert!(is_refused(&server.get(STRANGER, &path)), "{path}");
    }
    for report in ["progress", "success"] {
        assert!(is_refused(&server.post(C0.1, &format!("/ks/c0/{report}?token={token}"), b"x")));
    }
    assert_eq!(server.state("c0"), "script-served");
}

#[test]
fn the_token_of_a_build_that_is_done_is_worth_nothing_when_the_inventory_orders_another() {
    let site = Site::new();
    let server = Server::start(&site);
    let (_, token) = server.script(C0);
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
    site.edit("boot = \"install\"", "boot = \"again\"");
    until("the new word of the inventory", || server.host("c0")["next"] == "again");
    let old = server.get(STRANGER, &ks("c0", &token));
    assert!(is_refused(&old), "the kickstart for the token of a build that has ended: {old:?}");
    let answer = server.post(STRANGER, &format!("/ks/c0/success?token={token}"), b"");
    assert!(is_refused(&answer), "a success that nobody had: {answer:?}");
    assert_ne!(server.script(C0).1, token);
}

#[test]
fn a_token_that_has_ended_opens_nothing() {
    let site = Site::new();
    let server = Server::start(&site);
    let (_, token) = server.script(C0);
    assert_eq!(server.stop(), Some(0));
    let state = rusqlite::Connection::open(site.state().join("state.sqlite")).unwrap();
    assert_eq!(state.execute("update hosts set expires = 1000 where name = 'c0'", []).unwrap(), 1);
    drop(state);
    let server = Server::start(&site);
    assert!(is_refused(&server.get(STRANGER, &ks("c0", &token))));
    assert!(is_refused(&server.get(STRANGER, &format!("/ks?token={token}"))));
    server.tells("expired-token");
    // What the machine reports of this build counts all the same: it may be the clock of the server that was set.
    assert_eq!(server.post(C0.1, &format!("/ks/c0/progress?token={token}"), b"x").status, 200);
    assert!(is_refused(&server.get(STRANGER, &ks("c0", &token))), "but its kickstart stays closed");
    let (_, next) = server.script(C0);
    assert_ne!(next, token);
    assert!(is_kickstart(&server.get(STRANGER, &ks("c0", &next)), "c0"));
}

#[test]
fn a_host_whose_loader_brings_no_token_gets_it_where_it_would_get_its_kickstart() {
    let server = Server::start(&Site::new());
    for (from, path) in [(STRANGER, "/ks/c0/token"), (C1.1, "/ks/c0/token"), (DISK.1, "/ks/disk/token")] {
        assert!(is_refused(&server.post(from, path, b"")), "{from} {path}");
    }
    let proxied = server.ask(STRANGER, "POST", "/ks/c0/token", "X-Forwarded-For: 127.1.0.5\r\n", b"");
    assert!(is_refused(&proxied));
    assert_eq!(server.get(C0.1, "/ks/c0/token").status, 405);
    assert_eq!(server.events().len(), 0);
    let given = server.post(C0.1, "/ks/c0/token", b"");
    let token = given.text().trim().to_owned();
    assert!(given.status == 200 && is_token(&token), "{given:?}");
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
    assert!(is_refused(&server.post(C0.1, "/ks/c0/token", b"")));
}

#[test]
fn success_needs_the_token_of_this_build_wherever_it_comes_from() {
    let server = Server::start(&Site::new());
    let ((_, token), (_, other)) = (server.script(C0), server.script(C1));
    for report in ["progress", "success"] {
        for wrong in ["", "?token=", &format!("?token={other}"), &format!("?Token={token}"), &format!("?x={token}")] {
            let answer = server.post(C0.1, &format!("/ks/c0/{report}{wrong}"), token.as_bytes());
            assert!(is_refused(&answer), "{report}{wrong}: {answer:?}");
        }
        assert!(is_refused(&server.post(C0.1, &format!("/ks/nobody/{report}?token={token}"), b"x")));
    }
    assert_eq!((server.state("c0"), server.state("c1")), ("script-served".into(), "script-served".into()));
}

#[test]
fn who_does_not_install_gets_no_kickstart_and_no_token() {
    let server = Server::start(&Site::new());
    for (name, address, path) in [DISK, SICK] {
        let (script, token) = server.script((name, address, path));
        assert_eq!(token, "", "{script}");
        for path in [format!("/ks/{name}.ks"), format!("/ks/{name}.sh"), "/ks".to_owned()] {
            let answer = server.get(address, &path);
            assert!(is_refused(&answer), "{name} {path}: {answer:?}");
        }
    }
}

#[test]
fn a_diskless_host_gets_what_configures_it_and_no_kickstart() {
    let server = Server::start(&Site::new());
    let (_, token) = server.script(BARE);
    assert!(is_token(&token));
    let answer = server.get(BARE.1, "/ks/bare.sh");
    assert!(answer.status == 200 && answer.text().contains("of bare"), "{answer:?}");
    assert_eq!(server.get(STRANGER, &format!("/ks/bare.sh?token={token}")).status, 200);
    for (from, path) in [(BARE.1, "/ks/bare.ks"), (BARE.1, "/ks"), (STRANGER, "/ks/bare.sh"), (C0.1, "/ks/c0.sh")] {
        assert!(is_refused(&server.get(from, path)), "{from} {path}");
    }
}

#[test]
fn an_ordered_action_decides_and_not_the_inventory() {
    let server = Server::start(&Site::new());
    server.order("/api/v1/boot", r#"{"hosts": ["c0"], "action": "rescue"}"#);
    assert!(is_refused(&server.get(C0.1, "/ks/c0.ks")));
    server.order("/api/v1/boot", r#"{"hosts": ["c0"], "action": "local"}"#);
    assert!(is_refused(&server.get(C0.1, "/ks/c0.ks")));
    server.order("/api/v1/boot", r#"{"hosts": ["disk"], "action": "install"}"#);
    assert!(is_kickstart(&server.get(DISK.1, "/ks/disk.ks"), "disk"));
    server.order("/api/v1/boot", r#"{"hosts": ["c0"], "action": "declared"}"#);
    assert!(is_refused(&server.get(C0.1, "/ks/c0.ks")), "taking an order back arms nobody");
    server.order("/api/v1/boot", r#"{"hosts": ["c0"], "adopt": true}"#);
    assert!(is_kickstart(&server.get(C0.1, "/ks/c0.ks"), "c0"));
}

#[test]
fn a_token_goes_to_the_network_only_where_the_site_says_so() {
    let site = Site::new();
    site.serve("token_to = \"network\"");
    let server = Server::start(&site);
    let (_, token) = server.script((C0.0, STRANGER, C0.2));
    assert!(is_token(&token));
    assert!(is_refused(&server.get(STRANGER, "/ks/c0.ks")), "the kickstart still needs it");
    assert!(is_kickstart(&server.get(STRANGER, &ks("c0", &token)), "c0"));
}

#[test]
fn an_ipv4_client_of_an_ipv6_listener_is_known_by_its_address() {
    let site = Site::new();
    let mut command = crate::support::kgen();
    command.args(["serve", "--site"]).arg(site.path("site")).arg("--state").arg(site.state());
    command.args(["--listen", "[::ffff:127.0.0.1]:0"]);
    let server = Server::of(command, &site).unwrap_or_else(|(_, said)| panic!("{said}"));
    assert!(is_kickstart(&server.get(C0.1, "/ks/c0.ks"), "c0"));
    assert!(is_refused(&server.get(C1.1, "/ks/c0.ks")));
}
