"""Paint the forehead, the brows and the eyes: AU1, 2, 4, 5, 6, 7 and 43."""

from collections.abc import Mapping

import numpy as np

from aullava.dataset_builder.synthetic.drawn import geometry
from aullava.dataset_builder.synthetic.drawn.canvas import Canvas, ellipse, ribbon, smooth
from aullava.dataset_builder.synthetic.drawn.geometry import Eye, side_letter
from aullava.dataset_builder.synthetic.drawn.palette import Palette, mix
from aullava.dataset_builder.synthetic.drawn.person import Identity

_BROW_WIDTH = (
    np.array(
        (75, 95, 100, 98, 92, 88, 82, 75, 68, 60, 52, 45, 36, 28, 20, 12, 4)  # thousandths, from the nose outwards
    )
    / 1000
)
_LID_WIDTH = np.linspace(0.020, 0.042, 15)


def paint_forehead(canvas: Canvas, who: Identity, actions: Mapping[str, float]) -> None:
    """Relief of the forehead: the folds of AU1 and AU2, the furrow of AU4, the lines of age."""
    canvas.bump(0.0, -0.58, 0.42, 0.22, height=0.06)
    for side in (-1, 1):
        s = side_letter(side)
        inner, outer = actions["AU1" + s], actions["AU2" + s]
        for row, (y, reach) in enumerate(((-0.55, 0.30), (-0.66, 0.34), (-0.77, 0.29))):
            y -= 0.03 * inner
            depth = max(0.95 * inner * (1.0, 0.9, 0.7)[row], 0.22 * max(0.0, who.age - 0.4))
            fold = [
                (-side * 0.04, y + 0.018),
                (side * 0.1, y + 0.012),
                (side * 0.2, y - 0.008),
                (side * reach, y - 0.03),
            ]
            canvas.groove(fold, depth, 0.036)
        for y in (-0.56, -0.65, -0.74):
            y -= 0.03 * outer
            fold = [
                (side * 0.34, y + 0.03),
                (side * 0.48, y - 0.035),
                (side * 0.62, y - 0.045),
                (side * 0.75, y + 0.02),
            ]
            canvas.groove(fold, 0.9 * outer, 0.034)
        lower = actions["AU4" + s]
        x = 0.06 - 0.015 * lower
        furrow = [(side * (x + 0.02), -0.36), (side * x, -0.27), (side * x * 0.9, -0.19), (side * (x + 0.02), -0.12)]
        canvas.groove(furrow, max(lower, 0.18 * who.age), 0.05)
        # The corrugator bunches the skin between brow and nose.
        canvas.bump(side * 0.15, -0.33, 0.08, 0.07, height=0.05 * lower, tone=-0.16 * lower)
        canvas.bump(side * 0.19, -0.11, 0.1, 0.05, tone=-0.2 * lower)


