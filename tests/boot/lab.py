#!/usr/bin/env python3
"""Boots a virtual machine over the network from what `kgen compile` has written.

    lab.py prepare DIRECTORY                fills DIRECTORY with a kernel, an initrd, loaders and firmware
    lab.py boot MACHINE OUT DIRECTORY       boots MACHINE, one of the list below, from the compiled OUT

The machine stands in a network namespace of its own, with TFTP of OUT, NFS if --nfs names the path of the root, and
the DHCP server that --dhcp names, which reads the compiled configuration as it is. HTTP at 10.55.0.1:8000 is that of
`kgen serve` if --serve names the program and the site that OUT was compiled from, else of OUT. What is printed is one
line of JSON: what the machine reported, what it asked for, the end of its serial console. The exit code is 0 if the
machine reported, or with --disk, if it started from its own disk. With --install it has to report, and then to start
from its own disk as often as it asks.

Needs the superuser, QEMU, dnsmasq, iproute2; kea-dhcp4, dhcpd, ganesha.nfsd where they are asked for. It does not
use KVM, which is not everywhere where /dev/kvm is.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import prepare  # noqa: E402
import servers  # noqa: E402

# What starts first: the NIC's own iPXE, a plain PXE ROM, or the firmware of a UEFI machine.
MACHINES = ["bios-ipxe", "bios-rom", "uefi-pxe", "uefi-http", "uefi-secure"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare")
    booting = commands.add_parser("boot")
    booting.add_argument("machine", choices=MACHINES)
    booting.add_argument("out", type=pathlib.Path)
    for command in [preparing, booting]:
        command.add_argument("directory", type=pathlib.Path)
    booting.add_argument("--dhcp", choices=["dnsmasq", "kea", "isc"], default="dnsmasq")
    booting.add_argument("--mac", default="52:54:00:aa:00:01")
    booting.add_argument("--nfs", metavar="PATH", help="export the root of a machine without a disk under PATH")
    booting.add_argument("--serve", nargs=2, metavar=("KGEN", "SITE"), help="what answers HTTP")
    booting.add_argument("--install", metavar="HOST", help="expect that the machine installs itself once, as this host")
    booting.add_argument("--rename", metavar="NAME", help="give the host another name before the machine starts again")
    booting.add_argument("--disk", action="store_true", help="expect that the machine starts from its own disk")
    booting.add_argument("--limit", type=float, default=180, metavar="SECONDS")
    booting.add_argument("--logs", type=pathlib.Path, help="keep the logs of all servers in this directory")
    arguments = parser.parse_args()
    if arguments.command == "prepare":
        return prepare.prepare(arguments.directory.resolve())
    if os.environ.get("KGEN_BOOT_LAB") != "inside":
        os.environ["KGEN_BOOT_LAB"] = "inside"
        unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        os.execvp("unshare", [*unshare, sys.executable, __file__, *sys.argv[1:]])
    with tempfile.TemporaryDirectory(prefix="kgen-boot-") as work:
        result = boot(arguments, pathlib.Path(work))
        if arguments.logs:
            shutil.copytree(work, arguments.logs, dirs_exist_ok=True, ignore=lambda *_: ["vars.fd", "kgen.sock", "monitor"])
    print(json.dumps(result))
    return 0 if result["status"] in ["ok", "disk"] else 1


def boot(arguments, work):
    """Starts the servers and the machine, and waits for its report."""
    out = arguments.out.resolve()
    servers.make_network()
    daemons = servers.Daemons(work)
    started = time.monotonic()
    try:
        web = servers.Kgen(daemons, *arguments.serve) if arguments.serve else servers.Directory(out)
        servers.serve_files(daemons, out / "boot")
        servers.serve_dhcp(daemons, arguments.dhcp, out)
        if arguments.nfs:
            servers.serve_nfs(daemons, arguments.directory.resolve() / "root", arguments.nfs)
        result = installs(daemons, web, work, arguments) if arguments.install else starts(daemons, work, arguments)
        result |= {"seconds": round(time.monotonic() - started, 1), "ended": daemons.ended(), **web.told()}
    finally:
        daemons.stop()
    return {**result, **said(web, daemons, work)}


def qemu(arguments, work):
    """The command line of the machine."""
    firmware, _, kind = arguments.machine.partition("-")
    secure = kind == "secure"
    rom = "" if kind == "ipxe" else ",romfile="
    words = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", "512", "-nographic", "-monitor", "none"]
    words += ["-qmp", f"unix:{work}/monitor,server=on,wait=off"] if arguments.install else ["-no-reboot"]
    words += ["-serial", f"file:{work}/serial.log", "-serial", f"file:{work}/report.log"]
    words += ["-machine", "q35,smm=on" if secure else "q35" if firmware == "uefi" else "pc"]
    words += ["-netdev", "tap,id=net0,ifname=tap0,script=no,downscript=no"]
    words += ["-device", f"virtio-net-pci,netdev=net0,mac={arguments.mac},bootindex=1{rom}"]
    if firmware == "uefi":
        suffix = "_4M.ms.fd" if secure else "_4M.fd"
        shutil.copy(arguments.directory / f"ovmf/OVMF_VARS{suffix}", work / "vars.fd")
        code = arguments.directory / f"ovmf/OVMF_CODE{suffix}"
        words += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
        words += ["-drive", f"if=pflash,format=raw,file={work}/vars.fd"]
        words += ["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no"]
    if secure:
        words += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    if kind == "http":
        words += ["-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=no"]
    if kind == "rom":
        words += ["-kernel", arguments.directory / "ipxe.lkrn", "-initrd", arguments.directory / "first.ipxe"]
    if arguments.disk or arguments.install:
        esp, disk = arguments.directory / "esp", arguments.directory / "disk.img"
        file = f"fat:{esp}" if firmware == "uefi" else disk
        words += ["-drive", f"if=none,id=disk0,format=raw,snapshot=on,file={file}"]
        words += ["-device", "virtio-blk-pci,drive=disk0,bootindex=2"]
    return words


def starts(daemons, work, arguments):
    """Starts the machine once."""
    daemons.start("qemu", *qemu(arguments, work))
    if wait(daemons, arguments, lambda: report(work) or arguments.disk and prepare.LOCAL_DISK in serial(work)):
        return report(work) or {"status": "disk"}
    return {"status": "silent"}


def installs(daemons, web, work, arguments):
    """Starts the machine, which installs itself, starts again by itself, and is then started once more."""
    kickstart = f"/ks/{arguments.install}.ks"
    # Scripts hold the token of the build, kickstarts the secrets.
    paths = [kickstart, f"{kickstart}?token={'0' * 32}", "/ks", f"/boot/ipxe/{arguments.mac.replace(':', '-')}.ipxe"]
    result = {"strange": [web.strange(path) for path in paths], "kickstart": web.kickstart(kickstart), "disks": 0}
    daemons.start("qemu", *qemu(arguments, work))
    if not wait(daemons, arguments, lambda: report(work)):
        return {**result, "status": "silent"}
    result |= report(work)
    for _ in range(2):
        seen = serial(work).count(prepare.LOCAL_DISK) if result["disks"] else 0
        if seen and arguments.rename:
            web.rename(arguments.install, arguments.rename)
        if seen:
            reset(work)
        if wait(daemons, arguments, lambda: serial(work).count(prepare.LOCAL_DISK) > seen):
            result["disks"] += 1
    return result


def reset(work):
    """Presses the button of the machine."""
    with socket.socket(socket.AF_UNIX) as monitor, monitor.makefile() as answers:
        monitor.connect(f"{work}/monitor")
        answers.readline()
        for command in ["qmp_capabilities", "system_reset"]:
            monitor.sendall(json.dumps({"execute": command}).encode())
            answers.readline()


def wait(daemons, arguments, happened):
    """Waits for something; gives whether it happened before a program ended, or too much time."""
    end = time.monotonic() + arguments.limit
    while not happened() and not daemons.ended() and time.monotonic() < end:
        time.sleep(0.1)
    return bool(happened())


def serial(work):
    path = work / "serial.log"
    return path.read_text(errors="replace") if path.exists() else ""


def report(work):
    """The facts of the machine's report, once it is whole. The last is the kernel line, which holds blanks."""
    path = work / "report.log"
    # A UEFI has its console on this port too.
    line = re.search(r"^status=.*\n", path.read_text(errors="replace"), re.MULTILINE) if path.exists() else None
    if not line:
        return {}
    facts, _, cmdline = line[0].strip().partition(" cmdline=")
    return {**dict(fact.partition("=")[::2] for fact in facts.split()), "cmdline": cmdline}


def said(web, daemons, work):
    """What the servers were asked for, and how the machine's console ends."""
    plain = re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]|[^\n -~]", "", serial(work))
    sent = [line.partition(": ")[2] for line in daemons.log("tftp") if "tftp" in line]
    console = [line.rstrip() for line in plain.splitlines() if line.strip()]
    tails = {"dhcp": daemons.log("dhcp")[-15:], "qemu": daemons.log("qemu")[-5:]}
    return {"requests": web.requests(), "tftp": sent, **tails, "serial": console[-30:]}


if __name__ == "__main__":
    sys.exit(main())
