"""EmotioNet: images of faces from the web, 24,600 of them coded by hand.

    EmotioNet_FACS_aws_2020_24600.csv           columns URL, 'AU 1' ... 'AU 60' (quotes and spaces included); 0, 1, 999 = not scored
    N_0000000001/N_0000000001_00001.jpg         the image whose URL ends that way

Images are looked for in data_dir and in images, image, imgs or Images below it, in their N_ folder or without one.

Evidence [V2]: the manual table, its odd column names, 999, the images' names; flat folders [V1]. The automatic labels
(dataFile_*.txt: tab separated, URL first) are not read, because their columns are not documented well enough. The site is down.
"""

import os
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

from aullava.action_units import ACTION_UNITS, OCCURRENCE, canonical_code
from aullava.dataset_builder.corpora.formats.label_text import coded_value, read_cells
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import LabelError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile

NOT_SCORED = 999
_QUOTES = " '\"\t"
_NUMBERED = re.compile(r"(?:^|/)(N_\d+)/(N_\d+_\d+\.\w+)$", re.IGNORECASE)


class EmotionetReader(CorpusReader):
    """EmotioNet, manual labels. One record an image; people are not identified, so `subject` is the stem of the image's name.

    Args:
        data_dir: the folder with the table in it (or in labels below it).
        images_dir: the folder, relative to data_dir, in which the images lie; by default the usual ones are tried.
        follow_links: whether links in it may lead out of it.
    """

    name = "emotionet"
    title = "EmotioNet"
    request = "https://cbcsl.ece.ohio-state.edu/EmotionNetChallenge/ (down when last tried)"
    protocol = "emotionet"
    anchors = ("EmotioNet_FACS*.csv", "labels/EmotioNet_FACS*.csv")
    people_known = False
    notes = (
        "People are not identified: a split by subject is a split by image.",
        "999 (not scored) is not coded. Columns of numbers that the FACS table here does not have are left out.",
        "Manual labels only.",
    )

    def __init__(self, data_dir: str | os.PathLike, *, images_dir: str = "", follow_links: bool = False):
        super().__init__(data_dir, follow_links=follow_links)
        self._file = self.root.require(*self.anchors)
        usual = [self.root.find(name) for name in ("images", "image", "imgs")]
        self._places = [self.root / images_dir] if images_dir else [self.root.folder, *filter(None, usual)]
        header = next(read_cells(self._file), (None, []))
        self._url, self._columns = _header(self._file, *header)
        self.units = {OCCURRENCE: tuple(self._columns)}
        self._labels: dict[str, tuple[str, array]] | None = None

    def subjects(self) -> tuple[str, ...]:
        if not self._rows():
            raise LayoutError(f"{self._file}: no row below the header; expected one an image. Get a fresh copy of it")
        return tuple(self._rows())

    def read(self, subject: str) -> Iterator[FrameRecord]:
        relative, numbers = self._row(subject)
        path = self._image_path(relative)
        values = {OCCURRENCE: dict(zip(self._columns, numbers, strict=True))}
        digits = re.search(r"(\d+)\D*$", subject)
        frame = int(digits.group(1)) if digits and len(digits.group(1)) < 10 else 0
        yield FrameRecord(ImageFile(path) if path else None, subject, subject, frame, values)

    def label_files(self, subject: str) -> Iterator[Path]:
        yield self._file

    def image_places(self, subject: str) -> Iterator[Path]:
        if path := self._image_path(self._row(subject)[0]):
            yield path

    def _row(self, subject: str) -> tuple[str, array]:
        if subject not in self._rows():
            raise LayoutError(f"{self._file}: no row of image {subject!r}; expected one such as N_0000000001_00001")
        return self._rows()[subject]

    def _image_path(self, relative: str) -> Path | None:
        for place in self._places:
            below = place.relative_to(self.root.folder).as_posix()
            for name in dict.fromkeys((relative, relative.rpartition("/")[2])):
                path = self.root / (name if below == "." else f"{below}/{name}")
                if path.is_file():
                    return path
        return None

    def _rows(self) -> dict[str, tuple[str, array]]:
        """Image's place and values by subject: four bytes a value, read once, since a subject is a single row."""
        if self._labels is None:
            self._labels = dict(sorted(self._parse()))
        return self._labels

    def _parse(self) -> Iterator[tuple[str, tuple[str, array]]]:
        lines: dict[str, int] = {}
        rows = read_cells(self._file)
        next(rows, None)
        for line, cells in rows:
            if len(cells) <= max(self._url, *self._columns.values()):
                raise LabelError(self._file, line, f"{len(cells)} cells", "a cell for every column of the header")
            relative = _place_of(cells[self._url].strip(_QUOTES), self._file, line)
            _ = self.root / relative  # refuses a name that leads elsewhere
            subject = relative.rpartition("/")[2].rpartition(".")[0]
            if first := lines.get(subject):
                raise LabelError(self._file, line, f"image {subject} again", f"only line {first}")
            lines[subject] = line
            texts = (cells[place].strip(_QUOTES) for place in self._columns.values())
            yield subject, (relative, array("f", (coded_value(t, 1, (NOT_SCORED,), self._file, line) for t in texts)))


def _header(path: Path, line: int | None, cells: list[str]) -> tuple[int, dict[str, int]]:
    """Position of the URL, and of each unit's column in numerical order."""
    names = [cell.strip(_QUOTES).lower() for cell in cells]
    numbers = {place: int(name[2:]) for place, name in enumerate(names) if re.fullmatch(r"au\s*\d{1,2}", name)}
    known = {unit.number for unit in ACTION_UNITS.values()} - {0}
    columns = sorted((number, place) for place, number in numbers.items() if number in known)
    if "url" not in names or not columns:
        raise LabelError(path, line, f"the header {cells[:4]}", "columns URL and 'AU 1', 'AU 2', ...")
    if len({number for number, _ in columns}) < len(columns):
        raise LabelError(path, line, "two columns of one unit", "one column a unit")
    return names.index("url"), {canonical_code(number): place for number, place in columns}


def _place_of(url: str, path: Path, line: int) -> str:
    """Where a URL's image lies: its last two parts if they are N_.../N_..., else its last part."""
    if match := _NUMBERED.search(url):
        return f"{match.group(1)}/{match.group(2)}"
    name = url.replace("\\", "/").rpartition("/")[2]
    if not re.fullmatch(r"[^/\0]+\.\w+", name):
        raise LabelError(
            path, line, f"the URL {url!r}", "one that ends in an image's name, such as N_0000000001_00001.jpg"
        )
    return name
