//! What guards against commits cannot be loosened by one: an operator at the socket accepts it, or a flag says it.

use crate::lab::{C0, DISK, OPERATOR, STRANGER, Server, Site};
use crate::wire::Answer;

/// Whose token is `another token`.
const EVE: &str = "eve = \"sha256:183411858409390d8bb291f8dc8bfb33176580b7ca727a73f510f745e8c5cc7f\"";

fn with_token(server: &Server, token: &str, method: &str, path: &str) -> Answer {
    server.ask(STRANGER, method, path, &format!("Authorization: Bearer {token}\r\n"), b"")
}

fn pending(server: &Server) -> String {
    server.generations()["pending"].to_string()
}

#[test]
fn a_commit_loosens_nothing_until_an_operator_at_the_socket_accepts_it() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    site.edit("[site]\n", "[site]\ninstall_new = true\n");
    site.serve("token_to = \"network\"\narm_at_most = \"100%\"\nreport = false");
    site.edit("trusted_proxies = [\"127.9.0.0/24\"]", "trusted_proxies = [\"127.0.0.0/8\"]");
    site.edit("[serve.operators]", &format!("[serve.operators]\n{EVE}"));
    site.commit("everything is loose");
    server.order("/api/v1/refresh", "");
    for word in ["install_new", "token_to", "arm_at_most", "report", "127.0.0.0/8", "`eve`"] {
        assert!(pending(&server).contains(word), "{word}: {}", pending(&server));
    }
    server.tells("kgen revision accept");
    let status = String::from_utf8(server.kgen(&["status"]).stdout).unwrap();
    assert!(status.contains("not in force until `kgen revision accept`: `report = false`"), "{status}");
    assert!(server.get(STRANGER, "/").text().contains("kgen revision accept"));
    // None of it counts: not for strangers, nor after a start.
    let is_tight = |server: &Server| {
        assert_eq!(server.get(STRANGER, C0.2).status, 403, "a token for the network");
        let forged = server.ask(STRANGER, "GET", "/ks/c0.ks", &format!("X-Forwarded-For: {}\r\n", C0.1), b"");
        assert_eq!(forged.status, 403, "a proxy that nobody trusts");
        assert!(server.get(C0.1, "/ks/c0.ks").text().contains("kgen_report success"), "kickstarts still report");
    };
    is_tight(&server);
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    is_tight(&server);
    assert_eq!(with_token(&server, OPERATOR, "POST", "/api/v1/accept").status, 403, "only at the socket");
    assert!(server.kgen(&["revision", "accept"]).status.success());
    assert_eq!(pending(&server), "[]");
    assert_eq!(server.get(STRANGER, C0.2).status, 200);
    assert!(!server.get(C0.1, "/ks/c0.ks").text().contains("kgen_report"));
    let again = server.kgen(&["revision", "accept"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing waits"), "{again:?}");
}

#[test]
fn a_commit_that_makes_room_for_itself_has_none() {
    let site = Site::in_git();
    site.serve("arm_at_most = 0");
    site.commit("no commit wipes an installed machine");
    let server = Server::of_git(&site);
    assert!(server.kgen(&["boot", "disk", "install"]).status.success());
    let (_, token) = server.script(DISK);
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 200);
    site.edit("arm_at_most = 0", "arm_at_most = 50");
    site.edit("boot = \"local\"", "boot = \"again\"");
    site.commit("both in one");
    server.order("/api/v1/refresh", "");
    assert_eq!((server.state("disk"), server.host("disk")["next"].as_str()), ("waiting".into(), Some("local")));
}

#[test]
fn a_new_operator_waits_and_one_that_is_taken_out_is_out_at_once() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    site.edit("[serve.operators]", &format!("[serve.operators]\n{EVE}"));
    let text = std::fs::read_to_string(site.inventory()).unwrap();
    let me = text.lines().find(|line| line.starts_with("me = ")).unwrap().to_owned();
    site.edit(&me, "");
    site.commit("other operators");
    server.order("/api/v1/refresh", "");
    assert_eq!(with_token(&server, OPERATOR, "GET", "/api/v1/hosts").status, 401);
    assert!(pending(&server).contains("eve"));
    assert_eq!(with_token(&server, "another token", "GET", "/api/v1/hosts").status, 401);
    assert!(server.kgen(&["revision", "accept"]).status.success());
    assert_eq!(with_token(&server, "another token", "GET", "/api/v1/hosts").status, 200);
}

#[test]
fn a_section_that_is_taken_out_loosens_nothing() {
    let site = Site::in_git();
    site.serve("brake = \"enforce\"\narm_at_most = 1");
    site.commit("tight");
    let server = Server::of_git(&site);
    let text = std::fs::read_to_string(site.inventory()).unwrap();
    crate::support::write(&site.inventory(), text.split("[serve]").next().unwrap());
    site.commit("without [serve]");
    server.order("/api/v1/refresh", "");
    for word in ["brake = \\\"warn\\\"", "arm_at_most", "report = false"] {
        assert!(pending(&server).contains(word), "{word}: {}", pending(&server));
    }
    assert!(server.get(C0.1, "/ks/c0.ks").text().contains("kgen_report success"));
}

#[test]
fn a_flag_wins_over_what_was_before_and_what_a_commit_says() {
    let site = Site::in_git();
    site.edit("[site]\n", "[site]\ninstall_new = true\n");
    site.commit("new machines install, but for the flag");
    let flags = ["--token-to", "network", "--arm-at-most", "0", "--install-new", "false", "--brake", "enforce"];
    let server = Server::with(&site, &site.url(), &flags).unwrap_or_else(|(_, said)| panic!("{said}"));
    assert_eq!(server.get(STRANGER, C0.2).status, 200);
    assert!(server.kgen(&["boot", "disk", "install"]).status.success());
    let (_, token) = server.script(DISK);
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 200);
    site.edit("boot = \"local\"", "boot = \"again\"");
    let text = std::fs::read_to_string(site.inventory()).unwrap();
    let new = "\n[hosts.new]\nappliance = \"compute\"\nboot = \"install\"\ninterfaces = [{ name = \"eth0\", network = \"lab\", \
               address = \"52:54:00:00:09:09\", ip = \"127.9.9.9\" }]\n";
    crate::support::write(&site.inventory(), text + new);
    site.commit("one installed machine, and a new one");
    server.order("/api/v1/refresh", "");
    assert_eq!((server.state("disk"), server.state("new")), ("waiting".into(), "waiting".into()));
}
