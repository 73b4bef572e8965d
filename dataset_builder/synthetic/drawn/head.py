"""Paint what frames the face: hair, ears, neck, clothes, beard and glasses. Nothing here moves with an action but the jaw."""

from collections.abc import Sequence

import numpy as np

from aullava.dataset_builder.synthetic.drawn.canvas import Canvas, ellipse, smooth
from aullava.dataset_builder.synthetic.drawn.geometry import Mouth
from aullava.dataset_builder.synthetic.drawn.palette import Palette, mix
from aullava.dataset_builder.synthetic.drawn.person import Identity
from aullava.dataset_builder.synthetic.drawn.scene import Scene

_HAIR_BACK = {
    "long": [(0, -1.42), (0.7, -1.3), (1.12, -0.75), (1.2, 0.1), (1.22, 0.9), (1.15, 1.75), (0.6, 1.85), (0, 1.8)],
    "bob": [(0, -1.42), (0.72, -1.3), (1.15, -0.75), (1.24, 0.1), (1.2, 0.85), (0.95, 1.12), (0.5, 1.0), (0, 1.0)],
    "curly": [(0, -1.5), (0.75, -1.36), (1.16, -0.9), (1.26, -0.35), (1.16, 0.15), (0.85, 0.3), (0.4, 0.0), (0, 0.0)],
    "bun": [(0, -1.34), (0.55, -1.24), (0.92, -0.85), (1.0, -0.3), (0.9, 0.1), (0.6, 0.1), (0.3, 0.0), (0, 0.0)],
}
_HAIR_BACK_SHORT = [
    (0, -1.34),
    (0.58, -1.24),
    (0.95, -0.85),
    (1.03, -0.3),
    (0.97, 0.12),
    (0.6, 0.0),
    (0.3, 0.0),
    (0, 0.0),
]
# The hairline over the forehead, temple to temple; the style decides how deep it comes.
# fmt: off
_HAIRLINE = {
    "cropped": [(-0.98, -0.1), (-0.86, -0.55), (-0.66, -0.8), (-0.3, -0.88),
                (0.3, -0.88), (0.66, -0.8), (0.86, -0.55), (0.98, -0.1)],
    "short": [(-1.0, 0.02), (-0.86, -0.45), (-0.7, -0.74), (-0.3, -0.86),
              (0.3, -0.82), (0.7, -0.72), (0.86, -0.45), (1.0, 0.02)],
    "side": [(-1.0, 0.05), (-0.87, -0.42), (-0.72, -0.66), (-0.35, -0.74),
             (0.1, -0.86), (0.4, -1.0), (0.82, -0.55), (1.0, 0.02)],
    "curly": [(-1.0, 0.0), (-0.88, -0.42), (-0.7, -0.72), (-0.3, -0.82),
              (0.3, -0.82), (0.7, -0.72), (0.88, -0.42), (1.0, 0.0)],
    "long": [(-1.02, 0.35), (-0.9, -0.28), (-0.62, -0.72), (-0.12, -1.0),
             (0.12, -1.0), (0.62, -0.72), (0.9, -0.28), (1.02, 0.35)],
    "bob": [(-1.04, 0.5), (-0.92, -0.2), (-0.76, -0.66), (-0.3, -0.76),
            (0.3, -0.76), (0.76, -0.66), (0.92, -0.2), (1.04, 0.5)],
    "bun": [(-0.97, -0.05), (-0.87, -0.5), (-0.64, -0.82), (-0.25, -0.96),
            (0.25, -0.96), (0.64, -0.82), (0.87, -0.5), (0.97, -0.05)],
}
# fmt: on
_CROWN = [(0.99, -0.45), (0.9, -0.88), (0.6, -1.22), (0.0, -1.36), (-0.6, -1.22), (-0.9, -0.88), (-0.99, -0.45)]


_NECK = ((0.5, 0.7), (0.5, 1.3), (0.6, 1.62), (1.0, 2.3))
_SQUARE_RIM = np.array(
    [(-0.3, -0.17), (0.0, -0.2), (0.31, -0.19), (0.32, 0.0), (0.27, 0.24), (0.0, 0.26), (-0.25, 0.22), (-0.31, 0.0)]
)


