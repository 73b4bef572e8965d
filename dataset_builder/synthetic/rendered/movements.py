"""How each action moves the head, and how far: the scale of levels.

Conventions
    full      displacement of an action's key vertices at strength 1, their mean distance from rest in interocular distances (IOD:
              from eyeball centre to eyeball centre, 62 mm in the base mesh). The same for every person: target weights are divided
              by what they move the key vertices (`scale_of`). AU43's is the share of the opening between the lids, see `lids`;
              gaze turns the eyeballs, and its is the way of the pupil.
    key       skin vertices within 5.5 mm of the named points of the base mesh, or the six nearest ones.
    form      ARKit's units ("arkit") or MakeHuman's own ones ("makehuman"). A person's habit blends them, so that nobody learns
              one modeller's hand. Both forms are made symmetric, and what the source does not split is split at the midline.
    strengths of the scale are ours, by what adults show at FACS's level E; FACS itself gives no millimetres.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, SIDED_CODES
from aullava.dataset_builder.synthetic.rendered.mesh import HeadMesh, load_head

_KEY_RADIUS, _KEY_LEAST = 0.0055, 6  # metres; where the mesh is coarse, the six nearest vertices
_MIDLINE_WIDTH = 0.006  # metres; how softly a movement of both sides is split

# Points of the base mesh, millimetres in the frame of `mesh`, on the subject's left or the midline.
INNER_BROW, OUTER_BROW, CHEEK, WING = (16, 17, 24), (46, 14, 9), (40, -32, 12), (13, -37, 31)
UPPER_LIP, CORNER, LOWER_LIP, FOLD = (11, -60, 32), (26, -67, 17), (8, -74, 30), (24, -50, 19)
UPPER_RED, LOWER_RED, CHIN_BOSS, CHIN, JOWL = (0, -62, 35), (0, -75, 31), (0, -90, 25), (0, -106, 21), (46, -62, 1)
UPPER_LID, LOWER_LID, PUPIL = (32, 5, 16), (32, -4, 15), (31, 0, 14)


@dataclass(frozen=True)
class Movement:
    """One code of the scheme: where it is measured, how far it goes, and the targets of each form with their weights.

    In a sided movement "Left" and "left" in a target's name stand for the side.
    """

    place: str
    keys: tuple[tuple[float, float, float], ...]
    full: float
    arkit: Mapping[str, float]
    makehuman: Mapping[str, float] = field(default_factory=dict)


def _both(name: str, weight: float) -> dict[str, float]:
    return {name + side: weight for side in ("Left", "Right")}


MOVEMENTS = {
    "AU1": Movement(
        "inner brow", (INNER_BROW,), 0.13, {"browInnerUp": 1.0}, {"eyebrows-left-inner-up": 0.7, "browInnerUp": 0.3}
    ),
    "AU2": Movement(
        "outer brow",
        (OUTER_BROW,),
        0.13,
        {"browOuterUpLeft": 1.0, "browInnerUp": 0.3},
        {"eyebrows-left-extern-up": 0.7, "browOuterUpLeft": 0.35, "browInnerUp": 0.3},
    ),
    "AU4": Movement(
        "inner brow",
        (INNER_BROW,),
        0.15,
        {"browDownLeft": 1.0, "knit": 1.0, "eyeSquintLeft": 0.12},
        {"eyebrows-left-down": 0.7, "browDownLeft": 0.35, "knit": 1.1},
    ),
    "AU5": Movement("upper lid", (UPPER_LID,), 0.05, {"eyeWideLeft": 1.0}, {"eye-left-opened-up": 1.0}),
    "AU6": Movement(
        "cheek",
        (CHEEK,),
        0.15,
        {"cheekSquintLeft": 0.9, "cheek lift": 1.0, "eyeSquintLeft": 0.6},
        {"cheekSquintLeft": 0.7, "cheek lift": 1.3, "eyeSquintLeft": 0.3, "eye-left-slit": 0.2},
    ),
    "AU7": Movement(
        "lids", (UPPER_LID, LOWER_LID), 0.05, {"eyeSquintLeft": 1.0}, {"eyeSquintLeft": 0.6, "eye-left-slit": 0.3}
    ),
    "AU9": Movement(
        "wing of the nose",
        (WING,),
        0.13,
        {
            "noseSneerLeft": 1.6,
            "wing lift": 1.0,
            "browDownLeft": 0.45,
            "cheekSquintLeft": 0.6,
            "eyeSquintLeft": 0.3,
            "mouthUpperUpLeft": 0.7,
            "knit": 0.5,
        },
        {
            "nose-left-elevation": 1.0,
            "noseSneerLeft": 0.8,
            "mouthUpperUpLeft": 0.5,
            "wing lift": 0.8,
            "browDownLeft": 0.45,
            "cheekSquintLeft": 0.6,
            "knit": 0.5,
        },
    ),
    "AU10": Movement(
        "upper lip",
        (UPPER_LIP,),
        0.10,
        {"mouthUpperUpLeft": 1.4, "noseSneerLeft": 0.25, "cheekSquintLeft": 0.15, "fold lift": 0.6},
        {"mouth-elevation": 1.0, "mouthUpperUpLeft": 0.5, "nose-left-elevation": 0.3, "fold lift": 0.4},
    ),
    "AU11": Movement(
        "fold beside the nose",
        (FOLD,),
        0.07,
        {"fold lift": 1.0, "mouthUpperUpLeft": 0.15, "cheekSquintLeft": 0.12},
        {"fold lift": 1.0, "mouth-elevation": 0.12},
    ),
    "AU12": Movement(
        "lip corner", (CORNER,), 0.24, {"mouthSmileLeft": 1.0}, {"mouth-corner-puller": 0.8, "mouthSmileLeft": 0.3}
    ),
    "AU13": Movement(
        "lip corner",
        (CORNER,),
        0.12,
        {"corner up": 1.0, "cheek puff up": 0.8, "mouthSmileLeft": 0.15},
        {"corner up": 1.0, "cheek puff up": 0.8, "mouth-corner-puller": 0.15},
    ),
    "AU14": Movement(
        "lip corner",
        (CORNER,),
        0.11,
        {"mouthDimpleLeft": 0.7, "dimple": 1.0},
        {"mouth-retraction": 0.6, "dimple": 1.0},
    ),
    "AU15": Movement(
        "lip corner",
        (CORNER,),
        0.15,
        {"mouthFrownLeft": 1.0, "corner down": 0.7},
        {"mouth-depression": 0.6, "mouthFrownLeft": 0.4, "corner down": 0.7},
    ),
    "AU16": Movement(
        "lower lip",
        (LOWER_LIP,),
        0.09,
        {"mouthLowerDownLeft": 1.0, "lower lip down": 0.5},
        {"mouthLowerDownLeft": 0.7, "lower lip down": 0.9},
    ),
    "AU17": Movement(
        "below the lower lip",
        (LOWER_RED, CHIN_BOSS),
        0.13,
        {"mouthShrugLower": 1.1, "mouthShrugUpper": 0.7, "chin boss": 1.0},
        {"mouthShrugLower": 1.1, "mouthShrugUpper": 0.45, "chin boss": 1.4},
    ),
    "AU18": Movement(
        "lip corner",
        (CORNER,),
        0.15,
        {"mouthPucker": 0.6, "mouth-pursing": 0.6, "corners in": 1.0},
        {"mouth-pursing": 1.0, "corners in": 1.0},
    ),
    "AU20": Movement(
        "lip corner",
        (CORNER,),
        0.17,
        {"mouthStretchLeft": 1.0, "corner back": 0.8},
        {"mouthStretchLeft": 0.6, "mouth-retraction": 0.5, "corner back": 0.8},
    ),
    "AU22": Movement(
        "red of the lips",
        (UPPER_RED, LOWER_RED),
        0.13,
        {"mouthFunnel": 0.8, "mouthPucker": 0.25, "evert": 1.0, "corners in": 0.6},
        {"mouthFunnel": 0.5, "mouth-eversion": 0.8, "evert": 1.0, "corners in": 0.6},
    ),
    "AU23": Movement(
        "red of the lips",
        (UPPER_RED, LOWER_RED),
        0.085,
        {"narrow red": 1.0, "mouthRollUpper": 0.2, "mouthRollLower": 0.2, "corners in": 0.45},
        {"narrow red": 1.2, "mouth-compression": 0.1, "corners in": 0.5},
    ),
    "AU24": Movement(
        "red of the lips",
        (UPPER_RED, LOWER_RED),
        0.085,
        {
            **_both("mouthPress", 0.35),
            "narrow red": 0.55,
            "mouthRollUpper": 0.2,
            "lip bulge": 1.0,
            "mouthShrugLower": 0.25,
        },
        {"mouth-compression": 0.3, "narrow red": 0.6, "lip bulge": 1.0, "mouthShrugLower": 0.25},
    ),
    "AU25": Movement(
        "lower lip",
        (LOWER_LIP, (-8, -74, 30)),
        0.075,
        {**_both("mouthLowerDown", 0.8), **_both("mouthUpperUp", 0.4), "jawOpen": 0.05},
        {**_both("mouthLowerDown", 0.7), **_both("mouthUpperUp", 0.3), "mouth-parling": 0.5, "jawOpen": 0.06},
    ),
    "AU26": Movement("chin", (CHIN,), 0.22, {"jawOpen": 1.0}, {"mouth-open": 0.6, "jawOpen": 0.4}),
    "AU27": Movement("chin", (CHIN,), 0.58, {"jawOpen": 1.0}, {"mouth-open": 0.4, "jawOpen": 0.6}),
    "AU28U": Movement(
        "red of the upper lip", (UPPER_RED,), 0.13, {"mouthRollUpper": 1.0}, {"mouthRollUpper": 1.0, "narrow red": 0.2}
    ),
    "AU28L": Movement(
        "red of the lower lip",
        (LOWER_RED,),
        0.13,
        {"mouthRollLower": 1.0, "lower roll": 1.0},
        {"mouthRollLower": 0.8, "lower roll": 1.3},
    ),
    "AU43": Movement(
        "upper lid", (UPPER_LID,), 1.0, {"eyeBlinkLeft": 1.0}, {"eye-left-closure": 0.5, "eyeBlinkLeft": 0.5}
    ),
    "AD29": Movement("chin", (CHIN,), 0.12, {"jawForward": 1.0}),
    "AD30": Movement("chin", (CHIN,), 0.16, {"jawLeft": 1.0}),
    "AD34": Movement("cheek", (JOWL,), 0.2, {"cheekPuff": 1.0}),
    "AU61": Movement("pupil", (PUPIL,), 0.144, {}),
    "AU62": Movement("pupil", (PUPIL,), 0.144, {}),
    "AU63": Movement("pupil", (PUPIL,), 0.108, {}),
    "AU64": Movement("pupil", (PUPIL,), 0.12, {}),
}

# Movements that the sources lack, as soft pushes of the skin: (centre, radius, way), millimetres, on the subject's left. What
# lies on the midline pushes both sides.
_PUSHES = {
    "knit": (((13, 16, 25), 11, (-3.2, -1.2, 0.8)), ((26, 18, 21), 11, (-2.0, -0.8, 0.3))),
    "cheek lift": (((38, -26, 14), 14, (0, 4.5, 1.8)), ((52, -18, 4), 12, (0, 3.0, 1.0))),
    "wing lift": (((13, -36, 30), 9, (0.6, 5.0, 0.6)), ((9, -14, 27), 8, (-0.3, 2.0, 1.0))),
    "fold lift": (((21, -47, 22), 9, (2.0, 3.5, -1.0)), ((30, -40, 17), 10, (0.6, 3.0, 2.0))),
    "corner up": (((26, -66, 17), 10, (-1.0, 7.5, 0.0)),),
    "cheek puff up": (((42, -50, 10), 14, (1.5, 2.5, 4.5)),),
    "dimple": (((31, -66, 14), 7, (-0.5, 1.0, -4.5)), ((24, -67, 18), 7, (1.5, 0.3, -2.5))),
    "corner down": (((26, -68, 16), 11, (0.4, -6.0, -0.8)),),
    "lower lip down": (((10, -74, 29), 10, (0.6, -4.5, 0.4)),),
    "corner back": (((28, -68, 15), 13, (5.0, -0.6, -3.0)),),
    "chin boss": (((0, -92, 25), 13, (0, 5.5, 2.0)), ((0, -79, 30), 9, (0, 3.0, 2.5))),
    "corners in": (((25, -67, 17), 11, (-5.5, 0, 3.0)), ((-25, -67, 17), 11, (5.5, 0, 3.0))),
    "evert": (((0, -61, 35), 11, (0, 3.2, 4.0)), ((0, -75, 31), 11, (0, -4.2, 4.5))),
    "lip bulge": (((0, -55, 33), 9, (0, -1.8, 1.8)), ((0, -81, 29), 9, (0, 1.8, 2.4))),
    "lower roll": (((0, -75, 31), 10, (0, 3.5, -4.0)), ((0, -82, 27), 8, (0, 2.0, 0.5))),
}


@dataclass(frozen=True, eq=False)
class Offsets:
    """An action's movement in one form: vertex indices (n,) and metres (n, 3) at weight 1."""

    index_n: np.ndarray
    offset_n3: np.ndarray


