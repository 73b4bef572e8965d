"""A face's box, and the square crop around it.

Conventions
    box         x, y, w, h in pixels of the upright image, origin at its upper left corner. A detector's box lies
                inside the image; a crop may reach past the border.
    score       0 to 1, higher is surer. It ranks faces of one detector; it is not a probability, and scores of different
                detectors cannot be compared. None where no detector ran.
    crop        a square around the box, with `margin` times its longer side added on each of the four sides.
    left/right  images are never mirrored.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class FaceBox:
    """One face: upper left corner and size in pixels, score in 0..1 or None."""

    x: int
    y: int
    w: int
    h: int
    score: float | None = None


def box_within(corner_and_size: np.ndarray, width: int, height: int, score: float) -> FaceBox:
    """The box in whole pixels, cut at the border of an image of `width` x `height`."""
    left, top = (int(round(v)) for v in corner_and_size[:2])
    right, bottom = (int(round(v)) for v in corner_and_size[:2] + corner_and_size[2:])
    left, top = max(left, 0), max(top, 0)
    return FaceBox(left, top, min(right, width) - left, min(bottom, height) - top, score)


def largest_first(faces: Iterable[FaceBox]) -> list[FaceBox]:
    """Sorted by area; equal ones from left to right, then from top to bottom."""
    return sorted(faces, key=lambda face: (-face.w * face.h, face.x, face.y))


def crop_face(image: Image.Image, box: FaceBox, margin: float) -> Image.Image:
    """A square RGB image centred on the box; where it reaches past the border, the border's pixels are repeated.

    Args:
        image: RGB.
        box: the face.
        margin: share of the box's longer side added on each side, 0 or more.

    Raises:
        ValueError: the box is empty or lies outside the image, or the margin is negative.
    """
    width, height = image.size
    if box.w < 1 or box.h < 1 or box.x >= width or box.y >= height or box.x + box.w <= 0 or box.y + box.h <= 0:
        raise ValueError(f"{box} does not cover any of an image of {width} x {height} pixels")
    if margin < 0:
        raise ValueError(f"margin is {margin}: expected 0 or more")
    side = max(1, round(max(box.w, box.h) * (1 + 2 * margin)))
    left = round(box.x + box.w / 2 - side / 2)
    top = round(box.y + box.h / 2 - side / 2)
    columns = np.arange(left, left + side).clip(0, width - 1)
    rows = np.arange(top, top + side).clip(0, height - 1)
    # Only what the crop shows is copied out of the image, which may be large.
    seen_HWC = np.asarray(image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)))
    return Image.fromarray(seen_HWC[(rows - rows[0])[:, None], columns - columns[0]])
