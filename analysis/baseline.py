"""Subtracting a person's neutral face from their readings: `--baseline auto` or `--baseline FILE`.

What OpenFace 2 does (lib/local/FaceAnalyser/src/FaceAnalyser.cpp): after a video, ExtractAllPredictionsOfflineReg sorts a unit's
values over the frames that were tracked, takes the one at index floor(n * cutoff), subtracts it from every frame and clips to
0..5; the cutoff of each unit was learned with its dynamic models. CorrectOnlineAUs does likewise while a video runs, with the
lowest 10% taken as neutral and nothing corrected in the first 10 frames. Its dynamic models also subtract the median of the
features, which has no counterpart here: our model reads one image at a time.

Conventions
    auto        for each face of each input: the value at index floor(0.1 * n) of its n sorted values, the share that OpenFace takes
                where it has learned none. So a tenth of the frames should show the face at rest; someone who smiles throughout
                is read as neutral. With fewer than 10 values nothing is subtracted, and a note says so.
    from FILE   the median of each column over the rows read of the person's neutral face, the same for every face.
    subtracted  from _r and _v columns, and clipped to their scale at 0; levels become fractions. Occurrences (_c) and
                probabilities (_p) are left as the model gave them. Gaps stay gaps.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from aullava.analysis.series import as_column, as_floats, series_of, value_columns
from aullava.common.files import printable
from aullava.recognition.inputs import collect
from aullava.recognition.pipeline import ReadSettings, read_items
from aullava.recognition.tables import Layout
from aullava.recognition.work import START, work_items

AUTO = "auto"
NEUTRAL_SHARE = 0.1
MIN_FRAMES = 10


def auto_neutral(values_S: np.ndarray) -> float:
    """The neutral value of one face and unit; NaN with fewer than MIN_FRAMES values."""
    known = np.sort(values_S[~np.isnan(values_S)])
    return float(known[int(len(known) * NEUTRAL_SHARE)]) if len(known) >= MIN_FRAMES else np.nan


def subtract_baseline(table: pd.DataFrame, neutral: str | Mapping[str, float]) -> tuple[pd.DataFrame, list[str]]:
    """The rows of one input with the neutral values subtracted, and a note on whatever was left as it is.

    Args:
        neutral: "auto", or column -> neutral value, as `neutral_of` gives it. Columns that are missing or NaN are left as
            they are.
    """
    columns = value_columns(table, "rv")
    if not columns:
        return table, ["no baseline was subtracted: occurrences (0 or 1) have none"]
    every, new, left = series_of(table), {}, {}
    for column in columns:
        values_N = as_floats(table, column.name)
        for one in every:
            found_S = one.values(values_N)
            rest = auto_neutral(found_S) if neutral == AUTO else float(neutral.get(column.name, np.nan))
            if np.isnan(rest):
                left.setdefault(one.face_id, []).append(column.name)
            else:
                one.put((found_S - rest).clip(0, column.highest), values_N)
        new[column.name] = as_column(values_N, column.kind)
    why = f"fewer than {MIN_FRAMES} values" if neutral == AUTO else "the neutral face has no value"
    notes = []
    for face, names in sorted(left.items()):
        which = f"any of its {len(columns)} units" if len(names) == len(columns) else ", ".join(names)
        notes.append(f"face {face}: no baseline was subtracted from {which}: {why}")
    return table.assign(**new), notes


def neutral_of(table: pd.DataFrame) -> dict[str, float]:
    """Column -> median over the rows read, from a table of one person at rest. Columns without a value are left out.

    Args:
        table: rows of one or more inputs (an image, several, a video), with one face per frame.

    Raises:
        ValueError: no intensity or continuous value, or several faces.
    """
    columns = value_columns(table, "rv")
    if not columns:
        raise ValueError("the neutral face has no column of intensities (_r) or continuous values (_v)")
    seen = table[table["success"] == 1]
    if (faces := seen["face_id"].nunique()) > 1:
        raise ValueError(f"the neutral face is that of one person, but {faces} faces were read: keep the rows of one")
    found = {column.name: as_floats(seen, column.name) for column in columns}
    found = {name: float(np.nanmedian(values)) for name, values in found.items() if not np.isnan(values).all()}
    if not found:
        raise ValueError("no unit was read of the neutral face: expected at least one row with success 1 and values")
    return found


def read_neutral(path: Path) -> dict[str, float]:
    """`neutral_of` an earlier table.

    Raises:
        ValueError: not a .csv or .parquet file that `aullava recognize` wrote, or as for `neutral_of`.
    """
    readers = {".csv": partial(pd.read_csv, encoding_errors="surrogateescape"), ".parquet": pd.read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"cannot tell the format of {printable(str(path))}: expected a name that ends in {' or '.join(readers)}"
        )
    try:
        table = reader(path)
        lacking = [name for name in ("input", "frame", "face_id", "success") if name not in table.columns]
        if lacking:
            raise ValueError(f"it has no column {', '.join(lacking)}")
        return neutral_of(table)
    except (ValueError, OSError) as error:  # pandas's and pyarrow's own errors are among them
        raise ValueError(f"no neutral face can be read from {printable(str(path))}: {error}") from error


def neutral_from(given: str, settings: ReadSettings, layout: Layout) -> str | Mapping[str, float]:
    """What `--baseline` names: "auto", or neutral values from an earlier table, or read now from images or a video.

    Raises:
        ValueError: nothing to read, an image or video that cannot be read, or as `read_neutral`.
    """
    if given == AUTO:
        return AUTO
    if Path(given).suffix.lower() in (".csv", ".parquet"):
        return read_neutral(Path(given))
    inputs = collect([given])
    if inputs.failures or not inputs.sources:
        raise ValueError(f"--baseline {given}: {inputs.failures[0].reason if inputs.failures else 'nothing to read'}")
    work = [(item, START) for item in work_items(inputs.sources, settings.batch_size)]
    blocks = list(read_items(work, settings))
    if failures := [failure for block in blocks for failure in block.failures]:
        raise ValueError(f"--baseline {failures[0]}")
    try:
        return neutral_of(layout.frame(row for block in blocks for row in block.rows))
    except ValueError as error:
        raise ValueError(f"--baseline {given}: {error}") from error


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, encoding_errors="surrogateescape")
