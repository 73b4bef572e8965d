"""The videos of OpenFace's CSV files, which name none: a file clip.csv is of clip.mp4, wherever that lies.

OpenFace can write a copy of the video in which landmarks are drawn over the face, clip.avi beside clip.csv; the line
"Output video:" of clip_of_details.txt names it (both by its own source, [V1]). That copy is never taken for the video.
"""

import os
from pathlib import Path

from aullava.dataset_builder.corpora.formats.label_text import read_lines
from aullava.dataset_builder.corpora.formats.paths import VIDEO_SUFFIXES, Root
from aullava.dataset_builder.errors import LayoutError


def find_videos(tables: list[Path], video: str | os.PathLike | None, follow_links: bool) -> list[Path | None]:
    """The video of each OpenFace file, None where there is none.

    Args:
        tables: the files. video: the video of the only one, or the folder with the videos; None: beside each file.
        follow_links: whether links may lead out of that folder.

    Raises:
        LayoutError: none has a video, or one has several.
    """
    place = None if video is None else Path(video).expanduser()
    if place is not None and place.is_file() and len(tables) == 1:
        return [place]
    if place is not None and not place.is_dir():
        raise LayoutError(f"video {video}: expected the folder with the videos, or for a single table its video")
    videos = [_video_of(table, place or table.parent, follow_links) for table in tables]
    if not any(videos):
        first = tables[0]
        raise LayoutError(
            f"{place or first.parent}: no video such as {first.stem}.mp4 for {first.name}; expected one of the same name, or "
            "video='...' with its place"
        )
    return videos


def _video_of(table: Path, place: Path, follow_links: bool) -> Path | None:
    root, stem = Root(place, follow_links), table.stem.lower()
    drawn_over = _drawn_over(table) if place.samefile(table.parent) else set()
    found = [
        path
        for path in root.files(root.folder, f"{table.stem}.*")
        if path.stem.lower() == stem and path.suffix.lower() in VIDEO_SUFFIXES and path.name.lower() not in drawn_over
    ]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise LayoutError(
            f"{place}: {names} all have the name of {table.name}; expected one, or video='...' to say which"
        )
    return found[0] if found else None


def _drawn_over(table: Path) -> set[str]:
    """Names, in small letters, of OpenFace's own copies of the video."""
    details = table.with_name(f"{table.stem}_of_details.txt")
    if not details.is_file():
        return set()
    lines = (text.partition(":") for _, text in read_lines(details))
    return {Path(value.strip()).name.lower() for key, _, value in lines if key.strip().lower() == "output video"}
