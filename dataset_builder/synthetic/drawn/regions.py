"""Where on the image each action acts."""

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.drawn.actions import ACTIONS
from aullava.dataset_builder.synthetic.drawn.canvas import FIXED_POINT_BITS, SUPERSAMPLING, Canvas, ellipse
from aullava.dataset_builder.synthetic.drawn.scene import Scene

# Ellipses (x, y, rx, ry) in face units for the subject's left side, or the midline. Areas are generous: they hold the whole change.
_SIDED = {
    "AU1": ((0.24, -0.48, 0.28, 0.36),),
    "AU2": ((0.54, -0.48, 0.36, 0.4),),
    "AU4": ((0.3, -0.26, 0.34, 0.26),),
    "AU5": ((0.42, -0.04, 0.3, 0.2),),
    "AU6": ((0.56, 0.28, 0.46, 0.46),),
    "AU7": ((0.42, 0.02, 0.28, 0.16),),
    "AU10": ((0.26, 0.62, 0.28, 0.32),),
    "AU12": ((0.48, 0.68, 0.48, 0.48),),
    "AU14": ((0.42, 0.87, 0.24, 0.22),),
    "AU15": ((0.36, 1.0, 0.26, 0.3),),
    "AU20": ((0.52, 0.98, 0.5, 0.46),),
    "AU43": ((0.42, 0.0, 0.3, 0.22),),
}
_MIDLINE = {
    "AU9": ((0.0, 0.2, 0.34, 0.44), (0.0, -0.26, 0.5, 0.2), (0.0, 0.68, 0.52, 0.34)),
    "AU16": ((0.0, 1.0, 0.36, 0.2),),
    "AU17": ((0.0, 1.08, 0.46, 0.4),),
    "AU18": ((0.0, 0.86, 0.74, 0.4),),
    "AU23": ((0.0, 0.88, 0.44, 0.26),),
    "AU24": ((0.0, 0.88, 0.44, 0.26),),
    "AU25": ((0.0, 0.88, 0.4, 0.18),),
    "AU26": ((0.0, 1.12, 0.62, 0.44),),
    "AU27": ((0.0, 1.12, 0.7, 0.5),),
    "AU28U": ((0.0, 0.82, 0.44, 0.2),),
    "AU28L": ((0.0, 0.95, 0.42, 0.18),),
    "AD29": ((0.0, 1.14, 0.74, 0.42),),
    "AD30L": ((0.0, 1.12, 0.95, 0.46),),
    "AD30R": ((0.0, 1.12, 0.95, 0.46),),
    "AD34": ((-0.72, 0.84, 0.34, 0.4), (0.72, 0.84, 0.34, 0.4)),
}


def region_masks(scene: Scene, size: int) -> dict[str, np.ndarray]:
    """Action -> bool (size, size): the part of the image that the action may change in this pose.

    The areas depend on pose and framing and not on the strengths: a mask says where to look, also when an action is absent.
    """
    canvas = Canvas(size, scene)
    masks = {}
    for action in ACTIONS:
        mask_HW = np.zeros((size, size), np.uint8)
        sign = 1 if action.endswith("L") else -1
        sided = [] if action in _MIDLINE else [(sign * x, *rest) for x, *rest in _SIDED[action[:-1]]]
        for area in _MIDLINE.get(action, sided):
            polygon = canvas.fixed(ellipse(*area, count=32)) // SUPERSAMPLING
            cv2.fillPoly(mask_HW, [polygon], 1, cv2.LINE_8, FIXED_POINT_BITS)
        masks[action] = mask_HW.astype(bool)
    return masks
