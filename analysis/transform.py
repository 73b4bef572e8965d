"""Changing the values of a finished table before it is written: first the baseline, then smoothing, as OpenFace does."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from aullava.analysis.baseline import subtract_baseline
from aullava.analysis.smoothing import Smoothing, smooth


@dataclass
class Transform:
    """A function of the rows of one input at a time.

    Args:
        smoothing: as given by `--smooth`, or None.
        baseline: "auto", column -> neutral value, or None.
    """

    smoothing: Smoothing | None = None
    baseline: str | Mapping[str, float] | None = None
    _told: dict[str, None] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """The same rows and columns; levels (_r) are fractions (Float64), whether or not this input's were changed."""
        told = []
        if self.baseline is not None:
            table, told = subtract_baseline(table, self.baseline)
        if self.smoothing is not None:
            table, more = smooth(table, self.smoothing)
            told = told + more
        self._told |= dict.fromkeys(f"{table['input'].iloc[0]}: {note}" for note in told)
        return table

    @property
    def notes(self) -> list[str]:
        """What was left as it was read, one sentence each, beginning with the input's name; never twice the same."""
        return list(self._told)
