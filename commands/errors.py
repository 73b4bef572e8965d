"""What every verb raises for bad usage, and the types of arguments that several verbs take.

Standard library only: help and usage errors must not wait for torch.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UsageError(ValueError):
    """The command cannot do what it was asked to do. Nothing was written, apart from what a later run can use."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around imports that need an extra of the package.

    Raises:
        UsageError: `datasets` or `pyarrow` is not installed; says which extra to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("datasets", "pyarrow"):
            raise
        raise UsageError(f"needs {error.name}: pip install 'au-llava[{name}]'") from error


def say(line: str) -> None:
    """Tell the user how the work is going, on stderr."""
    print(line, file=sys.stderr, flush=True)


def named(text: str) -> str:
    """A name that is not empty: an unset shell variable would otherwise mean the current folder, or the default."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def path(text: str) -> Path:
    """A path that is not empty; "~" is the home folder."""
    return Path(named(text)).expanduser()


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)


def count(text: str) -> int:
    """A whole number of 0 or more."""
    return 0 if text == "0" else positive(text)


def names(text: str) -> tuple[str, ...]:
    """ "a,b" as ("a", "b")."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: expected ids separated by commas")
    return found
