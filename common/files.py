"""File names and files: names printed safely, sorted by the numbers in them and given out once; files written whole or not at all.

Conventions
    writing     Everything goes under a temporary name beside its target first and is then renamed, so that nobody ever sees half a
                file. A process that is killed leaves that name behind: it begins with TEMPORARY.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".aullava-"  # short, so that it fits wherever the target's own name does
_LONGEST = 255 - 32  # bytes that file systems take, less what is added to a name: "-2", "_face12", ".parquet"


def printable(text: str) -> str:
    """Text for a terminal: line breaks, escape sequences and undecodable bytes, which file names may hold, as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def natural_key(path: Path) -> tuple:
    """Sort key that orders the numbers inside names as numbers; the name itself settles ties ("1" and "01")."""
    pieces = re.split(r"(\d+)", str(path).lower())
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in pieces), str(path)


class FileNames:
    """Gives each input a name for its outputs, and never one name to two inputs.

    The same inputs in the same order get the same names, whether or not all of them can be read.

    Args:
        inputs: all inputs of a run. Default: none; an input then gets its name when it is first asked for.
    """

    def __init__(self, inputs: Iterable[str] = ()):
        self._taken: set[str] = set()
        self._of = {source: self._new(source) for source in inputs}

    def stem(self, source: str) -> str:
        """The name for an input, without a suffix."""
        return self._of.get(source) or self._new(source)

    def _new(self, source: str) -> str:
        """ "clip" for a/clip.mp4, then "clip-2" for b/Clip.avi; "webcam-0" for webcam:0.

        Some file systems do not tell capitals from small letters, and some allow no colon in a name.
        """
        stem = Path(source).stem.replace(":", "-") or "input"
        while len(os.fsencode(stem)) > _LONGEST:
            stem = stem[:-1]
        name, count = stem, 1
        while name.lower() in self._taken:
            count += 1
            name = f"{stem}-{count}"
        self._taken.add(name.lower())
        return name


def replace_file(path: Path, write: Callable[[Path], object], durable: bool = False) -> None:
    """Let `write` fill a new file, then put it in the place of `path`. On an error the old file stays.

    Args:
        path: its folder is made if it is missing.
        write: called with the temporary name.
        durable: bring the content to the disk before the file gets its name, so that a power cut leaves no empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        if durable:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        mask = os.umask(0)  # the only way to read it is to set it
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp's files are the owner's alone
        os.replace(temporary, path)
    except OSError as error:
        if error.errno and error.filename in (None, name) and error.filename2 is None:
            error.filename = os.fspath(path)  # what was to be written: of a full disk the system names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill. Afterwards it takes the place of `path`, with all that was there; on an error that stays.

    with replaced_folder(out) as new:
        (new / "config.json").write_text(text)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        new.mkdir()
        yield new
        # A folder that holds something cannot be renamed over: for a moment there is none.
        if path.exists():
            os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            if old.exists():
                os.replace(old, path)
            raise
