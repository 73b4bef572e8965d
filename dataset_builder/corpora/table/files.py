"""Tables in files, read in pieces: CSV or TSV by byte offset, Parquet by row group.

A row is a mapping from column name to stripped text, "" where a cell is empty. A table is read through once to learn which rows
belong together (`index`); from then on only the rows asked for are parsed again. Runs of neighbouring rows are all that is kept of
the others, so memory grows by some bytes a row at worst (rows of different subjects taking turns) and hardly at all in a sorted
table.
"""

import codecs
import csv
import io
import os
from abc import ABC, abstractmethod
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from aullava.dataset_builder.errors import CorpusError, LabelError, LayoutError

Row = Mapping[str, str]
SUFFIXES = (".csv", ".tsv", ".parquet")
_BLOCK = 1 << 20
_ROWS_CACHED = 1 << 18  # of a Parquet file: decoded row groups, the used columns only
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Table(ABC):
    """A table of text cells. `header` holds the column names, stripped; `used` those that rows shall have."""

    def __init__(self, path: Path):
        self.path = path
        self._stamp = self._state()
        self.header = self._read_header()
        self.used: tuple[str, ...] = tuple(self.header)

    def index(self, key: Callable[[int, Row], str]) -> dict[str, array]:
        """Key -> runs of its rows, in order of first appearance; each run is (start, line before it, rows).

        Args:
            key: gets the line number, from 1, and the row.
        """
        runs: dict[str, array] = {}
        last = None
        for start, before, line, row in self._scan():
            name = key(line, row)
            if name != last:
                runs.setdefault(name, array("q")).extend((start, before, 0))
                last = name
            runs[name][-1] += 1
        return runs

    def rows(self, runs: array) -> Iterator[tuple[int, Row]]:
        """Line number and row of every row of some runs of `index`.

        Raises:
            CorpusError: the file has changed since it was opened.
        """
        if self._state() != self._stamp:
            raise CorpusError(f"{self.path} has changed while it was being read: open it anew")
        return self._rows(zip(runs[::3], runs[1::3], runs[2::3], strict=True))

    @abstractmethod
    def _read_header(self) -> list[str]: ...

    @abstractmethod
    def _scan(self) -> Iterator[tuple[int, int, int, Row]]:
        """Start, line before it, line and content of every row."""

    @abstractmethod
    def _rows(self, runs: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, Row]]: ...

    def _state(self) -> tuple[int, int]:
        state = os.stat(self.path)
        return state.st_size, state.st_mtime_ns


def open_table(path: Path) -> Table:
    """The table in a file.

    Raises:
        LayoutError: no CSV, TSV or Parquet file, or one without columns.
    """
    kinds = {".csv": CsvTable, ".tsv": CsvTable, ".parquet": ParquetTable}
    if path.suffix.lower() not in kinds:
        raise LayoutError(f"{path}: expected a table in a file that ends in {', '.join(SUFFIXES)}; export it as one")
    return kinds[path.suffix.lower()](path)


class CsvTable(Table):
    """A CSV or TSV file: UTF-8, UTF-16 by its byte order mark, else Latin-1; the header says whether , ; or tabs part its cells."""

    def _read_header(self) -> list[str]:
        self._mark, self._encoding = _encoding(self.path)
        self._delimiter = ","
        with open(self.path, "rb") as file:
            line = next((line for line in _Lines(file, self._encoding, self._mark) if line.strip()), "")
            choices = "\t" if self.path.suffix.lower() == ".tsv" else ",;\t"
            self._delimiter = max(choices, key=line.count)
        with open(self.path, "rb") as file:
            for start, lines, _, cells in self._records(file, self._mark, 0):
                self._body = (start[1], lines[1])
                return cells
        raise LayoutError(f"{self.path}: an empty file; expected a header and rows")

    def _scan(self) -> Iterator[tuple[int, int, int, Row]]:
        with open(self.path, "rb") as file:
            for start, lines, line, cells in self._records(file, *self._body):
                yield start[0], lines[0], line, self._row(line, cells)

    def _rows(self, runs: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, Row]]:
        with open(self.path, "rb") as file:
            for start, before, count in runs:
                for _, _, line, cells in islice(self._records(file, start, before), count):
                    yield line, self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Row:
        if len(cells) < len(self.header) or any(cells[len(self.header) :]):
            raise LabelError(self.path, line, f"{len(cells)} cells", f"{len(self.header)}, one for each column")
        row = dict(zip(self.header, cells, strict=False))
        return {name: row[name] for name in self.used}

    def _records(
        self, file: BinaryIO, offset: int, before: int
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int], int, list[str]]]:
        """(start, end) in bytes, (lines before, lines up to the end), line number and cells of every row that is not blank."""
        lines = _Lines(file, self._encoding, offset)
        reader = csv.reader(lines, delimiter=self._delimiter, skipinitialspace=self._delimiter != "\t")
        try:
            while True:
                start, line = lines.offset, before + reader.line_num
                try:
                    cells = [cell.strip() for cell in next(reader)]
                except StopIteration:
                    return
                if any(cells):
                    end = before + reader.line_num
                    yield (start, lines.offset), (line, end), end, cells
        except csv.Error as error:
            raise LabelError(
                self.path, before + reader.line_num, f"a broken row ({error})", "cells with delimiters"
            ) from error
        finally:
            lines.close()


