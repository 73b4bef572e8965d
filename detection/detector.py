"""Finding faces: the interface of a detector, and OpenCV's cascade.

Conventions
    min_face    side of the smallest face searched for: pixels of the image (int), or a share of its shorter side (float
                below 1). An image is searched at a smaller size unless that would lose such faces.
    threads     several may use one detector at the same time.
    Boxes, scores and crops are explained in detection/crop.py.
"""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from aullava.detection.crop import FaceBox, box_within, crop_face, largest_first
from aullava.detection.search import PerThread, checked_min_face, search_scale, smallest_face
from aullava.image_aullava import DEFAULT_FRAMING

# OpenCV's frontal cascade "alt2" boxes a face from the middle of the forehead to below the lips. A quarter of its side (0.25)
# more on each side frames a photograph like a drawn face: chin at nine tenths of the height, eyes a third of the width apart.
HAAR_MARGIN = DEFAULT_FRAMING["margin"]
HAAR_CASCADE = "haarcascade_frontalface_alt2.xml"

# More pixels find smaller faces and take more time: faces below 24 of 1280 pixels are searched for only if asked for.
_HAAR_SIDE = 1280
_HAAR_SMALLEST = 24
_HAAR_WINDOW = 20  # the cascade cannot see smaller faces

# This many overlapping hits give a score of one half. The cascade drops boxes with fewer than `min_neighbors`.
_HITS_AT_HALF = 10


class Detector(Protocol):
    """Finds faces, and crops them as the model saw faces in training."""

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        """Faces of a uint8 RGB image, largest first; an empty list if there is none."""
        ...

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        """The crop of one face."""
        ...


class NoDetector:
    """For images that are cropped already: the whole image is the face, and the model gets it as it is."""

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        height, width = image_HWC.shape[:2]
        return [FaceBox(0, 0, width, height)]

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        return image


class HaarDetector:
    """Viola and Jones's cascade as OpenCV ships it: near-frontal faces, no download, milliseconds on a CPU.

    Args:
        margin: share of the box's side added on each side of a crop.
        min_neighbors: overlapping hits that a face needs; a higher number finds fewer faces and makes fewer mistakes.
        min_face: see above; None for 24 pixels of an image of at most 1280. Searching for small faces takes most of the time.

    Raises:
        FileNotFoundError: this OpenCV comes without cascade files (5.x wheels and some distributions).
        ValueError: `min_face` is out of range.
    """

    def __init__(self, margin: float = HAAR_MARGIN, min_neighbors: int = 5, min_face: float | None = None):
        folder = Path(cv2.data.haarcascades) if hasattr(cv2, "data") else Path()
        file = folder / HAAR_CASCADE
        # OpenCV itself would accept a missing file here and fail at the first image.
        self._cascades = PerThread(lambda: cv2.CascadeClassifier(str(file) if file.is_file() else ""))
        if self._cascades.get().empty():
            raise FileNotFoundError(
                f"OpenCV {cv2.__version__} has no {HAAR_CASCADE}: install opencv-python-headless 4.x, or crop the "
                "faces before and pass --faces none"
            )
        self.margin = margin
        self.min_neighbors = min_neighbors
        self.min_face = checked_min_face(min_face)

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        height, width = image_HWC.shape[:2]
        smallest = smallest_face(self.min_face, height, width)
        shrink = search_scale(height, width, _HAAR_SIDE, smallest, _HAAR_WINDOW)
        least = round(smallest * shrink) if smallest else _HAAR_SMALLEST
        if min(height, width) * shrink < least:
            return []
        grey_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
        if shrink < 1:
            grey_HW = cv2.resize(grey_HW, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        # Stretched grey levels show faces in dim images: 194 of 200 drawn faces at a fifth of their light, 52 without.
        grey_HW = cv2.equalizeHist(grey_HW)
        boxes, hits = self._cascades.get().detectMultiScale2(
            grey_HW, scaleFactor=1.1, minNeighbors=self.min_neighbors, minSize=(least, least)
        )
        found = [
            box_within(np.asarray(box) / shrink, width, height, score=float(n / (n + _HITS_AT_HALF)))
            for box, n in zip(boxes, np.ravel(hits), strict=True)
        ]
        return largest_first(found)

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        return crop_face(image, box, self.margin)


class ChosenFaces:
    """A detector's faces, without those that are not wanted.

    Args:
        detector: finds the faces.
        largest: keep only the largest of the others.
        min_confidence: leave out faces with a lower score; a face without a score is kept.
    """

    def __init__(self, detector: Detector, largest: bool = False, min_confidence: float = 0.0):
        if not 0 <= min_confidence <= 1:
            raise ValueError(f"min_confidence is {min_confidence}: expected 0 to 1")
        self.detector = detector
        self.largest = largest
        self.min_confidence = min_confidence

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        faces = self.detector.detect(image_HWC)
        sure = [face for face in faces if face.score is None or face.score >= self.min_confidence]
        return sure[:1] if self.largest else sure

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        return self.detector.crop(image, box)
