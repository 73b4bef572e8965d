"""A table of readings as its value columns, and the table of one input as series: what each face did over time.

Conventions
    value columns   as `recognition/tables.py` names them: they end in _c (occurrence, 0 or 1), _r (intensity, 0 to 5) or _v
                    (continuous, 0 to 1), and may have the protocol's name in front: "bp4d_AU01_c". The first columns of a
                    row (input, frame, ...) and the probabilities, which end in _p, are none.
    sample          a frame of the input that was read (every one, every Nth, ...). Each has at least one row in the table.
    series          the rows of one face_id from 0 up, one slot per sample, from the first sample in which the face is seen to
                    the last.
    gap             a slot without a value: the face has no row at that sample, its row has success 0, or the unit is
                    undetermined. Gaps are never filled in.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aullava.action_units import SCALES, Scale, canonical_code
from aullava.recognition.tables import DECIMALS, unit_label

_NO_ROW = -1
_NAME = re.compile(r"(?:(?P<protocol>.+)_)?(?P<unit>A[UD]\d\d|feafa_\d\d_[a-z_]+)_(?P<kind>[a-z])")


@dataclass(frozen=True)
class ValueColumn:
    """One value column. `kind`: the suffix of its scale; `protocol`: the name in front, often empty; `code`: canonical."""

    name: str
    kind: str
    code: str
    protocol: str = ""

    @property
    def scale(self) -> Scale:
        return next(scale for scale in SCALES.values() if scale.suffix == self.kind)

    @property
    def highest(self) -> int:
        """The greatest value of the scale; the smallest is 0."""
        return self.scale.highest

    @property
    def label(self) -> str:
        """The unit for people to read: "AU12 Lip corner puller", "Left Eye Close", "AU12 Lip corner puller (bp4d)"."""
        name = unit_label(self.code)
        return f"{name} ({self.protocol})" if self.protocol else name


def value_columns(table: pd.DataFrame, kinds: str = "") -> list[ValueColumn]:
    """The value columns of these kinds (default: of every scale), in the table's order."""
    kinds = kinds or "".join(scale.suffix for scale in SCALES.values())
    matches = [_NAME.fullmatch(name) for name in table.columns]
    return [
        ValueColumn(match[0], match["kind"], canonical_code(match["unit"]), match["protocol"] or "")
        for match in matches
        if match and match["kind"] in kinds
    ]


def as_floats(table: pd.DataFrame, column: str) -> np.ndarray:
    """(N,) the numbers of a column, NaN where empty; a copy."""
    return table[column].to_numpy(float, copy=True, na_value=np.nan)


def as_column(values_N: np.ndarray, kind: str) -> pd.api.extensions.ExtensionArray:
    """Numbers as a column of a table, empty where NaN: whole numbers of kind "c", else fractions."""
    missing_N = np.isnan(values_N)
    if kind == "c":
        return pd.arrays.IntegerArray(np.where(missing_N, 0, values_N).round().astype(np.int64), missing_N)
    return pd.arrays.FloatingArray(np.where(missing_N, 0.0, values_N).round(DECIMALS), missing_N)


@dataclass(frozen=True)
class Series:
    """One face over S samples.

    Attributes:
        rows_S: its rows' positions in the table, -1 where it was not read.
        frames_S: frame numbers.
        seconds_S: timestamps, NaN if the input has none.
        lasts_S: seconds until the input's next sample; for its last one the median of the others; NaN if unknown.
    """

    face_id: int
    rows_S: np.ndarray
    frames_S: np.ndarray
    seconds_S: np.ndarray
    lasts_S: np.ndarray

    @property
    def read_S(self) -> np.ndarray:
        """Where the face was found and read."""
        return self.rows_S != _NO_ROW

    def values(self, values_N: np.ndarray) -> np.ndarray:
        """(S,) this face's part of a column of the table; NaN in gaps."""
        return np.where(self.read_S, values_N[self.rows_S], np.nan)

    def put(self, values_S: np.ndarray, values_N: np.ndarray) -> None:
        """Write samples into a column, where the face was read."""
        values_N[self.rows_S[self.read_S]] = values_S[self.read_S]


def series_of(table: pd.DataFrame) -> list[Series]:
    """The series of every face, in order of face_id.

    Args:
        table: rows of one input, in any order.

    Raises:
        ValueError: rows of several inputs, or two rows of one face in one frame.
    """
    if (inputs := table["input"].nunique()) > 1:
        raise ValueError(f"the table has rows of {inputs} inputs: expected those of one")
    frame_N = table["frame"].to_numpy(np.int64)
    face_N = table["face_id"].to_numpy(np.int64)
    success_N = table["success"].to_numpy(np.int64) == 1
    frames_G, first_G = np.unique(frame_N, return_index=True)
    seconds_G = as_floats(table, "timestamp")[first_G]
    steps = np.diff(seconds_G)
    lasts_G = np.append(steps, np.median(steps) if len(steps) else np.nan)
    every = []
    for face in np.unique(face_N[face_N >= 0]):
        rows_R = np.flatnonzero(face_N == face)
        places_R = np.searchsorted(frames_G, frame_N[rows_R])
        if len(np.unique(places_R)) < len(places_R):
            raise ValueError(
                f"face {face} has {len(places_R)} rows in {len(np.unique(places_R))} frames: expected one per frame"
            )
        rows_G = np.full(len(frames_G), _NO_ROW)
        rows_G[places_R] = np.where(success_N[rows_R], rows_R, _NO_ROW)
        span = slice(places_R.min(), places_R.max() + 1)
        every.append(Series(int(face), rows_G[span], frames_G[span], seconds_G[span], lasts_G[span]))
    return every


def runs(true_S: np.ndarray) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each unbroken run of true samples."""
    edges = np.diff(np.concatenate(([0], true_S.astype(np.int8), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))
