"""The command `aullava`, also `python -m aullava.cli`: finds the verbs in commands/ and runs the one that is asked for.

commands/<verb>.py is a verb if it holds HELP, a line for the list of verbs; `add_flags(parser)`; and `run(args)`, which returns
the exit code or raises UsageError. DESCRIPTION, which takes HELP's place in the verb's own help, and INTERRUPTED, what to say after
Ctrl-C, are optional. commands/<verb>_<part>.py is a part of a verb, imported when the verb runs.
"""

import argparse
import importlib
import io
import pkgutil
import sys
from types import ModuleType

from aullava import commands
from aullava.commands.errors import UsageError
from aullava.common.versions import package_version

FAILED, BAD_USAGE = 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0: everything was read or written. 1: some inputs, answers or outputs failed, or the verb was interrupted. 2: bad usage;
        nothing was written. Without a verb that is the code, too, and the help is printed to stderr.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does: no file name may end a run
    found = verbs()
    parser = _parser(found)
    args = parser.parse_args(argv)
    verb = vars(args).pop("verb")
    if verb is None:
        parser.print_help(sys.stderr)
        return BAD_USAGE
    try:
        return found[verb].run(args)
    except UsageError as error:
        print(f"aullava {verb}: error: {error}", file=sys.stderr)
        return BAD_USAGE
    except KeyboardInterrupt:
        print(f"aullava {verb}: interrupted{getattr(found[verb], 'INTERRUPTED', '')}", file=sys.stderr)
        return FAILED


def verbs() -> dict[str, ModuleType]:
    """Name -> module of every verb, in alphabetical order. None of them imports torch before it runs."""
    names = [module.name for module in pkgutil.iter_modules(commands.__path__) if "_" not in module.name]
    modules = {name: importlib.import_module(f"{commands.__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "HELP")}


def _parser(found: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aullava", description="Facial action units from images and videos of faces."
    )
    parser.add_argument("--version", action="version", version=package_version())
    listed = parser.add_subparsers(title="commands", dest="verb", metavar="COMMAND")
    for name, module in found.items():
        about = getattr(module, "DESCRIPTION", module.HELP)
        module.add_flags(listed.add_parser(name, help=module.HELP, description=about))
    return parser


if __name__ == "__main__":
    sys.exit(main())
