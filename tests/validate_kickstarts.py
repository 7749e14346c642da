"""Reads kickstarts with the parser of the installer itself, and prints what it does not accept.

    python3 tests/validate_kickstarts.py VERSION FILE [VERSION FILE ...]

One process for all files: nearly all of ksvalidator's time is its start. For every file it prints one
line, the number of sections with scripts that the parser found, or the problem. Exit code 1: a problem.
"""

import sys
import warnings

from pykickstart.errors import KickstartError
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion


def scripts(version, path):
    """How many scripts a kickstart has."""
    handler = makeVersion(version)
    KickstartParser(handler, followIncludes=False, missingIncludeIsFatal=False).readKickstart(path)
    return len(handler.scripts)


def main(words):
    warnings.simplefilter("ignore")  # what is outdated is kgen's to tell
    accepted = True
    for version, path in zip(words[::2], words[1::2], strict=True):
        try:
            print(f"{path}: {scripts(version, path)} scripts")
        except KickstartError as problem:
            print(f"{path}: refused by {version}: {problem}")
            accepted = False
    return 0 if accepted else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
