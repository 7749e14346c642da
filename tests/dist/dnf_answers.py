"""What dnf's solver says: a JSON file of requests (a tree, names) in, for each the packages or null out."""

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


def main():
    answers, made, before = [], None, None
    with open(sys.argv[1], encoding="utf-8") as file:
        requests = json.load(file)
    with tempfile.TemporaryDirectory() as scratch:
        for number, request in enumerate(requests):
            if request["tree"] != before:
                before = request["tree"]
                made = base(before, os.path.join(scratch, str(number)))
            made.reset(goal=True)
            try:
                for name in request["names"]:
                    made.install(name)
                made.resolve()
                packages = made.transaction.install_set
                answers.append(sorted(f"{p.name}-{p.version}-{p.release}.{p.arch}" for p in packages))
            except (dnf.exceptions.DepsolveError, dnf.exceptions.MarkingError):
                answers.append(None)
    json.dump(answers, sys.stdout)


main()
