"""What a reader hands on: one record a labelled frame. Pure data: images are named here and read elsewhere.

Conventions
    values      scale -> unit code -> number. Occurrence 0 or 1, intensity 0 to 5, continuous 0 to 1. NaN, or a code left out:
                not coded. Never 0 for "not coded". A corpus that codes two scales fills both.
    frame       the number by which the corpus's own label file calls the frame.
    timestamp   seconds from the start of the sequence, NaN where the corpus gives no rate.
    sides       one-sided codes as the corpus writes them, such as "R12 L14"; "" where it gives none.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

NOT_CODED = math.nan


@dataclass(frozen=True)
class ImageFile:
    """An image in a file of its own."""

    path: Path


@dataclass(frozen=True)
class VideoFrame:
    """An image inside a video. `index` counts shown frames from 0."""

    path: Path
    index: int


@dataclass(frozen=True)
class Drawing:
    """An image that is made when it is asked for."""

    draw: Callable[[], Image.Image]


ImageSource = ImageFile | VideoFrame | Drawing


@dataclass(frozen=True)
class FrameRecord:
    """One labelled frame.

    Args:
        image: where its pixels are; None if the corpus labels a frame that the disk does not hold.
        subject: the person, by the corpus's own id.
        sequence: the recording, unique for its subject.
        frame, values, timestamp, sides: see the conventions above.
        camera: which of several views; "" if there is one.
        groups: what the corpus says of the person, such as {"sex": "F"}; the reader's `groups` lists the keys.
    """

    image: ImageSource | None
    subject: str
    sequence: str
    frame: int
    values: Mapping[str, Mapping[str, float]]
    timestamp: float = math.nan
    camera: str = ""
    sides: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