@functools.lru_cache(maxsize=1)
def offsets_of_actions() -> dict[str, dict[str, Offsets]]:
    """Action -> form -> its movement. Gaze has none: it turns the eyeballs."""
    head = load_head()
    found = {}
    for action in ACTIONS:
        code, side = _split_name(action)
        movement = MOVEMENTS[code]
        if not movement.arkit:
            continue
        forms = {"arkit": movement.arkit, "makehuman": movement.makehuman or movement.arkit}
        found[action] = {form: _sparse(_dense(head, targets, side)) for form, targets in forms.items()}
    return found


@functools.lru_cache(maxsize=1)
def key_vertices() -> dict[str, np.ndarray]:
    """Action -> the vertices whose displacement defines its level: of the skin, for gaze of the left eyeball."""
    head = load_head()
    skin = head.vertices_of["skin"]
    skin = skin[head.masks["inside-mouth"][skin] < 0.5]
    balls = np.concatenate([head.vertices_of["eye_l"], head.vertices_of["eye_r"]])
    found = {}
    for action in ACTIONS:
        code, side = _split_name(action)
        flip = np.array([-1 if side == "R" else 1, 1, 1]) / 1000
        nearest = []
        among = balls if MOVEMENTS[code].keys == (PUPIL,) else skin
        for point in MOVEMENTS[code].keys:
            distance = np.linalg.norm(head.rest_V3[among] - np.array(point) * flip, axis=1)
            sixth = np.sort(distance)[_KEY_LEAST - 1]
            nearest.append(among[distance <= max(_KEY_RADIUS, sixth + 1e-6)])
        found[action] = np.unique(np.concatenate(nearest))
    return found


