"""A small DISFA on disk: real videos whose frames show their own number."""

from pathlib import Path

from trees.videos import write_video

SUBJECTS = ("SN001", "SN006", "SN003")  # of part 1, 2 and 3
UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
FOLDERS = {"left": "Videos_LeftCamera", "right": "Video_RightCamera"}
ENDINGS = {"left": "_comp.avi", "right": "_Comp.avi"}


def level(number: int, frame: int) -> int:
    """The label of a unit in a frame, counted from 1: 0 to 5."""
    return (number * 5 + frame) % 6


def make(
    root: Path,
    *,
    subjects: tuple[str, ...] = SUBJECTS,
    frames: int = 6,
    video_frames: int | None = None,
    cameras: tuple[str, ...] = ("left", "right"),
    first_shown: int = 0,
) -> Path:
    """Write the corpus and return its folder.

    Args:
        root: where to write. subjects: whom. frames: how many are labelled.
        video_frames: how many the videos have; as many, if it is not given. cameras: of which there are videos.
        first_shown: the number that a video's first frame shows; the right camera's shows 1000 more.
    """
    for subject in subjects:
        place = root / "ActionUnit_Labels" / subject
        place.mkdir(parents=True, exist_ok=True)
        for number in UNITS:
            lines = [f"{frame},{level(number, frame)}\r\n" for frame in range(1, frames + 1)]
            (place / f"{subject}_au{number}.txt").write_text("".join(lines), newline="")
        for camera in cameras:
            name = f"{camera.capitalize()}Video{subject}{ENDINGS[camera]}"
            shown = first_shown + (1000 if camera == "right" else 0)
            count = frames if video_frames is None else video_frames
            write_video(root / FOLDERS[camera] / name, count, first=shown, b_frames=2)
    return root
