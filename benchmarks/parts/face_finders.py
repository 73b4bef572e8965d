"""Ways to propose faces, for benchmarks/faces_found.py: functions from a picture (uint8 RGB) to boxes with scores."""

from pathlib import Path

import cv2
import numpy as np

from aullava.detection.crop import FaceBox
from aullava.detection.detector import HAAR_CASCADE, HaarDetector
from aullava.detection.finder import distinct, propose

_PASS_SIDE = 640  # pixels of a picture's longer side in the passes
_SMALLEST = 24
_FRONTAL = ("haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_default.xml")
_PROFILE = "haarcascade_profileface.xml"


def haar(image_HWC: np.ndarray) -> list[FaceBox]:
    """The cascade as the package uses it."""
    return HaarDetector().detect(image_HWC)


class HaarPasses:
    """Two frontal cascades and the profile one, the picture also mirrored and turned, with levels stretched and
    equalised locally.

    Args:
        min_neighbors: overlapping hits that a face needs in a pass; few, since every box is checked afterwards.
        turns: degrees by which the picture is turned.
    """

    def __init__(self, min_neighbors: int = 2, turns: tuple[float, ...] = (0.0, -20.0, 20.0)):
        folder = Path(cv2.data.haarcascades)
        self.frontal = [cv2.CascadeClassifier(str(folder / name)) for name in _FRONTAL]
        self.profile = cv2.CascadeClassifier(str(folder / _PROFILE))
        self.min_neighbors, self.turns = min_neighbors, turns
        assert HAAR_CASCADE in _FRONTAL

    def __call__(self, image_HWC: np.ndarray) -> list[FaceBox]:
        shrink = min(1.0, _PASS_SIDE / max(image_HWC.shape[:2]))
        grey = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else grey
        height, width = grey.shape
        local = cv2.createCLAHE(3.0, (8, 8)).apply(grey)
        boxes = []
        for turn in self.turns:
            matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
            seen = (
                local if turn == 0 else cv2.warpAffine(local, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
            )
            back = cv2.invertAffineTransform(matrix)
            found = [(cascade, seen, False) for cascade in self.frontal]
            if turn == 0:
                found += [(self.frontal[0], cv2.equalizeHist(grey), False)]
                found += [(self.profile, seen, False), (self.profile, np.ascontiguousarray(seen[:, ::-1]), True)]
            for cascade, picture, mirrored in found:
                hits, counts = cascade.detectMultiScale2(
                    picture, scaleFactor=1.1, minNeighbors=self.min_neighbors, minSize=(_SMALLEST, _SMALLEST)
                )
                for (x, y, w, h), count in zip(hits, np.ravel(counts), strict=True):
                    middle = np.array([width - x - w / 2 if mirrored else x + w / 2, y + h / 2])
                    middle, side = (back[:, :2] @ middle + back[:, 2]) / shrink, w / shrink
                    left, top = middle - side / 2
                    boxes.append(
                        FaceBox(round(left), round(top), round(side), round(side), float(count / (count + 10)))
                    )
        return distinct(boxes, 0.5)


def dlib_hog():
    """dlib's frontal detector, the picture at twice its size; None where dlib is not installed."""
    try:
        import dlib
    except ImportError:
        return None
    detector = dlib.get_frontal_face_detector()

    def find(image_HWC: np.ndarray) -> list[FaceBox]:
        found, scores, _ = detector.run(np.ascontiguousarray(image_HWC), 1, -0.3)
        scored = [1 / (1 + np.exp(-4 * score)) for score in scores]
        return [
            FaceBox(r.left(), r.top(), r.width(), r.height(), float(s)) for r, s in zip(found, scored, strict=True)
        ]

    return find


def finder(image_HWC: np.ndarray) -> list[FaceBox]:
    """The package's finder without the check."""
    scale = min(1.0, 320 / max(image_HWC.shape[:2]))
    return distinct((*propose(image_HWC, scale), *propose(image_HWC, 0.4 * scale)), 0.4)
