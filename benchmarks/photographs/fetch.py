"""Fetch the photographs of labels.csv from the public repositories that hold them, and cut out the labelled faces.

    python benchmarks/photographs/fetch.py DIR

Writes DIR/faces/pNNN.jpg, each face with three quarters of its box around it and at most 480 pixels wide and high,
DIR/labels.csv with the boxes in these pictures, and DIR/sha256.csv with the hash of every whole picture. What is there already
is not fetched again; a picture that cannot be had is named, and the exit code is 1.
"""

import argparse
import csv
import hashlib
import io
import sys
import urllib.request
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from aullava.common.files import replace_file

LABELS = Path(__file__).with_name("labels.csv")
AROUND, LARGEST = 0.75, 480


def cut_out(image: Image.Image, box: tuple[int, int, int, int]) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """The face with room around it, and its box there: x, y, width, height in pixels.

    Args:
        image: the whole picture, RGB.
        box: left, top, right, bottom of the face in it.
    """
    left, top, right, bottom = box
    across, down = round((right - left) * AROUND), round((bottom - top) * AROUND)
    x, y = max(0, left - across), max(0, top - down)
    face = image.crop((x, y, min(image.width, right + across), min(image.height, bottom + down)))
    scale = min(1.0, LARGEST / max(face.size))
    seen = tuple(round(value * scale) for value in (left - x, top - y, right - left, bottom - top))
    if scale < 1:
        face = face.resize([round(side * scale) for side in face.size], Image.Resampling.LANCZOS)
    return face, seen


def fetch(out: Path) -> int:
    """Fetch all that is missing; the number of pictures that could not be had."""
    rows = list(csv.DictReader(LABELS.open()))
    (out / "faces").mkdir(parents=True, exist_ok=True)
    missing, hashes, boxes = 0, {}, {}
    known = {}
    for name, column in (("labels.csv", None), ("sha256.csv", "sha256")):
        if (out / name).exists():
            known[name] = {
                row["file"]: row if column is None else row[column] for row in csv.DictReader((out / name).open())
            }
    for row in rows:
        file = out / "faces" / row["file"]
        if file.exists() and all(row["file"] in table for table in known.values()) and len(known) == 2:
            boxes[row["file"]], hashes[row["file"]] = (
                known["labels.csv"][row["file"]],
                known["sha256.csv"][row["file"]],
            )
            continue
        address = f"https://raw.githubusercontent.com/{row['source']}/{row['commit']}/{quote(row['path'])}"
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                data = answer.read()
            face, box = cut_out(
                Image.open(io.BytesIO(data)).convert("RGB"), tuple(map(int, row["source_box"].split()))
            )
        except OSError as error:
            print(f"{row['file']}: {address}: {error}", file=sys.stderr)
            missing += 1
            continue
        replace_file(file, lambda path, face=face: face.save(path, "JPEG", quality=95))
        hashes[row["file"]] = hashlib.sha256(data).hexdigest()
        boxes[row["file"]] = row | dict(zip(("face_x", "face_y", "face_w", "face_h"), map(str, box), strict=True))
    write_table(out / "labels.csv", list(rows[0]), boxes.values())
    write_table(out / "sha256.csv", ["file", "sha256"], ({"file": f, "sha256": h} for f, h in hashes.items()))
    print(f"{len(boxes)} of {len(rows)} pictures in {out / 'faces'}")
    return missing


def write_table(file: Path, columns: list[str], rows) -> None:
    def write(path: Path) -> None:
        with path.open("w", newline="") as stream:
            table = csv.DictWriter(stream, columns, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)

    replace_file(file, write)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="DIR", help="folder for the pictures")
    return 1 if fetch(parser.parse_args().out) else 0


if __name__ == "__main__":
    sys.exit(main())
