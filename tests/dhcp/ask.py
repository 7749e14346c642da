#!/usr/bin/env python3
"""Asks a DHCP server that runs with a configuration of kgen, and prints what it offers, a JSON line for each case.

usage: ask.py PLAN.json

The plan: {"server": "isc", "program": "/usr/sbin/dhcpd", "configuration": "OUT/dhcp/dhcpd.conf",
           "links": {"lab": ["10.55.0.1/24"]}, "cases": [{"case": "BIOS", "link": "lab", "mac": "..", "arch": 0}]}
`links` are networks with the addresses that the server has there. With "run": ["perfdhcp", ..] in place of cases the
command runs where the clients are, and its output is printed as one JSON line.

Everything happens in network namespaces of its own, the server in one and the clients in another, and is gone with
this process: no port and no file of the machine is touched.
"""
import ctypes
import json
import os
import random
import select
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import packet  # noqa: E402

INSIDE = "KGEN_DHCP_LAB"
CLONE_NEWNET, PR_SET_PDEATHSIG, SIGKILL = 0x40000000, 1, 9
READY, PATIENCE, RESEND = 20.0, 3.0, 1.0
LIBC = ctypes.CDLL(None, use_errno=True)
# Where servers keep leases unless they are told otherwise: empty here, with what a start by the system would make.
STATE, MADE_BY_THE_SYSTEM = "/var/lib", "/var/lib/kea"


def enter_own_namespaces():
    root = [] if os.geteuid() == 0 else ["-r"]
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-n", "-m", *root, "--", sys.executable, *sys.argv])


