//! Kills at any moment, while machines install themselves and operators order: what somebody was told has happened,
//! and nothing has happened that nobody did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Server, Site};
use crate::support::write;
use crate::wire;

const ROUNDS: u64 = 4;
const MACHINES: usize = 12;
/// Hosts that are ordered about together.
const PAIR: [usize; 2] = [MACHINES, MACHINES + 1];

fn name(number: usize) -> String {
    format!("n{number}")
}

fn address(number: usize) -> String {
    format!("127.3.0.{}", number + 1)
}

fn site() -> Site {
    let site = Site::new();
    let mut text = std::fs::read_to_string(site.inventory()).unwrap();
    for number in 0..=PAIR[1] {
        let (name, address) = (name(number), address(number));
        text.push_str(&format!(
            "\n[hosts.{name}]\nappliance = \"compute\"\ninterfaces = [{{ name = \"eth0\", network = \"lab\", address = \
             \"52:54:00:00:03:{number:02x}\", ip = \"{address}\" }}]\n"
        ));
    }
    write(&site.inventory(), text);
    site
}

/// What is known of a host: what somebody was told, and what nobody was told yet.
#[derive(Default)]
struct Told {
    /// States and texts, in order.
    sure: Vec<(String, String)>,
    /// What was asked for and not answered.
    perhaps: Option<(String, String)>,
}

/// Who asks, until nobody answers.
struct Asker<'a> {
    server: (u16, &'a std::path::Path),
    stop: &'a AtomicBool,
    number: usize,
    told: &'a mut Told,
}

impl Asker<'_> {
    /// Does a step; gives the answer's text, or none when the server is gone.
    fn step(&mut self, (state, text): (&str, &str), bytes: &[u8], by_socket: bool) -> Option<String> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        self.told.perhaps = Some((state.to_owned(), text.to_owned()));
        let came = if by_socket {
            let mut stream = std::os::unix::net::UnixStream::connect(self.server.1).ok()?;
            stream.set_read_timeout(Some(wire::LIMIT)).unwrap();
            wire::exchange(&mut stream, bytes)
        } else {
            wire::exchange(&mut wire::try_connected(&address(self.number), self.server.0).ok()?, bytes)
        };
        let (answer, _) = wire::parsed(&came, false)?;
        assert_eq!(answer.status, 200, "{state} {text}: {answer:?}");
        self.told.sure.extend(self.told.perhaps.take());
        Some(answer.text())
    }

    fn order(&mut self, hosts: &[usize], action: &str, state: &str) -> Option<String> {
        let names: Vec<_> = hosts.iter().map(|number| name(*number)).collect();
        let order = serde_json::json!({ "hosts": names, "action": action }).to_string();
        self.step((state, "ordered"), &wire::request("POST", "/api/v1/boot", "", order.as_bytes()), true)
    }

    /// An installation from order to success, and the boot after it.
    fn installs(&mut self, round: u64, build: usize) -> Option<()> {
        let get = |path: &str| wire::request("GET", path, "", b"");
        let host = name(self.number);
        let script = get(&format!("/boot/ipxe/52-54-00-00-03-{:02x}.ipxe", self.number));
        self.order(&[self.number], "install", "armed")?;
        let text = self.step(("script-served", "boot script served"), &script, false)?;
        let token: String = text.split("token=").nth(1).unwrap().chars().take(32).collect();
        self.step(("kickstart-fetched", "kickstart fetched"), &get(&format!("/ks/{host}.ks")), false)?;
        for part in 0..3 {
            let text = format!("round {round}, build {build}, part {part}");
            let path = format!("/ks/{host}/progress?token={token}");
            self.step(("installing", &text), &wire::request("POST", &path, "", text.as_bytes()), false)?;
        }
        let path = format!("/ks/{host}/success?token={token}");
        self.step(("installed", "success"), &wire::request("POST", &path, "", b"done"), false)?;
        self.step(("local", "told to boot from its own disk"), &script, false)?;
        Some(())
    }
}

/// The states and texts of a host's events, in order; of an order only that it is one.
fn events(server: &Server, number: usize) -> Vec<(String, String)> {
    let answer = server.operator("GET", &format!("/api/v1/events?last=1000&host={}", name(number)), "").json();
    let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let event = |event: &Value| {
        let text = word(event, "text");
        (word(event, "state"), if text.contains(" ordered ") { "ordered".to_owned() } else { text })
    };
    answer.as_array().unwrap().iter().map(event).collect()
}

/// Compares what is kept with what was told; what was not told may have happened.
fn compare(server: &Server, number: usize, told: &mut Told) {
    let kept = events(server, number);
    if kept.len() == told.sure.len() + 1 {
        told.sure.extend(told.perhaps.take());
    }
    told.perhaps = None;
    assert_eq!(kept, told.sure, "{}", name(number));
    let last = kept.last().map_or("idle", |(state, _)| state.as_str());
    assert_eq!(server.state(&name(number)), last, "{}", name(number));
}

fn round(server: &mut Server, round: u64, all: &mut [Told], pause: Duration) {
    let stop = AtomicBool::new(false);
    let (port, socket) = (server.port, server.socket.clone());
    let (machines, pair) = all.split_at_mut(MACHINES);
    std::thread::scope(|scope| {
        for (number, told) in machines.iter_mut().enumerate() {
            let (stop, socket) = (&stop, socket.as_path());
            scope.spawn(move || {
                let mut asker = Asker { server: (port, socket), stop, number, told };
                (0..).try_for_each(|build| asker.installs(round, build))
            });
        }
        let (stop, socket) = (&stop, socket.as_path());
        scope.spawn(move || {
            let mut asker = Asker { server: (port, socket), stop, number: PAIR[0], told: &mut pair[0] };
            (0..).try_for_each(|_| asker.order(&PAIR, "rescue", "armed").map(|_| ()))
        });
        // The kill comes when it comes: this is no waiting for anything.
        let start = Instant::now();
        while start.elapsed() < pause {
            std::thread::yield_now();
            std::thread::sleep(Duration::from_millis(1));
        }
        server.kill();
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_kill_loses_nothing_that_was_answered_and_invents_nothing() {
    let site = site();
    let mut all: Vec<Told> = (0..=PAIR[0]).map(|_| Told::default()).collect();
    let mut server = Server::start(&site);
    let mut chance: u64 = 0x6b67_656e_2026_0002;
    for number in 0..ROUNDS {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        round(&mut server, number, &mut all, Duration::from_millis(50 + chance % 900));
        server = Server::start(&site);
        for (number, told) in all.iter_mut().enumerate() {
            compare(&server, number, told);
        }
        assert_eq!(events(&server, PAIR[0]), events(&server, PAIR[1]), "an order is for all of its hosts or for none");
    }
    let done: usize = all.iter().map(|told| told.sure.len()).sum();
    println!("{done} events in {ROUNDS} rounds");
    assert!(done > 50, "only {done}: this tests nothing");
}
