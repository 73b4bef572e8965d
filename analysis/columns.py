"""Value columns of a table of readings: which there are, and what unit and scale each stands for.

Conventions
    value columns   as `recognition/tables.py` names them: they end in _c (occurrence, 0 or 1), _r (intensity, 0 to 5) or _v
                    (continuous, 0 to 1), and may have the protocol's name in front: "bp4d_AU01_c".
    others          the first columns of a row (input, frame, ...) and the probabilities, which end in _p.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aullava.action_units import SCALES, Scale, canonical_code
from aullava.recognition.tables import DECIMALS, unit_label

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
        """The unit for people: "AU12 Lip corner puller", "Left Eye Close", "AU12 Lip corner puller (bp4d)"."""
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
