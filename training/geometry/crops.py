"""What the geometry network learns from: crops of heads from rough boxes with their truth, and crops that hold no
face.

Conventions
    number      sample `index` of a seed is always the same one. Consecutive numbers take the heads in an order that is
                shuffled anew for each pass over them.
    targets     float32 (143,): 68 x and y, then yaw, pitch, roll, gaze to the left, gaze up, as
                `detection.networks.GeometryNetwork` puts them out; then whether the crop holds a face (1, 0, NaN:
                neither clearly), and the weight of all before (0 or 1).
    a face      is held by a crop whose box overlaps the true one by `FACE_FROM` (intersection over union) and more;
                one that overlaps by less than `NO_FACE_TO` holds none.
"""

import math

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.store import Heads
from aullava.detection.geometry import GROWTH, MIRRORED, SIDE, crop_map, cut, turned_pose
from aullava.training.data.strong_augmentation import damage_picture
from aullava.training.geometry.textures import shuffled, texture

FACE_FROM, NO_FACE_TO = 0.45, 0.22
_NO_FACES = 0.4  # share of crops without a face, and of these, of
_MISSES, _SHUFFLED, _MISTAKEN = (
    0.35,
    0.15,
    0.3,
)  # pieces of the same pictures, tiles of faces, what the finder mistook for faces
_BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)


class GeometrySamples:
    """Crops of heads, as a dataset of `pixels` (uint8 (SIDE, SIDE, 3)) and `targets`.

    Args:
        heads: rendered heads, see `synthetic.rendered.store`.
        count: of samples.
        seed: of everything that is drawn.
        clean: no damage and no crops without faces: for validation.
        mistaken: crops (N, SIDE, SIDE, 3) that a finder took for faces, see `mistakes`; none if not given.
    """

    def __init__(
        self, heads: Heads, count: int, seed: int = 0, clean: bool = False, mistaken: np.ndarray | None = None
    ):
        self.heads, self.count, self.seed, self.clean, self.mistaken = heads, count, seed, clean, mistaken
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, int))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, index))
        head = self._head(index)
        if self.clean or rng.random() > _NO_FACES:
            pixels, targets = self._face(head, rng)
        else:
            pixels, targets = self._no_face(head, rng), _NOTHING
        return {"pixels": pixels if self.clean else damage_picture(pixels, rng), "labels": targets}

    def _head(self, index: int) -> int:
        epoch, place = divmod(index, len(self.heads))
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((self.seed, 2**31, epoch)).permutation(len(self.heads))
        return int(self._order[1][place])

    def _face(self, head: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        landmarks, angles = self.heads.landmarks_N68_2[head].astype(float), self.heads.angles_N5[head].astype(float)
        x, y, side = square_of(landmarks)
        rough = rng.random() < 0.6  # as a detector boxes it; else as the pass before has boxed it
        reach, size, turn = (0.16, 0.24, 25.0) if rough else (0.05, 0.07, 6.0)
        roll = rng.uniform(-turn, turn) + (0.0 if rough else angles[2])
        shifted = np.array([x, y]) + side * rng.uniform(-reach, reach, 2)
        scaled = side * math.exp(rng.uniform(-size, size))
        matrix = crop_map(*shifted, scaled * GROWTH, roll)
        border = _BORDERS[int(rng.integers(len(_BORDERS)))]
        pixels = cut(self.heads.images_NHWC[head], matrix, border)
        points = landmarks @ matrix[:, :2].T + matrix[:, 2]
        pose, gaze = turned_pose(angles[:3], -roll), angles[3:]
        if rng.random() < 0.5:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
            points = (points * (-1, 1) + (SIDE, 0))[MIRRORED]
            pose, gaze = pose * (-1, 1, -1), gaze * (-1, 1)
        overlap = iou_of_squares((x, y, side), (*shifted, scaled))
        face = 1.0 if overlap >= FACE_FROM else math.nan
        targets = np.concatenate([(points / SIDE - 0.5).ravel(), np.deg2rad([*pose, *gaze]), [face, 1.0]])
        return pixels, targets.astype(np.float32)

    def _no_face(self, head: int, rng: np.random.Generator) -> np.ndarray:
        kind = rng.random()
        if kind < _MISTAKEN and self.mistaken is not None:
            pixels = self.mistaken[int(rng.integers(len(self.mistaken)))]
            return np.ascontiguousarray(pixels[:, ::-1] if rng.random() < 0.5 else pixels)
        if kind < _MISTAKEN + _MISSES:
            return self._miss(head, rng)
        if kind < _MISTAKEN + _MISSES + _SHUFFLED:
            x, y, side = square_of(self.heads.landmarks_N68_2[head].astype(float))
            face = cut(self.heads.images_NHWC[head], crop_map(x, y, side * rng.uniform(0.9, GROWTH), 0.0))
            mixed = shuffled(face, rng)
            return cut(mixed, crop_map(SIDE / 2, SIDE / 2, SIDE * rng.uniform(0.8, 1.3), rng.uniform(-30, 30)))
        plane = texture(rng, 96)
        x, y, side = *rng.uniform(24, 72, 2), float(np.exp(rng.uniform(math.log(24), math.log(96))))
        return cut(plane, crop_map(x, y, side, rng.uniform(-40, 40)))

    def _miss(self, head: int, rng: np.random.Generator) -> np.ndarray:
        """A crop of a head's picture that misses the face: an eye, hair and wall, or the head from too far or near."""
        image, true = self.heads.images_NHWC[head], square_of(self.heads.landmarks_N68_2[head])
        width = image.shape[1]
        while True:
            square = (*rng.uniform(0, width, 2), float(np.exp(rng.uniform(math.log(0.12), math.log(2.6)))) * true[2])
            if iou_of_squares(true, square) < NO_FACE_TO:
                border = _BORDERS[int(rng.integers(len(_BORDERS)))]
                return cut(image, crop_map(*square[:2], square[2] * GROWTH, rng.uniform(-25, 25)), border)


_NOTHING = np.zeros(143, np.float32)


def square_of(landmarks_68_2: np.ndarray) -> tuple[float, float, float]:
    """x and y of the middle and the side of the box of landmarks, as `detection.geometry` defines it."""
    low, high = landmarks_68_2.min(0), landmarks_68_2.max(0)
    return (*((low + high) / 2).tolist(), float(max(high - low)))


def iou_of_squares(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Intersection over union, 0..1, of squares given by their middles and sides."""
    shared = math.prod(
        max(0.0, min(one[i] + one[2] / 2, other[i] + other[2] / 2) - max(one[i] - one[2] / 2, other[i] - other[2] / 2))
        for i in (0, 1)
    )
    return shared / (one[2] ** 2 + other[2] ** 2 - shared)
