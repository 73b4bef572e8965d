"""A small RAF-AU on disk."""

from pathlib import Path

from PIL import Image

LINES = ("7.jpg R12+25 ", "8.jpg null", "0010.jpg 1+2+L4+32", "121.jpg 43")


def make(root: Path, *, lines: tuple[str, ...] = LINES, digits: int = 4) -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. lines: the label file. digits: padding of the pictures' names.
    """
    (root / "aligned").mkdir(parents=True, exist_ok=True)
    (root / "RAFAU_label.txt").write_text("\n".join(lines) + "\n")
    for number in (7, 8, 10, 121):
        path = root / "aligned" / f"{number:0{digits}d}_aligned.jpg"
        Image.new("RGB", (32, 32), (number,) * 3).save(path)
    return root