class _Lines:
    """Lines of an open file from a byte offset on; `offset` is where the next one begins."""

    def __init__(self, file: BinaryIO, encoding: str, offset: int):
        file.seek(offset)
        self.offset = offset
        self._encoding = encoding
        self._text = io.TextIOWrapper(file, encoding, newline="")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.offset += len(line.encode(self._encoding))
        return line

    def close(self) -> None:
        """Let go of the file, which stays open."""
        self._text.detach()


def _encoding(path: Path) -> tuple[int, str]:
    """Length of the byte order mark and encoding of a text file; Latin-1 where it is not what it says."""
    with open(path, "rb") as file:
        head = file.read(3)
        mark, encoding = next(((len(mark), name) for mark, name in _BOMS if head.startswith(mark)), (0, "utf-8"))
        file.seek(mark)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return 0, "latin-1"
    return mark, encoding


class ParquetTable(Table):
    """A Parquet file; "lines" are rows counted from 1.

    Decoded row groups are kept as long as they hold no more than 262,144 rows together. A larger file whose subjects take turns
    is decoded once a subject: sort such a file by subject.
    """

    def _read_header(self) -> list[str]:
        self._groups: OrderedDict[int, object] = OrderedDict()
        file = self._open()
        self._names = {name.strip(): name for name in reversed(file.schema_arrow.names)}
        self._starts = [0]
        for group in range(file.metadata.num_row_groups):
            self._starts.append(self._starts[-1] + file.metadata.row_group(group).num_rows)
        return [name.strip() for name in file.schema_arrow.names]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_groups": OrderedDict()}

    def _scan(self) -> Iterator[tuple[int, int, int, Row]]:
        for number, row in self._slices(0, self._starts[-1]):
            yield number, number, number + 1, row

    def _rows(self, runs: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, Row]]:
        for start, _, count in runs:
            for number, row in self._slices(start, count):
                yield number + 1, row

    def _slices(self, start: int, count: int, most: int = 1024) -> Iterator[tuple[int, Row]]:
        while count > 0:
            group = next(g for g in range(len(self._starts) - 1) if self._starts[g] <= start < self._starts[g + 1])
            length = min(count, most, self._starts[group + 1] - start)
            piece = self._group(group).slice(start - self._starts[group], length)
            cells = [[_text(value) for value in column.to_pylist()] for column in piece.columns]
            for number, values in enumerate(zip(*cells, strict=True), start):
                yield number, dict(zip(self.used, values, strict=True))
            start, count = start + length, count - length

    def _group(self, group: int):
        if group not in self._groups:
            columns = [self._names[name] for name in self.used]
            self._groups[group] = self._open().read_row_group(group, columns=columns).select(columns)
            while len(self._groups) > 1 and sum(map(len, self._groups.values())) > _ROWS_CACHED:
                self._groups.popitem(last=False)
        self._groups.move_to_end(group)
        return self._groups[group]

    def _open(self):
        try:
            import pyarrow  # comes with `datasets`
            import pyarrow.parquet
        except ImportError as error:
            raise CorpusError(f"{self.path}: Parquet files need pyarrow: pip install 'au-llava[train]'") from error
        try:
            return pyarrow.parquet.ParquetFile(self.path)
        except (pyarrow.ArrowException, OSError) as error:
            raise LayoutError(f"{self.path}: no Parquet file, or cut off ({error}); expected a whole one") from error


def _text(value: object) -> str:
    """A Parquet cell as a CSV file would have it: whole numbers without a point, truth values as 1 and 0."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, dict):
        return "<picture>"
    return str(value).strip()
