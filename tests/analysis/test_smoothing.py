"""Smoothing: medians by hand, Savitzky-Golay against scipy, gaps, ends, what is left alone."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from aullava.analysis.series import as_floats
from aullava.analysis.smoothing import Smoothing, smooth


def smoothed(table, how, column="AU01_r"):
    return as_floats(smooth(table, Smoothing.parse(how))[0], column)


def test_what_is_asked_for():
    assert Smoothing.parse("median:5") == Smoothing("median", 5)
    assert Smoothing.parse("savgol:11:2") == Smoothing("savgol", 11, 2)


@pytest.mark.parametrize(
    "text, said",
    [
        ("median", "expected median:WINDOW"),
        ("mean:5", "expected median:WINDOW"),
        ("median:5:2", "expected median:WINDOW"),
        ("savgol:11", "savgol:WINDOW:DEGREE"),
        ("median:x", "expected median:WINDOW"),
        ("median:-5", "expected median:WINDOW"),
        ("median:4", "window of 4 samples: expected an odd number"),
        ("median:1", "window of 1 samples"),
        ("savgol:5:5", "degree 5: expected less than its window, 5"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        Smoothing.parse(text)


def test_median_removes_a_spike_and_holds_fewer_values_at_the_ends(table_of):
    table = table_of({"AU01_r": [4, 0, 0, 5, 0, 0, 1]}, frames=7)
    np.testing.assert_array_equal(smoothed(table, "median:3"), [2, 0, 0, 0, 0, 0, 0.5])


def test_the_window_counts_samples_and_gaps_inside_it(table_of):
    table = table_of({"AU01_r": [0, 0, None, 5, 5, np.nan, np.nan, 0, 0]}, frames=9, step=5)
    # Half a window of two samples reaches one value beyond either gap, half a window of three reaches two.
    np.testing.assert_array_equal(smoothed(table, "median:5"), [0, 0, np.nan, 5, 5, np.nan, np.nan, 0, 0])
    np.testing.assert_array_equal(smoothed(table, "median:7"), [0, 2.5, np.nan, 2.5, 2.5, np.nan, np.nan, 0, 0])


def test_a_row_without_success_neither_counts_nor_changes(table_of):
    table = table_of({"AU01_r": [0, 5, 0]}, frames=3)
    table.loc[1, "success"] = 0
    assert smoothed(table, "median:3").tolist() == [0, 5, 0]


def test_occurrences_follow_the_majority_and_stay_as_they_are_in_a_tie(table_of):
    table = table_of({"AU01_c": [1, 0, 0, 1, 0, 1, 1, 0]}, frames=8)
    result, notes = smooth(table, Smoothing("median", 3))
    assert result["AU01_c"].tolist() == [1, 0, 0, 0, 1, 1, 1, 0]
    assert result["AU01_c"].dtype == "Int64" and notes == []


def test_savgol_filters_each_unbroken_run_by_itself_and_tells_of_short_ones(table_of, course):
    values = course.copy()
    values[[40, 41, 46]] = np.nan
    table = table_of({"AU01_r": values}, frames=100)
    result, notes = smooth(table, Smoothing("savgol", 11, 2))
    found = as_floats(result, "AU01_r")
    for part in (slice(0, 40), slice(47, 100)):
        np.testing.assert_allclose(found[part], savgol_filter(course[part], 11, 2).clip(0, 5), atol=1e-4)
    np.testing.assert_array_equal(found[40:47], values[40:47])
    assert notes == ["4 values in runs shorter than 11 samples were not smoothed"]


def test_values_stay_on_their_scale(table_of):
    square = [0.0] * 8 + [1.0] * 8
    table = table_of({"AU01_r": [5 * v for v in square], "feafa_09_jaw_drop_v": square}, frames=16)
    over = savgol_filter(square, 7, 2)
    assert over.min() < -0.01 and over.max() > 1.01
    for column, highest in (("AU01_r", 5), ("feafa_09_jaw_drop_v", 1)):
        found = smoothed(table, "savgol:7:2", column)
        np.testing.assert_allclose(found, (over * highest).clip(0, highest), atol=1e-4)


def test_savgol_is_not_for_occurrences(table_of):
    only = table_of({"AU01_c": [0, 1, 0]}, frames=3)
    with pytest.raises(ValueError, match="only occurrences"):
        smooth(only, Smoothing("savgol", 3, 1))
    with pytest.raises(ValueError, match="only occurrences"):
        Smoothing("savgol", 3, 1).check(["occurrence"])
    both = table_of({"AU01_c": [0, 1, 0], "AU02_r": [0, 5, 0]}, frames=3)
    result, _ = smooth(both, Smoothing("savgol", 3, 0))
    assert result["AU01_c"].tolist() == [0, 1, 0] and result["AU02_r"].tolist() != [0, 5, 0]


def test_savgol_without_scipy_says_what_to_install_before_anything_is_read(monkeypatch):
    monkeypatch.setattr("aullava.analysis.smoothing.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'au-llava\[series\]'"):
        Smoothing("savgol", 3, 1).check(["intensity"])
    Smoothing("median", 3).check(["intensity"])


def test_faces_do_not_mix_and_other_columns_are_untouched(table_of, course):
    first, second = {"AU01_r": course, "AU01_p": course / 5}, {"AU01_r": course[::-1], "AU01_p": course / 5}
    together = table_of(first, second, frames=100)
    result, _ = smooth(together, Smoothing("median", 7))
    alone = smoothed(table_of(second, frames=100), "median:7")
    np.testing.assert_array_equal(as_floats(result[result.face_id == 1], "AU01_r"), alone)
    others = [column for column in together if column != "AU01_r"]
    assert result[others].equals(together[others])
    assert list(result) == list(together) and result["AU01_r"].dtype == "Float64"


def test_a_table_without_faces_comes_back(table_of):
    table = table_of({"AU01_r": [None, None]}, frames=2)
    assert smooth(table, Smoothing("median", 3))[0]["AU01_r"].isna().all()
