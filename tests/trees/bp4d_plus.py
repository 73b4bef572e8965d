"""A small BP4D+ on disk: labels count from 1, pictures from 0, and names are padded to three or four digits."""

from pathlib import Path

from trees.bp4d import NAMED, write_labels, write_levels, write_pictures

SUBJECTS = ("F001", "F004", "M001", "M002")  # of the third, first, second and fourth of FMAE-IAT's folds


def make(
    root: Path,
    *,
    subjects: tuple[str, ...] = SUBJECTS,
    tasks: tuple[str, ...] = ("T1", "T6"),
    frames: int = 4,
    first: int = 8,
    intensity: str | None = "AUCoding/AU_INT",
    pictures: str | None = "2D+3D",
) -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. subjects, tasks: what to write. frames, first: how many frames a sequence, from which number.
        intensity, pictures: their folders, None for none.
    """
    numbers = range(first, first + frames)
    write_labels(root, "AUCoding/AU_OCC", subjects, tasks, numbers, NAMED, NAMED[:-1])
    if intensity:
        write_levels(root, intensity, subjects, tasks, numbers)
    for subject in subjects if pictures is not None else ():
        for task in tasks:
            write_pictures(root / pictures / subject / task, numbers, 4 if subject == "F001" else 3, offset=-1)
    return root
