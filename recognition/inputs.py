"""Which files a command was asked to read: images given one by one, and the images of folders."""

import re
from dataclasses import dataclass, field
from pathlib import Path

# What a folder is searched for. A file that is named itself is read whatever it is called.
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})


@dataclass(frozen=True)
class Failure:
    """One input that could not be read, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        # Reasons of image errors name their file already.
        return self.reason if str(self.path) in self.reason else f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Inputs:
    """What was found.

    `files`: each file once, in the order the inputs were given, folders in natural order (face2 before face10).
    `failures`: inputs that do not exist and folders without an image.
    `skipped`: number of files in folders left alone because their name is not that of an image.
    """

    files: tuple[Path, ...]
    failures: tuple[Failure, ...] = ()
    skipped: int = field(default=0)


def collect(inputs: list[str | Path]) -> Inputs:
    """Files and, recursively, the images of folders. Hidden files and folders are left alone."""
    files: dict[Path, Path] = {}  # resolved path -> path as given: the same file named twice is read once
    failures: list[Failure] = []
    skipped = 0
    for given in map(Path, inputs):
        if given.is_dir():
            found, others = _images_in(given)
            skipped += others
            if not found:
                failures.append(Failure(given, f"no image in this folder: searched for {_suffix_list()}"))
        elif given.exists():
            found = [given]
        else:
            found = []
            failures.append(Failure(given, "no such file or folder"))
        for path in found:
            files.setdefault(path.resolve(), path)
    return Inputs(tuple(files.values()), tuple(failures), skipped)


def _images_in(folder: Path) -> tuple[list[Path], int]:
    """Images below a folder in natural order, and how many other files there are."""
    visible = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    images = [path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(images, key=natural_key), len(visible) - len(images)


def natural_key(path: Path) -> tuple:
    """Sort key that orders the numbers inside names as numbers; the name itself settles ties ("1" and "01")."""
    pieces = re.split(r"(\d+)", str(path).lower())
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in pieces), str(path)


def _suffix_list() -> str:
    return " ".join(sorted(IMAGE_SUFFIXES))
