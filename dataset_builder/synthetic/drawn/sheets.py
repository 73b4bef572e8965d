"""Images of many faces: labelled contact sheets to look at, and PNG files with their table of labels."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from aullava.common.files import replace_file
from aullava.dataset_builder.synthetic.drawn.actions import ACTIONS, PARTS
from aullava.dataset_builder.synthetic.drawn.person import Identity
from aullava.dataset_builder.synthetic.drawn.renderer import draw_face
from aullava.dataset_builder.synthetic.drawn.samples import sample_face
from aullava.dataset_builder.synthetic.drawn.scene import Scene

SHEET_TONES = (2, 5, 7, 10)
DOSES = (0.0, 0.25, 0.5, 0.75, 1.0)
# What one tile of a sheet shows: single units, both sides at once, and the two one-sided cues worth comparing.
_SINGLES = {
    "neutral": {},
    **{unit: dict.fromkeys(parts, 1.0) for unit, parts in PARTS.items() if unit not in ("AU28", "AD30")},
    **{name: {name: 1.0} for name in ("AU28U", "AU28L", "AD30L", "AD30R", "AU12L", "AU43R")},
    "AU6+12+25": dict.fromkeys(("AU6L", "AU6R", "AU12L", "AU12R", "AU25"), 1.0),
    "AU1+2+4": dict.fromkeys(("AU1L", "AU1R", "AU2L", "AU2R", "AU4L", "AU4R"), 1.0),
    "AU25+26": {"AU25": 1.0, "AU26": 1.0},
}


def sheet_identity(skin_tone: int) -> Identity:
    """A fixed person of a skin tone, for sheets."""
    return Identity.sample(np.random.Generator(np.random.PCG64(1000 + skin_tone)), skin_tone)


def single_sheet(skin_tone: int, size: int = 160) -> np.ndarray:
    """Neutral, then every action unit alone at full strength: uint8 RGB, 8 tiles wide."""
    who = sheet_identity(skin_tone)
    tiles = [
        _labelled(draw_face(who, actions, Scene.neutral(), size).image_HWC, name) for name, actions in _SINGLES.items()
    ]
    return _grid(tiles, 8)


def dose_sheet(skin_tone: int, size: int = 112) -> np.ndarray:
    """One row a unit, its strength rising from 0 to 1 from left to right: two units a row."""
    who = sheet_identity(skin_tone)
    tiles = []
    for unit, parts in PARTS.items():
        for dose in DOSES:
            actions = dict.fromkeys(parts[:1] if unit == "AD30" else parts, dose)
            tiles.append(_labelled(draw_face(who, actions, Scene.neutral(), size).image_HWC, f"{unit} {dose:g}"))
    return _grid(tiles, 2 * len(DOSES))


def random_sheet(count: int = 48, seed: int = 0, size: int = 160) -> np.ndarray:
    """Drawn faces of training identities with their units of strength 0.3 or more, in tenths."""
    tiles = []
    for index in range(count):
        face = sample_face("train", index, seed=seed, size=size)
        shown = [
            f"{name.removeprefix('AU')}:{10 * strength:.0f}"
            for name, strength in face.actions.items()
            if strength >= 0.3
        ]
        tiles.append(_labelled(face.image_HWC, *(" ".join(shown[i : i + 4]) for i in range(0, 16, 4))))
    return _grid(tiles, 8)


def write_sheets(out_dir: str | os.PathLike, size: int = 160) -> list[Path]:
    """Write the contact sheets as PNG and return their paths; `size` is the side of a tile in pixels."""
    out = Path(out_dir)
    sheets = {f"units_tone{tone:02d}.png": single_sheet(tone, size) for tone in SHEET_TONES}
    sheets |= {"doses.png": dose_sheet(4, max(32, size * 7 // 10)), "random.png": random_sheet(size=size)}
    return [_write_png(out / name, image_HWC) for name, image_HWC in sheets.items()]


def write_faces(
    out_dir: str | os.PathLike,
    count: int = 24,
    seed: int = 0,
    split: str = "test",
    style: str = "mixed",
    size: int = 96,
) -> Path:
    """Write `count` faces as PNG files and `labels.csv`, one row a face in the order of the files; return the table's path.

    The table has file, subject, skin_tone and one column an action with its strength 0..1.

    Raises:
        FileExistsError: the folder holds something, which would lie among the faces without a label.
    """
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    if found := sorted(path.name for path in out.iterdir()):
        raise FileExistsError(f"{out} holds {', '.join(found[:3])}: name a new or an empty folder")
    rows = [["file", "subject", "skin_tone", *ACTIONS]]
    for index in range(count):
        face = sample_face(split, index, seed=seed, style=style, size=size)
        name = f"{split}-{seed}-{index:06d}.png"
        _write_png(out / name, face.image_HWC)
        rows.append([name, face.subject, face.groups["skin_tone"], *(f"{face.actions[a]:g}" for a in ACTIONS)])

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    replace_file(out / "labels.csv", write)
    return out / "labels.csv"


def _write_png(path: Path, image_HWC: np.ndarray) -> Path:
    replace_file(path, lambda temporary: Image.fromarray(image_HWC).save(temporary, format="PNG"))
    return path


def _labelled(image_HWC: np.ndarray, *lines: str) -> np.ndarray:
    """The image with a strip of text below it, one row a line."""
    side = image_HWC.shape[1]
    row = max(11, side // 11)
    strip_HWC = np.full((row * len(lines) + 4, side, 3), 24, np.uint8)
    for number, line in enumerate(lines):
        at = (4, int((number + 0.85) * row))
        cv2.putText(strip_HWC, line, at, cv2.FONT_HERSHEY_SIMPLEX, row / 38, (250, 236, 190), 1, cv2.LINE_AA)
    return np.vstack([image_HWC, strip_HWC])


def _grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size in rows, the last row filled up with grey."""
    blank = np.full_like(tiles[0], 90)
    tiles = tiles + [blank] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])
