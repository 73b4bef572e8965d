"""Which rows of which corpus an epoch shows: weights, balance of units, and draws that anyone can repeat.

Conventions
    active      occurrence 1, intensity 2 or more, continuous 0.3 or more: what is derived as occurrence 1 (derive.py). A value
                that is not coded is neither active nor inactive.
    balance     repeat factors after Gupta, Dollar and Girshick (LVIS, 2019), who repeat pictures of rare categories. A unit that
                is active in a share f of the rows that code it has the factor max(1, (0.5 / f) ** b), at most 20; a row has the
                largest factor of its active units, 1 if it has none. b is 0 (off) to 1; the paper's is 0.5. Rates are those of the
                corpus's training rows, each scale by itself.
    draws       systematic, rows of equal weight side by side: a row whose share of the draws is e comes floor(e) or ceil(e) times,
                and so do all rows of one weight together. Neighbours among them are frames of one sequence, so the rows drawn
                are spread over people and time.
    repeatable  An epoch's draws follow from (seed, epoch) and the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from aullava.action_units import CONTINUOUS, INTENSITY, OCCURRENCE
from aullava.dataset_builder.derive import known_columns

_ACTIVE_FROM = {OCCURRENCE: 1.0, INTENSITY: 1.5, CONTINUOUS: 0.3}  # a level is rounded half up
_COMMON, _HIGHEST_FACTOR = 0.5, 20.0
_ROUNDING = 1e-6  # float32 holds 0.3 as a little more, 0.7 as a little less
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, eq=False)
class UnitStates:
    """columns: K value columns such as AU12_c; active_NK, coded_NK: (N, K) bool."""

    columns: tuple[str, ...]
    active_NK: np.ndarray
    coded_NK: np.ndarray

    def rates(self, weights_N: np.ndarray | None = None) -> np.ndarray:
        """(K,) share of the coded rows in which a unit is active, rows counted by weight; NaN where none is coded."""
        weights_N = np.ones(len(self.active_NK)) if weights_N is None else weights_N
        coded_K, active_K = weights_N @ self.coded_NK, weights_N @ self.active_NK
        return np.divide(active_K, coded_K, out=np.full(len(self.columns), np.nan), where=coded_K > 0)


def unit_states(rows: Dataset) -> UnitStates:
    """Which units are active and which are coded in the builder's rows; no picture is read."""
    columns = [column for column in rows.column_names if column in known_columns()]
    limits_K = np.array([_ACTIVE_FROM[known_columns()[column][0]] for column in columns]) - _ROUNDING
    active, coded = [], []
    for table in rows.select_columns(columns).with_format("arrow").iter(_ROWS_AT_ONCE):
        values_NK = np.stack([table[column].to_numpy().astype(float) for column in columns], axis=1)
        active.append(values_NK >= limits_K)  # NaN is not
        coded.append(~np.isnan(values_NK))
    return UnitStates(tuple(columns), np.concatenate(active), np.concatenate(coded))


def row_weights(states: UnitStates, balance: float) -> np.ndarray:
    """(N,) how often each row is drawn relative to one without a rare unit, 1 to 20. balance: 0 to 1."""
    rates_K = np.nan_to_num(states.rates(), nan=1.0)
    factors_K = (_COMMON / np.clip(rates_K, 1e-9, None)) ** balance
    return np.max(np.where(states.active_NK, np.clip(factors_K, 1.0, _HIGHEST_FACTOR), 1.0), axis=1)


def counts_of_shares(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that add up to the total in these relative shares: largest remainders, the first of equal ones."""
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


def even_rows(people: Sequence[str], total: int, generator: np.random.Generator) -> np.ndarray:
    """Row numbers, ascending: at most `total`, as equally many of each person as there are, spread over the person's rows.

    people: the person of each row.
    """
    names, person_N = np.unique(np.asarray(people), return_inverse=True)
    rows_P = np.split(np.argsort(person_N, kind="stable"), np.cumsum(np.bincount(person_N))[:-1])
    order = generator.permutation(len(names)).tolist()
    chosen, left = [], total
    for place, person in enumerate(sorted(order, key=lambda person: len(rows_P[person]))):
        count = min(len(rows_P[person]), left // (len(order) - place))  # who has few leaves the rest to the others
        chosen.append(rows_P[person][draw_rows(np.ones(len(rows_P[person])), count, generator)])
        left -= count
    return np.sort(np.concatenate(chosen))


@dataclass(frozen=True, eq=False)
class Plan:
    """What an epoch draws.

    Args:
        weights: one array (N,) a corpus, how often its rows are drawn relative to each other.
        counts: rows of each corpus in an epoch.
        seed: of the draws.
    """

    weights: tuple[np.ndarray, ...]
    counts: tuple[int, ...]
    seed: int

    def draws(self, epoch: int) -> np.ndarray:
        """(R, 3): corpus, row in it, and how often the row came before in this epoch, of every position."""
        parts = []
        for corpus, (weights_N, count) in enumerate(zip(self.weights, self.counts, strict=True)):
            rows = draw_rows(weights_N, count, np.random.default_rng([self.seed, epoch, corpus + 1]))
            visits = np.arange(count) - np.searchsorted(rows, rows)
            parts.append(np.stack([np.full(count, corpus), rows, visits], axis=1))
        return np.random.default_rng([self.seed, epoch]).permutation(np.concatenate(parts))
