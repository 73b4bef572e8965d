"""The labels of a drawn face under any protocol.

Conventions
    strength    of a FACS unit: the maximum of its parts (left and right, AU28's lips, AD30's directions), 0..1.
    intensity   `action_units.level_of(strength)`, 0..5.
    occurrence  1 where the intensity reaches the protocol's threshold.
    continuous  the strength in hundredths.
    FEAFA       by the inferred FACS counterparts. Brow raise is the mean of AU1 and AU2 on that side, as each lifts one half of
                the brow. Jaw drop is how far the jaw is lowered: AU27 itself, or half of AU26. Lip raise is the stronger side.
    missing     never: a unit that the renderer cannot draw is refused.
"""

from collections.abc import Mapping

from aullava.action_units import CONTINUOUS, INTENSITY, Protocol, level_of
from aullava.dataset_builder.synthetic.drawn.actions import PARTS

JAW_DROP_OF_AU26 = 0.5  # a relaxed jaw (AU26) at its strongest is half as low as a stretched one (AU27)

# FEAFA index (0-based) -> the actions that it takes the maximum of. Brow raise (6, 7) and jaw drop (8) are formulas.
_FEAFA_PARTS = {
    0: ("AU43L",),
    1: ("AU43R",),
    2: ("AU5L",),
    3: ("AU5R",),
    4: ("AU4L",),
    5: ("AU4R",),
    9: ("AD30L",),
    10: ("AD30R",),
    11: ("AU12L",),
    12: ("AU12R",),
    13: ("AU20L",),
    14: ("AU20R",),
    15: ("AU28U",),
    16: ("AU28L",),
    17: ("AD29",),
    18: ("AU10L", "AU10R"),
    19: ("AU16",),
    20: ("AU17",),
    21: ("AU18",),
    22: ("AD34",),
    23: ("AU9",),
}


def strength_of(actions: Mapping[str, float], code: str) -> float:
    """The strength 0..1 of a FACS or FEAFA unit.

    Raises:
        ValueError: the renderer cannot draw the unit.
    """
    if code.startswith("feafa_"):
        return _feafa_strength(actions, int(code[6:8]) - 1)
    if code not in PARTS:
        raise ValueError(f"drawn faces cannot show {code}; they show {', '.join(PARTS)} and FEAFA's 24")
    return max(actions[part] for part in PARTS[code])


def _feafa_strength(actions: Mapping[str, float], index: int) -> float:
    if index in (6, 7):
        side = "LR"[index - 6]
        return (actions["AU1" + side] + actions["AU2" + side]) / 2
    if index == 8:
        return max(JAW_DROP_OF_AU26 * actions["AU26"], actions["AU27"])
    return max(actions[part] for part in _FEAFA_PARTS[index])


def values_of(actions: Mapping[str, float], protocol: Protocol) -> dict[str, int | float]:
    """The protocol's values of a face: code -> 0/1, 0..5 or 0.00..1.00 by the protocol's scale.

    Args:
        actions: every action of the renderer with its strength 0..1, as `DrawnFace.actions`.

    Raises:
        ValueError: the protocol has a unit that drawn faces cannot show.
    """
    strengths = {code: strength_of(actions, code) for code in protocol.units}
    if protocol.scale == CONTINUOUS:
        return {code: round(strength, 2) for code, strength in strengths.items()}
    levels = {code: level_of(strength) for code, strength in strengths.items()}
    if protocol.scale == INTENSITY:
        return levels
    return {code: int(level >= protocol.occurrence_threshold) for code, level in levels.items()}
