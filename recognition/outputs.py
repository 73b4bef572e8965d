"""Rows as files and on the terminal: CSV with OpenFace's column names, JSON lines, a pandas table, a rich table.

Conventions
    columns     input, frame, timestamp, face_id, success, confidence, box_x, box_y, box_w, box_h, status, then a value
                a unit (AU01_c 0/1, AU01_r 0-5, AU01_v 0-1), then a probability a unit (AU01_p).
    AU01_p      probability that the unit is present: of value 1, or of the protocol's threshold level or more. Empty
                where the mode gives none. The continuous scale has no threshold and no such columns.
    confidence  the face detector's score, empty where none ran.
    missing     an empty cell in CSV, null in JSON, NaN or <NA> in pandas. Never 0.
    input       the file name. Bytes of it that are not UTF-8 stay those bytes in CSV, and are the escapes \\udc80 to
                \\udcff in JSON, as Python's os.fsdecode writes them.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from rich.markup import escape
from rich.table import Table

from aullava.action_units import CONTINUOUS, FEAFA_UNITS, INTENSITY, OCCURRENCE, Protocol, format_value, unit
from aullava.media.files import printable, replace_file
from aullava.recognition.run import FaceRow

HEAD_COLUMNS = (
    ("input", "object"),
    ("frame", "Int64"),
    ("timestamp", "Float64"),
    ("face_id", "Int64"),
    ("success", "Int64"),
    ("confidence", "Float64"),
    ("box_x", "Int64"),
    ("box_y", "Int64"),
    ("box_w", "Int64"),
    ("box_h", "Int64"),
    ("status", "object"),
)
_DECIMALS = 4


def columns(protocol: Protocol) -> list[str]:
    """Column names in order."""
    values = [protocol.column(code) for code in protocol.units]
    return [name for name, _ in HEAD_COLUMNS] + values + [protocol.column(c, "p") for c in _judged(protocol)]


def _judged(protocol: Protocol) -> tuple[str, ...]:
    """The units that are present or absent, and so have a probability."""
    return () if protocol.scale == CONTINUOUS else protocol.units


def present_probability(row: FaceRow, code: str, protocol: Protocol) -> float | None:
    """P(the unit is present), or None where the reading holds none."""
    given = row.reading.probabilities.get(code)
    if given is None:
        return None
    if protocol.scale == INTENSITY:
        return float(sum(given[protocol.occurrence_threshold :]))
    return float(given)


def as_record(row: FaceRow, protocol: Protocol) -> dict:
    """One row as column name -> value, None where missing."""
    reading = row.reading
    box = reading.box or (None, None, None, None)
    record = {
        "input": row.input,
        "frame": row.frame,
        "timestamp": row.timestamp,
        "face_id": row.face_id,
        "success": row.success,
        "confidence": _rounded(reading.score),
        **{f"box_{name}": number for name, number in zip("xywh", box, strict=True)},
        "status": reading.status,
    }
    record |= {protocol.column(code): reading.values[code] for code in protocol.units}
    return record | {
        protocol.column(code, "p"): _rounded(present_probability(row, code, protocol)) for code in _judged(protocol)
    }


def to_frame(rows: Sequence[FaceRow], protocol: Protocol) -> pd.DataFrame:
    """Rows as a table; whole numbers stay whole where others are missing (pandas's nullable types)."""
    number = "Float64" if protocol.scale == CONTINUOUS else "Int64"
    types = dict(HEAD_COLUMNS) | {protocol.column(code): number for code in protocol.units}
    types |= {protocol.column(code, "p"): "Float64" for code in _judged(protocol)}
    records = [as_record(row, protocol) for row in rows]
    # As objects first: the text type that pandas would guess cannot hold every file name.
    return pd.DataFrame(records, columns=columns(protocol), dtype=object).astype(types)


def write_csv(rows: Sequence[FaceRow], path: Path, protocol: Protocol) -> None:
    """Write a CSV file, whole or not at all."""
    options = {"index": False, "lineterminator": "\n", "errors": "surrogateescape"}
    replace_file(path, lambda temporary: to_frame(rows, protocol).to_csv(temporary, **options))


def write_jsonl(rows: Sequence[FaceRow], path: Path, protocol: Protocol) -> None:
    """Write one JSON object a row: the CSV's first columns, protocol, scale, values, probabilities, text."""

    def write(temporary: Path) -> None:
        # What UTF-8 cannot hold becomes a backslash escape, which is JSON's own.
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            for row in rows:
                file.write(json.dumps(_as_json(row, protocol), ensure_ascii=False, allow_nan=False) + "\n")

    replace_file(path, write)


def _as_json(row: FaceRow, protocol: Protocol) -> dict:
    record = as_record(row, protocol)
    head = {name: record[name] for name, _ in HEAD_COLUMNS}
    probabilities = {code: _rounded(row.reading.probabilities.get(code)) for code in protocol.units}
    about = {"protocol": protocol.name, "scale": protocol.scale}
    return head | about | {"values": row.reading.values, "probabilities": probabilities, "text": row.reading.text}


WRITERS: dict[str, Callable[[Sequence[FaceRow], Path, Protocol], None]] = {".csv": write_csv, ".jsonl": write_jsonl}


def writer_for(path: Path) -> Callable[[Sequence[FaceRow], Path, Protocol], None]:
    """The writer a file name asks for.

    Raises:
        ValueError: unknown extension.
    """
    if path.suffix.lower() not in WRITERS:
        raise ValueError(f"cannot tell the format of {path}: expected a name that ends in {' or '.join(WRITERS)}")
    return WRITERS[path.suffix.lower()]


def summary_table(rows: Sequence[FaceRow], protocol: Protocol, limit: int = 30) -> Table:
    """Which units act in each face, by name; the first `limit` rows."""
    table = Table(title=f"{protocol.name}, {len(protocol.units)} units, {protocol.scale}", title_justify="left")
    table.add_column("input", overflow="fold")
    table.add_column("face", justify="right")
    table.add_column("status")
    table.add_column("units that act")
    for row in rows[:limit]:
        face = str(row.face_id) if row.has_face else ""
        table.add_row(escape(printable(Path(row.input).name)), face, row.reading.status, describe(row, protocol))
    if len(rows) > limit:
        table.caption = f"and {len(rows) - limit} more rows"
    return table


def describe(row: FaceRow, protocol: Protocol) -> str:
    """The active units of a row in words, strongest first: "AU12 Lip corner puller 4, AU6 Cheek raiser 2"."""
    if not row.success:
        return ""
    values = row.reading.values
    active = sorted((c for c in protocol.units if values[c]), key=lambda c: -_strength(row, c, protocol))
    unknown = [code for code in protocol.units if values[code] is None]
    said = [f"{unit_label(code)}{_amount(row, code, protocol)}" for code in active] or ["none"]
    return ", ".join(said) + (f"; undetermined: {', '.join(unknown)}" if unknown else "")


def _strength(row: FaceRow, code: str, protocol: Protocol) -> float:
    probability = present_probability(row, code, protocol)
    return probability if protocol.scale == OCCURRENCE and probability is not None else row.reading.values[code]


def _amount(row: FaceRow, code: str, protocol: Protocol) -> str:
    if protocol.scale != OCCURRENCE:
        return f" {format_value(row.reading.values[code], protocol.scale)}"
    probability = present_probability(row, code, protocol)
    return "" if probability is None else f" (p {probability:.2f})"


def unit_label(code: str) -> str:
    """Code and name of a unit; FEAFA's codes hold the name already."""
    found = unit(code)
    return found.name if code in FEAFA_UNITS else f"{code} {found.name}"


def _rounded(value):
    if value is None or isinstance(value, int):
        return value
    return round(float(value), _DECIMALS) if isinstance(value, float) else [_rounded(float(v)) for v in value]
