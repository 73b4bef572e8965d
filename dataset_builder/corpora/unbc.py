"""UNBC-McMaster Shoulder Pain: people who move an aching shoulder, ten action units coded in every frame.

    Images/042-ll042/<sequence>/<frame>.png
    Frame_Labels/FACS/042-ll042/<sequence>/<frame>_facs.txt     rows "AU intensity x y", white space between, scientific notation
    Frame_Labels/PSPI/042-ll042/<sequence>/<frame>_facs.txt     one number, 0 to 16; not read: `pspi` computes it

Only active units are listed: one of the ten that is not has the value 0, and a file without rows is a neutral face. What the
third and fourth cell say is not known to us. Units beyond the ten are not used: nothing says that they were looked for in every
frame, so their absence means nothing.

Evidence [V2], two or more public sources agree: layout, rows, the ten units, AU43 coded as absent or present only, the formula of
PSPI. 25 subjects, 200 sequences, 48,398 frames. The address to ask at is from memory [M].
"""

import math
from collections.abc import Mapping
from pathlib import Path

from aullava.action_units import INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.formats.facs_files import FacsFilesReader
from aullava.dataset_builder.corpora.formats.frame_files import facs_rows
from aullava.dataset_builder.corpora.reader import facs
from aullava.dataset_builder.errors import LabelError

GRADED = (4, 6, 7, 9, 10, 12, 20, 25, 26)
EYES_CLOSED = 43
_CELLS_IN_A_ROW = 4


class UnbcReader(FacsFilesReader):
    """UNBC-McMaster. Intensity of nine units, occurrence of AU43.

    Args:
        data_dir: the folder with Frame_Labels and Images in it.
        follow_links: whether links in it may lead out of it.
    """

    name = "unbc"
    title = "UNBC-McMaster Shoulder Pain Expression Archive"
    request = "https://sites.pitt.edu/~emotion/um-spread.htm"
    protocol = "unbc"
    anchors = ("Frame_Labels/FACS",)
    units = {INTENSITY: facs(*GRADED), OCCURRENCE: facs(EYES_CLOSED)}
    labels_at, images_at = "Frame_Labels/FACS", "Images"
    example = "042-ll042/<sequence>/<frame>_facs.txt"
    notes = (
        "AU43 is coded as absent or present only: it has an occurrence and no intensity.",
        "The label files list active units only: a unit of the ten that a file does not name is coded as 0. A file without rows "
        "is a neutral face, so an empty file left by a broken copy reads as neutral.",
        "Units beyond the ten, which some label files name, are left out.",
    )

    @staticmethod
    def values_in(path: Path) -> dict[str, dict[str, float]]:
        return read_facs(path)


def read_facs(path: Path) -> dict[str, dict[str, float]]:
    """Scale -> code -> value of one frame's label file.

    Raises:
        LabelError: a broken row, an intensity outside 0 to 5, an AU43 other than 0 or 1.
    """
    rows = facs_rows(path, _CELLS_IN_A_ROW)
    closed = rows.get(EYES_CLOSED, 0.0)
    if closed > 1:
        raise LabelError(path, None, f"AU43 with {closed:g}", "0 or 1, since AU43 is coded as absent or present only")
    graded = {code: rows.get(number, 0.0) for number, code in zip(GRADED, facs(*GRADED), strict=True)}
    return {INTENSITY: graded, OCCURRENCE: {"AU43": closed}}


def pspi(values: Mapping[str, Mapping[str, float]]) -> float:
    """Prkachin and Solomon's pain intensity of a frame, 0 to 16: AU4 + max(AU6, AU7) + max(AU9, AU10) + AU43 [V2].

    Args:
        values: as in `FrameRecord.values`: intensities, and AU43's occurrence.

    Returns:
        NaN if one of the six units is not coded.
    """
    graded = values.get(INTENSITY, {})
    au4, au6, au7, au9, au10 = (graded.get(code, math.nan) for code in facs(4, 6, 7, 9, 10))
    au43 = values.get(OCCURRENCE, {}).get("AU43", math.nan)
    if any(map(math.isnan, (au4, au6, au7, au9, au10, au43))):
        return math.nan
    return au4 + max(au6, au7) + max(au9, au10) + au43
