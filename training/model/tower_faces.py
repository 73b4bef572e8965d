"""The faces that the vision tower is pretrained on: crops of rendered heads and drawn faces, with the strengths of their actions.

Conventions
    ACTIONS     those of rendered heads, sides apart. A drawn face has NaN where it cannot show an action; where it moves both
                sides as one, both have its strength.
    geometry    (141,) of rendered heads: x and y of the 68 landmarks, 0 in the middle of the crop and 0.5 at its edge; yaw, pitch,
                roll, gaze to the left and up in units of 30 degrees. NaN of drawn faces.
    sample      `index` of a seed is always the same one. Heads come in an order that is shuffled anew for each pass over them;
                each time they are cropped, mirrored and damaged otherwise.
    clean       for validation: cropped as a detector ideally would, neither mirrored nor damaged.
"""

import cv2
import numpy as np

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.dataset_builder.synthetic.drawn import ACTIONS as DRAWN_ACTIONS
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS as RENDERED_ACTIONS
from aullava.dataset_builder.synthetic.rendered.actions import SIDED_CODES
from aullava.dataset_builder.synthetic.rendered.sampling import PRESENT_FROM
from aullava.dataset_builder.synthetic.rendered.store import Heads
from aullava.detection.geometry import MIRRORED, turned_pose
from aullava.training.data.strong_augmentation import damage_picture
from aullava.training.geometry.crops import square_of

ACTIONS = tuple(RENDERED_ACTIONS)
GEOMETRY = 141
TRACE_FROM = 0.08  # strengths from here to PRESENT_FROM are traces, neither absent nor present
CROP = 1.5  # side of a crop, in sides of the square around the landmarks: as Framing("geometry") crops
__all__ = ["ACTIONS", "CROP", "GEOMETRY", "PRESENT_FROM", "SIDES", "TRACE_FROM", "TowerFaces"]

_PLACE = {action: place for place, action in enumerate(ACTIONS)}
SIDES = tuple((_PLACE[code + "L"], _PLACE[code + "R"]) for code in SIDED_CODES)
_OTHER = {"AU61": "AU62", "AU62": "AU61"} | {
    code + side: code + other for code in SIDED_CODES for side, other in ("LR", "RL")
}
_MIRRORED_ACTIONS = np.array([_PLACE[_OTHER.get(action, action)] for action in ACTIONS])
# The drawn action that shows each of ACTIONS, if any.
_DRAWN = {a: a if a in DRAWN_ACTIONS else a[:-1] for a in ACTIONS if a in DRAWN_ACTIONS or a[:-1] in DRAWN_ACTIONS}


class TowerFaces:
    """A dataset of `image_HWC` (uint8), `strengths_A` and `geometry_G` (float32).

    Args:
        drawing: the drawn faces, and the side of all images.
        drawn_share: of drawn faces, 0..1.
        count: of samples.
        heads: rendered heads; may be left out if the share is 1.
        seed: of everything that is chosen here.
    """

    def __init__(
        self,
        drawing: DrawnFaceArguments,
        drawn_share: float,
        count: int,
        heads: Heads | None,
        seed: int = 0,
        clean: bool = False,
    ):
        if heads is None and drawn_share < 1:
            raise ValueError(f"drawn_share is {drawn_share} and there are no rendered heads: expected 1, or heads")
        self.drawing, self.drawn_share, self.count, self.heads = drawing, drawn_share, count, heads
        self.seed, self.clean = seed, clean
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, int))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.seed, index))
        if rng.random() < self.drawn_share:
            image, strengths, geometry = self._drawn(index)
        else:
            image, strengths, geometry = self._rendered(self._head(index), rng)
        if not self.clean:
            if rng.random() < 0.5:
                image, strengths, geometry = _mirrored(image, strengths, geometry)
            image = damage_picture(image, rng)
        return {"image_HWC": image, "strengths_A": strengths, "geometry_G": geometry}

    def _drawn(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        face = self.drawing.face("validation" if self.clean else "train", self.drawing.first_face + index)
        strengths = [face.actions[_DRAWN[action]] if action in _DRAWN else np.nan for action in ACTIONS]
        return face.image_HWC, np.float32(strengths), np.full(GEOMETRY, np.nan, np.float32)

    def _head(self, index: int) -> int:
        epoch, place = divmod(index, len(self.heads))
        if self.clean:
            return place
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((self.seed, 2**31, epoch)).permutation(len(self.heads))
        return int(self._order[1][place])

    def _rendered(self, head: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = self.drawing.draw_size
        landmarks, angles = self.heads.landmarks_N68_2[head].astype(float), self.heads.angles_N5[head]
        x, y, square = square_of(landmarks)
        scale, turn = side / (square * CROP), 0.0
        if not self.clean:
            scale, turn = scale * np.exp(rng.normal(0, 0.09)), rng.normal(0, 6.0)
            x, y = np.array([x, y]) + square * rng.normal(0, 0.05, 2)
        matrix = cv2.getRotationMatrix2D((x, y), turn, scale)
        matrix[:, 2] += side / 2 - np.array([x, y])
        image = cv2.warpAffine(
            self.heads.images_NHWC[head], matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        points = (landmarks @ matrix[:, :2].T + matrix[:, 2]) / side - 0.5
        pose = turned_pose(angles[:3], -turn)  # the image turns counter-clockwise, which is against roll
        geometry = np.concatenate([points.ravel(), np.array([*pose, *angles[3:]]) / 30])
        return image, self.heads.strengths_NA[head].astype(np.float32), geometry.astype(np.float32)


def _mirrored(image, strengths_A, geometry_G) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points = (geometry_G[:136].reshape(68, 2) * (-1, 1))[MIRRORED]
    angles = geometry_G[136:] * (-1, 1, -1, -1, 1)
    return (
        np.ascontiguousarray(image[:, ::-1]),
        strengths_A[_MIRRORED_ACTIONS],
        np.concatenate([points.ravel(), angles]).astype(np.float32),
    )
