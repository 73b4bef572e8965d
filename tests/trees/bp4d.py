"""A small BP4D on disk, in every form in which it is met."""

from pathlib import Path

from PIL import Image

SUBJECTS = ("F001", "F003", "M009")  # of part 1, 2 and 3
NAMED = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, *range(27, 40), 99)
LEGACY = tuple(range(1, 100))
CODED = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 32, 38, 39)
LEVELS = (6, 10, 12, 14, 17)


def occurrence(number: int, frame: int) -> int:
    """The label of a coded AU: two AUs differ in some frame, and so do two frames in some AU."""
    return (number * 7 + frame * 3) % 5 % 2


def level(number: int, frame: int) -> int:
    """0 to 5, or 9 in every seventh frame."""
    return 9 if frame % 7 == 0 else (number + frame) % 6


def shade(frame: int) -> int:
    """The grey of the picture that shows a frame; neighbours differ by far more than JPEG changes."""
    return frame * 37 % 256


def make(
    root: Path,
    *,
    subjects: tuple[str, ...] = SUBJECTS,
    tasks: tuple[str, ...] = ("T1", "T2"),
    frames: int = 4,
    first: int = 8,
    header: str = "legacy",
    intensity: str | None = "AUCoding/AU_INT",
    occurrences: str = "AUCoding/AU_OCC",
    pictures: str | None = "Sequences_2D+3D",
    padding: dict[str, int] | None = None,
) -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. subjects, tasks: what to write. frames, first: how many frames a sequence, from which number.
        header: "legacy" or "named". intensity, occurrences, pictures: their folders, None for none.
        padding: digits of the picture names by subject; 4, and 3 for M009 to M018, if it is not given.
    """
    columns, coded = (LEGACY, CODED) if header == "legacy" else (NAMED, NAMED[:-1])
    write_labels(root, occurrences, subjects, tasks, range(first, first + frames), columns, coded)
    if intensity:
        write_levels(root, intensity, subjects, tasks, range(first, first + frames))
    for subject in subjects if pictures is not None else ():
        digits = 3 if subject >= "M009" else 4
        digits = padding[subject] if padding else digits
        for task in tasks:
            write_pictures(root / pictures / subject / task, range(first, first + frames), digits)
    return root


def write_labels(root, folder, subjects, tasks, frames, columns, coded) -> None:
    """AU_OCC: 9 in columns that nobody coded, and 0 in column 99."""
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    head = ["0" if len(columns) == 99 else "1", *map(str, columns)]
    for subject in subjects:
        for task in tasks:
            rows = [
                [frame, *(occurrence(n, frame) if n in coded else 0 if n == 99 else 9 for n in columns)]
                for frame in frames
            ]
            lines = [",".join(head), *(",".join(map(str, row)) for row in rows)]
            (place / f"{subject}_{task}.csv").write_text("\n".join(lines) + "\n")


def write_levels(root, folder, subjects, tasks, frames) -> None:
    """AU_INT."""
    for number in LEVELS:
        place = root / folder / f"AU{number:02d}"
        place.mkdir(parents=True, exist_ok=True)
        for subject in subjects:
            for task in tasks:
                lines = [f"{frame},{level(number, frame)}\n" for frame in frames]
                (place / f"{subject}_{task}_AU{number:02d}.csv").write_text("".join(lines))


def write_pictures(place: Path, frames, digits: int, offset: int = 0) -> None:
    """A grey picture for every frame, named by its number plus the offset."""
    place.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        Image.new("RGB", (32, 32), (shade(frame),) * 3).save(place / f"{frame + offset:0{digits}d}.jpg")
