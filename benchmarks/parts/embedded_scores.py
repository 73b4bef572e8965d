"""How well drawn faces are read, in the figures that the embedded checkpoint and its peers are compared by. Pure NumPy.

Conventions
    f1_bp4d12     mean over BP4D's 12 units of F1 of the positive class, P(present) >= 0.5.
    f1_disfa8     the same of level >= 2 on DISFA's 8 benchmark units, P(level >= 2) >= 0.5.
    min_au_f1     the lowest of these 20 F1.
    icc_disfa12   mean ICC(3,1) over DISFA's 12 units, of expected levels.
    mae_disfa12   mean absolute error over the same units, in levels, of median ones.
    mae_feafa24   mean absolute error over FEAFA's 24 values, each 0 to 1.
    side_correct  of the faces where the two sides of a pair differ by more than 0.3, the share whose stronger side the reading
                  names, by expected values (a median is 0 on both sides until one is more likely than not). Equal values name none.
                  min_side_correct: the lowest of the pairs.
    undetermined  a value that could not be read is NaN. It counts as a wrong decision, the largest error possible, the wrong side;
                  ICC leaves it out. `undetermined` counts the values.
    undefined     a unit that is never present, or a pair whose sides never differ enough, has NaN, is left out of the mean and the
                  minimum, and is counted in `undefined`.
Suffixes: N faces, U units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aullava.action_units import AU_LISTS, PROTOCOLS, canonical_code
from aullava.metrics.au_detection.scores import occurrence, score_detection
from aullava.metrics.au_intensity.scores import score_intensity

BP4D, DISFA, FEAFA = (PROTOCOLS[name] for name in ("bp4d", "disfa", "feafa"))
DISFA_8 = [DISFA.units.index(canonical_code(number)) for number in AU_LISTS["disfa_8"]]
PRESENT_LEVEL = DISFA.occurrence_threshold
ASYMMETRIC = 0.3


@dataclass(frozen=True)
class Truth:
    """Labels: `bp4d_NU` 0 or 1, `disfa_NU` levels 0 to 5, `feafa_NU` 0 to 1; columns as in the protocols."""

    bp4d_NU: np.ndarray
    disfa_NU: np.ndarray
    feafa_NU: np.ndarray


@dataclass(frozen=True)
class Reading:
    """What a model says of the same faces; NaN where it could not say.

    Args:
        present_bp4d_NU: P(present), or decisions 0 and 1.
        present_disfa_NU: P(level >= 2) of all 12 units.
        expected_disfa_NU: expected levels, for ICC.
        level_disfa_NU: median levels, for the error.
        feafa_NU: median values, for the error.
        expected_feafa_NU: expected values, for the side.
    """

    present_bp4d_NU: np.ndarray
    present_disfa_NU: np.ndarray
    expected_disfa_NU: np.ndarray
    level_disfa_NU: np.ndarray
    feafa_NU: np.ndarray
    expected_feafa_NU: np.ndarray


def truth_of(values: Sequence[Mapping[str, Mapping[str, float]]]) -> Truth:
    """Labels of faces, each given as protocol name -> unit -> value."""
    return Truth(*(np.array([[v[p.name][u] for u in p.units] for v in values], float) for p in (BP4D, DISFA, FEAFA)))


def constant_reading(faces: int, value: float) -> Reading:
    """The reading that says `value` of everything: 1 is "all present", 0 "all at rest"."""
    columns = (BP4D, DISFA, DISFA, DISFA, FEAFA, FEAFA)
    return Reading(*(np.full((faces, len(protocol.units)), float(value)) for protocol in columns))


def embedded_scores(truth: Truth, reading: Reading) -> dict[str, float]:
    """Every figure of the conventions on top, then those of single units and pairs. Each name -> figure."""
    occurrences = score_detection(truth.bp4d_NU, reading.present_bp4d_NU)["f1_undetermined_wrong"]
    eight_NU = occurrence(truth.disfa_NU[:, DISFA_8], PRESENT_LEVEL)
    strong = score_detection(eight_NU, reading.present_disfa_NU[:, DISFA_8])["f1_undetermined_wrong"]
    icc = score_intensity(truth.disfa_NU, reading.expected_disfa_NU)["icc_3_1"]
    level_error = score_intensity(truth.disfa_NU, reading.level_disfa_NU)["mae_undetermined_worst"]
    error = score_intensity(truth.feafa_NU, reading.feafa_NU, "continuous")["mae_undetermined_worst"]
    sides = side_correct(truth.feafa_NU, reading.expected_feafa_NU)
    side_shares = np.array(list(sides.values()))
    answers = (reading.present_bp4d_NU, reading.level_disfa_NU, reading.feafa_NU)
    figures = {
        "f1_bp4d12": _mean(occurrences),
        "f1_disfa8": _mean(strong),
        "min_au_f1": _lowest(np.concatenate((occurrences, strong))),
        "icc_disfa12": _mean(icc),
        "mae_disfa12": _mean(level_error),
        "mae_feafa24": _mean(error),
        "min_side_correct": _lowest(side_shares),
        "undetermined": sum(int(np.isnan(part).sum()) for part in answers),
        "undefined": sum(int(np.isnan(part).sum()) for part in (occurrences, strong, icc, side_shares)),
    }
    eight = [DISFA.units[place] for place in DISFA_8]
    per_unit = {
        **_named("f1_bp4d", BP4D.units, occurrences),
        **_named("f1_disfa", eight, strong),
        **_named("icc_disfa", DISFA.units, icc),
        **_named("mae", FEAFA.units, error),
        **_named("side_correct", sides, side_shares),
    }
    return figures | per_unit


def side_correct(truth_NU: np.ndarray, said_NU: np.ndarray) -> dict[str, float]:
    """Share of asymmetric faces whose stronger side was named, for each left-right pair of FEAFA; NaN where there are none.

    Returns:
        pair -> share; a pair is called as its left unit without the side, such as "eye_close".
    """
    shares = {}
    for left, right in FEAFA.flip_pairs:
        columns = [FEAFA.units.index(left), FEAFA.units.index(right)]
        gap_N, said_gap_N = (-np.diff(values[:, columns])[:, 0] for values in (truth_NU, said_NU))
        asked = np.abs(gap_N) > ASYMMETRIC
        named = np.sign(said_gap_N[asked]) == np.sign(gap_N[asked])  # False where NaN
        shares["_".join(part for part in left.split("_")[2:] if part != "left")] = _mean(named.astype(float))
    return shares


def _named(prefix: str, names, values: np.ndarray) -> dict[str, float]:
    return {f"{prefix}_{name}": float(value) for name, value in zip(names, values, strict=True)}


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _lowest(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.min()) if known.size else float("nan")
