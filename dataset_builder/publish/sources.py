"""Fingerprints of the sources of a shard. If one changes between two runs, the shard is written again."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from aullava.common.hashing import file_hash
from aullava.common.versions import library_versions
from aullava.dataset_builder.corpora.formats.paths import tree_stamp
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.rows.fingerprint import fingerprint

# They decode, crop, encode and store: other versions may give other bytes.
_MAKE_ROWS = ("datasets", "pyarrow", "pillow", "numpy", "opencv-python-headless", "av")


def row_versions() -> dict[str, str]:
    """Library that rows are made with -> its version, "" if it is not installed."""
    return dict.fromkeys(_MAKE_ROWS, "") | library_versions(_MAKE_ROWS)


class Sources:
    """Fingerprints of shard sources, for one run. A label file shared by many subjects is read once."""

    def __init__(self, reader: CorpusReader):
        self._reader = reader
        self._code = fingerprint(reader, ())  # without subjects: the code alone
        self._hashes: dict[Path, str] = {}

    def fingerprint(self, subjects: Iterable[str]) -> str:
        """Hash of the code, the library versions, the labels' content, and the pictures' names, sizes and times of change."""
        subjects = tuple(subjects)
        digest = hashlib.sha256(f"{self._code}{sorted(row_versions().items())}".encode())
        for text in self._parts(subjects):
            digest.update(text.encode(errors="surrogateescape") + b"\0")
        return digest.hexdigest()

    def _parts(self, subjects: tuple[str, ...]) -> Iterator[str]:
        yield from subjects
        for path in dict.fromkeys(path for subject in subjects for path in self._reader.label_files(subject)):
            if path not in self._hashes:
                self._hashes[path] = file_hash(path)
            yield from (str(path), self._hashes[path])
        places = dict.fromkeys(place for subject in subjects for place in self._reader.image_places(subject))
        yield from map(repr, tree_stamp(places))
