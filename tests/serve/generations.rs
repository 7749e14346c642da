//! What is served: a revision as a whole, the last good one while the newest is broken, what operators hold or pin.

use rustix::process::Signal;

use crate::lab::{BARE, C0, C1, SECRET, STRANGER, Server, Site, until};

/// What the kickstart of a host says its motd is.
fn motd(server: &Server, (name, address, _): (&str, &str, &str)) -> String {
    let text = server.get(address, &format!("/ks/{name}.ks")).text();
    let line = text.lines().find_map(|line| line.strip_prefix("echo ")).unwrap_or_else(|| panic!("{text}"));
    line.split(' ').next().unwrap().to_owned()
}

/// Commits another motd.
fn say(site: &Site, from: &str, to: &str) -> String {
    site.edit(&format!("motd = \"{from}\""), &format!("motd = \"{to}\""));
    site.commit(to)
}

/// Commits what is broken.
fn break_it(site: &Site) -> String {
    site.edit("[site]\n", "[site]\nnonsense = 1\n");
    site.commit("broken")
}

fn ready(server: &Server) -> String {
    server.get(STRANGER, "/readyz").text()
}

fn is_broken(server: &Server) -> bool {
    ready(server).contains("broken")
}

fn status(server: &Server) -> String {
    String::from_utf8(server.kgen(&["status"]).stdout).unwrap()
}

#[test]
fn a_new_state_of_a_directory_is_served_and_a_broken_one_is_told() {
    let site = Site::new();
    let server = Server::start(&site);
    assert_eq!(motd(&server, C0), "first");
    site.edit("\"first\"", "\"second\"");
    until("the second", || motd(&server, C0) == "second");
    let id = server.generation();
    site.edit("[site]\n", "[site]\nnonsense = 1\n");
    until("the broken one is told", || is_broken(&server));
    assert_eq!((server.get(STRANGER, "/readyz").status, server.generation()), (200, id.clone()));
    assert_eq!(motd(&server, C0), "second");
    assert!(server.generations()["broken"]["report"].as_str().unwrap().contains("nonsense"));
    server.tells("nonsense");
    assert!(status(&server).contains("nonsense"), "{}", status(&server));
    assert_eq!(server.metric("kgen_revision_broken"), 1.0);
    let refused = server.kgen(&["refresh"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("nonsense"));
    site.edit("nonsense = 1\n", "");
    until("it is good again", || !is_broken(&server));
    assert_eq!((motd(&server, C0), server.generation()), ("second".into(), id));
}

#[test]
fn a_new_commit_is_served_and_a_broken_one_is_told() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    let good = say(&site, "first", "second");
    until("the second", || server.generations()["commit"] == good.as_str());
    let broken = break_it(&site);
    until("the broken one is told", || is_broken(&server));
    let generations = server.generations();
    assert_eq!(
        (&generations["commit"], &generations["broken"]["revision"]),
        (&good.as_str().into(), &broken.as_str().into())
    );
    assert_eq!(motd(&server, C0), "second");
    let check = |revision: &str| {
        let mut command = crate::support::kgen();
        command.args(["check", "--site", &site.url(), "--revision", revision, "--local"]).arg(site.state());
        command.output().unwrap().status.code()
    };
    assert_eq!((check(&broken), check(&good), check("nothing")), (Some(1), Some(0), Some(3)));
    say(&site, "second", "third");
    site.edit("nonsense = 1\n", "");
    site.commit("mended");
    until("the third", || motd(&server, C0) == "third");
    assert!(!is_broken(&server));
}

#[test]
fn a_branch_that_goes_back_to_what_is_served_is_not_broken_any_more() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    break_it(&site);
    until("the broken one is told", || is_broken(&server));
    site.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    until("nothing is broken any more", || !is_broken(&server));
}

#[test]
fn a_start_with_a_broken_newest_revision_serves_the_last_good_one() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    let good = server.generations()["commit"].clone();
    break_it(&site);
    until("the broken one is told", || is_broken(&server));
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    assert_eq!(server.generations()["commit"], good);
    assert_eq!(motd(&server, C0), "first");
    assert!(is_broken(&server));
    server.tells("nonsense");
}

#[test]
fn a_start_with_nothing_good_fails_with_the_report() {
    let site = Site::in_git();
    break_it(&site);
    let (code, said) = Server::with(&site, &site.url(), &[]).err().expect("it starts");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nonsense"), "{said}");
    let (code, said) = Server::with(&site, "file:///nothing.git", &[]).err().expect("it starts");
    assert!(code.is_some_and(|code| code != 0) && said.contains("nothing.git"), "{code:?}: {said}");
}

