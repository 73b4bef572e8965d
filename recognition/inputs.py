"""The inputs of a run: images, videos and webcams, given one by one, in folders, or in text files of paths."""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from PIL import Image

from aullava.common.files import natural_key, printable
from aullava.image_aullava import FORMATS
from aullava.video.container import is_video, load_pyav

Image.init()
# What folders are searched for. A file that is given by name is recognised by its content, whatever its suffix.
IMAGE_SUFFIXES = frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)
VIDEO_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".asf", ".avi", ".dv", ".flv", ".m2ts", ".m4v", ".mkv"}
    | {".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".webm", ".wmv"}
)


@dataclass(frozen=True)
class Failure:
    """A file that could not be read or written, or an answer that could not be parsed, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        # Image errors already name their file.
        named = self.reason.startswith(f"{self.path}:")
        return printable(self.reason if named else f"{self.path}: {self.reason}")


@dataclass(frozen=True)
class Source:
    """Something to read frames from. `path`: as given or found, or webcam:0; `kind`: "image", "video" or "webcam"."""

    path: Path
    kind: str

    @property
    def name(self) -> str:
        """What tables call it."""
        return str(self.path)


@dataclass(frozen=True)
class Inputs:
    """What was found.

    `sources`: each once, in the order in which the inputs were given; folders in natural order (face2 before face10).
    `failures`: inputs that do not exist; folders that hold no image or video, or were not searched; names of images and videos
        that are not files; lines of lists that name no file; videos, if the library that reads them is missing.
    `skipped`: number of files in folders that were left out, because their name is not that of an image or video or matches no
        pattern.
    `repeated`: number of further names, given or linked, for what is in `sources`.
    """

    sources: tuple[Source, ...]
    failures: tuple[Failure, ...] = ()
    skipped: int = 0
    repeated: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of the images and videos."""
        return tuple(source.path for source in self.sources if source.kind != "webcam")


def collect(inputs: Iterable[str | Path], patterns: Sequence[str] = ()) -> Inputs:
    """Collect images, videos, webcams (webcam:0) and, recursively, the images and videos of folders.

    Hidden files and folders are left out. A file whose name ends in .txt is a list: one path per line, relative to its folder.
    Blank lines and lines that begin with # are ignored. A list cannot hold a name with a line break.

    Args:
        inputs: names of files, folders, lists and webcams.
        patterns: such as "*_left.mp4", in capitals or not: of folders, only files whose names match one are read. Default: all.

    Raises:
        ValueError: an input is "", which as a path would be the current folder; or a pattern holds "/": patterns match names.
    """
    if paths := [pattern for pattern in patterns if "/" in pattern]:
        raise ValueError(f"the pattern {paths[0]!r} holds '/': expected one for names of files, such as '*.mp4'")
    search = _Search(tuple(pattern.lower() for pattern in patterns))
    for given in inputs:
        if not os.fspath(given):
            raise ValueError("an input is '': expected the name of a file or folder")
        search.add(Path(given))
    return Inputs(tuple(search.sources.values()), tuple(search.failures), search.skipped, search.repeated)


