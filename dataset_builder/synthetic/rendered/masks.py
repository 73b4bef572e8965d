"""Where an action acts in a picture: by the way that skin goes, and by the pixels that differ.

Both are masks of one picture. The first says where to look, also for an action that is absent or hidden behind glasses; the
second what this picture shows of it, folds and shadows included.
"""

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS
from aullava.dataset_builder.synthetic.rendered.camera import Camera
from aullava.dataset_builder.synthetic.rendered.expression import Face
from aullava.dataset_builder.synthetic.rendered.mesh import PARTS, load_head
from aullava.dataset_builder.synthetic.rendered.raster import rasterize

SHARE_OF_LONGEST = 0.25  # a triangle belongs to an action if one of its vertices goes this share of the longest way
CHANGED_FROM = 6  # grey levels of 255, in any channel, after a blur that removes single pixels


def displacement_masks(face: Face, vertices_V3: np.ndarray, camera: Camera, size: int) -> dict[str, np.ndarray]:
    """Action -> bool (size, size): visible triangles that the action at full strength moves by a quarter of its longest way.

    Args:
        face: whose head it is. vertices_V3: it with its present expression. camera: which sees it.
        size: side of the picture in pixels.
    """
    head = load_head()
    screen_V3 = camera.project(camera.place(vertices_V3), size)
    drawn = _seen(screen_V3, size)
    masks = {}
    for action in ACTIONS:
        moved_F = _moved(head, face, action)
        masks[action] = (drawn >= 0) & moved_F[np.maximum(drawn, 0)]
    return masks


def _moved(head, face: Face, action: str) -> np.ndarray:
    """Whether each triangle belongs to an action."""
    way_V = np.linalg.norm(face.move({action: 1.0} | _opened(action)) - face.move(_opened(action)), axis=1)
    way_V[head.vertices_of["hair"]] = 0
    return (way_V > SHARE_OF_LONGEST * way_V.max())[head.triangles_F3].any(1)


def _opened(action: str) -> dict[str, float]:
    """What must be there for an action to show: parted lips for those of the jaw."""
    return {"AU25": 1.0} if action in ("AU26", "AU27") else {}


def _seen(screen_V3: np.ndarray, size: int) -> np.ndarray:
    """The triangle of skin, eyes or mouth that each pixel sees, -1 for none; hair and what is worn hide nothing here."""
    head = load_head()
    shown = np.flatnonzero(~np.isin(head.part_F, [PARTS.index("hair"), PARTS.index("lashes")]))
    index_HW, _, _ = rasterize(
        screen_V3,
        shown,
        head.triangles_F3,
        np.zeros(len(head.triangles_F3), np.uint8),
        np.ones(len(screen_V3), np.float32),
        np.full(len(head.triangles_F3), -1, np.int16),
        head.uv_F32,
        np.zeros((1, 1, 1, 4), np.uint8),
        0,
        size,
        size,
    )
    return index_HW


def changed_mask(one_HWC: np.ndarray, other_HWC: np.ndarray) -> np.ndarray:
    """The pixels in which two pictures of one size differ: bool (H, W)."""
    difference_HW = np.abs(one_HWC.astype(np.int16) - other_HWC.astype(np.int16)).max(2).astype(np.float32)
    return cv2.GaussianBlur(difference_HW, (3, 3), 0) >= CHANGED_FROM
