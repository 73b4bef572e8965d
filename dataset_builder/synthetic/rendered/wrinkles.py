"""Where the skin folds, and by how much: creases as heights over the base mesh, deepened by units and by age.

Conventions
    place     of a crease: polylines on the subject's LEFT in the base mesh's front view, millimetres from the point between
              the eyeballs, x to the person's left, y up. They are drawn on both sides.
    height    millimetres; a crease is negative, the skin heaped beside it positive.

Which units fold what follows the FACS manual's lists of appearance changes (Ekman, Friesen and Hager 2002). Every crease is also
there at rest in some faces, the more so with age, so that no crease gives a unit away by itself.
"""

from collections.abc import Mapping

import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import CREASES

# Crease -> its lines, half the width of the furrow, depth at share 1.
_LINES = {
    "forehead": (tuple(((0, y), (8, y + 0.8), (17, y + 0.2), (25, y - 1.2)) for y in (36, 44, 52, 60)), 2.1, 0.8),
    "outer forehead": (tuple(((20, y - 1), (32, y + 1.5), (44, y - 1), (54, y - 8)) for y in (34, 41, 49)), 2.1, 0.75),
    "glabella": ((((5.5, 6), (5, 14), (6.5, 22), (8, 29)), ((11, 13), (12, 19), (14, 24))), 2.0, 1.05),
    "nose root": (
        (((0, 4), (6, 4.8), (11, 7)), ((0, -4), (6, -4), (10, -2.5)), ((6, -9), (11, -15), (14, -22))),
        2.1,
        0.95,
    ),
    "crow's feet": (
        (
            ((48, 3), (55, 8), (61, 12)),
            ((49, -1), (57, 1), (64, 2)),
            ((49, -5), (56, -8), (62, -12)),
            ((47, -9), (53, -15), (57, -21)),
        ),
        1.8,
        0.7,
    ),
    "below the eye": (
        (((17, -8), (24, -14), (33, -16), (42, -13), (48, -8)), ((16, -13), (22, -21), (32, -25), (42, -23))),
        2.4,
        0.75,
    ),
    "nasolabial": ((((17, -31), (22, -38), (28, -47), (32, -57), (35, -67), (35, -73)),), 3.8, 1.5),
    "marionette": ((((30, -71), (31, -77), (31, -84), (28, -91)), ((26, -72), (28, -76), (28, -80))), 2.8, 0.8),
    "dimple": ((((33, -59), (36, -64), (36, -70), (33, -75)),), 2.8, 1.2),
}
# Crease -> units that deepen it and the share of it at full strength.
_FOLDED_BY = {
    "forehead": (("AU1", 1.0), ("AU2", 0.35)),
    "outer forehead": (("AU2", 1.0), ("AU1", 0.2)),
    "glabella": (("AU4", 1.0), ("AU9", 0.4)),
    "nose root": (("AU9", 1.0),),
    "crow's feet": (("AU6", 1.0), ("AU7", 0.2), ("AU9", 0.25)),
    "below the eye": (("AU6", 0.9), ("AU7", 0.45), ("AU9", 0.4)),
    "nasolabial": (("AU10", 0.85), ("AU12", 0.75), ("AU11", 0.9), ("AU9", 0.55), ("AU6", 0.25), ("AU13", 0.4)),
    "marionette": (("AU15", 1.0), ("AU20", 0.3), ("AU17", 0.2)),
    "chin": (("AU17", 1.0), ("AU15", 0.25), ("AU24", 0.2)),
    "dimple": (("AU14", 1.0), ("AU12", 0.3), ("AU20", 0.3)),
}
_SIDELESS = ("AU17", "AU24")


def crease_shares(strengths: Mapping[str, float], at_rest: tuple, gain: tuple) -> np.ndarray:
    """How deep each of `CREASES` is: float32 (len(CREASES), 2), the person's left and right side, 1 for fully formed.

    Args:
        strengths: actions 0..1, sided ones by L and R.
        at_rest, gain: the person's `creases_at_rest` and `crease_gain`.
    """
    shares = np.zeros((len(CREASES), 2), np.float32)
    for i, crease in enumerate(CREASES):
        for j, side in enumerate("LR"):
            folded = sum(
                share * strengths.get(code if code in _SIDELESS else code + side, 0.0)
                for code, share in _FOLDED_BY[crease]
            )
            # What is folded already folds further, yet not without end.
            shares[i, j] = min(at_rest[i] + gain[i] * min(folded, 1.2), 1.5)
    return shares


def crease_heights(x_HW: np.ndarray, y_HW: np.ndarray, z_HW: np.ndarray, noise_HW: np.ndarray) -> np.ndarray:
    """Heights of every crease at share 1, float32 (H, W, len(CREASES)).

    Args:
        x_HW, y_HW, z_HW: where each texel of the skin lies on the base mesh.
        noise_HW: mean 0, deviation 1; bends the lines and dimples the chin.
    """
    heights = np.zeros((*x_HW.shape, len(CREASES)), np.float32)
    front = (z_HW > -45) & (np.abs(x_HW) < 70) & (y_HW > -110) & (y_HW < 75)
    x, y, noise = np.abs(x_HW[front]), y_HW[front], noise_HW[front]
    for i, crease in enumerate(CREASES):
        if crease == "chin":
            near = np.exp(-(((x / 15) ** 2 + ((y + 91) / 11) ** 2) ** 2))
            crease = np.exp(-(((y + 82 - 0.008 * x**2) / 3.0) ** 2) - (x / 16) ** 4)
            heights[front, i] = 0.4 * near * np.clip(noise, -1.5, 0.8) - 0.8 * crease
            continue
        lines, width, depth = _LINES[crease]
        total = np.zeros_like(x)
        for number, line in enumerate(lines):
            bent = y + 0.5 * noise
            distance, side, along = _distance(x, bent, np.array(line, float))
            taper = np.clip(np.minimum(along, 1 - along) * 3.2, 0, 1)
            if line[0][0] == 0:  # the line goes on over the midline
                taper = np.clip((1 - along) * 2.5, 0, 1)
            taper = taper * taper * (3 - 2 * taper)
            strength = depth * (1 - 0.13 * (number % 3)) * taper
            total -= strength * np.exp(-((distance / width) ** 2))
            outer = distance - 2.1 * width * np.sign(side)
            if crease in ("nasolabial", "marionette"):
                # The cheek hangs over the fold: it rises on the outer side only.
                total += 0.55 * strength * np.exp(-((distance - 2.6 * width) ** 2) / (2.2 * width) ** 2) * (side > 0)
            else:
                total += 0.3 * strength * np.exp(-((np.abs(outer) - 0) ** 2) / (1.4 * width) ** 2)
        heights[front, i] = total
    return heights


def _distance(x: np.ndarray, y: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance to a polyline, which side of it a point is on (+1: away from the midline), and how far along, 0..1."""
    best, side, along = np.full_like(x, 1e9), np.zeros_like(x), np.zeros_like(x)
    count = len(line) - 1
    for i in range(count):
        (x0, y0), (x1, y1) = line[i], line[i + 1]
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.hypot(x - x0 - t * dx, y - y0 - t * dy)
        nearer = distance < best
        best = np.where(nearer, distance, best)
        side = np.where(nearer, np.sign((x - x0) * -dy + (y - y0) * dx), side)
        along = np.where(nearer, (i + t) / count, along)
    return best, side, along
