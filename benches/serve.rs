//! Kickstarts from `kgen serve` against the same bytes from nginx, asked by wrk in turns within one run:
//! `cargo bench --bench serve`. Ratios are what to look at. Further builds of kgen that are to be compared stand in
//! `KGEN_OTHERS`, apart at `:`; `KGEN_SECONDS` is how long each turn takes.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)] // a bench reads clocks
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const HOSTS: usize = 10_000;
/// Every so many hosts one that asks.
const EVERY: usize = 10;
const SIZES_KB: [usize; 2] = [45, 145];
const CONNECTIONS: [usize; 3] = [8, 64, 256];
const ROUNDS: usize = 3;

fn main() {
    let (Some(nginx), Some(wrk)) = (program("nginx"), program("wrk")) else {
        println!("nginx or wrk is missing (Debian: nginx-light, wrk): nothing is compared");
        return;
    };
    let seconds = env::var("KGEN_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let others = env::var("KGEN_OTHERS").unwrap_or_default();
    let kgens = [env!("CARGO_BIN_EXE_kgen")].into_iter().chain(others.split(':').filter(|path| !path.is_empty()));
    let kgens: Vec<PathBuf> = kgens.map(PathBuf::from).collect();
    println!("| kickstart | connections | server | requests/s | of nginx | p50 ms | p99 ms | CPU us per request |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut memory = Vec::new();
    for size in SIZES_KB {
        let scratch = tempfile::tempdir().unwrap();
        let mut servers = vec![];
        for (number, kgen) in kgens.iter().enumerate() {
            let name = if number == 0 { "kgen".to_owned() } else { kgen.file_name().unwrap().display().to_string() };
            servers.push(Server::kgen(&name, kgen, &scratch.path().join(number.to_string()), size));
        }
        let root = scratch.path().join("root");
        let bytes = fetch_all(servers[0].port, &root);
        for server in &servers[1..] {
            assert!(fetch_all(server.port, &scratch.path().join("same")) > 0);
        }
        // Without sendfile it copies each byte once more, as whoever makes bytes has to.
        servers.insert(0, Server::nginx(&nginx, &root, "off"));
        servers.insert(0, Server::nginx(&nginx, &root, "on"));
        let script = scratch.path().join("ask.lua");
        fs::write(&script, lua()).unwrap();
        let before: Vec<_> = servers.iter().map(Server::resident).collect();
        for connections in CONNECTIONS {
            compare(&servers, |server| server.asked(&wrk, &script, connections, seconds), &label(bytes, connections));
        }
        for (server, before) in servers.iter().zip(before).skip(2) {
            let after = server.resident();
            memory.push(format!(
                "{}, {} kB kickstarts, {HOSTS} hosts: {before} MB before, {after} MB after",
                server.name,
                bytes / 1000
            ));
        }
    }
    println!("\nmemory (resident)");
    memory.iter().for_each(|line| println!("  {line}"));
}

fn label(bytes: usize, connections: usize) -> String {
    format!("| {} kB | {connections} ", bytes / 1000)
}

fn program(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    all.map(|path| path.join(name)).find(|path| path.is_file())
}

fn name(host: usize) -> String {
    format!("compute-{}-{}", host / 100, host % 100)
}

fn ip(host: usize) -> String {
    format!("127.{}.{}.{}", host / 65536 + 1, host / 256 % 256, host % 256)
}

/// A site whose kickstarts have about this size; wrk is the proxy that speaks for its hosts.
fn site(directory: &Path, size_kb: usize) {
    let mut inventory = concat!(
        "[site]\nname = \"bench\"\ndomain = \"bench.example.org\"\nserver = \"http://127.0.0.1:8080\"\n",
        "target = \"RHEL9\"\narch = \"x86_64\"\ndistribution = \"el9\"\nboot = \"install\"\n",
        "[distributions.el9]\nurl = \"http://127.0.0.1/el9\"\n[networks.private]\nsubnet = \"127.0.0.0/8\"\n",
        "[appliances.compute]\n[serve]\ntrusted_proxies = [\"127.0.0.1\"]\n"
    )
    .to_owned();
    for host in 0..HOSTS {
        let (a, b, c) = (host / 65536 + 1, host / 256 % 256, host % 256);
        let _ = writeln!(
            inventory,
            "[hosts.{}]\nappliance = \"compute\"\ninterfaces = [{{ name = \"eth0\", network = \"private\", address = \"52:54:00:{a:02x}:{b:02x}:{c:02x}\", ip = \"{}\" }}]",
            name(host),
            ip(host)
        );
    }
    let mut module = "<kickstart roll=\"base\"><package>chrony</package><post>\n".to_owned();
    while module.len() < size_kb * 1000 {
        module.push_str("echo 'a long script on &hostname;'\n");
        for line in 0..40 {
            let _ = writeln!(module, "echo 'line {line} of a script such as sites have it'");
        }
    }
    module.push_str("</post></kickstart>\n");
    let graph = "<graph roll=\"base\"></graph>\n".to_owned();
    for (path, text) in [("cluster.toml", inventory), ("nodes/compute.xml", module), ("graphs/default/x.xml", graph)] {
        fs::create_dir_all(directory.join(path).parent().unwrap()).unwrap();
        fs::write(directory.join(path), text).unwrap();
    }
}

struct Server {
    name: String,
    port: u16,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Server {
    fn kgen(name: &str, kgen: &Path, directory: &Path, size_kb: usize) -> Self {
        site(directory, size_kb);
        let port = free_port();
        let mut child = Command::new(kgen)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--state"])
            .arg(directory.join("../").join(format!("state-{port}")))
            .arg("--site")
            .arg(directory)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("serving at") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "kgen does not serve");
        }
        while !line.contains("operators at") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "kgen does not serve");
        }
        // A new state arms nobody.
        let socket = directory.join("../").join(format!("state-{port}/kgen.sock"));
        let adopted = Command::new(kgen).args(["boot", "--adopt", "--yes", "--socket"]).arg(socket).output().unwrap();
        assert!(adopted.status.success(), "{adopted:?}");
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { name: name.to_owned(), port, child }
    }

    fn nginx(nginx: &Path, root: &Path, sendfile: &str) -> Self {
        let port = free_port();
        let configuration = format!(
            "worker_processes auto;\ndaemon off;\npid {root}.{sendfile}.pid;\nerror_log {root}.log;\nevents {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n  sendfile {sendfile};\n  tcp_nopush on;\n  keepalive_requests 1000000000;\n  open_file_cache max=20000 inactive=1h;\n  open_file_cache_valid 1h;\n  default_type text/plain;\n  types {{}}\n  server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }}\n}}\n",
            root = root.display()
        );
        let file = root.with_extension(format!("{sendfile}.conf"));
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new(nginx);
        let child = command.arg("-c").arg(file).stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        let name = if sendfile == "on" { "nginx" } else { "nginx without sendfile" };
        Self { name: name.to_owned(), port, child }
    }

    /// The process and those that it started.
    fn processes(&self) -> Vec<String> {
        let own = self.child.id().to_string();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).chain([own]).collect()
    }

    /// Time on processors so far, in seconds.
    fn busy(&self) -> f64 {
        let ticks = |pid: &String| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
            fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
        };
        self.processes().iter().map(ticks).sum::<f64>() / 100.0
    }

    /// Resident memory in MB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1000
    }

    fn asked(&self, wrk: &Path, script: &Path, connections: usize, seconds: u64) -> Turn {
        let (busy, start) = (self.busy(), Instant::now());
        let output = Command::new(wrk)
            .args(["-t1", "-c", &connections.to_string(), "-d", &format!("{seconds}s"), "-s"])
            .arg(script)
            .arg(format!("http://127.0.0.1:{}", self.port))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("result ")).unwrap_or_else(|| panic!("{text}"));
        let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [requests, rate, p50, p99, bad] = numbers.try_into().unwrap();
        assert!(bad == 0.0, "{}: {bad} of {requests} were not answered: {text}", self.name);
        assert!(start.elapsed() >= Duration::from_secs(seconds));
        Turn { rate, p50, p99, busy: (self.busy() - busy) * 1e6 / requests }
    }
}

