//! How a server begins and ends: one for each state, sockets that are handed over, a stop that waits for what is being
//! answered, certificates that are exchanged.

use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::lab::{C0, OPERATOR, STRANGER, Server, Site, until};
use crate::support::{kgen, program, run, write};
use crate::wire;

fn served(site: &Site) -> String {
    site.path("site").to_str().unwrap().to_owned()
}

#[test]
fn two_servers_do_not_keep_one_state() {
    let site = Site::new();
    let server = Server::start(&site);
    let (code, said) = Server::with(&site, &served(&site), &[]).err().expect("a second one starts");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("another kgen serve"), "{said}");
    assert_eq!(server.operator("GET", "/api/v1/hosts", "").status, 200, "the first one still has its socket");
    assert_eq!(server.stop(), Some(0));
    Server::start(&site);
}

#[test]
fn a_port_that_is_taken_and_a_socket_that_is_none_are_told() {
    let site = Site::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = kgen();
    command.args(["serve", "--site", &served(&site), "--listen", &address, "--state"]).arg(site.state());
    let (code, said) = Server::of(command, &site).err().expect("it starts");
    assert!(code == Some(3) && said.contains(&address), "{code:?} {said}");
    write(&site.path("file"), "a file");
    let (code, said) =
        Server::with(&site, &served(&site), &["--socket", site.path("file").to_str().unwrap()]).err().unwrap();
    assert!(code == Some(3) && said.contains("no socket"), "{code:?} {said}");
    assert_eq!(std::fs::read(site.path("file")).unwrap(), b"a file");
}

#[test]
fn a_stop_waits_for_a_download_and_takes_nothing_new() {
    let site = Site::new();
    write(&site.path("site/served/tree/large"), vec![b'x'; 32 << 20]);
    let mut server = Server::start(&site);
    let mut stream = wire::connected(STRANGER, server.port);
    stream.write_all(b"GET /install/el9/large HTTP/1.1\r\nHost: kgen\r\n\r\n").unwrap();
    let mut idle = wire::connected(STRANGER, server.port);
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    server.signal(Signal::TERM);
    until("new connections are refused", || std::net::TcpStream::connect(("127.0.0.1", server.port)).is_err());
    assert!(wire::ends_within(&mut idle, Duration::from_secs(5)), "who asks for nothing is not waited for");
    assert_eq!(server.ended(Duration::from_millis(300)), None);
    let came = first.len() + wire::rest(&mut stream).len();
    assert!(came > 32 << 20, "{came}");
    assert_eq!(server.ended(Duration::from_secs(5)), Some(Some(0)));
}

#[test]
fn a_start_after_a_kill_finds_its_socket_and_its_state_again() {
    let site = Site::new();
    let mut server = Server::start(&site);
    let (_, token) = server.script(C0);
    server.kill();
    let server = Server::start(&site);
    assert_eq!((server.state("c0"), server.script(C0).1), ("script-served".into(), token.clone()));
    assert_eq!(server.post(C0.1, &format!("/ks/c0/success?token={token}"), b"").status, 200);
}

#[test]
fn a_state_that_is_no_database_is_told_and_left_alone() {
    let site = Site::new();
    write(
        &site.state().join("state.sqlite"),
        "this is no database, but somebody's letter; it is long enough for a header",
    );
    let (code, said) = Server::with(&site, &served(&site), &[]).err().expect("it starts");
    assert!(code == Some(3) && said.contains("state.sqlite"), "{code:?} {said}");
    assert!(std::fs::read(site.state().join("state.sqlite")).unwrap().starts_with(b"this is"));
}

#[test]
fn sockets_are_taken_over_from_who_holds_them() {
    let Some(activate) = program("systemd-socket-activate") else { return };
    let site = Site::new();
    // It listens before it starts the program, so that the port is one that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut command = Command::new(activate);
    command.args(["--listen", &address, env!("CARGO_BIN_EXE_kgen"), "serve", "--site", &served(&site), "--state"]);
    command.arg(site.state()).args(["--listen", "127.0.0.1:1"]).env_remove("NOTIFY_SOCKET");
    // What comes first starts it.
    let asking = std::thread::spawn({
        let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
        move || {
            until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
            wire::exchange(&mut wire::connected(C0.1, port), &wire::request("GET", "/ks/c0.ks", "", b""))
        }
    });
    let server = Server::of(command, &site).unwrap_or_else(|(_, said)| panic!("{said}"));
    // Which of both comes first: what it asks, or the order that lets the machine go.
    assert!([200, 403].contains(&wire::only(&asking.join().unwrap(), false).status));
    assert!(server.log().contains(&format!("http://{address}")));
}

/// Makes a certificate for 127.0.0.1.
fn certify(site: &Site, name: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(site.path("site/key.pem")).arg("-out").arg(site.path("site/certificate.pem"));
    let (good, said) = run(&mut openssl);
    assert!(good, "{said}");
}

