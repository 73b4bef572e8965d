"""Scores of action unit occurrence, pure NumPy. Suffixes: N frames, U units, B bins.

Conventions
    labels        0 absent, 1 present, NaN not coded: the frame is left out for that unit only.
    predictions   P(present) from 0 to 1, or decisions 0 and 1. NaN: undetermined (an answer that could not be read).
    threshold     P >= threshold is present, 0.5 unless given, one for all units or one a unit.
    undetermined  left out of every score and counted; `f1_undetermined_wrong` counts each as a wrong decision instead (missed
                  where the label is 1, a false alarm where it is 0), so that no model gains by not answering.
    undefined     NaN. F1, its variants, precision, recall and average precision need a positive label among the frames scored,
                  precision also a positive decision; skew-normalised F1, balanced accuracy and ROC-AUC need both classes.
                  By the formula a unit that is never labelled would have F1 = 0 after one false alarm and none without: then a
                  single frame would decide whether the unit counts. So here the labels decide.
    published     option: F1, precision and recall are 0 where there is no true positive, and what was not determined counts as
                  absent, as in the evaluation code of JAA-Net, ME-GraphAU and EmoLA (their code was read).
Averages are in `averages.py`.
"""

import numpy as np

from .averages import Table, frames_by_units, refuse

COUNTS = ("frames", "positives", "predicted_positives", "not_coded", "undetermined")
ERRORS = ("ece",)
ZERO_WITHOUT_HIT = ("f1", "precision", "recall")
CONVENTIONS = ("strict", "published")


