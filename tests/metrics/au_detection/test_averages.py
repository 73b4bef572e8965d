"""Averages over units and folds: each is what its name says, and undefined scores are counted."""

import math

import numpy as np
import pytest

from aullava.metrics.au_detection.averages import (
    mean_where_defined,
    missing_as_zero,
    report,
    rows_of_folds,
    summarise,
    supported,
)

NAN = math.nan


def error(truth_NU, prediction_NU):
    return {
        "score": np.abs(truth_NU - prediction_NU).mean(axis=0),
        "frames": np.full(truth_NU.shape[1], len(truth_NU)),
    }


def test_the_two_averages_over_units():
    assert supported(np.array([[1.0, 0.5, NAN]])) == 0.75
    assert missing_as_zero(np.array([[1.0, 0.5, NAN]])) == 0.5
    assert math.isnan(supported(np.array([[NAN, NAN]]))) and missing_as_zero(np.array([[NAN, NAN]])) == 0


def test_over_folds_first_then_over_units():
    cells_FU = np.array([[1.0, 0.0, NAN], [NAN, 0.5, NAN]])
    np.testing.assert_array_equal(mean_where_defined(cells_FU), [1, 0.25, NAN])
    assert supported(cells_FU) == 0.625  # the mean of all defined cells would be 0.5
    assert missing_as_zero(cells_FU) == 0.25


def test_summary_names_both_averages_and_counts_undefined_cells():
    tables = [
        {"f1": np.array([1.0, NAN]), "mae": np.array([1.0, NAN]), "frames": np.array([3, 0])},
        {"f1": np.array([0.5, NAN]), "mae": np.array([2.0, 4.0]), "frames": np.array([1, 2])},
    ]
    found = summarise(tables, ["AU1", "AU2"], counts=["frames"], errors=["mae"])
    assert found.pop("per_unit") == {
        "AU1": {"f1": 0.75, "mae": 1.5, "frames": 4},
        "AU2": {"f1": pytest.approx(NAN, nan_ok=True), "mae": 4.0, "frames": 2},
    }
    assert found == {
        "f1_supported": 0.75,
        "f1_missing_as_zero": 0.375,
        "f1_undefined": 2,
        "mae_supported": 2.75,
        "mae_undefined": 1,
    }


def test_scores_shown_as_zero_are_still_counted_as_undefined():
    tables = [{"f1": np.array([1.0, NAN])}, {"f1": np.array([NAN, NAN])}]
    found = summarise(tables, ["AU1", "AU2"], counts=[], zeroed=["f1"])
    assert found["per_unit"] == {"AU1": {"f1": 0.5}, "AU2": {"f1": 0.0}}
    assert (found["f1_supported"], found["f1_missing_as_zero"], found["f1_undefined"]) == (1.0, 0.25, 3)


def test_mean_over_folds_is_not_the_score_of_pooled_frames():
    truth_NU, prediction_NU = np.zeros((4, 1)), np.array([[1.0], [0], [0], [0]])
    found = report(error, truth_NU, prediction_NU, ["AU1"], ["fold1", "fold2", "fold2", "fold2"], counts=["frames"])
    assert found["pooled"]["score_supported"] == 0.25
    assert found["mean_over_folds"]["score_supported"] == 0.5
    assert found["mean_over_folds"]["folds"] == 2
    assert found["mean_over_folds"]["per_unit"]["AU1"]["frames"] == found["pooled"]["per_unit"]["AU1"]["frames"] == 4


def test_one_fold_is_the_pooled_score():
    truth_NU, prediction_NU = np.zeros((4, 2)), np.random.default_rng(0).random((4, 2))
    found = report(error, truth_NU, prediction_NU, None, [1, 1, 1, 1], counts=["frames"])
    assert found["mean_over_folds"] == found["pooled"] | {"folds": 1}
    assert list(found["pooled"]["per_unit"]) == ["unit_0", "unit_1"]
    assert list(report(error, truth_NU, prediction_NU, None, None, counts=["frames"])) == ["pooled"]


def test_folds_keep_their_order_and_may_be_numbers_or_numpy_strings():
    rows = rows_of_folds(np.array(["fold3", "fold1", "fold3"]), 3)
    assert {str(fold): found.tolist() for fold, found in rows.items()} == {"fold3": [0, 2], "fold1": [1]}
    assert list(rows_of_folds([2, 1], 2)) == [2, 1]


@pytest.mark.parametrize(
    "units, folds, message",
    [
        (["AU1"], None, "expected 2 different names"),
        (["AU1", "AU1"], None, "expected 2 different names"),
        (None, ["fold1"], "1 fold names for 2 frames"),
        (None, ["fold1", None], "frame 1 has no fold"),
        (None, [1, NAN], "frame 1 has no fold"),
    ],
)
def test_names_that_do_not_fit_the_table_are_refused(units, folds, message):
    with pytest.raises(ValueError, match=message):
        report(error, np.zeros((2, 2)), np.zeros((2, 2)), units, folds, counts=["frames"])


def test_tables_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"references have shape \(2, 2\), predictions \(2, 1\)"):
        report(error, np.zeros((2, 2)), np.zeros((2, 1)), None, None, counts=["frames"])
