"""Baseline and smoothing together, as the writers call them."""

import numpy as np

from aullava.analysis.series import as_floats
from aullava.analysis.smoothing import Smoothing
from aullava.analysis.transform import Transform


def test_the_baseline_comes_first_and_notes_name_the_input(table_of):
    low, short = [0, 5, 5, 5] * 5, [5, None, None, None] * 5
    table = table_of({"AU12_r": low}, {"AU12_r": short}, frames=20, name="a b.mp4")
    transform = Transform(Smoothing.parse("median:3"), "auto")
    transform(table)
    result = transform(table)  # a second pass tells nothing anew
    # The smile's rest of 0 would be gone after the median, and 5 taken for neutral.
    assert as_floats(result[result.face_id == 0], "AU12_r").max() == 5
    assert transform.notes == [
        "a b.mp4: face 1: no baseline was subtracted from any of its 1 units: fewer than 10 values"
    ]


def test_without_anything_to_do_the_table_comes_back(table_of):
    table = table_of({"AU12_r": [1, 2, np.nan]}, frames=3)
    assert Transform()(table).equals(table)