def paint_brow(canvas: Canvas, who: Identity, palette: Palette, actions: Mapping[str, float], side: int) -> None:
    """A tapered brow with hairs that lean outwards."""
    line = smooth(geometry.brow(who, actions, side), steps=4)
    thickness = 0.92 * who.brow_thickness
    canvas.fill(ribbon(line, _BROW_WIDTH * thickness), palette.brow, lift=0.03)
    hairs = []
    for i in range(0, len(line) - 6, 2):
        half = _BROW_WIDTH[i] * thickness * 0.62
        foot = line[i] + (0.0, half * 0.8)
        hairs.append(np.array([foot, foot + (side * (0.025 + 0.004 * i), -half * (1.9 - 0.08 * i))]))
    canvas.lines(hairs, tuple(c * 0.72 for c in palette.brow), 0.008, lift=0.03)
    centre = line[len(line) // 2]
    canvas.bump(centre[0], centre[1], 0.22, 0.06, height=0.035)


def paint_eye(
    canvas: Canvas, who: Identity, palette: Palette, actions: Mapping[str, float], side: int, gaze: tuple[float, float]
) -> None:
    """The eyeball in its opening, the lids, the lashes and the folds around them."""
    shape = geometry.eye(who, actions, side)
    # The skin of the upper lid is a little darker than the cheek; it is long when the eye is shut.
    canvas.fill(np.concatenate([shape.crease, shape.upper[::-1]]), palette.lid)
    opening = np.concatenate([shape.upper, shape.lower[::-1]])
    if (shape.lower[7, 1] - shape.upper[7, 1]) > 0.012:
        canvas.clipped(opening, lambda: _paint_eyeball(canvas, who, palette, shape, gaze))
    canvas.lines([shape.lower[2:-1]], mix(palette.line, palette.skin, 0.25), 0.012)
    lash = shape.upper.copy()
    lash[-1] += (side * 0.03, -0.012)
    canvas.fill(ribbon(lash, _LID_WIDTH + 0.008), palette.lash)
    if shape.closed > 0.6:
        lashes = [np.array([p, p + (side * 0.012 * (i - 5), 0.045)]) for i, p in list(enumerate(shape.upper))[4:15:2]]
        canvas.lines(lashes, palette.lash, 0.008)
    _paint_folds(canvas, who, actions, shape)


def _paint_eyeball(canvas: Canvas, who: Identity, palette: Palette, shape: Eye, gaze: tuple[float, float]) -> None:
    canvas.fill(ellipse(*shape.centre, 0.34, 0.3), palette.sclera)
    x, y, r = shape.centre[0] + gaze[0], -0.012 + gaze[1], shape.iris_radius
    pink = shape.upper[1]
    canvas.fill(ellipse(pink[0], shape.lower[1, 1], 0.035, 0.03), mix(palette.sclera, (205, 120, 110), 0.6))
    canvas.fill(ellipse(x, y, r, r), tuple(c * 0.35 for c in who.iris))
    canvas.fill(ellipse(x, y, r * 0.86, r * 0.86), who.iris)
    canvas.fill(ellipse(x, y + r * 0.3, r * 0.6, r * 0.45), mix(who.iris, (255, 240, 210), 0.25))
    canvas.fill(ellipse(x, y, r * 0.46, r * 0.46), (12, 9, 9))
    canvas.fill(ribbon(shape.upper + (0.0, 0.028), 0.05, 0.3), mix(palette.sclera, (70, 55, 55), 0.55))
    canvas.fill(ellipse(x, y - r * 0.1, r * 0.8, r * 0.32), mix(who.iris, (10, 8, 8), 0.72))
    canvas.fill(ellipse(x, y, r * 0.46, r * 0.46), (12, 9, 9))
    canvas.fill(ellipse(x - r * 0.34, y - r * 0.32, r * 0.24, r * 0.24), (255, 255, 255))


def _paint_folds(canvas: Canvas, who: Identity, actions: Mapping[str, float], shape: Eye) -> None:
    """Lid crease, socket, crow's feet, the pouch of AU6 and the tense lower lid of AU7."""
    side, s = shape.side, side_letter(shape.side)
    cheek, tight, shut = actions["AU6" + s], actions["AU7" + s], actions["AU43" + s]
    x = shape.centre[0]
    if who.lid_fold or shut > 0.3:
        canvas.groove(shape.crease[1::2], 0.5 if who.lid_fold else 0.25, 0.026)
    canvas.bump(x, -0.13, 0.2, 0.05, height=-0.03, tone=-0.13)
    canvas.bump(side * 0.2, -0.02, 0.07, 0.09, height=-0.035, tone=-0.12)
    canvas.bump(x, -0.04, 0.17, 0.1, height=0.05 + 0.05 * shut)
    inner, outer = shape.lower[0], shape.lower[-1]
    bag = [
        (inner[0] + side * 0.03, 0.11),
        (x - side * 0.03, 0.165),
        (x + side * 0.1, 0.155),
        (outer[0] - side * 0.01, 0.09),
    ]
    canvas.groove(bag, max(0.12 + 0.3 * who.age, 0.9 * cheek), 0.034)
    canvas.bump(x, 0.105, 0.15, 0.035, height=0.025 * cheek + 0.03 * tight, tone=0.06 * tight)
    lid = shape.lower[1:-1:3] + (0.0, 0.042)
    canvas.groove(lid, 0.85 * tight, 0.03)
    for turn, reach in ((-0.5, 0.15), (0.05, 0.18), (0.6, 0.15)):
        start = outer + (side * 0.045, 0.01 + 0.055 * turn)
        end = start + (side * reach * np.cos(turn), reach * np.sin(turn))
        middle = (start + end) / 2 + (0.0, 0.012 * turn)
        canvas.groove([start, middle, end], max(cheek, 0.35 * (who.age - 0.35)), 0.032)
