"""A user's own table as it may lie on disk: five people, four pictures each, both scales, some cells not coded."""

import csv
from pathlib import Path

from PIL import Image

SUBJECTS = ("P1", "P2", "P3", "P10", "P11")
FRAMES = 4
HEADER = ("image", "subject", "sequence", "frame", "sex", "AU01_c", "AU1_r", "AU12_c", "AU12_r", "AU25_c")


def make(root: Path, *, kind: str = "csv", subject: bool = True, subjects: int = len(SUBJECTS)) -> Path:
    """Write labels.csv (or .tsv, .parquet) and pictures/, and return the folder, which is the data_dir.

    Args:
        kind: "csv" (BOM, CRLF, a blank line), "tsv" or "parquet". subject: whether there is a subject column.
        subjects: how many people.
    """
    (root / "pictures").mkdir(parents=True)
    rows = [_row(root, person, frame) for person in range(subjects) for frame in range(1, FRAMES + 1)]
    header = list(HEADER)
    if not subject:
        rows = [
            [cell for name, cell in zip(HEADER, row, strict=True) if name not in ("subject", "sequence")]
            for row in rows
        ]
        header = [name for name in HEADER if name not in ("subject", "sequence")]
    path = root / f"labels.{kind}"
    if kind == "parquet":
        import pandas as pd

        pd.DataFrame([[None if cell == "" else cell for cell in row] for row in rows], columns=header).to_parquet(path)
        return root
    with open(path, "w", encoding="utf-8-sig" if kind == "csv" else "utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="," if kind == "csv" else "\t", lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(rows[:2])
        file.write("\r\n")
        writer.writerows(rows[2:])
    return root


def _row(root: Path, person: int, frame: int) -> list[str]:
    name = f"pictures/{SUBJECTS[person]}_{frame}.png"
    Image.new("RGB", (32, 32), (40 * person, 50 * frame, 90)).save(root / name)
    level = (person + frame) % 6
    return [
        *(name, SUBJECTS[person], "talk", str(frame), "FM"[person % 2]),
        *(str(int(level >= 2)), str(level), str(frame % 2), "" if frame == 3 else str(5 * (frame % 2)), "9"),
    ]
