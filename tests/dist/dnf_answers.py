"""What dnf's solver says: a JSON file of requests in (a tree, names, names that are off, packages), for each out what it
installs for the names, and for just those packages; null where there is no way."""

import json
import os
import sys
import tempfile

import dnf
import dnf.exceptions


def base(tree, scratch):
    made = dnf.Base()
    conf = made.conf
    conf.cachedir, conf.persistdir, conf.installroot = (os.path.join(scratch, name) for name in ("cache", "persist", "root"))
    conf.install_weak_deps, conf.best, conf.gpgcheck, conf.reposdir = False, False, False, []
    conf.substitutions["releasever"], conf.substitutions["arch"], conf.substitutions["basearch"] = "9", "x86_64", "x86_64"
    conf.module_platform_id = "platform:el9"
    made.repos.add_new_repo("r", conf, baseurl=["file://" + tree])
    made.fill_sack(load_system_repo=False)
    return made


def resolved(made, names, off):
    """The packages that are installed for these, where some may not be; None where there is no way."""
    made.reset(goal=True)
    made.sack.reset_excludes()
    made.sack.add_excludes(made.sack.query().filterm(name=off))
    try:
        for name in names:
            made.install(name)
        made.resolve()
        return sorted(f"{p.name}-{p.version}-{p.release}.{p.arch}" for p in made.transaction.install_set)
    except (dnf.exceptions.DepsolveError, dnf.exceptions.MarkingError):
        return None


def main():
    answers, made, before = [], None, None
    with open(sys.argv[1], encoding="utf-8") as file:
        requests = json.load(file)
    with tempfile.TemporaryDirectory() as scratch:
        for number, request in enumerate(requests):
            if request["tree"] != before:
                before = request["tree"]
                made = base(before, os.path.join(scratch, str(number)))
            answers.append({
                "installs": resolved(made, request["names"], request["off"]),
                "exactly": resolved(made, request["exact"], request["off"]),
            })
    json.dump(answers, sys.stdout)


main()
