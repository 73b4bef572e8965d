"""FEAFA: 24 values from 0 to 1 a frame, of people who pose; the same as part A of FEAFA+.

    FEAFA-A/PV001.output/00000994.auw         one line, 24 numbers separated by spaces [V2]
    FEAFA-A/PV001.output/00000994.jpg         the frame; may be a png [V2]
    FEAFA-A/PV001.output/00000994_crop.jpg    the face cut out [V2]

Evidence: [V2] two or more public sources agree, [V1] one, [C] computed, [S] from an abstract, [M] from memory. Layout and `.auw`
[V2]; frame numbers start at 0 [C]; 127 folders PV001..PV127 [V2] with 99,356 frames [S] of 122 participants [S]. The name
`.floatarray` for label files has no evidence and is read as an alias. Order and names of the 24 values: action_units.py [V2].
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from aullava.action_units import CONTINUOUS, FEAFA_UNITS
from aullava.dataset_builder.corpora.formats.frame_files import FRAME_NUMBER, label_files_by_frame
from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_cells
from aullava.dataset_builder.corpora.formats.paths import Root
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile

CODES = tuple(FEAFA_UNITS)
LABELS = ("*.auw", "*.floatarray")
IMAGE_STEMS = {"full": FRAME_NUMBER, "crop": FRAME_NUMBER + "_crop"}
PART_A = re.compile(r"PV(\d+)\.output", re.IGNORECASE)

PEOPLE_NOTE = (
    "122 participants but 127 PV ids: a few people own more than one id, nobody published which, so that a split by id is not "
    "strictly a split by person."
)
SIDES_NOTE = (
    "Whether left and right are the subject's own is not verified for FEAFA: look at one wink before trusting sides."
)
SPLIT_NOTE = (
    "No official split was found. The one published with a public regressor is a random split of frames: scores on it are not "
    "comparable with those on unseen people."
)


class FeafaReader(CorpusReader):
    """FEAFA.

    Args:
        data_dir: the folder with FEAFA-A, or with PV001.output and its siblings, in it.
        images: "full" frames, or the "crop" beside each.
        follow_links: whether links in it may lead out of it.
    """

    name = "feafa"
    title = "FEAFA"
    request = "https://www.iiplab.net/feafa+/"
    protocol = "feafa"
    folds = ("feafa",)
    anchors = ("PV*.output", "FEAFA-A/PV*.output")
    units = {CONTINUOUS: CODES}
    notes = (PEOPLE_NOTE, SIDES_NOTE, SPLIT_NOTE)

    def __init__(self, data_dir: str | os.PathLike, *, images: str = "full", follow_links: bool = False):
        self.images = checked_images(images)
        super().__init__(data_dir, follow_links=follow_links)

    @cached_property
    def _folders(self) -> dict[str, Path]:
        place = self.root.find("FEAFA-A") if self.root.find("PV*.output") is None else self.root.folder
        return labelled_folders(self.root, place, PART_A, "PV")

    def subjects(self) -> tuple[str, ...]:
        if not self._folders:
            raise LayoutError(
                f"{self.root.folder}: no .auw file; expected some in folders such as PV001.output. Get the labels of {self.title}"
            )
        return tuple(self._folders)

    def read(self, subject: str) -> Iterator[FrameRecord]:
        folder = folder_of(self, self._folders, subject)
        yield from read_beside(self.root, folder, subject, self.images)

    def label_files(self, subject: str) -> Iterator[Path]:
        yield from label_files_by_frame(self.root, folder_of(self, self._folders, subject), *LABELS).values()

    def image_places(self, subject: str) -> Iterator[Path]:
        yield folder_of(self, self._folders, subject)


def checked_images(images: str) -> str:
    """The option `images`, if it is one of IMAGE_STEMS.

    Raises:
        CorpusError: it is not.
    """
    if images not in IMAGE_STEMS:
        raise CorpusError(f"images is {images!r}: expected one of {', '.join(IMAGE_STEMS)}")
    return images


def labelled_folders(root: Root, place: Path, name: re.Pattern, prefix: str) -> dict[str, Path]:
    """Subject -> its folder, for every folder of a place whose name matches and that holds a label file, in natural order.

    Args:
        root: the corpus. place: e.g. FEAFA-A. name: the folders' names; group 1 is the subject's number.
        prefix: what stands before the number, of three digits, in a subject's id.

    Raises:
        LayoutError: two folders of one subject.
    """
    found: dict[str, Path] = {}
    for folder in root.folders(place, "*.output"):
        match = name.fullmatch(folder.name)
        if match is None or root.find(*LABELS, under=folder) is None:
            continue
        other = found.setdefault(f"{prefix}{int(match.group(1)):03d}", folder)
        if other is not folder:
            raise LayoutError(
                f"{place}: {other.name} and {folder.name} are one subject; remove the one that does not belong"
            )
    return dict(sorted(found.items()))


def folder_of(reader: CorpusReader, folders: Mapping[str, Path], subject: str) -> Path:
    """The folder of a subject.

    Raises:
        LayoutError: there is none.
    """
    if subject not in folders:
        known = f"{len(folders)} from {min(folders)} to {max(folders)}" if folders else "nobody"
        raise LayoutError(
            f"{reader.root.folder}: no labels of subject {subject!r}; expected one of those there: {known}"
        )
    return folders[subject]


def read_beside(root: Root, folder: Path, subject: str, images: str) -> Iterator[FrameRecord]:
    """Records of a folder whose images lie beside the labels."""
    by_number = root.numbered_images(folder, IMAGE_STEMS[images])
    for frame, path in label_files_by_frame(root, folder, *LABELS).items():
        image = ImageFile(by_number[frame]) if frame in by_number else None
        yield FrameRecord(image, subject, subject, frame, {CONTINUOUS: read_auw(path)})


def read_auw(path: Path) -> dict[str, float]:
    """Code -> value from 0 to 1 of one label file.

    Raises:
        LabelError: not one line of 24 numbers from 0 to 1.
    """
    rows = list(read_cells(path, ""))
    if not rows:
        raise LabelError(path, None, "an empty file", f"one line of {len(CODES)} numbers")
    if len(rows) > 1:
        raise LabelError(path, rows[1][0], "a second line of values", f"one line of {len(CODES)} numbers")
    line, cells = rows[0]
    if len(cells) != len(CODES):
        raise LabelError(path, line, f"{len(cells)} values", f"{len(CODES)} numbers separated by spaces")
    return {code: coded_value(cell, 1, (), path, line, whole=False) for code, cell in zip(CODES, cells, strict=True)}
