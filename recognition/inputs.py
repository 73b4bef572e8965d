"""Which files a command was asked to read: images given one by one, and the images of folders."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from aullava.image_aullava import FORMATS
from aullava.media.files import natural_key, printable

Image.init()
# What a folder is searched for. A file that is named itself is read whatever it is called.
IMAGE_SUFFIXES = frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)


@dataclass(frozen=True)
class Failure:
    """One file that could not be read or written, or one answer that could not be parsed, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        # Reasons of image errors name their file already.
        named = self.reason.startswith(f"{self.path}:")
        return printable(self.reason if named else f"{self.path}: {self.reason}")


@dataclass(frozen=True)
class Inputs:
    """What was found.

    `files`: each file once, in the order the inputs were given, folders in natural order (face2 before face10).
    `failures`: inputs that do not exist, folders without an image or not searched, image names that are no file.
    `skipped`: number of files in folders left alone because their name is not that of an image.
    `repeated`: number of further names, given or linked, of files that are in `files`.
    """

    files: tuple[Path, ...]
    failures: tuple[Failure, ...] = ()
    skipped: int = 0
    repeated: int = 0


def collect(inputs: list[str | Path]) -> Inputs:
    """Files and, recursively, the images of folders. Hidden files and folders are left alone.

    Raises:
        ValueError: an input is "", which as a path would be the current folder.
    """
    files: dict[str, Path] = {}  # real path -> path as given: the same file named twice is read once
    failures: list[Failure] = []
    skipped = repeated = 0
    for given in inputs:
        if not os.fspath(given):
            raise ValueError("an input is '': expected the name of a file or folder")
        found = [Path(given)]
        if os.path.isdir(given):
            found, others, unsearched = _images_in(Path(given))
            skipped += others
            failures += unsearched
            if not found and not unsearched:
                failures.append(Failure(Path(given), f"no image in this folder: searched for {_suffix_list()}"))
        for path in found:
            if fault := _fault(path):
                failures.append(Failure(path, fault))
            else:
                known = files.setdefault(os.path.realpath(path), path)
                repeated += known is not path
    return Inputs(tuple(files.values()), tuple(failures), skipped, repeated)


def _images_in(folder: Path) -> tuple[list[Path], int, list[Failure]]:
    """Paths named like images below a folder in natural order, how many others there are, folders not searched."""
    visible: list[Path] = []
    unsearched: list[Failure] = []
    walk = os.walk(folder, onerror=lambda error: unsearched.append(Failure(Path(error.filename), error.strerror)))
    for place, folders, names in walk:
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [Path(place, name) for name in folders if os.path.islink(os.path.join(place, name))]
        unsearched += [Failure(link, "a link to a folder is not followed: name it as an input") for link in links]
        visible += [Path(place, name) for name in names if not name.startswith(".")]
    images = [path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(images, key=natural_key), len(visible) - len(images), unsearched


def _fault(path: Path) -> str | None:
    """Why a path is no file that can be opened; None if it is one."""
    try:
        return None if stat.S_ISREG(path.stat().st_mode) else "not a regular file"
    except OSError as error:
        return error.strerror


def _suffix_list() -> str:
    return " ".join(sorted(IMAGE_SUFFIXES))
