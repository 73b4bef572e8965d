"""Where a face's curves lie for an identity and its actions, in face units. The one place where actions move points.

`side` is +1 for the subject's left (the image's right, x > 0) and -1 for the right.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.drawn.canvas import smooth
from aullava.dataset_builder.synthetic.drawn.person import Identity

EYE_X, EYE_HALF_WIDTH = 0.42, 0.215
MOUTH_Y, MOUTH_HALF_WIDTH = 0.87, 0.37
NOSE_Y = 0.50
CHIN_Y = 1.36
JAW_DROP = 0.27  # how far a fully stretched mouth (AU27) lowers the chin; AU26 goes half as far
JAW_SLIDE = 0.26

_BROW_X = np.array([0.15, 0.28, 0.43, 0.58, 0.72])
_BROW_Y = np.array([-0.255, -0.305, -0.335, -0.325, -0.265])
_INNER = np.array([1.0, 0.72, 0.26, 0.0, 0.0])  # how much of AU1 and AU4 reaches each brow point
_OUTER = np.array([0.26, 0.55, 0.94, 1.06, 0.82])
_EYE_T = np.linspace(0.0, 1.0, 15)
_EYE_UPPER = np.sin(np.pi * _EYE_T**0.92) ** 0.75
_EYE_LOWER = np.sin(np.pi * _EYE_T**1.15) ** 0.85
_MOUTH_T = np.linspace(-1.0, 1.0, 25)
_MOUTH_A = np.abs(_MOUTH_T)
_CUPID = (1 - _MOUTH_A**1.8) * (1 - 0.26 * np.exp(-((_MOUTH_T / 0.13) ** 2)))
_LIFT = np.exp(-(((_MOUTH_A - 0.45) / 0.3) ** 2))
_CHIN_REACH = np.array([0.0, 0.0, 0.0, 0.0, 0.06, 0.46, 0.85, 1.0, 1.0])  # jaw share of the half outline, top to chin
_HALF_OUTLINE = np.array(
    [
        [0.0, -1.2],
        [0.5, -1.1],
        [0.83, -0.74],
        [0.94, -0.22],
        [0.93, 0.28],
        [0.83, 0.74],
        [0.585, 1.11],
        [0.3, 1.31],
        [0.0, 1.36],
    ]
)


def side_letter(side: int) -> str:
    """L for the subject's left (+1), R for the right (-1)."""
    return "L" if side > 0 else "R"


def jaw(actions: Mapping[str, float]) -> tuple[float, float]:
    """How far the jaw is (lowered, slid to the image's right)."""
    drop = JAW_DROP * max(0.52 * actions["AU26"], actions["AU27"])
    return drop, JAW_SLIDE * (actions["AD30L"] - actions["AD30R"])


@dataclass(frozen=True)
class Eye:
    """One eye. Curves run from the inner to the outer corner, (15, 2)."""

    side: int
    centre: tuple[float, float]
    upper: np.ndarray
    lower: np.ndarray
    crease: np.ndarray
    iris_radius: float
    closed: float


@dataclass(frozen=True)
class Mouth:
    """The lips. Curves run from the image's left corner to the right one, (25, 2)."""

    upper_outer: np.ndarray
    upper_inner: np.ndarray
    lower_inner: np.ndarray
    lower_outer: np.ndarray
    gap: float
    drop: float
    slide: float
    y: float

    @property
    def corners(self) -> dict[int, np.ndarray]:
        """The corner point (2,) of each side."""
        return {-1: self.upper_inner[0], 1: self.upper_inner[-1]}


def brow(who: Identity, actions: Mapping[str, float], side: int) -> np.ndarray:
    """The centre line (5, 2) of a brow, from the nose outwards."""
    s = side_letter(side)
    raise_in, raise_out, lower = actions["AU1" + s], actions["AU2" + s], actions["AU4" + s]
    arch = _BROW_Y + 0.05 * (who.brow_arch - 1) * np.array([0.0, -0.6, -1.0, -1.0, -0.2])
    y = arch - who.brow_height - 0.17 * raise_in * _INNER - 0.16 * raise_out * _OUTER
    y = y + lower * np.array([0.135, 0.125, 0.09, 0.05, 0.02])
    y = y + 0.06 * actions["AU9"] * np.array([1.0, 0.7, 0.3, 0.0, 0.0]) + 0.025 * actions["AU6" + s] * _OUTER
    x = _BROW_X + who.eye_spacing - lower * np.array([0.085, 0.065, 0.035, 0.015, 0.0])
    x = x - 0.02 * raise_in * _INNER
    return np.stack([side * x, y], 1)


def eye(who: Identity, actions: Mapping[str, float], side: int) -> Eye:
    """The lids and the iris of one eye."""
    s = side_letter(side)
    wide, cheek, tight, shut = actions["AU5" + s], actions["AU6" + s], actions["AU7" + s], actions["AU43" + s]
    x0 = EYE_X + who.eye_spacing
    half = EYE_HALF_WIDTH * who.eye_size
    up = 0.115 * who.eye_open * who.eye_size + 0.085 * wide - 0.04 * tight - 0.02 * cheek - 0.015 * actions["AU9"]
    low = 0.075 * who.eye_size + 0.02 * wide - 0.075 * tight - 0.045 * cheek
    up = (1 - shut) * up - shut * (low - 0.012)
    t = _EYE_T
    x = x0 - half + 2 * half * t
    line = 0.02 - (0.035 + who.eye_tilt) * t
    upper = np.stack([side * x, line - up * _EYE_UPPER], 1)
    lower = np.stack([side * x, line + low * _EYE_LOWER], 1)
    lower[:, 1] = np.maximum(lower[:, 1], upper[:, 1] + 0.004)
    fold = (who.lid_fold or 0.03) * (1 - 0.45 * wide) * (1 - 0.4 * tight) + shut * 0.075
    crease = np.stack([side * x, line - np.maximum(up, 0.02) * 0.95 * _EYE_UPPER - fold * (0.5 + 0.5 * _EYE_UPPER)], 1)
    return Eye(side, (side * x0, 0.0), upper, lower, crease, 0.108 * who.eye_size**0.5, shut)


