//! The state in the world: lost, copied while a server runs, put back, of the first release.

use std::path::Path;
use std::process::Output;

use crate::lab::{C0, C1, DISK, Server, Site, until};
use crate::support::{kgen, root};

fn installed() -> (Site, Server) {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    let (_, token) = server.script(C0);
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
    assert_eq!(server.script(C0).0.matches("inst.ks").count(), 0);
    (site, server)
}

/// Nobody installs, and those whose action builds wait.
fn nobody_is_armed(server: &Server) {
    for host in [C0, C1, DISK] {
        assert!(!server.script(host).0.contains("inst.ks"), "{}", server.host(host.0));
        assert_eq!(server.get(host.1, &format!("/ks/{}.ks", host.0)).status, 403);
    }
}

fn state(site: &Site, arguments: &[&str]) -> Output {
    kgen().arg("state").args(arguments).arg("--state").arg(site.state()).output().unwrap()
}

fn remove_state(site: &Site) {
    for name in ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm"] {
        let _ = std::fs::remove_file(site.state().join(name));
    }
}

/// Whether a file alone holds the record of a host.
fn knows(file: &Path, host: &str) -> bool {
    let Ok(copy) = rusqlite::Connection::open(file) else { return false };
    copy.query_row("select count(*) from hosts where name = ?1", [host], |row| row.get::<_, i64>(0)) == Ok(1)
}

#[test]
fn a_lost_state_arms_nobody_whatever_the_inventory_says() {
    let (site, server) = installed();
    site.edit("[site]\n", "[site]\ninstall_new = true\n");
    site.commit("new machines install");
    server.order("/api/v1/refresh", "");
    assert!(server.kgen(&["revision", "accept"]).status.success());
    assert_eq!(server.stop(), Some(0));
    remove_state(&site);
    let server = Server::of_git(&site);
    nobody_is_armed(&server);
    assert_eq!((server.state("c0"), server.state("c1")), ("waiting".into(), "waiting".into()));
    site.edit("motd = \"first\"", "motd = \"second\"");
    site.commit("a commit after that");
    server.order("/api/v1/refresh", "");
    nobody_is_armed(&server);
}

#[test]
fn a_copy_of_the_file_is_a_copy_of_the_state_and_orders_nothing() {
    let (site, mut server) = installed();
    assert!(server.kgen(&["boot", "disk", "install"]).status.success());
    let copy = site.path("copy.sqlite");
    until("what waits beside the database is in its file", || {
        std::fs::copy(site.state().join("state.sqlite"), &copy).unwrap();
        knows(&copy, "disk")
    });
    // What happens after it: over the file that is there, or in its place.
    let (_, token) = server.script(DISK);
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 200);
    server.kill();
    std::fs::copy(&copy, site.state().join("state.sqlite")).unwrap();
    for name in ["state.sqlite-wal", "state.sqlite-shm"] {
        let _ = std::fs::remove_file(site.state().join(name));
    }
    let mut server = Server::of_git(&site);
    server.tells("the state is a copy");
    nobody_is_armed(&server);
    server.kill();
    remove_state(&site);
    std::fs::copy(&copy, site.state().join("state.sqlite")).unwrap();
    let server = Server::of_git(&site);
    server.tells("the state is a copy");
    nobody_is_armed(&server);
    assert_eq!(server.host("c0")["order"], "done", "what it knows it knows");
    assert!(
        server.events().iter().any(|event| {
            event["host"] == "disk" && event["text"].as_str().unwrap().contains("the state is a copy")
        })
    );
    // The same as it is, in its place: nothing has happened to it.
    assert!(server.kgen(&["boot", "disk", "install"]).status.success());
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    assert!(server.script(DISK).0.contains("inst.ks"));
}

#[test]
fn a_state_is_backed_up_while_it_is_used_and_put_back() {
    let (site, server) = installed();
    let file = site.path("backup");
    assert!(server.kgen(&["boot", "disk", "install"]).status.success());
    let (_, token) = server.script(DISK);
    let done = state(&site, &["backup", file.to_str().unwrap()]);
    assert!(done.status.success(), "{done:?}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "tokens are in it");
    assert!(state(&site, &["backup", file.to_str().unwrap()]).status.success(), "and again, every night");
    let busy = state(&site, &["restore", file.to_str().unwrap()]);
    assert!(busy.status.code() == Some(3) && String::from_utf8_lossy(&busy.stderr).contains("another kgen serve"));
    // What happens after the copy is not in it.
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 200);
    assert_eq!(server.stop(), Some(0));
    let restored = state(&site, &["restore", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{restored:?}");
    assert!(site.state().join("replaced-1.sqlite").is_file(), "the one before is kept");
    let server = Server::of_git(&site);
    nobody_is_armed(&server);
    assert_eq!(server.host("c0")["order"], "done");
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 403, "tokens are dropped");
    site.edit("boot = \"local\"", "boot = \"install\"");
    site.commit("and from then on it is as ever");
    server.order("/api/v1/refresh", "");
    assert!(server.script(DISK).0.contains("inst.ks"));
}

#[test]
fn what_is_no_state_is_not_put_back() {
    let (site, server) = installed();
    assert_eq!(server.stop(), Some(0));
    let before = std::fs::read(site.state().join("state.sqlite")).unwrap();
    let other = site.path("other.sqlite");
    rusqlite::Connection::open(&other).unwrap().execute_batch("create table x (y text)").unwrap();
    let cut = site.path("cut.sqlite");
    std::fs::write(&cut, &before[..before.len() / 2]).unwrap();
    let text = site.path("site/cluster.toml");
    let similar = site.path("similar.sqlite");
    let tables = "create table hosts (x); create table events (x); create table settings (x)";
    rusqlite::Connection::open(&similar).unwrap().execute_batch(tables).unwrap();
    for file in [&other, &cut, &text, &similar, &site.path("nothing"), &site.path("site")] {
        let refused = state(&site, &["restore", file.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(3), "{}: {refused:?}", file.display());
        assert_eq!(std::fs::read(site.state().join("state.sqlite")).unwrap(), before, "{}", file.display());
        assert_eq!(
            std::fs::read_dir(site.state())
                .unwrap()
                .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().contains("incoming") })
                .count(),
            0
        );
    }
    assert_eq!(state(&site, &["backup", site.path("site").to_str().unwrap()]).status.code(), Some(3));
    for place in ["/nowhere/at/all", "state.sqlite", "lock"] {
        let place = site.state().join(place);
        assert_eq!(state(&site, &["backup", place.to_str().unwrap()]).status.code(), Some(3), "{}", place.display());
    }
    // A name that SQLite reads as something else is a name.
    let mut command = kgen();
    command.args(["state", "backup", "file:foo?mode=memory", "--state"]).arg(site.state()).current_dir(site.path(""));
    assert!(command.output().unwrap().status.success() && knows(&site.path("file:foo?mode=memory"), "c0"));
}

