"""The servers of the boot test's network: HTTP of a directory, TFTP, router advertisement, DHCP as compiled, NFS."""

import functools
import http.server
import os
import socket
import subprocess
import threading
import time

ADDRESS = "10.55.0.1"
ADDRESS6 = "fd55::1"
BRIDGE = "boot0"
# Servers keep their state there; in the private mount namespace each is empty.
STATE = ["/run", "/var/lib/misc", "/var/lib/kea", "/var/lib/dhcp", "/var/lib/nfs"]
GANESHA = """
NFS_CORE_PARAM {{
  Protocols = 4; Bind_addr = {address}; Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true;
}}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; Only_Numeric_Owners = true; }}
EXPORT {{
  Export_Id = 1; Path = {root}; Pseudo = {path}; Access_Type = RO; Squash = No_Root_Squash; SecType = sys;
  Protocols = 4; Transports = TCP; FSAL {{ Name = VFS; }}
}}
"""


def make_network():
    """A bridge with the servers' addresses, and the cable of one machine. IPv6 must not wait for duplicates."""
    commands = [
        "ip link set lo up",
        f"ip link add {BRIDGE} type bridge",
        f"ip link set {BRIDGE} type bridge stp_state 0 forward_delay 0",
        f"ip address add {ADDRESS}/24 dev {BRIDGE}",
        f"ip address add {ADDRESS6}/64 dev {BRIDGE} nodad",
        f"ip link set {BRIDGE} up",
        "ip tuntap add tap0 mode tap",
        f"ip link set tap0 master {BRIDGE} up",
    ]
    for place in STATE:
        os.makedirs(place, exist_ok=True)
        commands.append(f"mount -t tmpfs tmpfs {place}")
    for command in commands:
        subprocess.run(command.split(), check=True)
    for place in ["/run/ganesha", "/var/lib/nfs/ganesha"]:
        os.makedirs(place)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a directory with GET and HEAD; what is posted to /report is the machine's last word."""

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        posted = self.rfile.read(size).decode(errors="replace")
        known = self.path == "/report"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if known:
            self.server.report = posted
            self.server.reported.set()

    def log_request(self, code="-", size="-"):
        self.server.requests.append(f"{self.command} {self.path} {int(code)}")

    def log_message(self, *_):
        """Nothing: requests are listed in the result."""


def serve_http(root):
    handler = functools.partial(Handler, directory=root)
    server = http.server.ThreadingHTTPServer((ADDRESS, 8000), handler)
    server.daemon_threads = True
    server.requests, server.report, server.reported = [], None, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Daemons:
    """The programs of one run, each with a log; all end with it."""

    def __init__(self, work):
        self.work = work
        self.running = []

    def start(self, name, *words, **environment):
        with open(self.work / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )
        self.running.append((name, process))
        return process

    def ended(self):
        """The programs that have ended by themselves."""
        return [name for name, process in self.running if process.poll() is not None]

    def log(self, name):
        path = self.work / f"{name}.log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def stop(self):
        for _, process in self.running:
            process.terminate()
        for _, process in self.running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def serve_files(daemons, root):
    """TFTP, and the router advertisement without which iPXE waits 12 seconds for one."""
    words = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", f"--interface={BRIDGE}"]
    words += ["--user=root", "--pid-file=", "--log-facility=-", "--enable-tftp", f"--tftp-root={root}"]
    words += ["--enable-ra", "--dhcp-range=fd55::,ra-only,64", f"--ra-param={BRIDGE},4,1800", "--leasefile-ro"]
    daemons.start("tftp", "dnsmasq", *words)


def serve_dhcp(daemons, server, out):
    """DHCP by the compiled configuration, which is given as it is."""
    configuration = {"dnsmasq": "dnsmasq.conf", "kea": "kea-dhcp4.json", "isc": "dhcpd.conf"}[server]
    path = out / "dhcp" / configuration
    if server == "dnsmasq":
        words = ["--keep-in-foreground", "--port=0", f"--interface={BRIDGE}", "--bind-interfaces", "--user=root"]
        words += ["--pid-file=", "--log-facility=-", "--log-dhcp"]
        daemons.start("dhcp", "dnsmasq", f"--conf-file={path}", *words)
    elif server == "kea":
        environment = {"KEA_PIDFILE_DIR": str(daemons.work), "KEA_LOCKFILE_DIR": "none"}
        daemons.start("dhcp", "kea-dhcp4", "-c", path, **environment)
    else:
        leases = daemons.work / "dhcpd.leases"
        leases.touch()
        own = ["-lf", leases, "-pf", daemons.work / "dhcpd.pid"]
        daemons.start("dhcp", "dhcpd", "-4", "-f", "-cf", path, *own, BRIDGE)


def serve_nfs(daemons, root, path):
    """A directory, read-only by NFS version 4, under the path that machines know it by."""
    configuration = daemons.work / "ganesha.conf"
    configuration.write_text(GANESHA.format(address=ADDRESS, root=root, path=path))
    own = ["-L", daemons.work / "ganesha.log", "-p", daemons.work / "ganesha.pid"]
    daemons.start("nfs", "ganesha.nfsd", "-F", "-f", configuration, *own)
    for _ in range(100):
        with socket.socket() as attempt:
            if attempt.connect_ex((ADDRESS, 2049)) == 0:
                return
        time.sleep(0.1)
