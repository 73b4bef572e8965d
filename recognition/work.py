"""Work items: what is read as one piece, a video or webcam by itself or a few images in a row.

Which inputs make up a work item follows from their order and the batch size alone. Faces that share a batch come from one
work item, and the last bits of a reading depend on what else is in its batch. So one process, several processes and an
interrupted run all write the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from aullava.recognition.inputs import Source


@dataclass(frozen=True)
class WorkItem:
    """`number`: 0, 1, ... in the order of the inputs. `sources`: one video or webcam, or one or several images."""

    number: int
    sources: tuple[Source, ...]

    @property
    def kind(self) -> str:
        """ "image", "video" or "webcam"."""
        return self.sources[0].kind


@dataclass(frozen=True)
class Position:
    """Where reading continues in a work item.

    source: which of the item's inputs is next.
    frame: number of the first frame of it that was not read.
    tracker: what `detection.tracking.Tracker.state` gave before that frame; None if no face has been tracked yet.
    """

    source: int = 0
    frame: int = 0
    tracker: dict | None = None


START = Position()


def work_items(sources: Sequence[Source], batch_size: int) -> list[WorkItem]:
    """The work items of a run, in the order of the inputs.

    Args:
        sources: what is to be read.
        batch_size: the most images in a work item, 1 or more.

    Raises:
        ValueError: the batch size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: expected 1 or more")
    parts = []
    for kind, group in groupby(sources, key=lambda source: source.kind):
        group = list(group)
        size = batch_size if kind == "image" else 1
        parts += [tuple(group[first : first + size]) for first in range(0, len(group), size)]
    return [WorkItem(number, part) for number, part in enumerate(parts)]
