"""Faces found and framed without a download: a small network proposes, the geometry network checks, and frames what it
keeps.

Both ship with the package and learned from rendered heads alone (`training.geometry`). The finder
(`finder.safetensors`, 0.35 million parameters) says for each 8 x 8 pixels whether the middle of a face lies there and
how large the face is. Boxes are those of detection/geometry.py: they depend on the face and not on how it was
proposed. They may reach past the picture's border.
"""

import functools
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from aullava.detection.crop import FaceBox, crop_face, largest_first
from aullava.detection.geometry import face_geometry, standardised
from aullava.detection.search import checked_min_face, search_scale, smallest_face

WEIGHTS = Path(__file__).with_name("finder.safetensors")
# A quarter more on each side leaves room for the forehead's folds, and puts the chin at five sixths of the height.
GEOMETRY_MARGIN = 0.25

_SIDE = 320  # pixels that a picture's longer side is shrunk to, unless smaller faces are asked for
_FINDABLE = 12  # pixels of such a picture; smaller faces the finder has not learned
_COARSE = 0.4  # the picture is searched once more at this share of that size, for faces that fill it
_MOST = 24  # proposals that are checked
_LEAST_CHANCE = 0.15
MIN_SCORE = 0.9
_SAME = 0.4  # boxes that overlap by more (intersection over union) are one face


class GeometryDetector:
    """Finds faces and gives each the square about its landmarks.

    Args:
        margin: share of the box's side added on each side of a crop.
        min_score: what scores less is no face. A score is the mean, as log-odds, of the finder's chance and of the geometry
            network's; the default was chosen on rendered scenes of validation identities (LOG.md).
        min_face: as in detection/detector.py; None for 12 pixels of a picture of at most 320.

    Raises:
        ValueError: no face can be as small as `min_face` says.
    """

    def __init__(self, margin: float = GEOMETRY_MARGIN, min_score: float = MIN_SCORE, min_face: float | None = None):
        self.margin = margin
        self.min_score = min_score
        self.min_face = checked_min_face(min_face)

    def detect(self, image_HWC: np.ndarray) -> list[FaceBox]:
        height, width = image_HWC.shape[:2]
        smallest = smallest_face(self.min_face, height, width)
        scale = search_scale(height, width, _SIDE, smallest, _FINDABLE)
        proposed = distinct((*propose(image_HWC, scale), *propose(image_HWC, scale * _COARSE)), 0.6)[:_MOST]
        seen = face_geometry(image_HWC, proposed)
        scored = [
            replace(geometry.box, score=_between(rough.score, geometry.score))
            for rough, geometry in zip(proposed, seen, strict=True)
        ]
        inside = [
            box
            for box in scored
            if box.score >= self.min_score
            and box.w >= max(smallest, 1)
            and 0 <= box.x + box.w / 2 < width
            and 0 <= box.y + box.h / 2 < height
        ]
        return largest_first(distinct(inside, _SAME))

    def crop(self, image: Image.Image, box: FaceBox) -> Image.Image:
        return crop_face(image, box, self.margin)


def propose(image_HWC: np.ndarray, scale: float, network=None) -> list[FaceBox]:
    """Rough boxes in a picture that is shrunk by `scale` to be searched, likeliest first, the chance as score.

    Args:
        network: of `load_finder`; None for the one that ships with the package.
    """
    import torch

    from aullava.detection.networks import FinderNetwork

    height, width = (max(1, round(side * scale)) for side in image_HWC.shape[:2])
    small_HWC = cv2.resize(image_HWC, (width, height), interpolation=cv2.INTER_AREA)
    multiple, stride = FinderNetwork.MULTIPLE, FinderNetwork.STRIDE
    padded = np.zeros((1, 3, -(-height // multiple) * multiple, -(-width // multiple) * multiple), np.float32)
    padded[:, :, :height, :width] = standardised(small_HWC[None])
    with torch.inference_mode():
        output = (network or _network())(torch.from_numpy(padded).contiguous(memory_format=torch.channels_last))[
            0
        ].numpy()
    chance = 1 / (1 + np.exp(-output[0]))
    peaks = (chance >= _LEAST_CHANCE) & (chance >= cv2.dilate(chance, np.ones((3, 3), np.uint8)))
    boxes = []
    for row, column in zip(*np.nonzero(peaks), strict=True):
        x = (column + 0.5 + output[1, row, column]) * stride / scale
        y = (row + 0.5 + output[2, row, column]) * stride / scale
        side = FinderNetwork.UNIT * 2.0 ** float(np.clip(output[3, row, column], -3, 4)) / scale
        box = FaceBox(round(x - side / 2), round(y - side / 2), max(1, round(side)), max(1, round(side)))
        boxes.append(FaceBox(box.x, box.y, box.w, box.h, float(chance[row, column])))
    return sorted(boxes, key=lambda box: (-box.score, box.x, box.y))


def distinct(boxes: Iterable[FaceBox], most: float) -> list[FaceBox]:
    """The best of boxes that overlap by more than `most`, intersection over union, likeliest first."""
    kept: list[FaceBox] = []
    for box in sorted(boxes, key=lambda box: (-box.score, -box.w, box.x, box.y)):
        if all(overlap(box, other) <= most for other in kept):
            kept.append(box)
    return kept


def overlap(one: FaceBox, other: FaceBox) -> float:
    """Intersection over union, 0..1."""
    wide = max(0, min(one.x + one.w, other.x + other.w) - max(one.x, other.x))
    high = max(0, min(one.y + one.h, other.y + other.h) - max(one.y, other.y))
    return wide * high / (one.w * one.h + other.w * other.h - wide * high)


def _between(one: float, other: float) -> float:
    """The mean of two chances as log-odds, a chance again."""
    odds = [math.log(max(p, 1e-9) / max(1 - p, 1e-9)) for p in (one, other)]
    return 1 / (1 + math.exp(-sum(odds) / 2))


def load_finder(path: Path):
    """The network with the weights of a file, ready for use."""
    import torch
    from safetensors.torch import load_file

    from aullava.detection.networks import FinderNetwork, folded

    network = FinderNetwork()
    network.load_state_dict({name: value.to(torch.float32) for name, value in load_file(path).items()})
    return folded(network)


@functools.cache
def _network():
    return load_finder(WEIGHTS)
