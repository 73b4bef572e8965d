"""The table that was read beside the script that was acted: who is who, how many faces were found, correlation per unit.

Conventions
    person       a row of the table belongs to the person whose face's centre is nearest, if it lies in that face's box.
    correlation  Pearson's, of the levels read and acted, over all found faces; NaN where the script or the reading is constant.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aullava.action_units import PROTOCOLS

COLUMNS = tuple(PROTOCOLS["disfa"].column(code) for code in PROTOCOLS["disfa"].units)


@dataclass(frozen=True)
class Agreement:
    """What a table says of a film: `correlation` of each column, and the shares of faces and of whole frames found."""

    correlation: dict[str, float]
    faces: int  # that were read, strangers among them
    faces_found: float
    frames_found: float
    ids: int  # different face_ids; the number of people where nobody was mistaken or lost


def compare(table: Path, labels: Path) -> Agreement:
    """Read both tables and match their rows frame by frame."""
    truth = pd.read_csv(labels)
    read = pd.read_csv(table).query("success == 1")
    pairs = truth.merge(read, on="frame", suffixes=("_acted", "_read"))
    away = np.hypot(
        pairs.x + pairs.w / 2 - pairs.box_x - pairs.box_w / 2, pairs.y + pairs.h / 2 - pairs.box_y - pairs.box_h / 2
    )
    pairs = pairs.assign(away=away)[away < pairs.w / 2]
    pairs = pairs.sort_values("away").drop_duplicates(["frame", "person"]).drop_duplicates(["frame", "face_id"])
    people = truth.person.nunique()
    return Agreement(
        {column: correlation(pairs[f"{column}_acted"], pairs[f"{column}_read"]) for column in COLUMNS},
        len(read),
        len(pairs) / len(truth),
        float((pairs.groupby("frame").size() == people).sum() / truth.frame.nunique()),
        read.face_id.nunique(),
    )


def correlation(acted: pd.Series, read: pd.Series) -> float:
    """Pearson's; NaN where one of them does not vary."""
    both = pd.concat([acted, read], axis=1).dropna()
    if len(both) < 2 or (both.nunique() < 2).any():
        return float("nan")
    return float(np.corrcoef(both.iloc[:, 0], both.iloc[:, 1])[0, 1])
