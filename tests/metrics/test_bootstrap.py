"""Intervals over people: the frames of a person stay together, and what is undefined is counted."""

import doctest
import math

import numpy as np
import pytest

from aullava.metrics import bootstrap
from aullava.metrics.bootstrap import subject_bootstrap, sums_by_subject


def mean_of(values_N):
    return lambda rows: values_N[rows].mean()


def test_the_example_in_the_docstring():
    assert doctest.testmod(bootstrap).failed == 0 < doctest.testmod(bootstrap).attempted


def test_more_frames_of_the_same_people_narrow_nothing():
    values = np.random.default_rng(0).random(12)
    once = subject_bootstrap(mean_of(values), range(12), draws=200)
    often = subject_bootstrap(mean_of(np.repeat(values, 50)), np.repeat(np.arange(12), 50), draws=200)
    np.testing.assert_allclose([often.low, often.high], [once.low, once.high])
    assert once.low < once.value < once.high
    frame_by_frame = subject_bootstrap(mean_of(np.repeat(values, 50)), range(600), draws=200)
    assert frame_by_frame.high - frame_by_frame.low < (once.high - once.low) / 3


def test_frames_of_a_subject_need_not_stand_together():
    values, subjects = np.arange(6.0), ["a", "b", "c", "a", "b", "c"]
    mixed = subject_bootstrap(mean_of(values), subjects, draws=50)
    order = [0, 3, 1, 4, 2, 5]
    sorted_ = subject_bootstrap(mean_of(values[order]), [subjects[i] for i in order], draws=50)
    np.testing.assert_allclose(mixed.low, sorted_.low)
    assert mixed.subjects == 3


def test_equals_scipy_where_each_subject_has_one_frame():
    from scipy.stats import bootstrap as reference

    values = np.random.default_rng(1).normal(size=30)
    found = subject_bootstrap(mean_of(values), range(30), draws=4000, level=0.9)
    expected = reference(
        (values,), np.mean, n_resamples=4000, confidence_level=0.9, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert [found.low.item(), found.high.item()] == pytest.approx([expected.low, expected.high], abs=0.03)


def test_it_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    covered = 0
    for seed in range(100):
        values = np.repeat(random.normal(size=30), 3)  # three equal frames a person: 90 frames, 30 facts
        found = subject_bootstrap(mean_of(values), np.repeat(np.arange(30), 3), draws=100, seed=seed)
        covered += found.low.item() <= 0 <= found.high.item()
    assert 86 <= covered <= 99  # drawing frame by frame covers about 70


def test_several_scores_at_once_and_undefined_draws_are_counted():
    shows = np.array([1.0, 0, 0, 0])

    def score(rows):
        positives = shows[rows].sum()
        return [len(rows), 1.0 if positives else math.nan, math.nan]

    found = subject_bootstrap(score, "abcd", draws=400)
    assert found.value.shape == found.low.shape == found.undefined.shape == (3,)
    assert found.undefined[0] == 0 and found.undefined[2] == 400
    assert found.undefined[1] / 400 == pytest.approx(0.75**4, abs=0.08)
    assert (found.low[1], found.high[1]) == (1, 1) and math.isnan(found.low[2])


def test_sums_of_each_subject_give_the_intervals_of_all_frames():
    random = np.random.default_rng(6)
    subjects, error_NU = random.integers(8, size=200), random.random((200, 2))
    direct = subject_bootstrap(lambda rows: error_NU[rows].mean(axis=0), subjects, draws=100)
    sums_PK = sums_by_subject(np.column_stack([error_NU, np.ones(200)]), subjects)
    assert sums_PK.shape == (8, 3) and sums_PK[:, 2].sum() == 200

    def mean_error(rows):
        total_K = sums_PK[rows].sum(axis=0)
        return total_K[:2] / total_K[2]

    fast = subject_bootstrap(mean_error, range(8), draws=100)
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(fast, name), getattr(direct, name))


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(4).random(10)
    first, second, other = (subject_bootstrap(mean_of(values), range(10), draws=50, seed=s) for s in (7, 7, 8))
    assert (first.low, first.high) == (second.low, second.high) != (other.low, other.high)


def test_a_higher_level_is_wider():
    values = np.random.default_rng(5).random(10)
    narrow, wide = (subject_bootstrap(mean_of(values), range(10), draws=300, level=v) for v in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_one_person_gives_a_value_and_no_interval():
    found = subject_bootstrap(lambda rows: [rows.mean(), 1.0], ["F001", "F001"])
    assert found.value.tolist() == [0.5, 1.0] and found.subjects == 1 and found.draws == 0
    assert np.isnan(found.low).all() and np.isnan(found.high).all()


@pytest.mark.parametrize(
    "subjects, options, message",
    [
        ([], {}, "no frame"),
        (["a", None], {}, "frame 1 names no subject"),
        (["", "a"], {}, "frame 0 names no subject"),
        ([1.0, math.nan], {}, "frame 1 names no subject"),
        (["a", "b"], {"draws": 0}, "at least 1 draw"),
        (["a", "b"], {"level": 95}, "a level between 0 and 1"),
    ],
)
def test_what_allows_no_interval_is_refused(subjects, options, message):
    with pytest.raises(ValueError, match=message):
        subject_bootstrap(lambda rows: 0.0, subjects, **options)
