//! A site, and a server of it that is ended with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{files, kgen, root, write};
use crate::wire::{self, Answer, LIMIT};

/// What no answer but an authorised kickstart may hold, nor the log.
pub const SECRET: &str = "$6$the-secret-of-root";
/// The token whose hash the site has.
pub const OPERATOR: &str = "the operator's token";
/// Hosts that install, by name, address and boot script.
pub const C0: (&str, &str, &str) = ("c0", "127.1.0.5", "/boot/ipxe/52-54-00-00-00-0a.ipxe");
pub const C1: (&str, &str, &str) = ("c1", "127.1.0.6", "/boot/ipxe/52-54-00-00-00-0b.ipxe");
/// Those that do not.
pub const DISK: (&str, &str, &str) = ("disk", "127.1.0.7", "/boot/ipxe/52-54-00-00-00-0c.ipxe");
pub const SICK: (&str, &str, &str) = ("sick", "127.1.0.8", "/boot/ipxe/52-54-00-00-00-0d.ipxe");
pub const BARE: (&str, &str, &str) = ("bare", "127.1.0.9", "/boot/ipxe/52-54-00-00-00-0e.ipxe");
/// An address of the network that is no host's.
pub const STRANGER: &str = "127.1.7.7";

/// Waits until something is so.
pub fn until(what: &str, is: impl FnMut() -> bool) {
    until_for(LIMIT, what, is);
}

