//! Storms in small: two places, two in line. Who finds none is told to come again; operators are answered.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::lab::{C0, C1, OPERATOR, STRANGER, Server, Site, until};
use crate::support::write;
use crate::wire;

/// A site whose class has this little room.
fn narrow(class: &str) -> Site {
    let site = Site::new();
    site.serve(&format!("{class} = {{ slots = 2, queue = 2, per_client = 4 }}"));
    write(&site.path("site/served/tree/large"), vec![b'x'; 64 << 20]);
    site
}

/// One that asks and does not read: it holds a place.
fn holder(server: &Server, from: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = wire::connected(from, server.port);
    stream.write_all(bytes).unwrap();
    stream
}

/// Some that report what they may and do not come to an end: the same in the class of boots.
fn reporters<'a>(server: &Server, from: impl IntoIterator<Item = &'a str>) -> Vec<TcpStream> {
    let (_, token) = server.script(C1);
    let bytes = format!("POST /ks/c1/progress?token={token} HTTP/1.1\r\nHost: kgen\r\nContent-Length: 9\r\n\r\nx");
    from.into_iter().map(|from| holder(server, from, bytes.as_bytes())).collect()
}

fn reader(server: &Server, from: &str) -> TcpStream {
    holder(server, from, b"GET /install/el9/large HTTP/1.1\r\nHost: kgen\r\n\r\n")
}

fn load(server: &Server, class: &str) -> (f64, f64) {
    let of = |word| server.metric(&format!("kgen_{word}{{kind=\"{class}\"}}"));
    (of("active"), of("waiting"))
}

fn from(number: usize) -> String {
    format!("127.2.{}.{}", number / 250, number % 250 + 1)
}

#[test]
fn who_finds_no_place_for_its_script_is_told_to_ask_again_for_the_same() {
    let server = Server::start(&narrow("boot_slots"));
    let held = reporters(&server, ["127.2.0.1", "127.2.0.2", "127.2.0.3", "127.2.0.4"]);
    until("two are answered and two wait", || load(&server, "boot") == (2.0, 2.0));
    let start = Instant::now();
    let busy = server.get(C0.1, C0.2);
    assert_eq!((busy.status, busy.header("cache-control")), (200, Some("no-store")));
    let text = busy.text();
    assert!(text.starts_with("#!ipxe\n") && text.contains("position 3"), "{text}");
    assert!(text.contains("chain --autofree --replace 52-54-00-00-00-0a.ipxe"), "{text}");
    let by_ip = server.get(C0.1, "/boot/ipxe/127.1.0.5.ipxe").text();
    assert!(by_ip.contains("--replace 127.1.0.5.ipxe"), "{by_ip}");
    let evil = server.get(C0.1, "/boot/ipxe/a%3Breboot%20%7C%7C%24%7Bx%7D.ipxe").text();
    assert!(!evil.contains("reboot ") && !evil.contains(';') && !evil.contains("${x}"), "{evil}");
    for path in ["/ks/c0.ks", "/ks", "/boot/grub/grub.cfg-01-52-54-00-00-00-0a", "/boot/pxelinux.cfg/default"] {
        let refused = server.get(C0.1, path);
        let again = refused.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        assert!(
            refused.status == 503 && again.is_some_and(|seconds| (1..120).contains(&seconds)),
            "{path}: {refused:?}"
        );
    }
    assert!(start.elapsed() < Duration::from_secs(5), "who is sent away is sent away at once");
    assert!(server.metric("kgen_deferred_total{kind=\"boot\"}") >= 7.0);
    assert_eq!(server.get(C0.1, "/healthz").status, 200);
    assert_eq!(server.operator("GET", "/api/v1/hosts", "").status, 200);
    assert_eq!(server.state("c0"), "armed", "a busy answer is no sign of a boot");
    drop(held);
    until("the places are free again", || load(&server, "boot") == (0.0, 0.0));
    assert!(server.script(C0).0.contains("inst.ks="));
}

#[test]
fn who_reads_slowly_holds_up_files_only() {
    let server = Server::start(&narrow("bulk_slots"));
    let held: Vec<_> = (0..4).map(|number| reader(&server, &from(number))).collect();
    until("two are answered and two wait", || load(&server, "bulk") == (2.0, 2.0));
    let busy = server.get(C0.1, "/install/el9/large");
    assert!(busy.status == 503 && busy.header("retry-after").is_some());
    assert_eq!(server.get(C0.1, "/boot/vmlinuz").status, 503);
    assert!(server.script(C0).0.contains("inst.ks="));
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 200);
    assert_eq!(server.operator("GET", "/api/v1/hosts", "").status, 200);
    assert_eq!(
        server.ask(STRANGER, "GET", "/api/v1/hosts", &format!("Authorization: Bearer {OPERATOR}\r\n"), b"").status,
        200
    );
    drop(held);
    until("the places are free again", || load(&server, "bulk") == (0.0, 0.0));
    assert_eq!(server.get(C0.1, "/install/el9/large").body.len(), 64 << 20);
}

