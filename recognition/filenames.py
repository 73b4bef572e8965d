"""Names of the files that are written for an input: after it, and never one name for two inputs."""

import os
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 255 - 32  # bytes that file systems take, less what is put behind: "-2", "_face12", ".parquet"


class FileNames:
    """Gives each input a name of its own. The same inputs in the same order get the same names, whether or not all can be read.

    Args:
        inputs: all inputs of a run; default none, then each has its name once it is asked for.
    """

    def __init__(self, inputs: Iterable[str] = ()):
        self._taken: set[str] = set()
        self._of = {source: self._new(source) for source in inputs}

    def stem(self, source: str) -> str:
        """The name of an input, without an ending."""
        return self._of.get(source) or self._new(source)

    def _new(self, source: str) -> str:
        """ "clip" for a/clip.mp4, then "clip-2" for b/Clip.avi; "webcam-0" for webcam:0. Names that differ in capitals only are
        the same to some file systems, and to these a colon is none of a name."""
        stem = _cut(Path(source).stem.replace(":", "-") or "input", _LONGEST)
        name, count = stem, 1
        while name.lower() in self._taken:
            count += 1
            name = f"{stem}-{count}"
        self._taken.add(name.lower())
        return name


def _cut(text: str, length: int) -> str:
    """The first characters of a text that fill no more than `length` bytes."""
    while len(os.fsencode(text)) > length:
        text = text[:-1]
    return text
