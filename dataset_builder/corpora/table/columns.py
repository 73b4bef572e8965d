"""Which column of a user's table holds what: names as people and tools write them, compared without letter case.

values      AU01_r, AU1_r (intensity), AU01_c (occurrence), AU01_v (continuous), AU12, au12, "AU 12" (the scale the user names),
            feafa_01_left_eye_close and ..._v (continuous). AD30 as AU30.
left alone  every other column, such as OpenFace's gaze and pose and the probabilities AU01_p of `aullava recognize`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aullava.action_units import (
    ACTION_UNITS,
    CONTINUOUS,
    FEAFA_UNITS,
    SCALES,
    canonical_code,
)
from aullava.dataset_builder.corpora.formats.label_text import coded_value, whole_number
from aullava.dataset_builder.errors import LabelError, LayoutError
from aullava.dataset_builder.rows.records import NOT_CODED

NAMES = {  # what a column may be called, best first
    "image": ("image", "image_path", "path", "file", "file_name", "filename", "filepath", "input", "img"),
    "subject": ("subject", "subject_id", "person", "person_id", "participant", "participant_id"),
    "sequence": ("sequence", "video", "sequence_id", "video_id", "clip"),
    "frame": ("frame", "frame_number", "frame_index"),
    "timestamp": ("timestamp",),
    "camera": ("camera",),
}
MISSING = (9, -1, 999, "?", "null", "none", "na", "n/a")  # any letter case; an empty cell and NaN besides
_OPENFACE = {
    "frame",
    "timestamp",
    "confidence",
    "success",
}  # what its sequence output begins with (its own source, [V1])
_SCALE_OF_SUFFIX = {scale.suffix: scale.name for scale in SCALES.values()}
_FACS_COLUMN = re.compile(r"A[UD][ _]?\d+(?:[ _]([CRV]))?", re.IGNORECASE)
_FEAFA_COLUMN = re.compile(r"feafa_\d\d_\w+?(?:_([crv]))?", re.IGNORECASE)
_ORDER = {code: position for position, code in enumerate((*ACTION_UNITS, *FEAFA_UNITS))}


@dataclass(frozen=True)
class Columns:
    """Names of the columns, as the (stripped) header has them; None where the table has none.

    Attributes:
        groups: group label -> column.
        values: column -> (scale, code).
        plain: value columns whose names give no scale.
        openface: the table is OpenFace's, or has its success column and so its way to say that no face was found.
    """

    image: str | None
    subject: str | None
    sequence: str | None
    frame: str | None
    timestamp: str | None
    camera: str | None
    groups: Mapping[str, str]
    values: Mapping[str, tuple[str, str]]
    plain: frozenset[str]
    success: str | None

    @property
    def openface(self) -> bool:
        return self.success is not None

    @property
    def used(self) -> tuple[str, ...]:
        """Every column that is read."""
        single = [getattr(self, kind) for kind in NAMES] + [self.success]
        return tuple(dict.fromkeys([*filter(None, single), *self.groups.values(), *self.values]))


def units_of(tables: Iterable[Columns]) -> dict[str, tuple[str, ...]]:
    """Scale -> codes in numerical order, of all tables together."""
    units = {unit for columns in tables for unit in columns.values.values()}
    codes = {scale: sorted((code for kind, code in units if kind == scale), key=_ORDER.get) for scale in SCALES}
    return {scale: tuple(found) for scale, found in codes.items() if found}


def find_columns(
    header: list[str],
    table: Path,
    *,
    scale: str,
    chosen: Mapping[str, str | None],
    groups: Iterable[str] = (),
    openface: bool | None = None,
) -> Columns:
    """The columns of one table.

    Args:
        header: its column names, stripped. table: its file, for messages.
        scale: scale of value columns without a suffix.
        chosen: kind of column (a key of NAMES) -> the name that the user gave, or None.
        groups: names of the columns with group labels.
        openface: whether the table is OpenFace's; None: where its first columns are there.

    Raises:
        LayoutError: no value column, or one that the user named is not there.
        LabelError: a unit twice on a scale, a column that is used twice, or a number that is no action unit.
    """
    lower = {name.lower(): name for name in reversed(header)}
    values, plain = _value_columns(header, table, scale)
    taken = {kind: _column(lower, kind, chosen.get(kind), table) for kind in NAMES}
    if openface is None:
        openface = lower.keys() >= _OPENFACE
    success = _column(lower, "success", "success", table) if openface else None
    labels = {name: _column(lower, "group", name, table) for name in groups}
    columns = Columns(**taken, groups=labels, values=values, plain=frozenset(plain), success=success)
    for name in columns.used:
        if header.count(name) > 1:
            raise LabelError(table, 1, f"column {name!r} {header.count(name)} times", "each column once")
    return columns


def read_values(columns: Columns, row: Mapping[str, str], path: Path, line: int) -> dict[str, dict[str, float]]:
    """Scale -> code -> value of a row; NaN where it is not coded, and everywhere if OpenFace found no face (success 0).

    Raises:
        LabelError: a value outside its scale.
    """
    failed = columns.success and whole_number(row[columns.success], path, line, "0 or 1 as success") == 0
    values: dict[str, dict[str, float]] = {}
    for column, (scale, code) in columns.values.items():
        value = NOT_CODED if failed else _value(row[column], column, columns, path, line)
        values.setdefault(scale, {})[code] = value
    return values


def _value(cell: str, column: str, columns: Columns, path: Path, line: int) -> float:
    scale = columns.values[column][0]
    highest, graded = SCALES[scale].highest, SCALES[scale].is_graded
    try:
        return coded_value(cell.lower(), highest, MISSING, path, line, whole=not graded)
    except LabelError as error:
        kind = f"a number from 0 to {highest}" if graded else "0 or 1"
        others = " or ".join(f"scale={name!r}" for name in SCALES if name != scale)
        hint = (
            f" (the column does not name its scale: pass {others} if it has that)" if column in columns.plain else ""
        )
        expected = f"{kind}{hint}, or {', '.join(map(str, MISSING))} for not coded"
        raise LabelError(path, line, f"{cell!r} in column {column!r} ({scale})", expected) from error


def notes_on(tables: Iterable[Columns]) -> tuple[str, ...]:
    """What the columns mean for the data, one sentence each."""
    tables, notes = list(tables), []
    if any(columns.openface for columns in tables):
        notes.append("The values are estimates of OpenFace, or of a program that writes its columns, not human codes.")
    for columns in tables:
        if not columns.subject:
            what = "sequence" if columns.sequence else "image" if columns.image else "video"
            notes.append(
                f"No subject column: each {what} counts as a subject, so a split by subject is a split by {what}."
            )
            break
    if any(columns.frame is None for columns in tables):
        notes.append("No frame column: frames are numbered by their order in the table.")
    return tuple(notes)


def _column(lower: Mapping[str, str], kind: str, chosen: str | None, table: Path) -> str | None:
    if chosen is None:
        return next((lower[name] for name in NAMES[kind] if name in lower), None)
    if chosen.strip().lower() not in lower:
        raise LayoutError(f"{table}: no {kind} column {chosen!r}; its columns are {_listed(lower.values())}")
    return lower[chosen.strip().lower()]


def _value_columns(header: list[str], table: Path, scale: str) -> tuple[dict[str, tuple[str, str]], set[str]]:
    values, plain, first = {}, set(), {}
    for name in header:
        unit = _unit(name, table, scale)
        if unit is None:
            continue
        if unit in first:
            raise LabelError(
                table,
                1,
                f"{unit[1]} ({unit[0]}) in two columns, {first[unit]!r} and {name!r}",
                "each unit once a scale",
            )
        first[unit] = name
        values[name] = unit
        if _FACS_COLUMN.fullmatch(name) and not _suffix(name):
            plain.add(name)
    if not values:
        raise LayoutError(
            f"{table}: no action unit among its columns {_listed(header)}; expected names such as AU01_c (occurrence), AU01_r "
            "(intensity 0-5), AU01_v (0-1), AU12 or feafa_01_left_eye_close"
        )
    return values, plain


def _suffix(name: str) -> str:
    match = _FACS_COLUMN.fullmatch(name) or _FEAFA_COLUMN.fullmatch(name)
    return ((match and match.group(1)) or "").lower()


def _unit(name: str, table: Path, scale: str) -> tuple[str, str] | None:
    """Scale and code of a value column; None for any other column."""
    suffix = _suffix(name)
    stem = name[: -len(suffix)].rstrip(" _") if suffix else name
    if _FEAFA_COLUMN.fullmatch(name):
        if stem.lower() not in FEAFA_UNITS or suffix not in ("", "v"):
            raise LabelError(table, 1, f"column {name!r}", "one of FEAFA's 24 units such as feafa_01_left_eye_close_v")
        return CONTINUOUS, stem.lower()
    if not _FACS_COLUMN.fullmatch(name):
        return None
    try:
        code = canonical_code(re.sub(r"[ _]", "", stem))
    except ValueError as error:
        raise LabelError(table, 1, f"column {name!r}", f"a known action unit ({error})") from None
    return _SCALE_OF_SUFFIX.get(suffix, scale), code


def _listed(names: Iterable[str], most: int = 20) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
