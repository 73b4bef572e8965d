"""Eyeballs: sclera, iris, pupil and the dark ring between, worked out from the direction of a point as seen from the centre."""

import numpy as np

from aullava.dataset_builder.synthetic.rendered.appearance import Appearance
from aullava.dataset_builder.synthetic.rendered.mesh import load_head
from aullava.dataset_builder.synthetic.rendered.raster import compiled

_RADIUS = 14.4  # millimetres, of the base mesh's eyeballs, which are larger than people's


def eye_frames(placed_V3: np.ndarray) -> np.ndarray:
    """Centre, gaze, up and nasal direction of both eyeballs, float32 (2, 4, 3), in the axes of the vertices given."""
    head = load_head()
    frames = np.zeros((2, 4, 3), np.float32)
    for row, part in enumerate(("eye_l", "eye_r")):
        ball = head.vertices_of[part]
        rest, now = head.rest_V3[ball], placed_V3[ball]
        # The turn that carries the ball at rest to the ball now: Kabsch, without reflection in the head's own axes.
        middle = (rest.min(0) + rest.max(0)) / 2
        solution = np.linalg.lstsq(np.column_stack([rest - middle, np.ones(len(rest))]), now, rcond=None)[0]
        axes, frames[row, 0] = solution[:3], solution[3]
        axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        frames[row, 1:] = axes[2], axes[1], axes[0] * (-1 if part == "eye_l" else 1)
    return frames


def eye_numbers(look: Appearance) -> np.ndarray:
    """What `eye_albedo` needs of a person, float32 (8,): iris RGB (linear), radius, pupil, redness, age, white."""
    iris = np.array(look.iris) ** 2.2
    # Exposures that lift a dark face would make its eyes glow.
    white = 0.58 + 0.42 * min(1.0, float(np.mean(np.array(look.skin) ** 2.2)) / 0.3)
    age = (look.age - 12) / 73
    return np.array([*iris, look.iris_radius / _RADIUS, look.pupil, look.sclera, age, white], np.float32)


@compiled
def eye_albedo(dx, dy, dz, frame, numbers):
    """Linear RGB of a point on the eyeball, and the share of the cornea's gloss there.

    Args:
        dx, dy, dz: from the centre, length 1. frame: one of `eye_frames`. numbers: `eye_numbers`.
    """
    ahead = dx * frame[1, 0] + dy * frame[1, 1] + dz * frame[1, 2]
    up = dx * frame[2, 0] + dy * frame[2, 1] + dz * frame[2, 2]
    nasal = dx * frame[3, 0] + dy * frame[3, 1] + dz * frame[3, 2]
    radius = np.arccos(min(np.float32(1.0), max(np.float32(-1.0), ahead))) / numbers[3]
    angle = np.arctan2(up, nasal)
    red = 0.10 + 0.25 * numbers[5] + 0.1 * numbers[6]
    vein = red * min(1.0, (radius - 1) * 0.6) * (0.7 + 0.3 * np.sin(angle * 9 + 3 * radius)) if radius > 1 else 0.0
    r, g, b = 0.52 - 0.04 * numbers[6], 0.49 - 0.25 * vein - 0.05 * numbers[6], 0.47 - 0.28 * vein - 0.09 * numbers[6]
    r, g, b = r * numbers[7], g * numbers[7], b * numbers[7]
    if nasal > 0.62:  # the pink corner
        pink = min(1.0, (nasal - 0.62) * 6)
        r, g, b = r * (1 - pink) + 0.42 * pink, g * (1 - pink) + 0.21 * pink, b * (1 - pink) + 0.19 * pink
    if radius < 1.12:
        fibres = 0.82 + 0.22 * np.sin(angle * 23 + 2.2 * np.sin(angle * 5)) * (0.4 + 0.6 * radius)
        shade = fibres * (1.35 - 0.55 * radius)
        collar = 1 + 0.35 * np.exp(-(((radius - numbers[4] - 0.14) / 0.12) ** 2))
        ring = min(1.0, max(0.0, (radius - 0.72) / 0.24))
        shade *= collar * (1 - 0.82 * ring * ring)
        ir, ig, ib = numbers[0] * shade, numbers[1] * shade, numbers[2] * shade
        hole = min(1.0, max(0.0, (radius - numbers[4]) / 0.08))
        ir, ig, ib = ir * hole + 0.004, ig * hole + 0.004, ib * hole + 0.004
        edge = min(1.0, max(0.0, (radius - 0.94) / 0.18))
        r, g, b = ir * (1 - edge) + r * edge, ig * (1 - edge) + g * edge, ib * (1 - edge) + b * edge
    return r, g, b, np.float32(1.0) if radius < 1.25 else np.float32(0.4)
