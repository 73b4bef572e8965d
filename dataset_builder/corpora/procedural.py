"""Drawn faces as a corpus: nothing lies on disk, labels are computed, and a picture is painted when it is asked for."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from aullava.action_units import ACTION_UNITS, CONTINUOUS, FEAFA_UNITS, INTENSITY, OCCURRENCE, Protocol
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.records import Drawing, FrameRecord
from aullava.dataset_builder.synthetic.drawn.actions import PARTS
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.renderer import MINIMUM_SIZE
from aullava.dataset_builder.synthetic.drawn.samples import (
    IDENTITIES_PER_SPLIT,
    SPLITS,
    FaceDescription,
    describe_face,
    subject_name,
)
from aullava.dataset_builder.synthetic.drawn.sampling import STYLES

SHOWN_UNITS = tuple(code for code in ACTION_UNITS if code in PARTS)  # what the renderer shows, in numerical order
_PROTOCOLS = (
    Protocol("drawn", SHOWN_UNITS, OCCURRENCE),
    Protocol("drawn", SHOWN_UNITS, INTENSITY),
    Protocol("drawn", tuple(FEAFA_UNITS), CONTINUOUS),
)


class ProceduralReader(CorpusReader):
    """Faces `first` to `first + count - 1` of a split of the stream, as `procedural.sample_face` draws them.

    A record's frame is the face's index in the split, its sequence is always "drawn".

    Args:
        data_dir: nothing; there is no folder.
        split: "train", "validation" or "test"; None: "train". No identity is in two of them.
        count: number of faces. first: index of the first one.
        frames_per_identity: consecutive faces that share a person.
        style, rare_boost: how expressions are drawn, see `sampling.draw_actions`.
        draw_seed: another seed gives other persons, expressions and scenes.
        draw_size: side of the square picture in pixels, at least 32.
        follow_links: without meaning here.

    Raises:
        CorpusError: a data_dir was given, or an option is out of its range.
    """

    name = "procedural"
    title = "Drawn faces (procedural)"
    request = "(nobody: they are drawn by this package)"
    licensed = False
    on_disk = False
    side_option = "draw_size"
    protocol = "disfa"
    anchors = ()
    units = {protocol.scale: protocol.units for protocol in _PROTOCOLS}
    groups = ("skin_tone", "age", "hair", "beard", "glasses")
    # OpenCV's cascade boxes 0.85 to 0.91 of the side of a drawing: with this margin on each side its crops show all of it.
    framing = MappingProxyType({"detector": "haar", "margin": 0.07})
    notes = (
        "The faces are drawings, and their values are the strengths that were drawn: no person was coded.",
        "Occurrence is an intensity of 2 or more; intensity is five times the drawn strength, rounded.",
        "FEAFA's values follow from FACS actions by an inferred mapping.",
    )

    def __init__(
        self,
        data_dir: str | os.PathLike | None = None,
        *,
        split: str | None = None,
        count: int = 1000,
        first: int = 0,
        frames_per_identity: int = 4,
        style: str = "mixed",
        rare_boost: float = 0.0,
        draw_seed: int = 0,
        draw_size: int = 96,
        follow_links: bool = False,
    ):
        if data_dir is not None and str(data_dir):
            raise CorpusError(f"data_dir is {str(data_dir)!r}: procedural faces are drawn, so give no folder")
        self.split = "train" if split is None else split
        _check_choice("split", self.split, SPLITS)
        _check_choice("style", style, STYLES)
        if not 0 <= rare_boost <= 1:
            raise CorpusError(f"rare_boost is {rare_boost}: expected a number from 0 to 1")
        numbers = (("count", count, 1), ("first", first, 0), ("frames_per_identity", frames_per_identity, 1))
        for name, number, lowest in (*numbers, ("draw_seed", draw_seed, 0), ("draw_size", draw_size, MINIMUM_SIZE)):
            if number != int(number) or number < lowest:
                raise CorpusError(f"{name} is {number}: expected a whole number from {lowest}")
        if (first + count - 1) // frames_per_identity >= IDENTITIES_PER_SPLIT:
            raise CorpusError(
                f"first {first} and count {count} ask for more than a split's {IDENTITIES_PER_SPLIT} people"
            )
        self._indices = range(first, first + count)
        self._per_identity = frames_per_identity
        self._size = draw_size
        self._options = {"seed": draw_seed, "style": style, "rare_boost": rare_boost}

    def subjects(self) -> tuple[str, ...]:
        """Names of the identities, such as "train-000017"."""
        per, indices = self._per_identity, self._indices
        return tuple(subject_name(self.split, n) for n in range(indices[0] // per, indices[-1] // per + 1))

    def read(self, subject: str) -> Iterator[FrameRecord]:
        """The faces of an identity that lie in the reader's range.

        Raises:
            CorpusError: the identity has none.
        """
        frames = self._frames(subject)
        for index in frames:
            face = describe_face(self.split, index, frames_per_identity=self._per_identity, **self._options)
            yield FrameRecord(
                Drawing(partial(_paint, face, self._size)),
                subject,
                "drawn",
                index,
                {protocol.scale: values_of(face.actions, protocol) for protocol in _PROTOCOLS},
                groups={key: str(value) for key, value in face.identity.groups.items()},
            )

    def label_files(self, subject: str) -> Iterator[Path]:
        """None: the options and the code say everything."""
        return iter(())

    def native_split(self, subject: str) -> str:
        """The split in the subject's name."""
        return subject.rpartition("-")[0]

    def _frames(self, subject: str) -> range:
        split, _, digits = subject.rpartition("-")
        number = int(digits) if digits.isdecimal() else -1
        begin = max(number * self._per_identity, self._indices.start)
        frames = range(begin, min((number + 1) * self._per_identity, self._indices.stop))
        if number < 0 or subject != subject_name(self.split, number) or not frames:
            people = self.subjects()
            raise CorpusError(f"{subject!r} has no face here: expected one of {people[0]} to {people[-1]}")
        return frames


def _paint(face: FaceDescription, size: int) -> Image.Image:
    return Image.fromarray(face.draw(size).image_HWC)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CorpusError(f"{name} is {value!r}: expected one of {', '.join(choices)}")