def paint_behind(canvas: Canvas, who: Identity, palette: Palette, scene: Scene, outline: np.ndarray) -> None:
    """Hair behind the head, neck, shoulders and ears, from back to front."""
    if who.hair != "bald":
        if who.hair == "bun":
            canvas.fill(ellipse(0.05, -1.38, 0.36, 0.28), palette.hair_dark, person=True)
        half = np.array(_HAIR_BACK.get(who.hair, _HAIR_BACK_SHORT), dtype=float)
        back = smooth(np.concatenate([half, half[-2:0:-1] * (-1, 1)]), closed=True, steps=6)
        if who.hair == "curly":
            turn = np.arctan2(back[:, 1] + 0.5, back[:, 0])
            back = back * (1 + 0.028 * np.sin(17 * turn))[:, None]
        canvas.fill(back, palette.hair_dark, lift=-0.3, person=True)
        if who.hair in ("long", "bob"):
            end = 1.5 if who.hair == "long" else 0.75
            strand = np.array([(0.0, -0.6), (0.05, 0.4), (0.02, end)])
            strands = [(strand + (x, 0.0)) * (side, 1) for side in (-1, 1) for x in (0.93, 0.99, 1.03, 1.1, 1.13)]
            canvas.lines(strands, mix(palette.hair, palette.hair_dark, 0.5), 0.014, lift=-0.3)
    neck = np.array([*_NECK, *((-x, y) for x, y in reversed(_NECK))]) * (who.jaw_width, 1.0)
    canvas.fill(neck, palette.neck, lift=-0.35, person=True)
    shadow = outline * (0.94, 1.0) + (0.0, 0.13)
    canvas.clipped(neck, lambda: canvas.fill(shadow, tuple(c * 0.72 for c in palette.neck), lift=-0.3), lift=-0.35)
    cloth = smooth(
        [(-2.4, 2.6), (-1.5, 1.75), (-0.62, 1.56), (0.0, 1.83), (0.62, 1.56), (1.5, 1.75), (2.4, 2.6)], steps=4
    )
    canvas.fill(cloth, scene.cloth, lift=-0.35, person=True)
    if who.hair not in ("long", "bob"):
        for side in (-1, 1):
            x, skin = 0.965 * side * who.face_width, palette.skin
            canvas.fill(ellipse(x, 0.16, 0.115, 0.23, side * 0.15), tuple(c * 0.93 for c in skin), -0.12, person=True)
            fold = ellipse(x + side * 0.01, 0.15, 0.06, 0.15, side * 0.15)[3:18]
            canvas.lines([fold], tuple(c * 0.7 for c in skin), 0.02, lift=-0.12)
    canvas.fill(outline, palette.skin, person=True)


def paint_hair(canvas: Canvas, who: Identity, palette: Palette) -> None:
    """Hair in front: crown and hairline, with strands or curls."""
    if who.hair == "bald":
        return
    hairline = smooth(np.array(_HAIRLINE[who.hair]) * (who.face_width, 1.0) + (0.0, who.hairline), steps=4)
    crown = smooth(np.array(_CROWN) * (who.face_width, 1.0), steps=4)
    shape = np.concatenate([hairline, crown])
    base = mix(palette.hair, palette.skin, 0.12) if who.hair == "cropped" else palette.hair
    canvas.fill(shape, base, lift=0.02, person=True)
    strands, width = _strands(who, hairline, crown[::-1])

    def paint() -> None:
        canvas.lines(strands[::2], mix(palette.hair, palette.hair_dark, 0.7), width, lift=0.02)
        canvas.lines(strands[1::2], mix(palette.hair, palette.hair_light, 0.6), width, lift=0.02)

    canvas.clipped(shape, paint, lift=0.02)
    canvas.groove(hairline, 0.35, 0.05, 0.02, curve=False)


def _strands(who: Identity, hairline: np.ndarray, crown: np.ndarray) -> tuple[Sequence[np.ndarray], float]:
    """Curves from the hairline to the crown, or curls between them, and their width."""
    rng = np.random.Generator(np.random.PCG64(who.texture_seed))
    count = 56 if who.hair == "curly" else 40
    along = np.sort(rng.uniform(0.04, 0.96, count))
    feet = hairline[(along * (len(hairline) - 1)).astype(int)] + rng.normal(0, 0.01, (count, 2))
    tips = crown[(along * (len(crown) - 1)).astype(int)]
    if who.hair == "curly":
        spots = feet + (tips - feet) * rng.uniform(0.04, 0.8, (count, 1))
        return [ellipse(*spot, 0.062, 0.052, turn)[2:15] for turn, spot in enumerate(spots)], 0.018
    ends = feet + (tips - feet) * rng.uniform(0.6, 0.93, (count, 1))
    parting = -0.35 if who.hair == "side" else 0.0
    bend = (feet + ends) / 2 + np.stack([(feet[:, 0] - parting) * 0.05, np.zeros(count)], 1)
    return smooth(np.stack([feet, bend, ends], 1), steps=3), 0.013