#[test]
fn tls_serves_with_a_certificate_that_is_exchanged_while_it_runs() {
    if program("openssl").is_none() || program("curl").is_none() {
        return;
    }
    let site = Site::new();
    certify(&site, "one");
    site.serve("listen_tls = [\"127.0.0.1:0\"]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"");
    let server = Server::start(&site);
    let port = server.ports("https")[0];
    let status = |ca: &str| {
        let mut command = kgen();
        command.args(["status", "--server", &format!("https://127.0.0.1:{port}"), "--ca"]).arg(site.path(ca));
        command.env("KGEN_TOKEN", OPERATOR).output().unwrap()
    };
    std::fs::copy(site.path("site/certificate.pem"), site.path("first.pem")).unwrap();
    assert!(status("first.pem").status.success(), "{:?}", status("first.pem"));
    let plain = wire::exchange(&mut wire::connected(STRANGER, port), &wire::request("GET", "/healthz", "", b""));
    assert!(!plain.starts_with(b"HTTP/1.1 200"), "{}", plain.escape_ascii());
    let held = {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--interface", C0.1, &format!("https://127.0.0.1:{port}/ks/c0.ks")]);
        run(&mut curl)
    };
    assert!(held.0 && held.1.contains(crate::lab::SECRET), "{held:?}");
    certify(&site, "two");
    std::fs::copy(site.path("site/certificate.pem"), site.path("second.pem")).unwrap();
    server.signal(Signal::HUP);
    until("the second certificate", || status("second.pem").status.success());
    assert_eq!(status("first.pem").status.code(), Some(3));
    write(&site.path("site/certificate.pem"), "none");
    server.signal(Signal::HUP);
    server.tells("the certificates stay what they were");
    assert!(status("second.pem").status.success());
}

/// A remote that hangs: who reads it waits for what never comes. What still waits is let go in the end.
struct Hang(std::path::PathBuf);

impl Hang {
    fn of(site: &Site) -> Self {
        let head = site.path("site/.git/HEAD");
        std::fs::remove_file(&head).unwrap();
        assert!(Command::new("mkfifo").arg(&head).status().unwrap().success());
        Self(head)
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        // Opened for both it waits for nobody; closed, it is at its end, and there is no other.
        let opened = std::fs::OpenOptions::new().read(true).write(true).open(&self.0);
        let _ = std::fs::remove_file(&self.0);
        drop(opened);
    }
}

#[test]
fn a_start_without_the_remote_serves_what_was_good() {
    let site = Site::in_git();
    let server = Server::of_git(&site);
    let generation = server.generation();
    assert_eq!(server.stop(), Some(0));
    std::fs::rename(site.path("site"), site.path("away")).unwrap();
    let server = Server::of_git(&site);
    assert_eq!((server.generation(), server.get(C0.1, "/ks/c0.ks").status), (generation, 200));
    server.tells("cannot fetch");
    std::fs::rename(site.path("away"), site.path("site")).unwrap();
    server.order("/api/v1/refresh", "");
    assert!(!server.get(STRANGER, "/readyz").text().contains("broken"));
}

#[test]

fn a_start_while_the_remote_hangs_serves_what_was_good() {
    let site = Site::in_git();
    let mut server = Server::of_git(&site);
    let generation = server.generation();
    server.kill();
    let _hang = Hang::of(&site);
    let server = Server::of_git(&site);
    assert_eq!((server.generation(), server.get(C0.1, "/ks/c0.ks").status), (generation, 200));
}

/// Whether a program that was started by the server waits for the remote.
fn is_fetching(server: &Server) -> bool {
    let children = format!("/proc/{0}/task", server.pid());
    let tasks = std::fs::read_dir(children).unwrap().map(|task| task.unwrap().path().join("children"));
    tasks.filter_map(|path| std::fs::read_to_string(path).ok()).any(|children| !children.trim().is_empty())
}

#[test]
fn a_remote_that_hangs_does_not_keep_operators_from_going_back() {
    let site = Site::in_git();
    let first = site.git(&["rev-parse", "HEAD"]);
    let server = Server::of_git(&site);
    let _hang = Hang::of(&site);
    until("it fetches", || is_fetching(&server));
    let mut stream = wire::connected_socket(&server.socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let order = format!("{{\"to\": \"{first}\"}}");
    let came = wire::exchange(&mut stream, &wire::request("POST", "/api/v1/rollback", "", order.as_bytes()));
    assert!(!came.is_empty(), "no answer within five seconds");
    assert_eq!(wire::only(&came, false).status, 200);
}

#[test]
fn a_remote_that_hangs_does_not_keep_a_server_from_ending() {
    let site = Site::in_git();
    let mut server = Server::of_git(&site);
    let _hang = Hang::of(&site);
    until("it fetches", || is_fetching(&server));
    server.signal(Signal::HUP);
    server.signal(Signal::TERM);
    assert_eq!(server.ended(Duration::from_secs(10)), Some(Some(0)));
}
