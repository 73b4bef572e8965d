"""A small FEAFA on disk, in the documented layout. Every value is drawn from a seed; no real label or picture is in it."""

from pathlib import Path

import numpy as np
from PIL import Image

VALUES = 24
SUBJECTS = ("PV001", "PV003", "PV008", "PV002", "PV004", "PV009")  # two of each of the three parts


def values_of(subject: str, frame: int) -> list[float]:
    """The values written for a frame, six digits each; every fourth frame is all zero."""
    rng = np.random.default_rng([int(subject[2:]), frame])
    return [0.0] * VALUES if frame % 4 == 0 else [round(float(v), 6) for v in rng.random(VALUES)]


def write_label(path: Path, values: list[float]) -> None:
    """One `.auw` file: a line of numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(" ".join(f"{value:.6f}" for value in values) + "\n")


def write_picture(path: Path, grey: int, size: int = 32) -> None:
    """A square picture of one grey level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), (grey, grey, grey)).save(path)


def make(
    root: Path, subjects: tuple[str, ...] = SUBJECTS, frames: int = 4, first: int = 994, suffix: str = ".jpg"
) -> Path:
    """FEAFA-A with full frames and crops below `root`, which is the data_dir; frames `first`, `first`+1, ..."""
    for subject in subjects:
        folder = root / "FEAFA-A" / f"{subject}.output"
        for frame in range(first, first + frames):
            write_label(folder / f"{frame:08d}.auw", values_of(subject, frame))
            write_picture(folder / f"{frame:08d}{suffix}", frame % 200)
            write_picture(folder / f"{frame:08d}_crop{suffix}", frame % 200 + 40, size=24)
    return root
