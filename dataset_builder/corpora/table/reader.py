"""The user's own labels: a CSV, TSV or Parquet table with an image and some action units in each row, or OpenFace's CSV files.

Conventions
    values      a bare name such as AU12 has the scale of the option `scale`. Intensities may be fractions: OpenFace's are.
    not coded   an empty cell, NaN, null, none, na, n/a, ?, -1, 9, 999, and every value of an OpenFace row with success 0.
    sequence    its column; without one OpenFace's file name, or the folder of the image.
    frame       its column; without one the row's number in its sequence, from 0, in the table's order.
    video       a cell of the image column may name a video, whose frame `frame` is meant. OpenFace counts from 1, from memory
                [M], other tables from 0 (as `aullava recognize` writes); the option `first_frame` says otherwise.
"""

import math
import os
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

from aullava.action_units import OCCURRENCE, SCALES
from aullava.common.files import natural_key
from aullava.dataset_builder.corpora.formats.label_text import coded_value, whole_number
from aullava.dataset_builder.corpora.formats.paths import VIDEO_SUFFIXES, Root
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.corpora.table.columns import (
    Columns,
    find_columns,
    notes_on,
    read_values,
    units_of,
)
from aullava.dataset_builder.corpora.table.files import SUFFIXES, Row, Table, open_table
from aullava.dataset_builder.corpora.table.openface import find_videos
from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError, UnsafePathError
from aullava.dataset_builder.rows.records import FrameRecord, ImageFile, ImageSource, VideoFrame


