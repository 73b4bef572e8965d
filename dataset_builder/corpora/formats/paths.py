"""Places inside a corpus: found whatever their letter case or padding, and never outside the corpus's folder."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from aullava.common.files import natural_key
from aullava.dataset_builder.errors import LayoutError, UnsafePathError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_LONGEST_NAME = 255
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg")


class Root:
    """The folder of a corpus, and the only way to reach into it.

    Args:
        folder: what the user named; it may itself be a link.
        follow_links: whether links inside it may lead out of it. Off by default: a link in a downloaded archive can name
            any file of the machine.
    """

    def __init__(self, folder: str | os.PathLike, follow_links: bool = False):
        self.folder = Path(folder).expanduser().resolve()
        if not isinstance(follow_links, bool):  # "no" would count as yes
            raise LayoutError(f"follow_links is {follow_links!r}: expected True or False")
        self.follow_links = follow_links

    def __truediv__(self, relative: str) -> Path:
        """The place of a relative path, letter case as written.

        Raises:
            UnsafePathError: it is absolute, climbs out with "..", is a link that leads out, or has a name too long for a disk.
        """
        parts = re.split(r"[/\\]", relative)
        if "\0" in relative or ".." in parts or relative[:1] in ("/", "\\") or re.match("[A-Za-z]:", relative):
            raise UnsafePathError(
                f"{relative!r} does not stay inside {self.folder}: expected a path relative to it, without '..'"
            )
        if any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
            raise UnsafePathError(
                f"{relative[:80]!r}... is no path in {self.folder}: expected names of at most {_LONGEST_NAME} bytes"
            )
        return self.check(self.folder.joinpath(*parts))

    def check(self, path: Path) -> Path:
        """The path itself, if it lies inside the folder once links are followed.

        Raises:
            UnsafePathError: it leads out.
        """
        if not self.follow_links:
            real = Path(os.path.realpath(path))
            if not real.is_relative_to(self.folder):
                raise UnsafePathError(
                    f"{path} is a link out of {self.folder}, to {real}: copy what it names into the folder, or pass "
                    "follow_links=True if the link is yours"
                )
        return path

    def find(self, *names: str, under: Path | None = None) -> Path | None:
        """The first place that exists, names compared without letter case; None if there is none.

        Args:
            names: alternatives, each a path with "/" between its parts; a part may hold `*`.
            under: where to begin, by default the folder.
        """
        for name in names:
            places = [under or self.folder]
            for part in name.split("/"):
                places = [child for place in places for child in _children(place, part)]
            if places:
                return self.check(places[0])
        return None

    def require(self, *names: str, under: Path | None = None, advice: str = "") -> Path:
        """As `find`.

        Raises:
            LayoutError: there is none.
        """
        found = self.find(*names, under=under)
        if found is None:
            begin = under or self.folder
            raise LayoutError(f"{begin}: no {' or '.join(names)} in it, which this corpus needs. {advice}".rstrip())
        return found

    def folders(self, place: Path, pattern: str = "*") -> list[Path]:
        """Visible folders directly in a place whose names match, in natural order."""
        return [self.check(path) for path in _children(place, pattern) if path.is_dir()]

    def files(self, place: Path, pattern: str = "*") -> list[Path]:
        """Visible files directly in a place whose names match, in natural order."""
        return [self.check(path) for path in _children(place, pattern) if path.is_file()]

    def numbered_images(self, place: Path, stem: str = r"(\d+)") -> dict[int, Path]:
        """Images directly in a place by the number in their names, whatever its zero padding.

        Args:
            place: a folder; one that does not exist holds none.
            stem: regular expression that the whole name without suffix must match; its group 1 is the number.

        Raises:
            LayoutError: two names give the same number, such as 007.jpg and 0007.jpg.
        """
        found: dict[int, Path] = {}
        whole = re.compile(stem, re.IGNORECASE)
        for path in self._images(place):
            if match := whole.fullmatch(path.stem):
                other = found.setdefault(int(match.group(1)), path)
                if other is not path:
                    raise LayoutError(
                        f"{place}: {other.name} and {path.name} are both image {int(match.group(1))}: expected one image a "
                        "number; remove the one that does not belong"
                    )
        return found

    def _images(self, place: Path) -> Iterator[Path]:
        if not place.is_dir():
            return
        self.check(place)
        with os.scandir(place) as entries:  # tens of thousands of files: only links cost a second look
            for entry in sorted(entries, key=lambda e: e.name):
                name = entry.name
                if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                    yield self.check(Path(entry.path)) if entry.is_symlink() else Path(entry.path)


def _children(place: Path, pattern: str) -> list[Path]:
    """Visible entries of a folder whose names match a pattern with `*`, letter case ignored, exact matches first."""
    if not place.is_dir():
        return []
    whole = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE)
    # A system's own files: ".DS_Store", "._F001.jpg", and the folder that archives of a Mac bring along.
    shown = [name for name in os.listdir(place) if not name.startswith(".") and name != "__MACOSX"]
    names = [name for name in shown if whole.fullmatch(name)]
    return sorted((place / name for name in names), key=lambda path: (path.name != pattern, natural_key(path)))


def tree_stamp(paths: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of change of every file given, and of every file below every folder given."""
    for path in paths:
        if path.is_dir():
            seen = set()  # links to folders are followed, but not in circles
            for place, folders, names in os.walk(path, followlinks=True):
                folders[:] = [] if os.path.realpath(place) in seen else sorted(folders)
                seen.add(os.path.realpath(place))
                for name in sorted(names):
                    yield _stamp(Path(place, name))
        elif path.exists():
            yield _stamp(path)


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        state = path.stat()
    except OSError:  # a link to nowhere
        return str(path), -1, -1
    return str(path), state.st_size, state.st_mtime_ns
