"""Where the faces are, and the square crop of one that the model reads.

Conventions
    box         x, y, w, h in pixels of the upright image, origin at its upper left corner. A detector's box lies
                inside the image; a crop may reach past the border.
    score       0 to 1, higher is surer; a ranking and no probability. None where no detector ran.
    crop        a square around the box, larger by `margin` times its side on each of the four sides.
    left/right  pictures are never mirrored.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

# OpenCV's frontal cascade "alt2" boxes a face from the middle of the forehead to below the lips. A quarter of its side more
# on each side frames a photograph like a drawn face: chin at nine tenths of the height, eyes a third of the width apart.
HAAR_MARGIN = 0.25
HAAR_CASCADE = "haarcascade_frontalface_alt2.xml"

# More pixels mean smaller faces found and more time: faces below 24 of 1280 pixels are not looked for.
_SEARCH_SIDE = 1280
_SMALLEST_FACE = 24

# So many overlapping hits give a score of one half; the cascade drops what has fewer than `min_neighbors`.
_HITS_AT_HALF = 10


@dataclass(frozen=True)
class FaceBox:
    """One face: upper left corner and size in pixels, score in 0..1 or None."""

    x: int
    y: int
    w: int
    h: int
    score: float | None = None


class Detector(Protocol):
    """Finds faces, and frames one as the model saw faces in training."""

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        """Faces of an uint8 RGB image, largest first; an empty list where there is none."""
        ...

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        """The picture of one face."""
        ...


class NoDetector:
    """The whole image is the face, for pictures that were cropped before; the model gets it as it is."""

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        height, width = image_HWC.shape[:2]
        return [FaceBox(0, 0, width, height)]

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        return image


class HaarDetector:
    """Viola and Jones's cascade as OpenCV ships it: near-frontal faces, no download, milliseconds on a CPU.

    Args:
        margin: share of the box's side added on each side of a crop.
        min_neighbors: overlapping hits a face needs; more finds fewer faces and fewer mistakes.

    Raises:
        FileNotFoundError: the OpenCV at hand carries no cascade files (5.x wheels and some distributions).
    """

    def __init__(self, margin: float = HAAR_MARGIN, min_neighbors: int = 5):
        folder = Path(cv2.data.haarcascades) if hasattr(cv2, "data") else Path()
        file = folder / HAAR_CASCADE
        # OpenCV itself would accept a missing file here and fail at the first picture.
        self._cascade = cv2.CascadeClassifier(str(file) if file.is_file() else "")
        if self._cascade.empty():
            raise FileNotFoundError(
                f"OpenCV {cv2.__version__} has no {HAAR_CASCADE}: install opencv-python-headless 4.x, or crop the "
                "faces before and pass --faces none"
            )
        self.margin = margin
        self.min_neighbors = min_neighbors

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        height, width = image_HWC.shape[:2]
        shrink = min(1.0, _SEARCH_SIDE / max(height, width))
        grey_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
        if shrink < 1:
            grey_HW = cv2.resize(grey_HW, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        # Stretched grey levels show faces in dim pictures: 194 of 200 drawn faces at a fifth of their light, 52 without.
        grey_HW = cv2.equalizeHist(grey_HW)
        boxes, hits = self._cascade.detectMultiScale2(
            grey_HW, scaleFactor=1.1, minNeighbors=self.min_neighbors, minSize=(_SMALLEST_FACE, _SMALLEST_FACE)
        )
        faces = [
            _box_within(np.asarray(box) / shrink, width, height, score=float(n / (n + _HITS_AT_HALF)))
            for box, n in zip(boxes, np.ravel(hits), strict=True)
        ]
        return sorted(faces, key=lambda face: (-face.w * face.h, face.x, face.y))

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        return crop_face(image, box, self.margin)


def _box_within(box: np.ndarray, width: int, height: int, score: float) -> FaceBox:
    """The box in whole pixels, inside the image."""
    left, top = (int(round(v)) for v in box[:2])
    right, bottom = (int(round(v)) for v in box[:2] + box[2:])
    left, top = max(left, 0), max(top, 0)
    return FaceBox(left, top, min(right, width) - left, min(bottom, height) - top, score)


def crop_face(image: Image.Image, box: FaceBox, margin: float = HAAR_MARGIN) -> Image.Image:
    """A square RGB picture centred on the box; where it reaches past the border, the border's pixels are repeated.

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
    return Image.fromarray(np.asarray(image)[rows[:, None], columns])


DETECTORS = {"auto": HaarDetector, "none": NoDetector}


def make_detector(faces: str) -> Detector:
    """The detector of `--faces auto` (Haar cascade) or `--faces none` (the whole image is the face)."""
    if faces not in DETECTORS:
        raise ValueError(f"unknown way to find faces {faces!r}: expected one of {', '.join(DETECTORS)}")
    return DETECTORS[faces]()
