"""Scores of action unit intensities and continuous values, pure NumPy. Suffixes: N frames, U units.

Conventions
    scale         "intensity": levels 0 to 5, where 1 to 5 are the FACS letters A to E. "continuous": 0 to 1, as FEAFA has it.
    labels        a number on the scale, NaN not coded: the frame is left out for that unit only.
    predictions   any finite number: an expected level may lie between two levels, a regressor may leave the scale. Nothing is
                  rounded or clipped. NaN: undetermined (an answer that could not be read).
    undetermined  left out of every score and counted; `mae_undetermined_worst` counts each with the largest error that an
                  answer on the scale could have made instead, so that no model gains by not answering.
    undefined     NaN. Errors need one frame; ICC, PCC and CCC two frames and labels that differ, PCC also predictions that differ.
    per unit      every score is computed from all frames of a unit at once (never averaged over batches), then averaged over units.
                  So the average RMSE is the mean of roots, not the root of a mean.
Averages are in `averages.py`. An error has no average that takes missing as zero: there 0 would be the best score.
"""

import numpy as np

from .averages import Table, frames_by_units, refuse

COUNTS = ("frames", "active", "not_coded", "undetermined")
ERRORS = ("mae", "mae_undetermined_worst", "mse", "rmse")
HIGHEST = {"intensity": 5.0, "continuous": 1.0}


def checked(labels, predictions, scale: str = "intensity") -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions as (N, U) floats. Raises: ValueError for an unknown scale, or naming the first label outside it."""
    if scale not in HIGHEST:
        raise ValueError(f"scale is {scale!r}, expected one of {', '.join(HIGHEST)}")
    truth_NU, prediction_NU = frames_by_units(labels, "references"), frames_by_units(predictions, "predictions")
    refuse(
        (truth_NU < 0) | (truth_NU > HIGHEST[scale]),
        truth_NU,
        "references",
        f"0 to {HIGHEST[scale]:g} on the scale {scale!r}, or NaN where the unit was not coded (9 in BP4D)",
    )
    return truth_NU, prediction_NU


def score_intensity(truth_NU: np.ndarray, prediction_NU: np.ndarray, scale: str = "intensity") -> Table:
    """All scores and counts, each (U,), of checked labels and predictions; the conventions stand on top of this file."""
    columns = [_score_unit(truth_NU[:, u], prediction_NU[:, u], HIGHEST[scale]) for u in range(truth_NU.shape[1])]
    return {name: np.array([column[name] for column in columns]) for name in columns[0]}


def _score_unit(truth_N: np.ndarray, prediction_N: np.ndarray, highest: float) -> dict[str, float]:
    coded = ~np.isnan(truth_N)
    truth_N, prediction_N = truth_N[coded], prediction_N[coded]
    known = ~np.isnan(prediction_N)
    worst_N = np.maximum(truth_N, highest - truth_N)
    error_N = np.where(known, np.abs(truth_N - prediction_N), worst_N)
    squared = mean(error_N[known] ** 2)
    pair = truth_N[known], prediction_N[known]
    return {
        "icc_3_1": icc_3_1(*pair),
        "pcc": pearson(*pair),
        "ccc": concordance(*pair),
        "mae": mean(error_N[known]),
        "mae_undetermined_worst": mean(error_N),
        "mse": squared,
        "rmse": float(np.sqrt(squared)),
        "frames": len(truth_N),
        "active": int((truth_N > 0).sum()),
        "not_coded": int((~coded).sum()),
        "undetermined": int((~known).sum()),
    }


def mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def differ(values: np.ndarray) -> bool:
    return values.size > 1 and values.min() < values.max()


def icc_3_1(truth_N: np.ndarray, prediction_N: np.ndarray) -> float:
    """ICC(3,1) of Shrout and Fleiss (1979): consistency of two fixed raters, label and prediction, one rating each.

    (BMS - EMS) / (BMS + (k - 1) EMS) with k = 2, BMS the mean square between frames and EMS the residual mean square of a two-way
    analysis of variance without replication. From -1 to 1. It is consistency, not absolute agreement: a constant offset of all
    predictions costs nothing (it does in CCC). With two raters it is 2 cov / (var + var), so answers of too small or too large a
    spread lose, and a constant answer has 0. NaN unless the labels differ.

    >>> icc_3_1(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    1.0
    >>> icc_3_1(np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4))
    0.0
    """
    if not differ(truth_N):
        return np.nan
    raters, freedom = 2, len(truth_N) - 1
    middle_N = (truth_N + prediction_N) / raters
    gap_N = truth_N - prediction_N
    between = raters * ((middle_N - middle_N.mean()) ** 2).sum() / freedom
    residual = ((gap_N - gap_N.mean()) ** 2).sum() / 2 / (freedom * (raters - 1))
    return float((between - residual) / (between + (raters - 1) * residual))


def pearson(truth_N: np.ndarray, prediction_N: np.ndarray) -> float:
    """Pearson's correlation, from -1 to 1; blind to offset and scale. NaN unless labels and predictions both differ.

    >>> round(pearson(np.array([0.0, 1.0, 2.0]), np.array([0.0, 10.0, 20.0])), 12)
    1.0
    """
    if not differ(truth_N) or not differ(prediction_N):
        return np.nan
    truth_N, prediction_N = truth_N - truth_N.mean(), prediction_N - prediction_N.mean()
    # Each is divided by its own length: a product of the two sums of squares could underflow to 0.
    return float((truth_N / np.linalg.norm(truth_N)) @ (prediction_N / np.linalg.norm(prediction_N)))


def concordance(truth_N: np.ndarray, prediction_N: np.ndarray) -> float:
    """Concordance correlation of Lin (1989), 2 cov / (var + var + (mean - mean)^2), from -1 to 1; offset and scale both count.

    Variances and covariance are divided by N. NaN unless the labels differ.

    >>> concordance(np.array([0.0, 2.0]), np.array([1.0, 3.0]))
    0.6666666666666666
    """
    if not differ(truth_N):
        return np.nan
    covariance = ((truth_N - truth_N.mean()) * (prediction_N - prediction_N.mean())).mean()
    return float(2 * covariance / (truth_N.var() + prediction_N.var() + (truth_N.mean() - prediction_N.mean()) ** 2))
