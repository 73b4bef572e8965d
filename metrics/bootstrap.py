"""Bootstrap by subject: frames of one subject resemble each other, so resampling single frames would give intervals far too narrow.

Conventions
    unit        subjects are drawn with replacement, as many as there are, each with all its frames (cluster bootstrap).
    interval    percentile interval, 95% unless asked otherwise, two-sided, linear interpolation between order statistics.
    undefined   a score that is NaN in a draw (no drawn subject shows the unit) is left out of that score's interval and counted.
    reach       it covers the choice of test subjects, not of training: another seed or fold may move the score further.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Intervals:
    """One interval a score; all arrays (S,).

    Attributes:
        value: the scores of all frames.
        low, high: ends of the interval; NaN where no draw defines the score, and for fewer than two subjects.
        undefined: in how many draws the score was NaN.
        draws, subjects: numbers of draws and of subjects.
        level: the share of the draws between the ends, such as 0.95.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    undefined: np.ndarray
    draws: int
    subjects: int
    level: float


def subject_bootstrap(
    score: Callable[[np.ndarray], Sequence[float]],
    subject_N: Sequence[Hashable],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Intervals:
    """Intervals of any scores over the subjects of `subject_N`.

    Args:
        score: row numbers, a frame's once for each time its subject was drawn, -> the scores of those frames, (S,) or one
            number. It may score a difference (of two models on the same frames, of two groups).
        subject_N: who is in each frame.
        draws: how often subjects are drawn, at least 1.
        level: share of the draws between the ends, above 0 and below 1.
        seed: of the random stream; the same seed gives the same draws.

    Raises:
        ValueError: no frame, a frame without a subject, or draws or level out of range.

    >>> error = np.array([0.0, 0.0, 1.0, 1.0])
    >>> found = subject_bootstrap(lambda rows: error[rows].mean(), ["F001", "F001", "M001", "M001"], draws=100)
    >>> found.value.tolist(), found.low.tolist(), found.high.tolist(), found.subjects
    ([0.5], [0.0], [1.0], 2)
    """
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws is {draws} and level {level}, expected at least 1 draw and a level between 0 and 1")
    rows_of = _rows_by_subject(subject_N)
    value = np.atleast_1d(np.asarray(score(np.arange(len(subject_N))), dtype=float))
    if len(rows_of) < 2:
        nothing = np.full(value.shape, np.nan)
        return Intervals(value, nothing, nothing.copy(), np.zeros(value.shape, int), 0, len(rows_of), level)
    random = np.random.default_rng(seed)
    drawn = np.empty((draws, *value.shape))
    for draw in range(draws):
        chosen = random.integers(len(rows_of), size=len(rows_of))
        drawn[draw] = score(np.concatenate([rows_of[subject] for subject in chosen]))
    undefined = np.isnan(drawn).sum(axis=0)
    tail = (1 - level) / 2
    ends = [_quantiles(drawn[:, s], (tail, 1 - tail)) for s in range(len(value))]
    low, high = np.array(ends).reshape(-1, 2).T
    return Intervals(value, low, high, undefined, draws, len(rows_of), level)


def sums_by_subject(values_NK: np.ndarray, subject_N: Sequence[Hashable]) -> np.ndarray:
    """(P, K) sums of `values_NK` over the frames of each of P subjects, in order of appearance.

    A score that depends on sums alone (F1 on hits and errors, MAE on absolute errors and frames) need not be computed from all
    frames in every draw: bootstrap it over these P rows instead. The intervals are the same, up to rounding.

    >>> said, truth = np.array([1, 1, 0, 1]), np.array([1, 0, 1, 1])
    >>> hits_and_said_and_labelled = np.stack([said & truth, said, truth], axis=1)
    >>> sums = sums_by_subject(hits_and_said_and_labelled, ["F001", "F001", "M001", "M001"])
    >>> def f1(rows):
    ...     hits, said, labelled = sums[rows].sum(axis=0)
    ...     return 2 * hits / (said + labelled)
    >>> float(subject_bootstrap(f1, range(len(sums))).value[0])
    0.6666666666666666
    """
    values_NK = np.asarray(values_NK)
    return np.stack([values_NK[rows].sum(axis=0) for rows in _rows_by_subject(subject_N)])


def _rows_by_subject(subject_N: Sequence[Hashable]) -> list[np.ndarray]:
    rows: dict[Hashable, list[int]] = {}
    for row, subject in enumerate(subject_N):
        if subject is None or subject != subject or subject == "":
            raise ValueError(
                f"frame {row} names no subject ({subject!r}): an interval over subjects needs one in every frame"
            )
        rows.setdefault(subject, []).append(row)
    if not rows:
        raise ValueError("there is no frame to score")
    return [np.array(found) for found in rows.values()]


def _quantiles(values: np.ndarray, shares: tuple[float, float]) -> np.ndarray:
    known = values[~np.isnan(values)]
    return np.quantile(known, shares) if known.size else np.full(2, np.nan)
