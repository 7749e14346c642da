#!/usr/bin/env python3
"""Packages for tests and benchmarks, made by rpmbuild: one spec with many sub-packages, which is one run of it.

    packages.py small NUMBER DIRECTORY   a file of a few bytes in each; they require and provide each other
    packages.py real NUMBER DIRECTORY    files of the programs that are installed on this machine, as its own packages
                                         (dpkg) have them: real numbers of files, real sizes
    packages.py spec FILE DIRECTORY      whatever a spec file says
"""

import os
import subprocess
import sys
import tempfile

HEAD = [
    "Name: kgen-packages", "Version: 1.0", "Release: 1", "Summary: packages for tests", "License: MIT",
    "%global debug_package %{nil}", "%global __os_install_post %{nil}", "%global _binary_payload w1.zstdio",
    "%global source_date_epoch_from_changelog 0", "%description", "Packages for tests.", "",
]


def package(name, version, summary, files, relations=(), arch="noarch"):
    arch = ["BuildArch: noarch"] if arch == "noarch" else []
    head = [f"%package -n {name}", f"Summary: {summary}", f"Version: {version}", "AutoReqProv: no", *arch, *relations]
    return head + [f"%description -n {name}", f"{summary}.", "", f"%files -n {name}", *files, ""]


def small(number):
    lines = ["%install", f"mkdir -p %{{buildroot}}/opt/p; for i in $(seq 0 {number - 1}); do echo $i > %{{buildroot}}/opt/p/$i; done", ""]
    for i in range(number):
        relations = [f"Provides: cap({i})"] + ([f"Requires: pkg{i // 2:05d}"] if i > 1 else [])
        lines += package(f"pkg{i:05d}", f"1.{i % 7}", f"package {i}", [f"/opt/p/{i}"], relations)
    return HEAD + lines


# Few packages hold more than this in one file, and those would be all that is measured.
LARGEST = 8 << 20


def plain(path):
    if not os.path.isfile(path) or os.path.getsize(path) > LARGEST:
        return False
    return all(c.isalnum() or c in "/._-+" for c in path) and not os.path.islink(path)


def real(number, root):
    names = subprocess.run(["dpkg-query", "-W", "-f", "${binary:Package}\n"], capture_output=True, text=True, check=True)
    lines, taken, copies = [], set(), []
    names = names.stdout.split()
    for turn in range(number):
        name = names[turn % len(names)]
        listed = subprocess.run(["dpkg-query", "-L", name], capture_output=True, text=True, check=True).stdout.split("\n")
        files = [path for path in listed if plain(path)]
        # More packages than this machine has: the same again, elsewhere.
        prefix = f"/r{turn // len(names)}" if turn >= len(names) else ""
        mine = [path for path in files if prefix + path not in taken]
        taken.update(prefix + path for path in mine)
        copies += [(path, prefix + path) for path in mine]
        short = name.split(":")[0] + (f"-{turn // len(names)}" if prefix else "")
        requires = [f"Requires: {names[(turn * 7 + i) % len(names)].split(':')[0]}" for i in range(1, 4)]
        lines += package(short, f"1.{turn % 9}", f"files of {short}", [prefix + path for path in mine], requires, "native")
    for source, target in copies:
        target = root + target
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            subprocess.run(["cp", "--reflink=auto", source, target], check=True)
    return HEAD + ["%install", f"mkdir -p %{{buildroot}}; cp -al {root}/. %{{buildroot}}/", ""] + lines


def build(spec, directory):
    with tempfile.TemporaryDirectory(dir=directory) as top:
        path = os.path.join(top, "packages.spec")
        with open(path, "w", encoding="utf-8") as file:
            file.write(spec)
        defines = {"_topdir": top, "_rpmdir": directory, "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"}
        options = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
        environment = dict(os.environ, SOURCE_DATE_EPOCH="1700000000")
        fixed = ["--define", "use_source_date_epoch_as_buildtime 1", "--define", "_buildhost test.example.org"]
        subprocess.run(["rpmbuild", "-bb", "--quiet", *options, *fixed, path], check=True, env=environment)


def main():
    kind, what, directory = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3])
    os.makedirs(directory, exist_ok=True)
    if kind == "small":
        build("\n".join(small(int(what))) + "\n", directory)
    elif kind == "real":
        with tempfile.TemporaryDirectory(dir=directory) as root:
            build("\n".join(real(int(what), root)) + "\n", directory)
    else:
        with open(what, encoding="utf-8") as file:
            build(file.read(), directory)


main()
