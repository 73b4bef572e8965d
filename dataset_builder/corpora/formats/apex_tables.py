"""Micro-expression corpora (CASME II, SAMM): one table with a row a clip, whose coding we take for the clip's apex frame."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aullava.action_units import OCCURRENCE
from aullava.common.files import natural_key
from aullava.dataset_builder.corpora.formats.code_strings import (
    Coding,
    check_odd_codes,
    left_out_note,
    parse_codes,
    units_in,
)
from aullava.dataset_builder.corpora.formats.label_text import whole_number
from aullava.dataset_builder.corpora.formats.workbook import read_rows
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import LabelError, LayoutError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile

_DEPTH = 2  # levels below the corpus's folder in which the subjects' folders are looked for
MISSING = ("?", "")
APEX_NOTES = (
    "One row a clip. Its codes are taken to hold at its apex frame; no other frame is labelled.",
    "A clip whose apex is not a number keeps its row, with the frame number of its onset and without an image.",
    "A unit that a coding does not list is 0 [inferred]; beside a '?' in the list it is not coded.",
)


@dataclass(frozen=True)
class Clip:
    """One row: `frame` is the apex, or the onset if `has_apex` is false."""

    line: int
    name: str
    frame: int
    has_apex: bool
    coding: Coding


class ApexTableReader(CorpusReader):
    """What the readers of such corpora share; a subclass names the table and its columns.

    Args:
        data_dir: the folder with the table in it.
        frames_dir: the folder, relative to data_dir, in which the subjects' folders lie; by default it is looked for in data_dir
            and two levels below.
        odd_codes: codes outside the documented grammar are refused ("refuse") or make the row "not_coded".
        follow_links: whether links in it may lead out of it.

    Raises:
        LayoutError: wrong folder, or several places with subjects' folders and no `frames_dir`.
        LabelError: the table breaks its format.
    """

    image_stem: str
    subject_pattern: str

    def __init__(
        self,
        data_dir: str | os.PathLike,
        *,
        frames_dir: str = "",
        odd_codes: str = "refuse",
        follow_links: bool = False,
    ):
        self._odd_codes = check_odd_codes(odd_codes)
        super().__init__(data_dir, follow_links=follow_links)
        self._table = self.root.require(*self.anchors)
        self._places = self._frame_places(frames_dir)
        self._clips = self._read_table()
        codings = [clip.coding for clips in self._clips.values() for clip in clips]
        self.units = {OCCURRENCE: units_in(codings)}
        self.notes = (*type(self).notes, *left_out_note(codings))

    def columns(self, rows: Iterator[tuple[int, list[str]]]) -> Mapping[str, int]:
        """Column numbers of "subject", "name", "onset", "apex" and "codes"; rows are taken up to and with the header."""
        raise NotImplementedError

    def subject_id(self, number: int) -> str:
        """The id of a subject, which is its folder's name, from its number."""
        raise NotImplementedError

    def subjects(self) -> tuple[str, ...]:
        if not self._clips:
            raise LayoutError(
                f"{self._table}: no clip in it; expected a row a clip below the header. Get a fresh copy"
            )
        return tuple(sorted(self._clips, key=natural_key))

    def read(self, subject: str) -> Iterator[FrameRecord]:
        if subject not in self._clips:
            raise LayoutError(
                f"{self._table}: no clip of subject {subject!r}; it has {', '.join(self.subjects()[:8])}"
            )
        name, images = None, {}
        for clip in sorted(self._clips[subject], key=lambda c: (natural_key(c.name), c.frame)):
            if clip.name != name:
                name = clip.name
                folders = (self.root.find(f"{subject}/{name}", under=place) for place in self._places)
                folder = next(filter(None, folders), None)
                images = self.root.numbered_images(folder, self.image_stem) if folder else {}
            image = ImageFile(images[clip.frame]) if clip.has_apex and clip.frame in images else None
            values = {OCCURRENCE: clip.coding.values(self.units[OCCURRENCE])}
            yield FrameRecord(image, subject, clip.name, clip.frame, values, sides=clip.coding.sides)

    def label_files(self, subject: str) -> Iterator[Path]:
        yield self._table

    def image_places(self, subject: str) -> Iterator[Path]:
        for place in self._places:
            if folder := self.root.find(subject, under=place):
                yield folder

    def _frame_places(self, frames_dir: str) -> list[Path]:
        if frames_dir:
            place = self.root / frames_dir
            if not place.is_dir():
                raise LayoutError(f"{place}: no such folder; expected frames_dir, in which the subjects' folders lie")
            return [place]
        level, found = [self.root.folder], []
        for _ in range(_DEPTH + 1):
            folders = {place: self.root.folders(place) for place in level}
            found += [place for place in level if self.root.folders(place, self.subject_pattern)]
            level = [child for place, inside in folders.items() if place not in found for child in inside]
        if len(found) > 1:
            names = ", ".join(str(place.relative_to(self.root.folder)) for place in found)
            raise LayoutError(
                f"{self.root.folder}: subjects' folders in {names}; expected them in one place: pass frames_dir with one of these"
            )
        return found

    def _read_table(self) -> dict[str, list[Clip]]:
        rows = read_rows(self._table)
        columns = self.columns(rows)
        found: dict[str, list[Clip]] = {}
        seen: dict[tuple, int] = {}
        for line, row in rows:
            cells = {key: row[place] if place < len(row) else "" for key, place in columns.items()}
            if not cells["subject"] and not cells["name"]:
                continue  # remarks below the table
            subject, clip = self._clip(line, cells)
            first = seen.setdefault((subject, clip.name.lower(), clip.frame), line)
            if first != line:
                raise LabelError(
                    self._table, line, f"{subject} {clip.name} frame {clip.frame} again", f"only line {first}"
                )
            found.setdefault(subject, []).append(clip)
        return found

    def _clip(self, line: int, cells: Mapping[str, str]) -> tuple[str, Clip]:
        digits = cells["subject"].lower().removeprefix("sub")
        subject = self.subject_id(whole_number(digits, self._table, line, "the number of a subject"))
        if not cells["name"]:
            raise LabelError(self._table, line, "no file name", "the name of the clip's folder")
        _ = self.root / f"{subject}/{cells['name']}"  # refuses a name that leads elsewhere
        has_apex = cells["apex"].replace(".", "", 1).isdigit()
        frame = whole_number(
            cells["apex" if has_apex else "onset"], self._table, line, "a frame number as onset or apex"
        )
        coding = parse_codes(cells["codes"], self._table, line, MISSING, self._odd_codes)
        return subject, Clip(line, cells["name"], frame, has_apex, coding)
