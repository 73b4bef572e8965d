"""How active each unit of each face is, and which units are active together.

Conventions
    active          `Scale.active_from` of the column's scale or more: occurrence 1, level A (0.5 before rounding), a
                    continuous value of 0.10. After smoothing or a baseline: the changed value.
    samples         frames read, from the first to the last in which the face is seen; gaps: those of them without a value.
    share_active    active samples among those with a value; mean and peak likewise. NaN if no sample has one.
    bout            an unbroken run of active samples that lasts `min_duration` or longer. A sample lasts until the next one; the
                    input's last sample lasts the median. Gaps and the ends cut a bout, and the part that was seen counts.
    onsets          bouts that follow a sample that is seen and not active: a bout under way when the face appears has no onset.
    mean_duration   seconds per bout; NaN without one. Bouts, onsets and durations are NaN if the input has no times.
    co-occurrence   samples in which both units are active among those in which both have a value; NaN if there are none.
"""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from rich.markup import escape
from rich.table import Table

from aullava.analysis.series import Series, ValueColumn, as_floats, runs, series_of, value_columns
from aullava.common.files import printable, replace_file

MIN_DURATION = 0.1

# Column -> type. Text as objects: the text type that pandas would guess cannot hold every file name.
_TEXT = "object"
_ACTIVITY = {
    "input": _TEXT,
    "face_id": int,
    "column": _TEXT,
    "unit": _TEXT,
    "threshold": float,
    "samples": int,
    "gaps": int,
}
_ACTIVITY |= dict.fromkeys(["share_active", "mean", "peak", "bouts", "onsets", "mean_duration"], float)
_CO_OCCURRENCE = {"input": _TEXT, "face_id": int} | dict.fromkeys(["column_a", "column_b", "unit_a", "unit_b"], _TEXT)
_CO_OCCURRENCE |= {"samples": int, "share_both": float}


def activity(table: pd.DataFrame, min_duration: float = MIN_DURATION) -> pd.DataFrame:
    """One row per face and unit of one input.

    Args:
        min_duration: the shortest bout that counts, in seconds.

    Returns:
        Columns input, face_id, column, unit, threshold, samples, gaps, share_active, mean, peak, bouts, onsets, mean_duration.
    """
    rows = []
    for one, found in _values(table):
        for column, values_S in found.items():
            threshold = float(column.scale.active_from)
            head = (table["input"].iloc[0], one.face_id, column.name, column.label, threshold)
            rows.append(head + _levels(values_S, threshold) + _bouts(one, values_S, threshold, min_duration))
    return _frame(rows, _ACTIVITY)


def _values(table: pd.DataFrame) -> list[tuple[Series, dict[ValueColumn, np.ndarray]]]:
    """Each face with the samples of its units."""
    columns = {column: as_floats(table, column.name) for column in value_columns(table)}
    return [(one, {column: one.values(values_N) for column, values_N in columns.items()}) for one in series_of(table)]


def _levels(values_S: np.ndarray, threshold: float) -> tuple:
    """samples, gaps, share_active, mean, peak."""
    known = values_S[~np.isnan(values_S)]
    gaps = len(values_S) - len(known)
    if not len(known):
        return len(values_S), gaps, np.nan, np.nan, np.nan
    return len(values_S), gaps, float((known >= threshold).mean()), float(known.mean()), float(known.max())


def _bouts(one: Series, values_S: np.ndarray, threshold: float, min_duration: float) -> tuple[float, float, float]:
    """bouts, onsets, mean_duration."""
    if np.isnan(one.lasts_S).any():
        return np.nan, np.nan, np.nan
    # Rounded to microseconds, so that sums of frame times do not miss min_duration by a last bit.
    bouts = [(start, one.lasts_S[start:end].sum().round(6)) for start, end in runs(values_S >= threshold)]
    long = [(start, seconds) for start, seconds in bouts if seconds >= min_duration]
    onsets = sum(start > 0 and values_S[start - 1] < threshold for start, _ in long)
    return float(len(long)), float(onsets), float(np.mean([s for _, s in long])) if long else np.nan


def co_occurrence(table: pd.DataFrame) -> pd.DataFrame:
    """One row per face and pair of units of one input. A unit is not paired with itself as read by another protocol.

    Returns:
        Columns input, face_id, column_a, column_b, unit_a, unit_b, samples (in which both have a value), share_both.
    """
    rows = []
    for one, found in _values(table):
        for (a, a_S), (b, b_S) in combinations(found.items(), 2):
            if a.code == b.code:
                continue
            known_S = ~(np.isnan(a_S) | np.isnan(b_S))
            both_S = (a_S >= a.scale.active_from) & (b_S >= b.scale.active_from)
            share = both_S[known_S].mean() if known_S.any() else np.nan
            head = (table["input"].iloc[0], one.face_id, a.name, b.name, a.label, b.label)
            rows.append((*head, int(known_S.sum()), float(share)))
    return _frame(rows, _CO_OCCURRENCE)


def _frame(rows: list[tuple], types: Mapping[str, type | str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(types), dtype=object).astype(types)


def pairs_path(summary: Path) -> Path:
    """The file for the co-occurrence of a summary: summary.csv -> summary_pairs.csv."""
    return summary.with_name(f"{summary.stem}_pairs.csv")


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write one of these tables as CSV, with four decimals."""
    options = {"index": False, "lineterminator": "\n", "errors": "surrogateescape"}
    rounded = frame.round(4)
    replace_file(path, lambda temporary: rounded.to_csv(temporary, **options))


def activity_table(found: pd.DataFrame, limit: int = 30) -> Table:
    """The units that were active, most active first, for the terminal.

    Args:
        found: what `activity` gave for one input, or for several put together.
        limit: most rows shown; if there are more, the most active units of each face.
    """
    table = Table(title="activity, a face and unit", title_justify="left")
    table.add_column("input", overflow="fold")
    table.add_column("face", justify="right")
    table.add_column("unit", overflow="fold")
    for name in ("active", "mean", "peak", "onsets", "lasting"):
        table.add_column(name, justify="right", no_wrap=True)
    keys = list(zip(found["input"], found["face_id"], strict=True))
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    found = found.assign(place=[places[key] for key in keys])  # pandas can sort no name that is not UTF-8
    order = {"by": ["place", "share_active"], "ascending": [True, False], "kind": "stable"}
    acted = found[found["share_active"] > 0].sort_values(**order)
    faces = len(places)
    shown = acted
    if len(acted) > limit:  # as many of each face as of any other
        shown = acted.groupby("place", sort=False).head(max(1, limit // faces)).head(limit)
    for row in shown.itertuples():
        name, onsets = escape(printable(Path(row.input).name)), _shown(row.onsets, "{:.0f}")
        levels = f"{row.share_active:.0%}", f"{row.mean:.2f}", f"{row.peak:.2f}"
        table.add_row(name, str(row.face_id), escape(row.unit), *levels, onsets, _shown(row.mean_duration, "{:.2f} s"))
    said = [
        f"{faces} {'face' if faces == 1 else 'faces'}",
        f"{len(found) - len(acted)} of {len(found)} units never active",
    ]
    if unread := int(found["share_active"].isna().sum()):
        said.append(f"{unread} of them never read")
    if len(acted) > len(shown):
        said.append(f"{len(acted) - len(shown)} more rows not shown")
    table.caption = "; ".join(said)
    return table


def _shown(value: float, form: str) -> str:
    return "" if np.isnan(value) else form.format(value)