#[test]
fn a_held_revision_stays_over_new_commits_and_a_restart_until_it_is_followed_again() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    say(&site, "first", "second");
    let server = Server::of_git(&site);
    assert_eq!(motd(&server, C0), "second");
    assert!(server.kgen(&["rollback", &first]).status.success());
    assert_eq!(motd(&server, C0), "first");
    say(&site, "second", "third");
    server.operator("POST", "/api/v1/refresh", "");
    assert_eq!(motd(&server, C0), "first");
    assert!(status(&server).contains("held"), "{}", status(&server));
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    assert_eq!((motd(&server, C0), server.generations()["held"].as_str()), ("first".into(), Some(first.as_str())));
    assert!(server.kgen(&["follow"]).status.success());
    assert_eq!((motd(&server, C0), &server.generations()["held"]), ("third".into(), &serde_json::Value::Null));
    assert!(server.kgen(&["rollback"]).status.success());
    assert_eq!(motd(&server, C0), "first");
    assert!(!server.kgen(&["rollback", "nothing"]).status.success());
    assert_eq!(motd(&server, C0), "first");
}

#[test]
fn a_rollback_after_a_refresh_without_news_goes_back_to_what_was_before() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    say(&site, "first", "second");
    until("the second", || motd(&server, C0) == "second");
    server.order("/api/v1/refresh", "");
    server.order("/api/v1/rollback", "{}");
    assert_eq!(motd(&server, C0), "first");
}

#[test]
fn a_rollback_names_a_branch_by_its_whole_name() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    // A branch whose name is how the id of what was served before begins.
    say(&site, "first", "branch");
    site.git(&["branch", &first[..1]]);
    site.git(&["reset", "--quiet", "--hard", &first]);
    let server = Server::of_git(&site);
    say(&site, "first", "second");
    until("the second", || motd(&server, C0) == "second");
    server.order("/api/v1/rollback", &format!("{{\"to\": \"{}\"}}", &first[..1]));
    assert_eq!(motd(&server, C0), "branch");
}

#[test]
fn a_held_revision_that_cannot_be_made_any_more_is_told_at_the_start() {
    let site = Site::in_git();
    site.edit("motd = \"first\"", "motd = { secret = \"only-then\" }");
    let held = site.commit("with a secret");
    crate::support::write(&site.state().join("secrets/only-then"), "first\n");
    site.edit("motd = { secret = \"only-then\" }", "motd = \"second\"");
    site.commit("without");
    let server = Server::of_git(&site);
    server.order("/api/v1/rollback", &format!("{{\"to\": \"{held}\"}}"));
    assert_eq!(server.stop(), Some(0));
    std::fs::remove_file(site.state().join("secrets/only-then")).unwrap();
    match Server::with(&site, &site.url(), &[]) {
        Ok(server) => assert!(server.log().contains(&held) && server.log().contains("only-then"), "{}", server.log()),
        Err((_, said)) => assert!(said.contains("only-then"), "{said}"),
    }
}

#[test]
fn a_pinned_host_gets_its_own_revision_also_after_a_restart() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    say(&site, "first", "second");
    let server = Server::of_git(&site);
    assert!(server.kgen(&["pin", "c0", &first]).status.success());
    assert_eq!((motd(&server, C0), motd(&server, C1)), ("first".into(), "second".into()));
    say(&site, "second", "third");
    until("the third", || motd(&server, C1) == "third");
    assert_eq!(motd(&server, C0), "first");
    assert_ne!(server.host("c0")["generation"], server.host("c1")["generation"]);
    assert!(!server.kgen(&["pin", "nobody", &first]).status.success());
    assert!(!server.kgen(&["pin", "c1", "nothing"]).status.success());
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    until("the pin is made again", || motd(&server, C0) == "first");
    assert_eq!(motd(&server, C1), "third");
    assert!(server.kgen(&["unpin", "c0"]).status.success());
    assert_eq!(motd(&server, C0), "third");
    assert!(!server.kgen(&["unpin", "c0"]).status.success());
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    assert_eq!(motd(&server, C0), "third");
}

#[test]
fn a_pinned_host_never_gets_another_revision_after_a_restart() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    say(&site, "first", "second");
    let mut server = Server::of_git(&site);
    assert!(server.kgen(&["pin", "@compute", &first]).status.success());
    for _ in 0..5 {
        server.kill();
        server = Server::of_git(&site);
        // The first that the port answers. That it is not ready yet would be an answer too.
        let answer = server.get(C0.1, "/ks/c0.ks");
        assert!(answer.status == 503 || answer.text().contains("echo first"), "{answer:?}");
    }
}

#[test]
fn a_host_that_is_pinned_does_what_its_own_revision_says() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    site.edit("boot = \"install\"", "boot = \"rescue\"");
    site.commit("c0 is not to install");
    let server = Server::of_git(&site);
    assert!(server.script(C0).0.contains("rescue"));
    assert!(server.kgen(&["pin", "@compute", &first]).status.success());
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 403, "a pin is no order");
    assert_eq!(server.host("c0")["next"], "local");
    assert!(server.kgen(&["boot", "c0", "install"]).status.success());
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 200);
    assert_eq!(server.get(STRANGER, "/ks/c0.ks").status, 403);
    let (_, token) = server.script(C0);
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
    assert_eq!(server.host("c0")["next"], "local");
}

