"""Rows into files, streamed: CSV with OpenFace's column names, JSON lines or Parquet; one file, or one per input.

Conventions, beside those of `tables`
    files       each appears whole or not at all, and replaces an earlier one.
    csv         UTF-8, lines end in "\\n". Bytes of a file name that are not UTF-8 are kept as they are.
    jsonl       one object per row: the first columns of the table, then protocol, scale, values by unit code, probabilities (all
                levels on the intensity scale), text. With several protocols `readings`: protocol -> scale, values,
                probabilities, text, status. Odd bytes of a file name are the escapes \\udc80 to \\udcff, as Python's os.fsdecode
                writes them.
    parquet     whole numbers int64, others double, text string; all may be null. pandas.read_parquet gives back the types of
                `tables`. The metadata of a field say what it holds: "what", and for a unit "unit", "name", "protocol", "scale",
                "range". Parquet's text is UTF-8: odd bytes of a file name are written as their escapes, such as \\udce9.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TextIO

import pandas as pd

from aullava.action_units import Protocol
from aullava.common.files import FileNames, replace_file
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import FRACTION, HEAD_COLUMNS, TEXT, WHOLE, Layout, rounded

FORMATS = ("csv", "jsonl", "parquet")
_ENDINGS = ".csv, .jsonl or .parquet"
_GROUP = 1 << 14  # fewest rows of a row group: more are packed better, fewer take less memory
Transform = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Target:
    """Where the rows go: a file, or with `one_an_input` a folder. `format`: one of FORMATS."""

    path: Path
    format: str
    one_an_input: bool = False

    @classmethod
    def parse(cls, out: str | os.PathLike, format: str | None = None) -> "Target":
        """A file, whose suffix gives the format; or a folder, which exists or ends in "/", for files of `format` (default csv).

        Raises:
            ValueError: the format is unclear, is given twice and differs, or needs a library that is missing.
        """
        path = Path(out)
        ending = path.suffix.lower().removeprefix(".")
        said_folder = os.fspath(out).endswith(("/", os.sep))
        if format not in (None, *FORMATS):
            raise ValueError(f"format is {format!r}: expected one of {', '.join(FORMATS)}")
        if path.is_dir() and ending in FORMATS and not said_folder:
            raise ValueError(f"{out} is a folder: name a file, or {out}/ for one file per input in it")
        if said_folder or path.is_dir():
            target = cls(path, format or "csv", one_an_input=True)
        elif ending not in FORMATS:
            raise ValueError(
                f"cannot tell the format of {out}: expected a name that ends in {_ENDINGS}, or a folder, ending in /"
            )
        elif format not in (None, ending):
            raise ValueError(f"{out} ends in .{ending}, but the format is {format}: leave one of them out")
        else:
            target = cls(path, ending)
        if target.format == "parquet":
            check_installed()
        return target

    def check_transform(self) -> None:
        """Raise ValueError if the format cannot hold changed values: JSON lines hold the reading itself."""
        if self.format == "jsonl":
            raise ValueError(
                f"{self.path}: JSON lines hold what the model read, unchanged: name a .csv or .parquet file"
            )


def write_table(
    rows: Iterable[FaceRow],
    target: Target,
    layout: Layout,
    transform: Transform | None = None,
    names: FileNames | None = None,
) -> list[Path]:
    """Write rows as they come. Rows of one input have to come together.

    Args:
        transform: changes the table of an input before it is written (see `Layout.inputs`). Without one, only a chunk of rows
            is in memory.
        names: names of the files in a folder. Default: from the inputs of the rows.

    Returns:
        The files written. In a folder they are named after their inputs; an input without rows gets none.

    Raises:
        ValueError: a transform together with JSON lines, or a transform that changed the columns.
        OSError: a file cannot be written; those before it have been.
    """
    if transform is not None:
        target.check_transform()
    if not target.one_an_input:
        _write(rows, target.path, target.format, layout, transform)
        return [target.path]
    names, written = names or FileNames(), []
    for source, group in groupby(rows, key=lambda row: row.input):
        path = target.path / f"{names.stem(source)}.{target.format}"
        _write(group, path, target.format, layout, transform)
        written.append(path)
    return written


def _write(rows: Iterable[FaceRow], path: Path, format: str, layout: Layout, transform: Transform | None) -> None:
    if format == "jsonl":
        write_jsonl(rows, path, layout)
        return
    frames = layout.chunks(rows) if transform is None else layout.inputs(rows, transform)
    {"csv": write_csv, "parquet": write_parquet}[format](frames, path, layout)


def write_csv(frames: Iterable[pd.DataFrame], path: Path, layout: Layout) -> None:
    """Write tables of one layout, one after the other."""

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            file.write(",".join(layout.names) + "\n")
            for frame in frames:
                frame.to_csv(CsvLines(file), index=False, header=False, lineterminator="\r\n")

    replace_file(path, write)


class CsvLines:
    """Makes each line end in "\n" alone.

    Readers take a "\r" inside a file name for the end of a line. The csv library quotes such a name only if its own lines end
    in "\r\n", so it is given those, and they are shortened here.
    """

    def __init__(self, file: TextIO):
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix("\r\n") + "\n")


def write_jsonl(rows: Iterable[FaceRow], path: Path, layout: Layout) -> None:
    """Write one JSON object per row."""

    def write(temporary: Path) -> None:
        # What UTF-8 cannot hold becomes a backslash escape, which is JSON's own.
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(_as_json(row, layout), ensure_ascii=False, allow_nan=False) + "\n")

    replace_file(path, write)


def _as_json(row: FaceRow, layout: Layout) -> dict:
    head = {column.name: column.value(row) for column in HEAD_COLUMNS}
    readings = {protocol.name: _reading_as_json(row, protocol, layout) for protocol in layout.protocols}
    if len(readings) == 1:
        [(name, reading)] = readings.items()
        return head | {"protocol": name} | reading
    for name, reading in readings.items():
        reading["status"] = "unreadable" if row.fault else row.readings[name].status
    return head | {"readings": readings}


def _reading_as_json(row: FaceRow, protocol: Protocol, layout: Layout) -> dict:
    reading = row.readings[protocol.name]
    return {
        "scale": protocol.scale,
        "values": {code: layout.value(row, code, protocol) for code in protocol.units},
        "probabilities": {code: rounded(reading.probabilities.get(code)) for code in protocol.units},
        "text": reading.text,
    }


def check_installed() -> None:
    """Raise ValueError if pyarrow is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow: pip install 'au-llava[parquet]', or name a .csv file") from error


