"""Whether the three formats (occurrence, intensity, continuous) agree about a face.

Conventions
    decision    of a format about a unit of a face: present or not. Occurrence: P(present) >= 0.5. Intensity: P(level >= t) >= 0.5.
                Continuous: P(value >= v) >= 0.5, where v is the least of the 101 values whose level (`action_units.level_of`) is
                t: 0.30 for t = 2. That is, the median is compared. t is the protocol's `occurrence_threshold`.
    FEAFA       a FEAFA value speaks about the FACS unit that is its one counterpart, two sides together: present where either
                is. Brow raise (AU1 and AU2) and jaw drop (AU26 or AU27) have no single one and are left out. For drawn faces the
                counterparts hold by construction (synthetic/drawn/labels.py); for people they are inferred.
    rounding    a drawn strength of 0.296 is level 1 but 0.30 in hundredths, so the truth itself does not agree to 100%: give
                `agreement` the labels to see by how much.
    share       of the (face, unit) that two formats or more decide, those in which all of them agree. A value that a format left
                undetermined counts as disagreement, and in `undetermined`.
Suffixes: N faces, U units, V values of a scale.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from aullava.action_units import FEAFA_UNITS, Protocol, value_of, value_strings

Decisions = dict[str, np.ndarray]  # FACS code -> (N,) 1, 0, or NaN where undetermined


@dataclass(frozen=True)
class Agreement:
    """How often the formats agree.

    Attributes:
        share: of all (face, unit) that two formats or more decide; NaN if there are none.
        units: FACS code -> the same of one unit.
        pairs: (format, format) -> share of the (face, unit) that both decide.
        decisions: how many (face, unit) there were. undetermined: in how many a format could not say.
    """

    share: float
    units: dict[str, float]
    pairs: dict[tuple[str, str], float]
    decisions: int
    undetermined: int


def present_probability(distribution_NUV: np.ndarray, protocol: Protocol) -> np.ndarray:
    """(N, U) probability that the value counts as present; NaN where the distribution is not known."""
    return np.asarray(distribution_NUV, float)[..., protocol.first_present :].sum(-1).clip(max=1)


def present_label(truth_NU: np.ndarray, protocol: Protocol) -> np.ndarray:
    """(N, U) labels of the protocol as 1, 0, or NaN where not coded."""
    least = value_of(value_strings(protocol.scale)[protocol.first_present], protocol.scale)
    truth_NU = np.asarray(truth_NU, float)
    return np.where(np.isnan(truth_NU), np.nan, truth_NU >= least)


def decisions_of(probability_NU: np.ndarray, protocol: Protocol) -> Decisions:
    """FACS code -> decisions, from P(present) of the protocol's units (or from labels 0 and 1)."""
    present_NU = np.where(np.isnan(probability_NU), np.nan, probability_NU >= 0.5)
    columns: dict[str, list[np.ndarray]] = {}
    for column_N, code in zip(present_NU.T, protocol.units, strict=True):
        if (facs := facs_of(code)) is not None:
            columns.setdefault(facs, []).append(column_N)
    return {code: np.maximum.reduce(parts) for code, parts in columns.items()}  # NaN if either side is


def facs_of(code: str) -> str | None:
    """The one FACS unit that a unit speaks about: itself, or that of a FEAFA value; None where there is no single one.

    >>> facs_of("AU12"), facs_of("feafa_12_left_lip_corner_pull"), facs_of("feafa_07_left_brow_raise")
    ('AU12', 'AU12', None)
    """
    if code not in FEAFA_UNITS:
        return code
    counterpart = FEAFA_UNITS[code].facs
    return counterpart if re.fullmatch(r"A[UD]\d+", counterpart) else None


def agreement(formats: Mapping[str, Decisions]) -> Agreement:
    """How often formats agree about the same faces.

    Args:
        formats: name -> decisions; faces in the same order.

    Raises:
        ValueError: fewer than two formats, no unit that two of them decide, or other numbers of faces.
    """
    by_unit: dict[str, dict[str, np.ndarray]] = {}
    for name, decisions in formats.items():
        for code, column_N in decisions.items():
            by_unit.setdefault(code, {})[name] = np.asarray(column_N, float)
    by_unit = {code: columns for code, columns in by_unit.items() if len(columns) > 1}
    lengths = {len(column_N) for columns in by_unit.values() for column_N in columns.values()}
    if not by_unit or len(lengths) != 1:
        found = f"{sorted(lengths)} faces" if by_unit else "no unit in common"
        raise ValueError(
            f"formats {', '.join(formats) or 'none'} have {found}: expected two or more about the same faces"
        )
    same = {code: _same(np.stack([*columns.values()])) for code, columns in by_unit.items()}
    pairs = {}
    for pair in combinations(formats, 2):
        shared = [np.stack([columns[name] for name in pair]) for columns in by_unit.values() if {*pair} <= {*columns}]
        if shared:
            pairs[pair] = float(np.concatenate([_same(both) for both in shared]).mean())
    unread = sum(int(np.isnan(np.stack([*columns.values()])).any(0).sum()) for columns in by_unit.values())
    every = np.concatenate([*same.values()])
    return Agreement(
        float(every.mean()) if every.size else float("nan"),
        {code: float(column.mean()) if column.size else float("nan") for code, column in same.items()},
        pairs,
        every.size,
        unread,
    )


def _same(decisions_FN: np.ndarray) -> np.ndarray:
    """(N,) whether all formats say the same; NaN equals nothing."""
    return (decisions_FN == decisions_FN[0]).all(0)
