"""A person and strengths in, vertices out: targets added to a scale, then lids, gaze and lips set right."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.rendered.actions import GAZE_CODES
from aullava.dataset_builder.synthetic.rendered.lids import both_lids
from aullava.dataset_builder.synthetic.rendered.lips import FULL_OPENING, lips
from aullava.dataset_builder.synthetic.rendered.mesh import add_rows, load_head
from aullava.dataset_builder.synthetic.rendered.movements import MOVEMENTS, key_vertices, offsets_of_actions, scale_of

_PUPIL_RADIUS = 0.27  # of the pupil around the eyeball's centre, in interocular distances: about 15 of 55 mm
_SHUT_FROM, _SHUT_AT = 0.85, 0.97  # shares of the opening between the lids, see `Face.shown`
_LIPS_MEET = 0.02  # of AU25: so exactly do sealed lips meet
_LID_FOLLOWS = 1.0  # how far lids go with an eye that looks up or down, of the eyeLook targets


@dataclass(frozen=True, eq=False)
class Face:
    """A person's geometry at rest and habits of moving.

    Attributes:
        rest_V3: metres, as in `mesh`, the origin between the eyeballs.
        habit: share 0..1 of ARKit's form in every movement; the rest is MakeHuman's.
        droop: share 0..1 of the opening that the resting lids close.
    """

    rest_V3: np.ndarray
    habit: float = 0.6
    droop: float = 0.0

    @functools.cached_property
    def interocular(self) -> float:
        """Metres between the centres of the eyeballs."""
        left, right = (lids.centre(self.rest_V3) for lids in both_lids().values())
        return float(np.linalg.norm(left - right))

    @functools.cached_property
    def neutral_V3(self) -> np.ndarray:
        """The face without action: at rest, with its lids drooped."""
        return self.move({})

    def weight(self, action: str) -> float:
        """The target weight of strength 1."""
        if action not in self._weights:
            arkit_k3, makehuman_k3 = _at_keys(action)
            keys_k3 = np.float32(self.habit) * arkit_k3 + np.float32(1 - self.habit) * makehuman_k3
            self._weights[action] = scale_of(action, keys_k3, self.interocular)
        return self._weights[action]

    @functools.cached_property
    def _weights(self) -> dict[str, float]:
        return {}

    @functools.cached_property
    def _drooped_V3(self) -> np.ndarray:
        vertices_V3 = self.rest_V3.copy()
        for side, lids in both_lids().items():
            if self.droop:
                lids.close(vertices_V3, self._blink(side), self.droop)
        return vertices_V3

    def move(self, actions: Mapping[str, float]) -> np.ndarray:
        """The vertices (V, 3) under strengths 0..1 that `actions.resolve` has made physical; absent actions are 0."""
        vertices_V3 = self._drooped_V3.copy()
        for action, strength in actions.items():
            if strength and action in offsets_of_actions() and not action.startswith("AU43"):
                index, offset_n3 = self._blend(action)
                add_rows(vertices_V3, index, offset_n3, np.float32(strength * self.weight(action)))
        self._look(vertices_V3, *gaze_of(actions))
        for side, lids in both_lids().items():
            lids.close(vertices_V3, self._blink(side), actions.get(f"AU43{side}", 0.0))
        for lids in both_lids().values():
            lids.keep_outside(vertices_V3, self.rest_V3)
        lips().settle(vertices_V3, self.rest_V3, actions.get("AU25", 0.0))
        return vertices_V3

    def shown(self, pulls: Mapping[str, float], vertices_V3: np.ndarray) -> dict[str, float]:
        """The strengths that can be seen: `pulls`, with AU25 and AU43 measured on the vertices that they led to.

        AU25 is the opening between the lips, whatever parted them, as a share of `lips.FULL_OPENING`. AU43 is at least as strong
        as the eye is shut, whatever shuts it: from 0 where 85% of the neutral face's opening is covered to 1 at 97%.
        """
        parted = min(1.0, lips().opening(vertices_V3, self.rest_V3) / FULL_OPENING)
        seen = {"AU25": parted if parted > _LIPS_MEET else 0.0}
        for side, lids in both_lids().items():
            left, usual = (np.maximum(lids.opening_K(v_V3), 0).sum() for v_V3 in (vertices_V3, self.neutral_V3))
            shut = (1 - left / usual - _SHUT_FROM) / (_SHUT_AT - _SHUT_FROM)
            seen[f"AU43{side}"] = min(1.0, max(shut, pulls.get(f"AU43{side}", 0.0)))
        return dict(pulls) | {name: round(float(strength), 3) for name, strength in seen.items()}

    def _blend(self, action: str) -> tuple[np.ndarray, np.ndarray]:
        index, arkit_n3, makehuman_n3 = _united(action)
        return index, np.float32(self.habit) * arkit_n3 + np.float32(1 - self.habit) * makehuman_n3

    def _blink(self, side: str) -> np.ndarray:
        """A blink's offsets on the vertices that `Lids` moves."""
        index, offset_n3 = self._blend(f"AU43{side}")
        moved = both_lids()[side].blink_n
        dense_V3 = np.zeros_like(self.rest_V3)
        dense_V3[index] = offset_n3
        return dense_V3[moved]

    def _look(self, vertices_V3: np.ndarray, left: float, up: float) -> None:
        """Turn the eyeballs about their centres; the lids follow an eye that looks up or down."""
        if not left and not up:
            return
        turn = np.array([[math.cos(left), 0, math.sin(left)], [0, 1, 0], [-math.sin(left), 0, math.cos(left)]])
        tilt = np.array([[1, 0, 0], [0, math.cos(up), math.sin(up)], [0, -math.sin(up), math.cos(up)]])
        rotation = (turn @ tilt).astype(np.float32)
        for side, lids in both_lids().items():
            centre = lids.centre(self.rest_V3)
            vertices_V3[lids.ball] = centre + (self.rest_V3[lids.ball] - centre) @ rotation.T
            index, offset_n3 = _lid_follow(side, up > 0)
            vertices_V3[index] += np.float32(_LID_FOLLOWS * min(abs(up) / 0.4, 1.0)) * offset_n3


