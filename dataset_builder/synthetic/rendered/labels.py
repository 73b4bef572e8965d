"""The labels of a rendered face under any protocol.

Conventions
    strength    of a FACS unit: the maximum of its parts (sides, AU28's lips, AD30's directions), 0..1; of a code with a side
                ("AU12L") that part.
    intensity   `action_units.level_of(strength)`, 0..5.
    occurrence  1 where the intensity reaches the protocol's threshold.
    continuous  the strength in hundredths.
    sides       one-sided actions as FACS writes them, "L12 R14": of level 1 or more where the other side shows none of level 1.
    FEAFA       by the inferred FACS counterparts, as for drawn faces. Brow raise is the mean of AU1 and AU2 on that side. Jaw drop
                is how far the jaw is lowered: AU27 itself, or AU26 by the ratio of their ways.
    AU25        the opening between the lips: strength 1 is an area of 0.12 of the squared width of the mouth at rest, so a jaw that
                hangs low or a lip that is raised shows AU25 by what it opens, and lips that are pushed together take it away.
                Level 1 begins at 0.012, a mean gap of 0.6 mm over a mouth of 50 mm, level 2 at 0.036.
    AU43        the share of the lids' opening that it closes; an eye that squinting shuts (85% covered and more) shows it, too.
    missing     never: a unit that a head cannot show is refused.
"""

from collections.abc import Mapping

from aullava.action_units import CONTINUOUS, INTENSITY, Protocol, level_of
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, PARTS, SIDED_CODES
from aullava.dataset_builder.synthetic.rendered.movements import MOVEMENTS

JAW_DROP_OF_AU26 = MOVEMENTS["AU26"].full / MOVEMENTS["AU27"].full

# FEAFA index (0-based) -> the actions that it takes the maximum of. Brow raise (6, 7) and jaw drop (8) are formulas.
_FEAFA_PARTS = {
    **{0: ("AU43L",), 1: ("AU43R",), 2: ("AU5L",), 3: ("AU5R",), 4: ("AU4L",), 5: ("AU4R",)},
    **{9: ("AD30L",), 10: ("AD30R",), 11: ("AU12L",), 12: ("AU12R",), 13: ("AU20L",), 14: ("AU20R",)},
    **{15: ("AU28U",), 16: ("AU28L",), 17: ("AD29",), 18: PARTS["AU10"], 19: PARTS["AU16"], 20: ("AU17",)},
    **{21: ("AU18",), 22: PARTS["AD34"], 23: PARTS["AU9"]},
}


def strength_of(actions: Mapping[str, float], code: str) -> float:
    """The strength 0..1 of a FACS unit, of one side of it, or of a FEAFA value.

    Raises:
        ValueError: a rendered head cannot show the unit.
    """
    if code.startswith("feafa_"):
        return _feafa_strength(actions, int(code[6:8]) - 1)
    if code in PARTS:
        return max(actions[part] for part in PARTS[code])
    if code in ACTIONS:
        return actions[code]
    raise ValueError(f"rendered faces cannot show {code}; they show {', '.join(PARTS)} and FEAFA's 24")


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
        actions: every action with its strength 0..1, as `RenderedFace.actions`.

    Raises:
        ValueError: the protocol has a unit that rendered heads cannot show.
    """
    strengths = {code: strength_of(actions, code) for code in protocol.units}
    if protocol.scale == CONTINUOUS:
        return {code: round(strength, 2) for code, strength in strengths.items()}
    levels = {code: level_of(strength) for code, strength in strengths.items()}
    if protocol.scale == INTENSITY:
        return levels
    return {code: int(level >= protocol.occurrence_threshold) for code, level in levels.items()}


def sides_of(actions: Mapping[str, float]) -> str:
    """The one-sided actions of a face, such as "L12 R14"; "" where there is none."""
    found = []
    for code in SIDED_CODES:
        left, right = (level_of(actions[code + side]) for side in "LR")
        if (left > 0) != (right > 0):
            found.append(f"{'L' if left else 'R'}{code[2:]}")
    return " ".join(found)
