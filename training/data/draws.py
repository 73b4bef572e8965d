"""Which rows of which corpus an epoch draws: weights, balance of units, and repeatable draws.

Conventions
    active      `Scale.active_from` or more. A value that is not coded is neither active nor inactive.
    balance     repeat factors after Gupta, Dollar and Girshick (LVIS, 2019), who repeat images of rare categories. A unit that
                is active in a fraction f of the rows that code it has the factor max(1, (0.5 / f) ** b), at most 20. A row has the
                largest factor of its active units, 1 if it has none. b is 0 (off) to 1; the paper's is 0.5. Rates are those of the
                corpus's training rows, each scale by itself.
    draws       systematic, with rows of equal weight side by side: a row whose expected count is e is drawn floor(e) or ceil(e)
                times, and so are all rows of one weight together. Neighbours among them are frames of one sequence, so the rows
                drawn are spread over subjects and time.
    repeatable  An epoch's draws depend on (seed, epoch) and the rows only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from aullava.action_units import SCALES
from aullava.dataset_builder.rows.derive import known_columns

_COMMON, _HIGHEST_FACTOR = 0.5, 20.0
_ROUNDING = 1e-6  # float32 holds 0.1 as a little more, 0.7 as a little less
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, eq=False)
class UnitStates:
    """columns: K value columns such as AU12_c; active_NK, coded_NK: (N, K) bool."""

    columns: tuple[str, ...]
    active_NK: np.ndarray
    coded_NK: np.ndarray

    def rates(self, weights_N: np.ndarray | None = None) -> np.ndarray:
        """(K,) weighted fraction of the coded rows in which a unit is active; NaN where none is coded."""
        weights_N = np.ones(len(self.active_NK)) if weights_N is None else weights_N
        coded_K, active_K = weights_N @ self.coded_NK, weights_N @ self.active_NK
        return np.divide(active_K, coded_K, out=np.full(len(self.columns), np.nan), where=coded_K > 0)


def unit_states(rows: Dataset) -> UnitStates:
    """Which units are active and which are coded in the builder's rows. Reads no image."""
    columns = [column for column in rows.column_names if column in known_columns()]
    limits_K = np.array([SCALES[known_columns()[column][0]].active_from for column in columns]) - _ROUNDING
    active, coded = [], []
    for table in rows.select_columns(columns).with_format("arrow").iter(_ROWS_AT_ONCE):
        values_NK = np.stack([table[column].to_numpy().astype(float) for column in columns], axis=1)
        active.append(values_NK >= limits_K)  # NaN is not
        coded.append(~np.isnan(values_NK))
    return UnitStates(tuple(columns), np.concatenate(active), np.concatenate(coded))


def row_weights(states: UnitStates, balance: float) -> np.ndarray:
    """(N,) how often each row is drawn relative to a row without rare units, 1 to 20. balance: 0 to 1."""
    rates_K = np.nan_to_num(states.rates(), nan=1.0)
    factors_K = (_COMMON / np.clip(rates_K, 1e-9, None)) ** balance
    return np.max(np.where(states.active_NK, np.clip(factors_K, 1.0, _HIGHEST_FACTOR), 1.0), axis=1)


def counts_of_shares(total: int, shares: Sequence[float]) -> list[int]:
    """Integers that add up to the total, in these proportions: largest remainder method, ties to the first."""
    exact_C = total * np.asarray(shares, float) / np.sum(shares)
    counts_C = np.floor(exact_C).astype(int)
    order = np.argsort(counts_C - exact_C, kind="stable")
    counts_C[order[: total - counts_C.sum()]] += 1
    return counts_C.tolist()


def draw_rows(weights_N: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """(count,) row numbers in ascending order, drawn systematically by weight."""
    order_N = np.argsort(weights_N, kind="stable")
    ends_N = np.cumsum(weights_N[order_N]) * (count / weights_N.sum())
    places = np.searchsorted(ends_N, np.arange(count) + generator.random(), side="right")
    return np.sort(
        order_N[np.minimum(places, len(weights_N) - 1)]
    )  # the last sum may round to a little below the count


def even_rows(subjects: Sequence[str], total: int, generator: np.random.Generator) -> np.ndarray:
    """Row numbers, ascending: at most `total`, as equal as possible between subjects, spread over the rows of each.

    subjects: the subject of each row.
    """
    names, subject_N = np.unique(np.asarray(subjects), return_inverse=True)
    rows_S = np.split(np.argsort(subject_N, kind="stable"), np.cumsum(np.bincount(subject_N))[:-1])
    order = generator.permutation(len(names)).tolist()
    chosen, left = [], total
    for place, subject in enumerate(sorted(order, key=lambda subject: len(rows_S[subject]))):
        count = min(
            len(rows_S[subject]), left // (len(order) - place)
        )  # a subject with few rows leaves its share to the others
        chosen.append(rows_S[subject][draw_rows(np.ones(len(rows_S[subject])), count, generator)])
        left -= count
    return np.sort(np.concatenate(chosen))


@dataclass(frozen=True, eq=False)
class Plan:
    """What each epoch draws.

    Args:
        weights: for each corpus an array (N,), how often its rows are drawn relative to each other.
        counts: rows per epoch of each corpus.
        seed: of the draws.
    """

    weights: tuple[np.ndarray, ...]
    counts: tuple[int, ...]
    seed: int

    def draws(self, epoch: int) -> np.ndarray:
        """(R, 3) for every position: corpus, row in it, and how often the row came before in this epoch."""
        parts = []
        for corpus, (weights_N, count) in enumerate(zip(self.weights, self.counts, strict=True)):
            rows = draw_rows(weights_N, count, np.random.default_rng([self.seed, epoch, corpus + 1]))
            visits = np.arange(count) - np.searchsorted(rows, rows)
            parts.append(np.stack([np.full(count, corpus), rows, visits], axis=1))
        return np.random.default_rng([self.seed, epoch]).permutation(np.concatenate(parts))