def gaze_of(actions: Mapping[str, float]) -> tuple[float, float]:
    """Radians by which the eyes turn in the head to the subject's left and up."""
    angle = {code: math.asin(MOVEMENTS[code].full / _PUPIL_RADIUS * actions.get(code, 0.0)) for code in GAZE_CODES}
    return angle["AU61"] - angle["AU62"], angle["AU63"] - angle["AU64"]


def strength_of_gaze(left: float, up: float) -> dict[str, float]:
    """AU61 to AU64 of eyes that turn to the subject's left and up, in radians; past full strength they go no further."""
    share = {"AU61": left, "AU62": -left, "AU63": up, "AU64": -up}
    return {
        code: round(float(np.clip(_PUPIL_RADIUS * math.sin(angle) / MOVEMENTS[code].full, 0, 1)), 3)
        for code, angle in share.items()
    }


def displacement(action: str, vertices_V3: np.ndarray, rest_V3: np.ndarray, interocular: float) -> float:
    """Mean distance of an action's key vertices from rest, in interocular distances."""
    keys = key_vertices()[action]
    return float(np.linalg.norm(vertices_V3[keys] - rest_V3[keys], axis=1).mean()) / interocular


@functools.cache
def _united(action: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both forms of a movement on the same vertices."""
    forms = offsets_of_actions()[action]
    index = np.union1d(forms["arkit"].index_n, forms["makehuman"].index_n)
    both = []
    for form in ("arkit", "makehuman"):
        offset_n3 = np.zeros((len(index), 3), np.float32)
        offset_n3[np.searchsorted(index, forms[form].index_n)] = forms[form].offset_n3
        both.append(offset_n3)
    return index, *both


@functools.cache
def _at_keys(action: str) -> tuple[np.ndarray, np.ndarray]:
    """Both forms of a movement on the action's key vertices."""
    index, *forms = _united(action)
    both = []
    for offset_n3 in forms:
        dense_V3 = np.zeros_like(load_head().rest_V3)
        dense_V3[index] = offset_n3
        both.append(dense_V3[key_vertices()[action]])
    return tuple(both)


@functools.cache
def _lid_follow(side: str, up: bool) -> tuple[np.ndarray, np.ndarray]:
    head = load_head()
    index, offset_n3 = head.targets[f"eyeLook{'Up' if up else 'Down'}{'Left' if side == 'L' else 'Right'}"]
    skin = ~np.isin(index, np.concatenate([head.vertices_of["eye_l"], head.vertices_of["eye_r"]]))
    return index[skin], offset_n3[skin]