def mouth(who: Identity, a: Mapping[str, float]) -> Mouth:
    """The four lip contours."""
    drop, slide = jaw(a)
    y0 = MOUTH_Y + who.mouth_height
    middle = y0 + 0.25 * drop - 0.065 * a["AU17"] - 0.012 * a["AU24"] + 0.025 * a["AU28U"] - 0.025 * a["AU28L"]
    squeeze = (1 - 0.5 * a["AU18"]) * (1 - 0.27 * a["AU23"]) * (1 - 0.2 * a["AU27"])
    x, line, lift = np.empty(25), np.empty(25), np.empty(25)
    for side in (-1, 1):
        s = side_letter(side)
        half = MOUTH_HALF_WIDTH * who.mouth_width * squeeze * (1 + 0.04 * a["AU24"])
        half += 0.1 * a["AU12" + s] + 0.2 * a["AU20" + s] - 0.035 * a["AU14" + s]
        corner_y = y0 + 0.3 * drop - who.corner - 0.175 * a["AU12" + s] + 0.15 * a["AU15" + s] + 0.03 * a["AU20" + s]
        here = _MOUTH_T >= 0 if side > 0 else _MOUTH_T < 0
        x[here] = _MOUTH_T[here] * half
        line[here] = middle + (corner_y - middle) * _MOUTH_A[here] ** 1.7
        lift[here] = 0.115 * a["AU10" + s] * _LIFT[here]
    stretch = max(a["AU20L"], a["AU20R"])
    lift += 0.045 * a["AU9"] * _LIFT
    parted = a["AU25"]
    jaw_gap = 0.85 * drop * min(1.0, 2.0 * parted)
    up_gap = 0.035 * parted + 0.3 * jaw_gap
    low_gap = 0.05 * parted + 0.7 * jaw_gap + 0.075 * a["AU16"] * parted
    opening = 1 - _MOUTH_A**2.4
    upper_inner = line - up_gap * opening - lift * (0.3 + 0.35 * parted)
    lower_inner = line + low_gap * opening + 0.012 * a["AU16"] * opening - 0.03 * a["AD29"] * opening
    thin = (1 - 0.66 * a["AU23"]) * (1 - 0.6 * a["AU24"])
    upper = 0.095 * who.upper_lip * thin * (1 - 0.93 * a["AU28U"]) * (1 - 0.25 * stretch) * (1 + 0.4 * a["AU18"])
    lower = 0.125 * who.lower_lip * thin * (1 - 0.93 * a["AU28L"]) * (1 - 0.3 * stretch) * (1 + 0.35 * a["AU18"])
    lower *= 1 + 0.2 * a["AU17"] + 0.4 * a["AD29"]
    upper *= 1 - 0.3 * a["AD29"]  # the lower lip stands before the upper one
    upper_outer = upper_inner - upper * _CUPID - lift * 0.55
    lower_outer = lower_inner + lower * (1 - _MOUTH_A**2.2) ** 0.8 + 0.1 * a["AU16"] * (1 - _MOUTH_A**2)
    shift_up, shift_low = x + slide * 0.45 * (1 - 0.3 * _MOUTH_A), x + slide * (0.45 + 0.45 * (1 - _MOUTH_A**2))
    return Mouth(
        np.stack([shift_up, upper_outer], 1),
        np.stack([shift_up, upper_inner], 1),
        np.stack([shift_low, lower_inner], 1),
        np.stack([shift_low, lower_outer], 1),
        up_gap + low_gap,
        drop,
        slide,
        y0,
    )


def outline(who: Identity, actions: Mapping[str, float]) -> np.ndarray:
    """The closed contour (80, 2) of head and jaw."""
    drop, slide = jaw(actions)
    half = _HALF_OUTLINE.copy()
    half[:, 0] *= who.face_width
    half[5:, 0] *= who.jaw_width
    half[7, 0] *= who.chin_width
    half[5:, 1] *= who.face_length
    half[5, 0] += 0.11 * actions["AD34"] - 0.05 * actions["AU27"] - 0.03 * actions["AU18"]
    half[6, 0] += 0.09 * actions["AD34"] - 0.05 * actions["AU27"] + 0.07 * actions["AD29"]
    half[7, 0] += 0.1 * actions["AD29"]
    half[:, 1] += _CHIN_REACH * (drop - 0.035 * actions["AU17"] + 0.055 * actions["AD29"])
    left, right = half.copy(), half.copy()
    right[:, 0] *= -1
    for points, side in ((left, 1), (right, -1)):
        s = side_letter(side)
        points[4:6, 0] += side * 0.06 * np.array([0.6, 1.0]) * max(actions["AU20" + s], 0.7 * actions["AU12" + s])
        points[:, 0] += slide * _CHIN_REACH
    return smooth(np.concatenate([left, right[-2:0:-1]]), closed=True)
