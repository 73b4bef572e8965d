"""Which columns hold values, and the table of one input as series: slots, gaps, times."""

import numpy as np
import pandas as pd
import pytest

from aullava.action_units import PROTOCOLS, Protocol
from aullava.analysis.series import as_column, as_floats, runs, series_of, value_columns
from aullava.recognition.tables import Layout


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocols_values_are_found_and_nothing_else(name):
    protocol = PROTOCOLS[name]
    found = value_columns(Layout((protocol,)).frame([]))
    assert [column.code for column in found] == list(protocol.units)
    assert [column.name for column in found] == [protocol.column(code) for code in protocol.units]
    assert {column.scale.name for column in found} == {protocol.scale}


def test_columns_with_a_protocols_name_in_front_are_told_apart():
    twins = [Protocol(name, ("AU1", "AD30"), "occurrence") for name in ("one", "AU1,AU4")]
    jaws = [Protocol(name, ("feafa_09_jaw_drop",), "continuous") for name in ("feafa_09_jaw_drop", "two")]
    found = value_columns(Layout((*twins, *jaws)).frame([]))
    assert [(c.protocol, c.code) for c in found] == [
        ("one", "AU1"),
        ("one", "AD30"),
        ("AU1_AU4", "AU1"),
        ("AU1_AU4", "AD30"),
        ("feafa_09_jaw_drop", "feafa_09_jaw_drop"),
        ("two", "feafa_09_jaw_drop"),
    ]
    assert found[0].label == "AU1 Inner brow raiser (one)"


def test_kinds_are_chosen():
    table = Layout((PROTOCOLS["disfa"], PROTOCOLS["feafa"])).frame([])
    assert {column.kind for column in value_columns(table)} == {"r", "v"}
    assert {column.kind for column in value_columns(table, "v")} == {"v"}


def test_missing_numbers_become_empty_cells():
    whole, fractions = as_column(np.array([1, np.nan]), "c"), as_column(np.array([0.123456, np.nan]), "r")
    assert (whole.dtype, fractions.dtype) == ("Int64", "Float64")
    assert (whole[0], fractions[0]) == (1, 0.1235)
    assert whole.isna().tolist() == fractions.isna().tolist() == [False, True]


def test_each_face_has_a_slot_a_sample_from_its_first_to_its_last(table_of):
    first = {"AU01_r": [1, None, np.nan, 4, 5, None]}
    second = {"AU01_r": [None, None, None, 2, None, 3]}
    table = table_of(first, second, frames=6, step=5)
    one, two = series_of(table)
    values_N = as_floats(table, "AU01_r")
    np.testing.assert_array_equal(one.values(values_N), [1, np.nan, np.nan, 4, 5])
    np.testing.assert_array_equal(two.values(values_N), [2, np.nan, 3])
    assert one.read_S.tolist() == [True, False, True, True, True]
    assert two.frames_S.tolist() == [15, 20, 25]
    np.testing.assert_allclose(one.seconds_S, [0, 0.5, 1, 1.5, 2])
    np.testing.assert_allclose(two.lasts_S, [0.5, 0.5, 0.5])


def test_a_row_without_success_is_a_gap_whatever_it_holds(table_of):
    table = table_of({"AU01_r": [1, 2, 3]}, frames=3)
    table.loc[1, "success"] = 0
    np.testing.assert_array_equal(series_of(table)[0].values(as_floats(table, "AU01_r")), [1, np.nan, 3])


def test_order_of_the_rows_does_not_matter(table_of, course):
    table = table_of({"AU01_r": course}, {"AU01_r": course[::-1]}, frames=100)
    mixed = table.sample(frac=1, random_state=0)
    for a, b in zip(series_of(table), series_of(mixed), strict=True):
        np.testing.assert_array_equal(a.values(as_floats(table, "AU01_r")), b.values(as_floats(mixed, "AU01_r")))


def test_rows_that_cannot_be_one_course_are_refused(table_of):
    table = table_of({"AU01_r": [1, 2]}, frames=2)
    with pytest.raises(ValueError, match="2 inputs"):
        series_of(pd.concat([table, table.assign(input="other.mp4")]))
    with pytest.raises(ValueError, match="face 0 has 4 rows in 2 frames"):
        series_of(pd.concat([table, table]))


def test_without_faces_there_is_no_series(table_of):
    assert series_of(table_of({"AU01_r": [None, None]}, frames=2)) == []


def test_runs():
    assert runs(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == [(0, 2), (3, 4), (6, 7)]
    assert runs(np.zeros(3, bool)) == []
