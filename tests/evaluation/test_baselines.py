"""Predictors that look at no picture have the scores that arithmetic gives them."""

import numpy as np
import pytest

from aullava.evaluation.baselines import ALWAYS, AT_BASE_RATES, TRAINING_MEAN, ZERO, baselines
from aullava.evaluation.views import PRESENT, View
from aullava.metrics.au_detection.scores import score_detection
from aullava.metrics.au_intensity.scores import score_intensity


def test_occurrence_by_arithmetic():
    rate_U = np.array([0.3, 0.8])
    truth_NU = (np.random.default_rng(7).random((20_000, 2)) < rate_U).astype(float)
    truth_NU[::7] = np.nan
    view = View(PRESENT, "occurrence", truth_NU, np.zeros_like(truth_NU), np.array([0.9, 0.2]))
    found = baselines(view, rate_U)
    p_U = np.nanmean(truth_NU, 0)
    always, drawn = (score_detection(found[name].truth_NU, found[name].said_NU) for name in (ALWAYS, AT_BASE_RATES))
    np.testing.assert_allclose(always["f1"], 2 * p_U / (1 + p_U))
    np.testing.assert_allclose(drawn["f1"], rate_U, atol=0.02)
    assert found[ALWAYS].threshold_U.tolist() == [0.5, 0.5]
    np.testing.assert_array_equal(found[AT_BASE_RATES].said_NU, baselines(view, rate_U)[AT_BASE_RATES].said_NU)


def test_levels_by_arithmetic():
    truth_NU = np.random.default_rng(1).integers(0, 6, (500, 2)).astype(float)
    view = View("level", "intensity", truth_NU, truth_NU)
    found = baselines(view, np.array([2.0, 3.0]))
    zero, mean = (score_intensity(truth_NU, found[name].said_NU) for name in (ZERO, TRAINING_MEAN))
    np.testing.assert_allclose(zero["mae"], truth_NU.mean(0))
    np.testing.assert_allclose(mean["mae"], np.abs(truth_NU - [2, 3]).mean(0))
    np.testing.assert_allclose(zero["icc_3_1"], 0, atol=1e-12)


def test_rates_may_differ_by_row_and_only_what_is_coded_needs_one():
    truth_NU = np.array([[1.0, np.nan], [2.0, np.nan]])
    rate_NU = np.array([[3.0, np.nan], [4.0, np.nan]])
    found = baselines(View("level", "intensity", truth_NU, truth_NU), rate_NU)
    np.testing.assert_array_equal(found[TRAINING_MEAN].said_NU, rate_NU)


@pytest.mark.parametrize("rate_U", [None, np.array([0.2, np.nan])])
def test_without_training_people_there_are_no_base_rates(rate_U):
    truth_NU = np.eye(2)
    assert [*baselines(View(PRESENT, "occurrence", truth_NU, truth_NU, np.full(2, 0.5)), rate_U)] == [ALWAYS]
    assert [*baselines(View("value", "continuous", truth_NU, truth_NU), rate_U)] == [ZERO]