def checked(labels, predictions) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions as (N, U) floats. Raises: ValueError that names the first value that neither scale has."""
    truth_NU, probability_NU = frames_by_units(labels, "references"), frames_by_units(predictions, "predictions")
    refuse(
        ~(np.isnan(truth_NU) | (truth_NU == 0) | (truth_NU == 1)),
        truth_NU,
        "references",
        "0, 1, or NaN where the unit was not coded; turn intensities into occurrences with `occurrence`",
    )
    refuse(
        (probability_NU < 0) | (probability_NU > 1),
        probability_NU,
        "predictions",
        "a probability from 0 to 1, a decision 0 or 1, or NaN where it is undetermined; are these logits or levels?",
    )
    return truth_NU, probability_NU


def occurrence(levels, threshold: float = 2) -> np.ndarray:
    """Levels 0 to 5 as occurrences: 1 from `threshold` on (2 is DISFA's benchmark), NaN stays NaN.

    >>> occurrence([0, 1, 2, float("nan")])
    array([ 0.,  0.,  1., nan])
    """
    levels = np.asarray(levels, dtype=float)
    return np.where(np.isnan(levels), np.nan, levels >= threshold)


def score_detection(
    truth_NU: np.ndarray,
    probability_NU: np.ndarray,
    threshold: float | np.ndarray = 0.5,
    bins: int = 15,
    convention: str = "strict",
) -> Table:
    """All scores and counts, each (U,), of checked labels and predictions; the conventions stand on top of this file.

    Raises: ValueError for a threshold outside 0 to 1 or not one a unit, fewer than one bin, or an unknown convention.
    """
    units, threshold_U = truth_NU.shape[1], np.array(threshold, dtype=float)
    if threshold_U.shape not in ((), (units,)) or not ((threshold_U >= 0) & (threshold_U <= 1)).all():
        raise ValueError(f"threshold is {threshold}, expected a number from 0 to 1, or {units} of them, one a unit")
    threshold_U = np.broadcast_to(threshold_U, units)
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}, expected one of {', '.join(CONVENTIONS)}")
    columns = [
        _score_unit(truth_NU[:, u], probability_NU[:, u], threshold_U[u], bins, convention) for u in range(units)
    ]
    return {name: np.array([column[name] for column in columns]) for name in columns[0]}


def _score_unit(truth_N, probability_N, threshold: float, bins: int, convention: str) -> dict[str, float]:
    coded = ~np.isnan(truth_N)
    truth_N, probability_N = truth_N[coded] == 1, probability_N[coded]
    known = ~np.isnan(probability_N)
    missed, invented = int(truth_N[~known].sum()), int((~truth_N[~known]).sum())
    scored_truth_N, scored_N = truth_N[known], probability_N[known]
    hits, false, misses, rest = counts = confusion(scored_truth_N, scored_N >= threshold)
    undetermined_wrong = f1(hits, false + invented, misses + missed)
    if convention == "published":
        present_N = np.nan_to_num(probability_N, nan=-1.0) >= threshold  # -1: below any threshold
        hits, false, misses, rest = counts = confusion(truth_N, present_N)
    return {
        "f1": f1(*counts),
        "f1_undetermined_wrong": undetermined_wrong,
        "f1_skew_normalised": f1_skew_normalised(*counts),
        "precision": ratio(hits, hits + false) if hits + misses else np.nan,
        "recall": ratio(hits, hits + misses),
        "accuracy": ratio(hits + rest, sum(counts)),
        "balanced_accuracy": (ratio(hits, hits + misses) + ratio(rest, rest + false)) / 2,
        "roc_auc": roc_auc(scored_truth_N, scored_N),
        "average_precision": average_precision(scored_truth_N, scored_N),
        "ece": expected_calibration_error(scored_truth_N, scored_N, bins),
        "frames": len(truth_N),
        "positives": int(truth_N.sum()),
        "predicted_positives": hits + false,
        "not_coded": int((~coded).sum()),
        "undetermined": missed + invented,
    }


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def confusion(truth_N: np.ndarray, present_N: np.ndarray) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives, true negatives of boolean arrays."""
    hits, labelled, said = int((truth_N & present_N).sum()), int(truth_N.sum()), int(present_N.sum())
    return hits, said - hits, labelled - hits, len(truth_N) - labelled - said + hits


def f1(hits: float, false: float, misses: float, rest: float = 0) -> float:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; NaN without a positive label.

    >>> f1(2, 1, 1)
    0.6666666666666666
    """
    return 2 * hits / (2 * hits + false + misses) if hits + misses else np.nan


def f1_skew_normalised(hits: float, false: float, misses: float, rest: float) -> float:
    """F1 as it would be with as many negatives as positives, at the same rates of hits and of false alarms.

    False positives and true negatives are divided by the skew, negatives / positives. Two units of different base rate can
    then be compared: saying "present" always has 2/3. Source: Jeni, Cohn and De la Torre, "Facing imbalanced data", ACII 2013;
    read in the authors' code (laszlojeni/skew, `SetSkew` 1), not in the paper.

    >>> f1_skew_normalised(5, 95, 0, 0)
    0.6666666666666666
    """
    positives, negatives = hits + misses, false + rest
    return f1(hits, false * positives / negatives, misses) if positives and negatives else np.nan


def by_score(truth_N: np.ndarray, score_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and frames at each distinct score, highest score first: frames that tie stand together."""
    _, level_N = np.unique(-score_N, return_inverse=True)
    return np.bincount(level_N, truth_N), np.bincount(level_N).astype(float)


def roc_auc(truth_N: np.ndarray, score_N: np.ndarray) -> float:
    """P(a present frame scores higher than an absent one), a tie counting as half; NaN without both classes.

    >>> roc_auc(np.array([True, True, False, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    0.875
    """
    positives, negatives = int(truth_N.sum()), int((~truth_N).sum())
    if not positives or not negatives:
        return np.nan
    positives_L, frames_L = by_score(truth_N, score_N)
    negatives_L = frames_L - positives_L
    beaten_L = negatives - np.cumsum(negatives_L)
    return float((positives_L * (beaten_L + negatives_L / 2)).sum() / (positives * negatives))


def average_precision(truth_N: np.ndarray, score_N: np.ndarray) -> float:
    """Sum over the distinct scores, from high to low, of the gain in recall times the precision there; no interpolation.

    Frames that tie come in together, so their order in the file has no influence. NaN without a positive label.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))
    0.8333333333333333
    """
    if not truth_N.any():
        return np.nan
    positives_L, frames_L = by_score(truth_N, score_N)
    precision_L = np.cumsum(positives_L) / np.cumsum(frames_L)
    return float((positives_L * precision_L).sum() / truth_N.sum())


def reliability(
    truth_N: np.ndarray, probability_N: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, mean P(present) and share of present frames in each of `bins` equal bins of P; NaN in an empty bin.

    Bin b holds the P in (b / bins, (b + 1) / bins]; the first holds 0, too.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}, expected at least 1")
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    bin_N = np.searchsorted(edges, probability_N, side="left")
    frames_B = np.bincount(bin_N, minlength=bins).astype(float)
    share_B = np.where(frames_B > 0, frames_B, np.nan)
    probability_B = np.bincount(bin_N, probability_N, bins) / share_B
    return frames_B, probability_B, np.bincount(bin_N, truth_N, bins) / share_B


def expected_calibration_error(truth_N: np.ndarray, probability_N: np.ndarray, bins: int = 15) -> float:
    """Mean over frames of |mean P(present) - share present| of the frame's bin, from 0 to 1; NaN without frames.

    Of P(present) itself, not of the confidence in the decision. Bins as in `reliability`; the figure depends on their number,
    and is small for a unit that is rarely present: look at its reliability, too.
    """
    frames_B, probability_B, share_B = reliability(truth_N, probability_N, bins)
    total = frames_B.sum()
    return float(np.nansum(frames_B * np.abs(probability_B - share_B)) / total) if total else np.nan
