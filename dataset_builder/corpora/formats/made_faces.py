"""Faces that this package makes, as a corpus: nothing lies on disk, labels are computed, images are made on demand."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from aullava.action_units import ACTION_UNITS, CONTINUOUS, FEAFA_UNITS, INTENSITY, OCCURRENCE, Protocol
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.synthetic.numbering import IDENTITIES_PER_SPLIT, SPLITS, subject_name


class MadeFacesReader(CorpusReader):
    """Faces `first` to `first + count - 1` of a split of a stream. A record's frame is the face's index in the split.

    Attributes:
        no_folder: why there is no folder, for the message to somebody who gives one.

    Args:
        data_dir: nothing; there is no folder.
        split: "train", "validation" or "test"; None: "train". No identity is in two of them.
        count: number of faces. first: index of the first one.
        frames_per_identity: consecutive faces that share a subject.
        wholes: other options that are whole numbers: name -> value and lowest.

    Raises:
        CorpusError: a data_dir was given, or an option is out of its range.
    """

    licensed = False
    on_disk = False
    protocol = "disfa"
    anchors = ()
    no_folder: ClassVar[str]

    def __init__(
        self,
        data_dir: str | os.PathLike | None,
        split: str | None,
        count: int,
        first: int,
        frames_per_identity: int,
        wholes: Mapping[str, tuple[int, int]],
    ):
        if data_dir is not None and str(data_dir):
            raise CorpusError(f"data_dir is {str(data_dir)!r}: {self.no_folder}")
        self.split = "train" if split is None else split
        if self.split not in SPLITS:
            raise CorpusError(f"split is {split!r}: expected one of {', '.join(SPLITS)}")
        numbers = {"count": (count, 1), "first": (first, 0), "frames_per_identity": (frames_per_identity, 1)}
        for name, (number, lowest) in (numbers | dict(wholes)).items():
            if number != int(number) or number < lowest:
                raise CorpusError(f"{name} is {number}: expected a whole number from {lowest}")
        if (first + count - 1) // frames_per_identity >= IDENTITIES_PER_SPLIT:
            raise CorpusError(
                f"first {first} and count {count} ask for more than a split's {IDENTITIES_PER_SPLIT} people"
            )
        self._indices = range(first, first + count)
        self._per_identity = frames_per_identity

    def subjects(self) -> tuple[str, ...]:
        """Names of the identities, such as "train-000017"."""
        per, indices = self._per_identity, self._indices
        return tuple(subject_name(self.split, n) for n in range(indices[0] // per, indices[-1] // per + 1))

    def label_files(self, subject: str) -> Iterator[Path]:
        """None: the options and the code say everything."""
        return iter(())

    def native_split(self, subject: str) -> str:
        """The split in the subject's name."""
        return subject.rpartition("-")[0]

    def indices_of(self, subject: str) -> range:
        """The faces of an identity that lie in the reader's range.

        Raises:
            CorpusError: the identity has none.
        """
        digits = subject.rpartition("-")[2]
        number = int(digits) if digits.isdecimal() else -1
        begin = max(number * self._per_identity, self._indices.start)
        indices = range(begin, min((number + 1) * self._per_identity, self._indices.stop))
        if number < 0 or subject != subject_name(self.split, number) or not indices:
            people = self.subjects()
            raise CorpusError(f"{subject!r} has no face here: expected one of {people[0]} to {people[-1]}")
        return indices


def protocols_of(name: str, shown: Iterable[str]) -> tuple[Protocol, ...]:
    """What faces that can show some FACS units are coded for: both scales of FACS, and FEAFA's 24 values."""
    units = tuple(code for code in ACTION_UNITS if code in shown)  # in numerical order
    facs = (Protocol(name, units, scale) for scale in (OCCURRENCE, INTENSITY))
    return (*facs, Protocol(name, tuple(FEAFA_UNITS), CONTINUOUS))