def scale_of(action: str, keys_k3: np.ndarray, interocular: float) -> float:
    """The weight at which a movement carries the action's key vertices `full` interocular distances.

    Args:
        action: its name.
        keys_k3: metres by which it moves the key vertices at weight 1.
        interocular: metres.
    """
    way = float(np.linalg.norm(keys_k3, axis=1).mean())
    return MOVEMENTS[_split_name(action)[0]].full * interocular / way


def level_table() -> list[tuple[str, str, int, float, tuple[float, ...]]]:
    """The scale: code, place, number of key vertices, way of strength 1 in interocular distances, and where levels 1 to 5 begin."""
    keys = key_vertices()
    rows = []
    for code, movement in MOVEMENTS.items():
        action = code + "L" if code in SIDED_CODES or code == "AD30" else code
        beginnings = tuple(round(movement.full * start, 4) for start in (0.1, 0.3, 0.5, 0.7, 0.9))
        rows.append((code, movement.place, len(keys[action]), movement.full, beginnings))
    return rows


def _split_name(action: str) -> tuple[str, str]:
    """ "AU12L" -> ("AU12", "L"); the lips of AU28 are codes of their own here, the directions of AD30 sides."""
    if action[-1] in "LR" and (action[:-1] in SIDED_CODES or action[:-1] == "AD30"):
        return action[:-1], action[-1]
    return action, ""


