"""Drawn faces as a corpus: nothing lies on disk, labels are computed, and an image is painted when it is asked for."""

import os
from collections.abc import Iterator
from functools import partial
from types import MappingProxyType

from PIL import Image

from aullava.dataset_builder.corpora.formats.made_faces import MadeFacesReader, protocols_of
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.records import Drawing, FrameRecord
from aullava.dataset_builder.synthetic.drawn.actions import PARTS
from aullava.dataset_builder.synthetic.drawn.expressions import STYLES
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.renderer import MINIMUM_SIZE
from aullava.dataset_builder.synthetic.drawn.samples import (
    FaceDescription,
    describe_face,
)

_PROTOCOLS = protocols_of("drawn", PARTS)


class ProceduralReader(MadeFacesReader):
    """Faces `first` to `first + count - 1` of a split of the stream, as `procedural.sample_face` draws them.

    A record's frame is the face's index in the split, its sequence is always "drawn".

    Args:
        data_dir: nothing; there is no folder.
        split: "train", "validation" or "test"; None: "train". No identity is in two of them.
        count: number of faces. first: index of the first one.
        frames_per_identity: consecutive faces that share a person.
        style, rare_boost: how expressions are drawn, see `expressions.draw_actions`.
        draw_seed: another seed gives other persons, expressions and scenes.
        draw_size: side of the square image in pixels, at least 32.
        follow_links: without meaning here.

    Raises:
        CorpusError: a data_dir was given, or an option is out of its range.
    """

    name = "procedural"
    title = "Drawn faces (procedural)"
    request = "(nobody: they are drawn by this package)"
    no_folder = "procedural faces are drawn, so give no folder"
    side_option = "draw_size"
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
        wholes = {"draw_seed": (draw_seed, 0), "draw_size": (draw_size, MINIMUM_SIZE)}
        super().__init__(data_dir, split, count, first, frames_per_identity, wholes)
        if style not in STYLES:
            raise CorpusError(f"style is {style!r}: expected one of {', '.join(STYLES)}")
        if not 0 <= rare_boost <= 1:
            raise CorpusError(f"rare_boost is {rare_boost}: expected a number from 0 to 1")
        self._size = draw_size
        self._options = {"seed": draw_seed, "style": style, "rare_boost": rare_boost}

    def read(self, subject: str) -> Iterator[FrameRecord]:
        """The faces of an identity that lie in the reader's range.

        Raises:
            CorpusError: the identity has none.
        """
        for index in self.indices_of(subject):
            face = describe_face(self.split, index, frames_per_identity=self._per_identity, **self._options)
            yield FrameRecord(
                Drawing(partial(_paint, face, self._size)),
                subject,
                "drawn",
                index,
                {protocol.scale: values_of(face.actions, protocol) for protocol in _PROTOCOLS},
                groups={key: str(value) for key, value in face.identity.groups.items()},
            )


def _paint(face: FaceDescription, size: int) -> Image.Image:
    return Image.fromarray(face.draw(size).image_HWC)
