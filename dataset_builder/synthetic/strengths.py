"""Strengths of actions, and the labels that follow from them, for drawn and for rendered faces.

Conventions
    strength    a float in [0, 1]; 0 is absent, 1 the strongest that a face shows. Of a FACS unit: the maximum of its parts (sides,
                AU28's lips, AD30's directions); of a code with a side ("AU12L") that part.
    intensity   `action_units.level_of(strength)`, 0..5.
    occurrence  1 where the intensity reaches the protocol's threshold.
    continuous  the strength in hundredths.
    FEAFA       by the inferred FACS counterparts. Brow raise is the mean of AU1 and AU2 on that side, as each lifts one half of
                the brow. Jaw drop is how far the jaw is lowered: AU27 itself, or a share of AU26. Lip raise is the stronger side.
    missing     never: a unit that cannot be shown is refused.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aullava.action_units import CONTINUOUS, INTENSITY, Protocol, level_of


def completed(actions: Mapping[str, float], names: Sequence[str], shown_by: str) -> dict[str, float]:
    """Every one of `names` with its strength, 0 where none is given.

    Args:
        actions: some of them with their strengths.
        names: the actions that can be shown.
        shown_by: what shows them, for the message: "the renderer moves".

    Raises:
        ValueError: an unknown action, or a strength outside [0, 1] or NaN.
    """
    unknown = sorted(set(actions) - set(names))
    if unknown:
        raise ValueError(f"unknown action {unknown[0]!r}; {shown_by} {', '.join(names)}")
    full = dict.fromkeys(names, 0.0)
    for name, strength in actions.items():
        value = float(strength)
        if math.isnan(value) or not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} has strength {strength!r}; a strength is a number from 0 to 1")
        full[name] = value
    return full


def settle(actions: dict[str, float], conflicts: Sequence[tuple[str, str]]) -> None:
    """Let the stronger of two actions that exclude each other stay, in place; of two equally strong ones the first named.

    A stretched mouth (AU27) parts the lips, so AU25 becomes at least AU27.
    """
    for first, second in conflicts:
        if actions[first] and actions[second]:
            actions[second if actions[first] >= actions[second] else first] = 0.0
    actions["AU25"] = max(actions["AU25"], actions["AU27"])


@dataclass(frozen=True)
class Labels:
    """The labels of a kind of face.

    Args:
        parts: FACS code -> the actions that make it up.
        jaw_drop_of_au26: how low the strongest relaxed jaw (AU26) is, as a share of the stretched one (AU27).
        faces: what shows them, for messages: "drawn faces".
    """

    parts: Mapping[str, tuple[str, ...]]
    jaw_drop_of_au26: float
    faces: str

    def strength_of(self, actions: Mapping[str, float], code: str) -> float:
        """The strength 0..1 of a FACS unit, of one side of it, or of a FEAFA value.

        Raises:
            ValueError: these faces cannot show the unit.
        """
        if code.startswith("feafa_"):
            return self._feafa_strength(actions, int(code[6:8]))
        if code in self.parts:
            return max(actions[part] for part in self.parts[code])
        if code in actions:
            return actions[code]
        raise ValueError(f"{self.faces} cannot show {code}; they show {', '.join(self.parts)} and FEAFA's 24")

    def _feafa_strength(self, actions: Mapping[str, float], number: int) -> float:
        match number:
            case 7 | 8:  # left and right brow
                side = "LR"[number - 7]
                return (actions["AU1" + side] + actions["AU2" + side]) / 2
            case 9:
                return max(self.jaw_drop_of_au26 * actions["AU26"], actions["AU27"])
            case 19 | 20 | 23 | 24:
                return max(actions[part] for part in self.parts[_FEAFA_ACTIONS[number]])
        return actions[_FEAFA_ACTIONS[number]]

    def values_of(self, actions: Mapping[str, float], protocol: Protocol) -> dict[str, int | float]:
        """The protocol's values of a face: code -> 0/1, 0..5 or 0.00..1.00 by the protocol's scale.

        Args:
            actions: every action with its strength 0..1.

        Raises:
            ValueError: the protocol has a unit that these faces cannot show.
        """
        strengths = {code: self.strength_of(actions, code) for code in protocol.units}
        if protocol.scale == CONTINUOUS:
            return {code: round(strength, 2) for code, strength in strengths.items()}
        levels = {code: level_of(strength) for code, strength in strengths.items()}
        if protocol.scale == INTENSITY:
            return levels
        return {code: int(level >= protocol.occurrence_threshold) for code, level in levels.items()}


# FEAFA's number, from 1 -> its counterpart. Brow raise (7, 8) and jaw drop (9) are formulas.
_FEAFA_ACTIONS = {
    **{1: "AU43L", 2: "AU43R", 3: "AU5L", 4: "AU5R", 5: "AU4L", 6: "AU4R", 10: "AD30L", 11: "AD30R"},
    **{12: "AU12L", 13: "AU12R", 14: "AU20L", 15: "AU20R", 16: "AU28U", 17: "AU28L", 18: "AD29", 19: "AU10"},
    **{20: "AU16", 21: "AU17", 22: "AU18", 23: "AD34", 24: "AU9"},
}
