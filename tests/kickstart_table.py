"""Prints the table of kickstart commands and options, read from pykickstart.

    pip install pykickstart==3.78
    python3 tests/kickstart_table.py > src/command/commands.txt

pykickstart is the parser of the installer itself: one class per command and
version, most of them with an argparse parser. This script asks every class what
it accepts and folds equal answers into ranges of versions. What the classes
decide in code, beyond their parsers, stands in the constants below.
"""

import warnings
from collections import defaultdict

import pykickstart
from pykickstart.base import DeprecatedCommand, RemovedCommand
from pykickstart.errors import KickstartDeprecationWarning, KickstartError
from pykickstart.options import ksboolean
from pykickstart.parser import KickstartParser
from pykickstart.sections import NullSection
from pykickstart.version import makeVersion

# Oldest first; a range of versions never leaves its family.
FAMILIES = {
    "RHEL": ["RHEL7", "RHEL8", "RHEL9", "RHEL10"],
    "F": ["F40", "F41", "F42", "F43", "F44", "F45", "F46"],
}
VERSIONS = [version for family in FAMILIES.values() for version in family]

# "method" is a name inside pykickstart for cdrom, nfs, url, ...; no command.
NO_COMMANDS = {"method"}

# Commands that count their arguments themselves, where argparse knows no bound.
ARGUMENTS = {
    "btrfs": "2..", "cdrom": "0", "device": "1", "driverdisk": "0..1", "hmc": "0",
    "keyboard": "0..1", "raid": "1..", "sshpw": "1..", "stratispool": "1..",
    "timezone": "0..1", "updates": "0..1", "volgroup": "1..",
}

# Commands that take the rest of the line as it stands.
TEXT_COMMANDS = {"auth", "authconfig", "authselect", "deviceprobe", "realm"}

# Options that the parser knows and the command refuses nevertheless: commands
# that share a parser, and Red Hat Enterprise Linux without btrfs since version 8.
REFUSED_OPTIONS = {("cmdline", "--non-interactive")}
REFUSED_VALUES = {("autopart", "--type", "btrfs"): ["RHEL8", "RHEL9", "RHEL10"]}

HEADER = """\
# source: pykickstart {source}, made by tests/kickstart_table.py; do not edit
# versions: {versions}
#
# command NAME ARGUMENTS [MARK...] VERSION...
# section NAME ARGUMENTS [MARK...] VERSION...       a line such as %post; may be repeated
# option NAME OPTION VALUE [MARK...] VERSION...     an option of a command or section
# conflict NAME NAME VERSION...                     never both in one kickstart
#
# ARGUMENTS  words that are no options: N, MIN..MAX or MIN.. ; "text": line is not parsed
# VALUE      flag (none), value (any), integer, boolean, optional (none or any),
#            choice:A,B (exactly so), anycase:a,b (in any letter case)
# MARK       required    has to be given
#            multiple    each further one adds; without this mark a later one overrides
#            deprecated  accepted and ignored
#            discouraged accepted and obeyed, to be deprecated
# VERSION    RHEL8, RHEL7..RHEL9, or RHEL8.. (to the newest); an absent family: not available
"""


def arguments(name, parser):
    """How many words that are no options a command takes."""
    declared = [action.nargs for action in parser._actions if not action.option_strings] \
        if parser else []
    bounded = all(nargs in (None, 1, "?") for nargs in declared)
    if name in ARGUMENTS and not (declared and bounded):
        return ARGUMENTS[name]
    if parser is None or not bounded:
        raise SystemExit(f"{name}: counts its arguments itself, add it to ARGUMENTS")
    least, most = len(declared) - declared.count("?"), len(declared)
    return str(most) if least == most else f"{least}..{most}"


def value(version, name, option, action, command):
    """What an option takes: VALUE of the header above."""
    if action.nargs == 0:
        return "flag"
    if action.nargs == "?":
        return "optional"
    if action.nargs is not None:
        raise SystemExit(f"{name} {option}: new kind of value")
    if action.type is int:
        return "integer"
    if action.type is ksboolean:
        return "boolean"
    kind, choices = "choice", action.choices
    if choices is None:
        # The callback _level_cb looks its value up in command.levelMap, in any case.
        kind = "anycase"
        callback = getattr(action.type, "__name__", "").strip("_").removesuffix("_cb")
        choices = {key.lower() for key in getattr(command, callback + "Map", ())}
    choices = [choice for choice in choices
               if version not in REFUSED_VALUES.get((name, option, choice), ())]
    return f"{kind}:{','.join(sorted(choices))}" if choices else "value"


