"""What can be wrong with a corpus on disk. Each message says what was found, what was expected and what to do."""

from pathlib import Path


class CorpusError(ValueError):
    """A corpus cannot be read as it lies on disk, or not as it was asked for."""


class LayoutError(CorpusError):
    """A folder is not the corpus it was said to be, or lacks a part of it."""


class LabelError(CorpusError):
    """A label file holds something that its format does not allow."""

    def __init__(self, path: Path, line: int | None, found: str, expected: str):
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{where}: found {found}; expected {expected}. Correct the file, or get a fresh copy of it.")
        self._arguments = (path, line, found, expected)

    def __reduce__(self):
        return type(self), self._arguments  # so that it comes back whole from another process


class UnsafePathError(CorpusError):
    """A label file or a link names a place outside the corpus's folder."""


class LeakError(CorpusError):
    """The same people are in training and test data."""
