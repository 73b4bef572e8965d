"""Relief of the nose, the cheeks, the folds from nose to mouth, and the chin: AU6, 9, 10, 12, 17, AD29, AD34."""

from collections.abc import Mapping

import numpy as np

from aullava.dataset_builder.synthetic.drawn.canvas import Canvas, ellipse
from aullava.dataset_builder.synthetic.drawn.geometry import CHIN_Y, JAW_SLIDE, NOSE_Y, Mouth, side_letter
from aullava.dataset_builder.synthetic.drawn.palette import Palette
from aullava.dataset_builder.synthetic.drawn.person import Identity

_NOSE_LIFT = 0.16
# Pits of the wrinkled chin (the "orange peel" of AU17), around the boss.
_DIMPLES = (
    *((-0.13, -0.01), (-0.065, -0.05), (0.0, -0.01), (0.065, -0.05)),
    *((0.13, -0.01), (-0.07, 0.035), (0.065, 0.04), (0.0, 0.07)),
)


def paint_nose(canvas: Canvas, who: Identity, palette: Palette, actions: Mapping[str, float]) -> None:
    """Bridge, tip, wings and nostrils; AU9 wrinkles the root, AU9 and AU10 raise the wings."""
    wrinkle = actions["AU9"]
    y, w = NOSE_Y * who.nose_length, who.nose_width
    tip_y = y - 0.045 - 0.02 * wrinkle
    canvas.bump(0.0, 0.12, 0.07, 0.2, height=0.07, lift=0.1)
    canvas.bump(0.0, tip_y, 0.1 * w, 0.085, height=0.11, red=0.05, lift=_NOSE_LIFT)
    canvas.bump(0.0, y + 0.09, 0.13 * w, 0.03, tone=-0.2, lift=0.1)
    for side in (-1, 1):
        raised = max(wrinkle, 0.8 * actions["AU10" + side_letter(side)])
        wing_x, wing_y = side * (0.145 * w + 0.025 * raised), y - 0.025 - 0.05 * raised
        canvas.bump(wing_x, wing_y, 0.05 * w, 0.05, height=0.06 + 0.02 * raised, lift=0.1)
        canvas.bump(side * 0.14, 0.14, 0.05, 0.16, height=-0.02, tone=-0.07)
        nostril = ellipse(side * 0.078 * w, y + 0.028 - 0.035 * raised, 0.048 * w, 0.02 + 0.012 * raised, side * -0.35)
        canvas.fill(nostril, tuple(c * 0.6 for c in palette.line), _NOSE_LIFT)
        wing = [
            (wing_x + side * 0.03, wing_y - 0.075),
            (wing_x + side * 0.062 * w, wing_y - 0.01),
            (wing_x + side * 0.045 * w, wing_y + 0.05),
            (wing_x - side * 0.01, wing_y + 0.07),
        ]
        canvas.groove(wing, 0.55 + 0.4 * raised, 0.036, 0.08)
        for step in range(3):  # bunny lines on the side of the nose
            top = 0.06 + 0.085 * step
            line = [(side * 0.045, top), (side * 0.12, top + 0.035), (side * 0.185, top + 0.1)]
            canvas.groove(line, wrinkle, 0.03, 0.06)
    for top in (-0.075, -0.005):
        canvas.groove([(-0.1, top - 0.01), (0.0, top + 0.015), (0.1, top - 0.01)], wrinkle, 0.036, 0.08)


