"""Label files in the states they come in, and cells that are values, codes for "not coded", or mistakes."""

import math
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_cells, read_lines, whole_number
from aullava.dataset_builder.errors import LabelError

HERE = Path("labels.txt")


@pytest.mark.parametrize(
    "data",
    [
        b"1,0\n2,3\n",
        b"1,0\r\n2,3\r\n",
        b"1,0\r2,3",
        b"\xef\xbb\xbf1,0\n2,3",
        "1,0\n2,3".encode("utf-16"),
        b"\n\n 1,0 \n   \n\t2,3\t\n\n",
    ],
    ids=["unix", "windows", "old mac", "utf-8 bom", "utf-16", "blank lines and spaces"],
)
def test_lines_are_the_same_however_they_are_written(tmp_path, data):
    path = tmp_path / "labels.txt"
    path.write_bytes(data)
    assert [text for _, text in read_lines(path)] == ["1,0", "2,3"]
    assert [cells for _, cells in read_cells(path)] == [["1", "0"], ["2", "3"]]


def test_lines_carry_the_number_an_editor_shows(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\na\n\nb\n")
    assert [number for number, _ in read_lines(path)] == [2, 4]
    assert [number for number, _ in read_cells(path)] == [2, 4]


def test_cells_by_white_space_and_in_quotes(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("  4.0000000e+00   1.0\n")
    assert [cells for _, cells in read_cells(path, "")] == [["4.0000000e+00", "1.0"]]
    path.write_text("\"a, b\", 'AU 1' ,3\n")
    assert [cells for _, cells in read_cells(path)] == [["a, b", "'AU 1'", "3"]]


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"1,0\0\0\0")
    with pytest.raises(LabelError, match=r"labels\.txt.*zero bytes"):
        list(read_lines(path))


def test_other_bytes_than_utf_8_are_taken_as_latin_1(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("Müller,1".encode("latin-1"))
    assert [cells for _, cells in read_cells(path)] == [["Müller", "1"]]


@pytest.mark.parametrize("text, value", [("12", 12), ("12.0", 12), (" 1.2e1 ", 12), ("-3", -3)])
def test_whole_numbers(text, value):
    assert whole_number(text, HERE, 1) == value


@pytest.mark.parametrize("text", ["", "x", "1.5", "nan", "inf", "1e400"])
def test_what_is_no_whole_number_is_named(text):
    with pytest.raises(LabelError, match="labels.txt, line 7: found"):
        whole_number(text, HERE, 7)


@pytest.mark.parametrize("text, missing", [("9", {9}), ("9.0", {9}), ("-1", {-1}), ("999", {999}), ("?", {"?"})])
def test_codes_for_not_coded_are_nan_and_only_where_the_corpus_uses_them(text, missing):
    assert math.isnan(coded_value(text, 5, missing, HERE, 1))
    with pytest.raises(LabelError, match="line 3.*from 0 to 5"):
        coded_value(text, 5, (), HERE, 3)


@pytest.mark.parametrize("text", ["", "  ", "nan", "NaN"])
def test_empty_is_never_zero(text):
    assert math.isnan(coded_value(text, 1, (), HERE, 1))


@pytest.mark.parametrize("text", ["6", "-2", "2.5", "inf", "five"])
def test_values_outside_the_scale_are_refused(text):
    with pytest.raises(LabelError, match=f"found {text!r}".replace(".", r"\.")):
        coded_value(text, 5, {9}, HERE, 3)


@given(st.integers(0, 5))
def test_every_value_of_the_scale_is_itself(value):
    assert coded_value(f" {value}", 5, {9, -1}, HERE, 1) == value
    assert coded_value(str(value / 5), 1, (), HERE, 1, whole=False) == value / 5


def test_long_whole_numbers_keep_their_last_digit_and_none_is_too_long_for_a_row(tmp_path):
    assert whole_number("1700000000000000001", tmp_path, 1) == 1700000000000000001
    with pytest.raises(LabelError, match="found '1e30'"):
        whole_number("1e30", tmp_path, 1)


def test_an_error_comes_back_whole_from_another_process(tmp_path):
    error = LabelError(tmp_path / "a.csv", 3, "'7'", "0 to 5")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is LabelError and str(again) == str(error)
