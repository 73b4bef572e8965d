"""A small SAMM on disk."""

from pathlib import Path

from PIL import Image

from trees.casme2 import write_table

HEADER = (
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"),
    *("Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
)
ROWS = (
    ("006", "006_1_2", 1, 5562, 5588, 5632, 71, "1/2", "R12+14", "Anger", 6, None),
    (7, "007_3_1", 3, 100, 120, 150, 51, "1/2", 4, "Fear", 1, None),
    (11, "011_1_1", 1, 10, 12, 20, 11, "1/2", "1+2", "Surprise", 3, "remark"),
)


def make(root: Path, *, rows: tuple = ROWS, above: int = 13, header: tuple = HEADER, csv: str = "") -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. rows, header: of the table. above: rows of text above the header. csv: delimiter if no workbook.
    """
    text = (("SAMM micro-expression FACS codes",), *[(f"line {n}",) for n in range(1, above)])[:above]
    write_table(root / f"SAMM_Micro_FACS_Codes_v2.{'csv' if csv else 'xlsx'}", (*text, header, *rows), csv)
    for row in rows:
        subject = f"{int(row[0]):03d}"
        place = root / subject / row[1]
        place.mkdir(parents=True, exist_ok=True)
        for frame in (row[3], row[4]):
            Image.new("RGB", (32, 32), (frame % 256,) * 3).save(place / f"{subject}_{frame:05d}.jpg")
    return root
