"""Rows are drawn by weight, repeatably and evenly; rare units weigh more by the stated formula."""

import math

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from aullava.training.data.draws import (
    Plan,
    UnitStates,
    counts_of_shares,
    draw_rows,
    even_rows,
    row_weights,
    unit_states,
)

weights = st.lists(st.floats(0.01, 20), min_size=1, max_size=40)


def states(active):
    active_NK = np.array(active, bool)
    return UnitStates(tuple(f"c{k}" for k in range(active_NK.shape[1])), active_NK, np.ones_like(active_NK))


def test_what_is_active_and_what_is_coded_on_each_scale():
    columns = {
        "AU01_c": [1, 0, math.nan, 1],
        "AU01_r": [0.49, 0.5, math.nan, 0],
        "feafa_01_left_eye_close_v": [0.09, 0.1, math.nan, 1],
        "subject": list("abcd"),
    }
    found = unit_states(
        Dataset.from_dict({k: np.array(v, "float32") if k != "subject" else v for k, v in columns.items()})
    )
    assert found.columns == tuple(columns)[:3]
    np.testing.assert_array_equal(found.active_NK.T, [[1, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 1]])
    np.testing.assert_array_equal(found.coded_NK.T, [[1, 1, 0, 1]] * 3)
    np.testing.assert_allclose(found.rates(), [2 / 3, 1 / 3, 2 / 3])
    np.testing.assert_allclose(found.rates(np.array([0, 1, 5, 3])), [3 / 4, 1 / 4, 1])
    assert np.isnan(found.rates(np.array([0, 0, 1, 0]))).all()


def test_a_row_weighs_as_its_rarest_active_unit():
    # Rates: 3/4 is common, 1/4 has the factor 2 ** b, 1/8 has 4 ** b.
    made = states([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(row_weights(made, 1.0), [4, 2, 1, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(row_weights(made, 0.5), [2, math.sqrt(2), 1, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(row_weights(made, 0.0), np.ones(8))


def test_no_row_weighs_more_than_twenty_and_a_unit_never_active_or_coded_nothing():
    active_NK = np.zeros((1000, 3), bool)
    active_NK[7, 0] = True
    coded_NK = np.ones_like(active_NK)
    coded_NK[:, 2] = False
    found = row_weights(UnitStates(("a", "b", "c"), active_NK, coded_NK), 1.0)
    assert found[7] == 20 and found.sum() == 999 + 20


@given(weights, st.integers(0, 200), st.integers(0, 2**31))
def test_draws_come_as_often_as_their_share_says(given_weights, count, seed):
    weights_N = np.array(given_weights)
    rows = draw_rows(weights_N, count, np.random.default_rng(seed))
    assert len(rows) == count and (np.diff(rows) >= 0).all()
    expected = count * weights_N / weights_N.sum()
    assert (np.abs(np.bincount(rows, minlength=len(weights_N)) - expected) < 1 + 1e-6).all()


def test_equal_weights_and_as_many_draws_as_rows_take_each_row_once():
    for seed in range(20):
        np.testing.assert_array_equal(draw_rows(np.full(97, 0.1), 97, np.random.default_rng(seed)), np.arange(97))


@given(st.integers(0, 5000), weights)
def test_counts_add_up_and_follow_the_shares(total, shares):
    counts = counts_of_shares(total, shares)
    assert sum(counts) == total
    assert all(abs(count - total * share / sum(shares)) < 1 for count, share in zip(counts, shares, strict=True))


def test_what_is_left_over_goes_where_most_was_cut_off():
    assert counts_of_shares(10, [1.2, 3.9, 4.9]) == [1, 4, 5]
    assert counts_of_shares(10, [1, 1, 1]) == [4, 3, 3]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 9))
def test_even_rows_are_even_over_subjects(subjects, total, seed):
    rows = even_rows(subjects, total, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == len(rows) == min(total, len(subjects))
    taken = {who: sum(subjects[row] == who for row in rows) for who in subjects}
    most = max(taken.values())
    assert all(count >= most - 1 or count == subjects.count(who) for who, count in taken.items())


def test_even_rows_are_spread_over_a_person():
    rows = even_rows(["a"] * 100, 10, np.random.default_rng(3))
    assert set(np.diff(rows)) == {10}


def test_an_epoch_is_repeatable_and_the_next_one_differs():
    plan = Plan((np.arange(1.0, 40), np.ones(30)), (60, 20), seed=5)
    draws = plan.draws(0)
    np.testing.assert_array_equal(draws, plan.draws(0))
    for other in (plan.draws(1), Plan(plan.weights, plan.counts, seed=6).draws(0)):
        assert sorted(map(tuple, draws)) != sorted(map(tuple, other))
        assert np.bincount(other[:, 0]).tolist() == [60, 20]
    assert np.count_nonzero(np.diff(draws[:, 0])) > 10  # corpora are mixed, not one after the other


def test_a_row_that_comes_again_says_how_often_it_came():
    draws = Plan((np.array([1.0, 5.0, 2.0]),), (16,), seed=0).draws(0)
    for row, times in enumerate((2, 10, 4)):
        assert sorted(draws[draws[:, 1] == row, 2]) == list(range(times))


def test_corpora_are_drawn_independently():
    plan = Plan((np.ones(1000), np.ones(1000)), (100, 100), seed=1)
    draws = plan.draws(0)
    first, second = (sorted(draws[draws[:, 0] == corpus, 1]) for corpus in (0, 1))
    assert first != second


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_balance_lifts_a_rare_unit_as_its_factor_says(balance):
    active_NK = np.zeros((2000, 1), bool)
    active_NK[::50] = True  # 2%, factor 25 ** balance, at most 20
    made = UnitStates(("AU09_c",), active_NK, np.ones_like(active_NK))
    weights_N = row_weights(made, balance)
    drawn = np.bincount(draw_rows(weights_N, 2000, np.random.default_rng(0)), minlength=2000)
    factor = min(25**balance, 20)
    assert made.rates(drawn)[0] == pytest.approx(0.02 * factor / (0.98 + 0.02 * factor), abs=0.01)
