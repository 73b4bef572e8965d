"""What is read as one piece of work: a video or webcam by itself, or a few pictures in a row.

Which inputs make up a unit follows from their order and the batch size alone. Faces that share a batch come from one unit, and the
last bits of a reading depend on the company in its batch; so one process, several, and a run that was interrupted write the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from aullava.recognition.inputs import Source


@dataclass(frozen=True)
class Unit:
    """`number`: 0, 1, ... in the order of the inputs. `sources`: one video or webcam, or one or several pictures."""

    number: int
    sources: tuple[Source, ...]

    @property
    def kind(self) -> str:
        """ "image", "video" or "webcam"."""
        return self.sources[0].kind


@dataclass(frozen=True)
class Position:
    """Where reading goes on in a unit.

    source: which of the unit's inputs is next.
    frame: number of the first frame of it that was not read.
    tracker: what `detection.tracking.Tracker.state` gave before that frame; None where nothing is followed yet.
    """

    source: int = 0
    frame: int = 0
    tracker: dict | None = None


START = Position()


def units_of(sources: Sequence[Source], batch_size: int) -> list[Unit]:
    """The units of a run, in the order of the inputs.

    Args:
        sources: what is to be read.
        batch_size: the most pictures in a unit, 1 or more.

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
    return [Unit(number, part) for number, part in enumerate(parts)]
