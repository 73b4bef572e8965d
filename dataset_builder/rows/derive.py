"""Values of a row on the scale that is asked: the corpus's own where it codes it, else derived by the rules below.

Conventions
    own first     A unit coded on the scale asked keeps that value as it is, also where another scale would say otherwise.
    downward      continuous -> intensity -> occurrence. Nothing is derived upward: present or absent does not tell how strong,
                  a level does not tell hundredths. Such a value is NaN.
    intensity     from continuous: the level of `action_units.level_of` (five times the value, rounded half up; A begins at 0.10).
    occurrence    from intensity: 1 where the level is `Protocol.occurrence_threshold` or more; from continuous: by way of the
                  level. A fractional intensity (an OpenFace table: 1.6) is rounded half up to its level before it is compared,
                  so that what is said of one face in two scales agrees: 1.6 is level 2, and present at threshold 2.
    same unit     A value is derived from the unit's own values only: FEAFA's units are never read as FACS units or back, since
                  that mapping is inferred.
    float32       Columns are float32, which holds 0.7 as 0.69999999. Values are read with six decimals, in a row and out of it,
                  so that a level does not depend on the way a value has come.
    NaN           not coded; stays NaN on every scale. None in a row is read as NaN.
"""

import math
from collections.abc import Mapping
from functools import cache

from aullava.action_units import (
    ACTION_UNITS,
    FEAFA_UNITS,
    INTENSITY,
    PROTOCOLS,
    SCALES,
    Protocol,
)
from aullava.dataset_builder.rows.schema import Units, value_columns

Values = Mapping[str, Mapping[str, float | None]]  # scale -> unit code -> value

_DECIMALS = 6
VOCABULARIES = (tuple(ACTION_UNITS), tuple(FEAFA_UNITS))  # each in the order in which its units are asked


def is_missing(value: float | None) -> bool:
    """Whether a value says "not coded"."""
    return value is None or math.isnan(value)


@cache
def known_columns() -> dict[str, tuple[str, str]]:
    """Column -> (scale, code) of every unit on every scale."""
    codes = tuple(code for vocabulary in VOCABULARIES for code in vocabulary)
    return value_columns(dict.fromkeys(SCALES, codes))


def values_from_columns(row: Mapping[str, object]) -> dict[str, dict[str, float]]:
    """The value columns of a row as scale -> code -> value; scales without a column are left out.

    Values have the six decimals that float32 holds: 0.7 again, not 0.69999999.
    """
    values: dict[str, dict[str, float]] = {}
    for column, number in row.items():
        if column in known_columns():
            scale, code = known_columns()[column]
            values.setdefault(scale, {})[code] = math.nan if is_missing(number) else round(float(number), _DECIMALS)
    return values


def intensity_level(intensity: float) -> int:
    """Level 0 to 5 of an intensity that may have a fraction, rounded half up."""
    return math.floor(round(intensity, _DECIMALS) + 0.5)


def answerable(value: float, scale: str) -> float:
    """A coded value as an answer can hold it: on a graded scale of whole numbers it is rounded half up."""
    whole = SCALES[scale].is_graded and not SCALES[scale].decimals
    return intensity_level(value) if whole else value


def as_protocol(values: Values, protocol: Protocol) -> dict[str, float]:
    """The value of each unit of a protocol, on its scale; NaN where it is neither coded nor can be derived.

    Args:
        values: scale -> code -> value, as `FrameRecord.values` or `values_from_columns` give them.
        protocol: what is asked.

    Raises:
        ValueError: a value from which another is derived lies outside its scale.
    """
    return {code: _value(values, code, protocol) for code in protocol.units}


def _value(values: Values, code: str, protocol: Protocol) -> float:
    own = values.get(protocol.scale, {}).get(code)
    if not is_missing(own):
        return own
    level = _level(values, code)
    if not SCALES[protocol.scale].is_graded and not math.isnan(level):
        return float(level >= protocol.occurrence_threshold)
    return level if protocol.scale == INTENSITY else math.nan


def _level(values: Values, code: str) -> float:
    """Level of a unit from its value on the first graded scale that has one, intensity before continuous; else NaN."""
    for name, scale in SCALES.items():
        found = values.get(name, {}).get(code)
        if not scale.is_graded or is_missing(found):
            continue
        if not 0 <= round(found, _DECIMALS) <= scale.highest:
            raise ValueError(f"{code} has {name} {found}: expected a number from 0 to {scale.highest}, or NaN")
        return float(scale.level(found))
    return math.nan


def protocols_of(
    units: Units, scale: str, derived: bool = True, occurrence_threshold: int = 2
) -> tuple[Protocol, ...]:
    """Protocols over all units that a corpus, or a row, can give on a scale, in canonical order.

    Args:
        units: scale -> codes that are coded.
        scale: the one that is asked.
        derived: whether units that can only be derived count as well.
        occurrence_threshold: the level from which a derived occurrence is 1.

    Returns:
        One protocol for the FACS units and one for FEAFA's, whose names overlap; none where there is nothing to ask. One with
        the units of a protocol of the field has its name, others are called "custom".
    """
    coded = set(units.get(scale, ()))
    if derived:
        coded = coded.union(*(units.get(richer, ()) for richer in list(SCALES)[list(SCALES).index(scale) :]))
    lists = [tuple(code for code in vocabulary if code in coded) for vocabulary in VOCABULARIES]
    return tuple(
        Protocol(_name_of(codes, scale, occurrence_threshold), codes, scale, occurrence_threshold)
        for codes in lists
        if codes
    )


def protocol_of(units: Units, scale: str, derived: bool = True, occurrence_threshold: int = 2) -> Protocol:
    """The one protocol of `protocols_of`.

    Raises:
        ValueError: there is none, or FACS units and FEAFA's need one each.
    """
    found = protocols_of(units, scale, derived, occurrence_threshold)
    if len(found) != 1:
        coded = "; ".join(f"{name}: {', '.join(codes)}" for name, codes in units.items()) or "nothing"
        what = "FACS units and FEAFA's units, which need a protocol each" if found else "no unit that it can give"
        raise ValueError(f"scale {scale!r} of what is coded ({coded}) has {what}; expected one kind of units")
    return found[0]


@cache
def _name_of(codes: tuple[str, ...], scale: str, threshold: int) -> str:
    same = (n for n, p in PROTOCOLS.items() if (p.units, p.scale, p.occurrence_threshold) == (codes, scale, threshold))
    return next(same, "custom")
