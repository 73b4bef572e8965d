"""BP4D+: 140 people (82 F, 58 M), ten tasks each, of which four have units coded.

Evidence: [V2] two or more public sources agree, [V1] one, [M] from memory, unverified. The layout is BP4D's, with four differences:

    tasks       labels of T1, T6, T7 and T8 only, 560 files [V2 py-feat's script, rPPG-Toolbox].
    images    2D+3D/F001/T1/000.jpg or 0000.jpg [V2]: 3 digits for 99 subjects, 4 for 41. Given out packed, one 2D+3D/F001.zip a
                subject [V1 rPPG-Toolbox].
    counting    labels count frames from 1, images from 0: frame f is image f-1 [V2 py-feat's script, rPPG-Toolbox].
    columns     34 AUs and the mark 99, see `Bp4dPlusReader`.
"""

from collections.abc import Mapping
from typing import ClassVar

from aullava.action_units import INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.bp4d import Bp4dReader
from aullava.dataset_builder.corpora.reader import facs


class Bp4dPlusReader(Bp4dReader):
    """BP4D+ on disk; arguments as of `Bp4dReader`.

    The 34 units of occurrence are the columns as rPPG-Toolbox reads them one by one; 25 and 26 are not among them. The places at
    which FMAE-IAT finds its twelve units agree [V2 as far as AU24, V1 beyond]. Intensity [V1 rPPG-Toolbox].
    """

    name: ClassVar[str] = "bp4d_plus"
    title: ClassVar[str] = "BP4D+"
    protocol: ClassVar[str] = "bp4d_plus"
    folds: ClassVar[tuple[str, ...]] = ("bp4d_plus",)
    units: Mapping[str, tuple[str, ...]] = {
        OCCURRENCE: facs(
            *(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24),
            *(27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39),
        ),
        INTENSITY: facs(6, 10, 12, 14, 17),
    }
    notes = (
        "Only tasks T1, T6, T7 and T8 have labels. [V2]",
        "Labels count frames from 1 and images from 0: frame f is image f-1. [V2]",
        "Code 9, not coded, is NaN. Column 99 is no action unit and is not read: it marks the frames that hold 9s. [V1]",
        "AU25 and AU26 are not among the columns. [V1]",
        "Intensity is coded for AU6, AU10, AU12, AU14 and AU17, levels 0 to 5. [V1]",
        "sex is the first letter of the subject's id.",
    )

    other: ClassVar[str] = "bp4d"
    people: ClassVar[Mapping[str, int]] = {"F": 82, "M": 58}
    tasks: ClassVar[tuple[str, ...]] = ("T1", "T6", "T7", "T8")
    first_frame: ClassVar[int] = 1
    image_of_frame_1: ClassVar[int] = 0
