"""A small EmotioNet on disk."""

from pathlib import Path

from PIL import Image

NUMBERS = range(1, 61)
PICTURES = ("N_0000000001/N_0000000001_00001", "N_0000000001/N_0000000001_00002", "N_0000000002/N_0000000002_00001")
TABLE = "EmotioNet_FACS_aws_2020_24600.csv"


def label(number: int, picture: int) -> int:
    """0, 1 or 999 for an AU of a picture (from 0)."""
    return (0, 1, 999)[(number + picture) % 3]


def make(root: Path, *, flat: bool = False, images: str = "") -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. flat: pictures without their N_ folders. images: the folder above the pictures.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows = [["URL", " 'URL orig'", *(f"'AU {n}'" for n in NUMBERS)]]
    for order, picture in enumerate(PICTURES):
        url = f"'https://example.org/Images/{picture}.jpg'"
        rows.append([url, "'http://elsewhere.example/a.jpg'", *(str(label(n, order)) for n in NUMBERS)])
        path = root / images / f"{picture.rpartition('/')[2] if flat else picture}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (order * 80,) * 3).save(path)
    (root / TABLE).write_text("\n".join(map(",".join, rows)) + "\n")
    return root