/// Waits as long as that until something is so.
pub fn until_for(limit: Duration, what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A site in a directory of its own, with a place for the state beside it.
#[derive(Clone)]
pub struct Site {
    directory: Arc<TempDir>,
    /// Whether somebody has let the machines of the first start go.
    adopted: Arc<AtomicBool>,
}

impl Site {
    /// The site of `tests/serve/site`.
    pub fn new() -> Self {
        let site = Self { directory: Arc::new(tempfile::tempdir().unwrap()), adopted: Arc::default() };
        for (name, content) in files(&root().join("tests/serve/site")) {
            write(&site.path("site").join(name), content);
        }
        site.write_local(&site.path("site"));
        site
    }

    /// The same in a repository, `site/`, with what is in no repository in the directory of the state.
    pub fn in_git() -> Self {
        let site = Self::new();
        for name in ["secrets", "served"] {
            std::fs::remove_dir_all(site.path("site").join(name)).unwrap();
        }
        site.write_local(&site.state());
        site.git(&["init", "--quiet", "--initial-branch=main"]);
        site.commit("one");
        site
    }

    /// The same; nobody lets the machines go that wait when a server starts for the first time.
    pub fn waiting(self) -> Self {
        self.adopted.store(true, Ordering::Relaxed);
        self
    }

    fn write_local(&self, directory: &Path) {
        write(&directory.join("secrets/rootpw"), format!("{SECRET}\n"));
        // For who finds a way out of the directories that are served.
        write(&directory.join("served/secrets/rootpw"), format!("{SECRET}\n"));
        for name in ["vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi"] {
            write(&directory.join("served/boot").join(name), format!("this is {name}\n"));
        }
        let content: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
        write(&directory.join("served/tree/packages/a.rpm"), content);
        write(&directory.join("served/tree/.treeinfo"), "[general]\n");
        write(&directory.join("served/tree/empty"), "");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The inventory.
    pub fn inventory(&self) -> PathBuf {
        self.path("site/cluster.toml")
    }

    /// Writes something else into the inventory, whole at once.
    pub fn edit(&self, from: &str, to: &str) -> &Self {
        let text = std::fs::read_to_string(self.inventory()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        write(&self.path("new.toml"), text.replacen(from, to, 1));
        std::fs::rename(self.path("new.toml"), self.inventory()).unwrap();
        self
    }

    /// The same behind `[serve]`.
    pub fn serve(&self, lines: &str) -> &Self {
        self.edit("[serve]\n", &format!("[serve]\n{lines}\n"))
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(self.path("site")).args(["-c", "user.name=n", "-c", "user.email=e@example.org"]);
        let output = git.args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Commits everything; gives the id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The URL of its repository.
    pub fn url(&self) -> String {
        format!("file://{}", self.path("site").display())
    }
}

/// A running server.
pub struct Server {
    child: Child,
    pub port: u16,
    pub socket: PathBuf,
    log: Arc<Mutex<String>>,
    /// Goes when both are gone.
    _site: Site,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that is none: its exit code, and what it said.
pub type NotStarted = (Option<i32>, String);

impl Server {
    /// Serves the directory of a site.
    pub fn start(site: &Site) -> Self {
        Self::with(site, site.path("site").to_str().unwrap(), &[]).unwrap_or_else(|(_, said)| panic!("{said}"))
    }

    /// Serves the repository of a site.
    pub fn of_git(site: &Site) -> Self {
        Self::with(site, &site.url(), &[]).unwrap_or_else(|(_, said)| panic!("{said}"))
    }

    /// Serves what is named, with more options.
    pub fn with(site: &Site, what: &str, options: &[&str]) -> Result<Self, NotStarted> {
        let mut command = kgen();
        command.args(["serve", "--verbose", "--site", what, "--state"]).arg(site.state());
        command.args(["--listen", "127.0.0.1:0"]).args(options);
        Self::of(command, site)
    }

    /// Starts a command, and waits until it serves.
    pub fn of(mut command: Command, site: &Site) -> Result<Self, NotStarted> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        let mut server = Self { child, port: 0, socket: site.state().join("kgen.sock"), log, _site: site.clone() };
        let start = Instant::now();
        loop {
            if server.log().contains("operators at ") {
                server.port = server.ports("http").first().copied().unwrap_or(0);
                if !site.adopted.swap(true, Ordering::Relaxed) {
                    // A new state arms nobody; most tests are about machines that install.
                    server.operator("POST", "/api/v1/boot", r#"{"adopt": true}"#);
                }
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait().unwrap() {
                reader.join().unwrap();
                return Err((status.code(), server.log()));
            }
            assert!(start.elapsed() < LIMIT, "{}", server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The ports that it serves at, by its own word.
    pub fn ports(&self, scheme: &str) -> Vec<u16> {
        let log = self.log();
        let words = format!("serving at {scheme}://");
        let after = log.split(&words).skip(1);
        let port = |rest: &str| {
            let place = rest.split(|c: char| c.is_whitespace() || c == '"').next()?;
            place.rsplit_once(':')?.1.parse().ok()
        };
        after.filter_map(port).collect()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log tells something.
    pub fn tells(&self, what: &str) {
        until(&format!("the log tells {what}"), || self.log().contains(what));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// Ends it as the system does; gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.ended(LIMIT).expect("it does not end")
    }

    /// Ends it as a lost supply of power does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit code if it ends within a time.
    pub fn ended(&mut self, limit: Duration) -> Option<Option<i32>> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.code());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Sends bytes from an address; gives the bytes that come.
    pub fn raw(&self, from: &str, bytes: &[u8]) -> Vec<u8> {
        wire::exchange(&mut wire::connected(from, self.port), bytes)
    }

    /// Asks with more header lines.
    pub fn ask(&self, from: &str, method: &str, path: &str, more: &str, body: &[u8]) -> Answer {
        wire::only(&self.raw(from, &wire::request(method, path, more, body)), method == "HEAD")
    }

    pub fn get(&self, from: &str, path: &str) -> Answer {
        self.ask(from, "GET", path, "", b"")
    }

    pub fn post(&self, from: &str, path: &str, body: &[u8]) -> Answer {
        self.ask(from, "POST", path, "", body)
    }

    /// Asks by the operators' socket.
    pub fn operator(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut stream = wire::connected_socket(&self.socket);
        wire::only(&wire::exchange(&mut stream, &wire::request(method, path, "", body.as_bytes())), method == "HEAD")
    }

    /// An order that is carried out.
    pub fn order(&self, path: &str, body: &str) -> String {
        let answer = self.operator("POST", path, body);
        assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
        answer.json()["done"].as_str().unwrap().to_owned()
    }

    /// What is known of a host.
    pub fn host(&self, name: &str) -> Value {
        self.operator("GET", &format!("/api/v1/hosts/{name}"), "").json()
    }

    pub fn state(&self, name: &str) -> String {
        self.host(name)["state"].as_str().unwrap().to_owned()
    }

    pub fn events(&self) -> Vec<Value> {
        let all = self.operator("GET", "/api/v1/events?last=1000", "").json().as_array().unwrap().clone();
        let is_of_start = |event: &Value| {
            let text = event["text"].as_str().unwrap();
            text.contains(" adopted it") || text.contains("the state is new, or a copy")
        };
        all.into_iter().filter(|event| !is_of_start(event)).collect()
    }

    pub fn generations(&self) -> Value {
        self.operator("GET", "/api/v1/generations", "").json()
    }

    pub fn generation(&self) -> String {
        self.generations()["generation"].as_str().unwrap().to_owned()
    }

    /// The number of a metric; `name` is all that stands before it.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("127.0.0.1", "/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or("0").parse().unwrap()
    }

    /// The boot script of a host, as it gets it, and the token in it.
    pub fn script(&self, (_, address, path): (&str, &str, &str)) -> (String, String) {
        let answer = self.get(address, path);
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.text();
        let token = text.split("token=").nth(1).map(|rest| rest.chars().take(32).collect()).unwrap_or_default();
        (text, token)
    }

    /// Runs `kgen` as an operator of this machine.
    pub fn kgen(&self, arguments: &[&str]) -> Output {
        kgen().args(arguments).arg("--socket").arg(&self.socket).output().unwrap()
    }
}

/// An error of what should be a number of hexadecimal digits.
pub fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
