"""Label files as they come: text with or without BOM, any line ends, blank lines, stray spaces; cells with codes for "not coded".

Everything here names file and line when it refuses something.
"""

import csv
import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from aullava.dataset_builder.errors import LabelError
from aullava.dataset_builder.rows.records import NOT_CODED

_TOO_LONG = 2**63  # rows hold whole numbers of 64 bits
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def read_text(path: Path) -> str:
    """The text of a label file: UTF-8, or UTF-16 if a byte order mark says so; other bytes are taken as Latin-1.

    Raises:
        LabelError: the file holds zero bytes, so it is no text.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise LabelError(path, None, "zero bytes", "a text file")
    return text


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and stripped text of every line that is not blank."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def read_cells(path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of every row that is not blank; quotes as in CSV files.

    Args:
        path: the file. delimiter: one character, or "" for any run of white space.
    """
    if not delimiter:
        yield from ((number, line.split()) for number, line in read_lines(path))
        return
    reader = csv.reader(read_text(path).splitlines(), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise LabelError(path, reader.line_num, f"a broken row ({error})", "cells separated by commas") from error


def whole_number(text: str, path: Path, line: int, what: str = "a whole number") -> int:
    """ "12", "12.0" and "1.2e1" give 12.

    Raises:
        LabelError: anything else.
    """
    # by way of a float, a number from 2**53 would lose its last digits
    number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else _number(text)
    if number is None or number % 1 or math.isnan(number) or abs(number) >= _TOO_LONG:
        raise LabelError(path, line, repr(text), what)
    return int(number)


def coded_value(
    text: str, highest: float, missing: Collection[float | str], path: Path, line: int, *, whole: bool = True
) -> float:
    """The number of one label cell.

    Args:
        text: the cell.
        highest: the scale's maximum; its minimum is 0.
        missing: what the corpus writes for "not coded": numbers such as 9, words such as "?". An empty cell always counts.
        path, line: where the cell stands. whole: whether only whole numbers are values.

    Returns:
        The value, or NaN where the cell says "not coded".

    Raises:
        LabelError: neither a value of the scale nor a code for "not coded".
    """
    text = text.strip()
    number = _number(text)
    if not text or text in missing or (number is not None and (math.isnan(number) or number in missing)):
        return NOT_CODED
    if number is None or not 0 <= number <= highest or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        codes = f", or {', '.join(map(str, missing))} for not coded" if missing else ""
        raise LabelError(path, line, repr(text), f"{kind} from 0 to {highest:g}{codes}")
    return number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isinf(number) else number
