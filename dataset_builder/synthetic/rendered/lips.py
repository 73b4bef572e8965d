"""Lips that meet: the gap between them follows AU25 and nothing else, and they never cross.

Targets pull the lips apart and together each in its own way. After they are added, the gap along the mouth is measured and, as
far as AU25 is absent, closed again; where the lips would cross they are moved to where they touch.
"""

import functools
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.rendered.mesh import load_head

# Numbers in base.obj of the rows where the lips touch, from the midline to the LEFT corner.
_UPPER = (474, 7229, 7228, 7227, 7226, 11964, 7225, 7179, 7178, 7193, 10400, 7191)
_LOWER = (493, 7242, 7236, 7230, 7197, 7204, 10375)
_SAMPLES = 25
_SLIT = -0.0677  # metres: height of the slit in the base mesh
_REACH = 0.015  # metres: how far from the slit skin follows
_LOWER_SHARE = 0.72  # of a correction; the rest goes to the upper lip
_BEHIND = 0.004  # metres that teeth and tongue stand back behind closed lips, so that none pierces them
PARTED_FROM = 0.2  # of AU25: from here on the gap is what the targets say
FULL_OPENING = 0.12  # `Lips.opening` of AU25 alone at strength 1, about (0.107 to 0.139 on nine of ten people)


@dataclass(frozen=True, eq=False)
class Lips:
    """The rows of the lips, and what follows when they move.

    Attributes:
        upper_a, lower_b: vertices of the two rows. upper_Sa, lower_Sb: interpolation to the samples along the mouth.
        around_n: vertices near the mouth; follow_nS: how far each follows each sample (upper lip up, lower down).
        inside_m: vertices of teeth and tongue.
    """

    upper_a: np.ndarray
    lower_b: np.ndarray
    upper_Sa: np.ndarray
    lower_Sb: np.ndarray
    around_n: np.ndarray
    follow_nS: np.ndarray
    inside_m: np.ndarray

    def gap_S(self, vertices_V3: np.ndarray) -> np.ndarray:
        """Metres between the lips along the mouth, upwards; negative where they cross."""
        return self.upper_Sa @ vertices_V3[self.upper_a, 1] - self.lower_Sb @ vertices_V3[self.lower_b, 1]

    def opening(self, vertices_V3: np.ndarray, rest_V3: np.ndarray) -> float:
        """The area between the lips, beyond that at rest, over the square of the resting mouth's width; 0 where they meet."""
        upper_S3, lower_S3 = self.upper_Sa @ vertices_V3[self.upper_a], self.lower_Sb @ vertices_V3[self.lower_b]
        gap_S = np.maximum(upper_S3[:, 1] - lower_S3[:, 1] - self.gap_S(rest_V3), 0)
        x_S = (upper_S3[:, 0] + lower_S3[:, 0]) / 2
        area = float(((gap_S[1:] + gap_S[:-1]) / 2 * np.abs(np.diff(x_S))).sum())
        return area / float(np.linalg.norm(rest_V3[self.upper_a[0]] - rest_V3[self.upper_a[-1]])) ** 2

    def settle(self, vertices_V3: np.ndarray, rest_V3: np.ndarray, parted: float) -> None:
        """Close the gap as far as AU25 of strength `parted` is absent and undo crossings, in place."""
        share = min(1.0, parted / PARTED_FROM)
        vertices_V3[self.inside_m, 2] -= _BEHIND * (1 - share)
        opened_S = self.gap_S(vertices_V3) - self.gap_S(rest_V3)
        wanted_S = np.maximum(opened_S, 0) * share
        for _ in range(2):  # the rows do not follow wholly; the second pass takes what is left
            vertices_V3[self.around_n, 1] += self.follow_nS @ (wanted_S - opened_S)
            opened_S = self.gap_S(vertices_V3) - self.gap_S(rest_V3)


@functools.lru_cache(maxsize=1)
def lips() -> Lips:
    """The lips of the base mesh."""
    head = load_head()
    rows = []
    for numbers in (_UPPER, _LOWER):
        left = head.index_of_base[list(numbers)]
        rows.append(np.concatenate([head.mirror_V[left[:0:-1]], left]))
    rest = head.rest_V3
    width = rest[rows[0], 0].max()
    along_S = np.linspace(-width, width, _SAMPLES)
    upper_Sa, lower_Sb = (
        np.stack([np.interp(along_S, rest[row, 0], unit) for unit in np.eye(len(row))], axis=1) for row in rows
    )
    jaw = np.zeros(len(rest))
    index, offset = head.targets["jawOpen"]
    jaw[index] = np.clip(-offset[:, 1] / 0.033, 0, 1)
    skin = head.vertices_of["skin"]
    far = np.abs(rest[skin, 1] - _SLIT) / _REACH
    weight = np.exp(-(far**2)) * np.clip((rest[skin, 2] - 0.006) / 0.006, 0, 1)
    kept = (weight > 0.02) & (np.abs(rest[skin, 0]) < 1.15 * width)
    around, weight = skin[kept], weight[kept]
    sample_nS = np.stack([np.interp(rest[around, 0], along_S, unit) for unit in np.eye(_SAMPLES)], axis=1)
    sign = np.where(jaw[around] < 0.5, 1 - _LOWER_SHARE, -_LOWER_SHARE)
    inside = np.concatenate([head.vertices_of[part] for part in ("teeth_upper", "teeth_lower", "tongue")])
    return Lips(rows[0], rows[1], upper_Sa, lower_Sb, around, (sign * weight)[:, None] * sample_nS, inside)
