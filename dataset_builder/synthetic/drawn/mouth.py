"""Paint the lips, the teeth, the tongue and the skin that folds around the mouth."""

from collections.abc import Mapping

import numpy as np

from aullava.dataset_builder.synthetic.drawn.canvas import Canvas, ellipse, ribbon
from aullava.dataset_builder.synthetic.drawn.geometry import Mouth, side_letter
from aullava.dataset_builder.synthetic.drawn.palette import Palette, mix

_LIP_LINE_WIDTH = 0.022 * (1 - np.linspace(-1, 1, 25) ** 2) ** 0.4 + 0.014
_LIFT = 0.06


def paint_mouth(canvas: Canvas, palette: Palette, actions: Mapping[str, float], shape: Mouth) -> None:
    """Lips, what shows between them, and the lip line."""
    upper = np.concatenate([shape.upper_outer, shape.upper_inner[::-1]])
    lower = np.concatenate([shape.lower_inner, shape.lower_outer[::-1]])
    canvas.fill(upper, tuple(c * 0.86 for c in palette.lip), _LIFT)
    canvas.fill(lower, palette.lip, _LIFT)
    middle = shape.lower_outer[12, 1] - shape.lower_inner[12, 1]
    canvas.lines([shape.lower_outer[5:20]], mix(palette.lip, palette.line, 0.3), 0.01, _LIFT)
    if shape.gap > 0.008:
        inside = np.concatenate([shape.upper_inner, shape.lower_inner[::-1]])
        canvas.clipped(inside, lambda: _paint_inside(canvas, shape), _LIFT)
        canvas.lines([shape.upper_inner[1:-1], shape.lower_inner[1:-1]], palette.lip_dark, 0.012, _LIFT)
    pressed = max(actions["AU24"], 0.6 * actions["AU23"], 0.3 * actions["AU28U"], 0.3 * actions["AU28L"])
    if shape.gap < 0.03:
        line = (shape.upper_inner + shape.lower_inner) / 2
        canvas.fill(ribbon(line, _LIP_LINE_WIDTH * (1 + 0.7 * pressed)), palette.lip_dark, _LIFT)
    for corner in shape.corners.values():
        canvas.fill(ellipse(corner[0], corner[1], 0.022, 0.018), palette.lip_dark, _LIFT)
    x = float(shape.lower_outer[12, 0])
    width = float(shape.lower_outer[-1, 0] - shape.lower_outer[0, 0]) * 0.22
    canvas.bump(x, shape.lower_outer[12, 1] - 0.55 * middle, width, 0.35 * middle + 0.01, height=0.045, lift=_LIFT)
    canvas.bump(x, shape.lower_outer[12, 1] + 0.045, width * 1.2, 0.035, height=-0.02, tone=-0.16, lift=_LIFT)


def _paint_inside(canvas: Canvas, shape: Mouth) -> None:
    """The upper teeth stay with the skull, the lower teeth and the tongue move with the jaw."""
    y, drop, slide = shape.y, shape.drop, shape.slide
    canvas.fill(ellipse(slide * 0.5, y + drop * 0.5, 0.7, 0.7), (58, 18, 20), _LIFT)
    canvas.fill(ellipse(slide * 0.7, y + 0.16 + drop * 0.95, 0.21, 0.13 + 0.12 * drop), (186, 86, 88), _LIFT)
    teeth_t = np.linspace(-1, 1, 13)
    arch = 0.018 * teeth_t**2
    for x0, top, bottom, reach in ((0.0, y - 0.2, y + 0.03, 0.36), (slide, y + 0.045 + drop, y + 0.2 + drop, 0.33)):
        upper = np.stack([x0 + reach * teeth_t, top - arch], 1)
        lower = np.stack([x0 + reach * teeth_t, bottom - arch], 1)
        canvas.fill(np.concatenate([upper, lower[::-1]]), (238, 232, 218), _LIFT)
        gaps = [np.array([upper[i], lower[i]]) for i in range(1, 12, 2)]
        canvas.lines(gaps, (212, 204, 190), 0.006, _LIFT)
    shadow = shape.upper_inner + (0.0, 0.012)
    canvas.lines([shadow], (120, 90, 86), 0.02, _LIFT)


