"""A small DISFA+ on disk."""

from pathlib import Path

from PIL import Image

from trees.disfa import UNITS, level

SUBJECTS = ("SN001", "SN003", "SN013")  # of DISFA's part 1, 3 and 2
TRIALS = ("A1_AU1_TrailNo_1", "A2_AU2_TrailNo_2")
HEADER = "# Subject: SN001\n# frame    intensity\n"


def shade(frame: int) -> int:
    """The grey of the picture that shows a frame."""
    return 20 + frame * 40 % 220


def make(
    root: Path,
    *,
    subjects: tuple[str, ...] = SUBJECTS,
    trials: tuple[str, ...] = TRIALS,
    frames: int = 4,
    pictures: tuple[str, ...] = ("Images", "Aligned"),
) -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. subjects, trials: what. frames: how many a trial, from 000.jpg.
        pictures: folders of pictures; those in Aligned are 16 pixels wide, the others 32.
    """
    names = {frame: f"{frame:03d}.jpg" for frame in range(frames)}
    for subject in subjects:
        for trial in trials:
            place = root / "Labels" / subject / trial
            place.mkdir(parents=True, exist_ok=True)
            for number in UNITS:
                rows = [f"{name}    {level(number, frame)}\n" for frame, name in names.items()]
                (place / f"AU{number}.txt").write_text(HEADER + "".join(rows))
            for folder in pictures:
                side = 16 if folder == "Aligned" else 32
                where = root / folder / subject / trial
                where.mkdir(parents=True, exist_ok=True)
                for frame, name in names.items():
                    Image.new("RGB", (side, side), (shade(frame),) * 3).save(where / name)
    return root