def paint_cheeks(canvas: Canvas, who: Identity, actions: Mapping[str, float], shape: Mouth) -> None:
    """Cheeks and nasolabial folds."""
    for side, corner in shape.corners.items():
        s = side_letter(side)
        cheek, smile, lip_up = actions["AU6" + s], actions["AU12" + s], actions["AU10" + s]
        puff, wrinkle = actions["AD34"], actions["AU9"]
        apple = max(cheek, 0.6 * smile)
        glow = {"height": 0.045 + 0.075 * apple, "tone": 0.06 * apple, "red": 0.05 + 0.06 * apple}
        canvas.bump(side * (0.56 + 0.02 * smile), 0.41 - 0.1 * cheek, 0.17, 0.14, **glow)
        canvas.bump(
            side * 0.58, 0.62 - 0.08 * cheek, 0.16, 0.07, height=-0.02 - 0.02 * apple, tone=-0.04 - 0.06 * apple
        )
        canvas.bump(side * 0.66, 0.84, 0.16, 0.19, height=0.19 * puff, tone=0.12 * puff, red=0.14 * puff)
        canvas.bump(side * 0.5, 0.9, 0.05, 0.2, tone=-0.22 * puff)
        hollow = max(actions["AU27"], actions["AU18"])
        canvas.bump(side * 0.58, 0.78, 0.1, 0.2, height=-0.05 * hollow, tone=-0.16 * hollow)
        x0, y0 = side * (0.2 * who.nose_width + 0.03), NOSE_Y - 0.06 - 0.07 * max(wrinkle, lip_up)
        x1, y1 = float(corner[0]) + side * 0.1, float(corner[1]) - 0.02
        squared = max(lip_up, 0.7 * wrinkle)  # AU10 bends the fold outwards, into an inverted U
        upper = (x0 + 0.3 * (x1 - x0) + side * (0.02 + 0.03 * squared), y0 + 0.25 * (y1 - y0) - 0.06 * squared)
        middle = (x0 + 0.7 * (x1 - x0) + side * (0.03 + 0.05 * squared), y0 + 0.62 * (y1 - y0) - 0.05 * squared)
        depth = max(0.14 + 0.3 * who.age, 0.85 * smile, lip_up, 0.8 * wrinkle) * (1 - 0.8 * puff)
        canvas.groove([(x0, y0), upper, middle, (x1, y1)], depth, 0.052)
        canvas.bump(side * 0.34, 0.45, 0.07, 0.09, height=0.07 * lip_up, tone=0.07 * lip_up)


def paint_chin(canvas: Canvas, who: Identity, actions: Mapping[str, float], shape: Mouth) -> None:
    """The boss of the chin; AU17 pushes it up and wrinkles it, AD29 pushes it forward."""
    boss, thrust = actions["AU17"], actions["AD29"]
    x = shape.slide
    lip = float(shape.lower_outer[12, 1])
    y = CHIN_Y * who.face_length + shape.drop - 0.17 - 0.045 * boss + 0.03 * thrust
    canvas.bump(
        x, y, 0.15 + 0.04 * thrust, 0.085, height=0.06 + 0.05 * boss + 0.09 * thrust, tone=0.05 * boss + 0.12 * thrust
    )
    fold = [
        (x - 0.2, lip + 0.075),
        (x - 0.1, lip + 0.045),
        (x, lip + 0.035),
        (x + 0.1, lip + 0.045),
        (x + 0.2, lip + 0.075),
    ]
    canvas.groove(fold, max(0.1 + 0.1 * who.age, 0.9 * boss, 0.55 * thrust), 0.04, 0.04)
    if thrust > 0.02:
        for side in (-1, 1):
            edge = [(x + side * 0.19, y - 0.09), (x + side * 0.23, y), (x + side * 0.18, y + 0.1)]
            canvas.groove(edge, 0.7 * thrust, 0.045, 0.02)
    if boss > 0.02:
        for px, py in _DIMPLES:
            pit = ellipse(x + px, y + py, 0.03, 0.024, px * 4, 10)
            canvas.pit(pit, 0.7 * boss, 0.03)
    # A slid jaw stretches the far cheek and folds the near one.
    slid = shape.slide
    if abs(slid) > 0.005:
        side = np.sign(slid)
        amount = abs(slid) / JAW_SLIDE
        x, y = shape.corners[int(side)]
        near = [(x + side * 0.06, y + 0.02), (x + side * 0.1, y + 0.13), (x + side * 0.06, y + 0.25)]
        canvas.groove(near, 0.8 * amount, 0.045)
