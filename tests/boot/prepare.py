"""What the boot test boots, made of Debian's packages without installing them.

A directory is filled once, and again when this file or the guest's scripts have changed:

    tftp/       a kernel with the test's own initrd, and every loader, as they stand in a TFTP directory
    root/       the root of a machine without a disk
    disk.img    a disk for BIOS, esp/ one for UEFI: both only say LOCAL_DISK
    first.ipxe  what turns ipxe.lkrn into a plain PXE ROM
    ovmf/       the firmware
"""

import gzip
import hashlib
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
LOCAL_DISK = "KGEN LOCAL DISK"
KERNEL = "linux-image-cloud-amd64"
PACKAGES = [
    *["grub-efi-amd64-signed", "shim-signed", "grub-pc-bin", "grub-efi-amd64-bin"],
    *["ipxe", "pxelinux", "syslinux-common", "busybox-static", "bash-static", "ovmf"],
]
# In the order of their dependencies. A kernel that has one of them built in does not ship it.
NETWORK = [
    *["drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev"],
    *["drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci"],
    *["net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net"],
]
NFS = [
    *["fs/netfs/netfs", "fs/fscache/fscache", "net/sunrpc/sunrpc", "fs/nfs_common/grace", "fs/nfs_common/nfs_acl"],
    *["fs/lockd/lockd", "fs/nfs/nfs", "net/dns_resolver/dns_resolver", "fs/nfs/nfsv4"],
    "fs/overlayfs/overlay",
]
# DHCP answers iPXE with its script at once, so this one does not say that it is iPXE until it has its answer.
PLAIN_ROM = """#!ipxe
set user-class ROM
dhcp net0 || exit 1
clear user-class
chain tftp://${next-server}/${filename} || exit 1
"""


def run(*words, **more):
    """Runs a program; what it says is shown only if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False, **more)
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise SystemExit(f"{words[0]} failed:\n{said}")
    return done.stdout


def prepare(directory):
    """Fills the directory, unless it is up to date."""
    recipe = [pathlib.Path(__file__), *sorted((HERE / "guest").iterdir())]
    version = hashlib.sha256(b"".join(file.read_bytes() for file in recipe)).hexdigest()
    stamp = directory / "version"
    if stamp.exists() and stamp.read_text() == version:
        return
    shutil.rmtree(directory, ignore_errors=True)
    tree = directory / "packages"
    tree.mkdir(parents=True)
    unpack(tree)
    make_initrd(tree, directory)
    make_root(tree, directory / "root")
    collect_loaders(tree, directory)
    make_disks(tree, directory)
    (directory / "first.ipxe").write_text(PLAIN_ROM)
    shutil.copytree(tree / "usr/share/OVMF", directory / "ovmf")
    # What lies in usr/lib/ipxe leads to /boot of this machine, where it need not be installed.
    shutil.copy(tree / "boot/ipxe.lkrn", directory)
    shutil.rmtree(tree)
    stamp.write_text(version)


def unpack(tree):
    """Fetches the packages. Package lists that are missing or old are read again."""
    try:
        fetch(tree)
    except SystemExit:
        run("apt-get", "update")
        fetch(tree)
    for package in tree.glob("*.deb"):
        run("dpkg-deb", "-x", package, tree)


def fetch(tree):
    depends = run("apt-cache", "depends", KERNEL).decode().split()
    kernel = next((word for word in depends if word.startswith("linux-image-") and word != KERNEL), KERNEL)
    run("apt-get", "download", kernel, *PACKAGES, cwd=tree)


def make_initrd(tree, directory):
    """The initrd: busybox, bash, the guest's scripts, and the modules that they load."""
    root = tree / "initrd"
    for name in ["modules", "sections", "proc", "sys", "dev", "run", "root", "lib/dracut/hooks/pre-pivot"]:
        (root / name).mkdir(parents=True)
    kernel = next(tree.glob("lib/modules/*/kernel"))
    for list_name, modules in [("network", NETWORK), ("nfs", NFS)]:
        for module in modules:
            if (kernel / f"{module}.ko").exists():
                shutil.copy(kernel / f"{module}.ko", root / "modules")
        names = [module.rpartition("/")[2] for module in modules]
        (root / "modules" / list_name).write_text("\n".join(names))
    install_busybox(tree, root)
    # Sections of kickstarts name it, and do what only it can.
    shutil.copy(tree / "bin/bash-static", root / "bin/bash")
    shutil.copy(HERE / "guest/curl", root / "bin")
    shutil.copy(HERE / "guest/init", root)
    shutil.copy(HERE / "guest/lease", root)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = run(tree / "bin/busybox", "cpio", "-o", "-H", "newc", input=names.encode(), cwd=root)
    (directory / "tftp").mkdir()
    packed = gzip.compress(archive)
    # Of an odd size: not every loader leaves a gap before the next initrd, so that must not depend on one.
    (directory / "tftp/initrd.img").write_bytes(packed + b"\0" * (1 - len(packed) % 2))


def install_busybox(tree, root):
    (root / "bin").mkdir(parents=True)
    shutil.copy(tree / "bin/busybox", root / "bin")
    for name in run(tree / "bin/busybox", "--list").decode().split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")


def make_root(tree, root):
    install_busybox(tree, root)
    for name in ["proc", "sys", "dev", "run", "tmp", "etc", "sbin"]:
        (root / name).mkdir()
    (root / "etc/motd").touch()
    shutil.copy(HERE / "guest/root-init", root / "sbin/init")
    shutil.copy(HERE / "guest/curl", root / "bin")
    (root / "bin/bash").write_text('#!/bin/sh\nexec sh "$@"\n')
    (root / "bin/bash").chmod(0o755)


def collect_loaders(tree, directory):
    """The kernel and the loaders, under the names that the test's site gives them."""
    tftp = directory / "tftp"
    shutil.copy(next(tree.glob("boot/vmlinuz-*")), tftp / "vmlinuz")
    for loader in ["ipxe/undionly.kpxe", "ipxe/snponly.efi", "PXELINUX/pxelinux.0"]:
        shutil.copy(tree / "usr/lib" / loader, tftp)
    shutil.copy(tree / "usr/lib/syslinux/modules/bios/ldlinux.c32", tftp)
    shutil.copy(tree / "usr/lib/shim/shimx64.efi.signed", tftp / "shimx64.efi")
    shutil.copy(tree / "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", tftp / "grubx64.efi")
    for platform in ["i386-pc", "x86_64-efi"]:
        modules = tree / "usr/lib/grub" / platform
        run("grub-mknetdir", "--net-directory", tftp, "--subdir", "/grub", "--directory", modules)


def make_disks(tree, directory):
    """Disks that say on the serial console that they were reached."""
    code = bytes.fromhex("fa31c08ed8be177cac84c07406baf803eeebf5f4ebfd")  # out 0x3f8 each octet up to a zero; hlt
    sector = bytes([*code, 0x90, *f"\r\n{LOCAL_DISK}\r\n\0".encode()]).ljust(510, b"\0") + b"\x55\xaa"
    (directory / "disk.img").write_bytes(sector.ljust(1 << 20, b"\0"))
    for path, content in {
        "BOOT/BOOTX64.EFI": (tree / "usr/lib/shim/shimx64.efi.signed").read_bytes(),
        "BOOT/grubx64.efi": (tree / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed").read_bytes(),
        "debian/grub.cfg": f"echo {LOCAL_DISK}\nsleep 60\n".encode(),
    }.items():
        target = directory / "esp/EFI" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
