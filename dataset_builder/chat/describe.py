"""Active muscles in words: a question about listed units and an answer from the FACS table, never a word on feelings.

Conventions
    active      `Scale.is_active`: occurrence 1, level A (trace) or more, a continuous value of 0.10 or more.
    asked       The question lists the units that are coded and the answer speaks of no others.
    letters     A to E with their words (trace, slight, marked, severe, maximum) where intensity is asked; a share with two
                decimals where a continuous value is.
    muscles     as the table gives them for FACS units. FEAFA's units have names only: their FACS counterparts are inferred.
    sides       a unit that the corpus codes on one side is said to act on that side.
"""

import re
from collections.abc import Mapping

from aullava.action_units import (
    FEAFA_UNITS,
    INTENSITY,
    INTENSITY_LETTERS,
    SCALES,
    Protocol,
    canonical_code,
    format_value,
    unit,
)

INTENSITY_WORDS = {
    1: "trace",
    2: "slight",
    3: "marked",
    4: "severe",
    5: "maximum",
}  # FACS; C and D have a second word each
NOTHING_ACTIVE = "No coded action unit is active."

_MUSCLES, _CHANGES = "muscles", "changes"
# Each question fixes how its answer is written, so that the answer follows from image and question alone.
_QUESTIONS = (
    ("Describe the facial muscles that act in this face.", _MUSCLES, "; "),
    ("Which facial muscles are at work here? Go through the coded action units.", _MUSCLES, "; "),
    ("List the active action units and the muscles behind them, one a line.", _MUSCLES, "\n"),
    ("Which action units are active, and what does each change in the face?", _CHANGES, "; "),
    ("Write one line for each active action unit: its name and the change that it makes.", _CHANGES, "\n"),
)
DESCRIPTION_WORDINGS = len(_QUESTIONS)


def description_question(protocol: Protocol, wording: int) -> str:
    """The question about the units of a protocol that asks for words.

    Raises:
        ValueError: wording is not 0 to DESCRIPTION_WORDINGS - 1.
    """
    if not 0 <= wording < DESCRIPTION_WORDINGS:
        raise ValueError(f"wording is {wording}: expected 0 to {DESCRIPTION_WORDINGS - 1}")
    units = ", ".join(unit(code).key for code in protocol.units)
    return f"{_QUESTIONS[wording][0]}{SCALES[protocol.scale].description}\nCoded action units: {units}."


def describe(values: Mapping[str, float], scale: str, sides: str = "", wording: int = 0) -> str:
    """The answer to `description_question`: the active units in words.

    Args:
        values: code -> value on the scale, of the units asked and in their order.
        scale: of the values.
        sides: one-sided codes, as in a row.
        wording: that of the question.
    """
    _, told, separator = _QUESTIONS[wording]
    one_sided = sides_of(sides)
    items = [_item(code, values[code], scale, one_sided.get(code, ""), told) for code in active_units(values, scale)]
    return separator.join(items) + ("." if items else NOTHING_ACTIVE)


def active_units(values: Mapping[str, float], scale: str) -> list[str]:
    """The units that a description names. AU0, the neutral face, is the absence of all others, and never among them."""
    return [code for code, value in values.items() if code != "AU0" and SCALES[scale].is_active(value)]


def sides_of(sides: str) -> dict[str, str]:
    """Code -> "left" or "right" of the units that act on one side only: "R12 L14" gives AU12 right, AU14 left.

    A unit that is named with both sides acts on both, so it is left out.
    """
    found: dict[str, set[str]] = {}
    for letter, number in re.findall(r"(?<![A-Za-z])([LR])\s?(\d+)", sides, re.IGNORECASE):
        try:
            found.setdefault(canonical_code(number), set()).add({"L": "left", "R": "right"}[letter.upper()])
        except ValueError:
            continue  # a number that the table does not hold has no value column, so it is never described
    return {code: next(iter(named)) for code, named in found.items() if len(named) == 1}


def _item(code: str, value: float, scale: str, side: str, told: str) -> str:
    """ "AU12 lip corner puller, slight (B), right side: zygomaticus major"."""
    found = unit(code)
    feafa = code in FEAFA_UNITS
    parts = [found.key if feafa else f"{found.key} {found.name.lower()}"]
    if scale == INTENSITY:
        parts.append(f"{INTENSITY_WORDS[int(value)]} ({INTENSITY_LETTERS[int(value)]})")
    elif SCALES[scale].is_graded:
        parts.append(format_value(value, scale))
    if side:
        parts.append(f"{side} side")
    detail = "" if feafa and told == _MUSCLES else (found.change if told == _CHANGES else found.muscle)
    return ", ".join(parts) + (f": {detail}" if detail else "")
