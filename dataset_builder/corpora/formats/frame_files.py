"""Corpora that keep one label file a frame (FEAFA, UNBC, CK+): finding the files, and reading rows of "AU intensity"."""

import math
import re
from pathlib import Path

from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_cells, whole_number
from aullava.dataset_builder.corpora.formats.paths import Root
from aullava.dataset_builder.errors import LabelError

# The last digits of a stem, at most eight: "gong2_2_00004832" gives 4832, "ll042t1aaaff001" gives 1, "00000014" gives 14.
FRAME_NUMBER = r".*?(\d{1,8})"
HIGHEST_FACS_NUMBER = 99
HIGHEST_INTENSITY = 5


def label_files_by_frame(root: Root, place: Path, *patterns: str, stem: str = FRAME_NUMBER) -> dict[int, Path]:
    """Label files directly in a folder by the frame number in their names, ascending.

    Args:
        root: the corpus. place: the folder.
        patterns: names with `*`, letter case ignored, such as "*.auw".
        stem: regular expression that the name without suffix must match; its group 1 is the number.

    Raises:
        LabelError: a name without a number, or two files for one frame.
    """
    whole, found = re.compile(stem, re.IGNORECASE), {}
    for pattern in patterns:
        for path in root.files(place, pattern):
            match = whole.fullmatch(path.stem)
            if match is None:
                raise LabelError(path, None, f"the name {path.name!r}", "a name that ends in the number of its frame")
            other = found.setdefault(int(match.group(1)), path)
            if other is not path:
                raise LabelError(
                    path, None, f"a second label file of frame {int(match.group(1))}", f"only {other.name}"
                )
    return dict(sorted(found.items()))


def facs_rows(path: Path, most_cells: int) -> dict[int, float]:
    """FACS number -> intensity 0 to 5, as the rows "AU intensity ..." of a file give them; no row, no entry.

    Cells stand apart by white space and may be in scientific notation ("4.3000000e+01"). Those behind the second are not read.

    Args:
        path: the file. most_cells: how many cells a row may have.

    Raises:
        LabelError: too few or too many cells, no FACS number (0 to 99), no intensity, or one unit with two intensities.
    """
    rows: dict[int, float] = {}
    for line, cells in read_cells(path, ""):
        if not 2 <= len(cells) <= most_cells:
            wanted = "2 cells" if most_cells == 2 else f"2 to {most_cells} cells"
            raise LabelError(path, line, f"{len(cells)} cells", f"{wanted}, the first two an AU and its intensity")
        number = whole_number(cells[0], path, line, "the number of an action unit")
        if not 0 <= number <= HIGHEST_FACS_NUMBER:
            raise LabelError(path, line, f"action unit {number}", f"a FACS number from 0 to {HIGHEST_FACS_NUMBER}")
        intensity = coded_value(cells[1], HIGHEST_INTENSITY, (), path, line)
        if math.isnan(intensity):
            raise LabelError(path, line, repr(cells[1]), f"an intensity from 0 to {HIGHEST_INTENSITY}")
        if rows.setdefault(number, intensity) != intensity:
            raise LabelError(
                path, line, f"AU {number} again, now with {cells[1]}", f"the {rows[number]:g} of above, or no row"
            )
    return rows