#[test]
fn a_damaged_state_is_put_aside_for_a_copy() {
    let (site, server) = installed();
    let file = site.path("backup");
    assert!(state(&site, &["backup", file.to_str().unwrap()]).status.success());
    assert_eq!(server.stop(), Some(0));
    std::fs::write(site.state().join("state.sqlite"), "somebody's letter, which is no database; ".repeat(20)).unwrap();
    assert!(Server::with(&site, &site.url(), &[]).is_err());
    assert!(state(&site, &["restore", file.to_str().unwrap()]).status.success());
    assert!(std::fs::read(site.state().join("replaced-1.sqlite")).unwrap().starts_with(b"somebody"));
    let server = Server::of_git(&site);
    nobody_is_armed(&server);
    assert_eq!(server.host("c0")["order"], "done");
}

#[test]
fn what_stands_in_for_a_broken_revision_is_not_compared_with_the_next() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    let server = Server::of_git(&site);
    site.edit("boot = \"local\"", "boot = \"install\"");
    site.commit("disk installs");
    server.order("/api/v1/refresh", "");
    let (_, token) = server.script(DISK);
    assert_eq!(server.post(DISK.1, &format!("/ks/disk/success?token={token}"), b"").status, 200);
    server.order("/api/v1/rollback", &format!("{{\"to\": \"{first}\"}}"));
    site.edit("[site]\n", "[site]\nnonsense = 1\n");
    site.commit("broken");
    assert_ne!(server.operator("POST", "/api/v1/follow", "").status, 200);
    assert!(!server.kgen(&["revision", "accept"]).status.success(), "it is not what was taken");
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    site.edit("nonsense = 1\n", "");
    site.commit("mended");
    server.order("/api/v1/refresh", "");
    assert!(!server.script(DISK).0.contains("inst.ks"), "{}", server.host("disk"));
}

/// What the first release kept, and served, is in `tests/upgrade/state.sql`: `c0` was installed by it, `disk` ordered to
/// install by an operator, `c1` was at its installation, and `sick` had only been seen.
#[test]
fn a_state_of_the_first_release_arms_nobody_and_loses_nothing() {
    let site = Site::in_git().waiting();
    let served = site.git(&["rev-parse", "HEAD"]);
    let text = std::fs::read_to_string(root().join("tests/upgrade/state.sql")).unwrap();
    std::fs::create_dir_all(site.state()).unwrap();
    let state = rusqlite::Connection::open(site.state().join("state.sqlite")).unwrap();
    state.execute_batch(&text).unwrap();
    state.execute("update settings set value = ?1 where name = 'last_good'", [&served]).unwrap();
    // So that its tokens last.
    state
        .execute("update hosts set expires = 9000000000000 where token is not null and ordered <> 'done'", [])
        .unwrap();
    drop(state);
    // Renamed while the server was exchanged.
    site.edit("[hosts.c0]", "[hosts.first]").edit("boot = \"rescue\"", "boot = \"install\"");
    site.commit("another name, and a new word");
    let server = Server::of_git(&site);
    server.tells("machines of an older state");
    assert_eq!(
        (server.host("first")["order"].as_str(), server.host("first")["next"].as_str()),
        (Some("done"), Some("local"))
    );
    assert!(server.script(DISK).0.contains("inst.ks"), "an operator's order is one");
    assert_eq!(server.host("c1")["next"], "install", "who is at it goes on");
    assert_eq!((server.state("sick"), server.host("sick")["next"].as_str()), ("waiting".into(), Some("local")));
    let (_, token) = server.script(C1);
    assert!(text.contains(&token), "with the token that it has");
    assert_eq!(server.post(C1.1, &format!("/ks/c1/success?token={token}"), b"").status, 200);
    assert_eq!(server.stop(), Some(0));
    let server = Server::of_git(&site);
    assert_eq!(server.host("c1")["next"], "local");
    assert_eq!(server.state("sick"), "waiting");
    assert_eq!(server.generations()["pending"], serde_json::json!([]));
}
