"""A small CASME II on disk."""

from pathlib import Path

from PIL import Image

HEADER = (
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
)
ROWS = (
    (1, "EP02_01f", None, 46, 59, 86, None, "4+7", "happiness"),
    (1, "EP19_05f", None, 20, 30, 40, None, "?", "others"),
    ("02", "EP01_11f", None, 46, 91, 100, None, "R12", "repression"),
    (10, "EP02_02f", None, 5, "/", 20, None, 12, "disgust"),
    (10, "EP11_01", None, 5, 9, 20, None, "4+?", "disgust"),
)


def make(
    root: Path,
    *,
    rows: tuple = ROWS,
    header: tuple = HEADER,
    csv: str = "",
    frames: str = "Cropped",
    name: str = "reg_img{}",
) -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. rows, header: of the table. csv: its delimiter if it is not a workbook.
        frames: the folder above the subjects'. name: how a picture of a frame is called.
    """
    write_table(root / f"CASME2-coding-20140508.{'csv' if csv else 'xlsx'}", (header, *rows), csv)
    for row in rows:
        place = root / frames / f"sub{int(row[0]):02d}" / str(row[1])
        for frame in (row[3], row[4]):
            if isinstance(frame, int):
                place.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (frame,) * 3).save(place / f"{name.format(frame)}.jpg")
    return root


def write_table(path: Path, rows: tuple, delimiter: str = "") -> None:
    """A workbook, or a CSV file if a delimiter is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if delimiter:
        lines = [delimiter.join("" if cell is None else str(cell) for cell in row) for row in rows]
        path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
        return
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