def _dense(head: HeadMesh, targets: Mapping[str, float], side: str) -> np.ndarray:
    """The sum of targets as (V, 3), symmetric between the sides, and limited to the action's side."""
    total_V3 = np.zeros_like(head.rest_V3)
    if side == "R":
        return _mirrored(head, _dense(head, targets, "L"))
    for name, weight in targets.items():
        total_V3 += weight * _target(head, name, bool(side))
    return total_V3


def _target(head: HeadMesh, name: str, sided: bool) -> np.ndarray:
    """One target (V, 3): of the left side if `sided`, else of both; sources that differ between the sides are averaged."""
    if name in _PUSHES or name == "narrow red":
        offset_V3 = _narrow_red(head) if name == "narrow red" else _pushed(head, name)
        return offset_V3
    own_V3 = _source(head, name)
    other = re.sub("Left|left|Right|right", lambda word: _OTHER_SIDE[word[0]], name)
    if other != name:
        return (own_V3 + _mirrored(head, _source(head, other))) / 2
    own_V3 = (own_V3 + _mirrored(head, own_V3)) / 2
    if not sided:
        return own_V3
    return own_V3 / (1 + np.exp(-head.rest_V3[:, :1] / _MIDLINE_WIDTH))


_OTHER_SIDE = {"Left": "Right", "Right": "Left", "left": "right", "right": "left"}