class TableReader(CorpusReader):
    """A table of the user's.

    Args:
        data_dir: the table (.csv, .tsv, .parquet), a folder with one table in it, or a folder of OpenFace CSV files, one a video.
        table: which file of the folder, where it holds several.
        images_dir: the folder that image names begin in; None: the table's. Absolute names must lie in it, too.
        video: the video of an OpenFace file, or the folder with the videos; None: beside the file, by the same name.
        openface: whether the table is OpenFace's; None: if it has the columns frame, timestamp, confidence and success.
        scale: what a column such as AU12 holds, which does not say: "occurrence", "intensity" or "continuous".
        groups: columns with group labels, as a list or "age,sex".
        first_frame: number of a video's first frame in the column frame; None: 1 for OpenFace, 0 else.
        image_column, subject_column, sequence_column, frame_column, timestamp_column, camera_column: where names differ from
            `table_columns.NAMES`.
        follow_links: whether links may lead out of images_dir.

    Raises:
        LayoutError: no table, several, no action unit among the columns, no image column.
        LabelError: two columns for one unit and scale.
    """

    name = "table"
    title = "Your own table of labels"
    request = "(your own data)"
    licensed = True  # nobody but the user knows
    ids_published = False
    anchors = tuple(f"*{suffix}" for suffix in SUFFIXES)

    def __init__(
        self,
        data_dir: str | os.PathLike | None,
        *,
        table: str | None = None,
        images_dir: str | os.PathLike | None = None,
        video: str | os.PathLike | None = None,
        openface: bool | None = None,
        scale: str = OCCURRENCE,
        groups: str | Iterable[str] = (),
        first_frame: int | None = None,
        image_column: str | None = None,
        subject_column: str | None = None,
        sequence_column: str | None = None,
        frame_column: str | None = None,
        timestamp_column: str | None = None,
        camera_column: str | None = None,
        follow_links: bool = False,
    ):
        if data_dir is None or not str(data_dir).strip():
            raise LayoutError("data_dir is empty: expected a table, or a folder with one")
        if scale not in SCALES:
            raise CorpusError(f"scale is {scale!r}: expected one of {', '.join(SCALES)}")
        names = groups.split(",") if isinstance(groups, str) else groups
        self.groups = tuple(name.strip() for name in names if name.strip())
        chosen = {"image": image_column, "subject": subject_column, "sequence": sequence_column}
        chosen |= {"frame": frame_column, "timestamp": timestamp_column, "camera": camera_column}
        self._tables: list[tuple[Table, Columns]] = []
        for path in _table_paths(Path(data_dir).expanduser(), table, follow_links):
            found = open_table(path)
            columns = find_columns(
                found.header, path, scale=scale, chosen=chosen, groups=self.groups, openface=openface
            )
            found.used = columns.used
            self._tables.append((found, columns))
        self.root = Root(images_dir or self._tables[0][0].path.parent, follow_links)
        if not self.root.folder.is_dir():
            raise LayoutError(
                f"images_dir {images_dir}: no such folder; expected the folder that image names begin in"
            )
        self._check_tables(first_frame, Path(data_dir))
        bare = [found.path for found, columns in self._tables if columns.image is None]
        if video is not None and not bare:
            raise CorpusError("video is for OpenFace files; name videos in the image column of another table")
        self._videos = find_videos(bare, video, follow_links) if bare else [None]
        self._index: dict[str, list[tuple[int, object]]] | None = None

    def subjects(self) -> tuple[str, ...]:
        """The subjects in order of appearance; images, sequences or OpenFace files where the table knows no subjects."""
        if self._index is None:
            index: dict[str, list[tuple[int, object]]] = {}
            for number, (table, _) in enumerate(self._tables):
                for subject, runs in table.index(partial(self._subject, number)).items():
                    index.setdefault(subject, []).append((number, runs))
            self._index = index
        if not self._index:
            raise LayoutError(
                f"{self._tables[0][0].path}: a header and no rows; expected a row for each labelled image"
            )
        return tuple(self._index)

    def read(self, subject: str) -> Iterator[FrameRecord]:
        """The subject's rows, sorted by sequence, camera and frame. Rows that lie in this order are not held in memory.

        Raises:
            LabelError: a value outside its scale, a frame or image twice. UnsafePathError: an image outside images_dir.
        """
        for (_, sequence, camera), group in groupby(self._sorted_rows(subject), key=lambda item: item[0][:3]):
            last, images = None, set()
            for position, ((*_, frame), number, line, row) in enumerate(group):
                table, columns = self._tables[number]
                if columns.frame is None:
                    frame = position
                elif frame == last:
                    raise LabelError(
                        table.path, line, f"frame {frame} of {subject!r}, sequence {sequence!r}, twice",
                        "each frame once (one face a frame; name a sequence or camera column if they tell the rows apart)",
                    )  # fmt: skip
                last = frame
                name = columns.image and row[columns.image]
                if name and not _is_video(name) and name in images:
                    raise LabelError(table.path, line, f"image {name!r} twice", "each image once a subject")
                images.add(name)
                yield self._record(subject, sequence, camera, frame, number, line, row)

    def label_files(self, subject: str) -> Iterator[Path]:
        """The tables with rows of the subject."""
        yield from (self._tables[number][0].path for number, _ in self._runs(subject))

    def image_places(self, subject: str) -> Iterator[Path]:
        """The subject's images and videos."""
        seen = set()
        for number, line, row in self._rows(subject):
            path = self._image_path(number, line, row)
            if path is not None and path not in seen:
                seen.add(path)
                yield path

    def _runs(self, subject: str) -> list[tuple[int, object]]:
        self.subjects()
        if subject not in self._index:
            raise CorpusError(f"no subject {subject!r} in {self._tables[0][0].path}")
        return self._index[subject]

    def _rows(self, subject: str) -> Iterator[tuple[int, int, Row]]:
        for number, runs in self._runs(subject):
            for line, row in self._tables[number][0].rows(runs):
                yield number, line, row

    def _sorted_rows(self, subject: str) -> Iterator[tuple[tuple, int, int, Row]]:
        def rows() -> Iterator[tuple[tuple, int, int, Row]]:
            return (self._located(number, line, row) for number, line, row in self._rows(subject))

        # Parsing twice costs little beside the images; holding a long video's rows would cost memory.
        in_order = all(first[0] <= second[0] for first, second in pairwise(rows()))
        return rows() if in_order else iter(sorted(rows(), key=lambda item: item[0]))

    def _subject(self, number: int, line: int, row: Row) -> str:
        table, columns = self._tables[number]
        if columns.subject or columns.sequence:
            name = columns.subject or columns.sequence
            if not row[name]:
                raise LabelError(table.path, line, f"no {name}", "one in every row")
            return row[name]
        if columns.image is None:
            return table.path.stem
        if not row[columns.image]:
            raise LabelError(table.path, line, "no image and no subject", "one of them in every row")
        return os.path.splitext(row[columns.image])[0].replace("\\", "/")

    def _located(self, number: int, line: int, row: Row) -> tuple[tuple, int, int, Row]:
        """Sort key (sequence in natural order, sequence, camera, frame), and what was given."""
        table, columns = self._tables[number]
        if columns.sequence:
            sequence = row[columns.sequence]
        elif columns.image is None:
            sequence = table.path.stem
        else:
            name = row[columns.image].replace("\\", "/")
            sequence = name if _is_video(name) else name.rpartition("/")[0]
        camera = row[columns.camera] if columns.camera else ""
        frame = whole_number(row[columns.frame], table.path, line, "a whole number as frame") if columns.frame else 0
        return (natural_key(Path(sequence)), sequence, camera, frame), number, line, row

    def _record(
        self, subject: str, sequence: str, camera: str, frame: int, number: int, line: int, row: Row
    ) -> FrameRecord:
        table, columns = self._tables[number]
        labels = {label: row[column] for label, column in columns.groups.items() if row[column]}
        cell = row[columns.timestamp] if columns.timestamp else ""
        timestamp = coded_value(cell, math.inf, (), table.path, line, whole=False) if cell else math.nan
        values = read_values(columns, row, table.path, line)
        image = self._image(number, line, row, frame)
        return FrameRecord(image, subject, sequence, frame, values, timestamp, camera, groups=labels)

    def _image(self, number: int, line: int, row: Row, frame: int) -> ImageSource | None:
        path = self._image_path(number, line, row)
        if path is None or not path.is_file():
            return None
        if not _is_video(path.name):
            return ImageFile(path)
        first = self._first_frame[number]
        if frame < first:
            raise LabelError(
                self._tables[number][0].path, line, f"frame {frame}", f"frames from {first} (first_frame)"
            )
        return VideoFrame(path, frame - first)

    def _image_path(self, number: int, line: int, row: Row) -> Path | None:
        table, columns = self._tables[number]
        if columns.image is None:
            return self._videos[number]
        name = row[columns.image]
        if not name:
            return None
        if name == "<picture>":
            raise LayoutError(f"{table.path}: column {columns.image!r} holds images; expected names of image files")
        try:
            if os.path.isabs(name) and Path(name).is_relative_to(self.root.folder):
                name = str(Path(name).relative_to(self.root.folder))
            return self.root / name
        except UnsafePathError as error:
            raise UnsafePathError(
                f"{table.path}, line {line}: {error}. Does images_dir name the right folder?"
            ) from None

    def _check_tables(self, first_frame: int | None, given: Path) -> None:
        columns = [found for _, found in self._tables]
        if len(columns) > 1 and not all(found.openface and found.image is None for found in columns):
            listed = ", ".join(table.path.name for table, _ in self._tables)
            raise LayoutError(f"{given}: several tables ({listed}); expected one, or table='...' to say which")
        for table, found in self._tables:
            if found.image is None and not found.openface:
                raise LayoutError(
                    f"{table.path}: no image column among {', '.join(map(repr, table.header[:20]))}; expected one named image, "
                    "path or file, or image_column='...'"
                )
        self.units = units_of(columns)
        opens = [found.openface and found.image is None for found in columns]
        self._first_frame = [int(opened) if first_frame is None else first_frame for opened in opens]
        self.people_known = all(found.subject for found in columns)
        self.notes = notes_on(columns)


def _table_paths(given: Path, table: str | None, follow_links: bool) -> list[Path]:
    """The table's file, or every table of a folder.

    Raises:
        LayoutError: there is none.
    """
    if given.is_file():
        if table is not None:
            raise LayoutError(f"{given}: a file, and table={table!r} besides; expected one of the two")
        return [given]
    if not given.is_dir():
        raise LayoutError(
            f"{given}: no such file or folder; expected a table ({', '.join(SUFFIXES)}) or a folder with one"
        )
    root = Root(given, follow_links)
    if table is not None:
        if not (root / table).is_file():
            names = ", ".join(path.name for path in _tables_in(root)) or "none"
            raise LayoutError(f"{given}: no {table} in it; its tables are {names}")
        return [root / table]
    found = _tables_in(root)
    if not found:
        inside = ", ".join(sorted(os.listdir(given))[:8]) or "nothing"
        raise LayoutError(f"{given}: no table ({', '.join(SUFFIXES)}) directly in it, but {inside}; expected one")
    return found


def _tables_in(root: Root) -> list[Path]:
    return [path for path in root.files(root.folder) if path.suffix.lower() in SUFFIXES]


def _is_video(name: str) -> bool:
    return name.lower().endswith(VIDEO_SUFFIXES)
