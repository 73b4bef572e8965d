"""Scores of predictions: per unit, averaged in each way that papers average, with intervals over subjects.

Conventions
    views       what is scored. Occurrence: `present`. Intensity: `level`, the answered one; `expected`, the mean of the
                distribution; `present`, the level against the protocol's threshold. Continuous: `value` and `expected`.
    present     P(present) against 0.5 or the unit's calibrated threshold on the occurrence scale. In mode "generate" there are
                no probabilities: the answer is scored as a decision, and curves and calibration errors mean little.
    headline    F1 where presence is scored, with undetermined answers as wrong decisions; else ICC(3,1), and MAE beside it.
    averages    `pooled` frames; with folds also `mean_over_folds`. Each with the mean over supported units and with missing as
                zero, and undefined scores counted. See metrics/*/scores.py and averages.py for every rule.
    intervals   95%, subjects resampled (metrics/bootstrap.py), of the pooled headline: each unit, and last the mean over
                supported units.
Suffixes: N rows, U units.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aullava.action_units import OCCURRENCE, SCALES
from aullava.evaluation.agreement import present_label
from aullava.evaluation.predictions import Predictions
from aullava.metrics.au_detection import scores as detection
from aullava.metrics.au_detection.averages import report
from aullava.metrics.au_intensity import scores as intensity
from aullava.metrics.bootstrap import Intervals, subject_bootstrap

PRESENT, EXPECTED = "present", "expected"
HEADLINES = {PRESENT: ("f1_undetermined_wrong",)}
_OF_NUMBERS = ("icc_3_1", "mae")
_ALL = "all"


@dataclass(frozen=True)
class View:
    """Labels and answers (N, U) to be scored against each other.

    Attributes:
        name: see the conventions. scale: of the labels.
        threshold_U: from which P(present) on counts as present; None for levels and values.
    """

    name: str
    scale: str
    truth_NU: np.ndarray
    said_NU: np.ndarray
    threshold_U: np.ndarray | None = None

    @property
    def headlines(self) -> tuple[str, ...]:
        """Names of the headline scores."""
        return HEADLINES.get(self.name, _OF_NUMBERS)


@dataclass(frozen=True)
class Scored:
    """Scores of a view: as `averages.report` gives them, and the intervals of each headline, units and then their mean."""

    view: View
    result: dict
    intervals: dict[str, Intervals]


def views(predictions: Predictions, thresholds: Mapping[str, float] | None = None) -> list[View]:
    """The views of a protocol's predictions.

    Args:
        thresholds: code -> threshold on P(present), of an occurrence protocol; 0.5 for units without one.
    """
    protocol, truth_NU = predictions.protocol, predictions.truth_NU
    numbers, scale = [], SCALES[protocol.scale]
    if scale.is_graded:
        name = "level" if scale.has_levels else "value"
        numbers.append(View(name, protocol.scale, truth_NU, predictions.value_NU))
        if not np.isnan(predictions.expected_NU).all():
            numbers.append(View(EXPECTED, protocol.scale, truth_NU, predictions.expected_NU))
    if not scale.has_levels:
        return numbers
    written = predictions.mode == "generate"
    said_NU = present_label(predictions.value_NU, protocol) if written else predictions.probability_NU
    chosen = {} if written or thresholds is None else thresholds
    threshold_U = np.array([chosen.get(code, 0.5) for code in protocol.units])
    return [*numbers, View(PRESENT, OCCURRENCE, present_label(truth_NU, protocol), said_NU, threshold_U)]


def score(
    view: View,
    predictions: Predictions,
    draws: int = 1000,
    convention: str = "strict",
) -> Scored:
    """All scores of a view.

    Args:
        predictions: whose units, subjects and folds.
        draws: of the bootstrap; 0: no intervals.
        convention: of detection scores, "strict" or "published".
    """
    units, folds = predictions.protocol.units, predictions.folds or None
    if view.name == PRESENT:
        truth_NU, said_NU = detection.checked(view.truth_NU, view.said_NU)
        result = report(
            lambda truth, said: detection.score_detection(truth, said, view.threshold_U, convention=convention),
            truth_NU,
            said_NU,
            units,
            folds,
            counts=detection.COUNTS,
            errors=detection.ERRORS,
        )
    else:
        truth_NU, said_NU = intensity.checked(view.truth_NU, view.said_NU, view.scale)
        result = report(
            lambda truth, said: intensity.score_intensity(truth, said, view.scale),
            truth_NU,
            said_NU,
            units,
            folds,
            counts=intensity.COUNTS,
            errors=intensity.ERRORS,
        )
    found = {name: _intervals(view, name, predictions.subjects, draws) for name in view.headlines} if draws else {}
    return Scored(view, result, found)


def _intervals(view: View, headline: str, subjects: tuple[str, ...], draws: int) -> Intervals:
    """Of each unit, then of the mean over supported units. One score a draw, since a draw needs no other."""

    def of_unit(truth_N: np.ndarray, said_N: np.ndarray, u: int) -> float:
        if headline == "f1_undetermined_wrong":
            coded = ~np.isnan(truth_N)
            positive, present = truth_N[coded] == 1, said_N[coded] >= view.threshold_U[u]
            wrong = np.isnan(said_N[coded])  # an undetermined answer is the opposite of its label
            return detection.f1(*detection.confusion(positive, np.where(wrong, ~positive, present)))
        known = ~(np.isnan(truth_N) | np.isnan(said_N))
        truth_N, said_N = truth_N[known], said_N[known]
        return (
            intensity.icc_3_1(truth_N, said_N) if headline == "icc_3_1" else intensity.mean(np.abs(truth_N - said_N))
        )

    columns = [(view.truth_NU[:, u], view.said_NU[:, u], u) for u in range(view.truth_NU.shape[1])]

    def scores(rows: np.ndarray) -> np.ndarray:
        found = np.array([of_unit(truth_N[rows], said_N[rows], u) for truth_N, said_N, u in columns])
        return np.append(found, np.nanmean(found) if not np.isnan(found).all() else np.nan)

    return subject_bootstrap(scores, subjects, draws)