def _source(head: HeadMesh, name: str) -> np.ndarray:
    """A target of the data; MakeHuman's expression units exist for three ancestries, whose mean is taken."""
    offset_V3 = np.zeros_like(head.rest_V3)
    if name in head.targets:
        return head.add(offset_V3, {name: 1.0})
    return head.add(offset_V3, {f"{ancestry}/{name}": 1 / 3 for ancestry in ("african", "asian", "caucasian")})


def _mirrored(head: HeadMesh, offset_V3: np.ndarray) -> np.ndarray:
    return offset_V3[head.mirror_V] * np.array([-1, 1, 1], np.float32)


def _pushed(head: HeadMesh, name: str) -> np.ndarray:
    offset_V3 = np.zeros_like(head.rest_V3)
    skin = head.vertices_of["skin"]
    points = head.rest_V3[skin]
    for centre, radius, way in _PUSHES[name]:
        distance = np.linalg.norm(points - np.array(centre, np.float32) / 1000, axis=1)
        weight = np.exp(-((distance * 1000 / radius) ** 2))
        weight[weight < 0.01] = 0
        offset_V3[skin] += weight[:, None] * np.array(way, np.float32) / 1000
    if np.allclose(offset_V3, 0):
        raise ValueError(f"the push {name!r} moves no vertex")
    return offset_V3


def _narrow_red(head: HeadMesh) -> np.ndarray:
    """Both lips shrink towards the slit between them, and what surrounds them gives way."""
    offset_V3 = np.zeros_like(head.rest_V3)
    x, y, z = (head.rest_V3[:, axis] * 1000 for axis in range(3))
    height = y + 67.6
    weight = np.exp(-((np.abs(height) / 13) ** 4) - (x / 27) ** 4) * (z > 8)
    weight[(head.masks["inside-mouth"] > 0.5) | (weight < 0.01)] = 0
    offset_V3[:, 1] = -0.45 * height * weight / 1000
    offset_V3[:, 2] = -0.15 * weight / 1000
    for part in ("teeth_upper", "teeth_lower", "tongue", "hair", "lashes"):
        offset_V3[head.vertices_of[part]] = 0
    return offset_V3


def _sparse(offset_V3: np.ndarray) -> Offsets:
    moved = np.flatnonzero(np.abs(offset_V3).max(1) > 2e-5)
    return Offsets(moved.astype(np.int32), offset_V3[moved].astype(np.float32))