/// One turn of one server.
#[derive(Clone, Copy)]
struct Turn {
    rate: f64,
    p50: f64,
    p99: f64,
    busy: f64,
}

/// Turns of all servers, one after the other, several times; of each the middle.
fn compare(servers: &[Server], ask: impl Fn(&Server) -> Turn, label: &str) {
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); servers.len()];
    for _ in 0..ROUNDS {
        for (server, turns) in servers.iter().zip(&mut turns) {
            turns.push(ask(server));
        }
    }
    let middle = |turns: &[Turn], of: fn(&Turn) -> f64| {
        let mut all: Vec<f64> = turns.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let nginx = middle(&turns[0], |turn| turn.rate);
    for (server, turns) in servers.iter().zip(&turns) {
        let rate = middle(turns, |turn| turn.rate);
        let [p50, p99, busy] =
            [|turn: &Turn| turn.p50, |turn: &Turn| turn.p99, |turn: &Turn| turn.busy].map(|of| middle(turns, of));
        println!("{label}| {} | {rate:.0} | {:.2} | {p50:.2} | {p99:.2} | {busy:.0} |", server.name, rate / nginx);
    }
}

/// What wrk does: every asking host in turn, the same for all servers.
fn lua() -> String {
    let mut text = "local asks = {}\nlocal at = 0\nfunction init()\n".to_owned();
    text.push_str("  local function ask(path, from) asks[#asks + 1] = wrk.format('GET', path, { ['X-Forwarded-For'] = from, Host = 'bench' }) end\n");
    for host in (0..HOSTS).step_by(EVERY) {
        let _ = writeln!(text, "  ask('/ks/{}.ks', '{}')", name(host), ip(host));
    }
    text + "end\nfunction request() at = at % #asks + 1 return asks[at] end\n\
            function done(all, latency)\n  local bad = all.errors.connect + all.errors.read + all.errors.write + all.errors.status + all.errors.timeout\n\
            print(string.format('result %d %f %f %f %d', all.requests, all.requests / all.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))\nend\n"
}

/// Writes the kickstarts of all asking hosts below a directory, and gives the size of one.
fn fetch_all(port: u16, root: &Path) -> usize {
    fs::create_dir_all(root.join("ks")).unwrap();
    let mut bytes = 0;
    for host in (0..HOSTS).step_by(EVERY) {
        let path = format!("ks/{}.ks", name(host));
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let from = ip(host);
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: bench\r\nX-Forwarded-For: {from}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && body.contains(&format!("# host: {}\n", name(host))), "{head}");
        fs::write(root.join(path), body).unwrap();
        bytes = body.len();
    }
    bytes
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