@dataclass
class _Search:
    """Inputs while they are collected; `sources` by real path, so that a file that is named twice is read once."""

    patterns: tuple[str, ...]
    sources: dict[str, Source] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    skipped: int = 0
    repeated: int = 0

    def add(self, given: Path, place: str = "") -> None:
        """Take in one input; `place` says where it was named, if in a list."""
        if re.fullmatch(r"webcam:\d+", str(given)):
            self._keep(str(given), Source(given, "webcam"))
        elif os.path.isdir(given):
            self._add_folder(given, place)
        elif fault := _fault(given):
            self._fail(given, fault + place)
        elif (kind := _kind_by_content(given)) == "list":
            self._add_list(given, place)
        else:
            self._add_file(given, kind, place)

    def _add_file(self, path: Path, kind: str, place: str = "") -> None:
        if kind == "video" and (lack := _lack_of_decoder()):
            self._fail(path, lack + place)
        else:
            self._keep(os.path.realpath(path), Source(path, kind))

    def _add_folder(self, folder: Path, place: str) -> None:
        files, unsearched = _visible_files(folder)
        self.failures += unsearched
        patterns = self.patterns or ("*",)
        wanted = [
            path
            for path in files
            if _kind_by_name(path) and any(fnmatchcase(path.name.lower(), pattern) for pattern in patterns)
        ]
        self.skipped += len(files) - len(wanted)
        for path in sorted(wanted, key=natural_key):
            if fault := _fault(path):
                self._fail(path, fault)
            else:
                self._add_file(path, _kind_by_name(path))
        if not wanted and not unsearched:
            searched = " ".join(self.patterns or sorted(IMAGE_SUFFIXES) + sorted(VIDEO_SUFFIXES))
            self._fail(folder, f"no image or video in this folder: searched for {searched}{place}")

    def _add_list(self, path: Path, place: str) -> None:
        if place:
            self._fail(path, f"a list within a list is not followed{place}")
            return
        try:
            lines = _lines(path)
        except (OSError, ValueError) as error:
            self._fail(path, getattr(error, "strerror", None) or str(error))
            return
        for number, line in lines:
            is_webcam = line.startswith("webcam:")
            self.add(Path(line) if is_webcam else path.parent / line, f" (line {number} of {path})")

    def _keep(self, key: str, source: Source) -> None:
        self.repeated += self.sources.setdefault(key, source) is not source

    def _fail(self, path: Path, reason: str) -> None:
        self.failures.append(Failure(path, reason))


def _visible_files(folder: Path) -> tuple[list[Path], list[Failure]]:
    """Paths of the files below a folder that are not hidden, and folders that were not searched."""
    visible: list[Path] = []
    unsearched: list[Failure] = []
    walk = os.walk(folder, onerror=lambda error: unsearched.append(Failure(Path(error.filename), error.strerror)))
    for place, folders, names in walk:
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [Path(place, name) for name in folders if os.path.islink(os.path.join(place, name))]
        unsearched += [Failure(link, "a link to a folder is not followed: name it as an input") for link in links]
        visible += [Path(place, name) for name in names if not name.startswith(".")]
    return visible, unsearched


def _lines(path: Path) -> list[tuple[int, str]]:
    """Line numbers, from 1, and paths of a list. The bytes of a path are kept, UTF-8 or not.

    Raises:
        ValueError: it is not text, or holds no path.
    """
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")  # the byte order mark that some editors write
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[:1] != b"#"]
    if b"\0" in text or not lines:
        found = "bytes that are no text" if b"\0" in text else "none"
        raise ValueError(f"holds {found}; expected one path per line")
    return [(number, os.fsdecode(line)) for number, line in lines]


def _kind_by_name(path: Path) -> str:
    """ "image" or "video" by the suffix; "" if it is neither."""
    suffix = path.suffix.lower()
    return "image" if suffix in IMAGE_SUFFIXES else "video" if suffix in VIDEO_SUFFIXES else ""


def _kind_by_content(path: Path) -> str:
    """ "image", "list" or "video". Anything else goes by its name, and reading it will say what is wrong."""
    try:
        with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]):
            return "image"
    except Exception:  # on damaged files Pillow's decoders raise nearly every type there is
        if path.suffix.lower() == ".txt":
            return "list"
    if _kind_by_name(path) == "video" or (not _lack_of_decoder() and is_video(path)):
        return "video"
    return "image"


def _lack_of_decoder() -> str:
    """What to install to read videos; "" if they can be read."""
    try:
        load_pyav()
    except ImportError as error:
        return str(error)
    return ""


def _fault(path: Path) -> str | None:
    """Why a path cannot be opened as a file; None if it can."""
    try:
        return None if stat.S_ISREG(path.stat().st_mode) else "not a regular file"
    except OSError as error:
        return error.strerror
    except ValueError as error:  # a NUL byte, which no name holds
        return str(error)
