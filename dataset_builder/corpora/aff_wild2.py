"""Aff-Wild2, the action-unit set of the ABAW challenges: videos from the web, every frame coded.

    annotations/AU_Detection_Challenge/{Train_Set,Validation_Set}/<video>.txt     (older: AU_Set/{Training_Set,Validation_Set})
    cropped_aligned/<video>/00001.jpg                                             a frame without a face has no image

The first line is a header, then one line a frame: 0, 1, or -1 for a frame that is not valid. Line j after the header (from 0)
belongs to image j+1, which is also the frame's number here.

Evidence [V2], OpenGraphAU's tool, wtomin's repository, AC2D: folders, lines, -1, images, 12 AUs, 8 in the edition of 2020.
From memory [M]: a video of two people has two files, <video>_left and <video>_right.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from aullava.action_units import AU_LISTS, OCCURRENCE
from aullava.common.files import natural_key
from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_lines
from aullava.dataset_builder.corpora.reader import CorpusReader, facs
from aullava.dataset_builder.errors import LabelError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile

EDITION_2020 = facs(1, 2, 4, 6, 12, 15, 20, 25)
EDITION_12 = facs(*AU_LISTS["abaw_12"])
UNITS = facs(*sorted({*AU_LISTS["abaw_12"], 20}))
INVALID = -1
_FOLDERS = ("AU_Detection_Challenge", "AU_Set")
_ANCHORS = tuple(f"{above}{name}" for above in ("annotations/", "", "*/", "*/*/") for name in _FOLDERS)
_SETS = {"train": ("Train_Set", "Training_Set"), "validation": ("Validation_Set",)}
_PERSON = re.compile(r"_(?:left|right)$", re.IGNORECASE)


class AffWild2Reader(CorpusReader):
    """Aff-Wild2. People are not identified: `subject` is the video, both people of a video of two included, `sequence` the file.

    Args:
        data_dir: the folder with annotations and cropped_aligned in it.
        part: "train" or "validation" to read only the owners' set of that name; None for both.
        follow_links: whether links in it may lead out of it.

    Raises:
        LayoutError: a video has files in both sets, and `part` does not choose one.
    """

    name = "aff_wild2"
    title = "Aff-Wild2 (ABAW, action units)"
    request = "https://ibug.doc.ic.ac.uk/resources/aff-wild2/"
    protocol = "abaw"
    anchors = _ANCHORS
    units = {OCCURRENCE: UNITS}
    people_known = False
    notes = (
        "People are not identified: the subject is the video, so a split by subject may share people between videos.",
        "Files <video>_left and <video>_right are two people of one video and stay on the same side of a split.",
        "Cells of -1 are not coded. The edition of 2020 codes 8 units, later ones 12; AU20 is in the former only.",
    )

    def __init__(self, data_dir: str | os.PathLike, *, part: str | None = None, follow_links: bool = False):
        if part is not None and part not in _SETS:
            raise ValueError(f"part is {part!r}: expected {', '.join(_SETS)}, or None for both")
        super().__init__(data_dir, follow_links=follow_links)
        self._annotations = self.root.require(*_ANCHORS)
        self._images = self.root.find("cropped_aligned", "*/cropped_aligned", "cropped_aligned_images")
        self._files: dict[str, list[Path]] = {}
        self._split: dict[str, str] = {}
        for name in _SETS if part is None else (part,):
            self._add(name)

    def subjects(self) -> tuple[str, ...]:
        if not self._files:
            wanted = " or ".join(folder for names in _SETS.values() for folder in names)
            raise LayoutError(f"{self._annotations}: no label file in it; expected <video>.txt in {wanted}")
        return tuple(sorted(self._files, key=natural_key))

    def native_split(self, subject: str) -> str:
        return self._split.get(subject, "")

    def read(self, subject: str) -> Iterator[FrameRecord]:
        for path in self._of(subject):
            place = self.root.find(path.stem, under=self._images) if self._images else None
            images = self.root.numbered_images(place) if place else {}
            for frame, values in read_frames(path):
                image = ImageFile(images[frame]) if frame in images else None
                yield FrameRecord(image, subject, path.stem, frame, {OCCURRENCE: values})

    def label_files(self, subject: str) -> Iterator[Path]:
        yield from self._of(subject)

    def image_places(self, subject: str) -> Iterator[Path]:
        for path in self._of(subject):
            if self._images and (place := self.root.find(path.stem, under=self._images)):
                yield place

    def _of(self, subject: str) -> list[Path]:
        if subject not in self._files:
            raise LayoutError(f"{self._annotations}: no label file of video {subject!r}")
        return self._files[subject]

    def _add(self, split: str) -> None:
        """The label files of one of the owners' sets."""
        folder = self.root.find(*_SETS[split], under=self._annotations)
        for path in self.root.files(folder, "*.txt") if folder else ():
            video = _PERSON.sub("", path.stem)
            if self._split.setdefault(video, split) != split:
                raise LayoutError(
                    f"{path}: video {video} has a label file in {self._split[video]} too; expected it in one set. Pass "
                    "part='train' or part='validation', or remove the file that does not belong"
                )
            self._files.setdefault(video, []).append(path)


def read_frames(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Frame number (from 1) and occurrence by code, for every line below the header.

    Raises:
        LabelError: no header, a blank line among the others (the frames behind it would shift), a wrong number of cells, or a
            value other than 0, 1 and -1.
    """
    rows = read_lines(path)
    first, header = next(rows, (1, ""))
    codes, before = _codes_of(header, path, first), first
    for line, text in rows:
        if line != before + 1:
            raise LabelError(
                path, before + 1, "a blank line", "a line a frame without gaps, since frames are counted by lines"
            )
        before = line
        cells = text.rstrip(" ,").split(",")
        if len(cells) != len(codes):
            raise LabelError(path, line, f"{len(cells)} cells", f"{len(codes)}, one a unit of the header")
        values = (coded_value(cell, 1, (INVALID,), path, line) for cell in cells)
        yield line - first, dict(zip(codes, values, strict=True))


def _codes_of(header: str, path: Path, line: int) -> tuple[str, ...]:
    """The units of a header that names them, such as "AU1,AU2,...", or, by their number, of one that does not."""
    cells = [cell.strip() for cell in header.rstrip(" ,").split(",")]
    names = [re.fullmatch(r"AU\s?0*(\d+)", cell, re.IGNORECASE) for cell in cells]
    if any(names):
        codes = tuple(f"AU{name.group(1)}" if name else "" for name in names)
        if set(codes) <= set(UNITS) and len(set(codes)) == len(codes):
            return codes
    elif not all(re.fullmatch(r"-?\d+(\.0*)?", cell) for cell in cells):
        for edition in (EDITION_12, EDITION_2020):
            if len(cells) == len(edition):
                return edition
    raise LabelError(
        path, line, f"the header {header[:80]!r}", f"names of units such as AU1, out of {', '.join(UNITS)}"
    )
