"""A small Aff-Wild2 on disk."""

from pathlib import Path

from PIL import Image

TRAIN, VALIDATION = ("1-30-1280x720", "video7_left", "video7_right"), ("video2", "video10")
HEADERS = {
    12: "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26",
    8: "AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25",
}
INVALID_FRAME, NO_FACE_FRAME = 3, 2


def value(column: int, frame: int) -> int:
    """The label in a column (from 0); the third frame is not valid."""
    return -1 if frame == INVALID_FRAME else (column * 5 + frame) % 3 % 2


def make(root: Path, *, columns: int = 12, frames: int = 4, old_names: bool = False) -> Path:
    """Write the corpus and return its folder: 5 files of 4 videos, the second frame of each without a picture.

    Args:
        root: where to write. columns: 12 or 8. frames: lines a video. old_names: the folders of the edition of 2020.
    """
    above = root / "annotations" / ("AU_Set" if old_names else "AU_Detection_Challenge")
    train = "Training_Set" if old_names else "Train_Set"
    for folder, videos in ((train, TRAIN), ("Validation_Set", VALIDATION)):
        for video in videos:
            lines = [",".join(str(value(c, f)) for c in range(columns)) for f in range(1, frames + 1)]
            write_labels(above / folder / f"{video}.txt", [HEADERS[columns], *lines])
            for frame in set(range(1, frames + 1)) - {NO_FACE_FRAME}:
                place = root / "cropped_aligned" / video
                place.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (frame * 37 % 256,) * 3).save(place / f"{frame:05d}.jpg")
    return root


def write_labels(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
