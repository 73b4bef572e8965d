"""The neutral face: OpenFace's rule by hand, what is left alone, neutral faces from files."""

import numpy as np
import pandas as pd
import pytest

from aullava.analysis.baseline import auto_neutral, neutral_of, read_neutral, subtract_baseline
from aullava.analysis.series import as_floats


def test_the_neutral_is_the_value_at_a_tenth_of_the_sorted_ones():
    assert auto_neutral(np.array([5.0, 4, 3, 2, 1, 1, 2, 3, 4, 5])) == 1  # index 1 of 10: 1, 1, 2, ...
    assert auto_neutral(np.arange(20.0)[::-1]) == 2
    assert auto_neutral(np.append(np.arange(25.0), np.nan)) == 2
    assert np.isnan(auto_neutral(np.append(np.arange(9.0), np.nan)))


def test_what_is_below_the_neutral_is_0_and_gaps_stay(table_of):
    values = [1, 2, 2, 2, 3, 4, 5, 5, 5, 5, None, 5]
    table = table_of({"AU12_r": values}, frames=12)
    result, notes = subtract_baseline(table, "auto")
    np.testing.assert_array_equal(as_floats(result, "AU12_r"), [0, 0, 0, 0, 1, 2, 3, 3, 3, 3, np.nan, 3])
    assert result["AU12_r"].dtype == "Float64" and notes == []


def test_each_face_has_its_own_neutral_and_a_short_one_is_left_and_told(table_of):
    first = [2] * 5 + [4] * 15
    second = [1] * 20
    short = [3] * 9 + [None] * 11
    strengths = [0.2] * 19 + [1.0]
    table = table_of(
        {"AU12_r": first, "feafa_09_jaw_drop_v": strengths},
        {"AU12_r": second, "feafa_09_jaw_drop_v": [np.nan] * 20},
        {"AU12_r": short, "feafa_09_jaw_drop_v": short},
        frames=20,
    )
    result, notes = subtract_baseline(table, "auto")
    assert as_floats(result[result.face_id == 0], "AU12_r").tolist() == [0] * 5 + [2] * 15
    np.testing.assert_allclose(as_floats(result[result.face_id == 0], "feafa_09_jaw_drop_v"), [0] * 19 + [0.8])
    assert as_floats(result[result.face_id == 1], "AU12_r").tolist() == [0] * 20
    assert as_floats(result[result.face_id == 2], "AU12_r").tolist() == [3] * 9
    assert notes == [
        "face 1: no baseline was subtracted from feafa_09_jaw_drop_v: fewer than 10 values",
        "face 2: no baseline was subtracted from any of its 2 units: fewer than 10 values",
    ]


def test_a_given_neutral_is_subtracted_from_every_face_and_what_it_lacks_is_told(table_of):
    face = {"AU04_r": [1, 1], "AU12_r": [3, 5], "AU12_p": [0.5, 0.9]}
    table = table_of(face, face, frames=2)
    result, notes = subtract_baseline(table, {"AU12_r": 1.5, "AU25_r": 4})
    assert result["AU12_r"].tolist() == [1.5, 1.5, 3.5, 3.5]
    assert result["AU04_r"].tolist() == [1, 1, 1, 1] and result["AU04_r"].dtype == "Float64"
    assert result["AU12_p"].equals(table["AU12_p"])
    assert notes == [
        f"face {k}: no baseline was subtracted from AU04_r: the neutral face has no value" for k in range(2)
    ]


def test_occurrences_have_no_baseline(table_of):
    table = table_of({"AU12_c": [0, 1] * 10}, frames=20)
    result, [note] = subtract_baseline(table, "auto")
    assert result.equals(table) and "occurrences" in note


def test_the_neutral_of_a_table_is_the_median_of_what_was_read(table_of):
    table = table_of(
        {"AU04_r": [0, 1, 5, 5, None], "AU12_r": [1, np.nan, 2, 5, None], "AU25_r": [np.nan] * 4 + [None]}, frames=5
    )
    table.loc[3, "success"] = 0
    assert neutral_of(table) == {"AU04_r": 1, "AU12_r": 1.5}
    stills = pd.concat([table, table.assign(input="other.png")])
    assert neutral_of(stills) == {"AU04_r": 1, "AU12_r": 1.5}


def test_a_table_of_nobody_or_of_two_is_no_neutral_face(table_of):
    with pytest.raises(ValueError, match="2 faces were read"):
        neutral_of(table_of({"AU12_r": [0]}, {"AU12_r": [1]}, frames=1))
    with pytest.raises(ValueError, match="no unit was read"):
        neutral_of(table_of({"AU12_r": [None]}, frames=1))
    with pytest.raises(ValueError, match="no column of intensities"):
        neutral_of(table_of({"AU12_c": [0]}, frames=1))


def test_earlier_tables_give_the_same_neutral(table_of, tmp_path):
    table = table_of({"AU12_r": [1, 2, None], "feafa_09_jaw_drop_v": [0.25, 0.35, None]}, frames=3)
    table.to_csv(tmp_path / "rest.csv", index=False)
    table.to_parquet(tmp_path / "rest.parquet")
    for name in ("rest.csv", "rest.parquet"):
        assert read_neutral(tmp_path / name) == pytest.approx(neutral_of(table))
    assert neutral_of(table) == pytest.approx({"AU12_r": 1.5, "feafa_09_jaw_drop_v": 0.3})


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("rest.xlsx", b"", "rest.xlsx: expected a name that ends in .csv or .parquet"),
        ("rest.csv", b"", "No columns"),
        ("rest.csv", b"a,b\n1,2\n", "no column input, frame, face_id, success"),
        ("rest.csv", b"\xff\xfe\x00\x01", "no neutral face can be read from"),
        ("rest.parquet", b"PAR1", "no neutral face can be read from"),
        ("gone.csv", None, "gone.csv"),
    ],
)
def test_files_that_are_no_table_are_refused_by_name(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_neutral(tmp_path / name)
