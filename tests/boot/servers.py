"""The servers of the boot test's network: HTTP of `kgen serve` or of a directory, TFTP, router advertisement, DHCP as
compiled, NFS.
"""

import functools
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import socket
import subprocess
import threading
import time

ADDRESS = "10.55.0.1"
ADDRESS6 = "fd55::1"
PORT = 8000
# Somebody in the network who is none of its machines.
STRANGER = "10.55.0.99"
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
        f"ip address add {STRANGER}/24 dev {BRIDGE}",
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
    """Files of a directory with GET and HEAD."""

    def log_request(self, code="-", size="-"):
        self.server.requests.append(f"{self.command} {self.path} {int(code)}")

    def log_message(self, *_):
        """Nothing: requests are listed in the result."""


class Directory:
    """HTTP of a directory, as any web server has it."""

    def __init__(self, root):
        handler = functools.partial(Handler, directory=root)
        server = http.server.ThreadingHTTPServer((ADDRESS, PORT), handler)
        server.daemon_threads = True
        server.requests = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.server = server

    def requests(self):
        return self.server.requests

    def told(self):
        """What it knows of the machine: nothing."""
        return {}


class Daemons:
    """The programs of one run, each with a log; all end with it."""

    def __init__(self, work):
        self.work = work
        self.running = []

    def start(self, name, *words, **environment):
        with open(self.work / f"{name}.log", "ab") as log:
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


class Operator(http.client.HTTPConnection):
    """Who may use the socket of a server."""

    def __init__(self, path):
        super().__init__("kgen")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def asked(connection, path):
    """The status and the body of an answer."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Kgen:
    """HTTP of `kgen serve`, and what an operator sees of it."""

    def __init__(self, daemons, program, site):
        self.daemons, self.program, self.site = daemons, program, site
        self.state = daemons.work / "state"
        self.socket = self.state / "kgen.sock"
        self.start()
        # A new state arms nobody; an operator lets the machines go.
        self.operate("boot", "--adopt", "--yes")

    def operate(self, command, *words):
        """What an operator says; gives what is answered."""
        words = [self.program, command, *words, "--socket", self.socket]
        return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout.decode()

    def rename(self, old, new):
        """Gives a host of the site another name, and has it served."""
        inventory = pathlib.Path(self.site) / "cluster.toml"
        inventory.write_text(inventory.read_text().replace(f"[hosts.{old}]", f"[hosts.{new}]"))
        self.operate("refresh")
        if f"renamed from {old}" not in self.operate("events", new):
            raise SystemExit(f"{old} was not renamed")

    def start(self):
        words = ["--site", self.site, "--state", self.state, "--listen", f"{ADDRESS}:{PORT}"]
        server = self.daemons.start("kgen", self.program, "serve", *words, "--verbose", "--log-format", "json")
        while not listens(PORT) and server.poll() is None:
            time.sleep(0.05)
        if server.poll() is not None:
            raise SystemExit("\n".join(self.daemons.log("kgen")))

    def log(self, message):
        """Its lines of one kind."""
        lines = [json.loads(line) for line in self.daemons.log("kgen") if line.startswith("{")]
        return [line for line in lines if line["message"] == message]

    def requests(self):
        return ["{method} {path} {status}".format(**line) for line in self.log("answered")]

    def told(self):
        """What it tells operators of all machines, and why it refused something to somebody."""
        events = [json.loads(line) for line in self.operate("events", "--format", "json").splitlines()]
        # How machines wait until they are let go is every start's.
        events = [event for event in events if "adopted it" not in event["text"] and "state is new" not in event["text"]]
        return {"events": events, "refused": [line["reason"] for line in self.log("refused")]}

    def kickstart(self, path):
        """The sum of what an operator gets at a path."""
        status, body = asked(Operator(self.socket), path)
        return hashlib.sha256(body).hexdigest() if status == 200 else status

    def strange(self, path):
        """The status of what somebody gets there who is none of the machines."""
        return asked(http.client.HTTPConnection(ADDRESS, PORT, source_address=(STRANGER, 0)), path)[0]


def listens(port):
    with socket.socket() as attempt:
        return attempt.connect_ex((ADDRESS, port)) == 0


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
        if listens(2049):
            return
        time.sleep(0.1)