def discouraged(run):
    """Whether something that works makes pykickstart warn of its end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            run()
        except KickstartError:
            pass
    return any(issubclass(w.category, KickstartDeprecationWarning) for w in caught)


def option_rows(version, name, parser, command, run):
    """The rows of all options of one parser."""
    for option, action in parser._option_string_actions.items():
        if (name, option) in REFUSED_OPTIONS:
            continue
        # An option taken out may leave its aliases behind in this dictionary.
        assert action in parser._actions, (name, option)
        takes = value(version, name, option, action, command)
        marks = []
        if action.required:
            marks.append("required")
        if type(action).__name__ in ("_AppendAction", "ExtendAction"):
            marks.append("multiple")
        if action.deprecated:
            marks.append("deprecated")
        elif discouraged(lambda: run([option] if takes == "flag" else [f"{option}=1"])):
            marks.append("discouraged")
        yield ("option", name, option), (takes, *marks)


def command_rows(version, handler):
    for name, command in handler.commands.items():
        if name in NO_COMMANDS or isinstance(command, RemovedCommand):
            continue
        if isinstance(command, DeprecatedCommand):
            yield ("command", name), ("text", "deprecated")
            continue

        def run(words):
            fresh = type(command)()
            fresh.handler, fresh.currentCmd = handler, name
            fresh.currentLine = " ".join([name, *words])
            fresh.parse(words)

        parser = getattr(command, "op", None)
        takes = "text" if name in TEXT_COMMANDS else arguments(name, parser)
        marks = []
        if command.dataList() is not None:
            marks.append("multiple")
        if discouraged(lambda: run([])):
            marks.append("discouraged")
        yield ("command", name), (takes, *marks)
        if parser:
            yield from option_rows(version, name, parser, command, run)


def section_rows(version, handler):
    for name, section in KickstartParser(handler)._sections.items():
        if isinstance(section, NullSection):
            yield ("section", name), ("text",)
            continue

        def run(words):
            section.handleHeader(1, [name, *words])

        marks = ["discouraged"] if discouraged(lambda: run([])) else []
        yield ("section", name), ("0", *marks)
        for what, how in option_rows(version, name, section._getParser(), None, run):
            # Of a section that is discouraged as a whole, its options say nothing more.
            yield what, tuple(mark for mark in how if mark not in marks)


def conflict_rows(handler):
    """Pairs of commands, in both orders in the file; by all their names."""
    present = {name: command for name, command in handler.commands.items()
               if not isinstance(command, (DeprecatedCommand, RemovedCommand))}
    for name, command in present.items():
        for other in command.conflictingCommands:
            for alias, same in present.items():
                if same is present.get(other):
                    yield ("conflict", *sorted((name, alias))), ()


def ranges(versions):
    """["RHEL8", "RHEL9", "RHEL10", "F40"] as "RHEL8.. F40"."""
    parts = []
    for family in FAMILIES.values():
        run = []
        for version in family + [None]:
            if version in versions:
                run.append(version)
            elif run:
                first, last = run[0], run[-1]
                end = "" if last == family[-1] else last
                parts.append(first if first == last != family[-1] else f"{first}..{end}")
                run = []
    return " ".join(parts)


def main():
    table = defaultdict(lambda: defaultdict(list))  # what -> how -> versions
    for version in VERSIONS:
        handler = makeVersion(version)
        for rows in (command_rows(version, handler), section_rows(version, handler),
                     conflict_rows(handler)):
            for what, how in dict(rows).items():
                table[what][how].append(version)

    print(HEADER.format(source=pykickstart.__version__, versions=" ".join(VERSIONS)))

    # Each command with its options below it, then the sections, then the conflicts.
    def order(what):
        kind, name = what[:2]
        return kind == "conflict", name.startswith("%"), name, kind == "option", what

    for what in sorted(table, key=order):
        for how, versions in table[what].items():
            print(*what, *how, ranges(versions))


if __name__ == "__main__":
    main()
