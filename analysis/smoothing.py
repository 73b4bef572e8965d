"""Smoothing over time: `--smooth median:5` or `--smooth savgol:11:2`.

Conventions
    window      an odd number of samples, not of seconds: with every 5th frame read, median:5 spans 25 frames.
    median      intensities and continuous values: the median of the values inside the window centred on the sample. Occurrences:
                the majority; a tie leaves the sample as it is. At the ends and beside gaps the window holds fewer values, and
                gaps inside it do not count.
    savgol      Savitzky and Golay's filter: a polynomial is fitted to the window, and its value at the sample is taken. Each
                unbroken run is filtered by itself with SciPy's savgol_filter; its first and last half window take the polynomial
                of the first and last whole window. Runs shorter than the window stay as they are, and are counted. Samples count
                as evenly spaced. Not for occurrences.
    afterwards  values are clipped to their scale, and levels are fractions. A gap stays a gap. Probabilities (_p) are left as the
                model gave them, so they belong to the values before smoothing.

Source of savgol: A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least squares procedures",
Analytical Chemistry 36, 1964.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd

from aullava.action_units import OCCURRENCE
from aullava.analysis.series import as_column, as_floats, runs, series_of, value_columns

MEDIAN, SAVGOL = "median", "savgol"


@dataclass(frozen=True)
class Smoothing:
    """How to smooth. `window`: samples, odd, 3 or more; `degree`: of savgol's polynomial, 0 to window - 1."""

    method: str
    window: int
    degree: int = 0

    @classmethod
    def parse(cls, text: str) -> "Smoothing":
        """From "median:5" or "savgol:11:2".

        Raises:
            ValueError: anything else.
        """
        method, *numbers = text.split(":")
        if len(numbers) != {MEDIAN: 1, SAVGOL: 2}.get(method) or not all(n.isascii() and n.isdigit() for n in numbers):
            raise ValueError(
                f"smoothing {text!r}: expected median:WINDOW or savgol:WINDOW:DEGREE, such as median:5 or savgol:11:2"
            )
        found = cls(method, *map(int, numbers))
        if found.window < 3 or found.window % 2 == 0:
            raise ValueError(
                f"smoothing {text!r} has a window of {found.window} samples: expected an odd number from 3 up"
            )
        if found.degree >= found.window:
            raise ValueError(
                f"smoothing {text!r} has degree {found.degree}: expected less than its window, {found.window}"
            )
        return found

    def check(self, scales: Iterable[str]) -> None:
        """Check that there will be something to smooth.

        Raises:
            ValueError: savgol, and all values are occurrences.
            ImportError: savgol, and SciPy is not installed.
        """
        if self.method == SAVGOL and set(scales) == {OCCURRENCE}:
            raise ValueError(
                "savgol smooths intensities and continuous values, and only occurrences (0 or 1) are asked for: use median:WINDOW, "
                "or a protocol with intensities"
            )
        if self.method == SAVGOL and find_spec("scipy") is None:
            raise ImportError("savgol needs scipy: pip install 'au-llava[series]', or use median:WINDOW")


def smooth(table: pd.DataFrame, how: Smoothing) -> tuple[pd.DataFrame, list[str]]:
    """The rows of one input with smoothed values, and a note on whatever was left as it is.

    Raises:
        ValueError: Savitzky-Golay on a table of occurrences.
    """
    columns = value_columns(table)
    how.check(column.scale.name for column in columns)
    every, new, left = series_of(table), {}, 0
    for column in columns:
        if how.method == SAVGOL and column.kind == "c":
            continue
        values_N = as_floats(table, column.name)
        for one in every:
            found_S = one.values(values_N)
            if how.method == MEDIAN:
                middle_S = pd.Series(found_S).rolling(how.window, center=True, min_periods=1).median().to_numpy()
                middle_S = np.where(np.isnan(found_S), np.nan, middle_S)
                # Of an even number of occurrences half may be 1: a tie leaves the sample as it is.
                tied = (column.kind == "c") & (middle_S == 0.5)
                one.put(np.where(tied, found_S, middle_S), values_N)
            else:
                smoothed_S, short = _savgol_runs(found_S, how)
                one.put(smoothed_S, values_N)
                left += short
        new[column.name] = as_column(values_N.clip(0, column.highest), column.kind)
    notes = [f"{left} values in runs shorter than {how.window} samples were not smoothed"] if left else []
    return table.assign(**new), notes


def _savgol_runs(values_S: np.ndarray, how: Smoothing) -> tuple[np.ndarray, int]:
    """The values with every run that is long enough filtered, and how many values are in shorter ones."""
    from scipy.signal import savgol_filter

    smoothed_S, short = values_S.copy(), 0
    for start, end in runs(~np.isnan(values_S)):
        if end - start < how.window:
            short += end - start
        else:
            smoothed_S[start:end] = savgol_filter(values_S[start:end], how.window, how.degree, mode="interp")
    return smoothed_S, short
