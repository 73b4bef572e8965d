"""Rows as tables: which columns there are, what each holds, and pandas frames of them, a chunk or an input at a time.

Conventions
    columns     input, frame, timestamp, face_id, success, confidence, box_x, box_y, box_w, box_h, status, then for each protocol
                one value per unit (AU01_c 0/1, AU01_r 0-5, AU01_v 0-1) and one probability per unit (AU01_p).
    protocols   where several protocols have a column of the same name, each of these begins with its protocol's name, in which
                all but letters and digits become "_": bp4d_AU01_p and disfa_AU01_p, AU1_AU4_AU01_c of the list "AU1,AU4".
    input       the file as it was given or found. frame: from 0. timestamp: seconds from the first frame shown, to
                the microsecond; empty where a video has no times. An image is frame 0 at 0.0.
    face_id     0, 1, ...; the same for one face of a video from frame to frame; -1 where there is none.
    success     1 where a face was found and its units were read, else 0.
    status      the worst of the protocols': "ok", "repaired", "invalid", "no_face"; "unreadable" for a frame not decoded, and
                "contradictory" where one protocol says that a unit is present and another that its level or strength is 0.
    confidence  the face detector's score, empty where none ran. box_*: pixels of the upright frame, empty without a face.
    AU01_r      the level that was read, or with intensities "expected" the mean of the levels' distribution, 0.0000 to 5.0000,
                empty where the mode gives none.
    AU01_p      probability that the unit is present: of value 1, or of the protocol's threshold level or more. Empty where the
                mode gives none. The continuous scale has no threshold and no such columns.
    missing     NaN or <NA> in pandas, an empty cell in CSV, null in JSON and Parquet. Never 0.
    rounding    4 decimals.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from typing import Any

import pandas as pd

from aullava.action_units import FEAFA_UNITS, SCALES, Protocol, unit
from aullava.recognition.rows import FaceRow

INTENSITIES = ("level", "expected")
TEXT, WHOLE, FRACTION = "object", "Int64", "Float64"  # nullable: whole numbers stay whole where others are missing
CHUNK = 2048  # rows: some 10 MB
DECIMALS = 4
_TIME_DECIMALS = 6


@dataclass(frozen=True)
class Column:
    """One column: its pandas type, how a row fills it (None if missing), and what it holds, in words and terms."""

    name: str
    dtype: str
    value: Callable[[FaceRow], Any]
    about: Mapping[str, Any]

    @property
    def is_graded(self) -> bool:
        """Whether it holds intensities or continuous values."""
        scale = SCALES.get(self.about.get("scale"))
        return scale is not None and scale.is_graded


# Before those of the units, in every kind of file. An entry adds a column.
HEAD_COLUMNS: list[Column] = [
    Column("input", TEXT, lambda row: row.input, {"what": "the file as it was given or found"}),
    Column("frame", WHOLE, lambda row: row.frame, {"what": "number of the frame, from 0"}),
    Column(
        "timestamp",
        FRACTION,
        lambda row: rounded(row.timestamp, _TIME_DECIMALS),
        {"what": "seconds from the first frame"},
    ),
    Column("face_id", WHOLE, lambda row: row.face_id, {"what": "which face of the input, -1 for none"}),
    Column("success", WHOLE, lambda row: row.success, {"what": "1 where the units of a face were read, else 0"}),
    Column("confidence", FRACTION, lambda row: rounded(row.score), {"what": "score of the face detector"}),
    *(
        Column(
            f"box_{name}",
            WHOLE,
            lambda row, i=i: row.box and row.box[i],
            {"what": f"{what} in pixels"},
        )
        for i, (name, what) in enumerate({"x": "left", "y": "top", "w": "width", "h": "height"}.items())
    ),
    Column(
        "status", TEXT, lambda row: row.status, {"what": "ok, repaired, contradictory, invalid, no_face or unreadable"}
    ),
]


@dataclass(frozen=True)
class Layout:
    """The columns of the tables of a run.

    Args:
        protocols: what was read, in order; each of another name.
        intensities: "level" (default) or "expected": what the columns of the intensity scale hold.

    Raises:
        ValueError: no protocol, two that cannot be told apart by name, or unknown intensities.
    """

    protocols: tuple[Protocol, ...]
    intensities: str = "level"

    def __post_init__(self):
        names = [_prefix(protocol) for protocol in self.protocols]
        if not names or len(set(names)) < len(names):
            given = ", ".join(protocol.name for protocol in self.protocols) or "none"
            raise ValueError(f"protocols are {given}: expected at least one, each of another name")
        if self.intensities not in INTENSITIES:
            raise ValueError(f"intensities are {self.intensities!r}: expected {' or '.join(INTENSITIES)}")

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        found = [(protocol, column) for protocol in self.protocols for column in self._of_protocol(protocol)]
        often = Counter(column.name for _, column in found)
        named = [
            Column(f"{_prefix(protocol)}_{column.name}", column.dtype, column.value, column.about)
            if often[column.name] > 1
            else column
            for protocol, column in found
        ]
        return (*HEAD_COLUMNS, *named)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def types(self) -> dict[str, str]:
        """Column name -> pandas type."""
        return {column.name: column.dtype for column in self.columns}

    def value(self, row: FaceRow, code: str, protocol: Protocol) -> int | float | None:
        """A unit's value in the tables."""
        reading = row.readings[protocol.name]
        if self._expects(protocol):
            return rounded(reading.expected.get(code))
        return reading.values[code]

    def frame(self, rows: Iterable[FaceRow]) -> pd.DataFrame:
        """Rows as one table."""
        rows = list(rows)
        # Every type is given: the text type that pandas would guess cannot hold every file name.
        cells = {c.name: pd.Series([c.value(row) for row in rows], dtype=c.dtype) for c in self.columns}
        return pd.DataFrame(cells)

    def chunks(self, rows: Iterable[FaceRow], size: int = CHUNK) -> Iterator[pd.DataFrame]:
        """The rows as tables of up to `size` rows; one empty table if there are none. Only a chunk is in memory."""
        rows = iter(rows)
        yield self.frame(islice(rows, size))
        while chunk := list(islice(rows, size)):
            yield self.frame(chunk)

    def inputs(
        self, rows: Iterable[FaceRow], transform: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    ) -> Iterator[pd.DataFrame]:
        """One table per input, in the order of the rows. The table of one input is in memory, but not its rows.

        Args:
            rows: those of one input come together.
            transform: takes the table of an input and returns one with the same columns. It may turn levels into fractions, so
                the columns of the intensity scale become "Float64".

        Raises:
            ValueError: the transform changed the columns.
        """
        for _, group in groupby(rows, key=lambda row: row.input):
            frame = pd.concat(self.chunks(group, CHUNK), ignore_index=True)
            yield frame if transform is None else self._checked(transform(frame))

    def _checked(self, frame: pd.DataFrame) -> pd.DataFrame:
        if list(frame.columns) != self.names:
            other = sorted(set(frame.columns) ^ set(self.names)) or ["the order"]
            raise ValueError(f"a table came back with other columns than it had: they differ in {', '.join(other)}")
        return pd.DataFrame(
            {
                c.name: frame[c.name].astype(FRACTION).round(DECIMALS)
                if c.is_graded
                else frame[c.name].astype(c.dtype)
                for c in self.columns
            }
        )

    def _of_protocol(self, protocol: Protocol) -> Iterator[Column]:
        """Values, then probabilities."""
        scale = SCALES[protocol.scale]
        whole = not scale.decimals and not self._expects(protocol)
        what = f"{'expected ' if self._expects(protocol) else ''}{scale.meaning}"
        for code in protocol.units:
            about = _about(code, protocol) | {"scale": protocol.scale, "range": (0, scale.highest), "what": what}
            yield Column(
                protocol.column(code),
                WHOLE if whole else FRACTION,
                lambda row, code=code: self.value(row, code, protocol),
                about,
            )
        if not scale.has_levels:
            return
        level = f"level {protocol.occurrence_threshold} or more" if scale.is_graded else "presence"
        for code in protocol.units:
            about = _about(code, protocol) | {
                "scale": "probability",
                "range": (0, 1),
                "what": f"probability of {level}",
            }
            yield Column(
                protocol.column(code, "p"),
                FRACTION,
                lambda row, code=code: rounded(present_probability(row, code, protocol)),
                about,
            )

    def _expects(self, protocol: Protocol) -> bool:
        return (
            self.intensities == "expected" and SCALES[protocol.scale].is_graded and SCALES[protocol.scale].has_levels
        )


def _about(code: str, protocol: Protocol) -> dict[str, Any]:
    return {"protocol": protocol.name, "unit": code, "name": unit(code).name}


def _prefix(protocol: Protocol) -> str:
    return re.sub(r"[\W_]+", "_", protocol.name, flags=re.ASCII).strip("_")


def present_probability(row: FaceRow, code: str, protocol: Protocol) -> float | None:
    """P(the unit is present), or None if the reading has no probability."""
    given = row.readings[protocol.name].probabilities.get(code)
    if given is None:
        return None
    if SCALES[protocol.scale].is_graded:
        return float(sum(given[protocol.first_present :]))
    return float(given)


def unit_label(code: str) -> str:
    """Code and name of a unit; FEAFA's codes contain the name."""
    found = unit(code)
    return found.name if code in FEAFA_UNITS else f"{code} {found.name}"


def rounded(value, decimals: int = DECIMALS):
    """A number, or each number of a list, as the files hold it; None and whole numbers stay as they are."""
    if value is None or isinstance(value, int):
        return value
    return round(float(value), decimals) if isinstance(value, float) else [rounded(float(v), decimals) for v in value]
