"""Label files of BP4D and BP4D+: one table of occurrences a sequence, one list of intensities a sequence and unit.

Evidence as in the readers: [V2] two public sources agree, [V1] one, [M] from memory.

Occurrence, `AU_OCC/F001_T1.csv`: a header line, then one row a coded frame; column 0 is always the frame, cells are 0, 1 or 9 for
not coded [V2]. Two styles of header [V1]: "0,1,...,99", where column N is AU N, and about 35 AU numbers behind a first cell that
means nothing and may repeat an AU number, such as "1,1,2,4,...,39,99". In both the cell above a column, the first one apart, is the
number of its AU. The last, 99, is no AU but marks frames that are coded as unreliable [V1]; their other cells hold the 9s.

Intensity, `AU_INT/AU06/F001_T1_AU06.csv`: "frame,level" without a header [BP4D V1: one public reader; BP4D+ V2: rPPG-Toolbox and
another]; a header of words is let pass. Levels 0 to 5 [BP4D M, BP4D+ V1]; 9 for not coded [BP4D M, BP4D+ V1].
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from aullava.action_units import unit
from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_cells, whole_number
from aullava.dataset_builder.errors import LabelError

NOT_CODED_CELL = (9,)

_HEADER = "a header with the frame's column first and then AU numbers from 1 to 99, as in 0,1,2,...,99 or 1,1,2,4,5,...,39,99"


def read_occurrence(path: Path, codes: Iterable[str], first_frame: int) -> dict[int, dict[str, float]]:
    """Frame -> code -> 0, 1 or NaN, for those of the codes that have a column.

    Columns of other AU numbers are not read.

    Args:
        path: a file of AU_OCC. codes: the units to read. first_frame: the lowest frame number there can be.

    Raises:
        LabelError: no header of either style, an AU twice in it, none of the units in it, a row longer or shorter than it, a frame
            twice or too low, a cell other than 0, 1, 9 or empty, or no row at all.
    """
    rows = read_cells(path)
    line, header = next(rows, (None, []))
    header = _without_empty_end(header)
    columns = _columns(header, {unit(code).number: code for code in codes}, path, line)
    frames: dict[int, dict[str, float]] = {}
    for line, cells in rows:
        if len(cells) < len(header) or len(_without_empty_end(cells)) > len(header):
            raise LabelError(path, line, f"{len(cells)} cells", f"{len(header)}, as the header has")
        frame = _new_frame(cells[0], frames, first_frame, path, line)
        frames[frame] = {code: coded_value(cells[i], 1, NOT_CODED_CELL, path, line) for code, i in columns.items()}
    if not frames:
        raise LabelError(path, None, "no coded frame", "a row for each")
    return frames


def read_intensity(path: Path, first_frame: int) -> dict[int, float]:
    """Frame -> level 0 to 5 or NaN.

    Args:
        path: a file of AU_INT. first_frame: the lowest frame number there can be.

    Raises:
        LabelError: a row of other than two cells, a frame twice or too low, a level outside its scale, or no row at all.
    """
    levels: dict[int, float] = {}
    for position, (line, cells) in enumerate(read_cells(path)):
        if position == 0 and not any(character.isdigit() for character in cells[0]):
            continue  # a header
        if len(cells) < 2 or len(_without_empty_end(cells)) > 2:
            raise LabelError(path, line, f"{len(cells)} cells", "two: the frame's number and the level")
        frame = _new_frame(cells[0], levels, first_frame, path, line)
        levels[frame] = coded_value(cells[1], 5, NOT_CODED_CELL, path, line)
    if not levels:
        raise LabelError(path, None, "no coded frame", "a row for each")
    return levels


def _columns(header: list[str], codes: Mapping[int, str], path: Path, line: int | None) -> dict[str, int]:
    """Column of each unit that the header names."""
    places: dict[int, int] = {}
    for column, cell in enumerate(header[1:], 1):
        match = re.fullmatch(r"(?:AU)?\s*0*([1-9]\d?)", cell, re.IGNORECASE)
        if match is None:
            raise LabelError(path, line, f"{cell!r} above column {column + 1}", _HEADER)
        number = int(match.group(1))
        if number in places:
            twice = f"AU {number} above columns {places[number] + 1} and {column + 1}"
            raise LabelError(path, line, twice, "each AU once")
        places[number] = column
    columns = {code: places[number] for number, code in codes.items() if number in places}
    if not columns:
        raise LabelError(path, line, "none of the coded AUs", _HEADER)
    return columns


def _new_frame(cell: str, known: Mapping[int, object], first_frame: int, path: Path, line: int) -> int:
    frame = whole_number(cell, path, line, "the number of a frame")
    if frame < first_frame:
        raise LabelError(path, line, f"frame {frame}", f"frame numbers from {first_frame}")
    if frame in known:
        raise LabelError(path, line, f"frame {frame} a second time", "each frame once")
    return frame


def _without_empty_end(cells: list[str]) -> list[str]:
    """The cells up to the last one that is not empty: spreadsheets add commas at the ends of lines."""
    length = len(cells)
    while length and not cells[length - 1]:
        length -= 1
    return cells[:length]
