"""Workbooks and their CSV exports: the same text cells and row numbers, however the cells are formatted."""

import openpyxl
import pytest

from aullava.dataset_builder.corpora.formats import workbook
from aullava.dataset_builder.corpora.formats.workbook import column_key, read_rows
from aullava.dataset_builder.errors import LabelError


@pytest.mark.parametrize(
    ("cell", "text"),
    [(12, "12"), (12.0, "12"), (float("nan"), ""), (None, ""), ("\xa04+7 ", "4+7"), ("006", "006"), (1.5, "1.5")],
)
def test_a_cell_as_text(cell, text):
    assert workbook._text(cell) == text


def test_rows_are_numbered_as_excel_shows_them_and_blank_ones_left_out(tmp_path):
    book = openpyxl.Workbook()
    for row in ((), ("a", 1), (None, None), (" ", ""), ("b", "4+7")):
        book.active.append(row)
    book.create_sheet("second").append(("not read",))
    book.save(tmp_path / "t.xlsx")
    assert list(read_rows(tmp_path / "t.xlsx")) == [(2, ["a", "1"]), (5, ["b", "4+7"])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_export_with_any_delimiter(tmp_path, delimiter):
    lines = ["", delimiter.join(("a", "1", "")), "", delimiter.join(('"b"', " 4+7", "x"))]
    (tmp_path / "t.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    assert list(read_rows(tmp_path / "t.csv")) == [(2, ["a", "1", ""]), (4, ["b", "4+7", "x"])]


def test_an_old_workbook_is_refused(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(LabelError, match="no readable workbook"):
        list(read_rows(tmp_path / "t.xlsx"))


def test_column_names_without_case_spaces_and_signs():
    assert column_key(" Apex Frame") == column_key("ApexFrame") == column_key("apex_frame") == "apexframe"