def paint_mouth_folds(canvas: Canvas, actions: Mapping[str, float], shape: Mouth) -> None:
    """The corners (AU12, 14, 15, 20), the rim of tight lips (AU23, 24, 28) and the rays of a pucker (AU18)."""
    for side, corner in shape.corners.items():
        s = side_letter(side)
        _paint_corner(canvas, side, corner, {code: actions[code + s] for code in ("AU12", "AU14", "AU15", "AU20")})
    top, bottom = shape.upper_outer[12], shape.lower_outer[12]
    half = float(shape.upper_outer[-1, 0] - shape.upper_outer[0, 0]) / 2
    press, tight, pucker = actions["AU24"], actions["AU23"], actions["AU18"]
    canvas.bump(top[0], top[1] - 0.06, half * 0.7, 0.03, height=0.035 * press, tone=0.14 * press, lift=_LIFT)
    canvas.bump(bottom[0], bottom[1] + 0.06, half * 0.7, 0.035, height=0.045 * press, tone=0.16 * press, lift=_LIFT)
    canvas.groove(shape.lower_outer[2:-2:4] + (0.0, 0.115), 0.8 * press, 0.034, _LIFT)
    _paint_rays(canvas, shape, max(tight, 0.75 * pucker), 9 if tight >= pucker else 7)
    suck_up, suck_low = actions["AU28U"] ** 2, actions["AU28L"] ** 2
    for suck, y in ((suck_up, top[1] - 0.075), (suck_low, bottom[1] + 0.085)):
        bow = 0.03 if y > bottom[1] else -0.03
        canvas.groove(
            [(top[0] - half * 0.8, y - bow), (top[0], y), (top[0] + half * 0.8, y - bow)], 0.5 * suck, 0.04, _LIFT
        )
    canvas.bump(top[0], top[1] - 0.05, half * 0.75, 0.045, height=-0.07 * suck_up, tone=-0.3 * suck_up, lift=_LIFT)
    canvas.bump(
        bottom[0], bottom[1] + 0.045, half * 0.75, 0.035, height=-0.06 * suck_low, tone=-0.25 * suck_low, lift=_LIFT
    )
    # Philtrum: two soft ridges between nose and lip.
    for side in (-1, 1):
        canvas.bump(top[0] + side * 0.055, top[1] - 0.08, 0.022, 0.06, height=0.008, lift=_LIFT)
    canvas.bump(top[0], top[1] - 0.08, 0.028, 0.06, height=-0.01, tone=-0.04, lift=_LIFT)


def _paint_corner(canvas: Canvas, side: int, corner: np.ndarray, strength: Mapping[str, float]) -> None:
    x, y = float(corner[0]), float(corner[1])
    dimple, down, stretch, smile = strength["AU14"], strength["AU15"], strength["AU20"], strength["AU12"]
    canvas.bump(x + side * 0.03, y + 0.005, 0.045, 0.05, height=-0.03, tone=-0.12, lift=_LIFT)
    canvas.bump(x + side * 0.055, y - 0.01, 0.05, 0.07, height=-0.06 * dimple, tone=-0.3 * dimple, lift=_LIFT)
    canvas.bump(x + side * 0.16, y, 0.06, 0.1, height=0.06 * dimple, tone=0.08 * dimple, lift=_LIFT)
    arc = [
        (x + side * 0.03, y - 0.13),
        (x + side * 0.095, y - 0.06),
        (x + side * 0.1, y + 0.03),
        (x + side * 0.04, y + 0.1),
    ]
    canvas.groove(arc, 0.95 * dimple, 0.036, _LIFT)
    pouch = [
        (x + side * 0.01, y + 0.01),
        (x + side * 0.05, y + 0.07),
        (x + side * 0.065, y + 0.15),
        (x + side * 0.05, y + 0.24),
    ]
    canvas.groove(pouch, 0.8 * down, 0.045, _LIFT)
    canvas.bump(x - side * 0.05, y + 0.12, 0.06, 0.06, height=0.02 * down, lift=_LIFT)
    canvas.bump(x + side * 0.17, y + 0.02, 0.05, 0.13, height=0.05 * stretch, tone=0.06 * stretch)
    for step in (0.05, 0.12):
        pull = [(x + side * step, y - 0.09), (x + side * (step + 0.03), y), (x + side * step, y + 0.11)]
        canvas.groove(pull, stretch * (1.0 if step < 0.1 else 0.7), 0.036, _LIFT)
    tail = [
        (x + side * 0.02, y + 0.04),
        (x + side * 0.0, y + 0.16),
        (x - side * 0.04, y + 0.3),
        (x - side * 0.06, y + 0.42),
    ]
    canvas.groove(tail, 0.5 * stretch, 0.04, _LIFT)
    canvas.groove(
        [(x, y - 0.05), (x + side * 0.035, y - 0.025), (x + side * 0.035, y + 0.03)], 0.6 * smile, 0.03, _LIFT
    )


def _paint_rays(canvas: Canvas, shape: Mouth, strength: float, count: int) -> None:
    """Short lines that run towards the lips, as around a tightened or puckered mouth."""
    if strength <= 0.02:
        return
    for index in np.linspace(4, 20, count).round().astype(int):
        lean = (index - 12) / 12
        for edge, direction in ((shape.upper_outer[index], -1.0), (shape.lower_outer[index], 1.0)):
            start = edge + (0.012 * lean, direction * 0.015)
            end = edge + (0.07 * lean, direction * 0.095)
            canvas.groove(np.array([start, (start + end) / 2, end]), 0.6 * strength, 0.026, _LIFT, curve=False)
