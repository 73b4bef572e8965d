"""Tables of one input as the command writes them, from a list of values a face and unit."""

import numpy as np
import pandas as pd
import pytest

FPS = 10
TYPES = {"frame": "Int64", "timestamp": "Float64", "face_id": "Int64", "success": "Int64"}


def make_table(*faces: dict, frames: int, step: int = 1, name: str = "clip.mp4", timed: bool = True) -> pd.DataFrame:
    """A row for each face and frame, and one without a face for a frame that has none.

    Args:
        faces: column -> a value a frame; None in all columns: the face is not seen in that frame; NaN: the unit is undetermined.
        step: how many frames of the file lie between two that were looked at.
    """
    rows, columns = [], list(dict.fromkeys(column for face in faces for column in face))
    for i in range(frames):
        seen = [(k, face) for k, face in enumerate(faces) if any(values[i] is not None for values in face.values())]
        head = {"input": name, "frame": i * step, "timestamp": i * step / FPS if timed else None}
        for k, face in seen:
            cells = {column: values[i] for column, values in face.items()}
            rows.append(head | {"face_id": k, "success": 1, "status": "ok"} | cells)
        if not seen:
            rows.append(head | {"face_id": -1, "success": 0, "status": "no_face"} | dict.fromkeys(columns))
    table = pd.DataFrame(rows, columns=["input", *TYPES, "status", *columns], dtype=object)
    numbers = {c: "Float64" if c.endswith(("_v", "_p")) or _fractions(table[c]) else "Int64" for c in columns}
    return table.astype(TYPES | numbers)


def _fractions(values: pd.Series) -> bool:
    return bool((pd.to_numeric(values) % 1 > 0).any())


@pytest.fixture
def table_of():
    return make_table


@pytest.fixture
def course():
    """(100,) values that rise and fall, with noise of a fixed seed."""
    random = np.random.default_rng(0)
    return (2.5 + 2 * np.sin(np.arange(100) / 6) + random.normal(0, 0.3, 100)).clip(0, 5).round(4)