#[test]
fn who_waits_in_line_is_answered_in_turn() {
    let server = Server::start(&narrow("boot_slots"));
    let held = reporters(&server, ["127.2.0.1", "127.2.0.2"]);
    until("two are answered", || load(&server, "boot").0 == 2.0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get(C0.1, C0.2));
        until("one waits", || load(&server, "boot").1 == 1.0);
        drop(held);
        assert!(waiting.join().unwrap().text().contains("inst.ks="));
    });
}

#[test]
fn no_client_has_more_than_its_share() {
    let site = Site::new();
    site.serve("boot_slots = { slots = 20, queue = 20, per_client = 2 }");
    let server = Server::start(&site);
    let held = reporters(&server, [C0.1, C0.1]);
    until("two are answered", || load(&server, "boot").0 == 2.0);
    assert!(server.get(C0.1, C0.2).text().contains("busy"));
    assert_eq!(server.get(C0.1, "/ks/c0.ks").status, 503);
    assert!(server.script(C1).0.contains("inst.ks="));
    drop(held);
    until("the places are free again", || load(&server, "boot").0 == 0.0);
    assert!(server.script(C0).0.contains("inst.ks="));
}

#[test]
fn a_thousand_that_go_away_take_no_place_with_them() {
    let server = Server::start(&narrow("boot_slots"));
    let (_, token) = server.script(C1);
    let report = format!("POST /ks/c1/progress?token={token} HTTP/1.1\r\nHost: kgen\r\nContent-Length: 9\r\n\r\nx");
    let requests = [
        report.as_bytes(),
        b"GET /install/el9/large HTTP/1.1\r\nHost: kgen\r\n\r\n",
        b"GET /ks/c0.ks HTTP/1.1\r\n\r\n",
    ];
    for number in 0..1000 {
        let mut stream = holder(&server, &from(number), requests[number % requests.len()]);
        if number % 5 == 0 {
            stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
            let _ = stream.read(&mut [0; 100]);
        }
    }
    let free = |class| load(&server, class) == (0.0, 0.0);
    until("all places are free", || free("boot") && free("bulk"));
    assert!(server.script(C0).0.contains("inst.ks="));
    for _ in 0..4 {
        assert_eq!(server.get(STRANGER, "/install/el9/large").status, 200);
    }
}

/// Requests without a credential whose bodies do not come: they hold what they are given.
fn crowd(server: &Server) -> Vec<TcpStream> {
    let bytes = b"POST /api/v1/boot HTTP/1.1\r\nHost: kgen\r\nContent-Length: 9\r\n\r\nx";
    (0..6).map(|number| holder(server, &from(number), bytes)).collect()
}

#[test]
fn people_who_look_at_pages_do_not_keep_operators_of_this_machine_out() {
    let server = Server::start(&narrow("operator_slots"));
    let held = crowd(&server);
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(server.operator("GET", "/api/v1/hosts", "").status, 200, "after {:?}", start.elapsed());
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(held);
}

#[test]
fn people_who_look_at_pages_do_not_keep_operators_elsewhere_out() {
    let server = Server::start(&narrow("operator_slots"));
    let held = crowd(&server);
    let bearer = format!("Authorization: Bearer {OPERATOR}\r\n");
    let start = Instant::now();
    for _ in 0..100 {
        let answer = server.ask(STRANGER, "GET", "/api/v1/hosts", &bearer, b"");
        assert_eq!(answer.status, 200, "after {:?}", start.elapsed());
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(held);
}

#[test]
fn a_flood_of_unknown_machines_does_not_hold_up_known_ones() {
    let server = Server::start(&Site::new());
    let one = |number: u32| {
        format!(
            "GET /boot/ipxe/52-54-{:02x}-{:02x}-{:02x}-00.ipxe HTTP/1.1\r\nHost: kgen\r\n\r\n",
            number >> 16 & 255,
            number >> 8 & 255,
            number & 255
        )
    };
    let mut stream = wire::connected(STRANGER, server.port);
    let mut reading = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || wire::rest(&mut reading).len());
    for number in 0..20_000 {
        if stream.write_all(one(number).as_bytes()).is_err() {
            break;
        }
    }
    let start = Instant::now();
    assert!(server.script(C0).0.contains("inst.ks="));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    reader.join().unwrap();
}

#[test]
fn pictures_of_graphs_do_not_hold_up_machines() {
    let server = Server::start(&Site::new());
    let all: Vec<_> = (0..30)
        .map(|number| holder(&server, &from(number), &wire::request("GET", "/graph/all%20modules.svg", "", b"")))
        .collect();
    let start = Instant::now();
    assert!(server.script(C0).0.contains("inst.ks="));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(all);
}
