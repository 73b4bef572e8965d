"""Eyelids: how they close, and that they slide over the eyeball instead of sinking into it.

A blink's target moves every column of the lid by what suits the base mesh. Here each of thirteen columns, from the inner to the
outer corner, goes as far as this person's lids are apart, so that closed eyes are closed on every identity.
"""

import functools
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.rendered.mesh import HeadMesh, load_head

# Numbers in base.obj of the lid margin of the LEFT eye, from the inner to the outer corner, and of the ring that lies on the eye.
_UPPER = (7768, 7772, 7767, 7766, 7765, 7748, 7747, 7749, 7750, 7751, 7752, 7753, 7754)
_LOWER = (7770, 7771, 7764, 11717, 7763, 7762, 7761, 7760, 7759, 7758, 7757, 11716, 7756)
_OVERLAP = 0.0003  # metres; closed lids overlap so much that no eyeball shows between them
_STEEPEST = 1.6  # most of the blink's target in a column; at the corners hardly anything is left to close
_LID_REACH = 0.0175  # metres from the eyeball's centre in the base mesh, within which skin is lid


@dataclass(frozen=True, eq=False)
class Lids:
    """One eye of the base mesh.

    Attributes:
        ball: vertices of the eyeball. upper_K, lower_K: lid margins, the inner corner first.
        blink_n: vertices that a blink moves; column_nK: how much each belongs to each column (rows sum to 1).
        skin_m: lid vertices that must stay outside of the eyeball.
    """

    ball: np.ndarray
    upper_K: np.ndarray
    lower_K: np.ndarray
    blink_n: np.ndarray
    column_nK: np.ndarray
    skin_m: np.ndarray

    def centre(self, vertices_V3: np.ndarray) -> np.ndarray:
        """The middle of the eyeball's box (3,)."""
        ball = vertices_V3[self.ball]
        return (ball.min(0) + ball.max(0)) / 2

    def opening_K(self, vertices_V3: np.ndarray) -> np.ndarray:
        """Metres between the lids in each column, downwards; negative where they overlap."""
        return vertices_V3[self.upper_K, 1] - vertices_V3[self.lower_K, 1]

    def close(self, vertices_V3: np.ndarray, blink_n3: np.ndarray, closure: float) -> None:
        """Close a share 0..1 of the present opening, in place; 0 only keeps lids from crossing. `blink_n3`: a blink's offsets."""
        step_K = blink_n3[self._row(self.lower_K), 1] - blink_n3[self._row(self.upper_K), 1]
        opening_K = self.opening_K(vertices_V3)
        wanted_K = closure * (opening_K + _OVERLAP) if closure > 0 else np.minimum(opening_K - _OVERLAP, 0)
        share_K = np.clip(wanted_K / np.maximum(step_K, 1e-3), -0.3, _STEEPEST)
        vertices_V3[self.blink_n] += (self.column_nK @ share_K)[:, None] * blink_n3

    def keep_outside(self, vertices_V3: np.ndarray, rest_V3: np.ndarray) -> None:
        """Lift lid vertices to at least their resting distance from the eyeball's centre, in place."""
        centre = self.centre(rest_V3)
        ray_m3 = vertices_V3[self.skin_m] - centre
        distance_m = np.linalg.norm(ray_m3, axis=1)
        least_m = np.linalg.norm(rest_V3[self.skin_m] - centre, axis=1)
        factor_m = np.maximum(1, least_m / np.maximum(distance_m, 1e-6))
        vertices_V3[self.skin_m] = centre + ray_m3 * factor_m[:, None]

    def _row(self, vertices: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.blink_n, vertices)


@functools.lru_cache(maxsize=1)
def both_lids() -> dict[str, Lids]:
    """ "L" and "R" -> that eye."""
    head = load_head()
    upper, lower = (head.index_of_base[list(row)] for row in (_UPPER, _LOWER))
    return {"L": _lids(head, "l", upper, lower), "R": _lids(head, "r", head.mirror_V[upper], head.mirror_V[lower])}


def _lids(head: HeadMesh, side: str, upper_K: np.ndarray, lower_K: np.ndarray) -> Lids:
    ball = head.vertices_of[f"eye_{side}"]
    sign = 1 if side == "l" else -1
    own, other = ("Left", "Right") if side == "l" else ("Right", "Left")
    moved = [head.targets[f"eyeBlink{own}"][0], head.mirror_V[head.targets[f"eyeBlink{other}"][0]]]
    moved = np.concatenate(moved)
    moved = moved[sign * head.rest_V3[moved, 0] > 0.001]  # else both eyes would pull at the bridge of the nose
    blink_n = np.unique(np.concatenate([moved, upper_K, lower_K]))
    along_K = sign * (head.rest_V3[upper_K, 0] + head.rest_V3[lower_K, 0]) / 2
    at_n = np.clip(sign * head.rest_V3[blink_n, 0], along_K[0], along_K[-1])
    column_nK = np.stack([np.interp(at_n, along_K, row) for row in np.eye(len(along_K))], axis=1)
    skin = head.vertices_of["skin"]
    centre = (head.rest_V3[ball].min(0) + head.rest_V3[ball].max(0)) / 2
    near = np.linalg.norm(head.rest_V3[skin] - centre, axis=1) < _LID_REACH
    near &= sign * head.rest_V3[skin, 0] > 0.001
    return Lids(ball, upper_K, lower_K, blink_n.astype(np.int32), column_nK.astype(np.float32), skin[near])
