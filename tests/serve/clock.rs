//! Clocks that are set while machines install: the server's is another one than the machine's, and may be wrong.

use std::path::{Path, PathBuf};

use crate::lab::{C0, Server, Site};
use crate::support::{found, kgen};

/// The library that tells a program another time.
fn faketime() -> Option<PathBuf> {
    let places =
        ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"];
    let library = places.iter().map(PathBuf::from).find(|path| path.is_file());
    let required = std::env::var_os("KGEN_REQUIRE_ALL").is_some();
    assert!(library.is_some() || !required, "libfaketime is missing, and KGEN_REQUIRE_ALL is set");
    found("libfaketime", library.is_some()).then_some(library).flatten()
}

/// A server whose clock says what a file says.
fn server_at(site: &Site, library: &Path, time: &Path) -> Server {
    let mut command = kgen();
    command.args(["serve", "--site", site.path("site").to_str().unwrap(), "--listen", "127.0.0.1:0", "--state"]);
    command.arg(site.state()).env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", time);
    // Only the wall clock; what passes is what passes.
    command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC");
    Server::of(command, site).unwrap_or_else(|(_, said)| panic!("{said}"))
}

#[test]
fn a_clock_that_is_set_while_machines_install_loses_no_build() {
    let Some(library) = faketime() else { return };
    let site = Site::new();
    let time = site.path("time");
    // A board without a battery.
    std::fs::write(&time, "@2000-01-01 00:00:00\n").unwrap();
    let server = server_at(&site, &library, &time);
    let (_, token) = server.script(C0);
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 200);
    let at_first = server.host("c0")["since"].as_u64().unwrap();
    assert!(at_first < 1_000_000_000_000, "{at_first} is not of 2000");
    std::fs::write(&time, "@2026-06-01 12:00:00\n").unwrap();
    crate::lab::until("the clock is set", || server.host("c0")["since"].as_u64().unwrap() > 1_700_000_000_000);
    let host = server.host("c0");
    assert_eq!(host["stuck"], false, "it began a moment ago: {host}");
    assert_eq!(server.post(C0.1, &format!("/ks/c0/progress?token={token}"), b"packages").status, 200);
    assert_eq!(server.get("127.1.7.7", &format!("/ks/c0.ks?token={token}")).status, 200, "its token lasts");
    // And back again, far.
    std::fs::write(&time, "@2001-01-01 00:00:00\n").unwrap();
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
    assert_eq!(
        (server.host("c0")["next"].as_str(), server.host("c0")["stuck"].as_bool()),
        (Some("local"), Some(false))
    );
}

#[test]
fn a_server_that_starts_in_the_past_ends_nothing_and_counts_each_build() {
    let Some(library) = faketime() else { return };
    let site = Site::new();
    let time = site.path("time");
    std::fs::write(&time, "@2026-06-01 12:00:00\n").unwrap();
    let server = server_at(&site, &library, &time);
    let (_, token) = server.script(C0);
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 200);
    assert_eq!(server.host("c0")["attempts"], 1);
    assert_eq!(server.stop(), Some(0));
    std::fs::write(&time, "@2000-01-01 00:00:00\n").unwrap();
    let server = server_at(&site, &library, &time);
    // The same machine asks again, whenever that is: another build, which began anew.
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 200);
    assert_eq!(server.host("c0")["attempts"], 2);
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
}
