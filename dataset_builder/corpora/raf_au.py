"""RAF-AU: images of faces from the web, coded by FACS experts.

    RAFAU_label.txt                       "7.jpg R12+25", or "8.jpg null": not coded
    aligned/0007_aligned.jpg              4 digits; matched by number, whatever the padding

Codes are FACS numbers joined by "+", with L or R before one-sided ones. A unit that a coding does not list is 0. "null" is not a
face at rest but one without a coding: NaN.

Evidence [V1], OpenGraphAU's tool: file, codes, "null", image names. That a list is complete is inferred. 26 AUs in its
documentation [V1], not listed anywhere we found: the units are the 13 of the benchmark and all others that the file lists. 4,601
images [M].
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from aullava.action_units import AU_LISTS, OCCURRENCE
from aullava.dataset_builder.corpora.formats.code_strings import (
    Coding,
    check_odd_codes,
    left_out_note,
    parse_codes,
    units_in,
)
from aullava.dataset_builder.corpora.formats.label_text import read_lines
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import LabelError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile

_IMAGE_NAME = re.compile(r"0*(\d{1,9})(?:_aligned)?\.\w+", re.IGNORECASE)


class RafAuReader(CorpusReader):
    """RAF-AU. One record an image; people are not identified, so `subject` is the image's number.

    Args:
        data_dir: the folder with RAFAU_label.txt and aligned in it.
        odd_codes: codes outside the documented grammar are refused ("refuse") or make the image "not_coded".
        follow_links: whether links in it may lead out of it.

    Raises:
        LabelError: a line of the label file breaks its format.
    """

    name = "raf_au"
    title = "RAF-AU (Real-world Affective Faces, action units)"
    request = "http://www.whdeng.cn/RAF/model3.html"
    protocol = "raf_au"
    anchors = ("RAFAU_label.txt",)
    people_known = False
    notes = (
        "People are not identified: a split by subject is a split by image.",
        "'null' in the label file is not coded, never a face at rest. A unit that a coding does not list is 0.",
    )

    def __init__(self, data_dir: str | os.PathLike, *, odd_codes: str = "refuse", follow_links: bool = False):
        check_odd_codes(odd_codes)
        super().__init__(data_dir, follow_links=follow_links)
        self._file = self.root.require("RAFAU_label.txt")
        self._codings = dict(sorted(_read_codings(self._file, odd_codes).items()))
        self._images: dict[int, Path] | None = None
        self.units = {OCCURRENCE: units_in(self._codings.values(), AU_LISTS["raf_au_13"])}
        self.notes = (*type(self).notes, *left_out_note(self._codings.values()))

    def subjects(self) -> tuple[str, ...]:
        if not self._codings:
            raise LayoutError(
                f"{self._file}: no line in it; expected lines such as '7.jpg R12+25'. Get a fresh copy of it"
            )
        return tuple(f"{number:04d}" for number in self._codings)

    def read(self, subject: str) -> Iterator[FrameRecord]:
        number = self._number(subject)
        coding, path = self._codings[number], self._image_path(number)
        values = {OCCURRENCE: coding.values(self.units[OCCURRENCE])}
        image = ImageFile(path) if path else None
        yield FrameRecord(image, subject, subject, number, values, sides=coding.sides)

    def label_files(self, subject: str) -> Iterator[Path]:
        yield self._file

    def image_places(self, subject: str) -> Iterator[Path]:
        if path := self._image_path(self._number(subject)):
            yield path

    def _number(self, subject: str) -> int:
        if not subject.isdigit() or int(subject) not in self._codings:
            raise LayoutError(
                f"{self._file}: no line of image {subject!r}; expected a number such as 0007 that it lists"
            )
        return int(subject)

    def _image_path(self, number: int) -> Path | None:
        if self._images is None:  # one listing for all, some thousand names
            place = self.root.find("aligned")
            self._images = self.root.numbered_images(place, r"(\d+)_aligned") if place else {}
        return self._images.get(number)


def _read_codings(path: Path, odd_codes: str) -> dict[int, Coding]:
    """Coding of each image number."""
    found: dict[int, Coding] = {}
    for line, text in read_lines(path):
        name, codes = (*text.split(maxsplit=1), "")[:2]
        match = _IMAGE_NAME.fullmatch(name)
        if match is None:
            raise LabelError(path, line, f"the name {name!r}", "an image's number and suffix, such as 7.jpg")
        number = int(match.group(1))
        if number in found:
            raise LabelError(path, line, f"image {number} again", "one line an image")
        found[number] = parse_codes(codes, path, line, ("null",), odd_codes)
    return found
