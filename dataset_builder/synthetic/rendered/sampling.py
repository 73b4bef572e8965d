"""Which expressions are rendered: usual combinations, any unit as a guest, and enough of them on one side only.

Conventions
    present     intensity level 2 or more, strength >= 0.3.
    one-sided   present on one side, and not even a trace on the other.

A face begins with one of the combinations that people show (or none), and then takes guests: every unit is proposed with the
probability that leaves it on `least_share` of the faces after those that contradict others have gone. Corpora's own base rates
teach nothing about units that are rare in them; whoever wants such rates weighs or draws rows.
"""

from collections.abc import Mapping

import numpy as np

from aullava.dataset_builder.synthetic.rendered.actions import CONFLICTS, GAZE_CODES, PARTS, SIDED_CODES, resolve

MOST_UNITS = 7  # present at once; more are no expression
PRESENT_FROM = 0.3  # level 2 begins here
LEAST_SHARE, ONE_SIDED = 0.08, 0.36  # defaults of `draw_actions`
MOST_LEAST_SHARE = 0.12  # of so many units no more find room on one face
NEUTRAL_SHARE, COMBINATION_SHARE = 0.05, 0.45
TRACE_RATE, TRACE_RANGE = 0.06, (0.03, 0.22)  # absent units that still show a trace (level 0 or 1)
UNITS = tuple(unit for unit in PARTS if unit not in GAZE_CODES)

# Units that go together: those said to show an emotion, and what talking, chewing or doubt look like. Each with its weight, the
# units that always are in it, and those that are at even odds.
_COMBINATIONS = (
    (3.0, ("AU12",), ("AU6", "AU25", "AU7")),
    (2.5, ("AU6", "AU12", "AU25"), ("AU26", "AU10")),
    (1.5, ("AU1", "AU2"), ("AU5", "AU25", "AU26")),
    (1.0, ("AU1", "AU2", "AU5", "AU25"), ("AU26", "AU27", "AU20")),
    (1.5, ("AU4",), ("AU7", "AU24", "AU23", "AU5")),
    (1.2, ("AU9",), ("AU4", "AU10", "AU17", "AU25")),
    (1.2, ("AU10",), ("AU17", "AU25", "AU9")),
    (1.2, ("AU1", "AU4"), ("AU15", "AU17", "AU11")),
    (0.8, ("AU1", "AU2", "AU4"), ("AU5", "AU20", "AU25", "AU26")),
    (1.0, ("AU14",), ("AU17", "AU24", "AU12")),
    (1.0, ("AU15", "AU17"), ("AU24", "AU4")),
    (1.5, ("AU25",), ("AU26", "AU16", "AU10", "AU22")),
    (0.8, ("AU43",), ("AU4", "AU6", "AU7", "AU9")),
    (0.6, ("AU17",), ("AU24", "AU23", "AU15")),
)
# How often a unit must be proposed for each time that it stays: what contradictions cost it.
_PROPOSALS = {
    "AU24": 1.45,
    "AU23": 1.1,
    "AU28": 1.4,
    "AU18": 1.3,
    "AU22": 1.3,
    "AU27": 1.55,
    "AU26": 1.2,
    "AD34": 1.5,
    "AU13": 1.25,
    "AU16": 1.15,
    "AU11": 1.1,
    "AD29": 1.2,
    "AD30": 1.25,
}


def draw_actions(
    rng: np.random.Generator, least_share: float = LEAST_SHARE, one_sided: float = ONE_SIDED
) -> dict[str, float]:
    """Draw one expression: every action with its strength 0..1, physical; gaze is left at 0.

    Args:
        rng: the stream of this face's expression.
        least_share: share of faces, 0..0.12, that show any given unit at least; 0 leaves usual combinations only.
        one_sided: share of the faces with sided units, 0..1, on which some are shown on one side only.

    Raises:
        ValueError: a share out of its range.
    """
    if not 0.0 <= least_share <= MOST_LEAST_SHARE or not 0.0 <= one_sided <= 1.0:
        raise ValueError(
            f"least_share is {least_share!r} and one_sided {one_sided!r}; expected 0 to {MOST_LEAST_SHARE} and 0 to 1"
        )
    kind, which, sidedness = (float(value) for value in rng.uniform(size=3))
    proposed = rng.uniform(size=len(UNITS))
    order = rng.permutation(len(UNITS))
    strengths = rng.uniform(size=(len(UNITS), 4))
    weights = np.cumsum([weight for weight, _, _ in _COMBINATIONS])
    present: list[str] = []
    if kind < NEUTRAL_SHARE:
        guests: list[str] = []
    else:
        rate = {unit: least_share * _PROPOSALS.get(unit, 1.0) / (1 - NEUTRAL_SHARE) for unit in UNITS}
        guests = [UNITS[i] for i in order if proposed[i] < rate[UNITS[i]]]
        if kind < NEUTRAL_SHARE + COMBINATION_SHARE:
            _, always, maybe = _COMBINATIONS[int(np.searchsorted(weights, which * weights[-1], side="right"))]
            guests += [*always, *(unit for unit in maybe if strengths[UNITS.index(unit), 3] < 0.5)]
    for unit in guests:
        if (
            len(present) < MOST_UNITS
            and unit not in present
            and not any(_contradict(unit, other) for other in present)
        ):
            present.append(unit)
    actions: dict[str, float] = {}
    one_side = "LR"[int(2 * sidedness / one_sided)] if sidedness < one_sided else ""
    for index, unit in enumerate(UNITS):
        first, second, third, _ = (float(value) for value in strengths[index])
        if unit in present:
            lead = unit == next((name for name in present if name in SIDED_CODES), None)
            strength = PRESENT_FROM + (1 - PRESENT_FROM) * first
            actions |= _spread(unit, strength, one_side if lead or second < 0.6 else "", third)
        elif first < TRACE_RATE and not any(_contradict(unit, other) for other in present):
            trace = TRACE_RANGE[0] + (TRACE_RANGE[1] - TRACE_RANGE[0]) * second
            actions |= _spread(unit, trace, "", 1.0)
    return resolve({name: round(strength, 3) for name, strength in actions.items()})


def _spread(unit: str, strength: float, one_side: str, third: float) -> dict[str, float]:
    """A unit's strength on its parts; the strongest part has the unit's strength."""
    parts = PARTS[unit]
    if unit == "AD30":
        return {parts[int(third < 0.5)]: strength}
    if unit == "AU28":
        return dict.fromkeys(parts, strength) if third < 0.6 else {parts[int(third < 0.8)]: strength}
    if len(parts) == 1:
        return {unit: strength}
    if one_side:
        return {unit + one_side: strength}
    strong, weak = parts if third < 0.5 else parts[::-1]
    rest = abs(2 * third - 1)
    return {strong: strength, weak: strength * (1 - 0.3 * rest * (rest > 0.4))}


def one_sided_units(actions: Mapping[str, float]) -> tuple[str, ...]:
    """The units that are present on one side and absent on the other."""
    return tuple(
        code
        for code in SIDED_CODES
        if max(pair := (actions[code + "L"], actions[code + "R"])) >= PRESENT_FROM and min(pair) < 0.1
    )


_UNIT = {part: unit for unit, parts in PARTS.items() for part in parts}
_CONTRADICTIONS = frozenset(frozenset((_UNIT[a], _UNIT[b])) for a, b in CONFLICTS if _UNIT[a] != _UNIT[b])


def _contradict(one: str, other: str) -> bool:
    return frozenset((one, other)) in _CONTRADICTIONS