def paint_beard(canvas: Canvas, who: Identity, palette: Palette, outline: np.ndarray, shape: Mouth) -> None:
    """Facial hair; it leaves the lips, the corners and the folds around them to be seen."""
    if who.beard == "none":
        return
    rng = np.random.Generator(np.random.PCG64(who.texture_seed + 2))
    if who.beard in ("stubble", "full"):
        jaw = outline[outline[:, 1] > 0.5]
        jaw = jaw[np.argsort(jaw[:, 0])] * (1.02, 1.01)
        low = shape.drop * 0.85
        inner = np.array(
            [(0.72, 0.74), (0.58, 0.98 + low * 0.4), (0.42, 1.1 + low * 0.7), (0.2, 1.16 + low), (0.0, 1.15 + low)]
        )
        inner = np.concatenate([inner, inner[-2::-1] * (-1, 1)]) + (shape.slide * 0.8, 0.0)
        share = 0.78 if who.beard == "stubble" else 0.3
        cover, colour = np.concatenate([jaw, smooth(inner, steps=3)]), mix(palette.beard, palette.skin, share)
        canvas.clipped(outline, lambda: canvas.fill(cover, colour, lift=0.01))
        _paint_bristles(canvas, rng, inner[2:-2], mix(palette.beard, palette.skin, share), 30)
    if who.beard == "goatee":
        y = 1.22 + shape.drop
        tuft = [
            (-0.15, y - 0.03),
            (0.0, y - 0.05),
            (0.15, y - 0.03),
            (0.11, y + 0.12),
            (0.0, y + 0.15),
            (-0.11, y + 0.12),
        ]
        tuft = np.array(tuft) + (shape.slide, 0.0)
        canvas.fill(smooth(tuft, True), mix(palette.beard, palette.skin, 0.25))
        _paint_bristles(canvas, rng, tuft[:3], mix(palette.beard, palette.skin, 0.25), 16)
    if who.beard in ("moustache", "goatee", "full"):
        x, y = shape.upper_outer[12] - (0.0, 0.045)
        half = np.array(
            [(0.02, -0.035), (0.13, -0.045), (0.25, 0.005), (0.31, 0.055), (0.2, 0.045), (0.1, 0.03), (0.02, 0.02)]
        )
        for side in (-1, 1):
            tuft = half * (side, 1) + (x, y)
            canvas.fill(smooth(tuft, True), mix(palette.beard, palette.skin, 0.15), lift=0.08)


def _paint_bristles(canvas: Canvas, rng: np.random.Generator, edge: np.ndarray, colour, count: int) -> None:
    """Short hairs that soften a beard's edge."""
    place = rng.uniform(0, len(edge) - 1.001, count)
    start = place.astype(int)
    feet = edge[start] + (place - start)[:, None] * (edge[start + 1] - edge[start])
    feet = feet + rng.normal(0, 0.018, (count, 2))
    tips = feet + np.stack([feet[:, 0] * 0.04, rng.uniform(0.02, 0.05, count)], 1)
    canvas.lines(list(np.stack([feet, tips], 1)), colour, 0.012, lift=0.01)


def paint_glasses(canvas: Canvas, who: Identity) -> None:
    """Thin frames that leave lids and brows to be seen."""
    if who.glasses == "none":
        return
    colour = (48, 42, 44) if who.texture_seed % 3 else (120, 70, 40)
    x = 0.43 + who.eye_spacing
    frames = []
    for side in (-1, 1):
        if who.glasses == "round":
            rim = ellipse(side * x, 0.02, 0.31, 0.27, count=28)
        else:
            rim = smooth(_SQUARE_RIM * (side, 1) + (side * x, 0.0), True)
        frames.append(np.concatenate([rim, rim[:1]]))
        frames.append(np.array([(side * (x + 0.31), -0.06), (side * 0.92 * who.face_width, -0.04)]))
    frames.append(smooth([(-(x - 0.31), -0.02), (0.0, -0.07), (x - 0.31, -0.02)]))
    canvas.lines(frames, colour, 0.018, lift=0.12)


def paint_freckles(canvas: Canvas, who: Identity, palette: Palette) -> None:
    """A few brown dots on nose and cheeks."""
    if not who.freckles:
        return
    rng = np.random.Generator(np.random.PCG64(who.texture_seed + 1))
    spots = rng.normal(0, 1, (int(26 * who.freckles), 2)) * (0.36, 0.1) + (0.0, 0.33)
    dots = [np.stack([p, p + (0.012, 0.004)]) for p in spots]
    canvas.lines(dots, mix(palette.skin, (150, 84, 50), 0.4), 0.014)
