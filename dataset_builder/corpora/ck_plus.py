"""CK+ (extended Cohn-Kanade): posed expressions from neutral to peak; the peak frame, the last one, is coded in full.

    FACS/S010/001/S010_001_00000014_facs.txt                 rows "AU intensity", leading spaces, scientific notation
    cohn-kanade-images/S010/001/S010_001_00000014.png        its image; the frames before it are not coded and not read

An intensity of 0 in a row means "present, intensity not given": occurrence 1, intensity not coded. A unit that the file does not
list is absent: occurrence 0, intensity 0. Nothing says what a file without rows means: its frame
is not coded. Units beyond the 25 are not used, though some files list them.

Evidence [V2], two public loaders agree: layout, rows, the 25 units, 0 for "not given". They differ in what they make of it: py-feat
counts the unit as present, as we do; OpenGraphAU counts a unit as present only above 1. The address to ask at is from memory [M].
"""

from pathlib import Path

from aullava.action_units import INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.formats.facs_files import FacsFilesReader
from aullava.dataset_builder.corpora.formats.frame_files import facs_rows
from aullava.dataset_builder.corpora.reader import facs
from aullava.dataset_builder.rows.records import NOT_CODED

# fmt: off
NUMBERS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 38, 39)
# fmt: on
CODES = facs(*NUMBERS)
_CELLS_IN_A_ROW = 2


class CkPlusReader(FacsFilesReader):
    """CK+. One record a sequence: its peak.

    Args:
        data_dir: the folder with FACS and cohn-kanade-images in it.
        follow_links: whether links in it may lead out of it.
    """

    name = "ck_plus"
    title = "CK+ (extended Cohn-Kanade)"
    request = "https://sites.pitt.edu/~emotion/ck-spread.htm"
    anchors = ("FACS/S*",)
    units = {OCCURRENCE: CODES, INTENSITY: CODES}
    labels_at, images_at, subject_folders = "FACS", "cohn-kanade-images", "S*"
    example = "S010/001/S010_001_00000014_facs.txt"
    notes = (
        "Only the peak frame of a sequence is coded.",
        "An intensity of 0 in the files means that a unit is present and its intensity was not given: occurrence 1, intensity not "
        "coded. Occurrence is what the files list and not a threshold on the intensity.",
        "Units beyond the 25 that this reader names, which some label files list, are left out.",
    )

    @staticmethod
    def values_in(path: Path) -> dict[str, dict[str, float]]:
        return read_facs(path)


def read_facs(path: Path) -> dict[str, dict[str, float]]:
    """Scale -> code -> value of one label file.

    Raises:
        LabelError: a broken row, or an intensity outside 0 to 5.
    """
    rows = facs_rows(path, _CELLS_IN_A_ROW)
    if not rows:
        return {scale: dict.fromkeys(CODES, NOT_CODED) for scale in (OCCURRENCE, INTENSITY)}
    occurrence = {code: float(number in rows) for number, code in zip(NUMBERS, CODES, strict=True)}
    # No row: absent, 0. A row with 0: present, "not given".
    levels = {number: NOT_CODED if written == 0 else written for number, written in rows.items()}
    intensity = {code: levels.get(number, 0.0) for number, code in zip(NUMBERS, CODES, strict=True)}
    return {OCCURRENCE: occurrence, INTENSITY: intensity}