def system(call, *arguments):
    if call(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def command(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


class Clients:
    """The namespace in which the clients are, while `with` lasts."""

    def __init__(self):
        self.outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        system(LIBC.unshare, CLONE_NEWNET)
        self.inside = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.quicken()
        system(LIBC.setns, self.outside, CLONE_NEWNET)
        self.quicken()

    @staticmethod
    def quicken():
        """IPv6 addresses are there at once, without the search for duplicates."""
        for name in ["all", "default"]:
            try:
                with open(f"/proc/sys/net/ipv6/conf/{name}/accept_dad", "w") as setting:
                    setting.write("0")
            except OSError:
                pass
        command("ip", "link", "set", "lo", "up")

    def __enter__(self):
        system(LIBC.setns, self.inside, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        system(LIBC.setns, self.outside, CLONE_NEWNET)

    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.inside}"


def wait_for_link_local(interface):
    """It has its own address a moment after it is up."""
    end = time.monotonic() + READY
    while time.monotonic() < end:
        with open("/proc/net/if_inet6") as table:
            words = [line.split() for line in table]
        if any(word[5] == interface and word[0].startswith("fe80") and not int(word[4], 16) & 0x40 for word in words):
            return
        time.sleep(0.02)


class Link:
    """A cable: `NAME` at the server, `c-NAME` at the clients."""

    def __init__(self, name, addresses, clients):
        self.address = addresses[0].split("/")[0]
        self.name, self.end = name, f"c-{name}"
        command("ip", "link", "add", name, "type", "veth", "peer", "name", self.end, "netns", clients.path())
        for address in addresses:
            command("ip", "addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        command("ip", "link", "set", name, "up")
        with clients:
            command("ip", "link", "set", self.end, "up")
            self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            self.raw.bind((self.end, 0))
            self.number = socket.if_nametoindex(self.end)
            self.hardware = self.raw.getsockname()[4]
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as own:
            own.bind((name, 0))
            self.server = own.getsockname()[4]
        if any(":" in address for address in addresses):
            wait_for_link_local(name)
            with clients:
                wait_for_link_local(self.end)

    def relays_for(self, giaddr):
        """A relay is behind the clients' end; no one has to answer for its address."""
        mac = self.hardware.hex(":")
        command("ip", "route", "replace", giaddr, "dev", self.name)
        command("ip", "neigh", "replace", giaddr, "lladdr", mac, "dev", self.name, "nud", "permanent")

    def become(self, mac):
        """The clients' end takes a MAC address, and with it a link-local one: servers know IPv6 machines by these."""
        if packet.octets(mac) != self.raw.getsockname()[4]:
            command("ip", "link", "set", self.end, "down")
            command("ip", "link", "set", self.end, "address", mac, "up")
            wait_for_link_local(self.end)

    def udp6(self, mac, clients):
        with clients:
            self.become(mac)
            udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind(("::", 546, 0, self.number))
        return udp


def server_command(plan, directory):
    """How the server is told to stay in the foreground and to keep its files here."""
    program, configuration, links = plan["program"], plan["configuration"], list(plan["links"])
    leases = os.path.join(directory, "leases")
    open(leases, "w").close()
    if plan["server"] == "isc":
        return [program, "-4", "-f", "-cf", configuration, "-lf", leases, "-pf", os.path.join(directory, "pid"), *links]
    if plan["server"] == "dnsmasq":
        interfaces = [f"--interface={link}" for link in links]
        return [program, "-d", "-C", configuration, "--port=0", *interfaces, "--bind-interfaces", "--no-ping",
                "--log-facility=-", "--log-dhcp", f"--dhcp-leasefile={leases}"]
    return [program, "-c", configuration]


def end_with_this_process():
    """Whatever ends the lab ends its server."""
    LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL)


def listening(port, protocol):
    with open(f"/proc/net/{protocol}") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in table.readlines()[1:])


def wait_until_ready(server, wanted):
    end = time.monotonic() + READY
    while time.monotonic() < end and server.poll() is None:
        if listening(*wanted):
            return True
        time.sleep(0.02)
    return False


def answer(sockets, send, read, patience):
    """Sends, once more if there is silence, and gives the first answer that can be read."""
    end = time.monotonic() + patience
    again = 0.0
    while (now := time.monotonic()) < end:
        if now >= again:
            send()
            again = now + RESEND
        ready, _, _ = select.select([sockets], [], [], min(end, again) - now if min(end, again) > now else 0)
        if ready and (offered := read(sockets.recv(4096))) is not None:
            return offered
    return None


def ask4(case, link):
    """What is offered, or with "take" in the case what is then leased."""
    if "giaddr" in case:
        link.relays_for(case["giaddr"])
    offered = exchange4(case, link, packet.OFFER, None)
    if offered and case.get("take"):
        offered = exchange4(case, link, packet.ACKNOWLEDGED, packet.to_take(offered))
    return packet.offer(offered) if offered else None


def exchange4(case, link, wanted, taken):
    transaction = random.getrandbits(32)
    sent = packet.frame(case, transaction, link.hardware, link.server, link.address, taken)

    def read(received):
        reply = packet.message(received, transaction)
        return reply if reply and packet.kind_of(reply) == wanted else None

    return answer(link.raw, lambda: link.raw.send(sent), read, case.get("patience", PATIENCE))


def ask6(case, link, clients):
    with link.udp6(case["mac"], clients) as udp:
        offered = exchange6(case, link, udp, (packet.ADVERTISE, None))
        if offered and case.get("take") and packet.offer6(offered)["address"]:
            offered = exchange6(case, link, udp, (packet.REPLY, packet.to_take6(offered)))
    return packet.offer6(offered) if offered else None


def exchange6(case, link, udp, wanted):
    transaction = random.getrandbits(24)
    sent = packet.question6(case, transaction, wanted[1])
    everyone = ("ff02::1:2", 547, 0, link.number)

    def read(received):
        return packet.message6(received, transaction, wanted[0])

    return answer(udp, lambda: udp.sendto(sent, everyone), read, case.get("patience", PATIENCE))


def run(words, clients):
    with clients:
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(json.dumps({"status": done.returncode, "output": done.stdout + done.stderr}), flush=True)


def serve(plan, directory, clients):
    """Runs the server and asks it; whether that was possible."""
    version6 = plan.get("version", 4) == 6
    links = {name: Link(name, addresses, clients) for name, addresses in plan["links"].items()}
    environment = dict(os.environ, KEA_PIDFILE_DIR=directory, KEA_LOCKFILE_DIR="none")
    log = os.path.join(directory, "log")
    with open(log, "w") as said:
        server = subprocess.Popen(server_command(plan, directory), stdout=said, stderr=said, stdin=subprocess.DEVNULL,
                                  env=environment, cwd=directory, preexec_fn=end_with_this_process)
    try:
        if not wait_until_ready(server, (547, "udp6") if version6 else (67, "udp")):
            return False
        if "run" in plan:
            run(plan["run"], clients)
        for case in plan.get("cases", []):
            link = links[case["link"]]
            time.sleep(case.get("after", 0))
            offered = ask6(case, link, clients) if version6 else ask4(case, link)
            print(json.dumps({"case": case["case"], "offer": offered}), flush=True)
        return server.poll() is None
    finally:
        server.kill()
        server.wait()
        if plan.get("log"):
            with open(log) as said:
                sys.stderr.write(said.read())


def main():
    if INSIDE not in os.environ:
        enter_own_namespaces()
    with open(sys.argv[1]) as file:
        plan = json.load(file)
    command("mount", "-t", "tmpfs", "none", STATE)
    os.mkdir(MADE_BY_THE_SYSTEM)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        if not serve(plan, directory, Clients()):
            with open(os.path.join(directory, "log")) as said:
                sys.exit(f"{plan['server']} does not serve:\n{said.read()}")


if __name__ == "__main__":
    main()