#[test]

fn an_action_that_only_the_pinned_revision_has_is_taken_from_there() {
    let site = Site::in_git();
    site.edit(
        "[appliances.compute]",
        "[boot.then]\nkind = \"diskless\"\nkernel = \"vmlinuz\"\ninitrds = []\nroot = \"/x\"\n\n[appliances.compute]",
    );
    site.edit("boot = \"diskless\"", "boot = \"then\"");
    let then = site.commit("another way to run without a disk");
    site.git(&["revert", "--no-edit", "HEAD"]);
    let server = Server::of_git(&site);
    assert!(server.kgen(&["pin", "bare", &then]).status.success());
    assert!(server.script(BARE).0.contains("kgen.configure="), "{}", server.script(BARE).0);
    assert_eq!(server.get(BARE.1, "/ks/bare.sh").status, 200);
    assert_eq!(server.get(BARE.1, "/ks/bare.ks").status, 403);
}

#[test]
fn a_branch_that_is_called_as_a_commit_is_not_that_commit() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    let second = say(&site, "first", "second");
    let mut server = Server::of_git(&site);
    server.order("/api/v1/pins", &format!("{{\"target\": \"c1\", \"revision\": \"{first}\"}}"));
    server.order("/api/v1/rollback", &format!("{{\"to\": \"{first}\"}}"));
    // Whoever writes to the repository makes it mean something else.
    site.git(&["update-ref", &format!("refs/heads/{first}"), &second]);
    site.git(&["update-ref", &format!("refs/tags/{first}"), &second]);
    server.order("/api/v1/follow", "");
    server.order("/api/v1/rollback", &format!("{{\"to\": \"{first}\"}}"));
    for _ in 0..2 {
        assert_eq!((motd(&server, C0), motd(&server, C1)), ("first".into(), "first".into()));
        assert_eq!(server.generations()["held"], first.as_str());
        server.kill();
        server = Server::of_git(&site);
    }
}

#[test]
fn two_servers_of_one_revision_serve_the_same_bytes_under_the_same_name() {
    let (one, other) = (Site::in_git(), Site::new());
    let (first, second) = (Server::of_git(&one), Server::start(&other));
    let same = |path: &str, from: &str| {
        let (mine, yours) = (first.get(from, path), second.get(from, path));
        assert_eq!((mine.status, &mine.body), (yours.status, &yours.body), "{path}");
        mine
    };
    assert_eq!(first.generation(), second.generation());
    for (name, address) in [(C0.0, C0.1), (C1.0, C1.1)] {
        assert!(same(&format!("/ks/{name}.ks"), address).text().contains(SECRET));
    }
    for path in ["/boot/boot.ipxe", "/boot/ipxe/unknown.ipxe", "/boot/grub/grub.cfg", "/boot/kgen-overlay.img"] {
        assert_eq!(same(path, STRANGER).status, 200, "{path}");
    }
}

#[test]
fn sighup_looks_at_the_source() {
    let site = Site::in_git();
    site.edit("poll_seconds = 1", "poll_seconds = 3600");
    site.commit("seldom");
    let server = Server::of_git(&site);
    say(&site, "first", "second");
    assert_eq!(motd(&server, C0), "first");
    server.signal(Signal::HUP);
    until("the second", || motd(&server, C0) == "second");
    say(&site, "second", "third");
    server.order("/api/v1/refresh", "");
    assert_eq!(motd(&server, C0), "third");
}

#[test]
fn a_broken_revision_tells_nobody_where_it_lies() {
    let site = Site::new();
    let server = Server::start(&site);
    site.edit("[site]\n", "[site]\nnonsense = 1\n");
    until("the broken one is told", || is_broken(&server));
    let place = site.path("site").to_str().unwrap().to_owned();
    for path in ["/", "/generations", "/readyz", "/metrics", "/hosts/c0"] {
        let text = server.get(STRANGER, path).text().replace("&#x2f;", "/");
        assert!(!text.contains(&place), "{path}: {text}");
    }
}

#[test]
fn going_back_to_an_older_inventory_arms_no_host_whose_order_is_done() {
    let site = Site::in_git();
    site.edit(
        "[hosts.c0]\nappliance = \"compute\"\nboot = \"install\"",
        "[hosts.c0]\nappliance = \"compute\"\nboot = \"again\"",
    );
    site.commit("another action");
    site.edit("boot = \"again\"", "boot = \"install\"");
    site.commit("and back");
    let server = Server::of_git(&site);
    let (_, token) = server.script(C0);
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
    server.order("/api/v1/rollback", "{\"to\": \"main~1\"}");
    assert_eq!(
        (server.host("c0")["order"].clone(), server.host("c0")["next"].clone()),
        ("done".into(), "local".into())
    );
    server.order("/api/v1/follow", "");
    assert_eq!(server.host("c0")["next"], "local");
}
