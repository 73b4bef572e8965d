"""What the rows of a corpus depend on, as one short text: if anything changes, they are built anew and not taken from a cache."""

import hashlib
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from aullava.common.hashing import file_hash
from aullava.dataset_builder.corpora.formats.paths import tree_stamp
from aullava.dataset_builder.corpora.reader import CorpusReader


def fingerprint(reader: CorpusReader, subjects: Iterable[str]) -> str:
    """Hash of the labels' content, the images' names, sizes and times of change, and the code that reads them.

    Images are not read: of a hundred thousand files that would take longer than building the rows.
    """
    digest = hashlib.sha256(_code().encode())
    for subject in subjects:
        digest.update(subject_fingerprint(reader, subject).encode())
    return digest.hexdigest()[:32]


def subject_fingerprint(reader: CorpusReader, subject: str) -> str:
    """The same for what one subject's rows depend on, without the code."""
    digest = hashlib.sha256(subject.encode(errors="surrogateescape"))
    for path in reader.label_files(subject):
        state = path.stat()
        digest.update(f"\0{_place(reader, path)}\0".encode(errors="surrogateescape"))
        digest.update(_content(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    for name, size, changed_ns in tree_stamp(reader.image_places(subject)):
        digest.update(repr((_place(reader, Path(name)), size, changed_ns)).encode())
    return digest.hexdigest()


def _place(reader: CorpusReader, path: Path) -> str:
    """A path as it is called from the corpus's folder, so that a corpus may be moved; whole where it lies elsewhere."""
    root = getattr(reader, "root", None)
    return path.relative_to(root.folder).as_posix() if root and path.is_relative_to(root.folder) else str(path)


@lru_cache(maxsize=1024)
def _content(path: Path, size: int, changed_ns: int, touched_ns: int) -> bytes:
    """Hash of a file. Remembered, because one table can hold the labels of ten thousand subjects."""
    return bytes.fromhex(file_hash(path))


@cache
def _code() -> str:
    """Hash of every module that makes rows, and of what it stands on: a corrected reader must not be served old rows."""
    builder, root = Path(__file__).parents[1], Path(__file__).parents[2]
    folders = [builder / "rows", builder / "corpora", builder / "synthetic"]
    folders += [root / "common", root / "detection", root / "video"]
    files = [
        *(path for folder in folders for path in folder.rglob("*.py")),
        *(builder / "rows" / "frozen").glob("*.json"),
        builder / "errors.py",
        root / "action_units.py",
        root / "image_aullava.py",
    ]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()
