"""File names and files: printed safely, sorted as people count, replaced whole or not at all."""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path


def printable(text: str) -> str:
    """Text for a terminal: line breaks, escape sequences and undecodable bytes, which file names may hold, as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def natural_key(path: Path) -> tuple:
    """Sort key that orders the numbers inside names as numbers; the name itself settles ties ("1" and "01")."""
    pieces = re.split(r"(\d+)", str(path).lower())
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in pieces), str(path)


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, then put it in the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".aullava-", dir=path.parent)  # short: fits where the name does
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp's files are the owner's alone
        os.replace(temporary, path)
    except OSError as error:
        if error.errno and error.filename in (None, name) and error.filename2 is None:
            error.filename = os.fspath(path)  # what was to be written: of a full disk the system names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
