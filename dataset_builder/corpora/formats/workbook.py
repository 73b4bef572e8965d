"""Tables that come as an Excel workbook, or as its export to CSV: rows of text cells with their row numbers."""

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

from aullava.dataset_builder.corpora.formats.label_text import read_cells, read_lines
from aullava.dataset_builder.errors import CorpusError, LabelError


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Row number (from 1, as Excel and editors show it) and stripped cells of every row that is not blank.

    Args:
        path: ".xlsx" (its first sheet), or a text file with cells apart by comma, semicolon or tab, whichever its first lines have
            most. Whole numbers come without a decimal point, whatever the cell's format; formulas as the value last computed.

    Raises:
        LabelError: no workbook, or a broken one.
        CorpusError: openpyxl is not installed.
    """
    if path.suffix.lower() not in (".xlsx", ".xlsm"):
        head = "".join(line for (_, line), _ in zip(read_lines(path), range(20), strict=False))
        yield from read_cells(path, max(",;\t", key=head.count))
        return
    for number, row in enumerate(_sheet(path), 1):
        cells = [_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def column_key(text: str) -> str:
    """A column's name without case, spaces and signs: "Apex Frame" and "ApexFrame" give "apexframe"."""
    return "".join(filter(str.isalnum, text.lower()))


def _sheet(path: Path) -> list[tuple]:
    try:
        import openpyxl
    except ImportError as error:
        raise CorpusError(
            f"{path}: reading a workbook needs openpyxl, which is not installed: pip install 'au-llava[excel]', or save the "
            "sheet as a CSV file beside it and remove the workbook"
        ) from error
    try:
        book = openpyxl.load_workbook(path, data_only=True)
        return list(book.worksheets[0].iter_rows(values_only=True))
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, IndexError, TypeError, SyntaxError) as error:
        raise LabelError(
            path, None, f"no readable workbook ({type(error).__name__}: {error})", "an .xlsx file"
        ) from error


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        if math.isnan(cell):
            return ""
        if cell == int(cell):
            return str(int(cell))
    return str(cell).replace("\xa0", " ").strip()
