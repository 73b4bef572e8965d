"""A progress bar of a run on the terminal: frames read, faces per second, time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aullava.recognition.frames import frame_count
from aullava.recognition.inputs import Source
from aullava.recognition.pipeline import Block, ReadSettings
from aullava.recognition.work import Position, WorkItem
from aullava.video.decode import VideoReadError

_MOST_OPENED = 1000  # videos that are opened to count their frames


@contextmanager
def progress_bar(
    work: list[tuple[WorkItem, Position]], settings: ReadSettings, shown: bool = True, frames: int = 0, faces: int = 0
) -> Iterator[Callable[[Block], None]]:
    """Shows a bar on stderr if that is a terminal, and gives what to call for each block that was read.

    Args:
        work: what is still to be read. frames, faces: what an earlier run has read.
    """
    console = Console(stderr=True)
    shown = shown and console.is_terminal
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("frames, {task.fields[faces]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not shown) as progress:
        left = _frames_left(work, settings) if shown else None
        total = None if left is None else frames + left
        task = progress.add_task("reading", total=total, completed=frames, faces="")
        began, found = time.monotonic(), 0

        def on_block(block: Block) -> None:
            nonlocal found
            found += block.faces
            rate = found / max(time.monotonic() - began, 1e-9)
            progress.update(task, advance=block.frames, faces=f"{faces + found} faces, {rate:.1f} a second,")

        yield on_block


def _frames_left(work: list[tuple[WorkItem, Position]], settings: ReadSettings) -> int | None:
    """How many frames are still to be read, as far as the files tell; None if one does not."""

    def frames_in(source: Source) -> int | None:
        try:
            return frame_count(source, every=settings.every, fps=settings.fps)
        except (OSError, VideoReadError, ImportError):
            return 0  # it will be a failure of the run

    if sum(unit.kind != "image" for unit, _ in work) > _MOST_OPENED:
        return None
    counts = [frames_in(source) for unit, start in work for source in unit.sources[start.source :]]
    if None in counts:
        return None
    return max(0, sum(counts) - sum(start.frame // settings.every for _, start in work))
