"""Tables as a Parquet file, one row group after the other.

Conventions
    types       whole numbers int64, others double, text string; all may be null. pandas.read_parquet gives back the types of
                `tables`.
    columns     the metadata of a field say what it holds: "what", and for a unit "unit", "name", "protocol", "scale", "range".
    file names  Parquet's text is UTF-8. Bytes of a name that are not are written out as their escapes, such as \\udce9.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pandas as pd

from aullava.common.files import replace_file
from aullava.recognition.tables import FRACTION, TEXT, WHOLE, Layout

GROUP = 1 << 14  # rows at least; more are better packed, fewer take less memory


def check_installed() -> None:
    """Raise ValueError where the library is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow: pip install 'au-llava[parquet]', or name a .csv file") from error


def write_parquet(frames: Iterable[pd.DataFrame], path: Path, layout: Layout) -> None:
    """Write tables of a layout, one behind the other; whole or not at all.

    Raises:
        ValueError: pyarrow is not installed.
    """
    check_installed()
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(temporary: Path) -> None:
        groups = _groups(frames)
        first = next(groups, layout.frame([]))
        schema = _schema(first, layout)  # the first tells the types: a transform may have made levels fractions
        # A file and not its name: the library opens no name that is not UTF-8.
        with open(temporary, "wb") as file, pq.ParquetWriter(file, schema) as writer:
            for frame in chain([first], groups):
                writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))

    replace_file(path, write)


def _groups(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The frames put together to larger ones, with text as Parquet holds it; what is left comes last."""
    waiting: list[pd.DataFrame] = []
    rows = 0
    for frame in frames:
        waiting.append(_in_utf_8(frame))
        rows += len(frame)
        if rows >= GROUP:
            yield pd.concat(waiting, ignore_index=True)
            waiting, rows = [], 0
    if waiting:
        yield pd.concat(waiting, ignore_index=True)


def _in_utf_8(frame: pd.DataFrame) -> pd.DataFrame:
    text = [name for name in frame.columns if frame[name].dtype == TEXT]
    return frame.assign(**{n: [cell.encode(errors="backslashreplace").decode() for cell in frame[n]] for n in text})


def _schema(frame: pd.DataFrame, layout: Layout):
    """pyarrow's schema of a table, with what each column holds."""
    import pyarrow as pa

    found = pa.Schema.from_pandas(frame, preserve_index=False)
    types = {WHOLE: pa.int64(), FRACTION: pa.float64()}
    fields = [
        pa.field(column.name, types.get(str(frame[column.name].dtype), pa.string()), metadata=_texts(column.about))
        for column in layout.columns
    ]
    return pa.schema(fields, found.metadata)


def _texts(about) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