def write_parquet(frames: Iterable[pd.DataFrame], path: Path, layout: Layout) -> None:
    """Write tables of one layout, one after the other.

    Raises:
        ValueError: pyarrow is not installed.
    """
    check_installed()
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(temporary: Path) -> None:
        groups = _groups(frames)
        first = next(groups, layout.frame([]))
        schema = _schema(first, layout)  # types of the first table: a transform may have turned levels into fractions
        # An open file and not its name: the library opens no name that is not UTF-8.
        with open(temporary, "wb") as file, pq.ParquetWriter(file, schema) as writer:
            for frame in chain([first], groups):
                writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))

    replace_file(path, write)


def _groups(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The tables joined into row groups, with text as UTF-8."""
    waiting: list[pd.DataFrame] = []
    rows = 0
    for frame in frames:
        text = [name for name in frame.columns if frame[name].dtype == TEXT]
        utf_8 = {n: [cell.encode(errors="backslashreplace").decode() for cell in frame[n]] for n in text}
        waiting.append(frame.assign(**utf_8))
        rows += len(frame)
        if rows >= _GROUP:
            yield pd.concat(waiting, ignore_index=True)
            waiting, rows = [], 0
    if waiting:
        yield pd.concat(waiting, ignore_index=True)


def _schema(frame: pd.DataFrame, layout: Layout):
    """pyarrow's schema of a table, with what each column holds."""
    import pyarrow as pa

    found = pa.Schema.from_pandas(frame, preserve_index=False)
    types = {WHOLE: pa.int64(), FRACTION: pa.float64()}
    fields = []
    for column in layout.columns:
        kind = types.get(str(frame[column.name].dtype), pa.string())
        about = {key: value if isinstance(value, str) else json.dumps(value) for key, value in column.about.items()}
        fields.append(pa.field(column.name, kind, metadata=about))
    return pa.schema(fields, found.metadata)
