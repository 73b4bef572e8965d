"""Differences between groups of people: F1 of each group, the gap between them, and how much of it is chance.

Conventions
    f1          of the positive class, per unit; undetermined decisions count as wrong; a unit that a group never shows is NaN.
    macro_f1    of a group: mean over the units that every group shows, so that all groups are compared on the same units. The
                others are named in `left_out`.
    gap         highest minus lowest macro_f1. The largest of several differences is above 0 by chance alone: `chance` is the
                mean gap under random assignment of subjects to groups of the same sizes, `p` the share of assignments with a gap at
                least as large.
    interval    95%, over subjects (metrics/bootstrap.py). A draw adds chance of its own to the gap, so the interval lies high: read
                it beside `chance`. A unit that a draw or a deal leaves undefined in some group is left out of all groups there.
    base rates  F1 rises with a unit's base rate: a group that shows a unit more often has the higher F1 from an equally good model.
                `positives` stands beside each F1.
Suffixes: N faces, U units, P subjects, G groups.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from aullava.metrics.bootstrap import subject_bootstrap


@dataclass(frozen=True)
class Group:
    """Scores of one group: macro F1, and (U,) F1 and positive labels of each unit."""

    name: Hashable
    people: int
    faces: int
    macro_f1: float
    f1_U: np.ndarray
    positives_U: np.ndarray


@dataclass(frozen=True)
class GroupScores:
    """Groups in ascending order of their names, and the gap between them.

    Attributes:
        gap, low, high: the gap and its interval. chance, p: what arises by chance, see the conventions.
        left_out: units that some group never shows.
    """

    groups: tuple[Group, ...]
    gap: float
    low: float
    high: float
    chance: float
    p: float
    left_out: tuple[str, ...]


def score_groups(
    truth_NU: np.ndarray,
    present_NU: np.ndarray,
    subject_N: Sequence[Hashable],
    group_N: Sequence[Hashable],
    units: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> GroupScores:
    """Compare groups of people.

    Args:
        truth_NU: 1, 0, NaN not coded. present_NU: decisions 1, 0, NaN undetermined.
        subject_N: who is in each frame. group_N: each frame's group; a person is in one group.
        draws: of the bootstrap, and random deals of subjects.

    Raises:
        ValueError: a person is in two groups, or there are fewer than two groups.
    """
    group_of = _group_of_each(subject_N, group_N)
    names = sorted({*group_of.values()}, key=lambda name: (isinstance(name, str), name))
    if len(names) < 2:
        raise ValueError(f"all subjects are in the group {names[0] if names else None!r}: expected two groups or more")
    counts_PU3 = _counts_by_person(truth_NU, present_NU, subject_N, [*group_of])
    group_P = np.array([names.index(name) for name in group_of.values()])
    counts_GU3 = _by_group(counts_PU3, group_P, len(names))
    f1_GU = _f1(counts_GU3)
    shared_U = ~np.isnan(f1_GU).any(0)

    scored_PU3 = counts_PU3[:, shared_U]

    def gap(scored_PU3: np.ndarray, dealt_P: np.ndarray) -> float:
        return float(np.ptp(_macro(_f1(_by_group(scored_PU3, dealt_P, len(names))))))

    everyone, random = range(len(group_P)), np.random.default_rng(seed)
    found = subject_bootstrap(lambda rows: gap(scored_PU3[rows], group_P[rows]), everyone, draws, seed=seed)
    deals = np.array([gap(scored_PU3, random.permutation(group_P)) for _ in range(draws)])
    deals = deals[~np.isnan(deals)]
    faces = Counter(group_N)
    groups = zip(names, np.bincount(group_P), _macro(f1_GU), f1_GU, counts_GU3[..., 1].astype(int), strict=True)
    return GroupScores(
        tuple(
            Group(name, int(people), faces[name], float(macro), f1_U, n_U) for name, people, macro, f1_U, n_U in groups
        ),
        *(float(value[0]) for value in (found.value, found.low, found.high)),
        float(deals.mean()) if deals.size else float("nan"),
        float((deals >= found.value[0]).mean()) if deals.size else float("nan"),
        tuple(code for code, shared in zip(units, shared_U, strict=True) if not shared),
    )


def _group_of_each(subject_N: Sequence[Hashable], group_N: Sequence[Hashable]) -> dict[Hashable, Hashable]:
    """Subject -> group, in order of appearance."""
    group_of: dict[Hashable, Hashable] = {}
    for subject, group in zip(subject_N, group_N, strict=True):
        if group_of.setdefault(subject, group) != group:
            raise ValueError(
                f"{subject} is in the groups {group_of[subject]!r} and {group!r}: expected one group a person"
            )
    return group_of


def _by_group(counts_PU3: np.ndarray, group_P: np.ndarray, groups: int) -> np.ndarray:
    """(G, U, 3) sums of the subjects of each group."""
    member_GP = (group_P == np.arange(groups)[:, None]).astype(float)
    return (member_GP @ counts_PU3.reshape(len(counts_PU3), -1)).reshape(groups, *counts_PU3.shape[1:])


def _counts_by_person(truth_NU, present_NU, subject_N, people: list) -> np.ndarray:
    """(P, U, 3): hits, positive labels, positive decisions; an undetermined decision is the opposite of its label."""
    truth_NU, present_NU = np.asarray(truth_NU, float), np.asarray(present_NU, float)
    coded_NU, labelled_NU = ~np.isnan(truth_NU), truth_NU == 1
    said_NU = np.where(np.isnan(present_NU), ~labelled_NU, present_NU == 1) & coded_NU
    counts_NU3 = np.stack((labelled_NU & said_NU, labelled_NU, said_NU), axis=-1)
    sums_PU3 = np.zeros((len(people), *counts_NU3.shape[1:]))
    place = {person: number for number, person in enumerate(people)}
    np.add.at(sums_PU3, [place[subject] for subject in subject_N], counts_NU3)
    return sums_PU3


def _f1(counts_GU3: np.ndarray) -> np.ndarray:
    hits, labelled, said = np.moveaxis(counts_GU3, -1, 0)
    return np.divide(2 * hits, labelled + said, out=np.full(hits.shape, np.nan), where=labelled > 0)


def _macro(f1_GU: np.ndarray) -> np.ndarray:
    """(G,) mean over the units that are defined in every group; NaN without one."""
    shared_U = ~np.isnan(f1_GU).any(0)
    return f1_GU[:, shared_U].mean(1) if shared_U.any() else np.full(len(f1_GU), np.nan)
